/* Draining what was replaced. */
#include "worker/flow/retired.h"

/* Not from within a client's own callback: see smtp_client_free. */
static void on_bury(void *context)
{
    struct retired *retired = context;
    for (size_t i = 0; i < RETIRED_MOST; i++) {
        if (retired->equipment[i] == NULL || retired->equipment[i]->draining > 0)
            continue;
        equipment_free(retired->equipment[i]);
        retired->equipment[i] = NULL;
    }
}

static void on_drained(void *context)
{
    struct retired *retired = context;
    loop_defer(retired->loop, &retired->bury);
}

void retired_init(struct retired *retired, struct loop *loop)
{
    *retired = (struct retired){.loop = loop};
    retired->bury = (struct loop_defer){.run = on_bury, .context = retired};
}

static size_t place_find(const struct retired *retired)
{
    size_t i = 0;
    while (i < RETIRED_MOST && retired->equipment[i] != NULL)
        i++;
    return i;
}

bool retired_has_room(const struct retired *retired)
{
    return place_find(retired) < RETIRED_MOST;
}

void retired_take(struct retired *retired, struct equipment *equipment)
{
    retired->equipment[place_find(retired)] = equipment;
    if (!equipment_drain(equipment, RETIRED_DRAIN_MS, on_drained, retired))
        loop_defer(retired->loop, &retired->bury);
}

void retired_hurry(struct retired *retired, uint64_t limit_ms)
{
    for (size_t i = 0; i < RETIRED_MOST; i++)
        if (retired->equipment[i] != NULL)
            equipment_drain(retired->equipment[i], limit_ms, on_drained, retired);
}

void retired_free(struct retired *retired)
{
    for (size_t i = 0; i < RETIRED_MOST; i++)
        equipment_free(retired->equipment[i]);
    loop_defer_cancel(&retired->bury);
}
