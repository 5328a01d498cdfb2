/* Proves that a token is believed exactly when it is whole, ours, and for the power asked. */
#include "worker/model/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct token_keys keys_of(uint8_t first, size_t count)
{
    struct token_keys keys = {.count = count};
    for (size_t i = 0; i < count; i++)
        memset(keys.keys[i], first + (int)i, CRYPTO_KEY_BYTES);
    return keys;
}

static const struct token sample = {
    .power = TOKEN_POWER_OPT_OUT,
    .topic = TOPIC_ALERTS,
    .tenant_id = 7,
    .person_id = INT64_C(0x0123456789abcdef),
};

static void assert_is_sample(const struct token *token)
{
    assert_int_equal(token->power, sample.power);
    assert_int_equal(token->topic, sample.topic);
    assert_true(token->tenant_id == sample.tenant_id);
    assert_true(token->person_id == sample.person_id);
}

static bool is_refused(const struct token_keys *keys, const char *text, size_t size)
{
    struct token token;
    struct token zero;
    memset(&token, 0xff, sizeof token);
    memset(&zero, 0, sizeof zero);
    bool is_read = token_read(keys, text, size, TOKEN_POWER_OPT_OUT, &token);
    return !is_read && memcmp(&token, &zero, sizeof zero) == 0;
}

static void a_token_comes_back_as_it_was_written(void **state)
{
    (void)state;
    static const int64_t ids[] = {0, 1, 255, 256, INT64_MAX, INT64_MIN, -1};
    struct token_keys keys = keys_of(1, 1);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        for (unsigned topic = TOPIC_ALERTS; topic <= TOPIC_OPTIONAL; topic++) {
            struct token written = {.power = TOKEN_POWER_OPT_OUT,
                                    .topic = (enum topic)topic,
                                    .tenant_id = ids[i],
                                    .person_id = ~ids[i]};
            struct token token;
            char text[TOKEN_TEXT_BYTES];
            assert_true(token_write(&keys, &written, text));
            assert_int_equal(strlen(text), 55);
            assert_true(token_read(&keys, text, 55, TOKEN_POWER_OPT_OUT, &token));
            assert_memory_equal(&token, &written, sizeof token);
        }
    }
}

static void a_token_outlives_case_folding(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 1);
    struct token token;
    char text[TOKEN_TEXT_BYTES];
    assert_true(token_write(&keys, &sample, text));
    for (size_t i = 0; text[i] != '\0'; i++)
        text[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
    assert_true(token_read(&keys, text, 55, TOKEN_POWER_OPT_OUT, &token));
    assert_is_sample(&token);
}

static void a_token_with_any_other_character_is_refused(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 2);
    char text[TOKEN_TEXT_BYTES];
    assert_true(token_write(&keys, &sample, text));
    for (size_t i = 0; i < 55; i++) {
        char was = text[i];
        for (int c = 0; c < 256; c++) {
            char upper = (char)(was >= 'a' && was <= 'z' ? was - 32 : was);
            if ((char)c == was || (char)c == upper)
                continue;
            text[i] = (char)c;
            assert_true(is_refused(&keys, text, 55));
        }
        text[i] = was;
    }
    assert_false(is_refused(&keys, text, 55));
}

static void a_token_of_another_length_is_refused(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 1);
    char text[TOKEN_TEXT_BYTES + 8] = {0};
    assert_true(token_write(&keys, &sample, text));
    for (size_t size = 0; size < 55; size++)
        assert_true(is_refused(&keys, text, size));
    assert_true(is_refused(&keys, text, 56));
    memcpy(text + 55, "=", 2);
    assert_true(is_refused(&keys, text, 56));
    memcpy(text + 55, "a", 2);
    assert_true(is_refused(&keys, text, 56));
}

static void a_token_for_another_power_is_refused(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 1);
    struct token token;
    char text[TOKEN_TEXT_BYTES];
    struct token other = sample;
    other.power = (enum token_power)2;
    assert_true(token_write(&keys, &other, text));
    assert_true(is_refused(&keys, text, 55));
    assert_true(token_read(&keys, text, 55, (enum token_power)2, &token));
    assert_true(token_write(&keys, &sample, text));
    assert_false(token_read(&keys, text, 55, (enum token_power)2, &token));
}

