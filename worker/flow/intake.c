/* Polling and claiming. */
#include "worker/flow/intake.h"

#include "worker/base/clock.h"
#include "worker/flow/refusal.h"

#include <stdlib.h>
#include <string.h>

struct intake_claim {
    struct intake *intake;
    int64_t tenant_id;
    enum lane lane;
    int relay;
    uint32_t limit;
};

static void intake_poll(struct intake *intake);

static void on_time(void *context)
{
    intake_poll(context);
}

bool intake_init(struct intake *intake, struct loop *loop, struct relays *relays,
                 void (*on_chore)(void *context, int64_t tenant_id, enum queue_work what),
                 void (*on_claims_lost)(void *context), void *context)
{
    *intake = (struct intake){.loop = loop,
                              .relays = relays,
                              .on_chore = on_chore,
                              .on_claims_lost = on_claims_lost,
                              .context = context};
    intake->timer = loop_timer_new(loop, on_time, intake);
    return intake->timer != NULL;
}

void intake_free(struct intake *intake)
{
    loop_timer_free(intake->timer);
    intake->timer = NULL;
}

void intake_set_options(struct intake *intake, const struct intake_options *options)
{
    intake->options = *options;
}

void intake_open(struct intake *intake, struct queue *queue, struct queue *bulk_queue)
{
    intake->queue = queue;
    intake->bulk_queue = bulk_queue;
    intake->is_open = true;
    intake->is_polling = false;
    intake_poll(intake);
}

void intake_close(struct intake *intake)
{
    intake->is_open = false;
    intake->row_count = 0;
    loop_timer_stop(intake->timer);
}

bool intake_is_moving(const struct intake *intake)
{
    uint64_t still_ms = loop_now_ms(intake->loop) - intake->polled_at_ms;
    return !intake->is_open || still_ms <= intake->options.poll_ms + (uint64_t)INTAKE_STILL_MS;
}

/* Until the next poll that was asked for. */
static uint64_t intake_pause_ms(const struct intake *intake)
{
    uint64_t since_ms = loop_now_ms(intake->loop) - intake->polled_at_ms;
    return since_ms < INTAKE_PAUSE_MS ? INTAKE_PAUSE_MS - since_ms : 0;
}

void intake_wake(struct intake *intake)
{
    if (!intake->is_open || intake->is_poll_wanted)
        return;
    intake->is_poll_wanted = true;
    if (!intake->is_polling)
        loop_timer_start(intake->timer, intake_pause_ms(intake));
}

/* ---- Polling: what is due? ---- */

static void on_seen(void *context, const struct pg_result *result, bool is_true)
{
    struct intake *intake = context;
    if (result->kind != PG_RESULT_ROWS)
        return;
    relays_renew_lease(intake->relays, intake->asked_at_ms);
    if (!is_true && intake->is_open)
        intake->on_claims_lost(intake->context);
}

/* Bulk mail goes on where its last claim ended; every few seconds it is looked for from the
 * beginning, as notices are at every poll, for the sake of what was given back. */
static void intake_go_on(struct intake *intake, struct intake_row *row, size_t count_before)
{
    row->from_start_ms = loop_now_ms(intake->loop);
    for (size_t i = 0; i < count_before && row->lane >= LANE_ALERT; i++) {
        const struct intake_row *before = &intake->rows_before[i];
        if (before->tenant_id != row->tenant_id || before->lane != row->lane ||
            before->relay != row->relay ||
            row->from_start_ms - before->from_start_ms >= INTAKE_FROM_START_MS)
            continue;
        row->from = before->from;
        row->from_start_ms = before->from_start_ms;
        return;
    }
}

static void intake_take_row(struct intake *intake, const struct queue_due *due, size_t count_before)
{
    if (due->what != QUEUE_WORK_MESSAGES) {
        intake->on_chore(intake->context, due->tenant_id, due->what);
        return;
    }
    if (!lane_is_known(due->lane) || relays_flow(intake->relays, due->relay) == NULL ||
        intake->row_count == INTAKE_ROWS)
        return;
    struct intake_row *row = &intake->rows[intake->row_count++];
    *row = (struct intake_row){
        .tenant_id = due->tenant_id, .lane = (enum lane)due->lane, .relay = due->relay};
    intake_go_on(intake, row, count_before);
}

