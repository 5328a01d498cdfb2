/* What the flow knows of its relay: the client that sends, whether it may be tried, how much it may
 * be given, and how fast it takes mails. It knows no message. */
#ifndef HANDBELL_FLOW_RELAY_H
#define HANDBELL_FLOW_RELAY_H

#include "worker/flow/relay_limit.h"
#include "worker/flow/relay_options.h"
#include "worker/io/smtp.h"
#include "worker/model/breaker.h"
#include "worker/model/outcome.h"
#include "worker/model/window.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    /* Marked mails that wait for a session, for each connection: enough that no session idles while
     * a mark commits, and no more, because a marked mail is 'transmitting': a kill makes it
     * uncertain. With 20 connections at most 40 wait so. */
    RELAY_AHEAD = 2,
    RELAY_TICK_MS = 500,
    RELAY_HOLD_TICKS = 20,
    RELAY_HOLD_LEAST = 10, /* however low its limits are */
    RELAY_MINUTE_TICKS = 120,
    /* Left alone for so long, others get its mail. */
    RELAY_DOWN_MS = 5000,
    /* With all sessions at work and not one answer for so long, likewise, and with mails that wait
     * for a session while none opens; its time-outs, which are RFC 5321's, are minutes. */
    RELAY_SILENT_MS = 30000,
};

/* `sending` counts the mails that `client` has: those of a client before this one are not among
 * them. `ended_now` and `ended_before` count mails that ended in this tick and in the one before,
 * and `ended` those of the last minute's ticks. `hanging` were being sent when it was last left
 * alone, and have not ended, as far as their number tells. */
struct relay {
    struct smtp_client *client; /* NULL: it is not there */
    int number;
    uint32_t connections;
    struct relay_options options;
    struct relay_limit limit;
    bool has_other_settings; /* with another living worker, whose limits hold as well */
    struct window window;
    struct breaker breaker;
    uint32_t sending;
    uint32_t hanging;
    uint64_t opened_at_ms; /* since when the breaker is open; 0: it is closed */
    uint64_t silent_since_ms;
    bool is_trying;
    bool has_let_us_in; /* since its last failure: it may be given a mail again */
    uint32_t ended_now;
    uint32_t ended_before;
    uint32_t ended[RELAY_MINUTE_TICKS];
    size_t tick;
};

/* Sends through `client` from now on, with these settings. Another client begins without the
 * troubles of the one before. */
void relay_set(struct relay *relay, int number, struct smtp_client *client, uint32_t connections,
               const struct relay_options *options);

/* Counts one mail's end. True when the relay is to be left alone from now on, or for longer:
 * `relay->breaker.retry_at_ms` says until when. Pausing and recovering are logged here. */
bool relay_take_outcome(struct relay *relay, const struct outcome *outcome, uint64_t now_ms);
/* To be called every RELAY_TICK_MS, with the mails that are held for it. A relay that is down and
 * has no mail is tried without one. True as above: no session has opened for long, though mails
 * wait for one; its client gives them back. */
bool relay_tick(struct relay *relay, uint32_t held, uint64_t now_ms);

/* Of the `held` mails of its flow, those that tell how it is now. One that hangs from before it was
 * left alone may do so for ten minutes (RFC 5321 section 4.5.3.2.6), and tells nothing. */
uint32_t relay_under_way(const struct relay *relay, uint32_t held);
/* All its sessions wait for an answer, and have for long. */
bool relay_is_silent(const struct relay *relay, uint64_t now_ms);
/* Its mail should go through another, where there is one. */
bool relay_is_down(const struct relay *relay, uint64_t now_ms);
/* Whether the database has to be asked before a mail begins. */
bool relay_is_limited(const struct relay *relay);
/* Mails that ended in the last minute. */
uint32_t relay_rate(const struct relay *relay);

/* How many mails may be held for it, at least `floor`: as many as it takes in ten seconds. What one
 * worker holds no other can send. */
uint32_t relay_hold_limit(const struct relay *relay, uint32_t floor);
/* How many mails may be marked and without a session: as many as the relay takes in a tick or two,
 * since a mark ages; RELAY_AHEAD for each session that is used at most, and one more for what is
 * urgent, which does not wait for a place among the others. */
uint32_t relay_ahead_limit(const struct relay *relay, bool is_urgent);

#endif
