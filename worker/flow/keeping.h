/* This worker's part in what outlives the database: the file, its following the database, and its
 * being told to one that was put back, as the step of the registration that it is. */
#ifndef HANDBELL_FLOW_KEEPING_H
#define HANDBELL_FLOW_KEEPING_H

#include "worker/flow/keep.h"
#include "worker/flow/keep_apply.h"
#include "worker/flow/keep_tail.h"
#include "worker/flow/registration.h"
#include "worker/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct keeping {
    struct loop *loop;
    struct keep *keep;
    struct keep_apply apply;
    struct keep_tail tail;
    struct registration *registration;
    struct queue *queue;
    struct loop_defer no_memory; /* for the step */
};

/* Opens the file of `owner` in `state_dir`; see keep_open. False with `error`. */
bool keeping_open(struct keeping *keeping, struct loop *loop, const char *state_dir,
                  const char *owner, uint32_t keep_days, struct error *error);
/* The connections must be gone. */
void keeping_free(struct keeping *keeping);

/* Becomes the step of `registration` (borrowed), and tells it where the database was last. */
void keeping_join(struct keeping *keeping, struct registration *registration);
/* The worker is registered: the file follows the database. */
void keeping_serve(struct keeping *keeping);
/* Somebody has said something. */
void keeping_hear(struct keeping *keeping);
/* The database is away. */
void keeping_pause(struct keeping *keeping);

#endif
