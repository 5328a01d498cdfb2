/* The event loop on libuv. The only file that includes it. Every object opens with its uv handle,
 * whose close callback frees the object: loop_free relies on that for what owners left behind. */
#include "worker/io/loop.h"

#include "worker/base/clock.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <uv.h>

enum { LOOP_HELD_UP_MS = 250 };

/* `deferred` is the head of a ring of waiting callbacks. They run in the check phase, right after
 * the turn's polling; `idle` is active while any waits, so that polling does not block. */
struct loop {
    uv_loop_t uv;
    uv_work_t pool; /* begins it */
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle;
    struct loop_defer deferred;
    uint64_t waited_from_ms;
    uint64_t prepared_at_ms; /* when this turn began to wait, and for how long at most */
    uint32_t timeout_ms;
};

struct loop_timer {
    uv_timer_t uv;
    void (*on_time)(void *context);
    void *context;
};

struct loop_poll {
    uv_poll_t uv;
    void (*on_ready)(void *context, unsigned events);
    void *context;
    unsigned events;
};

struct loop_signal {
    uv_signal_t uv;
    void (*on_signal)(void *context, int number);
    void *context;
};

struct loop_job {
    uv_work_t uv;
    void (*work)(void *context);
    void (*on_done)(void *context);
    void *context;
};

/* `lookup` is its owner's, `uv` the thread's: the memory goes when both have let go of it. */
struct loop_lookup {
    uv_getaddrinfo_t uv;
    void (*on_found)(void *context, const char addresses[][LOOP_ADDRESS_BYTES], size_t count,
                     const char *reason);
    void *context;
    bool is_calling;
    bool is_done;
    bool is_freed;
};

static void handle_free(uv_handle_t *handle)
{
    free(handle);
}

static void idle_did_turn(uv_idle_t *idle)
{
    (void)idle;
}

static void defer_unlink(struct loop_defer *defer)
{
    defer->previous->next = defer->next;
    defer->next->previous = defer->previous;
    defer->next = NULL;
    defer->previous = NULL;
}

/* Runs those that wait now; one deferred from inside waits for the next turn. */
static void check_ran(uv_check_t *check)
{
    struct loop *loop = check->data;
    struct loop_defer batch;
    uv_idle_stop(&loop->idle);
    if (loop->deferred.next == &loop->deferred)
        return;
    batch = loop->deferred;
    batch.next->previous = &batch;
    batch.previous->next = &batch;
    loop->deferred.next = loop->deferred.previous = &loop->deferred;
    while (batch.next != &batch) {
        struct loop_defer *defer = batch.next;
        defer_unlink(defer);
        defer->run(defer->context);
    }
}

/* A turn that took longer than it was to wait was held up, and libuv may then have run its timers
 * without a look at the descriptors: what the next turn reads may have come in this one. */
static void prepare_ran(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    uint64_t now_ms = clock_monotonic_ms();
    int timeout_ms = uv_backend_timeout(&loop->uv);
    bool was_held_up = now_ms - loop->prepared_at_ms > loop->timeout_ms + LOOP_HELD_UP_MS;

    loop->waited_from_ms = was_held_up ? loop->prepared_at_ms : now_ms;
    loop->prepared_at_ms = now_ms;
    loop->timeout_ms = timeout_ms < 0 ? INT32_MAX : (uint32_t)timeout_ms;
}

static void pool_ran(uv_work_t *work)
{
    (void)work;
}

static void pool_began(uv_work_t *work, int status)
{
    (void)work;
    (void)status;
}

/* libuv makes the pool's threads when they are first needed, and aborts where it cannot: so at the
 * start, not in the middle of the mails when memory is short. They take no signal: signal_close
 * holds one off for its own thread only. */
static void pool_begin(struct loop *loop)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    uv_queue_work(&loop->uv, &loop->pool, pool_ran, pool_began);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct loop *loop_new(struct error *error)
{
    struct loop *loop = calloc(1, sizeof *loop);
    int status;
    if (loop == NULL) {
        error_set(error, EX_OSERR, "event loop: no memory");
        return NULL;
    }
    status = uv_loop_init(&loop->uv);
    if (status != 0) {
        error_set(error, EX_OSERR, "event loop: %s", uv_strerror(status));
        free(loop);
        return NULL;
    }
    loop->deferred.next = loop->deferred.previous = &loop->deferred;
    uv_idle_init(&loop->uv, &loop->idle);
    uv_check_init(&loop->uv, &loop->check);
    loop->check.data = loop;
    uv_check_start(&loop->check, check_ran);
    uv_unref((uv_handle_t *)&loop->check);
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, prepare_ran);
    uv_unref((uv_handle_t *)&loop->prepare);
    loop->prepared_at_ms = loop->waited_from_ms = clock_monotonic_ms();
    pool_begin(loop);
    return loop;
}

