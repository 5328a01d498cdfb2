/* Signing on the thread pool: an rsa-2048 signature takes longer than all else that is done for a
 * mail, and the loop must not wait for it. Mails come in, their bytes go to the pool a few at a
 * time, and they come back signed or with the reason why not. It knows no relay and no database. */
#ifndef HANDBELL_FLOW_SIGNING_H
#define HANDBELL_FLOW_SIGNING_H

#include "worker/base/error.h"
#include "worker/base/list.h"
#include "worker/flow/message.h"
#include "worker/io/loop.h"
#include "worker/mail/dkim_keys.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    /* Mails of one job: few, because what is urgent waits for the jobs before it to end. */
    SIGNING_BATCH = 4,
    /* Jobs under way for each processor, so that none idles while the loop makes the next. */
    SIGNING_JOBS_PER_PROCESSOR = 2,
    SIGNING_JOBS_MOST = 16,
    /* From the mark to the signature; a quarter of what a mark may age, so that the time until a
     * change of pace shows still lies within it. */
    SIGNING_SLOW_MS = 250,
    SIGNING_AHEAD_MOST = 100000,
};

struct signing_job;

struct signing {
    struct loop *loop;
    struct dkim_keys *keys; /* held */
    struct list jobs;       /* under way */
    size_t jobs_most;
    struct signing_job *open; /* being filled */
    uint32_t ahead_limit;
    uint64_t slowed_at_ms; /* when ahead_limit was last made smaller */
    void (*on_signed)(void *context, struct message *message, const struct error *error);
    void *context;
};

/* There are no keys yet. `on_signed` is called from the loop, once a message that was added, in any
 * order: `error` is NULL for one whose mail is signed; otherwise the mail is as it was. */
void signing_init(struct signing *signing, struct loop *loop,
                  void (*on_signed)(void *context, struct message *message,
                                    const struct error *error),
                  void *context);
/* From now on on_signed is called no more; what the pool is at ends by itself, apart. */
void signing_free(struct signing *signing);

/* The keys that sign from now on; held until there are others. What is under way is finished with
 * those it began with. */
void signing_set_keys(struct signing *signing, struct dkim_keys *keys);
/* Whether the message's tenant has a key, so that its mail must not go unsigned. */
bool signing_is_due(const struct signing *signing, const struct message *message);

/* How many mails may be marked, or about to be, and not signed: what is marked and waits too long
 * is given back unsent, and with too many of them all would be. It finds the machine's pace by
 * itself: more while signatures come soon, half as many while they come late; one at least. */
uint32_t signing_ahead_limit(const struct signing *signing);

/* Whether one more mail may come in now. */
bool signing_has_room(const struct signing *signing);
/* Takes the bytes of a written mail for which signing_is_due, until on_signed. The message is in
 * state SIGNING then; the last urgent one that is marked is sent off at once. False without room or
 * memory: nothing has changed. */
bool signing_add(struct signing *signing, struct message *message, int64_t now_unix_s);
/* Sends off what was added since. */
void signing_flush(struct signing *signing);

#endif
