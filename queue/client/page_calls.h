/* The pages' calls onto the database: one function here for one page_* in
 * queue/sql/functions/70_pages.sql. It knows their answers, not the pages. */
#ifndef HANDBELL_QUEUE_CLIENT_PAGE_CALLS_H
#define HANDBELL_QUEUE_CLIENT_PAGE_CALLS_H

#include "worker/base/config.h"
#include "worker/io/pg.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct page_database;

/* One connection, with the settings of section [database]; no call waits longer than 5 s.
 * `on_unfit` fires when the server is one that cannot be used (PG_STATE_UNFIT). NULL with `error`
 * as pg_new. Ended by page_database_free, which fires the callbacks of all calls that are under
 * way, inside it, as PAGE_REPLY_AWAY. */
struct page_database *page_database_new(struct loop *loop, const struct config *config,
                                        void (*on_unfit)(void *context, const char *reason),
                                        void *context, struct error *error);
void page_database_free(struct page_database *database); /* NULL is fine */
/* When a call was last answered (clock_monotonic_ms); 0: never yet. */
uint64_t page_database_answered_ms(const struct page_database *database);

/* Whose link it is, from its token, and the Host under which it was opened. */
struct page_link {
    int64_t tenant_id;
    int64_t person_id;
    const char *topic;
    const char *host;
};

enum page_reply {
    PAGE_REPLY_DONE,    /* what was asked holds now, and is committed */
    PAGE_REPLY_UNKNOWN, /* no such person, or the pages of another tenant: refused */
    PAGE_REPLY_AWAY,    /* the database is not there just now; the change may be made or not */
    PAGE_REPLY_FAILED,  /* the database refused the call: asking again would not help */
};

/* Texts are "" where there is none, and alive during the callback. */
struct page_view {
    const char *tenant_name;
    const char *privacy_url;
    const char *contact;
    const char *person_name;
    bool is_stopped;
    bool is_undoable;
};

/* Each call has exactly one callback, in a later turn of the loop. False only without memory: then
 * it does not fire. `view` is NULL unless the reply is PAGE_REPLY_DONE. */
typedef void page_on_view(void *context, enum page_reply reply, const struct page_view *view);
typedef void page_on_reply(void *context, enum page_reply reply);
typedef void page_on_answer(void *context, enum page_reply reply, bool is_true);

bool page_ask_view(struct page_database *database, const struct page_link *link,
                   page_on_view *on_done, void *context);
/* `how`: "one_click" or "page". Said before: done, too, and not counted again. */
bool page_opt_out(struct page_database *database, const struct page_link *link, const char *how,
                  page_on_reply *on_done, void *context);
/* Takes back what was said through a link about this topic; nothing of the kind: done, too. */
bool page_opt_in(struct page_database *database, const struct page_link *link,
                 page_on_reply *on_done, void *context);
/* After a committed opt-out: may a mail of its topic still be on the wire? */
bool page_ask_in_flight(struct page_database *database, const struct page_link *link,
                        page_on_answer *on_done, void *context);
/* Would the database take a page's call? Not where it is away, not migrated, or the login has no
 * right; the reason is logged, then ever more rarely. Asked by itself at each new connection. */
bool page_ask_alive(struct page_database *database, page_on_reply *on_done, void *context);

#endif
