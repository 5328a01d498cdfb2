/* What a worker takes from files: settings, templates, keys of tokens and of DKIM, and the relay's
 * client made of them. Loaded whole or not at all, at the start and at each reload. */
#ifndef HANDBELL_FLOW_EQUIPMENT_H
#define HANDBELL_FLOW_EQUIPMENT_H

#include "templates/template_set.h"
#include "worker/base/config.h"
#include "worker/flow/worker_options.h"
#include "worker/io/loop.h"
#include "worker/io/smtp.h"
#include "worker/mail/dkim_keys.h"
#include "worker/model/token_keys.h"

/* All owned. */
struct equipment {
    struct config *config;
    struct worker_options options;
    struct template_set *templates;
    struct token_keys keys;
    struct dkim_keys *dkim_keys;
    struct smtp_client *relay;
    uint32_t relay_connections;
};

/* Reads everything anew. `before` (NULL at the start) gives up its relay to the new one where no
 * [smtp] setting differs, so that its connections live on. NULL with `error` naming setting or file
 * and line; `before` is then untouched. Ended by equipment_free. */
struct equipment *equipment_load(struct loop *loop, const char *config_path,
                                 const struct setting *const *tables, struct equipment *before,
                                 struct error *error);
/* The relay too, if it is there: see smtp_client_free. */
void equipment_free(struct equipment *equipment); /* NULL is fine */

/* Whether one of the rows of `table` differs between the two. */
bool equipment_differs(const struct equipment *a, const struct equipment *b,
                       const struct setting *table);

#endif
