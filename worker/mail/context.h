/* What templates see: facts, as the database gives them, turned into the words and lists of a mail.
 * It knows the facts' names and English; it knows no template, no token's inside and no wire.
 *
 * Views of tenant and courses are the same for every recipient and are built once a batch; a
 * message's context holds them, it does not copy them. The names that come out are listed, with
 * what they mean, in templates/partials/fields and templates/KIND/fields. */
#ifndef HANDBELL_MAIL_CONTEXT_H
#define HANDBELL_MAIL_CONTEXT_H

#include "worker/base/error.h"
#include "worker/base/json.h"

/* Lists are cut here; how long texts may be, and that lists stay below these, is for whoever takes
 * the facts. Names past their limit are counted ("and 3 more"). */
enum {
    MAIL_CONTEXT_COURSES_MAXIMUM = 100,
    MAIL_CONTEXT_SESSIONS_MAXIMUM = 100,
    MAIL_CONTEXT_RESOURCES_MAXIMUM = 100,
    MAIL_CONTEXT_NAMES_MAXIMUM = 50,
};

/* From tenant: {"slug","name","from_name","from_address","reply_to","dpo_contact","privacy_url",
 * "postal_address","base_url","bounce_domain","language","time_zone"}. Every value is optional. The
 * caller frees with json_free; NULL without memory. */
struct json *mail_context_tenant(const struct json *tenant);

/* From course: {"id","ref","title","summary","booking_url","contact","arrival_notes","bring",
 * "access_contact","cost","cancellation_terms","cancel_by_local","joining_instructions",
 * "resources":[{"name","url"}],"cancel_reason","status","sessions":[{"ref","starts_local",
 * "ends_local","zone","venue","venue_address","online_url"}]}, all optional. An address that is not
 * http or https is left out. Ownership as above. */
struct json *mail_context_course(const struct json *course);

/* The views of an array of courses, as an object whose keys are their ids in decimal. */
struct json *mail_context_courses(const struct json *courses);

struct mail_context_input {
    const struct json *tenant_view;  /* by mail_context_tenant; may be NULL */
    const struct json *course_views; /* by mail_context_courses; may be NULL */
    /* {"id","kind","person":{"email","first_name","last_name","display_name","language"},
     * "establishment":{"name"} (in the place of a person),
     * "courses":[ids],"matched":{"id":[category names]},"booking":{"ref","status","online_url"},
     * "roles":{"delegate","booker","tutor","provider","booked_for":[names]}} */
    const struct json *message;
    const char *opt_out_url; /* "" or NULL: the mail has none */
};

/* The context of one message. A course that `course_views` lacks is left out. Ownership as above.
 */
struct json *mail_context_message(const struct mail_context_input *input);

#endif