/* Whether some relay's share of the rows was used up. */
static bool intake_is_full(const struct intake *intake)
{
    size_t counts[SMTP_RELAYS] = {0};
    for (size_t i = 0; i < intake->row_count; i++)
        if (++counts[intake->rows[i].relay - 1] * intake->asked >= INTAKE_ROWS)
            return true;
    return false;
}

static void on_due_work(void *context, const struct pg_result *result, const struct queue_due *due,
                        size_t count)
{
    struct intake *intake = context;

    intake->is_polling = false;
    if (!intake->is_open)
        return;
    if (result->kind == PG_RESULT_ROWS) {
        size_t count_before = intake->row_count;
        memcpy(intake->rows_before, intake->rows, count_before * sizeof intake->rows[0]);
        intake->row_count = 0;
        for (size_t i = 0; i < count; i++)
            intake_take_row(intake, &due[i], count_before);
        intake->is_full = intake_is_full(intake);
        intake_claim(intake);
    } else {
        refusal_log(&intake->poll_trouble, "poll_failed", result, 0, 0);
    }
    loop_timer_start(intake->timer,
                     intake->is_poll_wanted ? intake_pause_ms(intake) : intake->options.poll_ms);
}

static void intake_poll(struct intake *intake)
{
    if (!intake->is_open || intake->is_polling)
        return;
    intake->is_poll_wanted = false;
    intake->polled_at_ms = loop_now_ms(intake->loop);
    intake->asked_at_ms = clock_monotonic_ms();
    int relays[SMTP_RELAYS];
    size_t count = relays_numbers(intake->relays, relays);
    intake->asked = count;
    intake->is_polling = queue_worker_seen(intake->queue, on_seen, intake) &&
                         queue_due_work(intake->queue, intake->cursor, INTAKE_ROWS, relays, count,
                                        on_due_work, intake);
    if (!intake->is_polling)
        loop_timer_start(intake->timer, intake->options.poll_ms);
}

/* ---- Claiming: urgent first, tenants in turn. ---- */

/* The row to be served next: of the first lane that has work, the one that has waited longest. */
static struct intake_row *intake_choose(struct intake *intake)
{
    struct intake_row *best = NULL;
    for (size_t i = 0; i < intake->row_count; i++) {
        struct intake_row *row = &intake->rows[i];
        if (row->is_exhausted || row->is_waiting)
            continue;
        if (best == NULL || row->lane < best->lane ||
            (row->lane == best->lane && row->turn < best->turn))
            best = row;
    }
    return best;
}

static void on_claimed(void *context, const struct pg_result *result,
                       const struct queue_claimed *claimed)
{
    struct intake_claim *claim = context;
    struct intake *intake = claim->intake;
    bool is_lost = result->kind == PG_RESULT_LOST;

    intake->claims--;
    intake->coming[claim->relay - 1] -= claim->limit;
    if (result->kind == PG_RESULT_ROWS) {
        is_lost = !message_flow_take(&intake->relays->flows[claim->relay - 1], claim->tenant_id,
                                     claim->lane, claimed);
    } else {
        refusal_log(&intake->claim_trouble, "claim_failed", result, claim->tenant_id, 0);
    }
    /* What a claim did not fill has no more for now; the next poll knows. */
    for (size_t i = 0; i < intake->row_count; i++) {
        struct intake_row *row = &intake->rows[i];
        if (row->tenant_id == claim->tenant_id && row->lane == claim->lane &&
            row->relay == claim->relay) {
            row->is_exhausted = claimed->message_count < claim->limit;
            row->from = claimed->last;
            if (row->is_exhausted)
                row->from = (struct queue_place){0};
        }
    }
    free(claim);
    if (is_lost)
        intake->on_claims_lost(intake->context);
    intake_claim(intake);
    /* There were more tenants than one poll tells of. */
    if (intake->is_full && intake_choose(intake) == NULL)
        intake_wake(intake);
}

