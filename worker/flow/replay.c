/* First what the journal knows, entry by entry in the order of tenants; then the rows that the
 * database believes to be on the wire and of which the journal knows nothing. One call is under way
 * at a time, so that what comes back can always be told whose it is. */
#include "worker/flow/replay.h"

#include "worker/base/crypto.h"
#include "worker/base/log.h"
#include "worker/model/backoff.h"

#include <stdlib.h>
#include <string.h>

static void replay_go_on(struct replay *replay);

static void replay_end(struct replay *replay, bool is_whole)
{
    bool was_under_way = replay->is_under_way;
    if (is_whole &&
        replay->settled + replay->resumed + replay->unsent + replay->interrupted + replay->lost > 0)
        LOG(LOG_LEVEL_WARNING, "journal_replayed", log_int("settled", (int64_t)replay->settled),
            log_int("resumed", (int64_t)replay->resumed),
            log_int("unsent", (int64_t)replay->unsent),
            log_int("interrupted", (int64_t)replay->interrupted),
            log_int("lost", (int64_t)replay->lost));
    replay_cancel(replay);
    if (was_under_way)
        replay->on_done(replay->context, is_whole);
}

/* True: the answer counts, and work goes on. */
static bool replay_take(struct replay *replay, const struct pg_result *result, const char *what)
{
    if (!replay->is_under_way)
        return false;
    if (result->kind == PG_RESULT_ROWS)
        return true;
    LOG(LOG_LEVEL_ERROR, "replay_failed", log_text("what", what),
        log_text("kind", pg_result_kind_name(result->kind)), log_text("sqlstate", result->sqlstate),
        log_text("reason", result->text));
    replay_end(replay, false);
    return false;
}

/* ---- 1. What the journal knows. ---- */

static int64_t retry_after_s(void)
{
    uint64_t chance = 0;
    (void)crypto_random(&chance, sizeof chance);
    return backoff_delay_s(OUTCOME_SCOPE_MESSAGE, 0, chance);
}

static struct queue_attempt attempt_of(const struct journal_past_entry *entry)
{
    return (struct queue_attempt){.message_id = entry->message_id,
                                  .created_unix_s = entry->created_unix_s,
                                  .epoch = entry->epoch};
}

static struct queue_settled settled_of(const struct journal_past_entry *entry)
{
    static const enum queue_outcome_kind kinds[] = {
        [JOURNAL_OUTCOME_NONE] = QUEUE_OUTCOME_INTERRUPTED,
        [JOURNAL_OUTCOME_SENT] = QUEUE_OUTCOME_SENT,
        [JOURNAL_OUTCOME_DEFERRED] = QUEUE_OUTCOME_DEFERRED,
        [JOURNAL_OUTCOME_REFUSED] = QUEUE_OUTCOME_REFUSED,
        [JOURNAL_OUTCOME_UNCERTAIN] = QUEUE_OUTCOME_UNCERTAIN,
        [JOURNAL_OUTCOME_UNSENT] = QUEUE_OUTCOME_UNSENT,
    };
    struct queue_settled settled = {.attempt = attempt_of(entry),
                                    .kind = kinds[entry->outcome],
                                    .code = entry->code,
                                    .enhanced = entry->enhanced};
    if (settled.kind == QUEUE_OUTCOME_DEFERRED || settled.kind == QUEUE_OUTCOME_UNCERTAIN)
        settled.retry_after_s = retry_after_s();
    return settled;
}

/* What is live has its outcome recorded by the flow. In a new life the row must be ours for that;
 * but for what has its outcome already, which is told here. */
static bool is_to_resume(const struct journal_past_entry *entry)
{
    return entry->is_live && entry->outcome == JOURNAL_OUTCOME_NONE;
}

/* Nothing else of them is left: who may have read them is for people to find out. */
static void on_lost(void *context, const struct pg_result *result,
                    const struct queue_attempt *attempts, size_t count)
{
    struct replay *replay = context;
    if (!replay_take(replay, result, "doubts_lost"))
        return;
    for (size_t i = 0; i < count; i++)
        LOG(LOG_LEVEL_WARNING, "doubt_lost", log_int("tenant", replay->doubts_tenant_id),
            log_int("message", attempts[i].message_id),
            log_int("created_unix_s", attempts[i].created_unix_s));
    replay->lost += count;
    replay_go_on(replay);
}

