/* The journal's bytes. */
#include "worker/model/journal_record.h"

#include "worker/base/crc32c.h"

#include <string.h>

enum {
    END_MARK = 0xed, /* never zero, so that a record of which the end is missing shows */
    CRC_BYTES = 4,
    RECORD_CRC_AT = JOURNAL_RECORD_BYTES - 1 - CRC_BYTES,
    HEADER_CRC_AT = JOURNAL_HEADER_BYTES - CRC_BYTES,
};

static const uint8_t magic[8] = {'H', 'A', 'N', 'D', 'B', 'E', 'L', 'J'};

static uint8_t *put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + size;
}

static uint64_t get(const uint8_t **at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)(*at)[i] << (8 * i);
    *at += size;
    return value;
}

static bool are_zeros(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* ---- Records. STARTED and SETTLED use the places that name a message for what they have. ---- */

static uint8_t *put_subject(const struct journal_record *record, uint8_t *at)
{
    if (record->kind == JOURNAL_STARTED) {
        memcpy(at, record->boot.bytes, sizeof record->boot.bytes);
        return put(at + sizeof record->boot.bytes, 0, 8);
    }
    uint64_t message =
        record->kind == JOURNAL_SETTLED ? record->settled_before : (uint64_t)record->message_id;
    at = put(at, (uint64_t)record->tenant_id, 8);
    at = put(at, message, 8);
    return put(at, (uint64_t)record->created_unix_s, 8);
}

void journal_record_write(const struct journal_record *record, uint8_t bytes[JOURNAL_RECORD_BYTES])
{
    bool is_start = record->kind == JOURNAL_STARTED;
    uint8_t *at = put(bytes, (uint64_t)record->kind, 1);
    at = put(at, is_start ? record->is_in_doubt : (uint64_t)record->outcome, 1);
    at = put(at, is_start ? (uint64_t)record->sync : (uint64_t)record->code, 2);
    at = put(at, (uint32_t)record->epoch, 4);
    at = put_subject(record, at);
    at = put(at, (uint64_t)record->time_unix_s, 8);
    at = put(at, record->sequence, 8);
    memcpy(at, record->enhanced, JOURNAL_ENHANCED_BYTES);
    at = put(bytes + RECORD_CRC_AT, crc32c(bytes, RECORD_CRC_AT), CRC_BYTES);
    *at = END_MARK;
}

static void read_start(const uint8_t *at, uint8_t doubt, uint64_t sync,
                       struct journal_record *record)
{
    record->is_in_doubt = doubt != 0;
    record->sync = sync == JOURNAL_SYNC_DATA ? JOURNAL_SYNC_DATA : JOURNAL_SYNC_NONE;
    memcpy(record->boot.bytes, at, sizeof record->boot.bytes);
}

static bool is_known(const struct journal_record *record)
{
    return record->kind >= JOURNAL_DATA_ENDED && record->kind <= JOURNAL_SETTLED &&
           record->outcome <= JOURNAL_OUTCOME_UNSENT &&
           record->enhanced[JOURNAL_ENHANCED_BYTES - 1] == '\0';
}

enum journal_reading journal_record_read(const uint8_t bytes[JOURNAL_RECORD_BYTES],
                                         struct journal_record *record)
{
    const uint8_t *at = bytes + RECORD_CRC_AT;
    if (bytes[JOURNAL_RECORD_BYTES - 1] == 0)
        return are_zeros(bytes, JOURNAL_RECORD_BYTES) ? JOURNAL_READING_EMPTY
                                                      : JOURNAL_READING_TORN;
    if (bytes[JOURNAL_RECORD_BYTES - 1] != END_MARK ||
        get(&at, CRC_BYTES) != crc32c(bytes, RECORD_CRC_AT))
        return JOURNAL_READING_DAMAGED;
    at = bytes;
    *record = (struct journal_record){.kind = (enum journal_record_kind)get(&at, 1)};
    uint8_t outcome = (uint8_t)get(&at, 1);
    uint64_t code = get(&at, 2);
    record->epoch = (int32_t)(uint32_t)get(&at, 4);
    if (record->kind == JOURNAL_STARTED) {
        read_start(at, outcome, code, record);
        at += 24;
    } else {
        record->outcome = (enum journal_outcome)outcome;
        record->code = (int)code;
        record->tenant_id = (int64_t)get(&at, 8);
        record->message_id = (int64_t)get(&at, 8);
        record->created_unix_s = (int64_t)get(&at, 8);
    }
    if (record->kind == JOURNAL_SETTLED) {
        record->settled_before = (uint64_t)record->message_id;
        record->message_id = 0;
    }
    record->time_unix_s = (int64_t)get(&at, 8);
    record->sequence = get(&at, 8);
    memcpy(record->enhanced, at, JOURNAL_ENHANCED_BYTES);
    return is_known(record) ? JOURNAL_READING_WHOLE : JOURNAL_READING_DAMAGED;
}

/* ---- The header. ---- */

void journal_header_write(const struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_BYTES])
{
    memset(bytes, 0, JOURNAL_HEADER_BYTES);
    memcpy(bytes, magic, sizeof magic);
    uint8_t *at = put(bytes + sizeof magic, JOURNAL_VERSION, 4);
    at = put(at, JOURNAL_RECORD_BYTES, 4);
    at = put(at, header->generation, 8);
    at = put(at, header->size_bytes, 8);
    at = put(at, header->inode, 8);
    at = put(at, (uint64_t)header->created_unix_s, 8);
    at = put(at, (uint64_t)header->sync, 1);
    at = put(at, header->is_in_doubt, 1);
    at += 6;
    memcpy(at, header->owner.bytes, sizeof header->owner.bytes);
    memcpy(at + sizeof header->owner.bytes, header->boot.bytes, sizeof header->boot.bytes);
    put(bytes + HEADER_CRC_AT, crc32c(bytes, HEADER_CRC_AT), CRC_BYTES);
}

