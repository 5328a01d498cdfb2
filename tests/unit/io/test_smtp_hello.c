/* The opening of a session as overheard: the step it is at, and whose offers count. */
#include "worker/io/smtp_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool hear(struct smtp_hello *hello, const char *line)
{
    return smtp_hello_take_line(hello, line, strlen(line));
}

static void the_steps_follow_the_replies(void **state)
{
    (void)state;
    struct smtp_hello hello;
    smtp_hello_init(&hello, SMTP_TLS_STARTTLS, true);
    assert_int_equal(hello.step, OUTCOME_VERB_CONNECT);
    hear(&hello, "220-relay.example\r\n");
    hear(&hello, "220 ESMTP\r\n");
    assert_int_equal(hello.step, OUTCOME_VERB_EHLO);
    hear(&hello, "250-relay.example\r\n");
    hear(&hello, "250 STARTTLS\r\n");
    assert_int_equal(hello.step, OUTCOME_VERB_STARTTLS);
    assert_false(hello.is_secure);
    hear(&hello, "220 go\r\n");
    assert_int_equal(hello.step, OUTCOME_VERB_EHLO);
    assert_true(hello.is_secure);
    hear(&hello, "250-relay.example\r\n");
    hear(&hello, "250 AUTH PLAIN\r\n");
    assert_int_equal(hello.step, OUTCOME_VERB_AUTH);
    hear(&hello, "334 \r\n");
    assert_false(hello.is_authenticated);
    hear(&hello, "235 welcome\r\n");
    assert_true(hello.is_authenticated);
}

static void only_the_last_ehlo_counts(void **state)
{
    (void)state;
    struct smtp_hello hello;
    smtp_hello_init(&hello, SMTP_TLS_STARTTLS, false);
    hear(&hello, "220 relay.example\r\n");
    hear(&hello, "250-relay.example\r\n");
    hear(&hello, "250-PIPELINING\r\n");
    hear(&hello, "250-SMTPUTF8\r\n");
    hear(&hello, "250-AUTH LOGIN\r\n");
    hear(&hello, "250-SIZE 10\r\n");
    hear(&hello, "250 8BITMIME\r\n");
    assert_true(hello.peer.has_pipelining && hello.peer.has_smtputf8 && hello.peer.has_8bitmime);
    assert_int_equal(hello.peer.size_limit, 10);
    hear(&hello, "220 go\r\n");
    assert_false(hello.peer.has_pipelining || hello.peer.has_smtputf8 || hello.peer.has_size);
    hear(&hello, "250-relay.example\r\n");
    hear(&hello, "250-size\r\n");
    hear(&hello, "250 Auth=LOGIN\r\n");
    assert_true(hello.peer.has_size && hello.peer.has_auth);
    assert_int_equal(hello.peer.size_limit, 0);
    assert_false(hello.peer.has_pipelining || hello.peer.has_8bitmime);
}

/* The host's own name is no offer, and neither is a longer word. */
static void a_name_is_no_offer(void **state)
{
    (void)state;
    struct smtp_hello hello;
    smtp_hello_init(&hello, SMTP_TLS_NONE, false);
    hear(&hello, "220 relay.example\r\n");
    hear(&hello, "250-PIPELINING greets you\r\n");
    hear(&hello, "250-8BITMIMEX\r\n");
    hear(&hello, "250 XPIPELINING\r\n");
    assert_false(hello.peer.has_pipelining || hello.peer.has_8bitmime);
}

static void a_refusal_is_kept_until_the_next_reply(void **state)
{
    (void)state;
    struct smtp_hello hello;
    smtp_hello_init(&hello, SMTP_TLS_NONE, false);
    hear(&hello, "554-5.7.1 not\r\n");
    hear(&hello, "554 5.7.1 you\r\n");
    assert_int_equal(hello.refusal.code, 554);
    assert_int_equal(hello.refusal.verb, OUTCOME_VERB_GREETING);
    assert_string_equal(hello.refusal.enhanced, "5.7.1");
    hear(&hello, "220 well then\r\n");
    assert_int_equal(hello.refusal.code, 0);
}

static void noise_is_passed_over_and_has_an_end(void **state)
{
    (void)state;
    struct smtp_hello hello;
    char line[1000];
    size_t heard = 0;
    smtp_hello_init(&hello, SMTP_TLS_IMPLICIT, false);
    assert_true(hello.is_secure);
    assert_true(hear(&hello, "\r\n") && hear(&hello, "zzz\r\n") && hear(&hello, ""));
    assert_int_equal(hello.refusal.code, 0);
    memset(line, '2', sizeof line);
    while (heard <= SMTP_HELLO_BYTES && smtp_hello_take_line(&hello, line, sizeof line))
        heard += sizeof line;
    assert_true(heard <= SMTP_HELLO_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_follow_the_replies),
        cmocka_unit_test(only_the_last_ehlo_counts),
        cmocka_unit_test(a_name_is_no_offer),
        cmocka_unit_test(a_refusal_is_kept_until_the_next_reply),
        cmocka_unit_test(noise_is_passed_over_and_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
