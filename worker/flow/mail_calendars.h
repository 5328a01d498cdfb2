/* The calendar entries that go with a mail: which kinds have some, for whom, and what stands in
 * them. It knows neither the queue nor the relay, nor what an entry looks like inside. */
#ifndef HANDBELL_FLOW_MAIL_CALENDARS_H
#define HANDBELL_FLOW_MAIL_CALENDARS_H

#include "worker/base/buf.h"
#include "worker/flow/batch.h"
#include "worker/mail/calendar.h"
#include "worker/mail/compose.h"

#include <stdint.h>

/* Past MAIL_CALENDARS_DESCRIBED sessions the entries do without the joining instructions: the mail
 * has them, and each entry would have them again. */
enum {
    MAIL_CALENDARS_BYTES = 2 * 1024 * 1024,
    MAIL_CALENDARS_NAME_BYTES = 32,
    MAIL_CALENDARS_DESCRIBED = 10,
};

/* The entries of one mail after the other. `parts` point into `text` and `names`. */
struct mail_calendars {
    struct mail_calendar *maker; /* made at the first entry */
    struct buf text;
    struct buf location;
    struct buf description;
    struct mail_calendar_part parts[MAIL_CALENDARS_MAXIMUM];
    char names[MAIL_CALENDARS_MAXIMUM][MAIL_CALENDARS_NAME_BYTES];
    size_t count;
    /* Sessions that an entry could not be made of since mail_calendars_init: an end before the
     * start, a zone that this system does not know. Their mails go without, and the log says so. */
    size_t left_out;
};

void mail_calendars_init(struct mail_calendars *calendars);
void mail_calendars_free(struct mail_calendars *calendars);

/* All borrowed for the call. */
struct mail_calendars_input {
    const struct batch *batch;
    const struct json *data;         /* the claim's */
    const struct json *course_views; /* of the mail's language */
    const char *recipient_name;
    const char *address;
    int64_t now_unix_s;
};

/* Makes the entries of that mail in the place of those of the one before: none for a kind that has
 * none, nor for somebody who has no place on the course. An entry's UID is
 * "hb.TENANT.COURSE.SESSION@domain of from_address" for the session's whole life (RFC 5545 section
 * 3.8.4.7), its SEQUENCE the course's, its DTSTAMP when the message was made: of two with the same
 * SEQUENCE, a place given up and the cancellation of it say, the later holds (RFC 5546 section
 * 2.1.5). False without memory. */
bool mail_calendars_write(struct mail_calendars *calendars,
                          const struct mail_calendars_input *input);

#endif
