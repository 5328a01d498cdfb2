/* The adapter of libical: an event in, the text of a calendar object out. Must not know courses,
 * bookings or languages.
 *
 * Of libical it uses what keeps little state of the whole process: the _r functions (the others
 * lend memory that a ring of buffers frees behind one's back), zones of our own in the place of its
 * table of built-in ones, and errors that are returned (it can be told to abort instead). */
#include "worker/mail/calendar.h"

#include "worker/mail/calendar_text.h"

#include <libical/ical.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* The last years that the files of tzdata list one by one. */
enum { LISTED_YEAR = 2036, RULE_YEAR = 2037 };

/* `full` is all that the system knows of the zone since the nineteenth century, 9 KB for
 * Europe/London; `brief` the rules in force at the event last written, which is what goes into a
 * mail: Outlook reads one STANDARD and one DAYLIGHT with yearly rules and guesses at more
 * (MS-STANOICAL section 2.2.47), Exchange may refuse the object. It serves events that start from
 * `brief_from` to before `brief_until`: another event's rules never show in an object. NULL where
 * none would be right. */
struct zone {
    char name[MAIL_CALENDAR_ZONE_BYTES + 1];
    icaltimezone *full;
    icaltimezone *brief;
    int64_t brief_from;
    int64_t brief_until;
};

struct mail_calendar {
    struct zone zones[MAIL_CALENDAR_ZONES_MAXIMUM];
    size_t zone_count;
    size_t oldest; /* where there is no room for one more */
};

const char *mail_calendar_method_name(enum mail_calendar_method method)
{
    return method == MAIL_CALENDAR_CANCEL ? "CANCEL" : "REQUEST";
}

struct mail_calendar *mail_calendar_new(void)
{
    icalerror_set_errors_are_fatal(0);
    return calloc(1, sizeof(struct mail_calendar));
}

static void brief_free(struct zone *zone)
{
    if (zone->brief != NULL)
        icaltimezone_free(zone->brief, 1);
    zone->brief = NULL;
    zone->brief_from = 0;
    zone->brief_until = 0;
}

static void zone_free(struct zone *zone)
{
    brief_free(zone);
    if (zone->full != NULL)
        icaltimezone_free(zone->full, 1);
    *zone = (struct zone){0};
}

void mail_calendar_free(struct mail_calendar *calendar)
{
    for (size_t i = 0; calendar != NULL && i < calendar->zone_count; i++)
        zone_free(&calendar->zones[i]);
    free(calendar);
}

static bool no_memory(struct error *error)
{
    return error_set(error, EX_OSERR, "calendar: out of memory");
}

/* Takes the component, also where it fails. */
static icaltimezone *timezone_make(icalcomponent *component)
{
    icaltimezone *made = icaltimezone_new();
    if (made != NULL && icaltimezone_set_component(made, component) == 1)
        return made;
    icalcomponent_free(component);
    if (made != NULL)
        icaltimezone_free(made, 1);
    return NULL;
}

/* The names are paths in the zone data's folder: only what cannot leave it is looked for. */
static bool is_zone_name(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > MAIL_CALENDAR_ZONE_BYTES || strstr(name, "//") != NULL)
        return false;
    for (const char *c = name; *c != '\0'; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        bool is_digit = *c >= '0' && *c <= '9';
        if (!is_letter && !is_digit && strchr("_+-/", *c) == NULL)
            return false;
    }
    return name[0] != '/' && name[size - 1] != '/';
}

/* Behind the changes that it lists, up to 2037, a zone's file has a rule for ever, which libical
 * 3.0.16 misreads for some (it takes St John's for an hour more, Nuuk has no winter). So that rule
 * goes, and the listed changes that reach its beginning go on. */
static void zone_extend(icalcomponent *component)
{
    icalcompiter each = icalcomponent_begin_component(component, ICAL_ANY_COMPONENT);
    icalcomponent *one = icalcompiter_deref(&each);
    while (one != NULL) {
        icalcomponent *next = icalcompiter_next(&each);
        icalproperty *property = icalcomponent_get_first_property(one, ICAL_RRULE_PROPERTY);
        if (property != NULL) {
            struct icalrecurrencetype rule = icalproperty_get_rrule(property);
            bool is_endless = icaltime_is_null_time(rule.until);
            if (is_endless && icalcomponent_get_dtstart(one).year >= RULE_YEAR) {
                icalcomponent_remove_component(component, one);
                icalcomponent_free(one);
            } else if (!is_endless && rule.until.year >= LISTED_YEAR) {
                rule.until = icaltime_null_time();
                icalproperty_set_rrule(property, rule);
            }
        }
        one = next;
    }
}

