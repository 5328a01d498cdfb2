/* Proves what the journal remembers across the end of its process, that what it cannot know it
 * calls doubtful, that it never grows past its size, and that nothing goes where it cannot be
 * written. */
#include "worker/flow/journal.h"
#include "worker/flow/journal_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 300, SMALL_BYTES = 16384, FILE_RECORDS = SMALL_BYTES / 2 / 64 };

static const char owner[] = "0123abcd-4567-49ef-8123-456789abcdef";
static const char other_owner[] = "1123abcd-4567-49ef-8123-456789abcdef";
static const struct outcome sent = {.kind = OUTCOME_SENT, .code = 250, .enhanced = "2.0.0"};
static const struct outcome deferred = {.kind = OUTCOME_DEFERRED, .code = 451, .enhanced = "4.7.1"};

struct place {
    char path[64];
};

static const char *file_of(const struct place *place, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", place->path, name);
    return path;
}

static void empty_folder(const struct place *place)
{
    DIR *folder = opendir(place->path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            unlink(file_of(place, entry->d_name));
    if (folder != NULL)
        closedir(folder);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->path, "/tmp/handbell_journal_XXXXXX");
    assert_non_null(mkdtemp(place->path));
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    empty_folder(place);
    rmdir(place->path);
    free(place);
    return 0;
}

static struct journal *open_as(const struct place *place, const char *name, bool is_new,
                               struct error *error)
{
    const struct journal_options options = {
        .directory = place->path, .owner = name, .bytes = SMALL_BYTES, .is_new_owner = is_new};
    return journal_open(&options, error);
}

static struct journal *open_again(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = open_as(place, owner, false, &error);
    if (journal == NULL)
        fail_msg("%s", error.text);
    return journal;
}

static struct journal *open_first(const struct place *place)
{
    struct error error = {0};
    struct journal *journal = open_as(place, owner, true, &error);
    if (journal == NULL)
        fail_msg("%s", error.text);
    journal_settle(journal);
    return journal;
}

static struct journal_entry attempt(int64_t message)
{
    return (struct journal_entry){
        .tenant_id = 1, .message_id = message, .created_unix_s = 1000 + message, .epoch = 1};
}

static struct journal_past past_of(const struct journal *journal, enum journal_span span)
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
static void die(struct journal *journal)
{
    LIST_EACH(link, &journal->live)
    {
        list_leave(link);
    }
    journal_close(journal);
}

/* ---- What is remembered. ---- */

static void each_attempt_comes_back_as_far_as_it_got(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry ended = attempt(1), answered = attempt(2), refused = attempt(3),
                         unsent = attempt(4), cut = attempt(5);
    assert_true(journal_write_data_end(journal, &ended));
    assert_true(journal_write_data_end(journal, &answered));
    journal_write_reply(journal, &answered, &sent);
    journal_write_reply(journal, &refused, &deferred);
    journal_write_reply(journal, &unsent, NULL);
    assert_true(journal_write_data_end(journal, &cut));
    journal_write_reply(journal, &cut, NULL);
    die(journal);

    journal = open_again(place);
    assert_false(journal_is_in_doubt(journal));
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(past.count, 4);
    assert_true(find(&past, 1)->has_data_ended);
    assert_int_equal(find(&past, 1)->outcome, JOURNAL_OUTCOME_NONE);
    assert_true(find(&past, 2)->has_data_ended);
    assert_int_equal(find(&past, 2)->outcome, JOURNAL_OUTCOME_SENT);
    assert_int_equal(find(&past, 2)->code, 250);
    assert_string_equal(find(&past, 2)->enhanced, "2.0.0");
    assert_false(find(&past, 3)->has_data_ended);
    assert_int_equal(find(&past, 3)->outcome, JOURNAL_OUTCOME_DEFERRED);
    assert_null(find(&past, 4));
    assert_int_equal(find(&past, 5)->outcome, JOURNAL_OUTCOME_UNSENT);
    assert_null(journal_past_find(&past, 1, 1, 1002));
    assert_null(journal_past_find(&past, 2, 1, 1001));
    journal_past_free(&past);
    journal_close(journal);
}

