/* A folder for a journal, and what its tests do with one. Included by the tests of the journal. */
#ifndef HANDBELL_TESTS_UNIT_FLOW_JOURNAL_PLACE_H
#define HANDBELL_TESTS_UNIT_FLOW_JOURNAL_PLACE_H

#include "worker/flow/journal.h"
#include "worker/flow/journal_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 336, SMALL_BYTES = 16384, FILE_RECORDS = SMALL_BYTES / 2 / 64 };

static const char owner[] = "0123abcd-4567-49ef-8123-456789abcdef";
static const char other_owner[] = "1123abcd-4567-49ef-8123-456789abcdef";
static const struct outcome sent = {.kind = OUTCOME_SENT, .code = 250, .enhanced = "2.0.0"};
static const struct outcome deferred = {.kind = OUTCOME_DEFERRED, .code = 451, .enhanced = "4.7.1"};

struct place {
    char path[64];
};

static inline const char *file_of(const struct place *place, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", place->path, name);
    return path;
}

/* All that a journal makes, and a test. */
static const char *const file_names[] = {"journal.0", "journal.1", "journal.new", "copy"};
enum { FILE_NAMES = sizeof file_names / sizeof file_names[0] };

static inline void empty_folder(const struct place *place)
{
    for (size_t i = 0; i < FILE_NAMES; i++)
        unlink(file_of(place, file_names[i]));
}

static inline int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->path, "/tmp/handbell_journal_XXXXXX");
    assert_non_null(mkdtemp(place->path));
    *state = place;
    return 0;
}

static inline int tear_down(void **state)
{
    struct place *place = *state;
    empty_folder(place);
    rmdir(place->path);
    free(place);
    return 0;
}

static inline struct journal *open_as(const struct place *place, const char *name, bool is_new,
                                      struct error *error)
{
    const struct journal_options options = {
        .directory = place->path, .owner = name, .bytes = SMALL_BYTES, .is_new_owner = is_new};
    return journal_open(&options, error);
}

static inline struct journal *open_again(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = open_as(place, owner, false, &error);
    if (journal == NULL)
        fail_msg("%s", error.text);
    return journal;
}

static inline struct journal *open_first(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = open_as(place, owner, true, &error);
    if (journal == NULL)
        fail_msg("%s", error.text);
    journal_settle(journal);
    return journal;
}

static inline struct journal_entry attempt(int64_t message)
{
    return (struct journal_entry){
        .tenant_id = 1, .message_id = message, .created_unix_s = 1000 + message, .epoch = 1};
}

static inline struct journal_past past_of(const struct journal *journal, enum journal_span span)
{
    struct journal_past past;
    struct error error = {0};
    assert_true(journal_read_past(journal, span, &past, &error));
    return past;
}

static const struct journal_past_entry *find(const struct journal_past *past, int64_t message)
{
    return journal_past_find(past, 1, message, 1000 + message);
}

/* Kills the process, as far as the journal can see: what was in memory is gone. */
static inline void die(struct journal *journal)
{
    LIST_EACH(link, &journal->live)
    {
        list_leave(link);
    }
    journal_close(journal);
}

/* ---- Damage. ---- */

static inline void overwrite(const char *path, long at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

/* One attempt is whole, and the record of the next begins at the byte returned. */
static inline long write_two(const struct place *place)
{
    empty_folder(place);
    struct journal *journal = open_first(place);
    struct journal_entry first = attempt(1), second = attempt(2);
    assert_true(journal_write_data_end(journal, &first));
    long at = (long)journal->used_bytes;
    assert_true(journal_write_data_end(journal, &second));
    die(journal);
    return at;
}

#endif
