/* The calls about what outlives the database: one function here for one in
 * queue/sql/functions/47_keep.sql and 48_keep_apply.sql, on a connection of the worker's. It knows
 * their answers, not the file. */
#ifndef HANDBELL_QUEUE_CLIENT_KEEP_CALLS_H
#define HANDBELL_QUEUE_CLIENT_KEEP_CALLS_H

#include "queue/client/queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most so many in one answer, or in one keep_apply. */
enum { KEEP_CALLS_LINES_MOST = 1000, KEEP_CALLS_BYTES_MOST = 1 << 20 };

/* As in queue.h: exactly one callback, in a later turn of the loop; false only without memory. */

/* A word that somebody said, as the line that the file is to hold. */
struct keep_change {
    int64_t tenant_id;
    int64_t number;
    const char *line;
};

typedef void keep_on_changes(void *context, const struct pg_result *result,
                             const struct keep_change *changes, size_t count);

/* Those of all tenants that this worker has not acknowledged by keep_calls_seen. */
bool keep_calls_changes(struct queue *queue, const char *owner, keep_on_changes *on_done,
                        void *context);

/* Where the database stood, durably, when it answered. */
struct keep_answer {
    uint64_t kept; /* what the database has of this worker's file */
    uint64_t system_identifier;
    uint32_t timeline;
    uint64_t position;
    bool is_open; /* of keep_calls_kept: messages may be claimed already */
};

typedef void keep_on_answer(void *context, const struct pg_result *result,
                            const struct keep_answer *answer);

/* The file holds these changes for good, and the database everything of the file up to `kept`. The
 * arrays are copied before this returns. */
bool keep_calls_seen(struct queue *queue, const char *owner, uint64_t kept,
                     const int64_t *tenant_ids, const int64_t *numbers, size_t count,
                     keep_on_answer *on_done, void *context);
/* What the database has of this registered worker's file. */
bool keep_calls_kept(struct queue *queue, const char *owner, keep_on_answer *on_done,
                     void *context);

/* Tells the database lines of one tenant, whose slug is the second field of each. They are copied
 * before this returns. */
bool keep_calls_apply(struct queue *queue, const char *slug, const char *const *lines, size_t count,
                      queue_on_done *on_done, void *context);
/* All of a tenant's lines were told: now they count. The answer is true where it is to be asked
 * again, for more of them do. */
bool keep_calls_resolve(struct queue *queue, const char *slug, queue_on_boolean *on_done,
                        void *context);

#endif
