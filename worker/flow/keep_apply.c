/* One call at a time: where the database stands, then line upon line, then each tenant once. */
#include "worker/flow/keep_apply.h"

#include "worker/base/clock.h"
#include "worker/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Lines of several tenants; those that were told are NULL. Each ends with a NUL in `text`. */
struct keep_batch {
    size_t count;
    size_t used;
    bool is_last;
    char *lines[KEEP_CALLS_LINES_MOST];
    char text[KEEP_CALLS_BYTES_MOST];
};

static void apply_next(struct keep_apply *apply);

static void apply_clear(struct keep_apply *apply)
{
    keep_reader_close(apply->reader);
    free(apply->batch);
    free(apply->slugs);
    apply->reader = NULL;
    apply->batch = NULL;
    apply->slugs = NULL;
    apply->slug_count = 0;
    apply->is_under_way = false;
}

static void apply_say(struct keep_apply *apply, const struct error *error)
{
    uint32_t left_out = 0;
    if (log_pause_over(&apply->trouble, clock_monotonic_ms(), &left_out))
        LOG(LOG_LEVEL_ERROR, "kept_not_applied", log_text("reason", error->text),
            log_text("gate", apply->is_open ? "open: it is lost" : "closed: handbell check"),
            log_int("left_out", (int64_t)left_out));
}

static void apply_end(struct keep_apply *apply, const struct error *error)
{
    if (error == NULL) {
        log_pause_end(&apply->trouble);
        LOG(LOG_LEVEL_INFO, "kept_applied", log_int("behind", (int64_t)apply->after),
            log_int("lines", (int64_t)apply->told), log_int("lost", (int64_t)apply->lost),
            log_int("tenants", (int64_t)apply->slug_count));
    } else {
        apply_say(apply, error);
    }
    apply_clear(apply);
    apply->on_done(apply->context, error);
}

static void apply_fail(struct keep_apply *apply, int exit_status, const char *what,
                       const char *reason)
{
    struct error error;
    error_set(&error, exit_status, "%s: %s", what, reason);
    apply_end(apply, &error);
}

/* What cannot be read or taken is lost where an operator has opened the gate all the same, and the
 * rest is told. Else it is what the gate is closed for: false, and it has ended. */
static bool apply_lose(struct keep_apply *apply, const struct error *error)
{
    if (error->exit_status == EX_DATAERR && apply->is_open) {
        apply->lost++;
        apply_say(apply, error);
        return true;
    }
    if (error->exit_status == EX_DATAERR && error != &apply->problem) {
        apply->problem = *error;
        apply->problem_at_ms = clock_monotonic_ms();
    }
    apply_end(apply, error);
    return false;
}

/* ---- Reading. ---- */

/* The second field of a line; false where there is none. */
static bool slug_read(const char *line, char slug[KEEP_SLUG_BYTES])
{
    const char *begin = strchr(line, '|');
    const char *end = begin != NULL ? strchr(begin + 1, '|') : NULL;
    size_t size = end != NULL ? (size_t)(end - begin - 1) : 0;
    if (size == 0 || size >= KEEP_SLUG_BYTES)
        return false;
    memcpy(slug, begin + 1, size);
    slug[size] = '\0';
    return true;
}

static bool is_places(const struct keep_line *line)
{
    static const char here[] = "here|";
    return line->size >= sizeof here - 1 && memcmp(line->text, here, sizeof here - 1) == 0;
}

/* Fills the batch, as far as it may be told in one call. False, and it has ended, on damage. */
static bool apply_read(struct keep_apply *apply)
{
    struct keep_batch *batch = apply->batch;
    struct keep_line line;
    struct error error = {0};

    batch->count = batch->used = 0;
    while (batch->count < KEEP_CALLS_LINES_MOST &&
           batch->used + KEEP_LINE_BYTES < sizeof batch->text) {
        switch (keep_reader_next(apply->reader, &line, &error)) {
        case KEEP_READING_LINE:
            if (is_places(&line))
                continue;
            batch->lines[batch->count++] = memcpy(batch->text + batch->used, line.text, line.size);
            batch->used += line.size;
            batch->text[batch->used++] = '\0';
            continue;
        case KEEP_READING_END:
            batch->is_last = true;
            return true;
        case KEEP_READING_TORN: /* it was whole when it was opened */
            error_set(&error, EX_DATAERR, "kept/%s: cut off meanwhile",
                      keep_reader_file(apply->reader));
            break;
        case KEEP_READING_DAMAGED:
            break;
        }
        if (!apply_lose(apply, &error))
            return false;
        if (!keep_reader_skip(apply->reader)) {
            batch->is_last = true;
            return true;
        }
    }
    return true;
}

/* ---- Telling. ---- */

static bool apply_note_slug(struct keep_apply *apply, const char *slug)
{
    for (size_t i = 0; i < apply->slug_count; i++)
        if (strcmp(apply->slugs[i].slug, slug) == 0)
            return true;
    struct keep_slug *slugs =
        reallocarray(apply->slugs, apply->slug_count + 1, sizeof *apply->slugs);
    if (slugs == NULL)
        return false;
    apply->slugs = slugs;
    memcpy(slugs[apply->slug_count++].slug, slug, strlen(slug) + 1);
    return true;
}

/* Bad data, or a refusal of our own functions': the same again tomorrow. */
static bool is_final(const struct pg_result *result)
{
    return result->kind == PG_RESULT_REFUSED &&
           (strncmp(result->sqlstate, "22", 2) == 0 || strncmp(result->sqlstate, "HB", 2) == 0);
}

