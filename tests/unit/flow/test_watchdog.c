/* The watchdog: it says that all is well as often as it must, only while it is, and to nobody who
 * does not ask. The service manager is a socket of the test. */
#include "worker/flow/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* The socket holds ten datagrams, and is read at the end. */
enum { PERIOD_MS = 1200, LISTEN_MS = 1200 };

struct manager {
    struct loop *loop;
    int fd;
    char path[64];
    bool is_moving;
};

static int start_manager(void **state)
{
    struct manager *manager = calloc(1, sizeof *manager);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error error = {0};
    assert_non_null(manager);
    manager->loop = loop_new(&error);
    assert_non_null(manager->loop);
    snprintf(manager->path, sizeof manager->path, "/tmp/handbell-watchdog-%d", (int)getpid());
    memcpy(address.sun_path, manager->path, sizeof manager->path);
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(manager->fd >= 0);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, sizeof address), 0);
    char period_us[16];
    snprintf(period_us, sizeof period_us, "%d", PERIOD_MS * 1000);
    setenv("NOTIFY_SOCKET", manager->path, 1);
    setenv("WATCHDOG_USEC", period_us, 1);
    manager->is_moving = true;
    *state = manager;
    return 0;
}

static int stop_manager(void **state)
{
    struct manager *manager = *state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    loop_free(manager->loop);
    close(manager->fd);
    unlink(manager->path);
    free(manager);
    return 0;
}

static void on_time(void *context)
{
    loop_stop(context);
}

/* How often the manager hears that all is well while the loop runs for LISTEN_MS. */
static unsigned listen_to(struct manager *manager)
{
    struct loop_timer *end = loop_timer_new(manager->loop, on_time, manager->loop);
    char heard[64];
    ssize_t size;
    unsigned count = 0;
    loop_timer_start(end, LISTEN_MS);
    loop_run(manager->loop);
    loop_timer_free(end);
    while ((size = recv(manager->fd, heard, sizeof heard - 1, 0)) > 0) {
        heard[size] = '\0';
        count += strcmp(heard, "WATCHDOG=1") == 0;
    }
    return count;
}

static bool ask(void *context)
{
    const struct manager *manager = context;
    return manager->is_moving;
}

static void it_tells_at_least_twice_within_each_period(void **state)
{
    struct manager *manager = *state;
    struct watchdog watchdog = {0};
    assert_true(watchdog_start(&watchdog, manager->loop, NULL, NULL));
    assert_true(listen_to(manager) >= 2 * LISTEN_MS / PERIOD_MS);
    watchdog_stop(&watchdog);
}

static void it_is_silent_while_nothing_moves_and_tells_again_after(void **state)
{
    struct manager *manager = *state;
    struct watchdog watchdog = {0};
    manager->is_moving = false;
    assert_true(watchdog_start(&watchdog, manager->loop, ask, manager));
    assert_int_equal(listen_to(manager), 0);
    manager->is_moving = true;
    assert_true(listen_to(manager) > 0);
    watchdog_stop(&watchdog);
    assert_int_equal(listen_to(manager), 0);
}

static void nobody_is_told_who_does_not_ask(void **state)
{
    struct manager *manager = *state;
    struct watchdog watchdog = {0};
    unsetenv("WATCHDOG_USEC");
    assert_true(watchdog_start(&watchdog, manager->loop, ask, manager));
    assert_null(watchdog.timer);
    watchdog_stop(&watchdog);
    /* Meant for another process: systemd names the one whose word counts. */
    setenv("WATCHDOG_USEC", "1200000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_true(watchdog_start(&watchdog, manager->loop, ask, manager));
    assert_int_equal(listen_to(manager), 0);
    watchdog_stop(&watchdog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_tells_at_least_twice_within_each_period, start_manager,
                                        stop_manager),
        cmocka_unit_test_setup_teardown(it_is_silent_while_nothing_moves_and_tells_again_after,
                                        start_manager, stop_manager),
        cmocka_unit_test_setup_teardown(nobody_is_told_who_does_not_ask, start_manager,
                                        stop_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
