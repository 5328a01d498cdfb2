/* The topics' names and numbers, in one table. Knows no person and no message. */
#include "worker/model/topic.h"

#include <string.h>

static const char *const topic_names[] = {
    [TOPIC_NONE] = "none",
    [TOPIC_ALERTS] = "alerts",
    [TOPIC_BULLETIN] = "bulletin",
    [TOPIC_OPTIONAL] = "optional",
};

enum { TOPIC_COUNT = sizeof topic_names / sizeof topic_names[0] };

bool topic_is_known(unsigned number)
{
    return number > TOPIC_NONE && number < TOPIC_COUNT;
}

const char *topic_name(enum topic topic)
{
    return (unsigned)topic < TOPIC_COUNT ? topic_names[topic] : "";
}

bool topic_from_name(const char *name, enum topic *topic)
{
    if (name == NULL)
        return false;
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(name, topic_names[i]) == 0) {
            *topic = (enum topic)i;
            return true;
        }
    }
    return false;
}