static void a_later_attempt_takes_the_place_of_an_earlier_one(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry first = attempt(1), second = attempt(1);
    assert_true(journal_write_data_end(journal, &first));
    journal_write_reply(journal, &first, &deferred);
    journal_forget(&first);
    second.epoch = 2;
    assert_true(journal_write_data_end(journal, &second));
    die(journal);
    journal = open_again(place);
    struct journal_past past = past_of(journal, JOURNAL_SPAN_ALL);
    assert_int_equal(past.count, 1);
    assert_int_equal(past.entries[0].epoch, 2);
    assert_int_equal(past.entries[0].outcome, JOURNAL_OUTCOME_NONE);
    journal_past_free(&past);
    journal_close(journal);
}

static void
what_the_database_has_is_not_told_again_after_a_restart_but_after_a_fail_over(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry recorded = attempt(1), open = attempt(2);
    assert_true(journal_write_data_end(journal, &recorded));
    journal_write_reply(journal, &recorded, &sent);
    journal_forget(&recorded);
    assert_true(journal_write_data_end(journal, &open));
    journal_tick(journal);
    die(journal);
    journal = open_again(place);
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(past.count, 1);
    assert_non_null(find(&past, 2));
    journal_past_free(&past);
    past = past_of(journal, JOURNAL_SPAN_ALL);
    assert_int_equal(past.count, 2);
    journal_past_free(&past);
    journal_settle(journal);
    past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(past.count, 0);
    journal_past_free(&past);
    journal_close(journal);
}

static void what_this_process_is_still_at_is_told_apart(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry now = attempt(1), before = attempt(2);
    assert_true(journal_write_data_end(journal, &before));
    journal_write_reply(journal, &before, &sent);
    journal_forget(&before);
    assert_true(journal_write_data_end(journal, &now));
    struct journal_past past = past_of(journal, JOURNAL_SPAN_ALL);
    assert_true(find(&past, 1)->is_live);
    assert_false(find(&past, 2)->is_live);
    journal_past_free(&past);
    journal_forget(&now);
    journal_close(journal);
}

static void what_was_claimed_before_a_new_life_of_the_database_never_goes(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry before = attempt(1), after = attempt(2);
    journal_begin(journal, &before);
    assert_true(journal_may_send(journal, &before));
    journal_hold(journal);
    assert_false(journal_may_write(journal));
    assert_false(journal_write_data_end(journal, &before));
    journal_release(journal);
    journal_begin(journal, &after);
    assert_true(journal_may_send(journal, &after));
    assert_false(journal_may_send(journal, &before));
    assert_false(journal_write_data_end(journal, &before));
    journal_close(journal);
}

/* ---- Damage. ---- */