static void on_settled(void *context, const struct pg_result *result,
                       const struct queue_recorded *recorded, size_t count)
{
    struct replay *replay = context;
    if (!replay_take(replay, result, "settle"))
        return;
    for (size_t i = 0; i < count; i++)
        replay->settled += recorded[i].state != QUEUE_RECORDED_STALE;
    if (replay->doubt_count == 0)
        replay_go_on(replay);
    else if (!queue_doubts_lost(replay->queue, replay->doubts_tenant_id, replay->doubts,
                                replay->doubt_count, on_lost, replay))
        replay_end(replay, false);
}

static void on_resumed(void *context, const struct pg_result *result, int64_t count)
{
    struct replay *replay = context;
    if (!replay_take(replay, result, "resume"))
        return;
    replay->resumed += (uint64_t)count;
    replay_go_on(replay);
}

/* After a restart what has no outcome is looked at with its row. */
static bool is_to_tell(const struct replay *replay, const struct journal_past_entry *entry)
{
    return entry->outcome != JOURNAL_OUTCOME_NONE || replay->is_reconciling;
}

static bool is_in_doubt(const struct replay *replay, const struct journal_past_entry *entry)
{
    return replay->is_reconciling && !is_to_resume(entry) &&
           (entry->outcome == JOURNAL_OUTCOME_NONE || entry->outcome == JOURNAL_OUTCOME_UNCERTAIN);
}

/* The entries from `told` on that are of one tenant and told by the same call. */
static bool replay_tell(struct replay *replay)
{
    struct queue_settled settled[REPLAY_BATCH];
    struct queue_attempt resumed[REPLAY_BATCH];
    const struct journal_past_entry *first = &replay->past.entries[replay->told];
    bool is_resuming = is_to_resume(first);
    size_t count = 0;

    replay->doubt_count = 0;
    replay->doubts_tenant_id = first->tenant_id;

    for (; replay->told < replay->past.count && count < REPLAY_BATCH; replay->told++) {
        const struct journal_past_entry *entry = &replay->past.entries[replay->told];
        if (entry->tenant_id != first->tenant_id || is_to_resume(entry) != is_resuming ||
            !is_to_tell(replay, entry))
            break;
        if (is_resuming)
            resumed[count++] = attempt_of(entry);
        else
            settled[count++] = settled_of(entry);
        if (is_in_doubt(replay, entry))
            replay->doubts[replay->doubt_count++] = attempt_of(entry);
    }
    if (is_resuming)
        return queue_resume(replay->queue, first->tenant_id, replay->owner, resumed, count,
                            on_resumed, replay);
    return queue_settle(replay->queue, first->tenant_id, replay->owner, settled, count, on_settled,
                        replay);
}

/* ---- 2. What it does not know. ---- */

/* Without an entry nothing of it can have gone, if the journal has all that was written and reaches
 * back so far. */
static enum queue_outcome_kind judge_unknown(const struct replay *replay,
                                             const struct queue_attempt *row)
{
    int64_t reach_unix_s = journal_reach_unix_s(replay->journal);
    bool is_reached = !replay->is_reconciling || reach_unix_s == 0 ||
                      row->claimed_unix_s >= reach_unix_s + REPLAY_CLOCKS_S;
    return is_reached && !journal_is_in_doubt(replay->journal) ? QUEUE_OUTCOME_UNSENT
                                                               : QUEUE_OUTCOME_INTERRUPTED;
}

/* False: it is being sent just now, by this process. */
static bool row_judge(struct replay *replay, int64_t tenant_id, const struct queue_attempt *row,
                      struct queue_outcome *outcome)
{
    const struct journal_past_entry *entry =
        journal_past_find(&replay->past, tenant_id, row->message_id, row->created_unix_s);
    struct queue_settled settled = {.kind = judge_unknown(replay, row), .enhanced = ""};

    if (entry != NULL && entry->epoch == row->epoch) {
        if (entry->is_live)
            return false;
        settled = settled_of(entry);
    }
    *outcome = (struct queue_outcome){
        .message_id = row->message_id,
        .created_unix_s = row->created_unix_s,
        .epoch = row->epoch,
        .kind = settled.kind,
        .code = settled.code,
        .enhanced = settled.enhanced,
        .words = settled.kind == QUEUE_OUTCOME_INTERRUPTED
                     ? "the worker ended while this was on the wire"
                     : "",
        .retry_after_s = settled.retry_after_s,
    };
    replay->unsent += outcome->kind == QUEUE_OUTCOME_UNSENT;
    replay->interrupted += outcome->kind == QUEUE_OUTCOME_INTERRUPTED;
    return true;
}

