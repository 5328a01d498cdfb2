/* Proves that mails come back signed from the pool, each once and with its own bytes; that what is
 * under way is bounded; and that keys, messages and the signing itself may go meanwhile. */
#include "tests/unit/mail/dkim_examples.h"
#include "worker/base/clock.h"
#include "worker/flow/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <cmocka.h>

enum { MAILS = 200 };

#define DOMAIN_NAME "football.example.com"

struct desk {
    char folder[64];
    struct loop *loop;
    struct signing signing;
    struct message_lists lists;
    struct batch *batch;
    struct dkim_keys *keys;
    size_t signed_count;
    size_t failed_count;
    size_t next;     /* to be added */
    size_t total;    /* to be added in all */
    uint64_t age_ms; /* of their marks when they are added */
};

static void write_key(const char *folder, const char *name, const char *pem)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, DOMAIN_NAME, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void add_more(struct desk *desk);

static void on_signed(void *context, struct message *message, const struct error *error)
{
    struct desk *desk = context;
    char expected[64];
    assert_int_equal(message->state, MESSAGE_SIGNING);
    (void)snprintf(expected, sizeof expected, "\r\nSubject: %d\r\n\r\nBody %d\r\n",
                   (int)message->message_id, (int)message->message_id);
    assert_non_null(strstr(message->mail.data, expected));
    if (error != NULL) {
        desk->failed_count++;
    } else {
        assert_int_equal(strncmp(message->mail.data, "DKIM-Signature: v=1; ", 21), 0);
        desk->signed_count++;
    }
    message_enter(message, MESSAGE_ENDED);
    message_free(message);
    add_more(desk);
}

static struct message *make_message(struct desk *desk, int64_t id, const char *header)
{
    struct json *data = json_new_object();
    struct message *message = message_new(&desk->lists, desk->batch, LANE_ALERT, id, 1, data);
    json_free(data);
    assert_non_null(message);
    message_enter(message, MESSAGE_MARKED);
    buf_printf(&message->mail, "%s\r\nSubject: %d\r\n\r\nBody %d\r\n", header, (int)id, (int)id);
    return message;
}

static void add_more(struct desk *desk)
{
    while (desk->next < desk->total && signing_has_room(&desk->signing)) {
        struct message *message = make_message(desk, (int64_t)desk->next++, "From: a@b.example");
        message->marked_at_ms = clock_monotonic_ms() - desk->age_ms;
        assert_true(signing_add(&desk->signing, message, 1000000000));
    }
    signing_flush(&desk->signing);
    assert_true(desk->signing.jobs.count <= desk->signing.jobs_most);
}

static int set_up(void **state)
{
    static const char tenant_text[] = "{\"from_address\":\"joe@Football.example.com\"}";
    struct desk *desk = calloc(1, sizeof *desk);
    char path[128];
    assert_non_null(desk);
    (void)snprintf(desk->folder, sizeof desk->folder, "/tmp/handbell-signing-XXXXXX");
    assert_non_null(mkdtemp(desk->folder));
    (void)snprintf(path, sizeof path, "%s/%s", desk->folder, DOMAIN_NAME);
    assert_int_equal(mkdir(path, 0700), 0);
    write_key(desk->folder, "e1.pem", example_ed25519);
    write_key(desk->folder, "s1.pem", example_rsa);
    desk->keys = dkim_keys_read(desk->folder, NULL);
    assert_non_null(desk->keys);
    desk->loop = loop_new(NULL);
    struct json *tenant = json_parse(tenant_text, strlen(tenant_text), NULL);
    desk->batch = batch_new(1, tenant, NULL, 0);
    json_free(tenant);
    assert_non_null(desk->batch);
    batch_hold(desk->batch);
    signing_init(&desk->signing, desk->loop, on_signed, desk);
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    char command[128];
    signing_free(&desk->signing);
    message_lists_free(&desk->lists);
    dkim_keys_let_go(desk->keys);
    desk->keys = NULL;
    loop_free(desk->loop);
    batch_let_go(desk->batch);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", desk->folder);
    free(desk);
    return system(command);
}

static void every_mail_comes_back_signed_once_and_few_are_under_way(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    desk->total = MAILS;
    add_more(desk);
    assert_true(desk->next <= desk->signing.jobs_most * SIGNING_BATCH);
    assert_int_equal(desk->signed_count, 0);
    loop_run(desk->loop);
    assert_int_equal(desk->signed_count, MAILS);
    assert_int_equal(desk->failed_count, 0);
    assert_int_equal(desk->lists.held, 0);
}

static void a_mail_that_cannot_be_signed_comes_back_as_it_was(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    struct message *message = make_message(desk, 7, "no field");
    assert_true(signing_add(&desk->signing, message, 1));
    signing_flush(&desk->signing);
    loop_run(desk->loop);
    assert_int_equal(desk->failed_count, 1);
}