static struct zone *zone_find(struct mail_calendar *calendar, const char *name, struct error *error)
{
    for (size_t i = 0; i < calendar->zone_count; i++)
        if (strcmp(calendar->zones[i].name, name) == 0)
            return &calendar->zones[i];
    icalcomponent *component = is_zone_name(name) ? icaltzutil_fetch_timezone(name) : NULL;
    if (component == NULL) {
        (void)error_set(error, EX_DATAERR, "zone: not in the system's zone data");
        return NULL;
    }
    zone_extend(component);
    icaltimezone *full = timezone_make(component);
    if (full == NULL) {
        (void)no_memory(error);
        return NULL;
    }
    size_t place = calendar->zone_count;
    if (place == MAIL_CALENDAR_ZONES_MAXIMUM) {
        place = calendar->oldest;
        calendar->oldest = (place + 1) % MAIL_CALENDAR_ZONES_MAXIMUM;
        zone_free(&calendar->zones[place]);
    } else {
        calendar->zone_count++;
    }
    struct zone *zone = &calendar->zones[place];
    memcpy(zone->name, name, strlen(name) + 1);
    zone->full = full;
    return zone;
}

static int offset_at(icaltimezone *zone, int64_t unix_seconds)
{
    int is_daylight = 0;
    struct icaltimetype utc = icaltime_from_timet_with_zone(unix_seconds, 0, NULL);
    return icaltimezone_get_utc_offset_of_utc_time(zone, &utc, &is_daylight);
}

static struct icaltimetype local_time(int64_t unix_seconds, int offset_s)
{
    return icaltime_from_timet_with_zone(unix_seconds + offset_s, 0, NULL);
}

/* One weekday of one month: all that Outlook takes of a zone's rule. */
static bool is_plain_rule(const struct icalrecurrencetype *rule)
{
    return rule->freq == ICAL_YEARLY_RECURRENCE && rule->interval <= 1 &&
           rule->by_day[0] != ICAL_RECURRENCE_ARRAY_MAX &&
           rule->by_day[1] == ICAL_RECURRENCE_ARRAY_MAX &&
           icalrecurrencetype_day_position(rule->by_day[0]) != 0 &&
           rule->by_month[0] != ICAL_RECURRENCE_ARRAY_MAX &&
           rule->by_month[1] == ICAL_RECURRENCE_ARRAY_MAX &&
           rule->by_month_day[0] == ICAL_RECURRENCE_ARRAY_MAX &&
           rule->by_year_day[0] == ICAL_RECURRENCE_ARRAY_MAX;
}

/* A change of the clocks, as a component of a VTIMEZONE says it. */
struct change {
    icalproperty *name;
    icalproperty *from;
    icalproperty *to;
    struct icaltimetype first;
    struct icalrecurrencetype rule;
};

static bool change_read(icalcomponent *component, struct change *change)
{
    icalproperty *rule = icalcomponent_get_first_property(component, ICAL_RRULE_PROPERTY);
    icalproperty *first = icalcomponent_get_first_property(component, ICAL_DTSTART_PROPERTY);
    change->name = icalcomponent_get_first_property(component, ICAL_TZNAME_PROPERTY);
    change->from = icalcomponent_get_first_property(component, ICAL_TZOFFSETFROM_PROPERTY);
    change->to = icalcomponent_get_first_property(component, ICAL_TZOFFSETTO_PROPERTY);
    if (rule == NULL || first == NULL || change->name == NULL || change->from == NULL ||
        change->to == NULL)
        return false;
    change->rule = icalproperty_get_rrule(rule);
    change->first = icalproperty_get_dtstart(first);
    return is_plain_rule(&change->rule);
}

