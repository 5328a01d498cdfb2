/* Which language, which plural, and the one sound rule that a list in Welsh needs. */
#include "worker/model/language.h"

#include "worker/model/plain_text.h"

#include <string.h>
#include <strings.h>

static const char *const tags[LANGUAGE_COUNT] = {
    [LANGUAGE_EN_GB] = "en-GB",
    [LANGUAGE_CY] = "cy",
};

bool language_from_tag(const char *tag, enum language *language)
{
    if (tag == NULL || tag[0] == '\0')
        return false;
    size_t base = strcspn(tag, "-");
    for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
        if (strcspn(tags[i], "-") == base && strncasecmp(tags[i], tag, base) == 0) {
            *language = (enum language)i;
            return true;
        }
    }
    return false;
}

const char *language_tag(enum language language)
{
    return tags[language];
}

enum language_plural language_plural_of(enum language language, size_t count)
{
    if (count == 1)
        return LANGUAGE_PLURAL_ONE;
    if (language != LANGUAGE_CY)
        return LANGUAGE_PLURAL_OTHER;
    switch (count) {
    case 0:
        return LANGUAGE_PLURAL_ZERO;
    case 2:
        return LANGUAGE_PLURAL_TWO;
    case 3:
        return LANGUAGE_PLURAL_FEW;
    case 6:
        return LANGUAGE_PLURAL_MANY;
    default:
        return LANGUAGE_PLURAL_OTHER;
    }
}

const char *language_plural_name(enum language_plural plural)
{
    static const char *const names[] = {
        [LANGUAGE_PLURAL_ZERO] = "zero", [LANGUAGE_PLURAL_ONE] = "one",
        [LANGUAGE_PLURAL_TWO] = "two",   [LANGUAGE_PLURAL_FEW] = "few",
        [LANGUAGE_PLURAL_MANY] = "many", [LANGUAGE_PLURAL_OTHER] = "other",
    };
    return names[plural];
}

/* The vowel under the marks, in lower case; 0 for anything else. */
static char vowel_of(unsigned c)
{
    static const struct {
        unsigned first;
        unsigned last;
        char vowel;
    } marked[] = {
        {0xc0, 0xc6, 'a'},     {0xc8, 0xcb, 'e'},   {0xcc, 0xcf, 'i'},   {0xd2, 0xd6, 'o'},
        {0xd9, 0xdc, 'u'},     {0xdd, 0xdd, 'y'},   {0xe0, 0xe6, 'a'},   {0xe8, 0xeb, 'e'},
        {0xec, 0xef, 'i'},     {0xf2, 0xf6, 'o'},   {0xf9, 0xfc, 'u'},   {0xfd, 0xfd, 'y'},
        {0xff, 0xff, 'y'},     {0x174, 0x175, 'w'}, {0x176, 0x178, 'y'}, {0x1e80, 0x1e85, 'w'},
        {0x1ef2, 0x1ef3, 'y'},
    };
    if (c < 0x80)
        return c != 0 && strchr("aeiouwy", (int)(c | 0x20U)) != NULL ? (char)(c | 0x20U) : '\0';
    for (size_t i = 0; i < sizeof(marked) / sizeof(marked[0]); i++)
        if (c >= marked[i].first && c <= marked[i].last)
            return marked[i].vowel;
    return '\0';
}

/* 1 un, 8 wyth, 11 to 19 un deg ..., 80 to 89 wyth deg ..., 800 to 899 wyth cant. */
static bool is_number_with_vowel(const char *text, size_t size)
{
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (text[0] == '8')
        return digits <= 3;
    return text[0] == '1' && (digits == 1 || (digits == 2 && text[1] != '0'));
}

bool language_welsh_is_ac(const char *text, size_t size)
{
    unsigned c = 0;
    while (size > 0 && strchr("'\"([{ ", text[0]) != NULL && text[0] != '\0') {
        text++;
        size--;
    }
    size_t length = size > 0 ? plain_text_sequence(text, size, &c) : 0;
    if (length == 0)
        return false;
    if (c >= '0' && c <= '9')
        return is_number_with_vowel(text, size);
    char vowel = vowel_of(c);
    if (c != 'w' && c != 'W' && c != 'y' && c != 'Y')
        return vowel != '\0';
    /* Before a vowel they are consonants; "wy" begins with the vowel ("wythnos"). */
    unsigned next = 0;
    if (length < size)
        (void)plain_text_sequence(text + length, size - length, &next);
    char next_vowel = vowel_of(next);
    return next_vowel == '\0' || (vowel == 'w' && next_vowel == 'y') || next_vowel == 'w';
}
