/* Writes the parts beside the bodies. Must not know why a mail has them. */
#include "worker/mail/attachment.h"

#include "worker/mail/encode.h"
#include "worker/model/plain_text.h"

#include <string.h>
#include <sysexits.h>

enum {
    NAME_READ_BYTES = 4 * MAIL_FILE_NAME_BYTES,
    NAME_ENDING_BYTES = 12,
    PLAIN_NAME_BYTES = 60,
    TYPE_CHARACTERS = 60,
};

static const char default_name[] = "attachment";

/* RFC 2045 section 5.1: token "/" token. */
static bool is_type(const char *type)
{
    static const char others[] = "!#$&^_.+-";
    size_t slashes = 0;
    if (type == NULL || strlen(type) > MAIL_PART_TYPE_BYTES)
        return false;
    for (const char *c = type; *c != '\0'; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        bool is_digit = *c >= '0' && *c <= '9';
        if (*c == '/' && (c == type || c[1] == '\0'))
            return false;
        slashes += *c == '/';
        if (!is_letter && !is_digit && *c != '/' && strchr(others, *c) == NULL)
            return false;
    }
    return slashes == 1;
}

static bool is_picture(const char *type)
{
    return type != NULL && (strcmp(type, "image/png") == 0 || strcmp(type, "image/jpeg") == 0 ||
                            strcmp(type, "image/gif") == 0);
}

/* Without '@' it would be no Content-ID (RFC 2392); quotes would leave the html's attribute. */
static bool is_content_id(const char *id)
{
    if (id == NULL || strchr(id, '@') == NULL || strlen(id) > MAIL_CONTENT_ID_BYTES)
        return false;
    for (; *id != '\0'; id++)
        if (*id <= ' ' || *id > '~' || strchr("<>\"'&\\()", *id) != NULL)
            return false;
    return true;
}

static bool check_logo(const struct mail *mail, struct error *error)
{
    const struct mail_logo *logo = &mail->logo;
    if (logo->size == 0)
        return true;
    if (mail->html == NULL || mail->html[0] == '\0')
        return error_set(error, EX_DATAERR, "logo: the mail has no html to show it");
    if (logo->size > MAIL_LOGO_BYTES)
        return error_set(error, EX_DATAERR, "logo: larger than %d bytes", MAIL_LOGO_BYTES);
    if (logo->bytes == NULL || !is_picture(logo->type))
        return error_set(error, EX_DATAERR, "logo: neither png nor jpeg nor gif");
    if (!is_content_id(logo->content_id))
        return error_set(error, EX_DATAERR, "logo: malformed content id");
    return true;
}

static bool check_calendars(const struct mail *mail, struct error *error)
{
    if (mail->calendar_count > MAIL_CALENDARS_MAXIMUM)
        return error_set(error, EX_DATAERR, "calendars: more than %d", MAIL_CALENDARS_MAXIMUM);
    for (size_t i = 0; i < mail->calendar_count; i++) {
        const struct mail_calendar_part *part = &mail->calendars[i];
        if (part->text == NULL || part->size == 0)
            return error_set(error, EX_DATAERR, "calendars[%zu]: empty", i);
        if (part->size > MAIL_CALENDAR_BYTES)
            return error_set(error, EX_DATAERR, "calendars[%zu]: larger than %d bytes", i,
                             MAIL_CALENDAR_BYTES);
    }
    return true;
}

/* A multipart has a boundary that nobody gave, and a message may not be base64 (RFC 2046 section
 * 5.2.1): neither can be a file here. */
static bool check_attachments(const struct mail *mail, struct error *error)
{
    size_t total = 0;
    if (mail->attachment_count > MAIL_ATTACHMENTS_MAXIMUM)
        return error_set(error, EX_DATAERR, "attachments: more than %d", MAIL_ATTACHMENTS_MAXIMUM);
    for (size_t i = 0; i < mail->attachment_count; i++) {
        const struct mail_attachment *attachment = &mail->attachments[i];
        if (!is_type(attachment->type) || strncasecmp(attachment->type, "multipart/", 10) == 0 ||
            strncasecmp(attachment->type, "message/", 8) == 0)
            return error_set(error, EX_DATAERR, "attachments[%zu]: malformed type", i);
        if (attachment->bytes == NULL && attachment->size > 0)
            return error_set(error, EX_DATAERR, "attachments[%zu]: no content", i);
        if (attachment->size > MAIL_ATTACHMENTS_BYTES - total)
            return error_set(error, EX_DATAERR, "attachments: larger than %d bytes together",
                             MAIL_ATTACHMENTS_BYTES);
        total += attachment->size;
    }
    return true;
}

bool mail_attachment_check(const struct mail *mail, struct error *error)
{
    return check_logo(mail, error) && check_calendars(mail, error) &&
           check_attachments(mail, error);
}

bool mail_attachment_append_logo(struct buf *out, const struct mail_logo *logo)
{
    const char *ending = strchr(logo->type, '/') + 1;
    buf_printf(out,
               "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n"
               "Content-ID: <%s>\r\nContent-Disposition: inline; filename=\"logo.%s\"\r\n\r\n",
               logo->type, logo->content_id, ending);
    return mail_encode_base64(out, logo->bytes, logo->size);
}

