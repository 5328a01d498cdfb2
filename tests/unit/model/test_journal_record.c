/* Proves that a record comes back as it was written, and that one which is torn at any byte or has
 * any bit flipped is never taken for another. */
#include "worker/base/crc32c.h"
#include "worker/model/journal_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char uuid_text[] = "0123abcd-4567-89ef-0123-456789abcdef";

static struct journal_record a_reply(void)
{
    return (struct journal_record){.kind = JOURNAL_REPLY,
                                   .sequence = 77,
                                   .time_unix_s = 1795374000,
                                   .tenant_id = 3,
                                   .message_id = 1099511627777,
                                   .created_unix_s = 1795373999,
                                   .epoch = 2,
                                   .outcome = JOURNAL_OUTCOME_REFUSED,
                                   .code = 550,
                                   .enhanced = "5.1.1"};
}

static void the_checksum_is_crc_32c(void **state)
{
    (void)state;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
}

static void each_kind_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct journal_record records[] = {
        a_reply(),
        a_reply(),
        {.kind = JOURNAL_STARTED, .sequence = 1, .sync = JOURNAL_SYNC_DATA},
        {.kind = JOURNAL_SETTLED, .sequence = 2, .settled_before = UINT64_C(1) << 40}};
    records[1].kind = JOURNAL_DATA_ENDED;
    records[1].outcome = JOURNAL_OUTCOME_NONE;
    records[2].is_in_doubt = true;
    assert_true(journal_uuid_read(uuid_text, &records[2].boot));
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        uint8_t bytes[JOURNAL_RECORD_BYTES];
        struct journal_record back;
        journal_record_write(&records[i], bytes);
        assert_int_equal(journal_record_read(bytes, &back), JOURNAL_READING_WHOLE);
        assert_int_equal(back.kind, records[i].kind);
        assert_int_equal(back.sequence, records[i].sequence);
        assert_int_equal(back.time_unix_s, records[i].time_unix_s);
        assert_int_equal(back.tenant_id, records[i].tenant_id);
        assert_int_equal(back.message_id, records[i].message_id);
        assert_int_equal(back.created_unix_s, records[i].created_unix_s);
        assert_int_equal(back.epoch, records[i].epoch);
        assert_int_equal(back.outcome, records[i].outcome);
        assert_int_equal(back.code, records[i].code);
        assert_string_equal(back.enhanced, records[i].enhanced);
        assert_int_equal(back.settled_before, records[i].settled_before);
        assert_int_equal(back.sync, records[i].sync);
        assert_int_equal(back.is_in_doubt, records[i].is_in_doubt);
        assert_true(journal_uuid_equal(&back.boot, &records[i].boot));
    }
}

static void a_record_torn_at_any_byte_shows_as_torn(void **state)
{
    (void)state;
    const struct journal_record record = a_reply();
    for (size_t size = 0; size < JOURNAL_RECORD_BYTES; size++) {
        uint8_t whole[JOURNAL_RECORD_BYTES], bytes[JOURNAL_RECORD_BYTES] = {0};
        struct journal_record back;
        journal_record_write(&record, whole);
        memcpy(bytes, whole, size);
        assert_int_equal(journal_record_read(bytes, &back),
                         size == 0 ? JOURNAL_READING_EMPTY : JOURNAL_READING_TORN);
    }
}

static void a_record_with_any_bit_flipped_shows_as_damaged(void **state)
{
    (void)state;
    const struct journal_record record = a_reply();
    for (size_t bit = 0; bit < JOURNAL_RECORD_BYTES * 8; bit++) {
        uint8_t bytes[JOURNAL_RECORD_BYTES];
        struct journal_record back;
        journal_record_write(&record, bytes);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(journal_record_read(bytes, &back), JOURNAL_READING_DAMAGED);
    }
}

static void a_header_comes_back_and_says_what_is_wrong_with_it(void **state)
{
    (void)state;
    struct journal_header header = {.generation = 9,
                                    .size_bytes = 4096,
                                    .inode = 12345,
                                    .created_unix_s = 1795374000,
                                    .sync = JOURNAL_SYNC_DATA,
                                    .is_in_doubt = true};
    uint8_t bytes[JOURNAL_HEADER_BYTES];
    struct journal_header back;
    assert_true(journal_uuid_read(uuid_text, &header.owner));
    header.boot = header.owner;
    header.boot.bytes[0] ^= 1;
    journal_header_write(&header, bytes);
    assert_int_equal(journal_header_read(bytes, &back), JOURNAL_HEADER_WHOLE);
    assert_memory_equal(&back.owner, &header.owner, sizeof back.owner);
    assert_memory_equal(&back.boot, &header.boot, sizeof back.boot);
    assert_int_equal(back.generation, 9);
    assert_int_equal(back.size_bytes, 4096);
    assert_int_equal(back.inode, 12345);
    assert_int_equal(back.created_unix_s, 1795374000);
    assert_int_equal(back.sync, JOURNAL_SYNC_DATA);
    assert_true(back.is_in_doubt);
    for (size_t bit = 0; bit < JOURNAL_HEADER_BYTES * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum journal_header_reading expected = bit / 8 < 8    ? JOURNAL_HEADER_NO_JOURNAL
                                               : bit / 8 < 12 ? JOURNAL_HEADER_OTHER_VERSION
                                                              : JOURNAL_HEADER_DAMAGED;
        assert_int_equal(journal_header_read(bytes, &back), expected);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(journal_header_read(bytes, &back), JOURNAL_HEADER_DAMAGED);
}

static void only_a_uuid_is_read_as_one(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "0123abcd-4567-89ef-0123-456789abcde", "0123abcd-4567-89ef-0123-456789abcdef0",
        "0123ABCD-4567-89ef-0123-456789abcdef", "0123abcd04567-89ef-0123-456789abcdef"};
    struct journal_uuid uuid;
    assert_true(journal_uuid_read(uuid_text, &uuid));
    assert_int_equal(uuid.bytes[0], 0x01);
    assert_int_equal(uuid.bytes[15], 0xef);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(journal_uuid_read(bad[i], &uuid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_crc_32c),
        cmocka_unit_test(each_kind_comes_back_as_it_was_written),
        cmocka_unit_test(a_record_torn_at_any_byte_shows_as_torn),
        cmocka_unit_test(a_record_with_any_bit_flipped_shows_as_damaged),
        cmocka_unit_test(a_header_comes_back_and_says_what_is_wrong_with_it),
        cmocka_unit_test(only_a_uuid_is_read_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
