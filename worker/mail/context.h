/* What templates see: facts, as the database gives them, turned into the words and lists of a mail.
 * It knows the facts' names and the two languages' dates and lists; it knows no template, no
 * token's inside and no wire.
 *
 * Views of tenant and courses are the same for every recipient of a language and are built once a
 * batch and language; a message's context holds them, it does not copy them.
 *
 * The names that come out. Texts are "" where nothing is known; NAME_lines are the lines of NAME in
 * a list; every name below is always set, so that no section around it lends its own.
 *
 * Every kind:
 *   language             of this mail, for lang=: "en-GB" or "cy"
 *   person_name, greeting_name
 *   for_whom             the person's name where the mailbox is shared (office@...), else ""
 *   opt_out_url          and what it stops: stops_alerts, stops_bulletin, stops_optional
 *   is_urgent            the mail overtook the others
 *   has_calendar         calendar entries are attached
 *   has_many_calendars   more than one
 *   tenant.slug .name .from_name .language .base_url .privacy_url
 *   tenant.postal_address(_lines) .dpo_contact(_lines)
 *   brand.name           the brand's, else the tenant's
 *   brand.colour         "#rrggbb", never "": white text on it reads well
 *   brand.logo_alt       read where no picture is shown; brand.logo_says_name: it is brand.name
 *   brand.has_logo .logo_cid (for src="cid:...") .logo_width .logo_height (integers, 0
 *                        where unknown)
 *
 * Kinds about one course, COURSE being `course` (for an alert the first of its courses):
 *   COURSE.title .cost .booking_url
 *   COURSE.summary(_lines) .contact(_lines) .arrival_notes(_lines) .bring(_lines)
 *   COURSE.access_contact(_lines) .cancellation_terms(_lines) .joining_instructions(_lines)
 *   COURSE.cancel_reason(_lines)
 *   COURSE.cancel_by     "5pm on Monday 16 November 2026", "5pm ddydd Llun 16 Tachwedd 2026":
 *                        stands behind "by", "erbyn"
 *   COURSE.first_day .first_on_day .first_short_day .first_times .first_venue
 *                        of the first session, as below
 *   COURSE.last_day
 *   COURSE.is_online (a session is) .has_sessions .has_many_sessions
 *   COURSE.session_count
 *   COURSE.session_plural.zero .one .two .few .many .other
 *                        the one that is true is CLDR's for the count in the mail's language
 *                        (Welsh: 0, 1, 2, 3, 6, all others; English: 1, all others)
 *   COURSE.sessions[]
 *     .number
 *     .day               starts a line: "Monday 23 November 2026", "Dydd Llun 23 Tachwedd 2026"
 *     .on_day            in a sentence: "on Monday 23 November 2026",
 *                        "ddydd Llun 23 Tachwedd 2026"
 *     .short_day         in a subject, behind a comma: "Monday 23 November",
 *                        "dydd Llun 23 Tachwedd"
 *     .times             "9.30am to 3.30pm GMT", "9.30am i 3.30pm GMT": the zone is always said
 *     .venue .venue_address(_lines) .online_url .is_online
 *   COURSE.has_resources
 *   COURSE.resources[]   .name .url
 *
 * Kinds about a booking:
 *   booking.ref .delegate_name .offer_expires (as cancel_by)
 *   booking.online_url   the delegate's own link, "" for who has no place
 *   booking.is_confirmed .is_waiting (also offered) .is_offered .is_requested (also approved)
 *   booking.is_approved .is_declined .is_cancelled
 *   booking.is_for_other the recipient is not the delegate (who is delegate_name)
 *
 * course_cancelled, course_changed and booking mails, why it concerns the recipient; several may
 * hold:
 *   is_delegate is_booker is_tutor is_provider
 *   is_only_online       nobody travels to it: there is a link, of a session or the delegate's own,
 *                        and no session has a venue or an address
 *   booked_for           the delegates' names in words: "A, B and C", "A, B ac C"; who has none is
 *                        counted: "A and 1 more"; "" where nobody has one
 *
 * course_changed (the course is as it is now):
 *   change.is_title_changed, change.old_title
 *   change.is_postponed, change.is_on_again (it was postponed or cancelled)
 *   change.is_day_changed .is_times_changed .is_venue_changed .is_link_changed (of any session that
 *                        stays) .has_added .has_dropped
 *   change.rows[]: every session, old beside new, in the order of their start
 *     .is_added .is_dropped .is_changed .is_same (one of them holds)
 *     .is_day_changed .is_times_changed .is_venue_changed
 *     .is_link_changed   a new one is told; never of a row of somebody with a link of their own
 *     .old, .new         as a session above; false where there is none (.is_added, .is_dropped)
 *   change.changed_rows[] those of the rows that are not is_same
 *   change.is_long       they are more than can stand side by side in one page
 *
 * course_alert:
 *   course_count, is_one, is_many, course_plural.zero .one .two .few .many .other
 *   groups[]: .subject (name of the subject, "" for courses that match by an interest alone)
 *     .courses[]: .course (a COURSE) .course_number .because (the ticks that matched, in words)
 *   has_groups           more than one: each deserves its heading
 *   courses[]            the same items in the same order, without groups */
