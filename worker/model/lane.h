/* The lanes, first to last, and how much of a worker's memory each may fill: a backlog of alerts
 * never takes the room that a cancellation will need. Knows no message. */
#ifndef HANDBELL_MODEL_LANE_H
#define HANDBELL_MODEL_LANE_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers are those of the database (table kind). */
enum lane {
    LANE_URGENT = 1,
    LANE_ACCOUNT = 2,
    LANE_SERVICE = 3,
    LANE_TUTOR = 4,
    LANE_ALERT = 5,
    LANE_BULLETIN = 6,
};

enum { LANE_COUNT = 6 };

bool lane_is_known(int64_t number);
/* "urgent", "account", ...; "" for any other number. Static. */
const char *lane_name(enum lane lane);

/* How many more messages of `lane` may be held, of `capacity` in all, when `held` are held already:
 * urgent may fill everything, account all but a twentieth, the others four fifths. 0 when none. */
uint32_t lane_room(enum lane lane, uint32_t capacity, uint32_t held);

/* How many messages one tenant may have in memory while `tenants` have work due: an even share of
 * `capacity`, yet always a whole batch, so that many small tenants do not claim one by one. */
uint32_t lane_tenant_quota(uint32_t capacity, uint32_t batch, uint32_t tenants);

#endif