static void without_keys_of_the_domain_nothing_is_due(void **state)
{
    struct desk *desk = *state;
    struct dkim_keys *none = dkim_keys_read("", NULL);
    struct message *message = make_message(desk, 7, "From: a@b.example");
    assert_false(signing_is_due(&desk->signing, message));
    signing_set_keys(&desk->signing, none);
    assert_false(signing_is_due(&desk->signing, message));
    signing_set_keys(&desk->signing, desk->keys);
    assert_true(signing_is_due(&desk->signing, message));
    dkim_keys_let_go(none);
}

static void keys_may_be_exchanged_while_they_sign(void **state)
{
    struct desk *desk = *state;
    struct dkim_keys *none = dkim_keys_read("", NULL);
    signing_set_keys(&desk->signing, desk->keys);
    dkim_keys_let_go(desk->keys);
    desk->keys = NULL;
    desk->total = SIGNING_BATCH;
    add_more(desk);
    signing_set_keys(&desk->signing, none);
    dkim_keys_let_go(none);
    desk->total = 0;
    loop_run(desk->loop);
    assert_int_equal(desk->signed_count, SIGNING_BATCH);
}

static void all_may_end_while_the_pool_is_at_work(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    desk->total = MAILS;
    add_more(desk);
    /* One more, begun and not sent off, where there is room. */
    if (signing_has_room(&desk->signing))
        assert_true(signing_add(&desk->signing, make_message(desk, 9, "From: a@b.example"), 1));
    signing_free(&desk->signing);
    message_lists_free(&desk->lists);
    loop_run(desk->loop);
    assert_int_equal(desk->signed_count + desk->failed_count, 0);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    desk->total = MAILS;
    add_more(desk);
    struct message *message = make_message(desk, 9, "From: a@b.example");
    assert_false(signing_add(&desk->signing, message, 1));
    assert_int_equal(message->state, MESSAGE_MARKED);
    assert_true(message->mail.size > 0);
}

static void sign_more(struct desk *desk, size_t count, uint64_t age_ms)
{
    desk->age_ms = age_ms;
    desk->total += count;
    add_more(desk);
    loop_run(desk->loop);
}

/* What is marked and not signed in time is given back: with too many, all of them were. */
static void fewer_are_marked_ahead_while_signatures_come_late(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    uint32_t first = signing_ahead_limit(&desk->signing);
    assert_int_equal(first, desk->signing.jobs_most * SIGNING_BATCH);
    sign_more(desk, MAILS, 0);
    uint32_t fast = signing_ahead_limit(&desk->signing);
    assert_true(fast > first);
    /* Those of one moment count once: they were late together. */
    desk->signing.slowed_at_ms = 0; /* a slow machine may have been late just now */
    sign_more(desk, SIGNING_BATCH, 10 * SIGNING_SLOW_MS);
    assert_in_range(signing_ahead_limit(&desk->signing), 1, fast / 2);
    for (int i = 0; i < 10; i++) {
        desk->signing.slowed_at_ms = 0;
        sign_more(desk, 1, 10 * SIGNING_SLOW_MS);
    }
    assert_int_equal(signing_ahead_limit(&desk->signing), 1);
    sign_more(desk, MAILS, 0);
    assert_true(signing_ahead_limit(&desk->signing) > 1);
}

static void more_are_marked_ahead_where_the_database_is_what_takes_time(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    uint32_t first = signing_ahead_limit(&desk->signing);
    for (uint32_t i = 0; i < first; i++)
        message_enter(make_message(desk, 1000 + i, "From: a@b.example"), MESSAGE_MARKING);
    sign_more(desk, 1, 0);
    assert_true(signing_ahead_limit(&desk->signing) > first);
}

static void what_is_urgent_waits_for_no_alert_in_its_job(void **state)
{
    struct desk *desk = *state;
    signing_set_keys(&desk->signing, desk->keys);
    struct message *urgent[2];
    for (int i = 0; i < 2; i++) {
        urgent[i] = make_message(desk, i, "From: a@b.example");
        urgent[i]->lane = LANE_URGENT;
        message_enter(urgent[i], MESSAGE_MARKED);
    }
    assert_true(signing_add(&desk->signing, urgent[0], 1));
    assert_int_equal(desk->signing.jobs.count, 0);
    assert_true(signing_add(&desk->signing, urgent[1], 1));
    assert_int_equal(desk->signing.jobs.count, 1);
    assert_null(desk->signing.open);
    assert_true(signing_add(&desk->signing, make_message(desk, 2, "From: a@b.example"), 1));
    assert_int_equal(desk->signing.jobs.count, 1);
    signing_flush(&desk->signing);
    loop_run(desk->loop);
    assert_int_equal(desk->signed_count, 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_mail_comes_back_signed_once_and_few_are_under_way,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_that_cannot_be_signed_comes_back_as_it_was, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_keys_of_the_domain_nothing_is_due, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_may_be_exchanged_while_they_sign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_may_end_while_the_pool_is_at_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_are_marked_ahead_where_the_database_is_what_takes_time,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_urgent_waits_for_no_alert_in_its_job, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(fewer_are_marked_ahead_while_signatures_come_late, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
