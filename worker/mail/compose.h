/* A mail, from its parts to the bytes that go on the wire (RFC 5322, RFC 2045 to 2047). It knows no
 * kind, no tenant and no template; it takes texts as they come and lets none of them become a
 * header. */
#ifndef HANDBELL_MAIL_COMPOSE_H
#define HANDBELL_MAIL_COMPOSE_H

#include "worker/base/buf.h"
#include "worker/mail/address.h"
#include "worker/mail/calendar.h"

#include <stdint.h>

/* Limits, in bytes. A longer subject or name is cut at a character and ends in U+2026. */
enum {
    MAIL_DISPLAY_NAME_BYTES = 1200,
    MAIL_SUBJECT_BYTES = 2400,
    MAIL_URL_BYTES = 2000,
    MAIL_BODY_BYTES = 1024 * 1024,
    /* Of the parts beside the bodies; of a logo and an attachment before they are encoded. */
    MAIL_LOGO_BYTES = 60000,
    MAIL_CALENDARS_MAXIMUM = 400,
    MAIL_ATTACHMENTS_MAXIMUM = 20,
    MAIL_ATTACHMENTS_BYTES = 7 * 1024 * 1024, /* all together: 10 MB as base64 */
    MAIL_PART_TYPE_BYTES = 100,
    MAIL_CONTENT_ID_BYTES = 400,
    MAIL_FILE_NAME_BYTES = 200, /* longer: cut at a character, the ending kept */
};

/* A picture that the html shows as "cid:CONTENT_ID". `type` is "image/png", "image/jpeg" or
 * "image/gif". Absent where `size` is 0; refused without html. */
struct mail_logo {
    const char *type;
    const void *bytes;
    size_t size;
    const char *content_id; /* "id@domain", without angle brackets */
};

/* One object by mail_calendar_append. `name` is its file name ("session-1.ics"). */
struct mail_calendar_part {
    enum mail_calendar_method method; /* the object's own */
    const char *text;
    size_t size;
    const char *name;
};

/* A file beside the mail. `name` is UTF-8 as people write it: paths and controls are taken out of
 * it, "" becomes "attachment". `type` is "application/pdf", say; neither multipart nor message. */
struct mail_attachment {
    const char *name;
    const char *type;
    const void *bytes;
    size_t size;
};

/* All texts are borrowed for the call; "" or NULL means absent. */
struct mail {
    struct mail_address from;     /* required */
    struct mail_address to;       /* required */
    struct mail_address reply_to; /* by address */
    const char *subject;          /* UTF-8 */
    const char *message_id;       /* required; "id@domain", without angle brackets */
    int64_t date_unix_seconds;    /* written as +0000 */
    const char *unsubscribe_url;  /* https (http for a loopback demo): List-Unsubscribe, and -Post
                                     (RFC 8058) */
    const char
        *unsubscribe_mailto; /* an address, or "address?subject=..." in URI form (RFC 6068) */
    const char *list_id;     /* "alerts.slug.domain", bulk kinds only (RFC 2919) */
    const char *feedback_id; /* "a:b:c:d", bulk kinds only */
    bool is_automatic;       /* Auto-Submitted: auto-generated, X-Auto-Response-Suppress */
    const char *text;        /* UTF-8, LF or CR LF line ends; required */
    const char *html;        /* UTF-8; absent: a mail of text alone */
    struct mail_logo logo;
    const struct mail_calendar_part *calendars; /* NULL where there are none */
    size_t calendar_count;
    const struct mail_attachment *attachments; /* NULL where there are none */
    size_t attachment_count;
};

/* Appends the whole mail, CR LF at each line's end, no line over 76 characters in bodies nor, where
 * it can be folded, over 78 in headers (never over 998); all of ASCII but an address that is not.
 *
 *     multipart/mixed                   where a file comes along
 *         multipart/alternative         where there is more than the text
 *             text/plain
 *             multipart/related         where there is a logo
 *                 text/html
 *                 the logo
 *             text/calendar             where there is exactly one calendar object
 *         text/calendar, attached       each calendar object
 *         the attachments
 *
 * The same `mail` gives the same bytes: the boundaries come from the Message-ID. False with `error`
 * (EX_DATAERR) that names the field, never its value, for a required part that is missing, an
 * address that mail_address_check refuses, a URL, an id or a type with blanks, controls or
 * non-ASCII, or a part past its limit; `out` then holds what it held before. Dot-stuffing is the
 * transport's. */
bool mail_compose(const struct mail *mail, struct buf *out, struct error *error);

#endif
