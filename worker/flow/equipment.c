/* Loading what a worker works with. */
#include "worker/flow/equipment.h"

#include "queue/client/queue.h"
#include "worker/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

bool equipment_differs(const struct equipment *a, const struct equipment *b,
                       const struct setting *table)
{
    for (const struct setting *row = table; row->section != NULL; row++)
        if (strcmp(config_text(a->config, row->section, row->key),
                   config_text(b->config, row->section, row->key)) != 0)
            return true;
    return false;
}

void equipment_log(const struct equipment *equipment, const char *owner, const char *event)
{
    LOG(LOG_LEVEL_INFO, event, log_text("owner", owner), log_text("version", HANDBELL_VERSION),
        log_int("in_memory", equipment->options.in_memory),
        log_int("connections", equipment_connections(equipment)),
        log_int("dkim_domains", (int64_t)dkim_keys_count(equipment->dkim_keys)));
}

void equipment_warn_of_restart(const struct equipment *before, const struct equipment *now)
{
    if (equipment_differs(before, now, database_settings) ||
        strcmp(before->options.state_dir, now->options.state_dir) != 0)
        LOG(LOG_LEVEL_WARNING, "restart_needed",
            log_text("for", "[database] and [worker] state_dir"));
}

static bool relay_make(struct loop *loop, struct equipment *equipment, unsigned relay,
                       struct equipment *before, struct error *error)
{
    struct equipment_relay *own = &equipment->relays[relay - 1];
    struct smtp_options options;

    if (!own->options.is_configured)
        return true;
    if (!smtp_options_from_config(equipment->config, relay, &options, error))
        return false;
    own->connections = options.connections;
    if (before != NULL && before->relays[relay - 1].client != NULL &&
        !equipment_differs(before, equipment, smtp_settings[relay - 1]))
        return true; /* it is taken over when all else is known to be good */
    own->client = smtp_client_new(loop, &options, error);
    return own->client != NULL;
}

static bool relays_make(struct loop *loop, struct equipment *equipment, struct equipment *before,
                        struct error *error)
{
    struct relay_options options[SMTP_RELAYS];
    if (!relay_options_read(equipment->config, options, error))
        return false;
    for (unsigned relay = 1; relay <= SMTP_RELAYS; relay++) {
        equipment->relays[relay - 1].options = options[relay - 1];
        if (!relay_make(loop, equipment, relay, before, error))
            return false;
    }
    for (size_t i = 0; before != NULL && i < SMTP_RELAYS; i++) {
        if (!equipment->relays[i].options.is_configured || equipment->relays[i].client != NULL)
            continue;
        equipment->relays[i].client = before->relays[i].client;
        before->relays[i].client = NULL;
    }
    return true;
}

/* At a start, a tenant whose own files are wrong gets the shipped templates: better than no mail,
 * for it and for all others. While running, what is in force is better still. */
static bool tenants_weigh(const struct template_set *set, bool is_start, struct error *error)
{
    for (size_t i = 0; i < template_set_problem_count(set); i++) {
        const char *problem = template_set_problem_at(set, i);
        if (!is_start)
            return error_set(error, EX_CONFIG, "%s", problem);
        LOG(LOG_LEVEL_ERROR, "tenant_templates_refused", log_text("problem", problem));
    }
    return true;
}

/* The relays come last: nothing may fail once one is taken from `before`. */
static bool equipment_fill(struct loop *loop, struct equipment *equipment, const char *config_path,
                           const struct setting *const *tables, struct equipment *before,
                           struct error *error)
{
    equipment->config = config_load(config_path, tables, error);
    if (equipment->config == NULL ||
        !worker_options_read(equipment->config, &equipment->options, error))
        return false;
    equipment->templates =
        template_set_load(config_text(equipment->config, "templates", "dir"),
                          config_text(equipment->config, "templates", "overrides"), error);
    if (equipment->templates == NULL || !tenants_weigh(equipment->templates, before == NULL, error))
        return false;
    if (!token_keys_read(equipment->options.key_file, &equipment->keys, error))
        return error_prefix(error, "[security] key_file");
    equipment->dkim_keys = dkim_keys_read(config_text(equipment->config, "dkim", "key_dir"), error);
    if (equipment->dkim_keys == NULL)
        return error_prefix(error, "[dkim] key_dir");
    return relays_make(loop, equipment, before, error);
}

struct equipment *equipment_load(struct loop *loop, const char *config_path,
                                 const struct setting *const *tables, struct equipment *before,
                                 struct error *error)
{
    struct equipment *equipment = calloc(1, sizeof *equipment);
    if (equipment == NULL) {
        error_set(error, EX_OSERR, "no memory");
        return NULL;
    }
    if (equipment_fill(loop, equipment, config_path, tables, before, error))
        return equipment;
    equipment_free(equipment);
    return NULL;
}

void equipment_free(struct equipment *equipment)
{
    if (equipment == NULL)
        return;
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        smtp_client_free(equipment->relays[i].client);
    template_set_free(equipment->templates);
    token_keys_wipe(&equipment->keys);
    dkim_keys_let_go(equipment->dkim_keys);
    config_free(equipment->config);
    free(equipment);
}

static void on_client_drained(void *context)
{
    struct equipment *equipment = context;
    if (equipment->draining > 0 && --equipment->draining == 0)
        equipment->on_drained(equipment->drained_context);
}

bool equipment_drain(struct equipment *equipment, uint64_t limit_ms,
                     void (*on_drained)(void *context), void *context)
{
    equipment->draining = 0;
    equipment->on_drained = on_drained;
    equipment->drained_context = context;
    for (size_t i = 0; i < SMTP_RELAYS; i++) {
        if (equipment->relays[i].client == NULL)
            continue;
        equipment->draining++;
        smtp_client_drain(equipment->relays[i].client, limit_ms, on_client_drained, equipment);
    }
    return equipment->draining > 0;
}

uint32_t equipment_connections(const struct equipment *equipment)
{
    uint32_t connections = 0;
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        connections += equipment->relays[i].connections;
    return connections;
}
