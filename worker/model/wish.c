/* Reading a time out of a reply's text. */
#include "worker/model/wish.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { DIGITS_MAXIMUM = 6, CLOCK_PARTS = 3 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads the digits at `text`; 0 of them where there are none, or too many to mean anything. */
static size_t number_read(const char *text, uint32_t *number)
{
    size_t digits = 0;
    *number = 0;
    for (; is_digit(text[digits]); digits++)
        *number = digits < DIGITS_MAXIMUM ? *number * 10 + (uint32_t)(text[digits] - '0') : 0;
    return digits <= DIGITS_MAXIMUM ? digits : 0;
}

/* Whether the word before `at`, blanks between them, is `word`, in any case. */
static bool is_after(const char *text, const char *at, const char *word)
{
    size_t size = strlen(word);
    while (at > text && at[-1] == ' ')
        at--;
    if ((size_t)(at - text) < size || strncasecmp(at - size, word, size) != 0)
        return false;
    return at - size == text || !is_letter(at[-1 - (ptrdiff_t)size]);
}

/* "in 05:00" is a time to wait; "at 10:30:05", "2026-11-22 10:30:05" and "10:30 UTC" are times of a
 * day, of which nobody knows whose. */
static bool is_span(const char *text, const char *at)
{
    return is_after(text, at, "in") || is_after(text, at, "for") || is_after(text, at, "wait");
}

/* Seconds in the unit that stands at `text`, a whole word; 0: there is none. */
static uint32_t unit_s(const char *text)
{
    static const struct {
        const char *word;
        uint32_t seconds;
    } units[] = {{"s", 1},          {"sec", 1},      {"secs", 1},    {"second", 1},
                 {"seconds", 1},    {"m", 60},       {"min", 60},    {"mins", 60},
                 {"minute", 60},    {"minutes", 60}, {"h", 60 * 60}, {"hour", 60 * 60},
                 {"hours", 60 * 60}};
    size_t size = 0;
    while (is_letter(text[size]))
        size++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].word) == size && !is_digit(text[size]) && /* no "10h30" */
            strncasecmp(units[i].word, text, size) == 0)
            return units[i].seconds;
    return 0;
}

/* "05:00", "00:05:00": two digits behind each colon, and nothing of a longer number or address. */
static uint32_t clock_s(const char *text)
{
    uint32_t total_s = 0, part;
    unsigned parts = 0;
    size_t digits;
    while ((digits = number_read(text, &part)) > 0 && digits <= 2 && parts < CLOCK_PARTS) {
        total_s = total_s * 60 + part;
        parts++;
        text += digits;
        if (*text != ':')
            break;
        text++;
    }
    bool is_whole = parts >= 2 && !is_digit(*text) && !is_letter(*text) && *text != ':';
    return is_whole ? total_s : 0;
}

/* The time that begins with the digits at `at` in `text`; 0: none does. */
static uint32_t time_s(const char *text, const char *at)
{
    uint32_t number;
    size_t digits = number_read(at, &number);
    if (digits == 0 || is_after(text, at, "at"))
        return 0;
    if (at[digits] == ':')
        return is_span(text, at) ? clock_s(at) : 0;
    const char *unit = at + digits;
    while (*unit == ' ' || *unit == '-')
        unit++;
    uint32_t seconds = unit_s(unit);
    return seconds > 0 && number > WISH_MAXIMUM_S / seconds ? WISH_MAXIMUM_S : number * seconds;
}

uint32_t wish_wait_s(const char *text)
{
    bool is_inside = false; /* of a word, or of a number with dots */
    for (const char *at = text; *at != '\0'; at++) {
        if (is_digit(*at) && !is_inside) {
            uint32_t wait_s = time_s(text, at);
            if (wait_s > 0)
                return wait_s < WISH_MAXIMUM_S ? wait_s : WISH_MAXIMUM_S;
        }
        is_inside =
            is_digit(*at) || is_letter(*at) || *at == '.' || *at == ':' || *at == '_' || *at == '-';
    }
    return 0;
}
