/* A mail that went out, as a line of the file that outlives the database: what the claim gave of
 * it, when it went, what became of it, and the courses that it told of. */
#ifndef HANDBELL_FLOW_KEEP_MARK_H
#define HANDBELL_FLOW_KEEP_MARK_H

#include "worker/flow/keep.h"
#include "worker/flow/message.h"

#include <stdint.h>

/* Keeps a line of `message`, whose outcome is known, where somebody may have read it: it was sent,
 * or nobody knows and it will not go again (an alert or a bulletin). Returns the line's number; 0
 * where there is nothing to keep. */
uint64_t keep_mark_add(struct keep *keep, const struct message *message, int64_t now_us);

#endif
