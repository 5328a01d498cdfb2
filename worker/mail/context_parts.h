/* The parts of a context, each in a file of its own: for the files of this folder alone. Views are
 * the caller's, by json_free; NULL without memory. */
#ifndef HANDBELL_MAIL_CONTEXT_PARTS_H
#define HANDBELL_MAIL_CONTEXT_PARTS_H

#include "worker/mail/context.h"
#include "worker/mail/context_build.h"

/* One session as templates see it; `number` is its place in the course, from 1. */
struct json *context_session(const struct json *session, size_t number, enum language language);
/* All of them, MAIL_CONTEXT_SESSIONS_MAXIMUM at most. */
struct json *context_sessions(const struct json *sessions, enum language language);
/* What a list of courses says of one: "first_day" and so on, and how many sessions there are. */
void context_add_session_summary(struct context_builder *view, const struct json *sessions,
                                 enum language language);

/* Whether nobody travels to it: there is a link, of a session or the delegate's own, and no session
 * has a venue or an address. */
bool context_is_only_online(const struct json *sessions, bool has_own_link);

/* "KEY": the moment of facts[fact] ("5pm on Monday 16 November 2026"), "" where it is none. */
void context_add_moment(struct context_builder *view, const char *key, const struct json *facts,
                        const char *fact, enum language language);

/* "change": what course_changed shows; nothing where the message has none. */
void context_add_change(struct context_builder *context, const struct mail_context_input *input);

/* "courses", "groups", and all that goes with them, and the first as "course". */
void context_add_courses(struct context_builder *context, const struct mail_context_input *input);

#endif