/* Whether the rule is in force at `at`; narrows the zone's window to where that stays so. */
static bool change_is_in_force(const struct change *change, struct zone *zone, int64_t at)
{
    bool is_endless = icaltime_is_null_time(change->rule.until);
    int64_t from = icaltime_as_timet(change->first);
    int64_t until = is_endless ? INT64_MAX : icaltime_as_timet(change->rule.until);
    bool is_over = until <= at;
    bool is_ahead = from > at;
    int64_t earliest = is_over ? until : from;
    int64_t latest = is_ahead ? from : until;
    if (!is_ahead && earliest > zone->brief_from)
        zone->brief_from = earliest;
    if (!is_over && latest < zone->brief_until)
        zone->brief_until = latest;
    return !is_over && !is_ahead;
}

/* Forward is DAYLIGHT, whatever the file calls it (Dublin's winter is "daylight" there). */
static bool change_add(icalcomponent *vtimezone, struct change *change, bool is_forward)
{
    change->rule.until = icaltime_null_time();
    icalcomponent *component = icalcomponent_vanew(
        is_forward ? ICAL_XDAYLIGHT_COMPONENT : ICAL_XSTANDARD_COMPONENT,
        icalproperty_new_tzname(icalproperty_get_tzname(change->name)),
        icalproperty_new_tzoffsetfrom(icalproperty_get_tzoffsetfrom(change->from)),
        icalproperty_new_tzoffsetto(icalproperty_get_tzoffsetto(change->to)),
        icalproperty_new_dtstart(change->first), icalproperty_new_rrule(change->rule), (void *)0);
    if (component == NULL)
        return false;
    icalcomponent_add_component(vtimezone, component);
    return true;
}

/* The latest rule in force for each direction; false unless there are both. */
static bool changes_add(struct zone *zone, icalcomponent *vtimezone, int64_t at)
{
    struct change latest[2] = {0};
    bool has[2] = {false, false};
    icalcomponent *all = icaltimezone_get_component(zone->full);
    icalcompiter each = icalcomponent_begin_component(all, ICAL_ANY_COMPONENT);
    zone->brief_from = INT64_MIN;
    zone->brief_until = INT64_MAX;
    for (icalcomponent *one = icalcompiter_deref(&each); one != NULL;
         one = icalcompiter_next(&each)) {
        struct change change;
        if (!change_read(one, &change) || !change_is_in_force(&change, zone, at))
            continue;
        bool is_forward =
            icalproperty_get_tzoffsetto(change.to) > icalproperty_get_tzoffsetfrom(change.from);
        size_t way = is_forward ? 1 : 0;
        if (!has[way] || icaltime_compare(change.first, latest[way].first) > 0)
            latest[way] = change;
        has[way] = true;
    }
    return has[0] && has[1] && change_add(vtimezone, &latest[0], false) &&
           change_add(vtimezone, &latest[1], true);
}

static icalcomponent *vtimezone_new(const struct zone *zone)
{
    return icalcomponent_vanew(ICAL_VTIMEZONE_COMPONENT, icalproperty_new_tzid(zone->name),
                               (void *)0);
}

static icaltimezone *brief_by_rules(struct zone *zone, int64_t at)
{
    icalcomponent *vtimezone = vtimezone_new(zone);
    if (vtimezone == NULL)
        return NULL;
    if (changes_add(zone, vtimezone, at))
        return timezone_make(vtimezone);
    icalcomponent_free(vtimezone);
    return NULL;
}

/* For zones whose clocks do not change, or by no rule (Morocco's Ramadan): the offset of the day.
 */
static icaltimezone *brief_by_offset(const struct zone *zone, int64_t at)
{
    icalcomponent *vtimezone = vtimezone_new(zone);
    if (vtimezone == NULL)
        return NULL;
    int offset_s = offset_at(zone->full, at);
    icalcomponent *standard = icalcomponent_vanew(
        ICAL_XSTANDARD_COMPONENT, icalproperty_new_tzoffsetfrom(offset_s),
        icalproperty_new_tzoffsetto(offset_s),
        icalproperty_new_dtstart(icaltime_from_timet_with_zone(0, 0, NULL)), (void *)0);
    if (standard != NULL)
        icalcomponent_add_component(vtimezone, standard);
    return timezone_make(vtimezone);
}

/* Whether the brief rules say what the zone's whole history says, at both of the event's times. */
static bool is_brief_right(const struct zone *zone, int64_t starts, int64_t ends)
{
    return zone->brief != NULL && offset_at(zone->brief, starts) == offset_at(zone->full, starts) &&
           offset_at(zone->brief, ends) == offset_at(zone->full, ends);
}

