/* Writes and believes tokens. Must not know pages, mails or the database. */
#include "worker/model/token.h"

#include <string.h>

enum {
    TOKEN_VERSION = 1,
    TOKEN_PAYLOAD_BYTES = 18,
    TOKEN_SIGNATURE_BYTES = 16,
    TOKEN_BYTES = TOKEN_PAYLOAD_BYTES + TOKEN_SIGNATURE_BYTES,
    TOKEN_CHARACTERS = TOKEN_TEXT_BYTES - 1,
};

/* Whatever else is one day signed with these keys carries another label, so that no signature can
 * be taken from one use to the other. */
static const char token_label[] = "handbell token\n";
enum { TOKEN_LABEL_BYTES = sizeof token_label - 1 };

static const char base32_alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void number_write(uint8_t bytes[8], int64_t number)
{
    uint64_t rest = (uint64_t)number;
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(rest >> (56 - 8 * i));
}

static int64_t number_read(const uint8_t bytes[8])
{
    uint64_t number = 0;
    for (size_t i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return (int64_t)number;
}

static void base32_write(const uint8_t bytes[TOKEN_BYTES], char text[TOKEN_TEXT_BYTES])
{
    unsigned bits = 0;
    unsigned bit_count = 0;
    size_t at = 0;
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffffU;
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            text[at++] = base32_alphabet[bits >> bit_count & 31U];
        }
    }
    text[at++] = base32_alphabet[bits << (5 - bit_count) & 31U];
    text[at] = '\0';
}

/* 1 where `low` <= c <= `high`. */
static unsigned is_between(unsigned c, unsigned low, unsigned high)
{
    return ((low - 1 - c) & (c - high - 1)) >> 31;
}

/* 0 to 31, or 32 for a character that is none of the alphabet's. Without a branch: the time must
 * not depend on the character (a branch showed, by 30 of 2,500 ns). */
static unsigned base32_value(char c)
{
    unsigned byte = (unsigned char)c;
    unsigned lower = is_between(byte, 'a', 'z');
    unsigned upper = is_between(byte, 'A', 'Z');
    unsigned digit = is_between(byte, '2', '7');
    return lower * (byte - 'a') + upper * (byte - 'A') + digit * (byte - '2' + 26) +
           (1 - lower - upper - digit) * 32;
}

/* Decodes all characters, also past a wrong one, and says at the end whether all were right and the
 * bits left over are zero: otherwise several texts would mean one token. */
static bool base32_read(const char text[TOKEN_CHARACTERS], uint8_t bytes[TOKEN_BYTES])
{
    unsigned bits = 0;
    unsigned bit_count = 0;
    unsigned wrong = 0;
    size_t at = 0;
    for (size_t i = 0; i < TOKEN_CHARACTERS; i++) {
        unsigned value = base32_value(text[i]);
        wrong |= value & 32U;
        bits = (bits << 5 | (value & 31U)) & 0xffffU;
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes[at++] = (uint8_t)(bits >> bit_count);
        }
    }
    wrong |= bits & ((1U << bit_count) - 1U);
    return wrong == 0;
}

static bool payload_sign(const uint8_t key[CRYPTO_KEY_BYTES],
                         const uint8_t payload[TOKEN_PAYLOAD_BYTES],
                         uint8_t digest[CRYPTO_DIGEST_BYTES])
{
    uint8_t signed_bytes[TOKEN_LABEL_BYTES + TOKEN_PAYLOAD_BYTES];
    memcpy(signed_bytes, token_label, TOKEN_LABEL_BYTES);
    memcpy(signed_bytes + TOKEN_LABEL_BYTES, payload, TOKEN_PAYLOAD_BYTES);
    return crypto_hmac(key, signed_bytes, sizeof signed_bytes, digest);
}

bool token_write(const struct token_keys *keys, const struct token *token,
                 char text[TOKEN_TEXT_BYTES])
{
    uint8_t bytes[TOKEN_BYTES];
    uint8_t digest[CRYPTO_DIGEST_BYTES];
    text[0] = '\0';
    if (keys->count == 0)
        return false;
    bytes[0] = (uint8_t)(TOKEN_VERSION << 4 | ((unsigned)token->power & 15U));
    bytes[1] = (uint8_t)token->topic;
    number_write(bytes + 2, token->tenant_id);
    number_write(bytes + 10, token->person_id);
    if (!payload_sign(keys->keys[0], bytes, digest))
        return false;
    memcpy(bytes + TOKEN_PAYLOAD_BYTES, digest, TOKEN_SIGNATURE_BYTES);
    base32_write(bytes, text);
    return true;
}

/* Tries every key, also after one has fitted. */
static bool is_signed(const struct token_keys *keys, const uint8_t bytes[TOKEN_BYTES])
{
    unsigned fitting = 0;
    for (size_t i = 0; i < keys->count && i < TOKEN_KEYS_MAXIMUM; i++) {
        uint8_t digest[CRYPTO_DIGEST_BYTES];
        bool is_made = payload_sign(keys->keys[i], bytes, digest);
        bool is_equal = crypto_equal(digest, bytes + TOKEN_PAYLOAD_BYTES, TOKEN_SIGNATURE_BYTES);
        fitting |= (unsigned)is_made & (unsigned)is_equal;
        crypto_wipe(digest, sizeof digest);
    }
    return fitting != 0;
}

bool token_read(const struct token_keys *keys, const char *text, size_t size,
                enum token_power power, struct token *token)
{
    char characters[TOKEN_CHARACTERS];
    uint8_t bytes[TOKEN_BYTES] = {0};
    memset(token, 0, sizeof *token);
    memset(characters, 'a', sizeof characters);
    bool has_size = size == TOKEN_CHARACTERS;
    memcpy(characters, text, has_size ? TOKEN_CHARACTERS : 0);
    bool is_base32 = base32_read(characters, bytes);
    bool is_ours = is_signed(keys, bytes);
    bool is_power = bytes[0] == (TOKEN_VERSION << 4 | ((unsigned)power & 15U));
    bool is_topic = power != TOKEN_POWER_OPT_OUT || topic_is_known(bytes[1]);
    if (!((unsigned)has_size & (unsigned)is_base32 & (unsigned)is_ours & (unsigned)is_power &
          (unsigned)is_topic))
        return false;
    token->power = power;
    token->topic = (enum topic)bytes[1];
    token->tenant_id = number_read(bytes + 2);
    token->person_id = number_read(bytes + 10);
    return true;
}
