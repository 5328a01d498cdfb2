/* Proves that what was kept is read again, whatever became of the program, the disk or the file;
 * and that what cannot be trusted is said. */
#include "worker/flow/keep.h"
#include "worker/io/loop.h"

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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 256, KEEP_DAYS = 35 };

static const char owner[] = "11111111-2222-4333-8444-555555555555";
static const char stranger[] = "99999999-2222-4333-8444-555555555555";

struct place {
    struct loop *loop;
    char base[64];
    struct keep *keep;
};

static struct keep *open_keep(struct place *place)
{
    struct error error = {0};
    place->keep = keep_open(place->loop, place->base, owner, KEEP_DAYS, &error);
    if (place->keep == NULL)
        fail_msg("%s", error.text);
    return place->keep;
}

static void close_keep(struct place *place)
{
    keep_close(place->keep);
    place->keep = NULL;
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct error error = {0};
    assert_non_null(place);
    strcpy(place->base, "/tmp/handbell_keep_XXXXXX");
    assert_non_null(mkdtemp(place->base));
    place->loop = loop_new(&error);
    assert_non_null(place->loop);
    *state = place;
    return 0;
}

static size_t files_of(const struct place *place, struct keep_file_name **files)
{
    char path[PATH_BYTES];
    size_t count = 0;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/kept", place->base);
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    if (folder >= 0) {
        assert_true(keep_file_list(folder, files, &count, &error));
        close(folder);
    }
    return count;
}

static void path_of(const struct place *place, const struct keep_file_name *file, char *path)
{
    snprintf(path, PATH_BYTES, "%s/kept/%s", place->base, file->name);
}

static int tear_down(void **state)
{
    struct place *place = *state;
    struct keep_file_name *files = NULL;
    char path[PATH_BYTES];
    keep_close(place->keep);
    loop_free(place->loop);
    size_t count = files_of(place, &files);
    for (size_t i = 0; i < count; i++) {
        path_of(place, &files[i], path);
        unlink(path);
    }
    free(files);
    snprintf(path, sizeof path, "%s/kept", place->base);
    rmdir(path);
    rmdir(place->base);
    free(place);
    return 0;
}

static uint64_t add(struct place *place, const char *line)
{
    return keep_add(place->keep, line, strlen(line));
}

/* The lines behind `after`, each with a ';' behind it, but for those about places. */
static void read_all(struct place *place, uint64_t after, char *text, size_t size)
{
    struct error error = {0};
    struct keep_line line;
    struct keep_reader *reader = keep_read(place->keep, after, &error);
    size_t length = 0;
    assert_non_null(reader);
    text[0] = '\0';
    while (keep_reader_next(reader, &line, &error) == KEEP_READING_LINE)
        if (line.size < 5 || memcmp(line.text, "here|", 5) != 0)
            length +=
                (size_t)snprintf(text + length, size - length, "%.*s;", (int)line.size, line.text);
    keep_reader_close(reader);
}

static void expect(struct place *place, uint64_t after, const char *lines)
{
    char text[4096];
    read_all(place, after, text, sizeof text);
    assert_string_equal(text, lines);
}

static off_t size_of(const char *path)
{
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_size;
}

static void only_file(struct place *place, char *path)
{
    struct keep_file_name *files = NULL;
    assert_int_equal(files_of(place, &files), 1);
    path_of(place, &files[0], path);
    free(files);
}

static void stop(void *context)
{
    loop_stop(context);
}

static void run_for(struct place *place, uint64_t ms)
{
    struct loop_timer *timer = loop_timer_new(place->loop, stop, place->loop);
    loop_timer_start(timer, ms);
    loop_run(place->loop);
    loop_timer_free(timer);
}

/* ---- */