enum journal_header_reading journal_header_read(const uint8_t bytes[JOURNAL_HEADER_BYTES],
                                                struct journal_header *header)
{
    const uint8_t *at = bytes + sizeof magic;
    const uint8_t *crc_at = bytes + HEADER_CRC_AT;
    if (are_zeros(bytes, JOURNAL_HEADER_BYTES))
        return JOURNAL_HEADER_DAMAGED;
    bool is_sound = get(&crc_at, CRC_BYTES) == crc32c(bytes, HEADER_CRC_AT);
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return JOURNAL_HEADER_NO_JOURNAL;
    uint64_t version = get(&at, 4), size = get(&at, 4);
    if (version != JOURNAL_VERSION)
        return JOURNAL_HEADER_OTHER_VERSION;
    if (!is_sound || size != JOURNAL_RECORD_BYTES)
        return JOURNAL_HEADER_DAMAGED;
    header->generation = get(&at, 8);
    header->size_bytes = get(&at, 8);
    header->inode = get(&at, 8);
    header->created_unix_s = (int64_t)get(&at, 8);
    header->sync = get(&at, 1) == JOURNAL_SYNC_DATA ? JOURNAL_SYNC_DATA : JOURNAL_SYNC_NONE;
    header->is_in_doubt = get(&at, 1) != 0;
    at += 6;
    memcpy(header->owner.bytes, at, sizeof header->owner.bytes);
    memcpy(header->boot.bytes, at + sizeof header->owner.bytes, sizeof header->boot.bytes);
    return JOURNAL_HEADER_WHOLE;
}

/* ---- Names. ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool journal_uuid_read(const char *text, struct journal_uuid *uuid)
{
    size_t digits = 0;
    size_t size = strlen(text);

    if (size != 36)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        int value = hex_value(text[i]);
        if (is_dash ? text[i] != '-' : value < 0)
            return false;
        if (is_dash)
            continue;
        uint8_t *byte = &uuid->bytes[digits / 2];
        *byte = (uint8_t)(digits % 2 == 0 ? value << 4 : *byte | value);
        digits++;
    }
    return true;
}

bool journal_uuid_equal(const struct journal_uuid *a, const struct journal_uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