/* Closing gives the default back; held off until the signal is ignored, so that no moment is left
 * in which it would kill the process. */
static void signal_close(struct loop_signal *signal)
{
    int number = signal->uv.signum;
    sigset_t held_off, before;
    (void)sigemptyset(&held_off);
    (void)sigaddset(&held_off, number);
    (void)pthread_sigmask(SIG_BLOCK, &held_off, &before);
    uv_close((uv_handle_t *)&signal->uv, handle_free);
    (void)sigaction(number, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void handle_close_any(uv_handle_t *handle, void *context)
{
    struct loop *loop = context;
    if (uv_is_closing(handle))
        return;
    if (handle == (uv_handle_t *)&loop->check || handle == (uv_handle_t *)&loop->idle ||
        handle == (uv_handle_t *)&loop->prepare)
        uv_close(handle, NULL);
    else if (handle->type == UV_SIGNAL)
        signal_close((struct loop_signal *)handle);
    else
        uv_close(handle, handle_free);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    uv_walk(&loop->uv, handle_close_any, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    /* A done callback may have opened something new meanwhile. */
    uv_walk(&loop->uv, handle_close_any, loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        abort();
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t loop_waited_from_ms(const struct loop *loop)
{
    return loop->waited_from_ms;
}

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    timer->on_time(timer->context);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*on_time)(void *context), void *context)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return NULL;
    timer->on_time = on_time;
    timer->context = context;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms)
{
    uv_timer_start(&timer->uv, timer_fired, after_ms, 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_timer_stop(&timer->uv);
}

bool loop_timer_is_running(const struct loop_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->uv, handle_free);
}

static void poll_fired(uv_poll_t *uv, int status, int events)
{
    struct loop_poll *poll = uv->data;
    unsigned ready = 0;
    if (status < 0) {
        /* libuv has stopped watching: that must not pass for the mask still being in force. */
        poll->events = 0;
        ready = LOOP_READABLE | LOOP_WRITABLE;
    } else {
        ready |= (events & (UV_READABLE | UV_DISCONNECT)) ? LOOP_READABLE : 0;
        ready |= (events & UV_WRITABLE) ? LOOP_WRITABLE : 0;
    }
    poll->on_ready(poll->context, ready);
}

struct loop_poll *loop_poll_new(struct loop *loop, int fd,
                                void (*on_ready)(void *context, unsigned events), void *context,
                                struct error *error)
{
    struct loop_poll *poll = calloc(1, sizeof *poll);
    int status;
    if (poll == NULL) {
        error_set(error, EX_OSERR, "watching a descriptor: no memory");
        return NULL;
    }
    status = uv_poll_init(&loop->uv, &poll->uv, fd);
    if (status != 0) {
        error_set(error, EX_OSERR, "watching descriptor %d: %s", fd, uv_strerror(status));
        free(poll);
        return NULL;
    }
    poll->uv.data = poll;
    poll->on_ready = on_ready;
    poll->context = context;
    return poll;
}

void loop_poll_set(struct loop_poll *poll, unsigned events)
{
    int mask = 0;
    if (events == poll->events)
        return;
    poll->events = events;
    if (events == 0) {
        uv_poll_stop(&poll->uv);
        return;
    }
    mask |= (events & LOOP_READABLE) ? UV_READABLE : 0;
    mask |= (events & LOOP_WRITABLE) ? UV_WRITABLE : 0;
    uv_poll_start(&poll->uv, mask, poll_fired);
}

void loop_poll_free(struct loop_poll *poll)
{
    if (poll == NULL)
        return;
    uv_close((uv_handle_t *)&poll->uv, handle_free);
}

static void signal_fired(uv_signal_t *uv, int number)
{
    struct loop_signal *signal = uv->data;
    signal->on_signal(signal->context, number);
}

struct loop_signal *loop_signal_new(struct loop *loop, int number,
                                    void (*on_signal)(void *context, int number), void *context,
                                    struct error *error)
{
    struct loop_signal *signal = calloc(1, sizeof *signal);
    int status;
    if (signal == NULL) {
        error_set(error, EX_OSERR, "signal %d: no memory", number);
        return NULL;
    }
    status = uv_signal_init(&loop->uv, &signal->uv);
    if (status != 0) {
        error_set(error, EX_OSERR, "signal %d: %s", number, uv_strerror(status));
        free(signal);
        return NULL;
    }
    signal->uv.data = signal;
    signal->on_signal = on_signal;
    signal->context = context;
    status = uv_signal_start(&signal->uv, signal_fired, number);
    if (status != 0) {
        error_set(error, EX_OSERR, "signal %d: %s", number, uv_strerror(status));
        loop_signal_free(signal);
        return NULL;
    }
    uv_unref((uv_handle_t *)&signal->uv);
    return signal;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (signal != NULL)
        signal_close(signal);
}

void loop_defer(struct loop *loop, struct loop_defer *defer)
{
    struct loop_defer *head = &loop->deferred;
    if (defer->next != NULL)
        return;
    if (head->next == head)
        uv_idle_start(&loop->idle, idle_did_turn);
    defer->next = head;
    defer->previous = head->previous;
    head->previous->next = defer;
    head->previous = defer;
}

void loop_defer_cancel(struct loop_defer *defer)
{
    if (defer->next != NULL)
        defer_unlink(defer);
}

static void job_work(uv_work_t *uv)
{
    struct loop_job *job = uv->data;
    job->work(job->context);
}

static void job_done(uv_work_t *uv, int status)
{
    struct loop_job *job = uv->data;
    (void)status; /* UV_ECANCELED alone, and nothing cancels */
    job->on_done(job->context);
    free(job);
}

bool loop_work(struct loop *loop, void (*work)(void *context), void (*on_done)(void *context),
               void *context)
{
    struct loop_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return false;
    job->work = work;
    job->on_done = on_done;
    job->context = context;
    job->uv.data = job;
    if (uv_queue_work(&loop->uv, &job->uv, job_work, job_done) != 0) {
        free(job);
        return false;
    }
    return true;
}

static size_t addresses_read(const struct addrinfo *found,
                             char addresses[LOOP_ADDRESSES_MAXIMUM][LOOP_ADDRESS_BYTES])
{
    size_t count = 0;
    for (; found != NULL && count < LOOP_ADDRESSES_MAXIMUM; found = found->ai_next)
        if (getnameinfo(found->ai_addr, found->ai_addrlen, addresses[count], LOOP_ADDRESS_BYTES,
                        NULL, 0, NI_NUMERICHOST) == 0)
            count++;
    return count;
}

static void lookup_done(uv_getaddrinfo_t *uv, int status, struct addrinfo *found)
{
    struct loop_lookup *lookup = uv->data;
    char addresses[LOOP_ADDRESSES_MAXIMUM][LOOP_ADDRESS_BYTES];
    size_t count = status == 0 ? addresses_read(found, addresses) : 0;
    const char *reason = count > 0 ? "" : status == 0 ? "no address" : uv_strerror(status);

    uv_freeaddrinfo(found);
    lookup->is_calling = true;
    if (!lookup->is_freed)
        lookup->on_found(lookup->context, (const char(*)[LOOP_ADDRESS_BYTES])addresses, count,
                         reason);
    lookup->is_calling = false;
    lookup->is_done = true;
    if (lookup->is_freed)
        free(lookup);
}

struct loop_lookup *loop_lookup_new(struct loop *loop, const char *name,
                                    void (*on_found)(void *context,
                                                     const char addresses[][LOOP_ADDRESS_BYTES],
                                                     size_t count, const char *reason),
                                    void *context)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct loop_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->on_found = on_found;
    lookup->context = context;
    lookup->uv.data = lookup;
    if (uv_getaddrinfo(&loop->uv, &lookup->uv, lookup_done, name, NULL, &hints) != 0) {
        free(lookup);
        return NULL;
    }
    return lookup;
}

/* One that no thread has begun yet is taken out of the line; its callback comes all the same. */
void loop_lookup_free(struct loop_lookup *lookup)
{
    if (lookup == NULL)
        return;
    lookup->is_freed = true;
    if (lookup->is_done)
        free(lookup);
    else if (!lookup->is_calling)
        uv_cancel((uv_req_t *)&lookup->uv);
}