#ifndef HANDBELL_MAIL_CONTEXT_H
#define HANDBELL_MAIL_CONTEXT_H

#include "worker/base/buf.h"
#include "worker/base/json.h"
#include "worker/mail/brand.h"
#include "worker/model/language.h"

/* Lists are cut here; how long texts may be, and that a course's lists are no longer than this, is
 * for whoever takes the facts. Names past their limit are counted ("and 3 more"); courses past
 * theirs are not told of. */
enum {
    MAIL_CONTEXT_COURSES_MAXIMUM = 500,
    MAIL_CONTEXT_SESSIONS_MAXIMUM = 200,
    MAIL_CONTEXT_RESOURCES_MAXIMUM = 100,
    MAIL_CONTEXT_NAMES_MAXIMUM = 50,
    MAIL_CONTEXT_KEY_BYTES = 32,
};

/* From tenant: {"slug","name","from_name","from_address","reply_to","dpo_contact","privacy_url",
 * "postal_address","base_url","bounce_domain","language","time_zone","brand":{"name","colour",
 * "logo":{"type","base64","alt","width","height"}}}. Every value is optional. `logo` is by
 * brand_logo_read, or NULL. The caller frees with json_free; NULL without memory. */
struct json *mail_context_tenant(const struct json *tenant, const struct brand_logo *logo);

/* From course: {"id","ref","title","summary","booking_url","contact","arrival_notes","bring",
 * "access_contact","cost","cancellation_terms","cancel_by_local","joining_instructions",
 * "resources":[{"name","url"}],"cancel_reason","status","sessions":[{"key","ref","starts_local",
 * "ends_local","zone","ends_zone","venue","venue_address","online_url"}],"categories":[ids]}, all
 * optional. An address that is not http or https is left out. Ownership as above. */
struct json *mail_context_course(const struct json *course, enum language language);

/* The key under which a course's or category's id is found; "" for what is no id. */
void mail_context_key_make(const struct json *id, char key[MAIL_CONTEXT_KEY_BYTES]);

/* An array of courses as an object whose keys are their ids in decimal; it holds them, it copies
 * nothing. What has no id is left out. Ownership as above. */
struct json *mail_context_by_id(const struct json *courses);

/* The views of courses, given by mail_context_by_id, under the same keys. Ownership as above. */
struct json *mail_context_courses(const struct json *courses, enum language language);

struct mail_context_input {
    enum language language;
    const struct json *tenant_view;  /* by mail_context_tenant; may be NULL */
    const struct json *courses;      /* the facts, by id; may be NULL */
    const struct json *course_views; /* by mail_context_courses; may be NULL */
    const struct json *categories;   /* {"id":{"kind","name"}}; may be NULL */
    /* {"id","kind","person":{"email","first_name","last_name","display_name","shares_address"},
     * "establishment":{"name"} (in the place of a person), "is_urgent","link_topic",
     * "courses":[ids],"ticks":[category ids],
     * "booking":{"ref","status","online_url","offer_expires_local","delegate_name"},
     * "change":{"title","status","sessions":[as a course's]},
     * "roles":{"delegate","booker","tutor","provider","booked_for":[names]}} */
    const struct json *message;
    const char *address;     /* that it goes to; NULL: the person's own */
    const char *opt_out_url; /* "" or NULL: the mail has none */
    size_t calendar_count;   /* entries that go with the mail */
};

/* The context of one message. A course that `course_views` lacks is left out. Ownership as above.
 */
struct json *mail_context_message(const struct mail_context_input *input);

/* Whether the message is to a person who is (or was to be) on the course themselves: not to whoever
 * booked for them, teaches or provides it. */
bool mail_context_is_to_delegate(const struct json *message);

/* facts[key] where it is an http or https address without blanks or controls, else "". */
const char *mail_context_url(const struct json *facts, const char *key);

/* What the recipient is called, "" where nobody said: as they wish, else by their names, else by
 * the establishment's. False, and `name` "" (it is then too long) or out of memory, as buf_append.
 */
bool mail_context_append_name(struct buf *name, const struct json *message);

#endif
