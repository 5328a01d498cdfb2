/* The flows of all relays. */
#include "worker/flow/relays.h"

/* What one relay's mails left free in the pool another's may be waiting for. */
static void on_signed(void *context, struct message *message, const struct error *error)
{
    struct relays *relays = context;
    message_flow_take_signed(message, error);
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        if (message_lists_first(relays->flows[i].lists.marked) != NULL)
            message_flow_advance(&relays->flows[i]);
}

bool relays_init(struct relays *relays, struct loop *loop, struct journal *journal,
                 struct keep *keep, struct mail_writer *writer, void (*on_room)(void *context),
                 void *context)
{
    const struct message_flow_parts parts = {
        .loop = loop,
        .journal = journal,
        .keep = keep,
        .writer = writer,
        .signing = &relays->signing,
        .tally = &relays->tally,
        .on_room = on_room,
        .context = context,
    };
    bool is_made = true;
    *relays = (struct relays){0};
    signing_init(&relays->signing, loop, on_signed, relays);
    for (size_t i = 0; i < SMTP_RELAYS && is_made; i++)
        is_made = message_flow_init(&relays->flows[i], &parts);
    return is_made;
}

void relays_free(struct relays *relays)
{
    if (relays->signing.loop == NULL)
        return;
    signing_free(&relays->signing);
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_free(&relays->flows[i]);
}

void relays_use(struct relays *relays, const struct equipment *equipment)
{
    relays->in_memory = equipment->options.in_memory;
    signing_set_keys(&relays->signing, equipment->dkim_keys);
    for (size_t i = 0; i < SMTP_RELAYS; i++) {
        const struct equipment_relay *relay = &equipment->relays[i];
        relays->flows[i].lease_ms = equipment->options.lease_ms;
        message_flow_set_relay(&relays->flows[i], (int)i + 1, relay->client, relay->connections,
                               &relay->options);
    }
}

/* What is down is told of, and so is what is there. */
static void relays_tell(struct relays *relays)
{
    const struct relay *told[SMTP_RELAYS];
    for (size_t i = 0; i < SMTP_RELAYS; i++) {
        relays->flows[i].relay.has_other_settings = (relays->report.differing >> i & 1) != 0;
        told[i] = &relays->flows[i].relay;
    }
    relay_report_tell(&relays->report, told);
}

void relays_open(struct relays *relays, const char *owner, struct queue *bell_queue,
                 struct queue *mark_queue, struct queue *record_queue)
{
    relay_report_open(&relays->report, record_queue, owner); /* nobody waits behind it there */
    relays_tell(relays);
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_open(&relays->flows[i], bell_queue, mark_queue, record_queue);
}

void relays_close(struct relays *relays)
{
    relay_report_close(&relays->report);
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_close(&relays->flows[i]);
}

void relays_tick(struct relays *relays)
{
    relays_tell(relays);
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_tick(&relays->flows[i]);
}

void relays_renew_lease(struct relays *relays, uint64_t asked_at_ms)
{
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_renew_lease(&relays->flows[i], asked_at_ms);
}

void relays_stop(struct relays *relays)
{
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        message_flow_stop(&relays->flows[i]);
}

bool relays_are_empty(const struct relays *relays)
{
    return relays_held(relays) == 0;
}

struct message_flow *relays_flow(struct relays *relays, int number)
{
    if (number < 1 || number > SMTP_RELAYS || relays->flows[number - 1].relay.client == NULL)
        return NULL;
    return &relays->flows[number - 1];
}

size_t relays_numbers(const struct relays *relays, int numbers[SMTP_RELAYS])
{
    size_t count = 0;
    for (int i = 0; i < SMTP_RELAYS; i++)
        if (relays->flows[i].relay.client != NULL)
            numbers[count++] = i + 1;
    return count;
}

uint32_t relays_capacity(const struct relays *relays)
{
    int numbers[SMTP_RELAYS];
    size_t count = relays_numbers(relays, numbers);
    return relays->in_memory / (uint32_t)(count > 0 ? count : 1);
}

uint32_t relays_held(const struct relays *relays)
{
    uint32_t held = 0;
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        held += relays->flows[i].lists.held;
    return held;
}

uint32_t relays_sending(const struct relays *relays)
{
    uint32_t sending = 0;
    for (size_t i = 0; i < SMTP_RELAYS; i++)
        sending += (uint32_t)relays->flows[i].lists.sending.count;
    return sending;
}
