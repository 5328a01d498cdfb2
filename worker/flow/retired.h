/* What reloads have replaced, while its relays finish what they have on the wire. */
#ifndef HANDBELL_FLOW_RETIRED_H
#define HANDBELL_FLOW_RETIRED_H

#include "worker/flow/equipment.h"
#include "worker/io/loop.h"

enum {
    /* A relay may finish what it has: RFC 5321 section 4.5.3.2.6 lets it take ten minutes over the
       end of a mail. */
    RETIRED_DRAIN_MS = 600000,
    /* So many reloads may have left something that is not finished. */
    RETIRED_MOST = 8,
};

struct retired {
    struct loop *loop;
    struct loop_defer bury;
    struct equipment *equipment[RETIRED_MOST]; /* owned; NULL: free */
};

void retired_init(struct retired *retired, struct loop *loop);
/* Whether there is a place for one more. */
bool retired_has_room(const struct retired *retired);
/* Takes over equipment, drains it and frees it when it is done. There must be room. */
void retired_take(struct retired *retired, struct equipment *equipment);
/* The worker stops: what is left has `limit_ms`. */
void retired_hurry(struct retired *retired, uint64_t limit_ms);
/* Frees all, as equipment_free does. */
void retired_free(struct retired *retired);

#endif
