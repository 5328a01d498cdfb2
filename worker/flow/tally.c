/* The summary line. */
#include "worker/flow/tally.h"

#include "worker/base/log.h"

void tally_count(struct tally *tally, enum queue_recorded_state state, bool is_unsent)
{
    switch (state) {
    case QUEUE_RECORDED_SENT:
        tally->sent++;
        break;
    case QUEUE_RECORDED_FAILED:
        tally->failed++;
        break;
    case QUEUE_RECORDED_READY:
        tally->unsent += is_unsent;
        tally->deferred += !is_unsent;
        break;
    case QUEUE_RECORDED_UNCERTAIN:
        tally->uncertain++;
        break;
    case QUEUE_RECORDED_SKIPPED:
        tally->skipped++;
        break;
    case QUEUE_RECORDED_STALE:
        tally->stale++;
        break;
    }
}

void tally_log(struct tally *tally, uint32_t in_memory)
{
    if (tally->claimed + tally->sent + tally->deferred + tally->failed + tally->uncertain +
            tally->skipped + tally->unsent + tally->stale ==
        0)
        return;
    LOG(LOG_LEVEL_INFO, "messages_handled", log_int("claimed", (int64_t)tally->claimed),
        log_int("sent", (int64_t)tally->sent), log_int("deferred", (int64_t)tally->deferred),
        log_int("refused", (int64_t)tally->failed), log_int("uncertain", (int64_t)tally->uncertain),
        log_int("skipped", (int64_t)tally->skipped), log_int("unsent", (int64_t)tally->unsent),
        log_int("stale", (int64_t)tally->stale), log_int("in_memory", in_memory));
    *tally = (struct tally){0};
}
