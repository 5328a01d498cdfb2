/* A session of a course as an entry in somebody's calendar: one iTIP object (RFC 5546) of one event
 * (RFC 5545), for a mail to carry (RFC 6047). It knows no course, no booking and no language: texts
 * and times come ready. libical is known to calendar.c alone. */
#ifndef HANDBELL_MAIL_CALENDAR_H
#define HANDBELL_MAIL_CALENDAR_H

#include "worker/base/buf.h"
#include "worker/base/error.h"
#include "worker/mail/address.h"

#include <stdint.h>

/* Limits, in bytes. A longer summary, location, description or name is cut at a character and ends
 * in U+2026; anything else past its limit is refused. An object is below MAIL_CALENDAR_BYTES. */
enum {
    MAIL_CALENDAR_UID_BYTES = 255,
    MAIL_CALENDAR_ZONE_BYTES = 64,
    MAIL_CALENDAR_SUMMARY_BYTES = 1000,
    MAIL_CALENDAR_LOCATION_BYTES = 1000,
    MAIL_CALENDAR_DESCRIPTION_BYTES = 4000,
    MAIL_CALENDAR_BYTES = 64 * 1024,
    /* Zones kept by one mail_calendar, some 100 KB each; when there are more, the oldest makes
       room. */
    MAIL_CALENDAR_ZONES_MAXIMUM = 16,
};

/* REQUEST puts the event into the calendar or changes it there, CANCEL takes it out. */
enum mail_calendar_method { MAIL_CALENDAR_REQUEST, MAIL_CALENDAR_CANCEL };

/* All texts are borrowed for the call; "" or NULL means absent. */
struct mail_calendar_event {
    enum mail_calendar_method method;
    const char *uid;  /* required; visible ASCII; the same for the event's whole life */
    int64_t sequence; /* 0 to 2147483647; rises with each change, the cancellation included */
    int64_t stamp_unix_seconds;  /* when this object was made: DTSTAMP */
    int64_t starts_unix_seconds; /* required */
    int64_t ends_unix_seconds;   /* 0 where nobody said when: no DTEND (RFC 5545 section 3.6.1: the
                                    event then ends when it starts) */
    const char *zone; /* required: the zone that the times are shown in, an IANA name, or "UTC" */
    const char *summary;           /* UTF-8, as the next two; required */
    const char *location;          /* several lines become one, joined by ", " */
    const char *description;       /* LF or CR LF line ends */
    const char *url;               /* http or https */
    struct mail_address organizer; /* required, and so is the attendee */
    struct mail_address attendee;  /* whose calendar it is: the mail's recipient */
};

/* What is costly to make once more: the zones. Belongs to one thread at a time. */
struct mail_calendar;

/* NULL without memory. Ended by mail_calendar_free, which takes NULL. */
struct mail_calendar *mail_calendar_new(void);
void mail_calendar_free(struct mail_calendar *calendar);

/* Appends one VCALENDAR, with the VTIMEZONE that the event's times name: UTF-8, CR LF at each
 * line's end, lines of 75 octets at most, folded between characters. The same event gives the same
 * bytes. Whatever the texts hold stays text: no line, property or component begins in them.
 *
 * False with `error` (EX_DATAERR) naming the field, never its value, for what is required and
 * missing, a zone that the system's zone data lacks, an address that mail_address_check refuses, a
 * time outside the years 1970 to 9999, an end before the start; EX_OSERR without memory. `out` then
 * holds what it held before. Reads the zone's file from the system's zone data at the zone's first
 * use, else no file. */
bool mail_calendar_append(struct mail_calendar *calendar, const struct mail_calendar_event *event,
                          struct buf *out, struct error *error);

/* "REQUEST" or "CANCEL", for METHOD and for the part's Content-Type, which must agree (RFC 6047
 * section 2.4). */
const char *mail_calendar_method_name(enum mail_calendar_method method);

#endif
