/* A mail on standard input, as libetpan reads it: one JSON object on standard output, in the shape
 * of mail_readers.py ("body" in hex). Nothing of ours reads the mail here: it is there to disagree.
 */
#include "worker/base/buf.h"
#include "worker/base/json.h"

#include <libetpan/libetpan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MAIL_BYTES = 32 * 1024 * 1024 };

static struct json *text_new(const char *text)
{
    text = text != NULL ? text : "";
    return json_new_text(text, strlen(text));
}

/* RFC 2047 words, as libetpan decodes them. */
static struct json *phrase_new(const char *raw)
{
    size_t index = 0;
    char *decoded = NULL;
    if (raw == NULL)
        return text_new("");
    if (mailmime_encoded_phrase_parse("us-ascii", raw, strlen(raw), &index, "utf-8", &decoded) !=
        MAILIMF_NO_ERROR)
        return text_new("(not readable)");
    struct json *text = text_new(decoded);
    free(decoded);
    return text;
}

static struct json *mailbox_new(const struct mailimf_mailbox *mailbox)
{
    struct json *pair = json_new_array();
    json_append(pair, phrase_new(mailbox->mb_display_name));
    json_append(pair, text_new(mailbox->mb_addr_spec));
    return pair;
}

static struct json *addresses_new(const struct mailimf_address_list *list)
{
    struct json *all = json_new_array();
    for (clistiter *at = list != NULL ? clist_begin(list->ad_list) : NULL; at != NULL;
         at = clist_next(at)) {
        const struct mailimf_address *address = clist_content(at);
        if (address->ad_type == MAILIMF_ADDRESS_MAILBOX)
            json_append(all, mailbox_new(address->ad_data.ad_mailbox));
    }
    return all;
}

static struct json *senders_new(const struct mailimf_from *from)
{
    struct json *all = json_new_array();
    for (clistiter *at = from != NULL ? clist_begin(from->frm_mb_list->mb_list) : NULL; at != NULL;
         at = clist_next(at))
        json_append(all, mailbox_new(clist_content(at)));
    return all;
}

static void type_write(const struct mailmime_content *content, char *out, size_t size)
{
    static const char *const discrete[] = {"", "text", "image", "audio", "video", "application"};
    const struct mailmime_type *type = content->ct_type;
    const char *name = "multipart";
    if (type->tp_type == MAILMIME_TYPE_DISCRETE_TYPE)
        name = type->tp_data.tp_discrete_type->dt_type == MAILMIME_DISCRETE_TYPE_EXTENSION
                   ? type->tp_data.tp_discrete_type->dt_extension
                   : discrete[type->tp_data.tp_discrete_type->dt_type];
    (void)snprintf(out, size, "%s/%s", name, content->ct_subtype);
}

static const char *parameter_find(const struct mailmime_content *content, const char *name)
{
    clistiter *at = content->ct_parameters != NULL ? clist_begin(content->ct_parameters) : NULL;
    for (; at != NULL; at = clist_next(at)) {
        const struct mailmime_parameter *parameter = clist_content(at);
        if (strcasecmp(parameter->pa_name, name) == 0)
            return parameter->pa_value;
    }
    return "";
}

static const char *disposition_name(const struct mailmime_disposition *disposition)
{
    if (disposition == NULL)
        return "";
    if (disposition->dsp_type->dsp_type == MAILMIME_DISPOSITION_TYPE_INLINE)
        return "inline";
    if (disposition->dsp_type->dsp_type == MAILMIME_DISPOSITION_TYPE_ATTACHMENT)
        return "attachment";
    return "other";
}

static struct json *body_new(const struct mailmime *part, int encoding)
{
    static const char hex[] = "0123456789abcdef";
    const struct mailmime_data *data = part->mm_data.mm_single;
    size_t index = 0;
    char *decoded = NULL;
    size_t size = 0;
    struct buf out;
    if (mailmime_part_parse(data->dt_data.dt_text.dt_data, data->dt_data.dt_text.dt_length, &index,
                            encoding, &decoded, &size) != MAILIMF_NO_ERROR)
        return text_new("(not readable)");
    buf_init(&out, MAIL_BYTES);
    for (size_t i = 0; i < size; i++) {
        buf_append_char(&out, hex[(unsigned char)decoded[i] >> 4]);
        buf_append_char(&out, hex[(unsigned char)decoded[i] & 15U]);
    }
    mmap_string_unref(decoded);
    struct json *text = json_new_text(out.data, out.size);
    buf_free(&out);
    return text;
}

