/* Where the next attempt to connect goes, and how long it waits: every host at each of its
 * addresses once a round, from where a connection was last. */
#include "worker/io/pg_connection.h"
#include "worker/io/pg_route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

static void route_read(struct pg_route *route, const char *url)
{
    struct error error = {0};
    *route = (struct pg_route){0};
    assert_true(pg_connection_hosts(url, route->hosts, &route->count, &error));
}

struct good {
    const char *url;
    const char *hosts; /* name/address/port, with blanks between */
};

static const struct good goods[] = {
    {"handbell", ""},
    {"postgresql:///handbell", ""},
    {"dbname=handbell user=x", ""},
    {"host=/run/postgresql", "/run/postgresql//"},
    {"host=a", "a//"},
    {"host=a,b", "a// b//"},
    {"host=a,b port=1", "a//1 b//1"},
    {"host=a,b port=1,2", "a//1 b//2"},
    {"hostaddr=10.0.0.1,10.0.0.2", "/10.0.0.1/ /10.0.0.2/"},
    {"host=a,b hostaddr=10.0.0.1,10.0.0.2 port=5", "a/10.0.0.1/5 b/10.0.0.2/5"},
    {"postgresql://u:p@a:1,b:2/db?target_session_attrs=any", "a//1 b//2"},
    {"postgresql://[::1]:7,10.0.0.9/db", "::1//7 10.0.0.9//"},
};

static void the_hosts_of_a_connection_string_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct pg_route route;
        char text[512] = "";
        route_read(&route, goods[i].url);
        for (size_t k = 0; k < route.count; k++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s/%s/%s", k > 0 ? " " : "",
                     route.hosts[k].name, route.hosts[k].address, route.hosts[k].port);
        }
        assert_string_equal(text, goods[i].hosts);
    }
}

static const char *const bads[] = {
    "host=a,b port=1,2,3",    "host=a,b,c port=1,2", "host=a,b hostaddr=10.0.0.1", "host=,b",
    "host=1,2,3,4,5,6,7,8,9", "nonsense=secret",
};

static void what_cannot_be_told_apart_is_refused_without_being_quoted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct pg_host hosts[PG_HOSTS_MAXIMUM];
        struct error error = {0};
        size_t count;
        assert_false(pg_connection_hosts(bads[i], hosts, &count, &error));
        assert_int_equal(error.exit_status, EX_CONFIG);
        assert_non_null(strstr(error.text, "[database] url"));
        assert_null(strstr(error.text, "secret"));
    }
}

static void a_name_is_looked_up_and_nothing_else_is(void **state)
{
    static const char *const urls[] = {"host=10.0.0.1", "host=::1", "host=/run/postgresql",
                                       "host=db hostaddr=10.0.0.1", "handbell"};
    struct pg_route route;
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        route_read(&route, urls[i]);
        assert_null(pg_route_name(&route));
    }
    route_read(&route, "host=db.example.org");
    assert_string_equal(pg_route_name(&route), "db.example.org");
}

/* "NAME" or "NAME=ADDRESS" of where it is now. */
static const char *here(const struct pg_route *route)
{
    static char text[400];
    struct pg_host room;
    const struct pg_host *host = pg_route_here(route, &room);
    if (host == NULL)
        return "";
    snprintf(text, sizeof text, "%s%s%s", host->name, host->address[0] ? "=" : "", host->address);
    return text;
}

static void each_address_of_each_host_is_tried_once_a_round_without_a_pause(void **state)
{
    static const char two[][LOOP_ADDRESS_BYTES] = {"10.0.0.1", "10.0.0.2"};
    struct pg_route route;
    (void)state;
    route_read(&route, "host=db,10.0.0.9");
    assert_true(pg_route_take(&route, two, 2));
    for (unsigned round = 0; round < 3; round++) {
        assert_string_equal(here(&route), "db=10.0.0.1");
        assert_int_equal(pg_route_go_on(&route, UINT32_MAX), 0);
        assert_string_equal(here(&route), "db=10.0.0.2");
        assert_null(pg_route_name(&route)); /* not looked up again in the middle of it */
        assert_int_equal(pg_route_go_on(&route, UINT32_MAX), 0);
        assert_string_equal(here(&route), "10.0.0.9");
        assert_int_equal(pg_route_go_on(&route, UINT32_MAX), PG_PAUSE_BASE_MS << round);
        assert_string_equal(pg_route_name(&route), "db"); /* but in each round */
    }
}

