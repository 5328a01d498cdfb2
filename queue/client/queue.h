/* The worker's calls onto the queue: one function here for one in queue/sql/functions, and plain
 * structs for what it answers. It knows the shape of the answers, not what is done with them. */
#ifndef HANDBELL_QUEUE_CLIENT_QUEUE_H
#define HANDBELL_QUEUE_CLIENT_QUEUE_H

#include "worker/base/config.h"
#include "worker/base/json.h"
#include "worker/io/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct queue;

/* The settings of section [database]: url, connect_timeout, query_timeout. */
extern const struct setting database_settings[];

/* QUEUE_BATCH_MAXIMUM bounds `limit` of a claim and the count of a mark or record. */
enum { QUEUE_UUID_BYTES = 37, QUEUE_BATCH_MAXIMUM = 1000 };

/* `owner` is this worker's uuid as text. `is_listening`: be told when work is due within seconds.
 * Callbacks as in struct pg_options; on_due and on_word (either may be NULL) are called for a
 * notification, the second where people have said something. */
struct queue_options {
    const struct config *config;
    const char *application_name;
    const char *owner;
    bool is_listening;
    void (*on_state)(void *context, enum pg_state state, const char *reason);
    void (*on_due)(void *context);
    void (*on_word)(void *context);
    void *context;
};

/* One connection. NULL with `error` as pg_new. Ended by queue_free, which fires the callbacks of
 * all calls that are under way, inside it, as lost or unsent (pg_free). */
struct queue *queue_new(struct loop *loop, const struct queue_options *options,
                        struct error *error);
void queue_free(struct queue *queue); /* NULL is fine */
bool queue_is_up(const struct queue *queue);
/* What it calls over: for the other files of queue/client. */
struct pg *queue_connection(struct queue *queue);

/* Below, each call has exactly one callback, in a later turn of the loop. `result` says what became
 * of the call (kind, sqlstate, text); the struct beside it is filled when it is PG_RESULT_ROWS, and
 * empty (counts 0, NULL, false) otherwise. All that the callback is given is alive until it
 * returns; a JSON value is kept longer by json_hold. A call returns false only without memory, and
 * then its callback does not fire. An answer that cannot be read is PG_RESULT_REFUSED with an empty
 * sqlstate. */

typedef void queue_on_done(void *context, const struct pg_result *result);
typedef void queue_on_boolean(void *context, const struct pg_result *result, bool is_true);
typedef void queue_on_integer(void *context, const struct pg_result *result, int64_t value);

/* Says that this worker is alive; false: it must register anew (queue_worker_start), for the
 * database has begun another life. */
bool queue_worker_seen(struct queue *queue, queue_on_boolean *on_done, void *context);

enum queue_work { QUEUE_WORK_MESSAGES, QUEUE_WORK_JOB, QUEUE_WORK_RULE };

struct queue_due {
    int64_t tenant_id;
    enum queue_work what;
    int lane;
    int relay;
};

typedef void queue_on_due_work(void *context, const struct pg_result *result,
                               const struct queue_due *due, size_t count);

/* Tenants with work that is due, in the order of their ids, from the one after `after` and then
 * round again; at most `limit` rows. Of messages, those of these relays alone. */
bool queue_due_work(struct queue *queue, int64_t after, int limit, const int *relays, size_t count,
                    queue_on_due_work *on_done, void *context);

struct queue_claimed_course {
    int64_t course_id;
    struct json *data;
};

struct queue_claimed_message {
    int64_t message_id;
    int32_t epoch;
    struct json *data;
};

/* A place in the order in which messages are claimed: when it is due, then its id. Zero: the
 * beginning. */
struct queue_place {
    int64_t due_us; /* since 1970 */
    int64_t message_id;
};

/* The tenant, each course and each of the courses' categories once, however many messages share
 * them. `tenant` is NULL where no message was claimed, `categories` where none is told of. */
struct queue_claimed {
    struct json *tenant;
    struct json *categories; /* {"id":{"kind","name"}} */
    const struct queue_claimed_course *courses;
    size_t course_count;
    const struct queue_claimed_message *messages;
    size_t message_count;
    struct queue_place last; /* where the last of them stood */
};

typedef void queue_on_claimed(void *context, const struct pg_result *result,
                              const struct queue_claimed *claimed);

/* Claims up to `limit` messages that are due, those behind `from` alone: one that becomes ready
 * with an earlier place is for a later claim from the beginning. Lost: they may be claimed all the
 * same; claiming again gives others, and theirs come back when this owner's rows are taken over. */
bool queue_claim(struct queue *queue, int64_t tenant_id, int lane, int relay, int limit,
                 struct queue_place from, queue_on_claimed *on_done, void *context);

