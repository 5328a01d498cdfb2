/* Telling a database that was put back what this worker's file holds beyond it: batch by batch,
 * tenant by tenant, before anything is sent. All of it may be told twice. */
#ifndef HANDBELL_FLOW_KEEP_APPLY_H
#define HANDBELL_FLOW_KEEP_APPLY_H

#include "queue/client/keep_calls.h"
#include "worker/base/error.h"
#include "worker/base/log_pause.h"
#include "worker/flow/keep.h"

#include <stdbool.h>
#include <stdint.h>

enum { KEEP_SLUG_BYTES = 64 };

/* While the gate is closed a file that cannot be told is looked at again after so long. */
enum { KEEP_APPLY_PROBLEM_MS = 30000 };

struct keep_batch;
struct keep_slug {
    char slug[KEEP_SLUG_BYTES];
};

struct keep_apply {
    struct keep *keep;
    const char *owner;
    struct queue *queue;
    struct keep_reader *reader;
    struct keep_batch *batch; /* what was read, and told in part */
    struct keep_slug *slugs;  /* of whom something was told */
    size_t slug_count;
    size_t resolved;
    uint64_t told; /* lines */
    uint64_t lost; /* damages and refusals that somebody has accepted */
    uint64_t after;
    bool is_under_way;
    bool is_asking;
    bool is_open; /* the gate, when this began */
    bool is_reconciling;
    struct log_pause trouble;
    /* What will not get better by itself is not told anew at each try; exit_status 0: nothing. */
    struct error problem;
    uint64_t problem_at_ms;
    /* Fires in a later turn of the loop, once for each keep_apply_begin that was not cancelled.
     * `error` is NULL, also where an operator has accepted that something is lost (then all that
     * can be read and taken was told); or it says what stands in the way: EX_TEMPFAIL, or what will
     * not get better by itself: EX_DATAERR (the file cannot be read whole, or the database does not
     * take it), EX_CONFIG, EX_OSERR. */
    void (*on_done)(void *context, const struct error *error);
    void *context;
};

/* `keep` and `owner` are borrowed. */
void keep_apply_init(struct keep_apply *apply, struct keep *keep, const char *owner,
                     void (*on_done)(void *context, const struct error *error), void *context);
/* The worker is registered on `queue`. Not `is_reconciling`: the database has forgotten nothing,
 * and only the numbers are compared. False without memory: on_done does not fire. */
bool keep_apply_begin(struct keep_apply *apply, struct queue *queue, bool is_reconciling);
/* The connection is gone, or the worker ends; on_done does not fire. Calls that are under way end
 * without a word. */
void keep_apply_cancel(struct keep_apply *apply);

#endif
