/* Proves which language a tag stands for, CLDR's plurals, and the Welsh "and". */
#include "worker/model/language.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_tag_is_known_by_its_first_part(void **state)
{
    (void)state;
    static const struct {
        const char *tag;
        bool is_known;
        enum language language;
    } rows[] = {
        {"en-GB", true, LANGUAGE_EN_GB}, {"cy", true, LANGUAGE_CY},
        {"CY", true, LANGUAGE_CY},       {"cy-GB", true, LANGUAGE_CY},
        {"en", true, LANGUAGE_EN_GB},    {"en-AU", true, LANGUAGE_EN_GB},
        {"fr", false, LANGUAGE_EN_GB},   {"", false, LANGUAGE_EN_GB},
        {NULL, false, LANGUAGE_EN_GB},   {"cym", false, LANGUAGE_EN_GB},
        {"c", false, LANGUAGE_EN_GB},    {"-cy", false, LANGUAGE_EN_GB},
        {"eng", false, LANGUAGE_EN_GB},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum language language = LANGUAGE_EN_GB;
        assert_int_equal(language_from_tag(rows[i].tag, &language), rows[i].is_known);
        assert_int_equal(language, rows[i].language);
    }
    for (int i = 0; i < LANGUAGE_COUNT; i++) {
        enum language language;
        assert_true(language_from_tag(language_tag((enum language)i), &language));
        assert_int_equal(language, i);
    }
}

static void plurals_are_those_of_cldr(void **state)
{
    (void)state;
    static const char *const welsh[] = {"zero",  "one",   "two",   "few",   "other", "other",
                                        "many",  "other", "other", "other", "other", "other",
                                        "other", "other", "other", "other", "other"};
    for (size_t i = 0; i < sizeof(welsh) / sizeof(welsh[0]); i++) {
        const char *english = i == 1 ? "one" : "other";
        assert_string_equal(language_plural_name(language_plural_of(LANGUAGE_CY, i)), welsh[i]);
        assert_string_equal(language_plural_name(language_plural_of(LANGUAGE_EN_GB, i)), english);
    }
    assert_int_equal(language_plural_of(LANGUAGE_CY, 106), LANGUAGE_PLURAL_OTHER);
}

static void the_welsh_and_is_ac_before_a_vowel(void **state)
{
    (void)state;
    static const char *const ac[] = {"Addysg",
                                     "addysg",
                                     "Eseia",
                                     "Iaith",
                                     "Ofydd",
                                     "Un",
                                     "Wrecsam",
                                     "Wythnos",
                                     "Ysgol",
                                     "\xc3\x82",
                                     "\xc5\xb4yr",
                                     "\xc5\xb7",
                                     "\xc3\x93 S\xc3\xbailleabh",
                                     "1",
                                     "8",
                                     "11 arall",
                                     "18",
                                     "80",
                                     "800",
                                     "'Art'",
                                     "(Art)"};
    static const char *const a[] = {"Cerddoriaeth",
                                    "Mathemateg",
                                    "Hanes",
                                    "Year 5",
                                    "Watson",
                                    "2",
                                    "10",
                                    "100",
                                    "3 arall",
                                    "118",
                                    "",
                                    "\xe6\x9d\x8e",
                                    "\xd9\x85\xd8\xb1",
                                    "\xf0\x9f\x98\x80",
                                    "\xff",
                                    "-",
                                    "Llywel"};
    for (size_t i = 0; i < sizeof(ac) / sizeof(ac[0]); i++)
        if (!language_welsh_is_ac(ac[i], strlen(ac[i])))
            fail_msg("%s", ac[i]);
    for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
        if (language_welsh_is_ac(a[i], strlen(a[i])))
            fail_msg("%s", a[i]);
    assert_false(language_welsh_is_ac("Addysg", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_known_by_its_first_part),
        cmocka_unit_test(plurals_are_those_of_cldr),
        cmocka_unit_test(the_welsh_and_is_ac_before_a_vowel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
