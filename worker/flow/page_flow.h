/* The story of a visit to a page: request, token, database, answer. It holds the server, the keys
 * and the connection to the database; it knows no SQL and no HTML. */
#ifndef HANDBELL_FLOW_PAGE_FLOW_H
#define HANDBELL_FLOW_PAGE_FLOW_H

#include "worker/base/config.h"
#include "worker/base/error.h"

struct loop;
struct page_flow;

/* Reads keys and pages, begins to connect to the database, and serves. `on_unfit` fires when the
 * database is one that cannot be used at all; `reason` is alive during it. NULL with `error`. Ended
 * by page_flow_free. */
struct page_flow *page_flow_new(struct loop *loop, const struct config *config,
                                void (*on_unfit)(void *context, const char *reason), void *context,
                                struct error *error);
/* Reads the keys and pages anew; on an error those before stay, and `error` says why. What else a
 * changed config says holds from the next start on. */
bool page_flow_reload(struct page_flow *flow, const struct config *config, struct error *error);
/* Takes no more visits; `on_stopped` fires once, in a later turn, when the last is answered. */
void page_flow_stop(struct page_flow *flow, void (*on_stopped)(void *context), void *context);
void page_flow_free(struct page_flow *flow); /* NULL is fine */

#endif
