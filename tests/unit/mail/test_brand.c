/* Proves that a tenant's logo is decoded once and right, and that what is none is left out. */
#include "tests/unit/mail/context_reading.h"
#include "worker/mail/brand.h"

#include <stdio.h>
#include <stdlib.h>

/* A GIF of one pixel, as encode(..., 'base64') writes it. */
#define GIF "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

static struct brand_logo logo_of(const char *logo_facts)
{
    char text[1024];
    struct brand_logo logo;
    (void)snprintf(text, sizeof text, "{\"from_address\":\"cpd@e.org\",\"brand\":{\"logo\":%s}}",
                   logo_facts);
    struct json *tenant = parse(text);
    assert_true(brand_logo_read(tenant, &logo));
    json_free(tenant);
    return logo;
}

static void a_logo_is_decoded_and_named_by_what_it_is(void **state)
{
    (void)state;
    struct brand_logo logo = logo_of("{\"type\":\"image/gif\",\"base64\":\"" GIF "\"}");
    assert_int_equal(logo.size, 42);
    assert_memory_equal(logo.bytes, "GIF89a\x01\x00\x01\x00\x80", 11);
    assert_int_equal(logo.bytes[41], ';');
    assert_string_equal(logo.type, "image/gif");
    assert_non_null(strstr(logo.content_id, "@e.org"));
    assert_int_equal(strncmp(logo.content_id, "logo.", 5), 0);
    struct brand_logo same = logo_of(
        "{\"type\":\"image/gif\",\"base64\":\"R0lGODlhAQABAIAAAAAAAP///yH5\\nBAEAAAAALAAAAAABA"
        "AEAAAIBRAA7\\n\"}");
    assert_string_equal(logo.content_id, same.content_id);
    struct brand_logo other = logo_of("{\"type\":\"image/gif\",\"base64\":\"R0lGODlhAQAB\"}");
    assert_int_equal(other.size, 9);
    assert_string_not_equal(logo.content_id, other.content_id);
    brand_logo_free(&logo);
    brand_logo_free(&same);
    brand_logo_free(&other);
    assert_int_equal(logo.size, 0);
}

static void padding_counts_as_rfc_4648_says(void **state)
{
    (void)state;
    struct brand_logo one = logo_of("{\"type\":\"image/jpeg\",\"base64\":\"/9j/4A==\"}");
    assert_int_equal(one.size, 4);
    assert_memory_equal(one.bytes, "\xff\xd8\xff\xe0", 4);
    struct brand_logo two = logo_of("{\"type\":\"image/jpeg\",\"base64\":\"/9j/4AA=\"}");
    assert_int_equal(two.size, 5);
    brand_logo_free(&one);
    brand_logo_free(&two);
}

static void what_is_no_such_picture_is_left_out(void **state)
{
    (void)state;
    static const char *const none[] = {
        "null",
        "5",
        "{}",
        "{\"type\":\"image/gif\"}",
        "{\"type\":\"image/gif\",\"base64\":\"\"}",
        "{\"type\":\"image/gif\",\"base64\":\"====\"}",
        "{\"type\":\"image/png\",\"base64\":\"" GIF "\"}",
        "{\"type\":\"image/svg+xml\",\"base64\":\"PHN2Zz4=\"}",
        "{\"type\":\"image/gif\",\"base64\":\"R0lGODlh\"}",
        "{\"type\":\"image/gif\",\"base64\":\"R0lGODlhAQAB!AAA\"}",
        "{\"type\":\"image/gif\",\"base64\":\"R0lG=ODlhAQAB\"}",
        "{\"type\":\"image/gif\",\"base64\":\"" GIF "A\"}",
        "{\"base64\":\"" GIF "\"}",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct brand_logo logo = logo_of(none[i]);
        if (logo.size != 0 || logo.bytes != NULL)
            fail_msg("%s", none[i]);
    }
}

