/* One mail, in the order of mail_writer_write: named, linked, dated, rendered, composed. */
#include "worker/flow/mail_writer.h"

#include "worker/io/smtp_text.h"
#include "worker/mail/compose.h"
#include "worker/mail/context.h"
#include "worker/model/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum {
    MAIL_WRITER_LINE_BYTES = 4096,
    /* Compose cuts both, at a character. */
    MAIL_WRITER_SUBJECT_BYTES = 32 * 1024,
    MAIL_WRITER_NAME_BYTES = 16 * 1024,
    MAIL_WRITER_MESSAGE_ID_BYTES = 320,
    /* "b-", a token and '@' before it, of the 256 octets of a path with its brackets: RFC 5321
       section 4.5.3.1.3. */
    MAIL_WRITER_BOUNCE_DOMAIN_BYTES = 254 - 2 - TOKEN_TEXT_BYTES,
};

void mail_writer_init(struct mail_writer *writer)
{
    *writer = (struct mail_writer){0};
    buf_init(&writer->subject, MAIL_WRITER_SUBJECT_BYTES);
    buf_init(&writer->text, MAIL_BODY_BYTES);
    buf_init(&writer->html, MAIL_BODY_BYTES);
    buf_init(&writer->recipient_name, MAIL_WRITER_NAME_BYTES);
    buf_init(&writer->opt_out_url, MAIL_WRITER_LINE_BYTES);
    buf_init(&writer->opt_out_mailto, MAIL_WRITER_LINE_BYTES);
    buf_init(&writer->list_id, MAIL_WRITER_LINE_BYTES);
    buf_init(&writer->feedback_id, MAIL_WRITER_LINE_BYTES);
    mail_calendars_init(&writer->calendars);
}

static void mail_writer_each_buf(struct mail_writer *writer, void (*act)(struct buf *buf))
{
    act(&writer->subject);
    act(&writer->text);
    act(&writer->html);
    act(&writer->recipient_name);
    act(&writer->opt_out_url);
    act(&writer->opt_out_mailto);
    act(&writer->list_id);
    act(&writer->feedback_id);
}

void mail_writer_free(struct mail_writer *writer)
{
    mail_writer_each_buf(writer, buf_free);
    mail_calendars_free(&writer->calendars);
}

const char *mail_writer_sender(const struct batch *batch)
{
    return json_find_text(batch->tenant, "from_address");
}

bool mail_writer_has_bounces(const struct batch *batch)
{
    const char *domain = json_find_text(batch->tenant, "bounce_domain");
    size_t size = strlen(domain);
    return size > 0 && size <= MAIL_WRITER_BOUNCE_DOMAIN_BYTES && smtp_address_is_ascii(domain);
}

char *mail_writer_bounce_address(const struct mail_writer *writer, const struct batch *batch,
                                 int64_t message_id)
{
    const struct token token = {
        .power = TOKEN_POWER_BOUNCE, .tenant_id = batch->tenant_id, .message_id = message_id};
    char text[TOKEN_TEXT_BYTES];
    struct buf address;
    buf_init(&address, MAIL_WRITER_MESSAGE_ID_BYTES);
    if (!token_write(writer->keys, &token, text) ||
        !buf_printf(&address, "b-%s@%s", text, json_find_text(batch->tenant, "bounce_domain"))) {
        buf_free(&address);
        return NULL;
    }
    return address.data;
}

static const char *text_or_none(const struct buf *buf)
{
    return buf->size > 0 ? buf->data : "";
}

/* Behind the last '@'; "" where there is none. */
static const char *domain_of(const char *address)
{
    const char *at = strrchr(address, '@');
    return at != NULL ? at + 1 : "";
}

static bool no_memory(struct error *error)
{
    return error_set(error, EX_OSERR, "mail: out of memory");
}

/* False where a line of ours lacks something: half a link must not go out. */
static bool line_check(const struct buf *line, const char *what, struct error *error)
{
    if (line->is_out_of_memory)
        return no_memory(error);
    if (line->has_failed)
        return error_set(error, EX_DATAERR, "%s: longer than %zu bytes", what, line->ceiling);
    return true;
}

