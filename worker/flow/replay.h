/* Telling the database what the journal says: what became of mails that it believes to be on the
 * wire, or has forgotten. After a restart that is what was left unsettled; when the database has
 * begun another life, all that the journal holds. One at a time. */
#ifndef HANDBELL_FLOW_REPLAY_H
#define HANDBELL_FLOW_REPLAY_H

#include "queue/client/life_calls.h"
#include "worker/flow/journal.h"

enum {
    REPLAY_BATCH = 500,
    /* The database's clock and this machine's may be so far apart. */
    REPLAY_CLOCKS_S = 600,
};

struct replay {
    struct journal *journal;
    struct queue *queue;
    const char *owner;
    struct journal_past past;
    size_t told;      /* of its entries */
    int64_t *tenants; /* that may have rows of ours on the wire */
    size_t tenant_count;
    size_t tenants_done;
    /* Told last, and in doubt: is anything of them left in a database that was put back? */
    struct queue_attempt doubts[REPLAY_BATCH];
    size_t doubt_count;
    int64_t doubts_tenant_id;
    bool is_reconciling;
    bool is_under_way;
    /* What was done, for the log. */
    uint64_t settled;
    uint64_t resumed;
    uint64_t unsent;
    uint64_t interrupted;
    uint64_t lost; /* in doubt, and of which the database has nothing */
    /* Fires once for each replay_begin that was not cancelled, in a later turn of the loop. Not
     * `is_whole`: something was refused or lost; all of it may be told again. */
    void (*on_done)(void *context, bool is_whole);
    void *context;
};

/* `journal` and `owner` are borrowed. */
void replay_init(struct replay *replay, struct journal *journal, const char *owner,
                 void (*on_done)(void *context, bool is_whole), void *context);
/* `is_reconciling`: the database has begun another life. False where the journal cannot be read or
 * there is no memory: on_done does not fire. */
bool replay_begin(struct replay *replay, struct queue *queue, bool is_reconciling);
/* The connection is gone: on_done does not fire, and calls under way end without a word. */
void replay_cancel(struct replay *replay);
void replay_free(struct replay *replay);

#endif