static void a_logo_past_the_limit_is_left_out(void **state)
{
    (void)state;
    for (size_t bytes = BRAND_LOGO_BYTES; bytes <= BRAND_LOGO_BYTES + 3; bytes += 3) {
        size_t size = bytes / 3 * 4;
        char *text = malloc(size + 200);
        assert_non_null(text);
        size_t at =
            (size_t)sprintf(text, "{\"brand\":{\"logo\":{\"type\":\"image/gif\",\"base64\":\"");
        memset(text + at, 'A', size);
        memcpy(text + at, "R0lGODlh", 8);
        strcpy(text + at + size, "\"}}}");
        struct brand_logo logo;
        struct json *tenant = parse(text);
        assert_true(brand_logo_read(tenant, &logo));
        assert_int_equal(logo.size, bytes <= BRAND_LOGO_BYTES ? bytes : 0);
        brand_logo_free(&logo);
        json_free(tenant);
        free(text);
    }
}

static void a_brand_has_a_name_and_a_colour_always(void **state)
{
    (void)state;
    static const struct {
        const char *tenant;
        const char *name;
        const char *colour;
    } rows[] = {
        {"{\"name\":\"Desk\"}", "Desk", "#1a4f9c"},
        {"{\"name\":\"Desk\",\"brand\":{\"name\":\"Learn\",\"colour\":\"#0B525b\"}}", "Learn",
         "#0B525b"},
        {"{\"name\":\"Desk\",\"brand\":{\"colour\":\"red;background:url(//x)\"}}", "Desk",
         "#1a4f9c"},
        {"{\"brand\":{\"colour\":\"#0b525b;\"}}", "", "#1a4f9c"},
        {"{\"brand\":{\"colour\":\"#0b525\"}}", "", "#1a4f9c"},
        {"{\"brand\":{\"colour\":\"#0b525g\"}}", "", "#1a4f9c"},
        {"{\"brand\":[]}", "", "#1a4f9c"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json *tenant = parse(rows[i].tenant);
        struct json *view = brand_view(tenant, NULL);
        assert_string_equal(text_at(view, "name"), rows[i].name);
        assert_string_equal(text_at(view, "colour"), rows[i].colour);
        assert_string_equal(text_at(view, "logo_cid"), "");
        assert_false(is_true_at(view, "has_logo"));
        json_free(tenant);
        json_free(view);
    }
}

static void a_page_is_told_the_logos_size_and_words(void **state)
{
    (void)state;
    struct brand_logo logo = logo_of("{\"type\":\"image/gif\",\"base64\":\"" GIF "\"}");
    struct json *tenant = parse("{\"name\":\"Desk\",\"brand\":{\"logo\":{\"width\":120,"
                                "\"height\":-4}}}");
    struct json *view = brand_view(tenant, &logo);
    assert_true(is_true_at(view, "has_logo"));
    assert_string_equal(text_at(view, "logo_cid"), logo.content_id);
    assert_string_equal(text_at(view, "logo_alt"), "Desk");
    assert_true(json_find_true(view, "logo_says_name"));
    assert_int_equal(json_find_integer(view, "logo_width", -1), 120);
    assert_int_equal(json_find_integer(view, "logo_height", -1), 0);
    json_free(tenant);
    json_free(view);
    tenant = parse("{\"name\":\"Desk\",\"brand\":{\"logo\":{\"alt\":\"A bell\"}}}");
    view = brand_view(tenant, &logo);
    assert_string_equal(text_at(view, "logo_alt"), "A bell");
    assert_false(json_find_true(view, "logo_says_name"));
    json_free(tenant);
    json_free(view);
    brand_logo_free(&logo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logo_is_decoded_and_named_by_what_it_is),
        cmocka_unit_test(padding_counts_as_rfc_4648_says),
        cmocka_unit_test(what_is_no_such_picture_is_left_out),
        cmocka_unit_test(a_logo_past_the_limit_is_left_out),
        cmocka_unit_test(a_brand_has_a_name_and_a_colour_always),
        cmocka_unit_test(a_page_is_told_the_logos_size_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
