/* The event loop, by libuv (named in loop.c alone): timers, file descriptors, signals, names,
 * work on the thread pool. It knows nothing of what the callbacks do. One thread runs a loop and
 * calls all of this; the one exception is the work function of loop_work, which runs on a pool
 * thread.
 *
 * No callback ever fires inside the call that started it: all fire from loop_run. Each object below
 * belongs to whoever made it, until its _free function: from that call on its callback fires no
 * more and the pointer is dead to the caller, inside the object's own callback too (the memory
 * itself is given back in a later turn of the loop). */
#ifndef HANDBELL_IO_LOOP_H
#define HANDBELL_IO_LOOP_H

#include "worker/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_poll;
struct loop_signal;
struct loop_lookup;

/* A new loop; NULL with `error` (EX_OSERR) when the system has no descriptor or memory left. Ended
 * by loop_free. */
struct loop *loop_new(struct error *error);
/* Ends a loop that is not running: waits for pool work under way and calls its done callback, then
 * closes and frees every timer, poll and signal that its owner left behind. NULL is fine. */
void loop_free(struct loop *loop);
/* Runs callbacks until loop_stop, or until nothing is left that could cause one. May be called
 * again. */
void loop_run(struct loop *loop);
/* Makes loop_run return after the callbacks of this turn. */
void loop_stop(struct loop *loop);
/* CLOCK_MONOTONIC in milliseconds as read at the start of this turn: cheap, on the same scale as
 * clock_monotonic_ms, and late by as long as this turn's callbacks have taken. */
uint64_t loop_now_ms(const struct loop *loop);
/* What is read in this turn had not come before then, by clock_monotonic_ms: when the loop began to
 * wait for it. It may have come at any time since, for the process may have been stopped. */
uint64_t loop_waited_from_ms(const struct loop *loop);

/* A single-shot timer, not yet started; NULL without memory. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*on_time)(void *context), void *context);
/* Fires once, `after_ms` from now (0: in the next turn), by the time at the start of this turn. A
 * timer that runs starts again from now. */
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop_timer *timer); /* NULL is fine */
bool loop_timer_is_running(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is fine */

/* A set of these. */
enum loop_events { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };

/* Watches `fd` (a socket, pipe or anything epoll takes), for nothing yet; sets it non-blocking.
 * One loop_poll an fd at a time. NULL with `error` (EX_OSERR) when epoll refuses it. The fd stays
 * the caller's, who calls loop_poll_free BEFORE closing it: from then on it may be closed, or
 * watched by a new loop_poll, in the same turn. */
struct loop_poll *loop_poll_new(struct loop *loop, int fd,
                                void (*on_ready)(void *context, unsigned events), void *context,
                                struct error *error);
/* From now on fires for `events` (0: for none), level-triggered: as long as the fd is ready, each
 * turn. A broken or hung-up fd is reported once as readable and writable, whatever was asked for,
 * so that the next read or write says what is wrong; the poll then watches for nothing until set
 * again. */
void loop_poll_set(struct loop_poll *poll, unsigned events);
void loop_poll_free(struct loop_poll *poll); /* NULL is fine */

/* Calls `on_signal` in the loop each time `number` (SIGTERM, SIGINT, SIGHUP, ...) arrives, instead
 * of what the signal does by default; does not keep loop_run from returning. NULL with `error`
 * (EX_OSERR) on a failure. From loop_signal_free (or loop_free) on the process ignores that signal:
 * whoever stops listening is at its end, and a second SIGTERM must not make that a kill. */
struct loop_signal *loop_signal_new(struct loop *loop, int number,
                                    void (*on_signal)(void *context, int number), void *context,
                                    struct error *error);
void loop_signal_free(struct loop_signal *signal); /* NULL is fine */

enum { LOOP_ADDRESSES_MAXIMUM = 8, LOOP_ADDRESS_BYTES = 48 };

/* Asks the system's resolver (hosts file, DNS) for the addresses of `name` on a pool thread; at
 * most half of the pool does so at a time, whatever the name servers do. `on_found` fires once,
 * with up to LOOP_ADDRESSES_MAXIMUM numeric addresses in the resolver's order, alive during the
 * callback; or with none and a `reason` ("" otherwise). NULL without memory. Ended by
 * loop_lookup_free, in the callback too: a name server may keep the thread for its own time-outs
 * (some 10 s each), and loop_free waits for it. */
struct loop_lookup *loop_lookup_new(struct loop *loop, const char *name,
                                    void (*on_found)(void *context,
                                                     const char addresses[][LOOP_ADDRESS_BYTES],
                                                     size_t count, const char *reason),
                                    void *context);
void loop_lookup_free(struct loop_lookup *lookup); /* NULL is fine */

/* One callback to run in the next turn of the loop, once. Lies inside the caller's own struct and
 * allocates nothing; zero it before first use. */
struct loop_defer {
    void (*run)(void *context);
    void *context;
    struct loop_defer *next;
    struct loop_defer *previous;
};

/* Runs `defer->run` in the next turn, in the order of these calls. On one that waits already it
 * does nothing. The struct must live until it ran or was cancelled; when it runs it waits no more,
 * so it may be deferred again, or freed, from inside. */
void loop_defer(struct loop *loop, struct loop_defer *defer);
/* Takes back one that waits; on any other it does nothing. */
void loop_defer_cancel(struct loop_defer *defer);

/* Runs `work` on a pool thread, then `on_done` in the loop, both with `context`, which lives until
 * on_done was called. `work` shares nothing with the loop's thread but `context`. It cannot be
 * cancelled. False without memory: neither is then called. */
bool loop_work(struct loop *loop, void (*work)(void *context), void (*on_done)(void *context),
               void *context);

#endif
