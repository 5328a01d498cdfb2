/* A session for which there is no memory just now is opened when there is: nobody else may come by
 * to wake the pool. */
#include "tests/unit/shortage.h"
#include "worker/io/loop.h"
#include "worker/io/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LONG_MS = 10000 };

/* At a port of this host where nobody listens. */
struct desk {
    struct loop *loop;
    struct smtp_client *client;
    struct loop_timer *late;
    unsigned ended;
};

static void on_late(void *context)
{
    struct desk *desk = context;
    loop_stop(desk->loop);
}

static void desk_end(struct desk *desk)
{
    desk->ended++;
    loop_stop(desk->loop);
}

static void on_tried(void *context, const struct outcome *failure)
{
    struct desk *desk = context;
    assert_non_null(failure);
    desk_end(desk);
}

static void on_done(void *context, const struct outcome *outcome)
{
    struct desk *desk = context;
    if (outcome->scope == OUTCOME_SCOPE_RELAY)
        desk_end(desk);
}

static int set_up(void **state)
{
    static struct desk desk;
    struct error error = {0};
    struct smtp_options options;
    smtp_options_init(&options);
    options.url = "smtp://127.0.0.1:1";
    desk = (struct desk){.loop = loop_new(&error)};
    assert_non_null(desk.loop);
    desk.client = smtp_client_new(desk.loop, &options, &error);
    assert_non_null(desk.client);
    desk.late = loop_timer_new(desk.loop, on_late, &desk);
    loop_timer_start(desk.late, LONG_MS);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    smtp_client_free(desk->client);
    loop_timer_free(desk->late);
    loop_free(desk->loop);
    return 0;
}

static void a_relay_is_tried_when_there_is_memory_again(void **state)
{
    struct desk *desk = *state;
    smtp_client_try(desk->client, on_tried, desk);
    shortage_begin(0, false);
    loop_run(desk->loop);
    assert_true(shortage_end());
    assert_int_equal(desk->ended, 1);
}

static void a_mail_goes_when_there_is_memory_again(void **state)
{
    struct desk *desk = *state;
    static struct smtp_transaction transaction;
    transaction = (struct smtp_transaction){.mail_from = "a@example.org",
                                            .rcpt_to = "b@example.org",
                                            .bytes = "A: b\n\nc\n",
                                            .size = 8,
                                            .on_done = on_done,
                                            .context = desk};
    smtp_client_submit(desk->client, &transaction);
    shortage_begin(0, false);
    loop_run(desk->loop);
    assert_true(shortage_end());
    assert_int_equal(desk->ended, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_relay_is_tried_when_there_is_memory_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mail_goes_when_there_is_memory_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
