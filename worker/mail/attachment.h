/* The parts of a mail beside its text and html: logo, calendar objects, files. It knows how each is
 * named and encoded; where it stands among the others is compose.c's question. */
#ifndef HANDBELL_MAIL_ATTACHMENT_H
#define HANDBELL_MAIL_ATTACHMENT_H

#include "worker/mail/compose.h"

/* Whether the logo, the calendar objects and the attachments of `mail` are whole, of types that can
 * stand in a header, and within the limits of compose.h. False with `error` (EX_DATAERR) that names
 * the part and its number, never its name or content. */
bool mail_attachment_check(const struct mail *mail, struct error *error);

/* Each appends one part that passed the check: its header, an empty line, its body in base64 (which
 * ends with CR LF). False as buf_append. */
bool mail_attachment_append_logo(struct buf *out, const struct mail_logo *logo);
/* RFC 6047 section 2.4. Within the alternatives it is what the mail says, in a calendar's words;
 * attached it is a file to be opened, with a name. */
bool mail_attachment_append_calendar(struct buf *out, const struct mail_calendar_part *part,
                                     bool is_attached);
bool mail_attachment_append_file(struct buf *out, const struct mail_attachment *attachment);

/* A file's name as it may stand on any disk: what follows the last '/' or '\', as one line without
 * characters that turn or hide it, without : * ? " < > |, without dots at its front nor dots and
 * blanks at its end, cut at MAIL_FILE_NAME_BYTES with its ending kept; "attachment" where nothing
 * is left. False as buf_append. */
bool mail_attachment_append_name(struct buf *out, const char *name);

#endif
