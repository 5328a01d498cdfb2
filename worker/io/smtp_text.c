/* What goes over the wire, as bytes. */
#include "worker/io/smtp_text.h"

#include <string.h>

/* A canonical mail, which ours always is, is copied in few long runs: its CRs and LFs are counted
 * in plain loops that the compiler turns into vector code. */
struct scan {
    size_t cr_count;
    size_t lf_count;
    size_t nul_count;
    unsigned char high_bits;
};

static struct scan body_scan(const char *bytes, size_t size)
{
    struct scan scan = {0};
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        scan.cr_count += byte == '\r';
        scan.lf_count += byte == '\n';
        scan.nul_count += byte == '\0';
        scan.high_bits |= byte;
    }
    return scan;
}

static bool body_is_canonical(const char *bytes, size_t size, const struct scan *scan)
{
    const char *end = bytes + size;
    const char *line = bytes;
    const char *lf;
    if (scan->nul_count > 0 || scan->cr_count != scan->lf_count)
        return false;
    while (line < end && (lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (lf == line || lf[-1] != '\r')
            return false;
        line = lf + 1;
    }
    return true;
}

/* Copies a canonical mail, stopping only to double dots. Returns how many were doubled. */
static size_t body_stuff(struct buf *wire, const char *bytes, size_t size)
{
    const char *end = bytes + size;
    const char *run = bytes;
    const char *line = bytes;
    size_t doubled = 0;
    while (line < end) {
        const char *lf;
        if (*line == '.') {
            buf_append(wire, run, (size_t)(line - run));
            buf_append_char(wire, '.');
            run = line;
            doubled++;
        }
        lf = memchr(line, '\n', (size_t)(end - line));
        line = lf == NULL ? end : lf + 1;
    }
    buf_append(wire, run, (size_t)(end - run));
    return doubled;
}

/* The slow way, byte by byte, for mails with other line ends or NULs. */
static size_t body_normalise(struct buf *wire, const char *bytes, size_t size)
{
    size_t doubled = 0;
    bool at_line_start = true;
    for (size_t i = 0; i < size; i++) {
        char byte = bytes[i];
        if (byte == '\r' || byte == '\n') {
            buf_append(wire, "\r\n", 2);
            if (byte == '\r' && i + 1 < size && bytes[i + 1] == '\n')
                i++;
            at_line_start = true;
            continue;
        }
        if (byte == '.' && at_line_start) {
            buf_append_char(wire, '.');
            doubled++;
        }
        buf_append_char(wire, byte == '\0' ? '?' : byte);
        at_line_start = false;
    }
    return doubled;
}

bool smtp_body_encode(struct buf *wire, const char *bytes, size_t size, struct smtp_body *body)
{
    struct scan scan = body_scan(bytes, size);
    size_t before = wire->size;
    size_t doubled;
    if (body_is_canonical(bytes, size, &scan))
        doubled = body_stuff(wire, bytes, size);
    else
        doubled = body_normalise(wire, bytes, size);
    if (wire->size > before && wire->data[wire->size - 1] != '\n')
        buf_append(wire, "\r\n", 2);
    body->size_bytes = wire->size - before - doubled;
    body->has_8bit = (scan.high_bits & 0x80) != 0;
    buf_append(wire, ".\r\n", 3);
    return !wire->has_failed;
}

/* Bytes of the UTF-8 character (RFC 3629) that `text` opens with; 0 when it is none. */
static size_t utf8_size(const unsigned char *text)
{
    size_t size = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    if ((text[0] >= 0x80 && text[0] < 0xC2) || text[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
        (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
        return 0;
    return size;
}

const char *smtp_address_problem(const char *address)
{
    const unsigned char *at = (const unsigned char *)address;
    size_t size = strlen(address);
    if (size == 0)
        return "the address is empty";
    if (size > SMTP_ADDRESS_BYTES)
        return "the address is too long";
    while (*at != '\0') {
        size_t step = utf8_size(at);
        if (step == 0)
            return "the address is not valid UTF-8";
        if (*at <= ' ' || *at == 0x7F || *at == '<' || *at == '>')
            return "the address holds a character that no address may hold";
        if (*at == 0xC2 && at[1] < 0xA0)
            return "the address holds a control character";
        at += step;
    }
    return "";
}

bool smtp_address_is_ascii(const char *address)
{
    for (; *address != '\0'; address++)
        if ((unsigned char)*address >= 0x80)
            return false;
    return true;
}
