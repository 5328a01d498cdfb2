/* Puts a mail together. Must not know kinds, tenants, templates or the wire. */
#include "worker/mail/compose.h"

#include "worker/base/crypto.h"
#include "worker/mail/attachment.h"
#include "worker/mail/date.h"
#include "worker/mail/encode.h"
#include "worker/mail/header.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { BOUNDARY_BYTES = 32, BOUNDARY_DIGEST_BYTES = 12, IDENTIFIER_BYTES = 400 };

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Visible ASCII without the brackets that would end it. */
static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '<' || *text == '>')
            return false;
    return true;
}

static bool check_identifier(const char *value, const char *field, size_t ceiling,
                             struct error *error)
{
    if (!is_given(value))
        return true;
    if (strlen(value) > ceiling)
        return error_set(error, EX_DATAERR, "%s: longer than %zu bytes", field, ceiling);
    if (!is_visible(value))
        return error_set(error, EX_DATAERR, "%s: has a blank, a control, a bracket or non-ASCII",
                         field);
    return true;
}

static bool check_body(const char *body, const char *field, struct error *error)
{
    if (body != NULL && strlen(body) > MAIL_BODY_BYTES)
        return error_set(error, EX_DATAERR, "%s: longer than %d bytes", field, MAIL_BODY_BYTES);
    return true;
}

