/* Proves that a journal is its worker's own, that it never grows past its size, and that nothing
 * goes where it cannot be written. */
#include "tests/unit/flow/journal_place.h"

#include <signal.h>
#include <sys/resource.h>
#include <sysexits.h>

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
    struct stat status;
    for (size_t i = 0; i < FILE_NAMES; i++)
        if (stat(file_of(place, file_names[i]), &status) == 0)
            bytes += status.st_size;
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
