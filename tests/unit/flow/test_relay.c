/* Proves when the flow leaves its relay alone, and how much it holds for it. */
#include "worker/base/clock.h"
#include "worker/flow/relay.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct outcome sent = {.kind = OUTCOME_SENT, .verb = OUTCOME_VERB_BODY, .code = 250};
static const struct outcome away = {
    .kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = OUTCOME_VERB_CONNECT};
static const struct outcome unknown = {
    .kind = OUTCOME_REFUSED, .scope = OUTCOME_SCOPE_RECIPIENT, .verb = OUTCOME_VERB_RCPT};
static const struct outcome unfit = {.kind = OUTCOME_REFUSED, .scope = OUTCOME_SCOPE_MESSAGE};

static void three_failures_in_a_row_pause_it_and_one_reply_ends_the_pause(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &unknown, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_false(relay_take_outcome(&relay, &away, 1000));
    assert_true(relay_take_outcome(&relay, &away, 1000));
    assert_true(relay.breaker.retry_at_ms > 1000);
    assert_false(relay_take_outcome(&relay, &away, 1001));
    assert_false(relay_take_outcome(&relay, &sent, 1002));
    assert_false(breaker_is_open(&relay.breaker));
}

static void a_mail_that_the_relay_never_saw_says_nothing_of_it(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    for (int i = 0; i < 3; i++)
        relay_take_outcome(&relay, &away, 1000);
    assert_false(relay_take_outcome(&relay, &unfit, 1001));
    assert_true(breaker_is_open(&relay.breaker));
}

static void as_much_is_held_as_it_takes_in_ten_seconds(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    assert_int_equal(relay_hold_limit(&relay, 400), 400);
    for (int i = 0; i < 100; i++)
        relay_take_outcome(&relay, &sent, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 2000);
    relay_tick(&relay, 0, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 2000);
    relay_tick(&relay, 0, 1000);
    assert_int_equal(relay_hold_limit(&relay, 400), 400);
}

static const struct outcome storm = {
    .kind = OUTCOME_DEFERRED, .scope = OUTCOME_SCOPE_RELAY, .verb = OUTCOME_VERB_MAIL, .code = 421};

static void sessions_are_cut_by_421_and_not_by_a_connection_that_fails(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    window_init(&relay.window, 20, 1000);
    for (int i = 0; i < 20; i++)
        relay_take_outcome(&relay, &sent, 1000);
    assert_int_equal(relay.window.size, 20);
    relay_take_outcome(&relay, &away, 2000);
    assert_int_equal(relay.window.size, 20);
    relay_take_outcome(&relay, &storm, 2000);
    relay_take_outcome(&relay, &storm, 2001);
    assert_int_equal(relay.window.size, 10);
}

static void it_is_down_when_the_pause_lasts_until_it_lets_us_in(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20, .silent_since_ms = 1000};
    for (int i = 0; i < 3; i++)
        relay_take_outcome(&relay, &away, 1000);
    assert_false(relay_is_down(&relay, 1000 + RELAY_DOWN_MS - 1));
    assert_true(relay_is_down(&relay, 1000 + RELAY_DOWN_MS));
    relay.has_let_us_in = true;
    assert_false(relay_is_down(&relay, 1000 + RELAY_DOWN_MS));
    relay_take_outcome(&relay, &away, relay.breaker.retry_at_ms + RELAY_DOWN_MS);
    assert_true(relay_is_down(&relay, 1000 + 10 * RELAY_DOWN_MS));
    relay_take_outcome(&relay, &sent, 90000);
    assert_false(relay_is_down(&relay, 90001));
}

static void a_mail_that_hangs_from_before_holds_up_no_trial(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20, .sending = 4};
    assert_int_equal(relay_under_way(&relay, 5), 5);
    for (int i = 0; i < 3; i++) {
        relay.sending--;
        relay_take_outcome(&relay, &away, 1000);
    }
    assert_int_equal(relay.sending, 1);
    assert_int_equal(relay_under_way(&relay, 1), 0);
    relay.sending++; /* the trial */
    assert_int_equal(relay_under_way(&relay, 2), 1);
    relay.sending = 0;
    assert_int_equal(relay_under_way(&relay, 3), 3);
}

static void mails_that_failed_with_it_are_not_taken_for_some_that_hang(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20, .sending = 20};
    while (relay.sending > 0) {
        relay.sending--;
        relay_take_outcome(&relay, &away, 1000);
    }
    relay.sending++; /* the trial */
    assert_int_equal(relay_under_way(&relay, 1), 1);
}

