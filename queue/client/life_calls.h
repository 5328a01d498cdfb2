/* The calls by which a worker makes itself known, and tells a database in a new life what it has
 * forgotten (queue/sql/functions/43_workers.sql, 44_life.sql), on the connections of queue.h. What
 * is said there of callbacks holds here. */
#ifndef HANDBELL_QUEUE_CLIENT_LIFE_CALLS_H
#define HANDBELL_QUEUE_CLIENT_LIFE_CALLS_H

#include "queue/client/queue.h"

/* Where a database's log stood, and how far it had the worker's file; all zero: not known. */
struct queue_log_place {
    int64_t system_identifier; /* as PostgreSQL's function gives it */
    int32_t timeline;
    int64_t position; /* bytes */
    int64_t kept;     /* entries */
};

enum queue_start {
    QUEUE_START_REFUSED,   /* another session holds this worker's lock */
    QUEUE_START_RECONCILE, /* tell what is known, then queue_worker_reconciled */
    QUEUE_START_READY,
};

typedef void queue_on_start(void *context, const struct pg_result *result, enum queue_start answer);

/* Takes the session's lock and registers `owner`, and looks whether the database is the one that
 * the worker saw last, at `known`. Once a connection, before anything is claimed on it. */
bool queue_worker_start(struct queue *queue, const char *owner, const struct queue_log_place *known,
                        queue_on_start *on_done, void *context);
/* All is told. True: the gate is open, and messages may be claimed. False: others are still waited
 * for (where a standby was promoted, for `grace_s` at most); ask again. */
bool queue_worker_reconciled(struct queue *queue, const char *owner, int64_t grace_s,
                             queue_on_boolean *on_done, void *context);

/* One attempt: a message, told by its id and by when it was made, and which of its attempts. */
struct queue_attempt {
    int64_t message_id;
    int64_t created_unix_s;
    int64_t claimed_unix_s; /* by the database's clock; of queue_own_transmitting alone */
    int32_t epoch;
};

/* Makes the rows of these (of one tenant, QUEUE_BATCH_MAXIMUM at most), whose mail is being sent,
 * `owner`'s again; how many. */
bool queue_resume(struct queue *queue, int64_t tenant_id, const char *owner,
                  const struct queue_attempt *attempts, size_t count, queue_on_integer *on_done,
                  void *context);

typedef void queue_on_attempts(void *context, const struct pg_result *result,
                               const struct queue_attempt *attempts, size_t count);

/* The rows that the database believes `owner` to be sending. */
bool queue_own_transmitting(struct queue *queue, int64_t tenant_id, const char *owner,
                            queue_on_attempts *on_done, void *context);

/* Of these (of one tenant, QUEUE_BATCH_MAXIMUM at most), whose end nobody knows, the answer is
 * those of which the database has nothing any more; it notes them for the operator. */
bool queue_doubts_lost(struct queue *queue, int64_t tenant_id, const struct queue_attempt *attempts,
                       size_t count, queue_on_attempts *on_done, void *context);

/* What became of an attempt by the journal, which keeps no words. */
struct queue_settled {
    struct queue_attempt attempt;
    enum queue_outcome_kind kind;
    int code;
    const char *enhanced;
    int64_t retry_after_s; /* of QUEUE_OUTCOME_DEFERRED */
};

/* Tells what became of attempts (of one tenant, QUEUE_BATCH_MAXIMUM at most), whoever the database
 * believes to have them. Asked again it answers QUEUE_RECORDED_STALE. */
bool queue_settle(struct queue *queue, int64_t tenant_id, const char *owner,
                  const struct queue_settled *settled, size_t count, queue_on_recorded *on_done,
                  void *context);

#endif