enum queue_verdict {
    QUEUE_VERDICT_GO,      /* it is marked as transmitting: send it */
    QUEUE_VERDICT_STALE,   /* not ours any more: drop it without a word */
    QUEUE_VERDICT_SKIPPED, /* not wanted any more, and recorded as such; `word` says why */
};

/* `word` is the verdict as SQL says it ("go", "opted_out", ...). `address` is "" unless it is
 * QUEUE_VERDICT_GO; it may stand in no log. `courses` are those that the mail may still tell of. */
struct queue_marked {
    int64_t message_id;
    enum queue_verdict verdict;
    const char *word;
    const char *address;
    const int64_t *courses;
    size_t course_count;
};

typedef void queue_on_marked(void *context, const struct pg_result *result,
                             const struct queue_marked *marked, size_t count);

/* Asks once more who still wants their mail, just before it is sent. Lost: what was to be marked
 * may be marked or not: send none of it. */
bool queue_mark(struct queue *queue, int64_t tenant_id, const int64_t *message_ids,
                const int32_t *epochs, size_t count, queue_on_marked *on_done, void *context);

enum queue_outcome_kind {
    QUEUE_OUTCOME_SENT,
    QUEUE_OUTCOME_DEFERRED,
    QUEUE_OUTCOME_REFUSED,
    QUEUE_OUTCOME_UNCERTAIN,
    QUEUE_OUTCOME_UNSENT,      /* given back untouched */
    QUEUE_OUTCOME_INTERRUPTED, /* its worker ended; nobody knows what became of it */
};
/* As SQL says it: "sent", ... */
const char *queue_outcome_word(enum queue_outcome_kind kind);

/* One message's outcome. `enhanced` and `words` are never NULL and are redacted already. */
struct queue_outcome {
    int64_t message_id;
    int64_t created_unix_s; /* when the message was made, as the database says it */
    int32_t epoch;
    enum queue_outcome_kind kind;
    int code;
    const char *enhanced;
    const char *words;
    int64_t retry_after_s; /* of DEFERRED, UNCERTAIN; of UNSENT where it must wait, else 0 */
};

enum queue_recorded_state {
    QUEUE_RECORDED_SENT,
    QUEUE_RECORDED_FAILED,
    QUEUE_RECORDED_READY, /* it will be tried again */
    QUEUE_RECORDED_UNCERTAIN,
    QUEUE_RECORDED_SKIPPED,
    QUEUE_RECORDED_STALE, /* this was recorded before, or the message is not ours any more */
};

struct queue_recorded {
    int64_t message_id;
    enum queue_recorded_state state;
};

typedef void queue_on_recorded(void *context, const struct pg_result *result,
                               const struct queue_recorded *recorded, size_t count);

/* Records outcomes, all of one tenant. The outcomes are copied before this returns. Lost or unsent:
 * call it again with the same; what is recorded already answers QUEUE_RECORDED_STALE. */
bool queue_record(struct queue *queue, int64_t tenant_id, const struct queue_outcome *outcomes,
                  size_t count, queue_on_recorded *on_done, void *context);

typedef void queue_on_tenants(void *context, const struct pg_result *result,
                              const int64_t *tenant_ids, size_t count);

/* Tenants of whom `owner` (a uuid; this worker's own, or a dead one's) has messages in flight. */
bool queue_in_flight_tenants(struct queue *queue, const char *owner, queue_on_tenants *on_done,
                             void *context);

struct queue_dead_worker {
    char owner[QUEUE_UUID_BYTES];
    bool is_grace_over;
};

typedef void queue_on_dead_workers(void *context, const struct pg_result *result,
                                   const struct queue_dead_worker *dead, size_t count);

bool queue_dead_workers(struct queue *queue, int64_t grace_s, queue_on_dead_workers *on_done,
                        void *context);

struct queue_taken_over {
    int64_t released;  /* claimed ones, ready again */
    int64_t uncertain; /* transmitting ones, ended as their kind says */
};

typedef void queue_on_taken_over(void *context, const struct pg_result *result,
                                 const struct queue_taken_over *taken_over);

/* Takes over what `dead` had claimed and, `is_transmitting`, what it may have sent. */
bool queue_take_over(struct queue *queue, int64_t tenant_id, const char *dead, bool is_transmitting,
                     queue_on_taken_over *on_done, void *context);

/* Makes up to `limit` alerts' people of the tenant's matching jobs; true: there is more to do. */
bool queue_fan_out(struct queue *queue, int64_t tenant_id, int limit, queue_on_boolean *on_done,
                   void *context);
/* Fires the tenant's rules that are due; how many. */
bool queue_fire_rules(struct queue *queue, int64_t tenant_id, queue_on_integer *on_done,
                      void *context);
/* Makes the partitions ahead, and forgets workers that are long dead. */
bool queue_housekeep(struct queue *queue, queue_on_done *on_done, void *context);

#endif
