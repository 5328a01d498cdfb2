/* The opening of a session as it is overheard: which step it is at, what the last EHLO offered, and
 * who said no. Pure: is fed the peer's reply lines, sends nothing. */
#ifndef HANDBELL_IO_SMTP_HELLO_H
#define HANDBELL_IO_SMTP_HELLO_H

#include "worker/io/smtp_connect.h"

enum { SMTP_HELLO_BYTES = 65536 };

/* `step` is the verb whose reply is awaited. `refusal.code` is 0 unless the last reply was a 4xx or
 * 5xx. `is_secure`: TLS is there, or has just been granted. */
struct smtp_hello {
    enum outcome_verb step;
    struct smtp_peer peer;
    struct outcome refusal;
    bool wants_tls;
    bool wants_auth;
    bool is_secure;
    bool is_authenticated;
    /* Its own. */
    bool is_in_reply;
    size_t bytes_read;
};

/* Before the first line. With implicit TLS the connection is secure from the start. */
void smtp_hello_init(struct smtp_hello *hello, enum smtp_tls tls, bool wants_auth);
/* One reply line, with or without its line end. False when the peer has sent more than
 * SMTP_HELLO_BYTES by now: it will not stop. */
bool smtp_hello_take_line(struct smtp_hello *hello, const char *line, size_t size);

#endif