/* The link names a person and what it stops, so an establishment's mail has none, nor has a kind
 * that no opt-out stops. */
static bool opt_out_write(struct mail_writer *writer, const struct mail_writer_input *input,
                          struct error *error)
{
    const struct json *person = json_find(input->data, "person");
    const char *base_url = json_find_text(input->batch->tenant, "base_url");
    const char *bounce_domain = json_find_text(input->batch->tenant, "bounce_domain");
    struct token token = {.power = TOKEN_POWER_OPT_OUT, .tenant_id = input->batch->tenant_id};
    char text[TOKEN_TEXT_BYTES];

    token.person_id = json_find_integer(person, "id", 0);
    if (token.person_id == 0 || *base_url == '\0' ||
        !topic_from_name(json_find_text(input->data, "link_topic"), &token.topic) ||
        token.topic == TOPIC_NONE)
        return true;
    if (!token_write(writer->keys, &token, text))
        return error_set(error, EX_OSERR, "opt-out link: no key, or no memory");
    size_t base_size = strlen(base_url);
    while (base_size > 0 && base_url[base_size - 1] == '/')
        base_size--;
    buf_append(&writer->opt_out_url, base_url, base_size);
    buf_printf(&writer->opt_out_url, "/u/%s", text);
    if (*bounce_domain != '\0')
        buf_printf(&writer->opt_out_mailto, "u-%s@%s?subject=unsubscribe", text, bounce_domain);
    return line_check(&writer->opt_out_url, "opt-out link", error) &&
           line_check(&writer->opt_out_mailto, "opt-out address", error);
}

/* What lets mailbox providers tell a tenant's lists apart (RFC 2919; Feedback-ID is Google's). */
static bool list_headers_write(struct mail_writer *writer, const struct mail_writer_input *input,
                               struct error *error)
{
    const char *kind = json_find_text(input->data, "kind");
    const char *slug = json_find_text(input->batch->tenant, "slug");

    if (!input->is_bulk)
        return true;
    buf_printf(&writer->list_id, "%s.%s.%s", kind, slug,
               domain_of(mail_writer_sender(input->batch)));
    buf_printf(&writer->feedback_id, "%s:%s:%" PRId64 ":handbell", kind, slug,
               input->batch->tenant_id);
    return line_check(&writer->list_id, "List-Id", error) &&
           line_check(&writer->feedback_id, "Feedback-ID", error);
}

/* The recipient's language first, then the tenant's. */
static const struct template_kind *kind_find(const struct mail_writer *writer,
                                             const struct mail_writer_input *input)
{
    const struct json *tenant = input->batch->tenant;
    const char *const languages[] = {
        json_find_text(json_find(input->data, "person"), "language"),
        json_find_text(tenant, "language"),
    };
    return template_set_find(writer->templates, json_find_text(tenant, "slug"),
                             json_find_text(input->data, "kind"), languages, 2);
}

/* What one mail is made with, on its way through the steps below. */
struct writing {
    const struct mail_writer_input *input;
    const struct template_kind *kind;
    enum language language;
    const struct json *course_views;
};

static bool recipient_name_write(struct mail_writer *writer, const struct writing *writing,
                                 struct error *error)
{
    /* One that is too long for the buffer is left out: no mail fails for it. */
    (void)mail_context_append_name(&writer->recipient_name, writing->input->data);
    return !writer->recipient_name.is_out_of_memory || no_memory(error);
}

static bool calendars_write(struct mail_writer *writer, const struct writing *writing,
                            struct error *error)
{
    const struct mail_calendars_input input = {
        .batch = writing->input->batch,
        .data = writing->input->data,
        .course_views = writing->course_views,
        .recipient_name = text_or_none(&writer->recipient_name),
        .address = writing->input->address,
        .now_unix_s = writing->input->now_unix_s,
    };
    return mail_calendars_write(&writer->calendars, &input) || no_memory(error);
}