/* Where the name's ending begins: its last dot, when little follows; else its end. */
static size_t ending_start(const char *name, size_t size)
{
    const char *dot = memrchr(name, '.', size);
    size_t start = dot != NULL ? (size_t)(dot - name) : size;
    return start > 0 && size - start <= NAME_ENDING_BYTES ? start : size;
}

/* The largest end of a character at or before `at`. */
static size_t character_border(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0U) == 0x80U)
        at--;
    return at;
}

/* Drops whole characters before the ending until the name is short enough. */
static void name_cut(struct buf *name, size_t ceiling)
{
    if (name->size <= ceiling)
        return;
    size_t ending = ending_start(name->data, name->size);
    size_t ending_size = name->size - ending;
    size_t cut = character_border(name->data, ceiling - ending_size);
    memmove(name->data + cut, name->data + ending, ending_size + 1);
    name->size = cut + ending_size;
}

static void name_clean(struct buf *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < name->size; i++)
        if (strchr(":*?\"<>|", name->data[i]) == NULL)
            name->data[kept++] = name->data[i];
    while (kept > 0 && (name->data[kept - 1] == '.' || name->data[kept - 1] == ' '))
        kept--;
    name->size = kept;
    name->data[kept] = '\0';
    buf_consume(name, strspn(name->data, ". "));
}

bool mail_attachment_append_name(struct buf *out, const char *name)
{
    char bytes[3 * NAME_READ_BYTES + 1] = ""; /* a byte that is no UTF-8 becomes three */
    struct buf clean = {.data = bytes, .capacity = sizeof(bytes), .ceiling = sizeof(bytes) - 1};
    size_t size = name != NULL ? strlen(name) : 0;
    for (size_t i = size; i > 0; i--)
        if (name[i - 1] == '/' || name[i - 1] == '\\') {
            name += i;
            size -= i;
            break;
        }
    /* The end matters more than the middle: it says what kind of file this is. */
    if (size > NAME_READ_BYTES) {
        size_t rest = character_border(name, size - NAME_ENDING_BYTES);
        plain_text_append_line(&clean, name,
                               character_border(name, NAME_READ_BYTES - 2 * NAME_ENDING_BYTES));
        name += rest;
        size -= rest;
    }
    if (size > 0)
        plain_text_append_line(&clean, name, size);
    name_clean(&clean);
    name_cut(&clean, MAIL_FILE_NAME_BYTES);
    return buf_append_text(out, clean.size > 0 ? clean.data : default_name);
}

/* For programs that read no RFC 2231: the same name, shorter, with '_' in the place of what is not
 * ASCII. */
static void append_plain_name(struct buf *out, const char *name)
{
    char bytes[MAIL_FILE_NAME_BYTES + 1];
    struct buf plain = {.data = bytes, .capacity = sizeof(bytes), .ceiling = sizeof(bytes) - 1};
    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;
        if (byte < 0x80U || byte >= 0xc0U)
            buf_append_char(&plain, byte < 0x80U ? *name : '_');
    }
    name_cut(&plain, PLAIN_NAME_BYTES);
    buf_append_text(out, ";\r\n name=\"");
    buf_append(out, plain.data, plain.size);
    buf_append_char(out, '"');
}

/* The ends of both header fields: the plain name in Content-Type, the true one in
 * Content-Disposition. One parameter twice in one field would be read differently by each program.
 */
static bool append_named(struct buf *out, const char *given_name)
{
    struct buf name;
    buf_init(&name, 2 * MAIL_FILE_NAME_BYTES);
    bool is_named = mail_attachment_append_name(&name, given_name);
    if (is_named) {
        append_plain_name(out, name.data);
        buf_append_text(out, "\r\nContent-Transfer-Encoding: base64\r\n"
                             "Content-Disposition: attachment");
        mail_encode_parameter(out, "filename", name.data);
        buf_append_text(out, "\r\n\r\n");
    } else {
        out->has_failed = true;
        out->is_out_of_memory = true;
    }
    buf_free(&name);
    return is_named;
}

/* Base64, as Outlook and Gmail write it themselves: a quoted-printable line break inside a folded
 * line of the object has been taken for part of it. */
bool mail_attachment_append_calendar(struct buf *out, const struct mail_calendar_part *part,
                                     bool is_attached)
{
    buf_printf(out, "Content-Type: text/calendar; charset=utf-8; method=%s",
               mail_calendar_method_name(part->method));
    if (is_attached && !append_named(out, part->name))
        return false;
    if (!is_attached)
        buf_append_text(out, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    return mail_encode_base64(out, part->text, part->size);
}

bool mail_attachment_append_file(struct buf *out, const struct mail_attachment *attachment)
{
    bool is_long = strlen(attachment->type) > TYPE_CHARACTERS;
    buf_append_text(out, is_long ? "Content-Type:\r\n " : "Content-Type: ");
    buf_append_text(out, attachment->type);
    return append_named(out, attachment->name) &&
           mail_encode_base64(out, attachment->bytes, attachment->size);
}
