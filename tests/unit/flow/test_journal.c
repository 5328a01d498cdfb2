/* Proves what the journal remembers across the end of its process, and that what it cannot know it
 * calls doubtful. */
#include "tests/unit/flow/journal_place.h"

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

/* A database that was failed over without the first attempt gives its epoch to another one. */
static void an_attempt_with_an_earlier_one_s_epoch_is_in_doubt_again(void **state)
{
    const struct place *place = *state;
    struct journal *journal = open_first(place);
    struct journal_entry first = attempt(1), second = attempt(1);
    assert_true(journal_write_data_end(journal, &first));
    journal_write_reply(journal, &first, &deferred);
    journal_forget(&first);
    assert_true(journal_write_data_end(journal, &second));
    second.data_ended_unix_s += 2; /* written anew with its own time by the next file */
    assert_true(journal_roll(journal));
    struct journal_past past = past_of(journal, JOURNAL_SPAN_ALL);
    assert_int_equal(past.count, 1);
    assert_true(past.entries[0].is_live);
    assert_true(past.entries[0].has_data_ended);
    assert_int_equal(past.entries[0].outcome, JOURNAL_OUTCOME_NONE);
    journal_past_free(&past);
    journal_forget(&second);
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

/* So much that a second file was begun. */
static void write_much(const struct place *place)
{
    empty_folder(place);
    struct journal *journal = open_first(place);
    for (int64_t message = 1; journal->generation < 3; message++) {
        struct journal_entry entry = attempt(message);
        assert_true(journal_write_data_end(journal, &entry));
        journal_write_reply(journal, &entry, &sent);
        journal_forget(&entry);
        journal_tick(journal);
    }
    die(journal);
}

static void
of_two_files_either_one_that_is_damaged_or_lost_leaves_doubt_until_all_is_told(void **state)
{
    const struct place *place = *state;
    for (size_t slot = 0; slot < 2; slot++)
        for (unsigned is_lost = 0; is_lost < 2; is_lost++) {
            write_much(place);
            struct journal *journal = open_again(place);
            assert_false(journal_is_in_doubt(journal));
            journal_close(journal);
            if (is_lost)
                unlink(file_of(place, file_names[slot]));
            else
                flip(file_of(place, file_names[slot]), 20, 3);
            journal = open_again(place);
            assert_true(journal_is_in_doubt(journal));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define A_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        A_TEST(each_attempt_comes_back_as_far_as_it_got),
        A_TEST(a_later_attempt_takes_the_place_of_an_earlier_one),
        A_TEST(an_attempt_with_an_earlier_one_s_epoch_is_in_doubt_again),
        A_TEST(what_the_database_has_is_not_told_again_after_a_restart_but_after_a_fail_over),
        A_TEST(what_this_process_is_still_at_is_told_apart),
        A_TEST(what_was_claimed_before_a_new_life_of_the_database_never_goes),
        A_TEST(a_tail_torn_at_any_byte_is_cut_and_nothing_is_in_doubt),
        A_TEST(any_flipped_bit_of_a_record_is_seen_and_leaves_doubt),
        A_TEST(a_file_that_was_cut_short_or_lost_leaves_doubt),
        A_TEST(of_two_files_either_one_that_is_damaged_or_lost_leaves_doubt_until_all_is_told),
        A_TEST(a_hole_in_the_middle_leaves_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