/* False where no brief rules are right: the event's times are then written in UTC. */
static bool zone_prepare(struct zone *zone, int64_t starts, int64_t ends)
{
    if (strcmp(zone->name, "UTC") == 0)
        return false;
    if (zone->brief == NULL || starts < zone->brief_from || starts >= zone->brief_until) {
        brief_free(zone);
        zone->brief = brief_by_rules(zone, starts);
    }
    if (is_brief_right(zone, starts, ends))
        return true;
    brief_free(zone);
    zone->brief = brief_by_offset(zone, starts);
    if (is_brief_right(zone, starts, ends))
        return true;
    brief_free(zone);
    return false;
}

static icalproperty *utc_property(icalproperty_kind kind, int64_t unix_seconds)
{
    struct icaltimetype time = local_time(unix_seconds, 0);
    time.zone = icaltimezone_get_utc_timezone();
    icalproperty *property = icalproperty_new(kind);
    if (property != NULL)
        icalproperty_set_value(property, icalvalue_new_datetime(time));
    return property;
}

static icalproperty *time_property(icalproperty_kind kind, const struct zone *zone, bool is_local,
                                   int64_t unix_seconds)
{
    if (!is_local)
        return utc_property(kind, unix_seconds);
    icalproperty *property = icalproperty_new(kind);
    if (property == NULL)
        return NULL;
    struct icaltimetype time = local_time(unix_seconds, offset_at(zone->full, unix_seconds));
    icalproperty_set_value(property, icalvalue_new_datetime(time));
    icalproperty_add_parameter(property, icalparameter_new_tzid(zone->name));
    return property;
}

static void property_add(icalcomponent *component, icalproperty *property)
{
    if (property != NULL)
        icalcomponent_add_property(component, property);
}

/* PARTSTAT=ACCEPTED, for it is true: who has a place has said yes to the portal. NEEDS-ACTION, the
 * default, makes calendars ask, and send a REPLY that nobody reads. Gmail shows such an event as
 * accepted; Outlook takes over no PARTSTAT from a REQUEST (MS-OXCICAL section 2.1.3.1.1.20.2.3:
 * from PUBLISH, COUNTER and REPLY alone), and there RSVP=FALSE says that no response was requested.
 */
static icalproperty *attendee_property(const struct calendar_texts *texts)
{
    icalproperty *attendee = icalproperty_new_attendee(texts->attendee.data);
    if (attendee == NULL)
        return NULL;
    icalproperty_add_parameter(attendee, icalparameter_new_cutype(ICAL_CUTYPE_INDIVIDUAL));
    icalproperty_add_parameter(attendee, icalparameter_new_role(ICAL_ROLE_REQPARTICIPANT));
    icalproperty_add_parameter(attendee, icalparameter_new_partstat(ICAL_PARTSTAT_ACCEPTED));
    icalproperty_add_parameter(attendee, icalparameter_new_rsvp(ICAL_RSVP_FALSE));
    if (texts->attendee_name.size > 0)
        icalproperty_add_parameter(attendee, icalparameter_new_cn(texts->attendee_name.data));
    return attendee;
}

static icalproperty *organizer_property(const struct calendar_texts *texts)
{
    icalproperty *organizer = icalproperty_new_organizer(texts->organizer.data);
    if (organizer != NULL && texts->organizer_name.size > 0)
        icalproperty_add_parameter(organizer, icalparameter_new_cn(texts->organizer_name.data));
    return organizer;
}

/* Outlook offers to propose another time unless told that none is wanted. */
static icalproperty *no_counter_property(void)
{
    icalproperty *property = icalproperty_new_x("TRUE");
    if (property != NULL)
        icalproperty_set_x_name(property, "X-MICROSOFT-DISALLOW-COUNTER");
    return property;
}

static void event_add_texts(icalcomponent *vevent, const struct calendar_texts *texts)
{
    property_add(vevent, icalproperty_new_summary(texts->summary.data));
    if (texts->location.size > 0)
        property_add(vevent, icalproperty_new_location(texts->location.data));
    if (texts->description.size > 0)
        property_add(vevent, icalproperty_new_description(texts->description.data));
}