static void on_recorded(void *context, const struct pg_result *result,
                        const struct queue_recorded *recorded, size_t count)
{
    struct replay *replay = context;
    (void)recorded;
    (void)count;
    if (replay_take(replay, result, "record"))
        replay_go_on(replay);
}

/* What does not fit in one call is there at the next look. */
static void on_rows(void *context, const struct pg_result *result, const struct queue_attempt *rows,
                    size_t count)
{
    struct replay *replay = context;
    struct queue_outcome outcomes[REPLAY_BATCH];
    size_t told = 0, seen = 0;

    if (!replay_take(replay, result, "own_transmitting"))
        return;
    int64_t tenant_id = replay->tenants[replay->tenants_done];
    for (; seen < count && told < REPLAY_BATCH; seen++)
        told += row_judge(replay, tenant_id, &rows[seen], &outcomes[told]);
    replay->tenants_done += seen == count;
    if (told == 0)
        replay_go_on(replay);
    else if (!queue_record(replay->queue, tenant_id, outcomes, told, on_recorded, replay))
        replay_end(replay, false);
}

static void on_tenants(void *context, const struct pg_result *result, const int64_t *tenant_ids,
                       size_t count)
{
    struct replay *replay = context;
    if (!replay_take(replay, result, "in_flight_tenants"))
        return;
    replay->tenants = calloc(count > 0 ? count : 1, sizeof *replay->tenants);
    if (replay->tenants == NULL) {
        replay_end(replay, false);
        return;
    }
    if (count > 0)
        memcpy(replay->tenants, tenant_ids, count * sizeof *tenant_ids);
    replay->tenant_count = count;
    replay_go_on(replay);
}

/* ---- Both. ---- */

/* The next call; false without memory. Not to be asked where nothing is left (is_told). */
static bool replay_ask(struct replay *replay)
{
    if (replay->told < replay->past.count)
        return replay_tell(replay);
    if (replay->tenants == NULL)
        return queue_in_flight_tenants(replay->queue, replay->owner, on_tenants, replay);
    return queue_own_transmitting(replay->queue, replay->tenants[replay->tenants_done],
                                  replay->owner, on_rows, replay);
}

static void replay_skip(struct replay *replay)
{
    while (replay->told < replay->past.count &&
           !is_to_tell(replay, &replay->past.entries[replay->told]))
        replay->told++;
}

static void replay_go_on(struct replay *replay)
{
    replay_skip(replay);
    bool is_told = replay->told == replay->past.count && replay->tenants != NULL &&
                   replay->tenants_done == replay->tenant_count;
    if (is_told || !replay_ask(replay))
        replay_end(replay, is_told);
}

void replay_init(struct replay *replay, struct journal *journal, const char *owner,
                 void (*on_done)(void *context, bool is_whole), void *context)
{
    *replay =
        (struct replay){.journal = journal, .owner = owner, .on_done = on_done, .context = context};
}

bool replay_begin(struct replay *replay, struct queue *queue, bool is_reconciling)
{
    struct error error = {0};
    replay_cancel(replay);
    replay->queue = queue;
    replay->is_reconciling = is_reconciling;
    replay->settled = 0;
    replay->resumed = 0;
    replay->unsent = 0;
    replay->interrupted = 0;
    replay->lost = 0;
    if (!journal_read_past(replay->journal,
                           is_reconciling ? JOURNAL_SPAN_ALL : JOURNAL_SPAN_UNSETTLED,
                           &replay->past, &error)) {
        LOG(LOG_LEVEL_ERROR, "replay_failed", log_text("what", "journal"),
            log_text("reason", error.text));
        return false;
    }
    replay->is_under_way = true;
    replay_skip(replay);
    if (replay_ask(replay))
        return true;
    replay_cancel(replay);
    return false;
}

void replay_cancel(struct replay *replay)
{
    journal_past_free(&replay->past);
    free(replay->tenants);
    replay->tenants = NULL;
    replay->told = 0;
    replay->tenant_count = 0;
    replay->tenants_done = 0;
    replay->is_under_way = false;
}

void replay_free(struct replay *replay)
{
    replay_cancel(replay);
}
