/* Any bytes as a mail: canonical forms are their own canonical form and the same for every way to
 * end a line, and signing ends in a signature or leaves the mail alone. */
#include "worker/mail/dkim.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 8 * 1024 * 1024 };

/* That of RFC 8463, appendix A.2. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                          "-----END PRIVATE KEY-----\n";

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void try_canonical(bool (*make)(const char *text, size_t size, struct buf *out),
                          const char *text, size_t size)
{
    struct buf once;
    struct buf twice;
    buf_init(&once, ROOM);
    buf_init(&twice, ROOM);
    if (make(text, size, &once)) {
        check(make(once.data, once.size, &twice));
        check(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        check(once.size == 0 || (once.size >= 2 && once.data[once.size - 1] == '\n'));
    }
    buf_free(&once);
    buf_free(&twice);
}

/* The same mail with every line end as CR LF. */
static void append_wire(struct buf *wire, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' || text[i] == '\n') {
            buf_append(wire, "\r\n", 2);
            i += text[i] == '\r' && i + 1 < size && text[i + 1] == '\n';
        } else {
            buf_append_char(wire, text[i] == '\0' ? '?' : text[i]);
        }
    }
}

static size_t sign(const struct dkim_domain *domain, struct buf *mail)
{
    struct error error = {0};
    size_t size = mail->size;
    bool is_signed = dkim_sign(domain, 1, mail, &error);
    check(is_signed ? mail->size > size : mail->size == size && error.text[0] != '\0');
    return mail->size - size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dkim_domain domain = {.name = "football.example.com", .key_count = 1};
    const char *text = (const char *)data;
    struct buf raw;
    struct buf wire;
    if (domain.keys[0].key == NULL) {
        memcpy(domain.keys[0].selector, "brisbane", 9);
        domain.keys[0].key = crypto_private_key_parse(pem, sizeof pem - 1, NULL);
        check(domain.keys[0].key != NULL);
    }
    if (size > 64 * 1024)
        return 0;
    try_canonical(dkim_canonicalise_body, text, size);
    try_canonical(dkim_canonicalise_field, text, size);
    buf_init(&raw, ROOM);
    buf_init(&wire, ROOM);
    buf_append(&raw, text, size);
    append_wire(&wire, text, size);
    size_t raw_more = sign(&domain, &raw);
    size_t wire_more = sign(&domain, &wire);
    check(raw_more == wire_more);
    check(raw_more == 0 || memcmp(raw.data, wire.data, raw_more) == 0);
    buf_free(&raw);
    buf_free(&wire);
    return 0;
}
