/* The relay's pace and its troubles. */
#include "worker/flow/relay.h"

#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/base/log.h"

#include <string.h>

void relay_set(struct relay *relay, int number, struct smtp_client *client, uint32_t connections,
               const struct relay_options *options)
{
    bool is_other = relay->client != client;

    if (is_other) {
        *relay = (struct relay){.limit = relay->limit};
        relay->silent_since_ms = clock_monotonic_ms();
        window_init(&relay->window, connections > 0 ? connections : 1, relay->silent_since_ms);
    } else if (connections > 0) {
        window_set_most(&relay->window, connections);
    }
    relay->client = client;
    relay->number = number;
    relay->connections = connections;
    relay->options = *options;
    if (client != NULL)
        smtp_client_set_sessions(client, relay->window.size);
}

/* ---- Troubles. ---- */

static void relay_set_window(struct relay *relay, uint32_t before)
{
    if (relay->window.size == before)
        return;
    if (relay->window.size < before)
        LOG(LOG_LEVEL_INFO, "relay_sessions_cut", log_text("relay", relay->options.name),
            log_int("sessions", relay->window.size));
    if (relay->client != NULL)
        smtp_client_set_sessions(relay->client, relay->window.size);
}

/* 421, or another 4xx that is about the relay: it is there, and has too much to do. */
static void relay_learn(struct relay *relay, const struct outcome *outcome, uint64_t now_ms)
{
    uint32_t before = relay->window.size;
    if (outcome->scope != OUTCOME_SCOPE_RELAY)
        window_count_success(&relay->window);
    else if (outcome->code >= 400 && outcome->code <= 499)
        window_count_failure(&relay->window, now_ms);
    relay_set_window(relay, before);
}

static bool relay_count_failure(struct relay *relay, const struct outcome *outcome, uint64_t now_ms)
{
    uint64_t chance = 0;
    uint64_t retry_at_ms = relay->breaker.retry_at_ms;

    (void)crypto_random(&chance, sizeof chance);
    bool has_opened = breaker_count_failure(&relay->breaker, now_ms, chance);
    if (!breaker_is_open(&relay->breaker) || relay->breaker.retry_at_ms == retry_at_ms)
        return false;
    relay->opened_at_ms = has_opened ? now_ms : relay->opened_at_ms;
    relay->has_let_us_in = false;
    relay->hanging = relay->sending;
    LOG(LOG_LEVEL_WARNING, has_opened ? "relay_paused" : "relay_still_paused",
        log_text("relay", relay->options.name), log_text("verb", outcome_verb_name(outcome->verb)),
        log_int("code", outcome->code), log_text("reason", outcome->text),
        log_int("pause_ms", (int64_t)(relay->breaker.retry_at_ms - now_ms)));
    return true;
}

/* What has ended hangs no more: the next one to be sent would pass for it, and a trial be many. */
static void relay_forget_ended(struct relay *relay)
{
    if (relay->hanging > relay->sending)
        relay->hanging = relay->sending;
}

bool relay_take_outcome(struct relay *relay, const struct outcome *outcome, uint64_t now_ms)
{
    relay_forget_ended(relay);
    relay->ended_now++;
    relay->silent_since_ms = now_ms;
    if (outcome->scope == OUTCOME_SCOPE_RELAY) {
        relay_learn(relay, outcome, now_ms);
        return relay_count_failure(relay, outcome, now_ms);
    }
    /* Without a verb the relay was not asked: it says nothing of it. */
    if (outcome->verb == OUTCOME_VERB_NONE)
        return false;
    relay_learn(relay, outcome, now_ms);
    if (breaker_count_success(&relay->breaker)) {
        relay->opened_at_ms = 0;
        LOG(LOG_LEVEL_INFO, "relay_recovered", log_text("relay", relay->options.name),
            log_int("code", outcome->code));
    }
    return false;
}

uint32_t relay_under_way(const struct relay *relay, uint32_t held)
{
    uint32_t hanging = relay->hanging < relay->sending ? relay->hanging : relay->sending;
    return held > hanging ? held - hanging : 0;
}

bool relay_is_silent(const struct relay *relay, uint64_t now_ms)
{
    return relay->client != NULL && now_ms - relay->silent_since_ms >= RELAY_SILENT_MS;
}

