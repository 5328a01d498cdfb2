/* The texts of a calendar object, made harmless before any library sees them. */
#ifndef HANDBELL_MAIL_CALENDAR_TEXT_H
#define HANDBELL_MAIL_CALENDAR_TEXT_H

#include "worker/mail/calendar.h"

/* As they go into properties: valid UTF-8 within the limits of calendar.h, without controls but LF
 * and TAB in the description, without characters that turn the reading direction. Names have no
 * '"', which no parameter can hold (RFC 5545 section 3.2), and neither '^' nor '\', which some
 * calendars take for an escape (RFC 6868) and some do not; addresses are "mailto:" URIs. */
struct calendar_texts {
    struct buf summary;
    struct buf location;
    struct buf description;
    struct buf organizer;
    struct buf organizer_name;
    struct buf attendee;
    struct buf attendee_name;
};

/* All that mail_calendar_append refuses, but for a zone that does not exist. */
bool calendar_event_check(const struct mail_calendar_event *event, struct error *error);

/* Of an event that passed the check. False without memory. Ended by calendar_texts_free in either
 * case. */
bool calendar_texts_make(struct calendar_texts *texts, const struct mail_calendar_event *event);
void calendar_texts_free(struct calendar_texts *texts);

/* Makes `folded` (which it initialises; the caller frees it in either case) a printed object with
 * folds of our own: lines of 75 octets at most, cut between characters (RFC 5545 section 3.1).
 * libical 3.0.16 puts a fold between a line's CR and LF where just these are too much for the line.
 * False without memory. */
bool calendar_fold(struct buf *folded, const char *printed);

#endif
