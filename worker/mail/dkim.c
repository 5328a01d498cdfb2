/* Signs a mail. Must not know tenants, files or threads. */
#include "worker/mail/dkim.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

enum { FOLD_CHARACTERS = 76, FIELDS_BYTES = 16 * 1024 };

/* Which fields are signed, in the order of h=. `is_oversigned`: named once more than it occurs, so
 * that a second one, which many readers would show instead, breaks the signature. List fields are
 * not: lists and shared mailboxes add their own, and a mail through them should stay signed. */
static const struct signed_field {
    const char *name;
    bool is_oversigned;
} signed_fields[] = {
    {"from", true},
    {"to", true},
    {"cc", true},
    {"subject", true},
    {"date", true},
    {"message-id", true},
    {"reply-to", true},
    {"mime-version", true},
    {"content-type", true},
    {"content-transfer-encoding", true},
    {"in-reply-to", false},
    {"references", false},
    {"auto-submitted", false},
    {"list-id", false},
    {"list-unsubscribe", false},
    {"list-unsubscribe-post", false},
    {"feedback-id", false},
};

enum { SIGNED_FIELDS = sizeof signed_fields / sizeof signed_fields[0] };

struct field {
    const char *text; /* with its line ends */
    size_t size;
    size_t name_size;
};

