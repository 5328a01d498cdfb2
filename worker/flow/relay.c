/* The relay's pace and its troubles. */
#include "worker/flow/relay.h"

#include "worker/base/crypto.h"
#include "worker/base/log.h"

void relay_set(struct relay *relay, struct smtp_client *client, uint32_t connections,
               const struct relay_options *options)
{
    if (relay->client != client)
        relay->breaker = (struct breaker){0};
    relay->client = client;
    relay->connections = connections;
    relay->options = *options;
}

bool relay_take_outcome(struct relay *relay, const struct outcome *outcome, uint64_t now_ms)
{
    uint64_t chance = 0;
    uint64_t retry_at_ms = relay->breaker.retry_at_ms;

    relay->ended_now++;
    if (outcome->scope != OUTCOME_SCOPE_RELAY) {
        /* Without a verb the relay was not asked: it says nothing of it. */
        if (outcome->verb != OUTCOME_VERB_NONE && breaker_count_success(&relay->breaker))
            LOG(LOG_LEVEL_INFO, "relay_recovered", log_text("relay", relay->options.name),
                log_int("code", outcome->code));
        return false;
    }
    (void)crypto_random(&chance, sizeof chance);
    bool has_opened = breaker_count_failure(&relay->breaker, now_ms, chance);
    if (!breaker_is_open(&relay->breaker) || relay->breaker.retry_at_ms == retry_at_ms)
        return false;
    LOG(LOG_LEVEL_WARNING, has_opened ? "relay_paused" : "relay_still_paused",
        log_text("relay", relay->options.name), log_text("verb", outcome_verb_name(outcome->verb)),
        log_int("code", outcome->code), log_text("reason", outcome->text),
        log_int("pause_ms", (int64_t)(relay->breaker.retry_at_ms - now_ms)));
    return true;
}

void relay_tick(struct relay *relay)
{
    relay->ended_before = relay->ended_now;
    relay->ended_now = 0;
}

/* Mails a tick: the better of this one so far and the one before. */
static uint32_t relay_pace(const struct relay *relay)
{
    return relay->ended_now > relay->ended_before ? relay->ended_now : relay->ended_before;
}

uint32_t relay_hold_limit(const struct relay *relay, uint32_t floor)
{
    uint64_t limit = (uint64_t)relay_pace(relay) * RELAY_HOLD_TICKS;
    if (limit < floor)
        return floor;
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

uint32_t relay_ahead_limit(const struct relay *relay, bool is_urgent)
{
    uint64_t limit = (uint64_t)smtp_client_room(relay->client) + relay_pace(relay);
    uint64_t most = (uint64_t)relay->connections * RELAY_AHEAD;

    limit = limit < most ? limit : most;
    if (is_urgent)
        limit += relay_pace(relay) < relay->connections ? relay_pace(relay) : relay->connections;
    return (uint32_t)limit;
}