static uint32_t count_tenants(const struct intake *intake, const struct intake_row *row)
{
    uint32_t count = 0;
    for (size_t i = 0; i < intake->row_count; i++)
        count += intake->rows[i].lane == row->lane && intake->rows[i].relay == row->relay &&
                 !intake->rows[i].is_exhausted;
    return count;
}

/* How many to claim for `row` of the `room` that its lane has. */
static uint32_t intake_limit(const struct intake *intake, const struct intake_row *row,
                             uint32_t room)
{
    const struct intake_options *options = &intake->options;
    uint32_t quota = lane_tenant_quota(relays_capacity(intake->relays), options->batch,
                                       count_tenants(intake, row));
    uint32_t held =
        message_flow_count_tenant(&intake->relays->flows[row->relay - 1], row->tenant_id);
    uint32_t limit = room < options->batch ? room : options->batch;

    if (row->lane == LANE_URGENT)
        return limit;
    uint32_t share = quota > held ? quota - held : 0;
    return limit < share ? limit : share;
}

static bool intake_claim_row(struct intake *intake, const struct intake_row *row, uint32_t limit)
{
    struct intake_claim *claim = malloc(sizeof *claim);
    if (claim == NULL)
        return false;
    *claim = (struct intake_claim){.intake = intake,
                                   .tenant_id = row->tenant_id,
                                   .lane = row->lane,
                                   .relay = row->relay,
                                   .limit = limit};
    struct queue *queue = row->lane == LANE_URGENT ? intake->queue : intake->bulk_queue;
    if (!queue_claim(queue, row->tenant_id, row->lane, row->relay, (int)limit, row->from,
                     on_claimed, claim)) {
        free(claim);
        return false;
    }
    intake->claims++;
    intake->coming[row->relay - 1] += limit;
    return true;
}

/* What one relay has no room for now: nothing of it is chosen until there is, and nothing else
 * waits for it. */
static void intake_leave_out(struct intake *intake, const struct intake_row *full)
{
    for (size_t i = 0; i < intake->row_count; i++) {
        struct intake_row *row = &intake->rows[i];
        row->is_waiting |= row->relay == full->relay && row->lane >= full->lane;
    }
}

/* Claims for `row`, or says in it that it has to wait. False when all have to. */
static bool intake_serve(struct intake *intake, struct intake_row *row)
{
    struct message_flow *flow = relays_flow(intake->relays, row->relay);
    bool is_urgent = row->lane == LANE_URGENT;
    uint32_t room = 0;

    /* While a poll is under way, what it may find to be urgent is not put behind a claim of alerts.
     */
    if (!is_urgent && (intake->is_polling || intake->claims >= INTAKE_CLAIMS))
        return false;
    if (flow != NULL)
        room = message_flow_room(flow, row->lane, relays_capacity(intake->relays),
                                 intake->coming[row->relay - 1]);
    if (room == 0) {
        intake_leave_out(intake, row);
        return true;
    }
    uint32_t limit = intake_limit(intake, row, room);
    /* Claims of a few are not worth their round trip, while there is work enough here. */
    row->is_waiting = limit == 0 || (!is_urgent && limit < intake->options.batch / 2 &&
                                     message_flow_held(flow) > limit);
    if (row->is_waiting)
        return true;
    row->turn = ++intake->turn;
    row->is_exhausted = true; /* until the answer says that there is more */
    intake->cursor = is_urgent ? intake->cursor : row->tenant_id;
    return intake_claim_row(intake, row, limit);
}

void intake_claim(struct intake *intake)
{
    struct intake_row *row;
    for (size_t i = 0; i < intake->row_count; i++)
        intake->rows[i].is_waiting = false;
    while (intake->is_open && (row = intake_choose(intake)) != NULL)
        if (!intake_serve(intake, row))
            return;
}
