/* Writes header fields (RFC 5322 section 2.2). Knows no mail: names and values come from outside.
 */
#include "worker/mail/header.h"

#include "worker/mail/compose.h"
#include "worker/mail/encode.h"
#include "worker/model/plain_text.h"

#include <string.h>

enum {
    FOLD_CHARACTERS = 78,
    /* A longer word could not be folded away from a name before it. */
    WORD_CHARACTERS = 60,
    PHRASE_CHARACTERS = 60,
};

static const char ellipsis[] = "\xe2\x80\xa6";

bool mail_header_cut(struct buf *text, size_t ceiling_bytes)
{
    if (text->size <= ceiling_bytes)
        return true;
    size_t cut = ceiling_bytes - (sizeof(ellipsis) - 1);
    while (cut > 0 && ((unsigned char)text->data[cut] & 0xc0U) == 0x80U)
        cut--;
    text->size = cut;
    return buf_append_text(text, ellipsis);
}

bool mail_header_make_line(struct buf *line, const char *text, size_t ceiling_bytes)
{
    size_t size = strlen(text);
    /* What is cut off later is not worth reading now; what vanishes on the way is little. */
    size_t read = size < 4 * ceiling_bytes ? size : 4 * ceiling_bytes;
    buf_init(line, 12 * ceiling_bytes + sizeof(ellipsis));
    return plain_text_append_line(line, text, read) && mail_header_cut(line, ceiling_bytes);
}

/* What `line` could not hold, `out` lacks. */
static bool line_fail(struct buf *line, struct buf *out)
{
    out->has_failed = true;
    out->is_out_of_memory = out->is_out_of_memory || line->is_out_of_memory;
    buf_free(line);
    return false;
}

static bool is_printable_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

static bool has_long_word(const char *text)
{
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (word > WORD_CHARACTERS)
            return true;
        text += word + strspn(text + word, " ");
    }
    return false;
}

static bool can_stand_plain(const struct buf *line)
{
    return is_printable_ascii(line->data, line->size) && strstr(line->data, "=?") == NULL &&
           !has_long_word(line->data);
}

/* Words, with a new line before each that would pass the limit. */
static void append_folded(struct buf *out, const char *text, size_t column)
{
    bool is_first = true;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (!is_first && column + 1 + word > FOLD_CHARACTERS) {
            buf_append_text(out, "\r\n ");
            column = 1;
        } else if (!is_first) {
            buf_append_char(out, ' ');
            column++;
        }
        buf_append(out, text, word);
        column += word;
        text += word;
        text += *text == ' ';
        is_first = false;
    }
}

bool mail_header_append_text(struct buf *out, const char *name, const char *text,
                             size_t ceiling_bytes)
{
    struct buf line;
    if (!mail_header_make_line(&line, text, ceiling_bytes))
        return line_fail(&line, out);
    buf_append_text(out, name);
    buf_append_text(out, line.size > 0 ? ": " : ":");
    size_t column = strlen(name) + 2;
    if (can_stand_plain(&line))
        append_folded(out, line.data, column);
    else
        mail_encode_words(out, line.data, line.size, column);
    buf_free(&line);
    return buf_append_text(out, "\r\n");
}

/* Letters, digits, blanks and the other characters of an atom (RFC 5322 section 3.2.3). */
static bool is_phrase(const char *text)
{
    static const char others[] = " !#$%&'*+-/=?^_`{|}~";
    for (; *text != '\0'; text++) {
        bool is_letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
        bool is_digit = *text >= '0' && *text <= '9';
        if (!is_letter && !is_digit && strchr(others, *text) == NULL)
            return false;
    }
    return true;
}

static size_t append_quoted(struct buf *out, const char *text, size_t column)
{
    size_t start = out->size;
    buf_append_char(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, *text);
    }
    buf_append_char(out, '"');
    return column + (out->size - start);
}

static size_t append_display_name(struct buf *out, const struct buf *line, size_t column)
{
    if (!can_stand_plain(line) || line->size > PHRASE_CHARACTERS)
        return mail_encode_words(out, line->data, line->size, column);
    if (!is_phrase(line->data))
        return append_quoted(out, line->data, column);
    buf_append(out, line->data, line->size);
    return column + line->size;
}

bool mail_header_append_address(struct buf *out, const char *name, const char *display_name,
                                const char *address)
{
    struct buf line;
    if (!mail_header_make_line(&line, display_name, MAIL_DISPLAY_NAME_BYTES))
        return line_fail(&line, out);
    buf_append_text(out, name);
    buf_append_text(out, ": ");
    size_t column = strlen(name) + 2;
    if (line.size > 0) {
        column = append_display_name(out, &line, column);
        bool is_long = column + 3 + strlen(address) > FOLD_CHARACTERS;
        buf_append_text(out, is_long ? "\r\n <" : " <");
        buf_append_text(out, address);
        buf_append_char(out, '>');
    } else {
        buf_append_text(out, address);
    }
    buf_free(&line);
    return buf_append_text(out, "\r\n");
}

bool mail_header_append_plain(struct buf *out, const char *name, const char *value)
{
    buf_append_text(out, name);
    buf_append_text(out, ": ");
    buf_append_text(out, value);
    return buf_append_text(out, "\r\n");
}
