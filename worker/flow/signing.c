/* Batches of mails on the thread pool. */
#include "worker/flow/signing.h"

#include "worker/base/clock.h"
#include "worker/base/crypto.h"
#include "worker/mail/dkim.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* While a job is under way its mail is its own: the message may end meanwhile, and its pool thread
 * sees nothing but the job. */
struct signing_item {
    struct message *message;
    const struct dkim_domain *domain; /* of the job's keys */
    struct buf mail;
    bool is_signed;
    struct error error;
};

/* `signing` is NULL once it is gone. */
struct signing_job {
    struct list_link link;
    struct signing *signing;
    struct dkim_keys *keys; /* held */
    int64_t now_unix_s;
    bool has_failed; /* it could not be sent off, and waits for its turn of the loop */
    struct loop_defer defer;
    size_t count;
    struct signing_item items[SIGNING_BATCH];
};

static size_t jobs_for_this_machine(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t jobs = (processors > 0 ? (size_t)processors : 1) * SIGNING_JOBS_PER_PROCESSOR;
    return jobs < SIGNING_JOBS_MOST ? jobs : SIGNING_JOBS_MOST;
}

void signing_init(struct signing *signing, struct loop *loop,
                  void (*on_signed)(void *context, struct message *message,
                                    const struct error *error),
                  void *context)
{
    *signing = (struct signing){
        .loop = loop,
        .jobs_most = jobs_for_this_machine(),
        .on_signed = on_signed,
        .context = context,
    };
    signing->ahead_limit = (uint32_t)signing->jobs_most * SIGNING_BATCH;
}

static void job_free(struct signing_job *job)
{
    list_leave(&job->link);
    for (size_t i = 0; i < job->count; i++)
        buf_free(&job->items[i].mail);
    dkim_keys_let_go(job->keys);
    free(job);
}

void signing_free(struct signing *signing)
{
    if (signing->open != NULL)
        job_free(signing->open);
    signing->open = NULL;
    LIST_EACH(link, &signing->jobs)
    {
        struct signing_job *job = LIST_OBJECT(link, struct signing_job, link);
        job->signing = NULL;
        list_leave(&job->link);
        loop_defer_cancel(&job->defer);
        if (job->has_failed)
            job_free(job);
    }
    dkim_keys_let_go(signing->keys);
    signing->keys = NULL;
}

void signing_set_keys(struct signing *signing, struct dkim_keys *keys)
{
    struct dkim_keys *before = signing->keys;
    signing->keys = dkim_keys_hold(keys);
    dkim_keys_let_go(before);
}

static const struct dkim_domain *domain_of(const struct dkim_keys *keys,
                                           const struct message *message)
{
    if (keys == NULL || dkim_keys_count(keys) == 0)
        return NULL;
    const char *at = strrchr(json_find_text(message->batch->tenant, "from_address"), '@');
    return at != NULL ? dkim_keys_find(keys, at + 1) : NULL;
}

bool signing_is_due(const struct signing *signing, const struct message *message)
{
    return domain_of(signing->keys, message) != NULL;
}

bool signing_has_room(const struct signing *signing)
{
    return signing->open != NULL || signing->jobs.count < signing->jobs_most;
}

/* On a pool thread. */
static void on_pool(void *context)
{
    struct signing_job *job = context;
    for (size_t i = 0; i < job->count; i++) {
        struct signing_item *item = &job->items[i];
        item->is_signed = dkim_sign(item->domain, job->now_unix_s, &item->mail, &item->error);
    }
    crypto_end_thread();
}

uint32_t signing_ahead_limit(const struct signing *signing)
{
    return signing->ahead_limit;
}

/* Grows only where the limit is what held it back; halves once for what was under way together. */
static void signing_learn(struct signing *signing, const struct message *message)
{
    const struct message_lists *lists = message->lists;
    uint64_t now_ms = clock_monotonic_ms();
    size_t ahead = lists->marking.count + message_lists_count(lists->marked) + lists->signing.count;

    if (now_ms - message->marked_at_ms <= SIGNING_SLOW_MS) {
        if (2 * ahead >= signing->ahead_limit && signing->ahead_limit < SIGNING_AHEAD_MOST)
            signing->ahead_limit++;
    } else if (message->marked_at_ms >= signing->slowed_at_ms && signing->ahead_limit > 1) {
        signing->ahead_limit /= 2;
        signing->slowed_at_ms = now_ms;
    }
}

/* Gives each message its mail back. */
static void on_done(void *context)
{
    struct signing_job *job = context;
    struct signing *signing = job->signing;
    list_leave(&job->link);
    for (size_t i = 0; signing != NULL && i < job->count; i++) {
        struct signing_item *item = &job->items[i];
        item->message->mail = item->mail;
        item->mail = (struct buf){0};
        signing_learn(signing, item->message);
        signing->on_signed(signing->context, item->message, item->is_signed ? NULL : &item->error);
    }
    job_free(job);
}

static struct signing_job *job_new(struct signing *signing, int64_t now_unix_s)
{
    struct signing_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->signing = signing;
    job->keys = dkim_keys_hold(signing->keys);
    job->now_unix_s = now_unix_s;
    return job;
}

bool signing_add(struct signing *signing, struct message *message, int64_t now_unix_s)
{
    if (!signing_has_room(signing))
        return false;
    if (signing->open == NULL)
        signing->open = job_new(signing, now_unix_s);
    if (signing->open == NULL)
        return false;
    const struct dkim_domain *domain = domain_of(signing->open->keys, message);
    if (domain == NULL)
        return false;
    struct signing_item *item = &signing->open->items[signing->open->count++];
    *item = (struct signing_item){.message = message, .domain = domain, .mail = message->mail};
    message->mail = (struct buf){0};
    message_enter(message, MESSAGE_SIGNING);
    bool is_last_urgent =
        message->lane == LANE_URGENT && list_is_empty(&message->lists->marked[LANE_URGENT]);
    if (signing->open->count == SIGNING_BATCH || is_last_urgent) /* no alert makes it longer */
        signing_flush(signing);
    return true;
}

void signing_flush(struct signing *signing)
{
    struct signing_job *job = signing->open;
    signing->open = NULL;
    if (job == NULL)
        return;
    if (job->count == 0) {
        job_free(job);
        return;
    }
    list_join(&signing->jobs, &job->link);
    if (loop_work(signing->loop, on_pool, on_done, job))
        return;
    for (size_t i = 0; i < job->count; i++)
        error_set(&job->items[i].error, EX_OSERR, "no memory");
    job->has_failed = true;
    job->defer = (struct loop_defer){.run = on_done, .context = job};
    loop_defer(signing->loop, &job->defer);
}