static bool render(struct mail_writer *writer, const struct writing *writing, struct error *error)
{
    const struct template_kind *kind = writing->kind;
    const struct batch *batch = writing->input->batch;
    const struct mail_context_input facts = {
        .language = writing->language,
        .tenant_view = batch->tenant_view,
        .courses = batch->courses,
        .course_views = writing->course_views,
        .categories = batch->categories,
        .message = writing->input->data,
        .address = writing->input->address,
        .opt_out_url = text_or_none(&writer->opt_out_url),
        .calendar_count = writer->calendars.count,
    };
    struct json *context = mail_context_message(&facts);
    if (context == NULL)
        return no_memory(error);
    const struct json *stack[] = {context};
    bool is_rendered =
        template_render(kind->subject, stack, 1, TEMPLATE_ESCAPE_HEADER, &writer->subject) &&
        template_render(kind->text, stack, 1, TEMPLATE_ESCAPE_TEXT, &writer->text) &&
        template_render(kind->html, stack, 1, TEMPLATE_ESCAPE_HTML, &writer->html);
    json_free(context);
    if (writer->subject.is_out_of_memory || writer->text.is_out_of_memory ||
        writer->html.is_out_of_memory)
        return no_memory(error);
    if (!is_rendered)
        return error_set(error, EX_DATAERR, "template %s: does not end, or is too long",
                         kind->name);
    return true;
}

/* A picture that the page does not show would be an attachment that nobody asked for. */
static struct mail_logo logo_of(const struct batch *batch, const struct mail_writer *writer)
{
    const struct brand_logo *logo = &batch->logo;
    bool is_shown = logo->size > 0 && writer->html.size > 0 &&
                    strstr(writer->html.data, logo->content_id) != NULL;
    if (!is_shown)
        return (struct mail_logo){0};
    return (struct mail_logo){logo->type, logo->bytes, logo->size, logo->content_id};
}

static bool compose(struct mail_writer *writer, const struct mail_writer_input *input,
                    struct buf *out, struct error *error)
{
    const struct json *tenant = input->batch->tenant;
    char message_id[MAIL_WRITER_MESSAGE_ID_BYTES];

    /* The same at every attempt, so that a second copy can be known for one. With the moment when
     * the message was made, for a restored database gives out numbers again: mail systems would
     * drop the other mail as a copy. */
    (void)snprintf(message_id, sizeof message_id, "hb.%" PRId64 ".%" PRId64 ".%" PRId64 "@%s",
                   input->batch->tenant_id, input->message_id,
                   json_find_integer(input->data, "created_unix", 0),
                   domain_of(mail_writer_sender(input->batch)));
    const struct mail mail = {
        .from = {json_find_text(tenant, "from_name"), mail_writer_sender(input->batch)},
        .to = {text_or_none(&writer->recipient_name), input->address},
        .reply_to = {"", json_find_text(tenant, "reply_to")},
        .subject = text_or_none(&writer->subject),
        .message_id = message_id,
        .date_unix_seconds = input->now_unix_s,
        .unsubscribe_url = text_or_none(&writer->opt_out_url),
        .unsubscribe_mailto = text_or_none(&writer->opt_out_mailto),
        .list_id = text_or_none(&writer->list_id),
        .feedback_id = text_or_none(&writer->feedback_id),
        .is_automatic = true,
        .text = text_or_none(&writer->text),
        .html = text_or_none(&writer->html),
        .logo = logo_of(input->batch, writer),
        .calendars = writer->calendars.parts,
        .calendar_count = writer->calendars.count,
    };
    return mail_compose(&mail, out, error);
}

bool mail_writer_write(struct mail_writer *writer, const struct mail_writer_input *input,
                       struct buf *out, struct error *error)
{
    struct writing writing = {.input = input, .kind = kind_find(writer, input)};
    mail_writer_each_buf(writer, buf_reset);
    if (writing.kind == NULL)
        return error_set(error, EX_DATAERR, "no templates for this kind");
    (void)language_from_tag(writing.kind->language, &writing.language);
    writing.course_views = batch_course_views(input->batch, writing.language);
    if (writing.course_views == NULL)
        return no_memory(error);
    return recipient_name_write(writer, &writing, error) && opt_out_write(writer, input, error) &&
           list_headers_write(writer, input, error) && calendars_write(writer, &writing, error) &&
           render(writer, &writing, error) && compose(writer, input, out, error);
}
