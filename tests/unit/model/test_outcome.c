/* An outcome's names, and that no address survives the redaction. */
#include "worker/model/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_value_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(outcome_kind_name(OUTCOME_SENT), "sent");
    assert_string_equal(outcome_kind_name(OUTCOME_DEFERRED), "deferred");
    assert_string_equal(outcome_kind_name(OUTCOME_REFUSED), "refused");
    assert_string_equal(outcome_kind_name(OUTCOME_UNCERTAIN), "uncertain");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_NONE), "none");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_RELAY), "relay");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_MESSAGE), "message");
    assert_string_equal(outcome_scope_name(OUTCOME_SCOPE_RECIPIENT), "recipient");
    for (int verb = OUTCOME_VERB_NONE; verb <= OUTCOME_VERB_BODY; verb++)
        assert_string_not_equal(outcome_verb_name((enum outcome_verb)verb), "");
    assert_string_equal(outcome_verb_name(OUTCOME_VERB_RCPT), "RCPT");
    assert_string_equal(outcome_verb_name(OUTCOME_VERB_BODY), "BODY");
}

static void addresses_are_redacted_wherever_they_stand(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"user unknown", "user unknown"},
        {"<ada@example.org>: no such user", "<address>: no such user"},
        {"ada@example.org no such user", "<address> no such user"},
        {"no user ada@example.org", "no user <address>"},
        {"no user (ada@example.org)", "no user (<address>)"},
        {"a@b.org,c@d.org; e@f.org", "<address>,<address>; <address>"},
        {"<\"ada lovelace\"@example.org> gone", "<address> gone"},
        {"<ada@[192.0.2.1]> gone", "<address> gone"},
        {"rcpt to:<ada@example.org> rejected", "rcpt to:<address> rejected"},
        {"mailto:ada+tag=x@example.org", "<address>"},
        {"@", "<address>"},
        {"a@b@c d", "<address> d"},
        {"x\"@y z", "<address> z"},
        {"tab\there\r\n\x01\x7f", "tab?here????"},
        {"caf\xc3\xa9", "caf??"},
        {"ad\xc3\xa9l@example.org gone", "<address> gone"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[OUTCOME_TEXT_BYTES];
        outcome_redact(text, sizeof(text), rows[i][0], (unsigned)strlen(rows[i][0]));
        assert_string_equal(text, rows[i][1]);
    }
}

static void the_text_is_cut_where_the_room_ends(void **state)
{
    (void)state;
    char text[8];
    outcome_redact(text, sizeof(text), "0123456789", 10);
    assert_string_equal(text, "0123456");
    outcome_redact(text, sizeof(text), "ada@example.org", 15);
    assert_string_equal(text, "<addres");
    text[0] = 'x';
    outcome_redact(text, 0, "abc", 3);
    assert_int_equal(text[0], 'x');
    outcome_redact(text, 1, "abc", 3);
    assert_string_equal(text, "");
}

/* Every text of up to seven characters out of those that matter: no address
 * is left, and nothing is written past the room. */
static void no_short_text_lets_an_address_through(void **state)
{
    (void)state;
    static const char letters[] = "a@ \"<>[";
    const unsigned count = sizeof(letters) - 1;
    unsigned total = 1;
    for (int i = 0; i < 7; i++)
        total *= count;
    for (unsigned number = 0; number < total; number++) {
        char words[7];
        unsigned rest = number;
        for (int i = 0; i < 7; i++, rest /= count)
            words[i] = letters[rest % count];
        char text[24];
        outcome_redact(text, sizeof(text), words, sizeof(words));
        assert_true(strlen(text) < sizeof(text));
        assert_null(strchr(text, '@'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_its_name),
        cmocka_unit_test(addresses_are_redacted_wherever_they_stand),
        cmocka_unit_test(the_text_is_cut_where_the_room_ends),
        cmocka_unit_test(no_short_text_lets_an_address_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