static void leaf_add(struct json *parts, struct mailmime *part, const char *type)
{
    struct mailmime_single_fields fields;
    mailmime_single_fields_init(&fields, part->mm_mime_fields, part->mm_content_type);
    const char *name = fields.fld_disposition_filename != NULL ? fields.fld_disposition_filename
                                                               : fields.fld_content_name;
    int encoding =
        fields.fld_encoding != NULL ? fields.fld_encoding->enc_type : MAILMIME_MECHANISM_7BIT;
    struct json *leaf = json_new_object();
    json_set(leaf, "type", text_new(type));
    json_set(leaf, "charset", text_new(fields.fld_content_charset));
    json_set(leaf, "method", text_new(parameter_find(part->mm_content_type, "method")));
    json_set(leaf, "disposition", text_new(disposition_name(fields.fld_disposition)));
    json_set(leaf, "name", text_new(name));
    json_set(leaf, "content_id", text_new(fields.fld_id));
    json_set(leaf, "body", body_new(part, encoding));
    json_append(parts, leaf);
}

/* Appends the leaves to `parts` and "mixed(alternative(text/plain text/html))" to `structure`. */
static void part_read(struct mailmime *part, struct json *parts, struct buf *structure)
{
    char type[128] = "text/plain";
    if (part->mm_content_type != NULL)
        type_write(part->mm_content_type, type, sizeof(type));
    if (part->mm_type != MAILMIME_MULTIPLE) {
        buf_append_text(structure, type);
        leaf_add(parts, part, type);
        return;
    }
    buf_append_text(structure, strchr(type, '/') + 1);
    buf_append_char(structure, '(');
    clistiter *first = clist_begin(part->mm_data.mm_multipart.mm_mp_list);
    for (clistiter *at = first; at != NULL; at = clist_next(at)) {
        buf_append_text(structure, at != first ? " " : "");
        part_read(clist_content(at), parts, structure);
    }
    buf_append_char(structure, ')');
}

static struct json *mail_read(struct mailmime *message)
{
    struct mailimf_single_fields fields;
    mailimf_single_fields_init(&fields, message->mm_data.mm_message.mm_fields);
    struct json *mail = json_new_object();
    struct json *parts = json_new_array();
    struct buf structure;
    buf_init(&structure, MAIL_BYTES);
    json_set(mail, "subject",
             phrase_new(fields.fld_subject != NULL ? fields.fld_subject->sbj_value : NULL));
    json_set(mail, "from", senders_new(fields.fld_from));
    json_set(mail, "to", addresses_new(fields.fld_to != NULL ? fields.fld_to->to_addr_list : NULL));
    json_set(mail, "reply_to",
             addresses_new(fields.fld_reply_to != NULL ? fields.fld_reply_to->rt_addr_list : NULL));
    json_set(mail, "message_id",
             text_new(fields.fld_message_id != NULL ? fields.fld_message_id->mid_value : NULL));
    part_read(message->mm_data.mm_message.mm_msg_mime, parts, &structure);
    json_set(mail, "parts", parts);
    json_set(mail, "structure", text_new(structure.data));
    buf_free(&structure);
    return mail;
}

static bool input_read(struct buf *input)
{
    char chunk[65536];
    size_t size = 0;
    buf_init(input, MAIL_BYTES);
    while ((size = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        buf_append(input, chunk, size);
    return !input->has_failed && ferror(stdin) == 0;
}

int main(void)
{
    struct buf input;
    struct mailmime *message = NULL;
    size_t index = 0;
    if (!input_read(&input) ||
        mailmime_parse(input.data, input.size, &index, &message) != MAILIMF_NO_ERROR) {
        (void)fputs("etpan_driver: not readable as a mail\n", stderr);
        buf_free(&input);
        return EX_DATAERR;
    }
    struct json *mail = mail_read(message);
    char *printed = json_print(mail);
    bool is_written = printed != NULL && puts(printed) >= 0 && fflush(stdout) == 0;
    free(printed);
    json_free(mail);
    mailmime_free(message);
    buf_free(&input);
    return is_written ? EX_OK : EX_IOERR;
}