static void on_told(void *context, const struct pg_result *result)
{
    struct keep_apply *apply = context;
    apply->is_asking = false;
    struct error error;
    if (!apply->is_under_way)
        return;
    if (result->kind != PG_RESULT_ROWS) {
        error_set(&error, is_final(result) ? EX_DATAERR : EX_TEMPFAIL,
                  "the database does not take what was kept: %s", result->text);
        if (!apply_lose(apply, &error))
            return;
    }
    apply_next(apply);
}

/* Tells the first line that is left, and those of its tenant. False: none is left. */
static bool apply_tell(struct keep_apply *apply)
{
    struct keep_batch *batch = apply->batch;
    const char *lines[KEEP_CALLS_LINES_MOST];
    char slug[KEEP_SLUG_BYTES] = "", its_slug[KEEP_SLUG_BYTES];
    struct error error;
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++) {
        if (batch->lines[i] == NULL)
            continue;
        if (!slug_read(batch->lines[i], its_slug)) {
            batch->lines[i] = NULL;
            error_set(&error, EX_DATAERR, "kept: a line names no tenant");
            if (!apply_lose(apply, &error))
                return true;
            continue;
        }
        if (count > 0 && strcmp(slug, its_slug) != 0)
            continue;
        memcpy(slug, its_slug, sizeof slug);
        lines[count++] = batch->lines[i];
        batch->lines[i] = NULL;
    }
    if (count == 0)
        return false;
    apply->told += count;
    apply->is_asking = apply_note_slug(apply, slug) &&
                       keep_calls_apply(apply->queue, slug, lines, count, on_told, apply);
    if (!apply->is_asking)
        apply_fail(apply, EX_TEMPFAIL, "kept", "no memory");
    return true;
}

static void apply_resolve(struct keep_apply *apply);

static void on_resolved(void *context, const struct pg_result *result, bool is_more)
{
    struct keep_apply *apply = context;
    if (apply->is_under_way && !is_more)
        apply->resolved++;
    on_told(apply, result);
}

static void apply_resolve(struct keep_apply *apply)
{
    if (apply->resolved == apply->slug_count) {
        apply_end(apply, NULL);
        return;
    }
    apply->is_asking =
        keep_calls_resolve(apply->queue, apply->slugs[apply->resolved].slug, on_resolved, apply);
    if (!apply->is_asking)
        apply_fail(apply, EX_TEMPFAIL, "kept", "no memory");
}

static void apply_next(struct keep_apply *apply)
{
    while (!apply_tell(apply)) {
        if (apply->batch->is_last) {
            apply_resolve(apply);
            return;
        }
        if (!apply_read(apply))
            return;
    }
}

/* ---- */

/* The folder was lost since, or moved aside. Somebody must know before mail goes to a database that
 * was put back. False: it has ended. */
static bool apply_skip(struct keep_apply *apply)
{
    if (apply->is_reconciling && !apply->is_open) {
        apply_fail(apply, EX_DATAERR, "kept",
                   "the database knows of entries of this worker's that are not here");
        return false;
    }
    LOG(LOG_LEVEL_WARNING, "keep_skipped", log_int("from", (int64_t)keep_newest(apply->keep)),
        log_int("to", (int64_t)apply->after));
    keep_skip_to(apply->keep, apply->after);
    return true;
}

/* False: it has ended. */
static bool apply_open(struct keep_apply *apply)
{
    struct error error = {0};

    if (apply->problem.exit_status != 0 && !apply->is_open &&
        clock_monotonic_ms() - apply->problem_at_ms < KEEP_APPLY_PROBLEM_MS)
        return apply_lose(apply, &apply->problem);
    apply->problem.exit_status = 0;
    apply->reader = keep_read(apply->keep, apply->after, &error);
    if (apply->reader == NULL && !apply_lose(apply, &error))
        return false;
    if (apply->reader == NULL)
        apply->reader = keep_read(apply->keep, KEEP_READER_ALL, &error);
    apply->batch = malloc(sizeof *apply->batch);
    if (apply->reader == NULL || apply->batch == NULL) {
        apply_fail(apply, EX_TEMPFAIL, "kept", apply->reader == NULL ? error.text : "no memory");
        return false;
    }
    apply->batch->count = 0;
    apply->batch->is_last = false;
    return true;
}

static void on_kept(void *context, const struct pg_result *result, const struct keep_answer *answer)
{
    struct keep_apply *apply = context;

    apply->is_asking = false;
    if (!apply->is_under_way)
        return;
    if (result->kind != PG_RESULT_ROWS || answer->system_identifier == 0) {
        apply_fail(apply, EX_TEMPFAIL, "the database does not say what it has", result->text);
        return;
    }
    apply->is_open = answer->is_open;
    apply->after = answer->kept;
    if (answer->kept > keep_newest(apply->keep) && !apply_skip(apply))
        return;
    if (!apply->is_reconciling) {
        apply_clear(apply);
        apply->on_done(apply->context, NULL);
        return;
    }
    if (apply_open(apply))
        apply_next(apply);
}

void keep_apply_init(struct keep_apply *apply, struct keep *keep, const char *owner,
                     void (*on_done)(void *context, const struct error *error), void *context)
{
    *apply =
        (struct keep_apply){.keep = keep, .owner = owner, .on_done = on_done, .context = context};
}

bool keep_apply_begin(struct keep_apply *apply, struct queue *queue, bool is_reconciling)
{
    apply_clear(apply);
    apply->is_reconciling = is_reconciling;
    apply->queue = queue;
    apply->resolved = 0;
    apply->told = 0;
    apply->lost = 0;
    apply->is_open = false;
    apply->is_under_way = true;
    apply->is_asking = keep_calls_kept(queue, apply->owner, on_kept, apply);
    apply->is_under_way = apply->is_asking;
    return apply->is_asking;
}

void keep_apply_cancel(struct keep_apply *apply)
{
    apply_clear(apply);
}
