/* From a claimed message to the bytes of its mail: template, opt-out link, calendar, MIME. It knows
 * neither the queue nor the relay. */
#ifndef HANDBELL_FLOW_MAIL_WRITER_H
#define HANDBELL_FLOW_MAIL_WRITER_H

#include "templates/template_set.h"
#include "worker/base/buf.h"
#include "worker/base/error.h"
#include "worker/flow/batch.h"
#include "worker/flow/mail_calendars.h"
#include "worker/model/token_keys.h"

#include <stdint.h>

/* `templates` and `keys` are borrowed, and may be exchanged between two mails. The buffers serve
 * one mail after the other. */
struct mail_writer {
    const struct template_set *templates;
    const struct token_keys *keys;
    struct buf subject;
    struct buf text;
    struct buf html;
    struct buf recipient_name;
    struct buf opt_out_url;
    struct buf opt_out_mailto;
    struct buf list_id;
    struct buf feedback_id;
    struct mail_calendars calendars;
};

void mail_writer_init(struct mail_writer *writer);
void mail_writer_free(struct mail_writer *writer);

/* All borrowed for the call. `data` is the claim's JSON; `address` is the mark's. */
struct mail_writer_input {
    const struct batch *batch;
    const struct json *data;
    int64_t message_id;
    const char *address;
    bool is_bulk;
    int64_t now_unix_s;
};

/* Appends the mail to `out`. False with `error`, which names the part and holds no value, for a
 * kind without templates, a template that renders without end or past its limit, and what
 * mail_compose refuses: all EX_DATAERR, and so for ever. Any other exit status (EX_OSERR: no
 * memory) may be gone at the next attempt. `out` then holds what it held before. */
bool mail_writer_write(struct mail_writer *writer, const struct mail_writer_input *input,
                       struct buf *out, struct error *error);

/* The envelope's sender of the batch's mails: the tenant's from_address. */
const char *mail_writer_sender(const struct batch *batch);
/* Whether the tenant has a domain for what comes back (`bounce_domain`), one that every relay takes
 * in an envelope: ASCII, and short enough for what stands before its '@'. */
bool mail_writer_has_bounces(const struct batch *batch);
/* b-TOKEN@bounce_domain, with the token of this message (TOKEN_POWER_BOUNCE): an envelope's sender
 * that says whom a bounce is about. The local part is within 64 octets (RFC 5321 section
 * 4.5.3.1.1), and means the same in lower case. NULL without memory or key. For free(). */
char *mail_writer_bounce_address(const struct mail_writer *writer, const struct batch *batch,
                                 int64_t message_id);

#endif
