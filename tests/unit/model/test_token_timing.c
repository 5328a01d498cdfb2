/* Does the time that a forged token takes tell where it is wrong? 100,000 samples of each kind,
 * taken in turns, so that whatever else the machine does falls on all kinds alike. */
#include "worker/model/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    SAMPLES = 100000,
    WARM_UP = 2000,
    KINDS = 5,
    TRIES = 5,
    SIGNATURE_AT = 29, /* the first character that holds bits of the signature alone */
    TOLERANCE_PERMILLE = 10,
};

static const char *const kind_names[KINDS] = {"first character", "first of the signature",
                                              "middle of the signature", "last of the signature",
                                              "person and signature"};

struct timing {
    struct token_keys keys;
    char texts[KINDS][TOKEN_TEXT_BYTES];
    uint32_t *samples_ns[KINDS];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a;
    uint32_t other = *(const uint32_t *)b;
    return one < other ? -1 : one > other;
}

static void forge(char text[TOKEN_TEXT_BYTES], size_t at)
{
    text[at] = text[at] == 'b' ? 'c' : 'b';
}

static void timing_prepare(struct timing *timing)
{
    struct token token = {
        .power = TOKEN_POWER_OPT_OUT, .topic = TOPIC_ALERTS, .tenant_id = 7, .person_id = 12345};
    timing->keys.count = 2;
    memset(timing->keys.keys, 0x5a, sizeof timing->keys.keys);
    for (size_t i = 0; i < KINDS; i++) {
        assert_true(token_write(&timing->keys, &token, timing->texts[i]));
        timing->samples_ns[i] = calloc(SAMPLES, sizeof(uint32_t));
        assert_non_null(timing->samples_ns[i]);
    }
    forge(timing->texts[0], 0);
    forge(timing->texts[1], SIGNATURE_AT);
    forge(timing->texts[2], (SIGNATURE_AT + TOKEN_TEXT_BYTES - 2) / 2);
    /* The last character has bits that must be zero: the one before it is all signature. */
    forge(timing->texts[3], TOKEN_TEXT_BYTES - 3);
    forge(timing->texts[4], 20);
    forge(timing->texts[4], SIGNATURE_AT);
}

/* The medians, in nanoseconds. */
static void timing_measure(struct timing *timing, uint32_t medians_ns[KINDS])
{
    struct token token;
    for (size_t i = 0; i < SAMPLES + WARM_UP; i++) {
        for (size_t j = 0; j < KINDS; j++) {
            size_t kind = (i + j) % KINDS; /* none always comes after the same other */
            uint64_t start_ns = now_ns();
            bool is_read = token_read(&timing->keys, timing->texts[kind], TOKEN_TEXT_BYTES - 1,
                                      TOKEN_POWER_OPT_OUT, &token);
            uint64_t took_ns = now_ns() - start_ns;
            assert_false(is_read);
            if (i >= WARM_UP)
                timing->samples_ns[kind][i - WARM_UP] = (uint32_t)took_ns;
        }
    }
    for (size_t i = 0; i < KINDS; i++) {
        qsort(timing->samples_ns[i], SAMPLES, sizeof(uint32_t), compare);
        medians_ns[i] = timing->samples_ns[i][SAMPLES / 2];
    }
}

/* A busy machine can shift one round; a leak would show in every one. */
static void a_forged_token_takes_the_same_time_wherever_it_is_wrong(void **state)
{
    struct timing timing;
    bool is_even = false;
    (void)state;
    timing_prepare(&timing);
    for (int try = 0; try < TRIES && !is_even; try++) {
        uint32_t medians_ns[KINDS];
        uint32_t least = UINT32_MAX;
        uint32_t most = 0;
        timing_measure(&timing, medians_ns);
        for (size_t i = 0; i < KINDS; i++) {
            print_message("%-24s median %u ns\n", kind_names[i], medians_ns[i]);
            least = medians_ns[i] < least ? medians_ns[i] : least;
            most = medians_ns[i] > most ? medians_ns[i] : most;
        }
        is_even = (most - least) * 1000 <= most * TOLERANCE_PERMILLE;
    }
    for (size_t i = 0; i < KINDS; i++)
        free(timing.samples_ns[i]);
    assert_true(is_even);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_token_takes_the_same_time_wherever_it_is_wrong),
    };
    return cmocka_run_group_tests_name("token_timing", tests, NULL, NULL);
}
