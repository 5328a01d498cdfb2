/* A tenant's name, colour and logo, each with something sound in its place where it is missing. */
#include "worker/mail/brand.h"

#include "worker/base/crypto.h"
#include "worker/mail/context_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DIGEST_SHOWN_BYTES = 8, BASE64_BYTES = BRAND_LOGO_BYTES / 3 * 4 + BRAND_LOGO_BYTES / 10 };

/* White text on it has a contrast of 7.9 (WCAG 2.2, 1.4.6 asks for 7). */
static const char default_colour[] = "#1a4f9c";

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 section 4; line ends may stand in it, as PostgreSQL's encode() writes them. How many
 * bytes came out; 0 for what is no base64. `out` has room for three quarters of `size`. */
static size_t base64_decode(const char *text, size_t size, char *out)
{
    unsigned bits = 0;
    unsigned held = 0;
    size_t count = 0;
    size_t digits = 0;
    while (size > 0 && (text[size - 1] == '=' || text[size - 1] == '\n'))
        size--;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            continue;
        int value = base64_value(text[i]);
        if (value < 0)
            return 0;
        digits++;
        bits = (bits << 6 | (unsigned)value) & 0xffffffU;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[count++] = (char)(unsigned char)(bits >> held & 0xffU);
        }
    }
    return digits % 4 == 1 ? 0 : count;
}

/* The type as a constant where the first bytes are of it, else NULL. */
static const char *type_check(const char *type, const char *bytes, size_t size)
{
    static const struct {
        const char *type;
        const char *first;
        size_t first_size;
    } types[] = {
        {"image/png", "\x89PNG\r\n\x1a\n", 8},
        {"image/jpeg", "\xff\xd8\xff", 3},
        {"image/gif", "GIF87a", 6},
        {"image/gif", "GIF89a", 6},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(type, types[i].type) == 0 && size > types[i].first_size &&
            memcmp(bytes, types[i].first, types[i].first_size) == 0)
            return types[i].type;
    return NULL;
}

static bool content_id_make(const struct json *tenant, struct brand_logo *logo)
{
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    char shown[2 * DIGEST_SHOWN_BYTES + 1];
    const char *at = strrchr(json_find_text(tenant, "from_address"), '@');
    if (!crypto_sha256(logo->bytes, logo->size, digest))
        return false;
    for (size_t i = 0; i < DIGEST_SHOWN_BYTES; i++)
        (void)snprintf(shown + 2 * i, 3, "%02x", digest[i]);
    (void)snprintf(logo->content_id, sizeof logo->content_id, "logo.%s@%s", shown,
                   at != NULL ? at + 1 : "handbell");
    return true;
}

bool brand_logo_read(const struct json *tenant, struct brand_logo *logo)
{
    const struct json *facts = json_find(json_find(tenant, "brand"), "logo");
    size_t text_size = 0;
    const char *text = json_text(json_find(facts, "base64"), &text_size);
    *logo = (struct brand_logo){0};
    if (text_size == 0 || text_size > BASE64_BYTES)
        return true;
    char *bytes = malloc(text_size / 4 * 3 + 3);
    if (bytes == NULL)
        return false;
    size_t size = base64_decode(text, text_size, bytes);
    const char *type = type_check(json_find_text(facts, "type"), bytes, size);
    if (type == NULL || size > BRAND_LOGO_BYTES) {
        free(bytes);
        return true;
    }
    *logo = (struct brand_logo){.bytes = bytes, .size = size, .type = type};
    if (content_id_make(tenant, logo))
        return true;
    brand_logo_free(logo);
    return false;
}

void brand_logo_free(struct brand_logo *logo)
{
    free(logo->bytes);
    *logo = (struct brand_logo){0};
}

/* It stands in style attributes: nothing but "#rrggbb" may. */
static bool is_colour(const char *text)
{
    return text[0] == '#' && strspn(text + 1, "0123456789abcdefABCDEF") == 6 && strlen(text) == 7;
}

static int64_t side_of(const struct json *logo, const char *key)
{
    int64_t side_px = json_find_integer(logo, key, 0);
    return side_px > 0 && side_px <= BRAND_SIDE_MAXIMUM_PX ? side_px : 0;
}

struct json *brand_view(const struct json *tenant, const struct brand_logo *logo)
{
    const struct json *brand = json_find(tenant, "brand");
    const struct json *facts = json_find(brand, "logo");
    const char *name = json_find_text(brand, "name");
    const char *alt = json_find_text(facts, "alt");
    const char *colour = json_find_text(brand, "colour");
    bool has_logo = logo != NULL && logo->size > 0;
    struct context_builder view;
    context_build_start(&view);
    if (name[0] == '\0')
        name = json_find_text(tenant, "name");
    context_build_text(&view, "name", name);
    context_build_text(&view, "colour", is_colour(colour) ? colour : default_colour);
    context_build_bool(&view, "has_logo", has_logo);
    context_build_text(&view, "logo_cid", has_logo ? logo->content_id : "");
    if (alt[0] == '\0')
        alt = name;
    context_build_text(&view, "logo_alt", alt);
    context_build_bool(&view, "logo_says_name", strcasecmp(alt, name) == 0);
    context_build_integer(&view, "logo_width", has_logo ? side_of(facts, "width") : 0);
    context_build_integer(&view, "logo_height", has_logo ? side_of(facts, "height") : 0);
    return context_build_end(&view);
}