static void what_was_kept_is_read_again(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES];
    open_keep(place);
    assert_int_equal(add(place, "a"), 1);
    assert_int_equal(add(place, "b"), 2);
    expect(place, 0, "a;b;");
    expect(place, 1, "b;");
    close_keep(place);
    open_keep(place);
    assert_int_equal(keep_newest(place->keep), 2);
    assert_int_equal(add(place, "c"), 3);
    expect(place, 1, "b;c;");
    expect(place, 3, "");
    only_file(place, path);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void a_torn_end_is_cut_wherever_it_was_torn(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES];
    open_keep(place);
    add(place, "whole");
    only_file(place, path);
    off_t whole = size_of(path);
    add(place, "torn");
    off_t torn = size_of(path);
    close_keep(place);
    for (off_t size = torn - 1; size > whole; size--) {
        assert_int_equal(truncate(path, size), 0);
        open_keep(place);
        assert_int_equal(size_of(path), whole);
        expect(place, 0, "whole;");
        assert_int_equal(add(place, "torn"), 2);
        close_keep(place);
    }
    assert_int_equal(truncate(path, torn + 5000), 0); /* zeros, as a lost page leaves them */
    open_keep(place);
    expect(place, 0, "whole;torn;");
    assert_int_equal(add(place, "more"), 3);
    expect(place, 0, "whole;torn;more;");
}

static void a_file_without_its_header_begins_anew(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES];
    open_keep(place);
    add(place, "a");
    only_file(place, path);
    close_keep(place);
    for (off_t size = 0; size < KEEP_HEADER_BYTES; size += 21) {
        assert_int_equal(truncate(path, size), 0);
        open_keep(place);
        assert_int_equal(add(place, "a"), 1);
        expect(place, 0, "a;");
        close_keep(place);
    }
}

static void flip(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x20;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void refuse(struct place *place, const char *who, int exit_status, const char *words)
{
    struct error error = {0};
    assert_null(keep_open(place->loop, place->base, who, KEEP_DAYS, &error));
    assert_int_equal(error.exit_status, exit_status);
    if (strstr(error.text, words) == NULL)
        fail_msg("%s", error.text);
}

static void damage_in_the_middle_is_refused_and_named(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES];
    open_keep(place);
    add(place, "a");
    only_file(place, path);
    off_t from = size_of(path);
    add(place, "b");
    off_t to = size_of(path);
    add(place, "c");
    close_keep(place);
    for (off_t at = 0; at < to; at += at < from ? 13 : 1) {
        flip(path, at);
        refuse(place, owner, EX_DATAERR, "kept/0000000000000001");
        flip(path, at);
    }
    open_keep(place);
    expect(place, 0, "a;b;c;");
}

static void another_workers_file_is_refused(void **state)
{
    struct place *place = *state;
    open_keep(place);
    add(place, "a");
    close_keep(place);
    refuse(place, stranger, EX_CONFIG, "of another worker");
}

/* A file of `day`, with one line. */
static void write_file(struct place *place, uint64_t first, uint32_t day)
{
    uint8_t header[KEEP_HEADER_BYTES];
    uint8_t entry[KEEP_ENTRY_BYTES + KEEP_LINE_BYTES];
    struct keep_file_name file;
    char path[PATH_BYTES];
    keep_file_name_make(&file, first, day);
    keep_file_write_header(header, owner, first);
    size_t size = keep_file_write_entry(entry, first, "x", 1);
    snprintf(path, sizeof path, "%s/kept", place->base);
    mkdir(path, 0700);
    path_of(place, &file, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, header, sizeof header), sizeof header);
    assert_int_equal(write(fd, entry, size), (ssize_t)size);
    close(fd);
}

static uint32_t days_ago(int days)
{
    time_t at = time(NULL) - (time_t)days * 86400;
    struct tm date;
    gmtime_r(&at, &date);
    return (uint32_t)((date.tm_year + 1900) * 10000 + (date.tm_mon + 1) * 100 + date.tm_mday);
}