static void an_opt_out_of_no_known_topic_is_refused(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 1);
    char text[TOKEN_TEXT_BYTES];
    for (int topic = 0; topic < 256; topic++) {
        struct token other = sample;
        other.topic = (enum topic)topic;
        assert_true(token_write(&keys, &other, text));
        assert_int_equal(is_refused(&keys, text, 55), topic == 0 || topic > TOPIC_OPTIONAL);
    }
}

static void the_first_key_signs_and_every_key_verifies(void **state)
{
    (void)state;
    struct token_keys old_keys = keys_of(9, 1);
    char text[TOKEN_TEXT_BYTES];
    struct token token;
    assert_true(token_write(&old_keys, &sample, text));
    for (size_t count = 1; count <= TOKEN_KEYS_MAXIMUM; count++) {
        struct token_keys keys = keys_of((uint8_t)(10 - count), count);
        assert_true(token_read(&keys, text, 55, TOKEN_POWER_OPT_OUT, &token));
        assert_is_sample(&token);
    }
    struct token_keys retired = keys_of(10, TOKEN_KEYS_MAXIMUM);
    assert_true(is_refused(&retired, text, 55));
    struct token_keys none = {.count = 0};
    assert_true(is_refused(&none, text, 55));
    assert_false(token_write(&none, &sample, text));
    assert_string_equal(text, "");
}

static void topics_have_the_names_of_the_database(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "alerts", "bulletin", "optional"};
    for (unsigned i = 0; i < 4; i++) {
        enum topic topic = TOPIC_NONE;
        assert_string_equal(topic_name((enum topic)i), names[i]);
        assert_true(topic_from_name(names[i], &topic));
        assert_int_equal(topic, i);
        assert_int_equal(topic_is_known(i), i > 0);
    }
    enum topic topic = TOPIC_BULLETIN;
    assert_string_equal(topic_name((enum topic)4), "");
    assert_false(topic_is_known(4));
    assert_false(topic_from_name("Alerts", &topic));
    assert_false(topic_from_name(NULL, &topic));
    assert_int_equal(topic, TOPIC_BULLETIN);
}

/* What comes back by mail may say which message it was, and do nothing else. */
static void a_bounces_token_names_a_message_and_opens_nothing_else(void **state)
{
    (void)state;
    struct token_keys keys = keys_of(1, 1);
    const struct token written = {
        .power = TOKEN_POWER_BOUNCE, .tenant_id = 7, .message_id = INT64_MAX - 1};
    struct token token;
    char text[TOKEN_TEXT_BYTES];
    assert_true(token_write(&keys, &written, text));
    assert_true(strlen("b-") + strlen(text) <= 64); /* RFC 5321 4.5.3.1.1 */
    assert_true(is_refused(&keys, text, strlen(text)));
    for (char *at = text; *at != '\0'; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    assert_true(token_read(&keys, text, strlen(text), TOKEN_POWER_BOUNCE, &token));
    assert_true(token.tenant_id == 7 && token.message_id == INT64_MAX - 1);
    assert_true(token_write(&keys, &sample, text));
    assert_false(token_read(&keys, text, strlen(text), TOKEN_POWER_BOUNCE, &token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_back_as_it_was_written),
        cmocka_unit_test(a_token_outlives_case_folding),
        cmocka_unit_test(a_token_with_any_other_character_is_refused),
        cmocka_unit_test(a_token_of_another_length_is_refused),
        cmocka_unit_test(a_token_for_another_power_is_refused),
        cmocka_unit_test(an_opt_out_of_no_known_topic_is_refused),
        cmocka_unit_test(the_first_key_signs_and_every_key_verifies),
        cmocka_unit_test(topics_have_the_names_of_the_database),
        cmocka_unit_test(a_bounces_token_names_a_message_and_opens_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