static icalcomponent *vevent_make(const struct mail_calendar_event *event, const struct zone *zone,
                                  bool is_local, const struct calendar_texts *texts)
{
    bool is_cancel = event->method == MAIL_CALENDAR_CANCEL;
    icalcomponent *vevent = icalcomponent_new(ICAL_VEVENT_COMPONENT);
    if (vevent == NULL)
        return NULL;
    property_add(vevent, icalproperty_new_uid(event->uid));
    property_add(vevent, icalproperty_new_sequence((int)event->sequence));
    property_add(vevent, utc_property(ICAL_DTSTAMP_PROPERTY, event->stamp_unix_seconds));
    property_add(vevent,
                 time_property(ICAL_DTSTART_PROPERTY, zone, is_local, event->starts_unix_seconds));
    if (event->ends_unix_seconds > event->starts_unix_seconds)
        property_add(vevent,
                     time_property(ICAL_DTEND_PROPERTY, zone, is_local, event->ends_unix_seconds));
    event_add_texts(vevent, texts);
    if (event->url != NULL && event->url[0] != '\0')
        property_add(vevent, icalproperty_new_url(event->url));
    property_add(vevent, organizer_property(texts));
    property_add(vevent, attendee_property(texts));
    property_add(
        vevent, icalproperty_new_status(is_cancel ? ICAL_STATUS_CANCELLED : ICAL_STATUS_CONFIRMED));
    property_add(vevent,
                 icalproperty_new_transp(is_cancel ? ICAL_TRANSP_TRANSPARENT : ICAL_TRANSP_OPAQUE));
    property_add(vevent, no_counter_property());
    return vevent;
}

static icalcomponent *vcalendar_make(const struct mail_calendar_event *event,
                                     const struct zone *zone, bool is_local,
                                     const struct calendar_texts *texts)
{
    bool is_cancel = event->method == MAIL_CALENDAR_CANCEL;
    icalcomponent *vcalendar = icalcomponent_vanew(
        ICAL_VCALENDAR_COMPONENT, icalproperty_new_prodid("-//Handbell//Handbell//EN"),
        icalproperty_new_version("2.0"), icalproperty_new_calscale("GREGORIAN"),
        icalproperty_new_method(is_cancel ? ICAL_METHOD_CANCEL : ICAL_METHOD_REQUEST), (void *)0);
    icalcomponent *vevent = vevent_make(event, zone, is_local, texts);
    if (vcalendar == NULL || vevent == NULL) {
        icalcomponent_free(vcalendar);
        icalcomponent_free(vevent);
        return NULL;
    }
    icalcomponent_add_component(vcalendar, vevent);
    return vcalendar;
}

/* The zone's component is lent to the object while it is printed. */
static char *object_print(icalcomponent *vcalendar, const struct zone *zone, bool is_local)
{
    icalcomponent *vtimezone = is_local ? icaltimezone_get_component(zone->brief) : NULL;
    if (vtimezone != NULL)
        icalcomponent_add_component(vcalendar, vtimezone);
    char *text = icalcomponent_as_ical_string_r(vcalendar);
    if (vtimezone != NULL)
        icalcomponent_remove_component(vcalendar, vtimezone);
    return text;
}

bool mail_calendar_append(struct mail_calendar *calendar, const struct mail_calendar_event *event,
                          struct buf *out, struct error *error)
{
    struct calendar_texts texts;
    if (!calendar_event_check(event, error))
        return false;
    struct zone *zone = zone_find(calendar, event->zone, error);
    if (zone == NULL)
        return false;
    bool has_end = event->ends_unix_seconds > event->starts_unix_seconds;
    bool is_local = zone_prepare(zone, event->starts_unix_seconds,
                                 has_end ? event->ends_unix_seconds : event->starts_unix_seconds);
    bool is_made = false;
    struct buf folded;
    buf_init(&folded, 0);
    if (calendar_texts_make(&texts, event)) {
        icalcomponent *vcalendar = vcalendar_make(event, zone, is_local, &texts);
        char *text = vcalendar != NULL ? object_print(vcalendar, zone, is_local) : NULL;
        is_made = text != NULL && calendar_fold(&folded, text);
        icalmemory_free_buffer(text);
        icalcomponent_free(vcalendar);
    }
    calendar_texts_free(&texts);
    bool is_done = is_made && buf_append(out, folded.data, folded.size);
    buf_free(&folded);
    if (is_done)
        return true;
    if (!is_made || out->is_out_of_memory)
        return no_memory(error);
    return error_set(error, EX_DATAERR, "calendar: larger than %zu bytes", out->ceiling);
}