static void overwrite(const char *path, long at, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

static void flip(const char *path, long at, unsigned bit)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1U << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* One attempt is whole, and the record of the next begins at the byte returned. */
static long write_two(const struct place *place)
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

static void a_tail_torn_at_any_byte_is_cut_and_nothing_is_in_doubt(void **state)
{
    const struct place *place = *state;
    static const uint8_t zeros[JOURNAL_RECORD_BYTES];
    for (long size = 0; size < JOURNAL_RECORD_BYTES; size++) {
        long at = write_two(place);
        overwrite(file_of(place, "journal.1"), at + size, zeros, (size_t)(64 - size));
        struct journal *journal = open_again(place);
        assert_false(journal_is_in_doubt(journal));
        struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
        assert_int_equal(past.count, 1);
        assert_non_null(find(&past, 1));
        journal_past_free(&past);
        /* And the next record is written over it. */
        struct journal_entry third = attempt(3);
        assert_true(journal_write_data_end(journal, &third));
        die(journal);
        journal = open_again(place);
        past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
        assert_int_equal(past.count, 2);
        assert_non_null(find(&past, 3));
        journal_past_free(&past);
        journal_close(journal);
    }
}

static void any_flipped_bit_of_a_record_is_seen_and_leaves_doubt(void **state)
{
    const struct place *place = *state;
    for (long byte = 0; byte < JOURNAL_RECORD_BYTES; byte += 7)
        for (unsigned which = 0; which < 2; which++) {
            long at = write_two(place) - (which == 0 ? 64 : 0);
            flip(file_of(place, "journal.1"), at + byte, (unsigned)byte % 8);
            struct journal *journal = open_again(place);
            assert_true(journal_is_in_doubt(journal));
            struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
            assert_int_equal(past.count, 1);
            assert_non_null(find(&past, which == 0 ? 2 : 1));
            journal_past_free(&past);
            /* Until the database has been told, and no longer. */
            die(journal);
            journal = open_again(place);
            assert_true(journal_is_in_doubt(journal));
            journal_settle(journal);
            die(journal);
            journal = open_again(place);
            assert_false(journal_is_in_doubt(journal));
            journal_close(journal);
        }
}

static void a_file_that_was_cut_short_or_lost_leaves_doubt(void **state)
{
    const struct place *place = *state;
    long at = write_two(place);
    assert_int_equal(truncate(file_of(place, "journal.1"), at + 64), 0);
    struct journal *journal = open_again(place);
    assert_true(journal_is_in_doubt(journal));
    journal_close(journal);

    write_two(place);
    empty_folder(place);
    journal = open_again(place);
    assert_true(journal_is_in_doubt(journal));
    journal_close(journal);

    write_two(place);
    assert_int_equal(truncate(file_of(place, "journal.1"), 0), 0);
    journal = open_again(place);
    assert_true(journal_is_in_doubt(journal));
    struct journal_entry next = attempt(9);
    assert_true(journal_write_data_end(journal, &next));
    die(journal);
}

static void a_hole_in_the_middle_leaves_doubt(void **state)
{
    const struct place *place = *state;
    static const uint8_t zeros[JOURNAL_RECORD_BYTES];
    long at = write_two(place);
    overwrite(file_of(place, "journal.1"), at - 64, zeros, sizeof zeros);
    struct journal *journal = open_again(place);
    assert_true(journal_is_in_doubt(journal));
    journal_close(journal);
}

/* ---- Whose file it is. ---- */

static void is_refused(const struct place *place, const char *name, const char *why)
{
    struct error error = {0};
    assert_null(open_as(place, name, false, &error));
    assert_int_equal(error.exit_status, EX_CONFIG);
    assert_non_null(strstr(error.text, why));
    assert_non_null(strstr(error.text, "/journal.1"));
    assert_non_null(strstr(error.text, "move it away"));
}

static void what_is_not_this_worker_s_journal_is_refused_with_the_way_out(void **state)
{
    const struct place *place = *state;
    static const uint8_t version_2[] = {2, 0, 0, 0};
    write_two(place);
    is_refused(place, other_owner, "belongs to another worker");
    overwrite(file_of(place, "journal.1"), 8, version_2, sizeof version_2);
    is_refused(place, owner, "another version");
    overwrite(file_of(place, "journal.1"), 0, "mbox", 4);
    is_refused(place, owner, "is no journal");
}

static void a_copied_file_is_believed_for_what_it_says_and_for_nothing_else(void **state)
{
    const struct place *place = *state;
    char command[3 * PATH_BYTES];
    write_two(place);
    snprintf(command, sizeof command, "cp %s/journal.1 %s/copy && mv %s/copy %s/journal.1",
             place->path, place->path, place->path, place->path);
    assert_int_equal(system(command), 0); /* NOLINT: a fixed command of the test's own paths */
    struct journal *journal = open_again(place);
    assert_true(journal_is_in_doubt(journal));
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(past.count, 2);
    journal_past_free(&past);
    journal_settle(journal);
    die(journal);
    journal = open_again(place);
    assert_false(journal_is_in_doubt(journal));
    journal_close(journal);
}

/* The header and STARTED records name the boot. */
static void after_another_boot_what_was_not_synced_is_in_doubt(void **state)
{
    const struct place *place = *state;
    for (int sync = JOURNAL_SYNC_NONE; sync <= JOURNAL_SYNC_DATA; sync++) {
        empty_folder(place);
        struct journal *journal = open_first(place);
        journal_set_options(journal, (enum journal_sync)sync, SMALL_BYTES);
        memset(&journal->boot, 7, sizeof journal->boot);
        journal->is_life_noted = false;
        struct journal_record record = {
            .kind = JOURNAL_STARTED, .boot = journal->boot, .sync = journal->sync};
        assert_true(journal_append(journal, &record));
        journal_settle(journal);
        struct journal_entry entry = attempt(1);
        assert_true(journal_write_data_end(journal, &entry));
        die(journal);
        journal = open_again(place);
        assert_int_equal(journal_is_in_doubt(journal), sync == JOURNAL_SYNC_NONE);
        die(journal);
        /* Starting twice makes it no clearer. */
        journal = open_again(place);
        assert_int_equal(journal_is_in_doubt(journal), sync == JOURNAL_SYNC_NONE);
        journal_close(journal);
    }
}

/* ---- Size. ---- */

static long folder_bytes(const struct place *place)
{
    long bytes = 0;
    DIR *folder = opendir(place->path);
    const struct dirent *entry;
    struct stat status;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' && stat(file_of(place, entry->d_name), &status) == 0)
            bytes += status.st_size;
    closedir(folder);
    return bytes;
}

static void it_never_grows_and_what_is_in_flight_is_carried_over(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry slow[4];
    for (int64_t i = 0; i < 4; i++) {
        slow[i] = attempt(i);
        assert_true(journal_write_data_end(journal, &slow[i]));
        if (i % 2 == 1)
            journal_write_reply(journal, &slow[i], &sent);
    }
    for (int64_t message = 10; message < 10 + 5 * FILE_RECORDS; message++) {
        struct journal_entry entry = attempt(message);
        assert_true(journal_write_data_end(journal, &entry));
        if (message % 3 == 0)
            journal_tick(journal);
        journal_write_reply(journal, &entry, &sent);
        journal_forget(&entry);
        assert_in_range(folder_bytes(place), 1, SMALL_BYTES + 2 * JOURNAL_HEADER_BYTES);
    }
    assert_true(journal->generation > 5);
    uint64_t generation = journal->generation;
    die(journal);

    journal = open_again(place);
    assert_int_equal(journal->generation, generation);
    assert_false(journal_is_in_doubt(journal));
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    for (int64_t i = 0; i < 4; i++) {
        assert_non_null(find(&past, i));
        assert_true(find(&past, i)->has_data_ended);
        assert_int_equal(find(&past, i)->outcome,
                         i % 2 == 1 ? JOURNAL_OUTCOME_SENT : JOURNAL_OUTCOME_NONE);
    }
    journal_past_free(&past);
    /* What was recorded is there for a fail-over: a whole file of it at least. */
    past = past_of(journal, JOURNAL_SPAN_ALL);
    assert_true(past.count > FILE_RECORDS / 3);
    assert_non_null(find(&past, 10 + 5 * FILE_RECORDS - 1));
    assert_true(journal_reach_unix_s(journal) > 0);
    journal_past_free(&past);
    journal_close(journal);
}

static void a_place_is_kept_for_each_reply_that_is_still_to_come(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    static struct journal_entry entries[FILE_RECORDS];
    size_t count = 0;
    uint64_t generation = journal->generation;
    for (; journal->generation == generation; count++) {
        entries[count] = attempt((int64_t)count);
        assert_true(journal_write_data_end(journal, &entries[count]));
    }
    /* It was full for new ones while half of its places were still free. */
    assert_in_range(count, FILE_RECORDS / 2 - 4, FILE_RECORDS / 2 + 1);
    for (size_t i = 0; i < count; i++)
        journal_write_reply(journal, &entries[i], &sent);
    die(journal);
    journal = open_again(place);
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(past.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(past.entries[i].outcome, JOURNAL_OUTCOME_SENT);
    journal_past_free(&past);
    journal_close(journal);
}

/* ---- No room, no right to write. ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void without_a_journal_nothing_goes_and_it_goes_again_when_it_can_be_written(void **state)
{
    const struct place *place = *state;
    struct journal_entry entry = attempt(1);
    limit_files(1000);
    struct journal *journal = open_first(place);
    assert_false(journal_may_write(journal));
    assert_false(journal_write_data_end(journal, &entry));
    journal_tick(journal);
    assert_false(journal_may_write(journal));
    limit_files(RLIM_INFINITY);
    journal->tried_at_ms = 0;
    journal_tick(journal);
    assert_true(journal_may_write(journal));
    assert_true(journal_write_data_end(journal, &entry));
    die(journal);
}

static void a_full_disk_at_the_change_of_files_loses_nothing_that_is_in_flight(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry first = attempt(1);
    struct journal_entry entry;
    int64_t message = 2;
    assert_true(journal_write_data_end(journal, &first));
    uint64_t sequence = first.first_sequence;
    limit_files(1000);
    do {
        entry = attempt(message++);
        if (!journal_write_data_end(journal, &entry))
            break;
        journal_write_reply(journal, &entry, &sent);
        journal_forget(&entry);
    } while (message < 3 * FILE_RECORDS);
    limit_files(RLIM_INFINITY);
    assert_false(journal_may_write(journal));
    assert_int_equal(first.first_sequence, sequence);
    assert_int_not_equal(access(file_of(place, "journal.new"), F_OK), 0);
    /* The reply to what is in flight has its place. */
    journal_write_reply(journal, &first, &sent);
    journal_tick(journal);
    struct journal_past past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(find(&past, 1)->outcome, JOURNAL_OUTCOME_SENT);
    journal_past_free(&past);
    journal->tried_at_ms = 0;
    journal_tick(journal);
    assert_true(journal_may_write(journal));
    die(journal);
    journal = open_again(place);
    past = past_of(journal, JOURNAL_SPAN_UNSETTLED);
    assert_int_equal(find(&past, 1)->outcome, JOURNAL_OUTCOME_SENT);
    journal_past_free(&past);
    journal_close(journal);
}

static void a_file_that_cannot_be_read_is_no_start(void **state)
{
    const struct place *place = *state;
    struct error error = {0};
    assert_int_equal(mkdir(file_of(place, "journal.1"), 0700), 0);
    assert_null(open_as(place, owner, false, &error));
    assert_int_equal(error.exit_status, EX_OSERR);
    assert_non_null(strstr(error.text, "/journal.1"));
    rmdir(file_of(place, "journal.1"));
    assert_int_equal(symlink("/dev/zero", file_of(place, "journal.0")), 0);
    assert_null(open_as(place, owner, false, &error));
    assert_int_equal(error.exit_status, EX_OSERR);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
#define A_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        A_TEST(each_attempt_comes_back_as_far_as_it_got),
        A_TEST(a_later_attempt_takes_the_place_of_an_earlier_one),
        A_TEST(what_the_database_has_is_not_told_again_after_a_restart_but_after_a_fail_over),
        A_TEST(what_this_process_is_still_at_is_told_apart),
        A_TEST(what_was_claimed_before_a_new_life_of_the_database_never_goes),
        A_TEST(a_tail_torn_at_any_byte_is_cut_and_nothing_is_in_doubt),
        A_TEST(any_flipped_bit_of_a_record_is_seen_and_leaves_doubt),
        A_TEST(a_file_that_was_cut_short_or_lost_leaves_doubt),
        A_TEST(a_hole_in_the_middle_leaves_doubt),
        A_TEST(what_is_not_this_worker_s_journal_is_refused_with_the_way_out),
        A_TEST(a_copied_file_is_believed_for_what_it_says_and_for_nothing_else),
        A_TEST(after_another_boot_what_was_not_synced_is_in_doubt),
        A_TEST(it_never_grows_and_what_is_in_flight_is_carried_over),
        A_TEST(a_place_is_kept_for_each_reply_that_is_still_to_come),
        A_TEST(without_a_journal_nothing_goes_and_it_goes_again_when_it_can_be_written),
        A_TEST(a_full_disk_at_the_change_of_files_loses_nothing_that_is_in_flight),
        A_TEST(a_file_that_cannot_be_read_is_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