static void when_the_name_server_is_away_the_addresses_before_are_tried(void **state)
{
    static const char one[][LOOP_ADDRESS_BYTES] = {"10.0.0.1"};
    struct pg_route route;
    (void)state;
    route_read(&route, "host=db");
    assert_false(pg_route_take(&route, NULL, 0));
    assert_true(pg_route_take(&route, one, 1));
    assert_true(pg_route_take(&route, NULL, 0));
    assert_string_equal(here(&route), "db=10.0.0.1");
}

static void a_round_begins_where_the_connection_was(void **state)
{
    struct pg_route route;
    (void)state;
    route_read(&route, "host=10.0.0.1,10.0.0.2,10.0.0.3");
    pg_route_go_on(&route, 0);
    assert_string_equal(here(&route), "10.0.0.2");
    pg_route_begin(&route, true, 0);
    assert_string_equal(here(&route), "10.0.0.2");
    pg_route_leave(&route); /* it takes no writes any more */
    pg_route_begin(&route, true, 0);
    assert_string_equal(here(&route), "10.0.0.3");
    assert_int_equal(pg_route_go_on(&route, UINT32_MAX), 0);
    assert_int_equal(pg_route_go_on(&route, UINT32_MAX), 0);
    assert_true(pg_route_go_on(&route, UINT32_MAX) > 0);
    assert_string_equal(here(&route), "10.0.0.3");
}

static void pauses_double_to_less_than_a_second_and_are_jittered(void **state)
{
    struct pg_route route;
    uint32_t pause_ms = 0;
    (void)state;
    route_read(&route, "host=10.0.0.1");
    for (unsigned round = 0; round < 100; round++)
        pause_ms = pg_route_go_on(&route, UINT32_MAX);
    assert_int_equal(pause_ms, PG_PAUSE_CAP_MS);
    assert_true(PG_PAUSE_CAP_MS < 1000);
    assert_int_equal(pg_route_go_on(&route, 0), 0);
    assert_int_equal(pg_route_go_on(&route, UINT32_MAX / 2), PG_PAUSE_CAP_MS / 2 - 1);
    assert_int_equal(pg_route_begin(&route, false, UINT32_MAX), PG_PAUSE_CAP_MS);
    assert_int_equal(pg_route_begin(&route, true, UINT32_MAX), PG_PAUSE_BASE_MS);
}

static void of_several_hosts_none_keeps_the_others_waiting(void **state)
{
    struct pg_route route;
    (void)state;
    route_read(&route, "host=10.0.0.1");
    assert_int_equal(pg_route_turn_ms(&route, 10000), 10000);
    route_read(&route, "host=10.0.0.1,10.0.0.2");
    assert_int_equal(pg_route_turn_ms(&route, 10000), PG_TURN_BASE_MS);
    pg_route_go_on(&route, 0);
    pg_route_go_on(&route, 0);
    assert_int_equal(pg_route_turn_ms(&route, 10000), 2 * PG_TURN_BASE_MS);
    for (unsigned i = 0; i < 100; i++)
        pg_route_go_on(&route, 0);
    assert_int_equal(pg_route_turn_ms(&route, 10000), 10000);
    assert_int_equal(pg_route_turn_ms(&route, 1000), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hosts_of_a_connection_string_are_found),
        cmocka_unit_test(what_cannot_be_told_apart_is_refused_without_being_quoted),
        cmocka_unit_test(a_name_is_looked_up_and_nothing_else_is),
        cmocka_unit_test(each_address_of_each_host_is_tried_once_a_round_without_a_pause),
        cmocka_unit_test(when_the_name_server_is_away_the_addresses_before_are_tried),
        cmocka_unit_test(a_round_begins_where_the_connection_was),
        cmocka_unit_test(pauses_double_to_less_than_a_second_and_are_jittered),
        cmocka_unit_test(of_several_hosts_none_keeps_the_others_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
