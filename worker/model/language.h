/* The languages that mails are written in. Which words a language has is the templates' business;
 * here is only which one a recipient gets. */
#ifndef HANDBELL_MODEL_LANGUAGE_H
#define HANDBELL_MODEL_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

enum language { LANGUAGE_EN_GB, LANGUAGE_CY };

enum { LANGUAGE_COUNT = 2 };

/* The language of a BCP 47 tag, letters of either case: "cy", "en-GB"; by its first part where the
 * whole is not known ("cy-GB", "en-AU"). False, and `language` untouched, for any other text (NULL
 * and "" included). */
bool language_from_tag(const char *tag, enum language *language);
/* "en-GB" or "cy". Static. */
const char *language_tag(enum language language);

/* CLDR's plural categories of whole numbers. Welsh has six, English the second and the last. */
enum language_plural {
    LANGUAGE_PLURAL_ZERO,
    LANGUAGE_PLURAL_ONE,
    LANGUAGE_PLURAL_TWO,
    LANGUAGE_PLURAL_FEW,
    LANGUAGE_PLURAL_MANY,
    LANGUAGE_PLURAL_OTHER,
};

enum language_plural language_plural_of(enum language language, size_t count);
/* "zero", "one", ...: CLDR's names. Static. */
const char *language_plural_name(enum language_plural plural);

/* Whether the Welsh "and" before `text` is "ac": before a vowel, marks on it and quotes or brackets
 * before it aside, and before a number that is said with one ("1", "8"). Before a consonant, "y"
 * and "w" that sound as one included ("Year", "Watson"), and before other scripts it is "a". */
bool language_welsh_is_ac(const char *text, size_t size);

#endif
