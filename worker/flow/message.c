/* A message's state and memory. It starts nothing. */
#include "worker/flow/message.h"

#include "worker/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MESSAGE_MAIL_BYTES = 8 * 1024 * 1024 };

struct message *message_new(struct message_lists *lists, struct batch *batch, enum lane lane,
                            int64_t message_id, int32_t epoch, const struct json *data)
{
    struct message *message = calloc(1, sizeof *message);
    if (message == NULL)
        return NULL;
    int64_t attempt = json_find_integer(data, "attempt", 0);
    message->lists = lists;
    message->lane = lane;
    message->tenant_id = batch->tenant_id;
    message->message_id = message_id;
    message->epoch = epoch;
    message->attempt = attempt < 0 ? 0 : attempt > UINT16_MAX ? UINT16_MAX : (uint32_t)attempt;
    message->data = json_hold(data);
    message->journal_entry =
        (struct journal_entry){.tenant_id = batch->tenant_id,
                               .message_id = message_id,
                               .created_unix_s = json_find_integer(data, "created_unix", 0),
                               .epoch = epoch};
    message->batch = batch;
    batch_hold(batch);
    buf_init(&message->mail, MESSAGE_MAIL_BYTES);
    return message;
}

void message_free(struct message *message)
{
    list_leave(&message->link);
    journal_forget(&message->journal_entry);
    batch_let_go(message->batch);
    json_free(message->data);
    buf_free(&message->mail);
    free(message->address);
    free(message->sender);
    free(message);
}

static struct list *list_of(struct message *message, enum message_state state)
{
    struct message_lists *lists = message->lists;
    switch (state) {
    case MESSAGE_CLAIMED:
        return &lists->claimed[message->lane];
    case MESSAGE_MARKING:
        return &lists->marking;
    case MESSAGE_MARKED:
        return &lists->marked[message->lane];
    case MESSAGE_SIGNING:
        return &lists->signing;
    case MESSAGE_OUTGOING:
        return &lists->outgoing[message->lane];
    case MESSAGE_SENDING:
        return &lists->sending;
    case MESSAGE_DONE:
        return &lists->done;
    case MESSAGE_RECORDING:
        return &lists->recording;
    case MESSAGE_NEW:
    case MESSAGE_ENDED:
        break;
    }
    return NULL;
}

void message_enter(struct message *message, enum message_state state)
{
    struct list *list = list_of(message, state);
    message->lists->held -= message->link.list != NULL;
    if (list != NULL)
        list_join(list, &message->link);
    else
        list_leave(&message->link);
    message->lists->held += list != NULL;
    message->state = state;
    LOG(LOG_LEVEL_DEBUG, "message_entered", log_int("tenant", message->tenant_id),
        log_int("message", message->message_id), log_text("state", message_state_name(state)));
}

const char *message_state_name(enum message_state state)
{
    static const char *const names[] = {"new",      "claimed", "marking", "marked",    "signing",
                                        "outgoing", "sending", "done",    "recording", "ended"};
    return names[state];
}

void message_keep_outcome(struct message *message, const struct outcome *outcome)
{
    static const char *const names[] = {"display_name", "first_name", "last_name", "name"};
    const struct json *person = json_find(message->data, "person");
    const struct json *school = json_find(message->data, "establishment");
    const char *at = strrchr(message->address, '@');
    char *text = message->outcome.text;

    message->outcome = *outcome;
    outcome_hide(text, message->address, at != NULL ? (unsigned)(at - message->address) : 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = json_find_text(person != NULL ? person : school, names[i]);
        outcome_hide(text, name, (unsigned)strlen(name));
    }
}

bool message_keep_courses(struct message *message, const int64_t *courses, size_t count)
{
    struct json *kept;
    if (count == 0 || count == json_array_count(json_find(message->data, "courses")))
        return true;
    kept = json_new_array();
    for (size_t i = 0; kept != NULL && i < count; i++)
        if (!json_append(kept, json_new_integer(courses[i]))) {
            json_free(kept);
            kept = NULL;
        }
    return json_set(message->data, "courses", kept);
}

void message_fail(struct message *message, const struct error *error)
{
    message->outcome = (struct outcome){
        .kind = error->exit_status == EX_DATAERR ? OUTCOME_REFUSED : OUTCOME_DEFERRED,
        .scope = OUTCOME_SCOPE_MESSAGE,
    };
    outcome_redact(message->outcome.text, sizeof message->outcome.text, error->text,
                   (unsigned)strlen(error->text));
}

static void list_free(struct list *list)
{
    LIST_EACH(link, list)
    {
        message_free(LIST_OBJECT(link, struct message, link));
    }
}

void message_lists_free(struct message_lists *lists)
{
    for (int lane = LANE_URGENT; lane <= LANE_COUNT; lane++) {
        list_free(&lists->claimed[lane]);
        list_free(&lists->marked[lane]);
        list_free(&lists->outgoing[lane]);
    }
    list_free(&lists->marking);
    list_free(&lists->signing);
    list_free(&lists->sending);
    list_free(&lists->done);
    list_free(&lists->recording);
}

size_t message_lists_ahead(const struct message_lists *lists)
{
    return lists->marking.count + message_lists_count(lists->marked) + lists->signing.count +
           message_lists_count(lists->outgoing);
}

size_t message_lists_count(const struct list lanes[LANE_COUNT + 1])
{
    size_t count = 0;
    for (int lane = LANE_URGENT; lane <= LANE_COUNT; lane++)
        count += lanes[lane].count;
    return count;
}

/* Who is nearest behind `tenant` comes first, and `tenant` itself last. */
static bool is_sooner(int64_t a, int64_t b, int64_t tenant)
{
    bool is_a_behind = a > tenant;
    bool is_b_behind = b > tenant;
    return is_a_behind != is_b_behind ? is_a_behind : a < b;
}

struct message *message_lists_turn(const struct list lanes[LANE_COUNT + 1],
                                   const int64_t tenants[LANE_COUNT + 1])
{
    struct message *next = message_lists_first(lanes);
    if (next == NULL)
        return NULL;
    LIST_EACH(link, next->link.list)
    {
        struct message *message = LIST_OBJECT(link, struct message, link);
        if (is_sooner(message->tenant_id, next->tenant_id, tenants[next->lane]))
            next = message;
    }
    return next;
}

struct message *message_lists_first(const struct list lanes[LANE_COUNT + 1])
{
    for (int lane = LANE_URGENT; lane <= LANE_COUNT; lane++)
        if (!list_is_empty(&lanes[lane]))
            return message_first(&lanes[lane]);
    return NULL;
}

struct message *message_first(const struct list *list)
{
    return list_is_empty(list) ? NULL : LIST_OBJECT(list->first, struct message, link);
}
