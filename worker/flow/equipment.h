/* What a worker takes from files: settings, templates, keys of tokens and of DKIM, and the relays'
 * clients made of them. Loaded whole or not at all, at the start and at each reload. */
#ifndef HANDBELL_FLOW_EQUIPMENT_H
#define HANDBELL_FLOW_EQUIPMENT_H

#include "templates/template_set.h"
#include "worker/base/config.h"
#include "worker/flow/relay_options.h"
#include "worker/flow/worker_options.h"
#include "worker/io/loop.h"
#include "worker/io/smtp.h"
#include "worker/mail/dkim_keys.h"
#include "worker/model/token_keys.h"

/* `client` is NULL where the relay is not there. */
struct equipment_relay {
    struct smtp_client *client;
    uint32_t connections;
    struct relay_options options;
};

/* All owned. Relay N is at N - 1. */
struct equipment {
    struct config *config;
    struct worker_options options;
    struct template_set *templates;
    struct token_keys keys;
    struct dkim_keys *dkim_keys;
    struct equipment_relay relays[SMTP_RELAYS];
    size_t draining; /* clients that have not said that they are done */
    void (*on_drained)(void *context);
    void *drained_context;
};

/* Reads everything anew. `before` (NULL at the start) gives up each client of which no
 * setting differs to the new one, so that its connections live on. NULL with `error` naming setting
 * or file and line; `before` is then untouched. Ended by equipment_free. */
struct equipment *equipment_load(struct loop *loop, const char *config_path,
                                 const struct setting *const *tables, struct equipment *before,
                                 struct error *error);
/* The clients too, those that are there: see smtp_client_free. */
void equipment_free(struct equipment *equipment); /* NULL is fine */
/* Drains all its clients (smtp_client_drain); `on_drained` is called once, when all are done. False
 * where there are none: it is not called then. Called again, the later call counts. */
bool equipment_drain(struct equipment *equipment, uint64_t limit_ms,
                     void (*on_drained)(void *context), void *context);
/* The connections of all relays together. */
uint32_t equipment_connections(const struct equipment *equipment);

/* Whether one of the rows of `table` differs between the two. */
bool equipment_differs(const struct equipment *a, const struct equipment *b,
                       const struct setting *table);
/* Says in the log that `event` has come about, and with what the worker `owner` works now. */
void equipment_log(const struct equipment *equipment, const char *owner, const char *event);
/* Says in the log what differs and is not taken over while running: the database's address and the
 * state directory. */
void equipment_warn_of_restart(const struct equipment *before, const struct equipment *now);

#endif