static void mails_that_were_given_back_are_not_either(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20, .sending = 20};
    for (int i = 0; i < 3; i++)
        relay_take_outcome(&relay, &away, 1000);
    relay.sending = 0;
    relay_tick(&relay, 0, 1500);
    relay.sending++;
    assert_int_equal(relay_under_way(&relay, 1), 1);
}

static void the_rate_is_that_of_the_last_minute(void **state)
{
    (void)state;
    struct relay relay = {.connections = 20};
    for (int i = 0; i < 30; i++)
        relay_take_outcome(&relay, &sent, 1000);
    for (int i = 0; i < RELAY_MINUTE_TICKS; i++) {
        relay_tick(&relay, 0, 1000);
        assert_int_equal(relay_rate(&relay), 30);
    }
    relay_tick(&relay, 0, 1000);
    assert_int_equal(relay_rate(&relay), 0);
}

static void a_minutes_limit_bounds_what_is_held(void **state)
{
    (void)state;
    struct relay relay = {.connections = 3, .options = {.per_minute = 30}};
    assert_int_equal(relay_hold_limit(&relay, 400), 30);
    relay.options.per_minute = 1;
    assert_int_equal(relay_hold_limit(&relay, 400), RELAY_HOLD_LEAST);
}

/* A port whose connections the kernel takes, and nobody greets. */
static int listen_silently(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void on_time(void *context)
{
    loop_stop(context);
}

static void turn(struct loop *loop)
{
    struct loop_timer *timer = loop_timer_new(loop, on_time, loop);
    loop_timer_start(timer, 100);
    loop_run(loop);
    loop_timer_free(timer);
}

static void on_done(void *context, const struct outcome *outcome)
{
    *(struct outcome *)context = *outcome;
}

static void a_mail_that_waits_for_a_relay_that_says_nothing_is_given_back(void **state)
{
    (void)state;
    unsigned port;
    int fd = listen_silently(&port);
    char url[64];
    struct error error = {0};
    struct loop *loop = loop_new(&error);
    struct smtp_options options;
    const struct relay_options own = {.weight = 1};
    struct outcome outcome = {.kind = OUTCOME_SENT};
    struct smtp_transaction transaction = {.mail_from = "sender@example.org",
                                           .rcpt_to = "reader@example.org",
                                           .bytes = "x\n",
                                           .size = 2,
                                           .on_done = on_done,
                                           .context = &outcome};
    struct relay relay = {.connections = 20};

    (void)snprintf(url, sizeof url, "smtp://127.0.0.1:%u", port);
    smtp_options_init(&options);
    options.url = url;
    struct smtp_client *client = smtp_client_new(loop, &options, &error);
    assert_non_null(client);
    relay_set(&relay, 1, client, 20, &own);
    uint64_t now_ms = clock_monotonic_ms();
    smtp_client_submit(client, &transaction);
    relay.sending = 1; /* of four sessions */
    turn(loop);
    assert_false(relay_tick(&relay, 1, now_ms + RELAY_SILENT_MS - 1000));
    assert_false(relay_is_down(&relay, now_ms + RELAY_SILENT_MS - 1000));
    now_ms = clock_monotonic_ms() + RELAY_SILENT_MS;
    assert_true(relay_tick(&relay, 1, now_ms));
    assert_true(relay_is_down(&relay, now_ms));
    assert_int_equal(outcome.kind, OUTCOME_SENT); /* no callback within the call */
    turn(loop);
    assert_int_equal(outcome.kind, OUTCOME_DEFERRED);
    assert_int_equal(outcome.scope, OUTCOME_SCOPE_NONE);
    /* It stays so, until it lets us in. */
    relay.sending = 0;
    assert_false(relay_tick(&relay, 0, now_ms + 500));
    assert_true(relay_is_down(&relay, now_ms + 500));
    smtp_client_free(client);
    loop_free(loop);
    close(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_a_row_pause_it_and_one_reply_ends_the_pause),
        cmocka_unit_test(a_mail_that_the_relay_never_saw_says_nothing_of_it),
        cmocka_unit_test(as_much_is_held_as_it_takes_in_ten_seconds),
        cmocka_unit_test(sessions_are_cut_by_421_and_not_by_a_connection_that_fails),
        cmocka_unit_test(it_is_down_when_the_pause_lasts_until_it_lets_us_in),
        cmocka_unit_test(a_mail_that_hangs_from_before_holds_up_no_trial),
        cmocka_unit_test(mails_that_failed_with_it_are_not_taken_for_some_that_hang),
        cmocka_unit_test(mails_that_were_given_back_are_not_either),
        cmocka_unit_test(the_rate_is_that_of_the_last_minute),
        cmocka_unit_test(a_minutes_limit_bounds_what_is_held),
        cmocka_unit_test(a_mail_that_waits_for_a_relay_that_says_nothing_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
