/* Work that makes messages or keeps house, on a connection of its own, one thing at a time: fanning
 * out jobs, firing rules, taking over from workers that died, failing over
 * from relays that are away. An urgent mail never waits behind it.
 */
#ifndef HANDBELL_FLOW_CHORES_H
#define HANDBELL_FLOW_CHORES_H

#include "queue/client/queue.h"
#include "worker/base/log_pause.h"
#include "worker/flow/fail_over.h"
#include "worker/flow/take_over.h"
#include "worker/io/loop.h"

enum {
    CHORES_QUEUE = 512,             /* tenants with work known; the next poll tells of more */
    CHORES_FAN_OUT_PEOPLE = 100000, /* looked at in one transaction */
    CHORES_LOOK_MS = 5000,          /* between two looks for dead workers */
    CHORES_HOUSEKEEP_MS = 3600000,
    CHORES_DEAD = 64, /* dead workers taken over from in one look */
};

struct chore {
    int64_t tenant_id;
    enum queue_work what;
};

struct chores {
    struct loop *loop;
    struct queue *queue;
    struct take_over take_over;
    struct fail_over fail_over;
    struct loop_timer *timer;
    struct log_pause trouble;
    struct log_pause look_trouble;
    struct log_pause house_trouble;
    uint32_t takeover_grace_s;
    bool is_open;
    bool is_busy; /* with chores[0] */
    size_t count;
    struct chore chores[CHORES_QUEUE];
    uint64_t housekept_at_ms; /* 0: not yet */
    size_t dead_count;
    struct queue_dead_worker dead[CHORES_DEAD];
    /* Messages may have become due. */
    void (*on_made)(void *context);
    void *context;
};

/* False without memory. */
bool chores_init(struct chores *chores, struct loop *loop, void (*on_made)(void *context),
                 void *context);
void chores_free(struct chores *chores);

/* The connection is up, or gone. */
void chores_open(struct chores *chores, struct queue *queue);
void chores_close(struct chores *chores);

/* Puts the chore in line, unless it is there. */
void chores_add(struct chores *chores, int64_t tenant_id, enum queue_work what);

#endif
