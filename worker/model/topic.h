/* What an opt-out stops. The numbers are inside signed tokens that lie in old mails for years: a
 * number, once given, keeps its meaning. This file knows no person and no message. */
#ifndef HANDBELL_MODEL_TOPIC_H
#define HANDBELL_MODEL_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

enum topic {
    TOPIC_NONE = 0,     /* no opt-out: account mail and its like */
    TOPIC_ALERTS = 1,   /* course alerts */
    TOPIC_BULLETIN = 2, /* the regular bulletin */
    TOPIC_OPTIONAL = 3, /* every optional topic; mail about a course one has booked goes on */
};

/* Whether `number` is a topic that can be opted out of (so not TOPIC_NONE). */
bool topic_is_known(unsigned number);
/* The word that the database uses: "none", "alerts", "bulletin", "optional"; "" for any other
 * number. Static. */
const char *topic_name(enum topic topic);
/* The topic of that name; false, and `topic` untouched, for any other text (NULL included). */
bool topic_from_name(const char *name, enum topic *topic);

#endif
