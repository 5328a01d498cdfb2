/* Names for an outcome's parts, and the redaction that lets a peer's words be kept. */
#include "worker/model/outcome.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

const char *outcome_kind_name(enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_SENT:
        return "sent";
    case OUTCOME_DEFERRED:
        return "deferred";
    case OUTCOME_REFUSED:
        return "refused";
    case OUTCOME_UNCERTAIN:
        return "uncertain";
    }
    return "";
}

const char *outcome_scope_name(enum outcome_scope scope)
{
    switch (scope) {
    case OUTCOME_SCOPE_NONE:
        return "none";
    case OUTCOME_SCOPE_RELAY:
        return "relay";
    case OUTCOME_SCOPE_MESSAGE:
        return "message";
    case OUTCOME_SCOPE_RECIPIENT:
        return "recipient";
    case OUTCOME_SCOPE_DOMAIN:
        return "domain";
    }
    return "";
}

const char *outcome_verb_name(enum outcome_verb verb)
{
    static const char *const names[] = {
        [OUTCOME_VERB_NONE] = "NONE",         [OUTCOME_VERB_CONNECT] = "CONNECT",
        [OUTCOME_VERB_GREETING] = "GREETING", [OUTCOME_VERB_EHLO] = "EHLO",
        [OUTCOME_VERB_STARTTLS] = "STARTTLS", [OUTCOME_VERB_AUTH] = "AUTH",
        [OUTCOME_VERB_MAIL] = "MAIL",         [OUTCOME_VERB_RCPT] = "RCPT",
        [OUTCOME_VERB_DATA] = "DATA",         [OUTCOME_VERB_BODY] = "BODY",
    };
    if ((unsigned)verb >= sizeof(names) / sizeof(names[0]))
        return "";
    return names[verb];
}

/* What may stand in an address beside its '@'. Blanks end it, and so do the brackets and commas
 * that servers put around one; a quote does not, for "a b"@example.org has one. */
static bool is_address_char(unsigned char c)
{
    return c > ' ' && c != 0x7f && !strchr("<>()[],;", c);
}

/* Where the run around the '@' at `at` starts and ends. A quoted local part may hold blanks: then
 * it starts at its opening quote. */
static unsigned run_start(const char *words, unsigned at)
{
    unsigned start = at;
    if (at > 0 && words[at - 1] == '"') {
        start = at - 1;
        while (start > 0 && words[start - 1] != '"')
            start--;
        if (start > 0)
            start--;
        else
            start = at; /* no opening quote: an ordinary run */
    }
    while (start > 0 && is_address_char((unsigned char)words[start - 1]))
        start--;
    return start;
}

static unsigned run_end(const char *words, unsigned size, unsigned at)
{
    unsigned end = at + 1;
    if (end < size && words[end] == '[') { /* an address literal, RFC 5321 4.1.3 */
        while (end < size && words[end] != ']')
            end++;
        return end < size ? end + 1 : size;
    }
    while (end < size && is_address_char((unsigned char)words[end]))
        end++;
    return end;
}

static void append_words(char *text, unsigned room, unsigned *used, const char *words,
                         unsigned size)
{
    for (unsigned i = 0; i < size && *used < room; i++) {
        unsigned char c = (unsigned char)words[i];
        text[(*used)++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
}

void outcome_redact(char *text, unsigned text_bytes, const char *words, unsigned words_bytes)
{
    static const char replacement[] = "<address>";
    if (text_bytes == 0)
        return;
    unsigned room = text_bytes - 1;
    unsigned used = 0;
    unsigned done = 0;
    while (done < words_bytes && used < room) {
        const char *found = memchr(words + done, '@', words_bytes - done);
        if (!found) {
            append_words(text, room, &used, words + done, words_bytes - done);
            break;
        }
        unsigned at = (unsigned)(found - words);
        unsigned start = run_start(words, at);
        unsigned end = run_end(words, words_bytes, at);
        /* The brackets that servers write belong to the address: not <<address>>. */
        if (start > 0 && words[start - 1] == '<' && end < words_bytes && words[end] == '>') {
            start--;
            end++;
        }
        if (start > done)
            append_words(text, room, &used, words + done, start - done);
        append_words(text, room, &used, replacement, sizeof(replacement) - 1);
        done = end;
    }
    text[used] = '\0';
}

static bool is_word_char(char c)
{
    unsigned char byte = (unsigned char)c;
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte >= 0x80;
}

/* outcome_redact has written '?' for each byte beyond ASCII. */
static bool is_same_char(char kept, char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x80 ? kept == '?' : tolower((unsigned char)kept) == tolower(byte);
}

/* How many bytes from `at` on are the word: all, or what is left of it where a full text was cut.
 */
static size_t word_at(const char *text, size_t size, size_t at, const char *word, size_t word_bytes)
{
    size_t same = 0;
    if (at > 0 && is_word_char(text[at - 1]))
        return 0;
    while (same < word_bytes && at + same < size && is_same_char(text[at + same], word[same]))
        same++;
    bool is_whole = same == word_bytes && !is_word_char(text[at + same]);
    bool is_cut = at + same == size && size == OUTCOME_TEXT_BYTES - 1;
    return is_whole || is_cut ? same : 0;
}

void outcome_hide(char text[OUTCOME_TEXT_BYTES], const char *word, unsigned word_bytes)
{
    static const char replacement[] = "<recipient>";
    char hidden[OUTCOME_TEXT_BYTES];
    unsigned used = 0;
    size_t size = strnlen(text, OUTCOME_TEXT_BYTES - 1);
    if (word_bytes < 2)
        return;
    for (size_t i = 0; i < size && used < sizeof hidden - 1;) {
        size_t found = word_at(text, size, i, word, word_bytes);
        if (found > 0)
            append_words(hidden, sizeof hidden - 1, &used, replacement, sizeof replacement - 1);
        else
            hidden[used++] = text[i];
        i += found > 0 ? found : 1;
    }
    hidden[used] = '\0';
    memcpy(text, hidden, used + 1);
}
