/* Makes text harmless for a line or a body. Runs of ordinary bytes are copied whole: most texts are
 * nothing else. */
#include "worker/model/plain_text.h"

#include <string.h>

/* What to do with a character. */
enum text_class {
    CLASS_KEEP,
    CLASS_DROP,
    CLASS_BREAK,   /* a control: a space in a line, nothing in a body */
    CLASS_NEWLINE, /* LF and its Unicode kin */
    CLASS_BLANK,   /* space, TAB */
    CLASS_ENTITY,  /* & < > " ' */
};

enum text_mode { MODE_LINE, MODE_BODY, MODE_HTML };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0U) == 0x80U;
}

size_t plain_text_sequence(const char *text, size_t size, unsigned *code_point)
{
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0x80    ? 1
                    : first < 0xc2  ? 0
                    : first < 0xe0  ? 2
                    : first < 0xf0  ? 3
                    : first <= 0xf4 ? 4
                                    : 0;
    if (length == 0 || length > size)
        return 0;
    unsigned value = length == 1 ? first : first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(text[i]))
            return 0;
        value = value << 6 | ((unsigned char)text[i] & 0x3fU);
    }
    bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < smallest[length] || value > 0x10ffff || is_surrogate)
        return 0;
    if (code_point != NULL)
        *code_point = value;
    return length;
}

static enum text_class class_of(unsigned c)
{
    if (c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029)
        return CLASS_NEWLINE;
    if (c == ' ' || c == '\t')
        return CLASS_BLANK;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return CLASS_BREAK;
    if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
        return CLASS_ENTITY;
    bool is_direction = c == 0x200e || c == 0x200f || c == 0x61c || (c >= 0x202a && c <= 0x202e) ||
                        (c >= 0x2066 && c <= 0x2069);
    bool has_no_room = c == 0x200b || c == 0x2060 || c == 0xfeff;
    return is_direction || has_no_room ? CLASS_DROP : CLASS_KEEP;
}

/* Whether a byte can be copied without a second look: neither control, nor markup, nor the first
 * byte of a sequence; in a line blanks need the look too. */
static inline bool is_ordinary(unsigned char c, enum text_mode mode)
{
    if ((unsigned)(c | 0x20) - 'a' < 26) /* most are letters */
        return true;
    if (c > ' ' && c < 0x7f)
        return mode != MODE_HTML || (c != '&' && c != '<' && c != '>' && c != '"' && c != '\'');
    return mode != MODE_LINE && (c == ' ' || c == '\n' || c == '\t');
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return "&#39;";
    }
}

/* One character of a body, `length` bytes long. */
static void body_append(struct buf *out, const char *at, size_t length, enum text_class class,
                        enum text_mode mode)
{
    if (class == CLASS_NEWLINE)
        buf_append_char(out, '\n');
    else if (class == CLASS_ENTITY && mode == MODE_HTML)
        buf_append_text(out, entity_of(*at));
    else if (class != CLASS_DROP && class != CLASS_BREAK)
        buf_append(out, at, length);
}

/* One character of a line; a blank waits in `has_gap` until something follows. */
static void line_append(struct buf *out, const char *at, size_t length, enum text_class class,
                        size_t start, bool *has_gap)
{
    if (class == CLASS_DROP)
        return;
    if (class == CLASS_NEWLINE || class == CLASS_BREAK || class == CLASS_BLANK) {
        *has_gap = true;
        return;
    }
    if (*has_gap && out->size > start)
        buf_append_char(out, ' ');
    *has_gap = false;
    buf_append(out, at, length);
}

static bool append(struct buf *out, const char *text, size_t size, enum text_mode mode)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t start = out->size;
    bool has_gap = false;
    size_t i = 0;
    while (i < size) {
        size_t run = i;
        while (run < size && is_ordinary((unsigned char)text[run], mode))
            run++;
        if (run > i && mode == MODE_LINE)
            line_append(out, text + i, run - i, CLASS_KEEP, start, &has_gap);
        else if (run > i)
            buf_append(out, text + i, run - i);
        i = run;
        if (i == size)
            break;
        unsigned c = 0xfffd;
        size_t length = plain_text_sequence(text + i, size - i, &c);
        const char *at = length > 0 ? text + i : replacement;
        size_t at_size = length > 0 ? length : sizeof(replacement) - 1;
        if (mode == MODE_LINE)
            line_append(out, at, at_size, class_of(c), start, &has_gap);
        else
            body_append(out, at, at_size, class_of(c), mode);
        i += length > 0 ? length : 1;
    }
    return !out->has_failed;
}

bool plain_text_append_line(struct buf *out, const char *text, size_t size)
{
    return append(out, text, size, MODE_LINE);
}

bool plain_text_append_body(struct buf *out, const char *text, size_t size)
{
    return append(out, text, size, MODE_BODY);
}

bool plain_text_append_html(struct buf *out, const char *text, size_t size)
{
    return append(out, text, size, MODE_HTML);
}
