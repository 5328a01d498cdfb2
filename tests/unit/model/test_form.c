/* Forms of one field: both encodings of RFC 8058, and everything else refused. */
#include "worker/model/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *type;
    const char *body;
    const char *name; /* NULL: refused */
    const char *value;
};

static const char urlencoded[] = "application/x-www-form-urlencoded";
static const char multipart[] = "multipart/form-data; boundary=x1";

#define PART                                                                                       \
    "--x1\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n"

static void check_row(const struct row *row)
{
    struct form_field field;
    /* An exact copy, so that a read past the end is seen by the sanitizer. */
    size_t size = strlen(row->body);
    char *body = malloc(size == 0 ? 1 : size);
    assert_non_null(body);
    memcpy(body, row->body, size);
    bool is_read = form_read(row->type, body, size, &field);
    free(body);
    assert_int_equal(is_read, row->name != NULL);
    assert_string_equal(field.name, row->name == NULL ? "" : row->name);
    assert_string_equal(field.value, row->name == NULL ? "" : row->value);
}

static void both_encodings_of_one_click_are_read(void **state)
{
    static const struct row rows[] = {
        {urlencoded, "List-Unsubscribe=One-Click", "List-Unsubscribe", "One-Click"},
        {urlencoded, "List-Unsubscribe=One-Click\r\n", "List-Unsubscribe", "One-Click"},
        {urlencoded, "List%2dUnsubscribe=One%2DClick", "List-Unsubscribe", "One-Click"},
        {urlencoded, "confirm=1", "confirm", "1"},
        {urlencoded, "a=b+c=d", "a", "b c=d"},
        {"Application/X-WWW-Form-Urlencoded; charset=UTF-8", "undo=1", "undo", "1"},
        {multipart, PART "--x1--\r\n", "List-Unsubscribe", "One-Click"},
        {multipart, PART "--x1--", "List-Unsubscribe", "One-Click"},
        {multipart, "preamble\r\n" PART "--x1-- \r\nepilogue", "List-Unsubscribe", "One-Click"},
        {"multipart/form-data; charset=utf-8; boundary=\"x1\"", PART "--x1--", "List-Unsubscribe",
         "One-Click"},
        {multipart,
         "--x1\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; "
         "name=undo\r\n\r\n1\r\n"
         "--x1--",
         "undo", "1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void anything_else_is_refused(void **state)
{
    static const struct row rows[] = {
        {urlencoded, "", NULL, NULL},
        {urlencoded, "List-Unsubscribe", NULL, NULL},
        {urlencoded, "=1", NULL, NULL},
        {urlencoded, "a=1&b=2", NULL, NULL},
        {urlencoded, "a=%", NULL, NULL},
        {urlencoded, "a=%2", NULL, NULL},
        {urlencoded, "a=%zz", NULL, NULL},
        {urlencoded, "a=%00", NULL, NULL},
        {urlencoded, "a=%0d", NULL, NULL},
        {urlencoded, "a=\xc3\xa9", NULL, NULL},
        {urlencoded, "a=1\n\n", NULL, NULL},
        {"", "List-Unsubscribe=One-Click", NULL, NULL},
        {"text/plain", "List-Unsubscribe=One-Click", NULL, NULL},
        {"application/x-www-form-urlencodedx", "a=1", NULL, NULL},
        {"application/json", "{}", NULL, NULL},
        {"multipart/form-data", PART "--x1--", NULL, NULL},
        {"multipart/form-data; boundary=", PART "--x1--", NULL, NULL},
        {"multipart/form-data; boundary=\"x1", PART "--x1--", NULL, NULL},
        {"multipart/form-data; boundary=y", PART "--x1--", NULL, NULL},
        {"multipart/mixed; boundary=x1", PART "--x1--", NULL, NULL},
        {multipart, PART, NULL, NULL},
        {multipart, PART "--x1", NULL, NULL},
        {multipart, PART PART "--x1--", NULL, NULL},
        {multipart, "--x1--", NULL, NULL},
        {multipart, "--x1\r\n\r\nOne-Click\r\n--x1--", NULL, NULL},
        {multipart, "--x1\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x1--", NULL, NULL},
        {multipart, "--x1\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n1\r\n--x1--",
         NULL, NULL},
        {multipart, "--x1\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n2\r\n--x1--", NULL,
         NULL},
        {multipart, "--x1\r\nContent-Disposition: form-data; name=a\r\n\r\n--x1--", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void sizes_are_bounded(void **state)
{
    char body[512];
    struct form_field field;
    (void)state;
    for (size_t size = 1; size < 200; size++) {
        memset(body, 'a', sizeof body);
        body[size] = '=';
        assert_int_equal(form_read(urlencoded, body, size + 2, &field), size < FORM_NAME_BYTES);
        body[size] = 'a';
        memcpy(body, "n=", 2);
        assert_int_equal(form_read(urlencoded, body, size + 2, &field), size < FORM_VALUE_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_encodings_of_one_click_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
