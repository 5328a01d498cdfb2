/* The peer's replies, taken apart byte by byte (RFC 5321 4.2, RFC 2034). Knows no socket and no
 * dialogue; a hostile peer can make it hold no more than the struct below. */
#ifndef HANDBELL_IO_SMTP_REPLY_H
#define HANDBELL_IO_SMTP_REPLY_H

#include "worker/model/outcome.h"

#include <stdbool.h>
#include <stddef.h>

/* RFC 5321 4.5.3.1.5 allows 512 bytes a line and peers pass that; of a reply in all, that many are
 * read before the peer counts as broken, and the first so many of its text are kept. */
enum { SMTP_REPLY_BYTES = 65536, SMTP_REPLY_KEPT_BYTES = 1024 };

enum smtp_reply_state {
    SMTP_REPLY_MORE,     /* feed on */
    SMTP_REPLY_COMPLETE, /* `code`, `enhanced` and `text` hold a whole reply */
    SMTP_REPLY_BROKEN,   /* `problem` says how; nothing read from here on can be believed */
};

/* `text` is what followed the codes, lines joined by a space, raw: redact it before showing it. */
struct smtp_reply {
    int code;
    char enhanced[OUTCOME_ENHANCED_BYTES];
    char text[SMTP_REPLY_KEPT_BYTES];
    size_t text_size;
    const char *problem;
    /* The parser's own. */
    enum smtp_reply_state state;
    size_t bytes_read;
    unsigned column;
    int line_code;
    bool is_last_line;
    bool is_first_line;
    bool has_cr;
};

void smtp_reply_init(struct smtp_reply *reply);
/* Reads up to the end of one reply and returns how many of the `size` bytes that took. When `state`
 * is COMPLETE the next call begins the next reply. A code alone on its line is taken, and so is a
 * line that ends in LF alone (RFC 5321 4.2 and 2.3.8 in the receiver's generous spirit). */
size_t smtp_reply_feed(struct smtp_reply *reply, const char *bytes, size_t size);

/* Fills code, enhanced code and redacted text of `outcome` from a complete reply. */
void smtp_reply_describe(const struct smtp_reply *reply, struct outcome *outcome);

#endif
