/* Proves that a message is where its state says, that urgent lanes come first, and that nothing is
 * left when it has ended. */
#include "worker/flow/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static struct batch *make_batch(void)
{
    struct json *tenant = json_parse("{}", 2, NULL);
    struct batch *batch = batch_new(7, tenant, NULL, 0);
    json_free(tenant);
    assert_non_null(batch);
    return batch;
}

static struct message *make_message(struct message_lists *lists, struct batch *batch,
                                    enum lane lane, int64_t id, const char *data)
{
    struct json *json = json_parse(data, strlen(data), NULL);
    struct message *message = message_new(lists, batch, lane, id, 3, json);
    json_free(json);
    assert_non_null(message);
    return message;
}

static void the_list_that_holds_a_message_is_its_state(void **state)
{
    (void)state;
    struct message_lists lists = {0};
    struct message *message = make_message(&lists, make_batch(), LANE_ALERT, 1, "{}");
    const struct list *expected[] = {&lists.claimed[LANE_ALERT],
                                     &lists.marking,
                                     &lists.marked[LANE_ALERT],
                                     &lists.signing,
                                     &lists.outgoing[LANE_ALERT],
                                     &lists.sending,
                                     &lists.done,
                                     &lists.recording};
    for (int i = 0; i < 8; i++) {
        message_enter(message, (enum message_state)(MESSAGE_CLAIMED + i));
        assert_ptr_equal(message->link.list, expected[i]);
        assert_int_equal(lists.held, 1);
    }
    message_enter(message, MESSAGE_ENDED);
    assert_null(message->link.list);
    assert_int_equal(lists.held, 0);
    message_free(message);
}

static void the_first_of_the_first_lane_is_next(void **state)
{
    (void)state;
    struct message_lists lists = {0};
    struct batch *batch = make_batch();
    static const enum lane lanes[] = {LANE_ALERT, LANE_SERVICE, LANE_URGENT, LANE_URGENT};
    struct message *messages[4];
    for (int i = 0; i < 4; i++) {
        messages[i] = make_message(&lists, batch, lanes[i], i, "{}");
        message_enter(messages[i], MESSAGE_CLAIMED);
    }
    assert_int_equal(message_lists_count(lists.claimed), 4);
    static const int64_t order[] = {2, 3, 1, 0};
    for (int i = 0; i < 4; i++) {
        struct message *first = message_lists_first(lists.claimed);
        assert_int_equal(first->message_id, order[i]);
        message_enter(first, MESSAGE_ENDED);
        message_free(first);
    }
    assert_null(message_lists_first(lists.claimed));
}

static void an_attempt_is_read_from_the_claim_and_kept_in_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        uint32_t attempt;
    } rows[] = {{"{}", 0},
                {"{\"attempt\":4}", 4},
                {"{\"attempt\":-1}", 0},
                {"{\"attempt\":99999999999}", UINT16_MAX},
                {"{\"attempt\":\"x\"}", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_lists lists = {0};
        struct message *message = make_message(&lists, make_batch(), LANE_ALERT, 1, rows[i].data);
        assert_int_equal(message->attempt, rows[i].attempt);
        assert_int_equal(message->tenant_id, 7);
        assert_int_equal(message->epoch, 3);
        message_free(message);
    }
}

static void only_what_lies_in_the_mail_ends_it_for_good(void **state)
{
    (void)state;
    static const struct {
        int exit_status;
        enum outcome_kind kind;
    } rows[] = {{EX_DATAERR, OUTCOME_REFUSED},
                {EX_OSERR, OUTCOME_DEFERRED},
                {EX_SOFTWARE, OUTCOME_DEFERRED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_lists lists = {0};
        struct message *message = make_message(&lists, make_batch(), LANE_ALERT, 1, "{}");
        struct error error;
        error_set(&error, rows[i].exit_status, "key s1 of %s does not sign", "portal.example.org");
        message_fail(message, &error);
        assert_int_equal(message->outcome.kind, rows[i].kind);
        assert_int_equal(message->outcome.scope, OUTCOME_SCOPE_MESSAGE);
        assert_string_equal(message->outcome.text, "key s1 of portal.example.org does not sign");
        message_free(message);
    }
}

static void all_that_is_marked_and_not_sent_is_counted_ahead(void **state)
{
    (void)state;
    static const enum message_state ahead[] = {MESSAGE_MARKING, MESSAGE_MARKED, MESSAGE_SIGNING,
                                               MESSAGE_OUTGOING};
    static const enum message_state others[] = {MESSAGE_CLAIMED, MESSAGE_SENDING, MESSAGE_DONE,
                                                MESSAGE_RECORDING};
    struct message_lists lists = {0};
    struct batch *batch = make_batch();
    for (size_t i = 0; i < 4; i++) {
        message_enter(make_message(&lists, batch, LANE_ALERT, 1, "{}"), ahead[i]);
        message_enter(make_message(&lists, batch, LANE_URGENT, 2, "{}"), others[i]);
        assert_int_equal(message_lists_ahead(&lists), i + 1);
    }
    assert_int_equal(lists.held, 8);
    message_lists_free(&lists);
    assert_int_equal(message_lists_ahead(&lists), 0);
    assert_true(list_is_empty(&lists.sending) && list_is_empty(&lists.recording));
}

/* Whom it is the turn of, and then the turn after that. */
static int64_t take_turn(struct message_lists *lists, int64_t turns[LANE_COUNT + 1])
{
    struct message *message = message_lists_turn(lists->claimed, turns);
    int64_t tenant_id = message->tenant_id;
    turns[message->lane] = tenant_id;
    message_enter(message, MESSAGE_ENDED);
    message_free(message);
    return tenant_id;
}

static void tenants_take_turns_in_a_lane_and_an_urgent_lane_comes_first(void **state)
{
    (void)state;
    static const int64_t claimed[] = {7, 7, 7, 9, 9, 3};
    static const int64_t expected[] = {3, 7, 9, 7, 9, 7, 3};
    struct message_lists lists = {0};
    int64_t turns[LANE_COUNT + 1] = {0};
    struct batch *batches[6];
    assert_null(message_lists_turn(lists.claimed, turns));
    for (int i = 0; i < 6; i++) {
        batches[i] = make_batch();
        batches[i]->tenant_id = claimed[i];
        message_enter(make_message(&lists, batches[i], LANE_URGENT, i + 1, "{}"), MESSAGE_CLAIMED);
    }
    struct batch *alerts = make_batch();
    alerts->tenant_id = 3;
    message_enter(make_message(&lists, alerts, LANE_ALERT, 99, "{}"), MESSAGE_CLAIMED);
    for (int i = 0; i < 7; i++)
        assert_int_equal(take_turn(&lists, turns), expected[i]);
    assert_int_equal(lists.held, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_that_holds_a_message_is_its_state),
        cmocka_unit_test(the_first_of_the_first_lane_is_next),
        cmocka_unit_test(only_what_lies_in_the_mail_ends_it_for_good),
        cmocka_unit_test(all_that_is_marked_and_not_sent_is_counted_ahead),
        cmocka_unit_test(an_attempt_is_read_from_the_claim_and_kept_in_bounds),
        cmocka_unit_test(tenants_take_turns_in_a_lane_and_an_urgent_lane_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
