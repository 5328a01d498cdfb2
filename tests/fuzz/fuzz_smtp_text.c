/* Any bytes as a mail: on the wire it ends once, at its end, and has no bare CR, bare LF or NUL;
 * taken off the wire and put on it again it is the same. */
#include "worker/io/smtp_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_wire(const struct buf *wire)
{
    const char *data = wire->data;
    if (strlen(data) != wire->size)
        abort();
    for (size_t i = 0; i < wire->size; i++) {
        if (data[i] == '\r' && data[i + 1] != '\n')
            abort();
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            abort();
    }
    if (strncmp(data, ".\r\n", 3) == 0 && wire->size != 3)
        abort();
    const char *end = strstr(data, "\r\n.\r\n");
    if (wire->size != 3 && (end == NULL || end + 5 != data + wire->size))
        abort();
}

/* What a server makes of it: dots undone, the last line dropped. */
static void take_off(const struct buf *wire, struct buf *mail)
{
    const char *line = wire->data;
    const char *last = wire->data + wire->size - 3;
    while (line < last) {
        const char *end = strstr(line, "\r\n") + 2;
        line += *line == '.';
        buf_append(mail, line, (size_t)(end - line));
        line = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf wire;
    struct buf mail;
    struct buf again;
    struct smtp_body body;
    char *address = malloc(size + 1);
    buf_init(&wire, 2 * size + 16);
    buf_init(&mail, 2 * size + 16);
    buf_init(&again, 2 * size + 16);
    if (address == NULL || !smtp_body_encode(&wire, (const char *)data, size, &body))
        abort();
    check_wire(&wire);
    take_off(&wire, &mail);
    if (mail.size != body.size_bytes)
        abort();
    if (!smtp_body_encode(&again, mail.data, mail.size, &body) || again.size != wire.size ||
        memcmp(again.data, wire.data, wire.size) != 0)
        abort();
    memcpy(address, data, size);
    address[size] = '\0';
    if (smtp_address_problem(address)[0] == '\0' && strpbrk(address, "\r\n <>") != NULL)
        abort();
    free(address);
    buf_free(&wire);
    buf_free(&mail);
    buf_free(&again);
    return 0;
}