static void a_day_has_its_file_and_old_ones_go(void **state)
{
    struct place *place = *state;
    struct keep_file_name *files = NULL;
    write_file(place, 1, days_ago(KEEP_DAYS + 3));
    write_file(place, 2, days_ago(KEEP_DAYS + 2));
    write_file(place, 3, days_ago(KEEP_DAYS - 1));
    write_file(place, 4, days_ago(1));
    open_keep(place);
    assert_int_equal(add(place, "today"), 5);
    assert_int_equal(files_of(place, &files), 3);
    if (files == NULL)
        return;
    assert_int_equal(files[0].first, 3);
    assert_int_equal(files[2].day, days_ago(0));
    free(files);
    expect(place, 2, "x;x;today;");
    struct error error = {0};
    assert_null(keep_read(place->keep, 1, &error)); /* what followed 1 is gone */
    assert_int_equal(error.exit_status, EX_DATAERR);
    assert_null(keep_read(place->keep, 0, &error)); /* a backup older than all that is here */
    expect(place, KEEP_READER_ALL, "x;x;today;");
}

/* An entry, the header of a file and the beginning of the last one are damaged. */
static void what_is_whole_behind_damage_can_be_read(void **state)
{
    static const off_t damages[] = {0, KEEP_HEADER_BYTES + 5, 20, KEEP_HEADER_BYTES + 5};
    struct place *place = *state;
    struct keep_file_name *files = NULL;
    struct error error = {0};
    struct keep_line line;
    char path[PATH_BYTES], seen[64] = "";
    for (uint32_t first = 1; first <= 4; first++)
        write_file(place, first, days_ago(4 - (int)first));
    open_keep(place);
    assert_int_equal(add(place, "today"), 5);
    assert_int_equal(files_of(place, &files), 4);
    for (size_t i = 1; i < 4; i++) {
        path_of(place, &files[i], path);
        flip(path, damages[i]);
    }
    free(files);
    struct keep_reader *reader = keep_read(place->keep, 0, &error);
    for (enum keep_reading reading = KEEP_READING_LINE; reading != KEEP_READING_END;) {
        reading = keep_reader_next(reader, &line, &error);
        if (reading == KEEP_READING_LINE)
            snprintf(seen + strlen(seen), 8, "%d;", (int)line.number);
        else if (reading == KEEP_READING_DAMAGED)
            assert_true(keep_reader_skip(reader));
    }
    keep_reader_close(reader);
    assert_string_equal(seen, "1;3;5;");
}

static void a_missing_file_is_damage(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    struct keep_line line;
    write_file(place, 1, days_ago(3));
    write_file(place, 3, days_ago(2));
    write_file(place, 4, days_ago(1));
    open_keep(place);
    struct keep_reader *reader = keep_read(place->keep, 0, &error);
    assert_non_null(reader);
    assert_int_equal(keep_reader_next(reader, &line, &error), KEEP_READING_LINE);
    assert_int_equal(keep_reader_next(reader, &line, &error), KEEP_READING_DAMAGED);
    assert_non_null(strstr(error.text, "missing"));
    keep_reader_close(reader);
}

