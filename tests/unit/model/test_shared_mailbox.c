/* Proves which addresses are taken for a desk's, and that people's are not. */
#include "worker/model/shared_mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_desks_mailbox_is_known_by_its_name(void **state)
{
    (void)state;
    static const char *const generic[] = {
        "office@example.org",       "Admin@example.org",     "HEAD@example.org",
        "head.teacher@example.org", "head-teacher@e.org",    "enquiries@example.org",
        "info@example.org",         "school@example.org",    "secretary@example.org",
        "reception@example.org",    "postmaster@e.org",      "admin2@example.org",
        "office+cpd@example.org",   "School_Office1@e.org",  "accounts@example.org",
        "swyddfa@example.org",      "pennaeth@example.org",  "ysgrifennydd@example.org",
        "ymholiadau@example.org",   "theoffice@example.org",
    };
    for (size_t i = 0; i < sizeof(generic) / sizeof(generic[0]); i++)
        if (!shared_mailbox_is_generic(generic[i]))
            fail_msg("%s", generic[i]);
}

static void a_persons_mailbox_is_their_own(void **state)
{
    (void)state;
    static const char *const own[] = {
        "ann@example.org",
        "o.brien@example.org",
        "headley@example.org",
        "ann.office@e.org",
        "schoolfield@e.org",
        "infoann@example.org",
        "",
        "office",
        "@example.org",
        "1@example.org",
        "office@head@person.org",
        "si\xc3\xa2n@example.org",
        "adm\xc3\xadn@example.o",
        "+office@example.org",
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (shared_mailbox_is_generic(own[i]))
            fail_msg("%s", own[i]);
    assert_false(shared_mailbox_is_generic(NULL));
    char longest[80];
    for (size_t i = 0; i < 70; i++)
        longest[i] = 'a';
    longest[70] = '@';
    longest[71] = '\0';
    assert_false(shared_mailbox_is_generic(longest));
}

/* The list is searched by halves. Each name, made of its own letters, must be found. */
static void the_list_is_in_order_so_that_each_name_is_found(void **state)
{
    (void)state;
    static const char *const ends[] = {"accounts@e.org", "ysgrifennydd@e.org", "info@e.org",
                                       "schools@e.org",  "hello@e.org",        "sbm@e.org",
                                       "pa@e.org",       "officeadmin@e.org",  "derbynfa@e.org"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        assert_true(shared_mailbox_is_generic(ends[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_desks_mailbox_is_known_by_its_name),
        cmocka_unit_test(a_persons_mailbox_is_their_own),
        cmocka_unit_test(the_list_is_in_order_so_that_each_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
