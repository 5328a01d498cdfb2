/* Quoted-printable, encoded-words and parameters. Knows bytes and columns, no header by name. */
#include "worker/mail/encode.h"

#include "worker/model/plain_text.h"

#include <string.h>

enum {
    LINE_CHARACTERS = 76,
    /* The longest of an encoded-word's text: 75 less "=?utf-8?Q?" and "?=". */
    WORD_CHARACTERS = 63,
    WORD_MARK_CHARACTERS = 12,
    PARAMETER_CHARACTERS = 50,
    CHUNK_BYTES = 4096,
    BASE64_LINE_BYTES = LINE_CHARACTERS / 4 * 3,
    BASE64_CHUNK_BYTES = 64 * BASE64_LINE_BYTES,
};

static const char hex[] = "0123456789ABCDEF";

/* Bytes that quoted-printable leaves as they are: 33 to 126 but '=', and blanks inside a line. */
static const unsigned char is_literal[256] = {
    [9] = 1,   [32] = 1,  [33] = 1,  [34] = 1,  [35] = 1,  [36] = 1,  [37] = 1,  [38] = 1,
    [39] = 1,  [40] = 1,  [41] = 1,  [42] = 1,  [43] = 1,  [44] = 1,  [45] = 1,  [46] = 1,
    [47] = 1,  [48] = 1,  [49] = 1,  [50] = 1,  [51] = 1,  [52] = 1,  [53] = 1,  [54] = 1,
    [55] = 1,  [56] = 1,  [57] = 1,  [58] = 1,  [59] = 1,  [60] = 1,  [62] = 1,  [63] = 1,
    [64] = 1,  [65] = 1,  [66] = 1,  [67] = 1,  [68] = 1,  [69] = 1,  [70] = 1,  [71] = 1,
    [72] = 1,  [73] = 1,  [74] = 1,  [75] = 1,  [76] = 1,  [77] = 1,  [78] = 1,  [79] = 1,
    [80] = 1,  [81] = 1,  [82] = 1,  [83] = 1,  [84] = 1,  [85] = 1,  [86] = 1,  [87] = 1,
    [88] = 1,  [89] = 1,  [90] = 1,  [91] = 1,  [92] = 1,  [93] = 1,  [94] = 1,  [95] = 1,
    [96] = 1,  [97] = 1,  [98] = 1,  [99] = 1,  [100] = 1, [101] = 1, [102] = 1, [103] = 1,
    [104] = 1, [105] = 1, [106] = 1, [107] = 1, [108] = 1, [109] = 1, [110] = 1, [111] = 1,
    [112] = 1, [113] = 1, [114] = 1, [115] = 1, [116] = 1, [117] = 1, [118] = 1, [119] = 1,
    [120] = 1, [121] = 1, [122] = 1, [123] = 1, [124] = 1, [125] = 1, [126] = 1,
};

struct quoting {
    const char *at;
    const char *end;
    char *out;
    size_t column;
};

static void quote_byte(struct quoting *quoting)
{
    unsigned char byte = (unsigned char)*quoting->at++;
    if (quoting->column + 3 > LINE_CHARACTERS - 1) {
        memcpy(quoting->out, "=\r\n", 3);
        quoting->out += 3;
        quoting->column = 0;
    }
    *quoting->out++ = '=';
    *quoting->out++ = hex[byte >> 4];
    *quoting->out++ = hex[byte & 15U];
    quoting->column += 3;
}

static bool at_line_end(const struct quoting *quoting, const char *at)
{
    return at == quoting->end || *at == '\n' ||
           (*at == '\r' && at + 1 < quoting->end && at[1] == '\n');
}

/* The bytes from `at` that stay as they are and fit the line, less a blank that would end it. */
static void copy_literals(struct quoting *quoting, const char *limit)
{
    size_t room = LINE_CHARACTERS - 1 - quoting->column;
    if (room == 0) {
        memcpy(quoting->out, "=\r\n", 3);
        quoting->out += 3;
        quoting->column = 0;
        room = LINE_CHARACTERS - 1;
    }
    const char *stop = (size_t)(limit - quoting->at) > room ? quoting->at + room : limit;
    const char *run = quoting->at;
    while (run < stop && is_literal[(unsigned char)*run])
        run++;
    bool ends_blank = run > quoting->at && (run[-1] == ' ' || run[-1] == '\t');
    if (ends_blank && at_line_end(quoting, run))
        run--;
    size_t size = (size_t)(run - quoting->at);
    memcpy(quoting->out, quoting->at, size);
    quoting->out += size;
    quoting->column += size;
    quoting->at = run;
    if (ends_blank && at_line_end(quoting, run + 1))
        quote_byte(quoting);
}