static void let_files_grow_to(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_a_full_disk_refuses_waits_in_its_order(void **state)
{
    struct place *place = *state;
    char path[PATH_BYTES];
    char line[KEEP_LINE_BYTES];
    open_keep(place);
    assert_int_equal(add(place, "before"), 1);
    only_file(place, path);
    let_files_grow_to((rlim_t)size_of(path) + 10); /* a part of an entry fits */
    assert_int_equal(add(place, "first"), 2);
    assert_int_equal(add(place, "second"), 3);
    assert_true(keep_has_room(place->keep));
    run_for(place, KEEP_SYNC_MS + 100);
    let_files_grow_to(RLIM_INFINITY);
    run_for(place, KEEP_RETRY_MS + 200);
    expect(place, 0, "before;first;second;");
    assert_int_equal(add(place, "after"), 4);
    expect(place, 3, "after;");
    memset(line, 'z', sizeof line);
    let_files_grow_to(10);
    while (keep_has_room(place->keep))
        assert_int_not_equal(keep_add(place->keep, line, sizeof line), 0);
    while (keep_add(place->keep, line, sizeof line) != 0)
        continue;
    uint64_t newest = keep_newest(place->keep);
    let_files_grow_to(RLIM_INFINITY);
    run_for(place, KEEP_RETRY_MS + 200);
    assert_true(keep_has_room(place->keep) || keep_settled(place->keep) == 0);
    assert_int_equal(keep_add(place->keep, "end", 3), newest + 1);
    close_keep(place);
    open_keep(place);
    expect(place, newest, "end;");
}

static void the_database_has_all_up_to_the_first_that_it_lacks(void **state)
{
    struct place *place = *state;
    open_keep(place);
    for (int i = 0; i < 5; i++)
        add(place, "a");
    assert_int_equal(keep_settled(place->keep), 0);
    keep_settle(place->keep, 2);
    keep_settle(place->keep, 3);
    assert_int_equal(keep_settled(place->keep), 0);
    keep_settle(place->keep, 1);
    assert_int_equal(keep_settled(place->keep), 3);
    keep_settle(place->keep, 6); /* not given out */
    keep_settle(place->keep, 5);
    assert_int_equal(keep_settled(place->keep), 3);
    keep_settle(place->keep, 4);
    assert_int_equal(keep_settled(place->keep), 5);
    for (uint64_t i = 0; i < 2 * KEEP_OPEN_MOST; i++)
        keep_settle(place->keep, add(place, "a"));
    assert_int_equal(keep_settled(place->keep), keep_newest(place->keep));
    while (keep_has_room(place->keep))
        add(place, "a");
    assert_true(keep_newest(place->keep) - keep_settled(place->keep) < KEEP_OPEN_MOST);
}

static void numbers_go_on_behind_those_that_the_database_knows(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    struct keep_line line;
    open_keep(place);
    add(place, "old");
    keep_skip_to(place->keep, 500);
    assert_int_equal(keep_settled(place->keep), 500);
    assert_int_equal(add(place, "new"), 501);
    expect(place, 500, "new;");
    keep_skip_to(place->keep, 10); /* it has come further */
    close_keep(place);
    open_keep(place); /* the gap is no damage to who goes on */
    assert_int_equal(add(place, "next"), 502);
    expect(place, 500, "new;next;");
    /* But to who needs what is not there. */
    struct keep_reader *reader = keep_read(place->keep, 0, &error);
    assert_int_equal(keep_reader_next(reader, &line, &error), KEEP_READING_LINE);
    assert_int_equal(keep_reader_next(reader, &line, &error), KEEP_READING_DAMAGED);
    keep_reader_close(reader);
}

static void the_last_place_is_known_after_a_restart(void **state)
{
    struct place *place = *state;
    const struct keep_place first = {UINT64_C(18000000000000000000), 3, 1000, 7};
    const struct keep_place ahead = {first.system_identifier, 3, 1001, 8};
    open_keep(place);
    assert_int_equal(keep_last_place(place->keep).system_identifier, 0);
    keep_note_place(place->keep, &first);
    keep_note_place(place->keep, &ahead);
    assert_int_equal(keep_settled(place->keep), 2);
    close_keep(place);
    open_keep(place);
    struct keep_place last = keep_last_place(place->keep);
    assert_int_equal(last.system_identifier, ahead.system_identifier);
    assert_int_equal(last.timeline, ahead.timeline);
    assert_int_equal(last.position, ahead.position);
    assert_int_equal(last.kept, ahead.kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_kept_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut_wherever_it_was_torn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_without_its_header_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_in_the_middle_is_refused_and_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_workers_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_day_has_its_file_and_old_ones_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_whole_behind_damage_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_full_disk_refuses_waits_in_its_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_database_has_all_up_to_the_first_that_it_lacks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(numbers_go_on_behind_those_that_the_database_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_last_place_is_known_after_a_restart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
