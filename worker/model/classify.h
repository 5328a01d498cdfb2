/* What a reply, or its absence, means: which outcome, and whom it concerns. Pure: one table, no
 * input but its arguments. */
#ifndef HANDBELL_MODEL_CLASSIFY_H
#define HANDBELL_MODEL_CLASSIFY_H

#include "worker/model/outcome.h"

#include <stdbool.h>

struct classification {
    enum outcome_kind kind;
    enum outcome_scope scope;
};

/* The meaning of a reply to `verb`: its code (RFC 5321 4.2) and its enhanced code (RFC 3463, ""
 * where the peer gave none). Meant for replies that end an attempt: every 4xx and 5xx, the reply to
 * the end of the data, and replies that make no sense where they stand. */
struct classification classify_reply(enum outcome_verb verb, int code, const char *enhanced);

/* The meaning of a connection that was lost, timed out or talked nonsense: DEFERRED, or UNCERTAIN
 * where `has_data_ended` says that the final dot had been handed over whole (RFC 1047). */
struct classification classify_loss(bool has_data_ended);

#endif
