/* Loading what a worker works with. */
#include "worker/flow/equipment.h"

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

static bool relay_make(struct loop *loop, struct equipment *equipment, struct equipment *before,
                       struct error *error)
{
    struct smtp_options options;
    smtp_options_init(&options);
    if (!smtp_options_from_config(equipment->config, 1, &options, error))
        return false;
    equipment->relay_connections = options.connections;
    if (before != NULL && !equipment_differs(before, equipment, smtp_settings[0])) {
        equipment->relay = before->relay;
        before->relay = NULL;
        return true;
    }
    equipment->relay = smtp_client_new(loop, &options, error);
    return equipment->relay != NULL;
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

/* The relay comes last: nothing may fail once it is taken from `before`. */
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
    return relay_make(loop, equipment, before, error);
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
    if (equipment->relay != NULL)
        smtp_client_free(equipment->relay);
    template_set_free(equipment->templates);
    token_keys_wipe(&equipment->keys);
    dkim_keys_let_go(equipment->dkim_keys);
    config_free(equipment->config);
    free(equipment);
}
