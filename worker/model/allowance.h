/* What a worker may still begin to send under a relay's limits: a few mails at a time, granted by
 * the database for all workers together, each good for a moment only, so that a grant that was kept
 * too long never adds to later ones. Pure: time comes in as an argument. */
#ifndef HANDBELL_MODEL_ALLOWANCE_H
#define HANDBELL_MODEL_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ALLOWANCE_GRANTS = 8,
    /* From the question to the mail's first command. A mark may age a second, and the answer takes
       its time. */
    ALLOWANCE_VALID_MS = 3000,
};

struct allowance_grant {
    uint32_t count;
    uint64_t until_ms;
};

/* Zeroed: nothing is allowed. */
struct allowance {
    struct allowance_grant grants[ALLOWANCE_GRANTS];
};

/* `count` mails more, until `until_ms`. Past ALLOWANCE_GRANTS at once the one that ends first is
 * forgotten. */
void allowance_add(struct allowance *allowance, uint32_t count, uint64_t until_ms);
/* How many may begin now. */
uint32_t allowance_left(const struct allowance *allowance, uint64_t now_ms);
/* Takes one, of those that end first: until when it is good. 0: there is none. */
uint64_t allowance_take(struct allowance *allowance, uint64_t now_ms);

#endif
