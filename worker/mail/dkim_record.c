/* A key's record, written and compared. */
#include "worker/mail/dkim_record.h"

#include "worker/model/tag_list.h"

#include <string.h>
#include <strings.h>

static const char *kind_name(const struct crypto_private_key *key)
{
    return crypto_private_key_kind(key) == CRYPTO_KEY_RSA ? "rsa" : "ed25519";
}

static bool public_write(const struct crypto_private_key *key,
                         char text[CRYPTO_BASE64_BYTES(CRYPTO_PUBLIC_KEY_BYTES)])
{
    uint8_t bytes[CRYPTO_PUBLIC_KEY_BYTES];
    size_t size = crypto_public_key_write(key, bytes);
    crypto_base64(bytes, size, text);
    return size > 0;
}

bool dkim_record_write(const struct crypto_private_key *key, struct buf *out)
{
    char text[CRYPTO_BASE64_BYTES(CRYPTO_PUBLIC_KEY_BYTES)];
    return public_write(key, text) && buf_printf(out, "v=DKIM1; k=%s; p=%s", kind_name(key), text);
}

/* Base64 with blanks in it and, at the end, with or without '='. */
static bool is_same_base64(const struct tag *tag, const char *expected)
{
    for (size_t i = 0; i < tag->value_size; i++) {
        char c = tag->value[i];
        if (c == ' ' || c == '\t' || c == '=')
            continue;
        if (c != *expected++)
            return false;
    }
    return *expected == '\0' || *expected == '=';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether `word` is one of the values that colons part. */
static bool has_word(const struct tag *tag, const char *word)
{
    size_t size = strlen(word);
    for (size_t at = 0; at < tag->value_size;) {
        const char *start = tag->value + at;
        const char *colon = memchr(start, ':', tag->value_size - at);
        size_t step = colon != NULL ? (size_t)(colon - start) : tag->value_size - at;
        at += step + 1;
        while (step > 0 && is_blank(*start)) {
            start++;
            step--;
        }
        while (step > 0 && is_blank(start[step - 1]))
            step--;
        if (step == size && strncasecmp(start, word, size) == 0)
            return true;
    }
    return false;
}

const char *dkim_record_problem(const char *published, const struct crypto_private_key *key)
{
    char expected[CRYPTO_BASE64_BYTES(CRYPTO_PUBLIC_KEY_BYTES)];
    struct tag_list list;
    if (!tag_list_parse(published, &list))
        return "is no list of tags";
    const struct tag *v = tag_list_find(&list, "v");
    const struct tag *k = tag_list_find(&list, "k");
    const struct tag *p = tag_list_find(&list, "p");
    const struct tag *h = tag_list_find(&list, "h");
    const struct tag *s = tag_list_find(&list, "s");
    if (v != NULL && (v != &list.tags[0] || !tag_is(v, "DKIM1")))
        return "says another version, or not at its start";
    if (p == NULL)
        return "has no p=";
    if (p->value_size == 0)
        return "says that the key is revoked (p= is empty)";
    if (k != NULL ? !tag_is(k, kind_name(key)) : strcmp(kind_name(key), "rsa") != 0)
        return "is of another kind of key (k=)";
    if (h != NULL && !has_word(h, "sha256"))
        return "does not allow sha256 (h=)";
    if (s != NULL && !has_word(s, "*") && !has_word(s, "email"))
        return "is not for mail (s=)";
    if (!public_write(key, expected) || !is_same_base64(p, expected))
        return "is of another key (p=)";
    return NULL;
}

bool dkim_record_is_test(const char *published)
{
    struct tag_list list;
    const struct tag *t = tag_list_parse(published, &list) ? tag_list_find(&list, "t") : NULL;
    return t != NULL && has_word(t, "y");
}