/* Once it has let us in it is no longer left out: one mail then tells whether it is well. */
bool relay_is_down(const struct relay *relay, uint64_t now_ms)
{
    if (relay_is_silent(relay, now_ms))
        return true;
    return breaker_is_open(&relay->breaker) && !relay->has_let_us_in &&
           now_ms - relay->opened_at_ms >= RELAY_DOWN_MS;
}

static void on_tried(void *context, const struct outcome *failure)
{
    struct relay *relay = context;
    relay->is_trying = false;
    if (failure != NULL)
        (void)relay_count_failure(relay, failure, clock_monotonic_ms());
    else
        relay->has_let_us_in = true;
}

/* While others get its mail it has none to be tried with. */
static void relay_try(struct relay *relay, uint32_t held, uint64_t now_ms)
{
    if (relay->is_trying || relay_under_way(relay, held) > 0 || relay_is_silent(relay, now_ms) ||
        !relay_is_down(relay, now_ms) || now_ms < relay->breaker.retry_at_ms)
        return;
    relay->is_trying = true;
    smtp_client_try(relay->client, on_tried, relay);
}

/* ---- Pace. ---- */

bool relay_is_limited(const struct relay *relay)
{
    return relay->options.per_minute > 0 || relay->options.per_day > 0 || relay->has_other_settings;
}

/* It takes connections and says nothing, or no packet comes back: a mail or two do not fill all its
 * sessions, and would wait here for the minutes of its time-outs. */
static bool relay_leave_unheard(struct relay *relay, uint64_t now_ms)
{
    static const struct outcome unheard = {.kind = OUTCOME_DEFERRED,
                                           .scope = OUTCOME_SCOPE_RELAY,
                                           .verb = OUTCOME_VERB_CONNECT,
                                           .text = "no session opens"};
    bool is_left = false;
    for (unsigned i = 0; i < BREAKER_FAILURES; i++)
        is_left |= relay_count_failure(relay, &unheard, now_ms);
    if (relay->opened_at_ms > relay->silent_since_ms)
        relay->opened_at_ms = relay->silent_since_ms;
    relay->silent_since_ms = now_ms;
    smtp_client_give_back(relay->client);
    return is_left;
}

bool relay_tick(struct relay *relay, uint32_t held, uint64_t now_ms)
{
    bool is_left = false;
    uint32_t before = relay->window.size;

    relay_forget_ended(relay);
    relay->ended[relay->tick] = relay->ended_now;
    relay->tick = (relay->tick + 1) % RELAY_MINUTE_TICKS;
    relay->ended_before = relay->ended_now;
    relay->ended_now = 0;
    if (relay->client == NULL)
        return false;
    bool is_unheard = relay->sending > 0 && !smtp_client_is_connected(relay->client);
    if (relay->sending >= relay->window.size)
        window_pass_time(&relay->window, now_ms);
    else if (!is_unheard)
        relay->silent_since_ms = now_ms;
    relay_set_window(relay, before);
    if (is_unheard && relay_is_silent(relay, now_ms))
        is_left = relay_leave_unheard(relay, now_ms);
    relay_try(relay, held, now_ms);
    return is_left;
}

uint32_t relay_rate(const struct relay *relay)
{
    uint32_t rate = 0;
    for (size_t i = 0; i < RELAY_MINUTE_TICKS; i++)
        rate += relay->ended[i];
    return rate;
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
        limit = floor;
    /* What a minute's limit lets through is worth holding, and little more: lanes have shares of
     * this, and a share of one would be none. */
    if (relay->options.per_minute > 0 && limit > relay->options.per_minute)
        limit = relay->options.per_minute > RELAY_HOLD_LEAST ? relay->options.per_minute
                                                             : RELAY_HOLD_LEAST;
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

uint32_t relay_ahead_limit(const struct relay *relay, bool is_urgent)
{
    uint64_t limit = (uint64_t)smtp_client_room(relay->client) + relay_pace(relay);
    uint64_t most = (uint64_t)relay->window.size * RELAY_AHEAD;

    limit = limit < most ? limit : most;
    if (is_urgent)
        limit += relay_pace(relay) < relay->window.size ? relay_pace(relay) : relay->window.size;
    return (uint32_t)limit;
}