static void quote_chunk(struct quoting *quoting, const char *limit)
{
    while (quoting->at < limit) {
        if (is_literal[(unsigned char)*quoting->at]) {
            copy_literals(quoting, limit);
        } else if (at_line_end(quoting, quoting->at)) {
            quoting->at += *quoting->at == '\r' ? 2 : 1;
            memcpy(quoting->out, "\r\n", 2);
            quoting->out += 2;
            quoting->column = 0;
        } else {
            quote_byte(quoting);
        }
    }
}

bool mail_encode_quoted_printable(struct buf *out, const char *text, size_t size)
{
    struct quoting quoting = {.at = text, .end = text + size};
    while (quoting.at < quoting.end) {
        size_t left = (size_t)(quoting.end - quoting.at);
        size_t chunk = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        /* Three for each byte, three for a soft break in each 72 of those, and the byte or two that
         * a line's end may lie past the chunk. */
        size_t room = chunk * 3 + chunk / 8 + 16;
        char *start = buf_reserve(out, room);
        if (start == NULL)
            return false;
        quoting.out = start;
        quote_chunk(&quoting, quoting.at + chunk);
        buf_grown(out, (size_t)(quoting.out - start));
    }
    return quoting.column == 0 || buf_append(out, "\r\n", 2);
}

/* What Q leaves as it is also inside a display name (RFC 2047 section 5, rule 3). */
static bool is_q_literal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '!' ||
           c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_cost(const char *text, size_t size)
{
    size_t cost = 0;
    for (size_t i = 0; i < size; i++)
        cost += is_q_literal(text[i]) || text[i] == ' ' ? 1 : 3;
    return cost;
}

static void append_q(struct buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_q_literal(text[i]))
            buf_append_char(out, text[i]);
        else if (text[i] == ' ')
            buf_append_char(out, '_');
        else
            buf_append(out, (const char[]){'=', hex[byte >> 4], hex[byte & 15U]}, 3);
    }
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Whole threes, and what is left of the last one; returns where the text ends. */
static char *write_base64(char *out, const unsigned char *bytes, size_t size)
{
    size_t i = 0;
    for (; i + 3 <= size; i += 3) {
        unsigned bits = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        *out++ = base64_digits[bits >> 18];
        *out++ = base64_digits[bits >> 12 & 63U];
        *out++ = base64_digits[bits >> 6 & 63U];
        *out++ = base64_digits[bits & 63U];
    }
    if (i < size) {
        bool has_two = i + 1 < size;
        unsigned bits = (unsigned)bytes[i] << 16 | (has_two ? (unsigned)bytes[i + 1] << 8 : 0);
        *out++ = base64_digits[bits >> 18];
        *out++ = base64_digits[bits >> 12 & 63U];
        *out++ = has_two ? base64_digits[bits >> 6 & 63U] : '=';
        *out++ = '=';
    }
    return out;
}

bool mail_encode_base64(struct buf *out, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    while (size > 0) {
        size_t chunk = size < BASE64_CHUNK_BYTES ? size : BASE64_CHUNK_BYTES;
        size_t lines = (chunk + BASE64_LINE_BYTES - 1) / BASE64_LINE_BYTES;
        char *start = buf_reserve(out, lines * (LINE_CHARACTERS + 2));
        if (start == NULL)
            return false;
        char *end = start;
        for (size_t done = 0; done < chunk; done += BASE64_LINE_BYTES) {
            size_t line = chunk - done < BASE64_LINE_BYTES ? chunk - done : BASE64_LINE_BYTES;
            end = write_base64(end, at + done, line);
            *end++ = '\r';
            *end++ = '\n';
        }
        buf_grown(out, (size_t)(end - start));
        at += chunk;
        size -= chunk;
    }
    return true;
}

