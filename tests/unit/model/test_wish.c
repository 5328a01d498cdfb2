/* What a server's words ask for, and that none of them makes a mail wait for more than an hour. */
#include "worker/model/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    uint32_t wait_s;
} rows[] = {
    /* As servers say it. */
    {"Greylisted, please try again in 300 seconds", 300},
    {"Recipient address rejected: Greylisted for 5 minutes", 300},
    {"Greylisting in action, please come back in 00:05:00", 300},
    {"Greylisted, come back in 05:00", 300},
    {"You are being greylisted. Retry after 60s.", 60},
    {"try again in 1 hour", 3600},
    {"Too many mails, wait 90 sec", 90},
    {"retry in 2 MINUTES please", 120},
    {"4.7.1 <address>: Recipient address rejected: retry timeout 180 seconds", 180},
    {"delayed (10-minute rule)", 600},
    /* No time at all. */
    {"", 0},
    {"Try again later", 0},
    {"Greylisted, see http://postgrey.example/help/192.0.2.7.html", 0},
    {"connection from 192.0.2.7 minutes", 0},
    {"2001:db8::10:20:30 is listed", 0},
    {"error 451 4.7.1 s", 0},
    {"id 20261122 queued", 0},
    {"code x300s", 0},
    {"0 seconds", 0},
    {"00:00", 0},
    {"1234567 seconds", 0},
    {"99999999999999999999999999 seconds", 0},
    {"5 sentences", 0},
    {"12:3x", 0},
    {"wait 12:3x", 0},
    /* A time of the day is no time to wait. */
    {"try again at 10:30:05", 0},
    {"Try again at 10:30", 0},
    {"try again after 10:30:05", 0},
    {"please retry at 2026-11-22 10:30:05", 0},
    {"deferred until Sun, 22 Nov 2026 00:05:00 +0000", 0},
    {"not before 10:30 UTC", 0},
    {"22:05:10 too many mails", 0},
    {"at 10 h", 0},
    {"pas avant 10h30", 0},
    {"begin 10:30:05", 0},
    {"try again at 10:30:05, in 5 minutes", 300},
    {"IN  05:00", 300},
    {"wait for 00:02:00", 120},
    /* Never for long. */
    {"come back in 7 hours", WISH_MAXIMUM_S},
    {"999999 hours", WISH_MAXIMUM_S},
    {"wait 99:59:59", WISH_MAXIMUM_S},
    {"wait 3601 s", WISH_MAXIMUM_S},
    /* The first one counts. */
    {"limit of 10 a day; wait 2 minutes or 5 hours", 120},
};

static void each_text_asks_for_its_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (wish_wait_s(rows[i].text) != rows[i].wait_s)
            fail_msg("\"%s\": %u, not %u", rows[i].text, wish_wait_s(rows[i].text), rows[i].wait_s);
}

static void a_text_that_is_cut_anywhere_is_read_to_its_end_and_no_further(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t size = 0; size <= strlen(rows[i].text); size++) {
            char text[128];
            memcpy(text, rows[i].text, size);
            text[size] = '\0';
            assert_true(wish_wait_s(text) <= WISH_MAXIMUM_S);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_asks_for_its_time),
        cmocka_unit_test(a_text_that_is_cut_anywhere_is_read_to_its_end_and_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