/* A mail taken apart; everything lies in the mail's own bytes. */
struct parts {
    struct field fields[DKIM_FIELDS_MAXIMUM];
    size_t field_count;
    const char *body;
    size_t body_size;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The size of the line at `text`, without its end; `*step` is the size with it. */
static size_t line_measure(const char *text, size_t size, size_t *step)
{
    size_t at = 0;
    while (at < size && text[at] != '\r' && text[at] != '\n')
        at++;
    *step = at;
    if (at < size)
        *step += text[at] == '\r' && at + 1 < size && text[at + 1] == '\n' ? 2 : 1;
    return at;
}

/* Appends with each run of blanks as one space, and none at the end. `has_text`: a blank in front
 * stands for a space. */
static void append_reduced(struct buf *out, const char *text, size_t size, bool has_text)
{
    size_t at = 0;
    while (at < size) {
        size_t word = at;
        while (word < size && is_blank(text[word]))
            word++;
        if (word == size)
            return;
        if (word > at && (has_text || at > 0))
            buf_append_char(out, ' ');
        at = word;
        while (at < size && !is_blank(text[at]))
            at++;
        buf_append(out, text + word, at - word);
    }
}

bool dkim_canonicalise_field(const char *field, size_t size, struct buf *out)
{
    const char *colon = memchr(field, ':', size);
    if (colon == NULL)
        return false;
    size_t name_size = (size_t)(colon - field);
    while (name_size > 0 && is_blank(field[name_size - 1]))
        name_size--;
    for (size_t i = 0; i < name_size; i++) {
        char c = field[i];
        buf_append_char(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    buf_append_char(out, ':');
    size_t start = out->size;
    for (size_t at = (size_t)(colon - field) + 1; at < size;) {
        size_t step;
        size_t line = line_measure(field + at, size - at, &step);
        append_reduced(out, field + at, line, out->size > start);
        at += step;
    }
    buf_append(out, "\r\n", 2);
    return !out->has_failed;
}

/* Where the run of blanks at `at` ends. */
static size_t skip_blanks(const char *text, size_t size, size_t at)
{
    while (at < size && is_blank(text[at]))
        at++;
    return at;
}

/* Drops the empty lines at the end, and ends the last other line. `start`: where the body is. */
static void end_body(struct buf *out, size_t start)
{
    while (out->size >= start + 2 && out->data[out->size - 1] == '\n' &&
           (out->size == start + 2 || out->data[out->size - 3] == '\n'))
        out->size -= 2;
    if (out->size > start && out->data[out->size - 1] != '\n')
        buf_append(out, "\r\n", 2);
    else if (out->data != NULL && out->capacity > 0)
        out->data[out->size] = '\0';
}

/* One pass that copies in long runs: our own bodies hold little that changes. */
bool dkim_canonicalise_body(const char *body, size_t size, struct buf *out)
{
    size_t start = out->size;
    size_t run = 0;
    size_t at = 0;
    while (at < size) {
        char c = body[at];
        if ((unsigned char)c > ' ' || (!is_blank(c) && c != '\r' && c != '\n')) {
            at++;
            continue;
        }
        bool is_pair = c == '\r' && at + 1 < size && body[at + 1] == '\n';
        size_t next = is_blank(c) ? skip_blanks(body, size, at) : at + 1 + is_pair;
        bool is_last = is_blank(c) && (next == size || body[next] == '\r' || body[next] == '\n');
        if (is_pair || (c == ' ' && next == at + 1 && !is_last)) {
            at = next;
            continue;
        }
        buf_append(out, body + run, at - run);
        if (!is_blank(c))
            buf_append(out, "\r\n", 2);
        else if (!is_last)
            buf_append_char(out, ' ');
        run = at = next;
    }
    buf_append(out, body + run, at - run);
    if (!out->has_failed)
        end_body(out, start);
    return !out->has_failed;
}

/* False with `error` where the header is none. */
static bool parts_find(const char *mail, size_t size, struct parts *parts, struct error *error)
{
    size_t at = 0;
    parts->field_count = 0;
    while (at < size) {
        size_t step;
        size_t line = line_measure(mail + at, size - at, &step);
        const char *text = mail + at;
        at += step;
        if (line == 0)
            break;
        if (is_blank(text[0]) && parts->field_count > 0) {
            parts->fields[parts->field_count - 1].size += step;
            continue;
        }
        const char *colon = memchr(text, ':', line);
        if (colon == NULL || colon == text || is_blank(text[0]))
            return error_set(error, EX_DATAERR, "mail: a line of the header without a name");
        if (parts->field_count == DKIM_FIELDS_MAXIMUM)
            return error_set(error, EX_DATAERR, "mail: more than %d header fields",
                             DKIM_FIELDS_MAXIMUM);
        struct field *field = &parts->fields[parts->field_count++];
        *field = (struct field){.text = text, .size = step, .name_size = (size_t)(colon - text)};
        while (is_blank(text[field->name_size - 1]))
            field->name_size--;
    }
    parts->body = mail + at;
    parts->body_size = size - at;
    return true;
}

static bool field_is(const struct field *field, const char *name)
{
    return field->name_size == strlen(name) &&
           strncasecmp(field->text, name, field->name_size) == 0;
}

/* One name more of h=, on a new line where the line would pass its limit. */
static void append_name(struct buf *names, const char *name, size_t *column)
{
    size_t size = strlen(name);
    if (names->size > 0) {
        buf_append_char(names, ':');
        (*column)++;
    }
    if (*column + size + 1 > FOLD_CHARACTERS) {
        buf_append_text(names, "\r\n  ");
        *column = 2;
    }
    buf_append(names, name, size);
    *column += size;
}

/* What h= says, and the fields that it names in their canonical form: of several of one name the
 * last one first (RFC 6376 section 5.4.2). */
static void fields_choose(const struct parts *parts, struct buf *names, struct buf *canonical)
{
    size_t column = sizeof " h=" - 1;
    for (size_t row = 0; row < SIGNED_FIELDS; row++) {
        const struct signed_field *wanted = &signed_fields[row];
        for (size_t i = parts->field_count; i-- > 0;) {
            if (!field_is(&parts->fields[i], wanted->name))
                continue;
            append_name(names, wanted->name, &column);
            dkim_canonicalise_field(parts->fields[i].text, parts->fields[i].size, canonical);
        }
        if (wanted->is_oversigned)
            append_name(names, wanted->name, &column);
    }
}

static void append_value(struct buf *out, const char *value)
{
    size_t left = strlen(value);
    size_t column = sizeof " b=" - 1;
    while (left > 0) {
        size_t piece = left < FOLD_CHARACTERS - column ? left : FOLD_CHARACTERS - column;
        buf_append(out, value, piece);
        value += piece;
        left -= piece;
        if (left > 0)
            buf_append_text(out, "\r\n  ");
        column = 2;
    }
}

/* What is the same in the signatures of all keys of the domain. */
struct letter {
    const struct dkim_domain *domain;
    int64_t now_unix_s;
    struct buf names;
    struct buf canonical;
    char body_hash[CRYPTO_BASE64_BYTES(CRYPTO_DIGEST_BYTES)];
};

/* Appends one whole field. The signature covers the field itself up to "b=" (section 3.7). */
static bool append_signature(struct buf *out, struct letter *letter, const struct dkim_key *key,
                             struct error *error)
{
    static const char *const algorithms[] = {
        [CRYPTO_KEY_RSA] = "rsa-sha256",
        [CRYPTO_KEY_ED25519] = "ed25519-sha256",
    };
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    uint8_t signature[CRYPTO_SIGNATURE_BYTES];
    char text[CRYPTO_BASE64_BYTES(CRYPTO_SIGNATURE_BYTES)];
    size_t start = out->size;
    size_t canonical_size = letter->canonical.size;

    buf_printf(out,
               "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n d=%s;\r\n s=%s;\r\n"
               " t=%" PRId64 ";\r\n h=%s;\r\n bh=%s;\r\n b=",
               algorithms[crypto_private_key_kind(key->key)], letter->domain->name, key->selector,
               letter->now_unix_s, letter->names.data, letter->body_hash);
    if (out->has_failed)
        return false;
    dkim_canonicalise_field(out->data + start, out->size - start, &letter->canonical);
    if (letter->canonical.has_failed)
        return false;
    bool is_hashed = crypto_sha256(letter->canonical.data, letter->canonical.size - 2, digest);
    size_t size = is_hashed ? crypto_sign(key->key, digest, signature) : 0;
    letter->canonical.size = canonical_size;
    if (size == 0)
        return error_set(error, EX_SOFTWARE, "key %s of %s does not sign", key->selector,
                         letter->domain->name);
    crypto_base64(signature, size, text);
    append_value(out, text);
    buf_append(out, "\r\n", 2);
    return !out->has_failed;
}

static bool letter_prepare(struct letter *letter, const struct buf *mail, struct error *error)
{
    struct parts parts = {0};
    struct buf body;
    uint8_t digest[CRYPTO_DIGEST_BYTES];

    if (!parts_find(mail->data, mail->size, &parts, error))
        return false;
    fields_choose(&parts, &letter->names, &letter->canonical);
    /* It grows by a line end at most, where the last one is missing, and by one byte a bare one. */
    buf_init(&body, 2 * parts.body_size + 2);
    bool is_hashed = !letter->names.has_failed && !letter->canonical.has_failed &&
                     dkim_canonicalise_body(parts.body, parts.body_size, &body) &&
                     crypto_sha256(body.size > 0 ? body.data : "", body.size, digest);
    buf_free(&body);
    if (is_hashed)
        crypto_base64(digest, sizeof digest, letter->body_hash);
    return is_hashed || error_set(error, EX_OSERR, "no memory");
}

/* As the wire will have it. */
static void replace_nuls(struct buf *mail)
{
    char *nul;
    for (char *at = mail->data; (nul = memchr(at, '\0', mail->size - (size_t)(at - mail->data)));)
        *(at = nul) = '?';
}

static bool buf_put_before(struct buf *buf, const struct buf *more)
{
    char *room = buf_reserve(buf, more->size);
    if (room == NULL)
        return false;
    memmove(buf->data + more->size, buf->data, buf->size);
    memcpy(buf->data, more->data, more->size);
    buf_grown(buf, more->size);
    return true;
}

bool dkim_sign(const struct dkim_domain *domain, int64_t now_unix_s, struct buf *mail,
               struct error *error)
{
    struct letter letter = {.domain = domain, .now_unix_s = now_unix_s};
    struct error problem = {0};
    struct buf fields;
    buf_init(&letter.names, FIELDS_BYTES);
    buf_init(&letter.canonical, mail->size * 2 + FIELDS_BYTES);
    buf_init(&fields, FIELDS_BYTES);
    replace_nuls(mail);
    bool is_signed = letter_prepare(&letter, mail, &problem);
    for (size_t i = 0; is_signed && i < domain->key_count; i++)
        is_signed = append_signature(&fields, &letter, &domain->keys[i], &problem);
    if (is_signed && fields.size > 0 && !buf_put_before(mail, &fields)) {
        is_signed = false;
        mail->has_failed = false; /* as it was */
        problem.exit_status = mail->is_out_of_memory ? EX_OSERR : EX_DATAERR;
        mail->is_out_of_memory = false;
    }
    if (!is_signed && problem.text[0] == '\0')
        error_set(&problem, problem.exit_status != 0 ? problem.exit_status : EX_OSERR,
                  problem.exit_status == EX_DATAERR ? "mail: no room for its signature"
                                                    : "no memory");
    if (!is_signed && error != NULL)
        *error = problem;
    buf_free(&letter.names);
    buf_free(&letter.canonical);
    buf_free(&fields);
    return is_signed;
}
