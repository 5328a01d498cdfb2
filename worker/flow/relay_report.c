/* What this worker says of its relays. */
#include "worker/flow/relay_report.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"
#include "worker/flow/refusal.h"

#include <stdio.h>

void relay_report_open(struct relay_report *report, struct queue *queue, const char *owner)
{
    report->queue = queue;
    report->told_at_ms = 0;
    (void)snprintf(report->owner, sizeof report->owner, "%s", owner);
}

void relay_report_close(struct relay_report *report)
{
    report->queue = NULL;
}

/* Once for each time that it comes to differ. */
static void on_told(void *context, const struct pg_result *result, const int *relays, size_t count)
{
    struct relay_report *report = context;
    unsigned differing = 0;

    report->is_under_way = false;
    if (result->kind == PG_RESULT_REFUSED)
        refusal_log(&report->trouble, "relays_not_told", result, 0, 0);
    if (result->kind != PG_RESULT_ROWS)
        return;
    for (size_t i = 0; i < count; i++) {
        unsigned bit = 1u << (relays[i] - 1);
        differing |= bit;
        if ((report->differing & bit) == 0)
            LOG(LOG_LEVEL_WARNING, "relay_settings_differ",
                log_text("section", smtp_section((unsigned)relays[i])),
                log_text("reason", "another worker has other settings for this relay"));
    }
    report->differing = differing;
}

void relay_report_tell(struct relay_report *report, const struct relay *const relays[SMTP_RELAYS])
{
    struct queue_relay told[SMTP_RELAYS];
    uint64_t now_ms = clock_monotonic_ms();
    size_t count = 0;
    unsigned down = 0;

    if (report->queue == NULL || report->is_under_way)
        return;
    for (size_t i = 0; i < SMTP_RELAYS; i++) {
        const struct relay *relay = relays[i];
        if (relay->client == NULL)
            continue;
        told[count++] = (struct queue_relay){
            .number = relay->number,
            .name = relay->options.name,
            .weight = relay->options.weight,
            .per_minute = relay->options.per_minute,
            .per_day = relay->options.per_day,
            .urgent_share = relay->options.urgent_share,
            .digest = relay->options.digest,
            .is_down = relay_is_down(relay, now_ms),
            .rate = relay_rate(relay),
            .sessions = relay->window.size,
        };
        down |= (unsigned)told[count - 1].is_down << i;
    }
    if (down == report->down && now_ms - report->told_at_ms < RELAY_REPORT_MS)
        return;
    report->down = down;
    report->told_at_ms = now_ms;
    report->is_under_way =
        queue_relays_say(report->queue, report->owner, told, count, on_told, report);
}