static bool check_url(const char *url, struct error *error)
{
    if (is_given(url) && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return error_set(error, EX_DATAERR, "unsubscribe_url: neither https nor http");
    return check_identifier(url, "unsubscribe_url", MAIL_URL_BYTES, error);
}

static bool check_mail(const struct mail *mail, struct error *error)
{
    if (!is_given(mail->message_id) || strchr(mail->message_id, '@') == NULL)
        return error_set(error, EX_DATAERR, "message_id: missing or without '@'");
    if (!is_given(mail->text))
        return error_set(error, EX_DATAERR, "text: missing");
    return mail_address_check(mail->from.address, "from", error) &&
           mail_address_check(mail->to.address, "to", error) &&
           (!is_given(mail->reply_to.address) ||
            mail_address_check(mail->reply_to.address, "reply_to", error)) &&
           check_identifier(mail->message_id, "message_id", IDENTIFIER_BYTES, error) &&
           check_url(mail->unsubscribe_url, error) &&
           check_identifier(mail->unsubscribe_mailto, "unsubscribe_mailto", MAIL_URL_BYTES,
                            error) &&
           check_identifier(mail->list_id, "list_id", IDENTIFIER_BYTES, error) &&
           check_identifier(mail->feedback_id, "feedback_id", IDENTIFIER_BYTES, error) &&
           check_body(mail->text, "text", error) && check_body(mail->html, "html", error) &&
           mail_attachment_check(mail, error);
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* RFC 2369 section 3.2 and RFC 8058 section 3.1: one-click needs an https address, and stands
 * beside the mailto that older programs use. */
static void append_unsubscribe(struct buf *out, const struct mail *mail)
{
    bool has_url = is_given(mail->unsubscribe_url);
    bool has_mailto = is_given(mail->unsubscribe_mailto);
    if (!has_url && !has_mailto)
        return;
    buf_append_text(out, "List-Unsubscribe:");
    if (has_url) {
        buf_append_text(out, " <");
        buf_append_text(out, mail->unsubscribe_url);
        buf_append_text(out, has_mailto ? ">,\r\n" : ">");
    }
    if (has_mailto) {
        buf_append_text(out, " <mailto:");
        buf_append_text(out, mail->unsubscribe_mailto);
        buf_append_char(out, '>');
    }
    buf_append_text(out, "\r\n");
    if (has_url)
        mail_header_append_plain(out, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
}

static void append_bracketed(struct buf *out, const char *name, const char *value)
{
    buf_append_text(out, name);
    buf_append_text(out, ": <");
    buf_append_text(out, value);
    buf_append_text(out, ">\r\n");
}

static void append_headers(struct buf *out, const struct mail *mail)
{
    char date[MAIL_DATE_RFC5322_BYTES];
    mail_date_write_rfc5322(mail->date_unix_seconds, date);
    mail_header_append_plain(out, "Date", date);
    mail_header_append_address(out, "From", text_or_empty(mail->from.name), mail->from.address);
    mail_header_append_address(out, "To", text_or_empty(mail->to.name), mail->to.address);
    if (is_given(mail->reply_to.address))
        mail_header_append_address(out, "Reply-To", text_or_empty(mail->reply_to.name),
                                   mail->reply_to.address);
    mail_header_append_text(out, "Subject", text_or_empty(mail->subject), MAIL_SUBJECT_BYTES);
    append_bracketed(out, "Message-ID", mail->message_id);
    mail_header_append_plain(out, "MIME-Version", "1.0");
    if (mail->is_automatic) {
        mail_header_append_plain(out, "Auto-Submitted", "auto-generated");
        mail_header_append_plain(out, "X-Auto-Response-Suppress", "OOF, AutoReply");
    }
    append_unsubscribe(out, mail);
    if (is_given(mail->list_id))
        append_bracketed(out, "List-Id", mail->list_id);
    if (is_given(mail->feedback_id))
        mail_header_append_plain(out, "Feedback-ID", mail->feedback_id);
}

/* "=_" cannot stand in quoted-printable (RFC 2045 section 6.7), and '_' is no digit of base64: no
 * body holds a boundary. The levels differ in the last character. */
enum level { LEVEL_MIXED = 'm', LEVEL_ALTERNATIVE = 'a', LEVEL_RELATED = 'r' };

static bool boundary_make(const char *message_id, char boundary[BOUNDARY_BYTES])
{
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    if (!crypto_sha256(message_id, strlen(message_id), digest))
        return false;
    memcpy(boundary, "=_", 3);
    for (size_t i = 0; i < BOUNDARY_DIGEST_BYTES; i++)
        (void)snprintf(boundary + 2 + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* A part's header that says what the parts inside are to each other. The empty line that ends it is
 * the first border's. */
static void append_opening(struct buf *out, const char *type, const char *boundary,
                           enum level level)
{
    buf_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s%c\"\r\n", type, boundary, level);
}

/* The line's end before a border belongs to the border (RFC 2046 section 5.1.1): a body keeps its
 * own. */
static void append_border(struct buf *out, const char *boundary, enum level level)
{
    buf_printf(out, "\r\n--%s%c\r\n", boundary, level);
}

static void append_closing(struct buf *out, const char *boundary, enum level level)
{
    buf_printf(out, "\r\n--%s%c--\r\n", boundary, level);
}

static void append_text(struct buf *out, const char *type, const char *body)
{
    buf_append_text(out, "Content-Type: text/");
    buf_append_text(out, type);
    buf_append_text(out, "; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    mail_encode_quoted_printable(out, body, strlen(body));
}

/* The html with the picture it shows (RFC 2387: type is required). */
static void append_html(struct buf *out, const struct mail *mail, const char *boundary)
{
    if (mail->logo.size == 0) {
        append_text(out, "html", mail->html);
        return;
    }
    append_opening(out, "related; type=\"text/html\"", boundary, LEVEL_RELATED);
    append_border(out, boundary, LEVEL_RELATED);
    append_text(out, "html", mail->html);
    append_border(out, boundary, LEVEL_RELATED);
    mail_attachment_append_logo(out, &mail->logo);
    append_closing(out, boundary, LEVEL_RELATED);
}

/* The same said in three ways, the richest last (RFC 2046 section 5.1.4). Several calendar objects
 * are no ways of saying one thing, and no program reads more than one of them here. */
static void append_alternatives(struct buf *out, const struct mail *mail, const char *boundary)
{
    if (!is_given(mail->html) && mail->calendar_count != 1) {
        append_text(out, "plain", mail->text);
        return;
    }
    append_opening(out, "alternative", boundary, LEVEL_ALTERNATIVE);
    append_border(out, boundary, LEVEL_ALTERNATIVE);
    append_text(out, "plain", mail->text);
    if (is_given(mail->html)) {
        append_border(out, boundary, LEVEL_ALTERNATIVE);
        append_html(out, mail, boundary);
    }
    if (mail->calendar_count == 1) {
        append_border(out, boundary, LEVEL_ALTERNATIVE);
        mail_attachment_append_calendar(out, &mail->calendars[0], false);
    }
    append_closing(out, boundary, LEVEL_ALTERNATIVE);
}

static bool append_bodies(struct buf *out, const struct mail *mail)
{
    char boundary[BOUNDARY_BYTES];
    if (!boundary_make(mail->message_id, boundary))
        return false;
    if (mail->calendar_count == 0 && mail->attachment_count == 0) {
        append_alternatives(out, mail, boundary);
        return true;
    }
    append_opening(out, "mixed", boundary, LEVEL_MIXED);
    append_border(out, boundary, LEVEL_MIXED);
    append_alternatives(out, mail, boundary);
    for (size_t i = 0; i < mail->calendar_count; i++) {
        append_border(out, boundary, LEVEL_MIXED);
        mail_attachment_append_calendar(out, &mail->calendars[i], true);
    }
    for (size_t i = 0; i < mail->attachment_count; i++) {
        append_border(out, boundary, LEVEL_MIXED);
        mail_attachment_append_file(out, &mail->attachments[i]);
    }
    append_closing(out, boundary, LEVEL_MIXED);
    return true;
}

bool mail_compose(const struct mail *mail, struct buf *out, struct error *error)
{
    if (!check_mail(mail, error))
        return false;
    size_t start = out->size;
    append_headers(out, mail);
    bool has_bodies = append_bodies(out, mail);
    if (has_bodies && !out->has_failed)
        return true;
    if (out->size > start) {
        out->size = start;
        out->data[start] = '\0';
    }
    if (!has_bodies || out->is_out_of_memory)
        return error_set(error, EX_OSERR, "mail: out of memory");
    return error_set(error, EX_DATAERR, "mail: larger than %zu bytes", out->ceiling);
}