static void append_b(struct buf *out, const char *text, size_t size)
{
    char word[WORD_CHARACTERS + 5];
    char *end = write_base64(word, (const unsigned char *)text, size);
    buf_append(out, word, (size_t)(end - word));
}

/* How many bytes of `text`, whole characters, take at most `room` characters when encoded. Where
 * more follows, B takes whole threes only, or none: GMime joins the texts of words that follow each
 * other before it decodes them, and ends at the first '='. */
static size_t word_bytes(const char *text, size_t size, size_t room, bool is_q)
{
    size_t bytes = 0;
    size_t cost = 0;
    size_t whole_threes = 0;
    while (bytes < size) {
        size_t length = plain_text_sequence(text + bytes, size - bytes, NULL);
        length = length > 0 ? length : 1;
        cost = is_q ? cost + q_cost(text + bytes, length) : (bytes + length + 2) / 3 * 4;
        if (cost > room)
            return is_q ? bytes : whole_threes;
        bytes += length;
        if (bytes % 3 == 0)
            whole_threes = bytes;
    }
    return bytes;
}

/* One word of at most `room` characters beside its marks; returns how much of `text` it holds: 0
 * where not even a character has room. */
static size_t append_word(struct buf *out, const char *text, size_t size, size_t room, bool is_q)
{
    size_t bytes = word_bytes(text, size, room, is_q);
    if (bytes == 0 && !is_q) {
        is_q = true;
        bytes = word_bytes(text, size, room, is_q);
    }
    if (bytes == 0)
        return 0;
    buf_append_text(out, is_q ? "=?utf-8?Q?" : "=?utf-8?B?");
    if (is_q)
        append_q(out, text, bytes);
    else
        append_b(out, text, bytes);
    buf_append_text(out, "?=");
    return bytes;
}

size_t mail_encode_words(struct buf *out, const char *text, size_t size, size_t column)
{
    bool is_q = q_cost(text, size) <= (size + 2) / 3 * 4;
    while (size > 0) {
        size_t taken = column + WORD_MARK_CHARACTERS;
        size_t room = taken < LINE_CHARACTERS ? LINE_CHARACTERS - taken : 0;
        size_t start = out->size;
        size_t bytes =
            append_word(out, text, size, room < WORD_CHARACTERS ? room : WORD_CHARACTERS, is_q);
        column += out->size - start;
        text += bytes;
        size -= bytes;
        if (size > 0) {
            buf_append_text(out, "\r\n ");
            column = 1;
        }
        if (out->has_failed)
            return column;
    }
    return column;
}

static bool is_plain_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return strlen(value) <= PARAMETER_CHARACTERS;
}

/* What RFC 2231 leaves as it is (RFC 5987's attr-char, less what some readers stumble over). */
static bool is_parameter_literal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static size_t append_escaped(struct buf *out, const char *text, size_t size)
{
    size_t start = out->size;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_parameter_literal(text[i]))
            buf_append_char(out, text[i]);
        else
            buf_append(out, (const char[]){'%', hex[byte >> 4], hex[byte & 15U]}, 3);
    }
    return out->size - start;
}

static size_t escaped_size(const char *text, size_t size)
{
    size_t escaped = 0;
    for (size_t i = 0; i < size; i++)
        escaped += is_parameter_literal(text[i]) ? 1 : 3;
    return escaped;
}

bool mail_encode_parameter(struct buf *out, const char *name, const char *value)
{
    if (is_plain_value(value))
        return buf_printf(out, ";\r\n %s=\"%s\"", name, value);
    size_t size = strlen(value);
    if (escaped_size(value, size) <= PARAMETER_CHARACTERS) {
        buf_printf(out, ";\r\n %s*=utf-8''", name);
        append_escaped(out, value, size);
        return !out->has_failed;
    }
    size_t column = PARAMETER_CHARACTERS;
    unsigned piece = 0;
    for (size_t i = 0; i < size;) {
        size_t length = plain_text_sequence(value + i, size - i, NULL);
        length = length > 0 ? length : 1;
        if (column + escaped_size(value + i, length) > PARAMETER_CHARACTERS) {
            buf_printf(out, ";\r\n %s*%u*=%s", name, piece, piece == 0 ? "utf-8''" : "");
            piece++;
            column = 0;
        }
        column += append_escaped(out, value + i, length);
        i += length;
    }
    return !out->has_failed;
}
