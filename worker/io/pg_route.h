/* Where the next attempt to connect goes, and when: the hosts of a connection string in their
 * order, each at every address that its name has, round by round, starting from where a connection
 * was last. libpq's own way through several hosts waits for a silent one without limit when it is
 * not allowed to block, and asks the name server inside the loop. Private to worker/io; pure but
 * for its own state: time and chance are pg.c's. */
#ifndef HANDBELL_IO_PG_ROUTE_H
#define HANDBELL_IO_PG_ROUTE_H

#include "worker/io/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PG_HOSTS_MAXIMUM = 8,
    PG_HOST_BYTES = 256,
    PG_PORT_BYTES = 8,
    /* A round of all hosts failed: the next one after [0, 100 ms], doubling to [0, 800 ms], so that
     * the database is found again within a second of its return. */
    PG_PAUSE_BASE_MS = 100,
    PG_PAUSE_CAP_MS = 800,
    /* For TCP's handshake alone. A host that was cut off and is back answers the next SYN; libpq's
     * would come at 1, 3 and 7 s. */
    PG_HANDSHAKE_MS = 1500,
    /* Of several hosts none may keep the others waiting for the whole of connect_timeout at first:
     * so long in the first round, twice in the second, and so on. */
    PG_TURN_BASE_MS = 3000,
};

/* `name` is a host name, a numeric address, or a socket's folder; `address` is numeric or "". */
struct pg_host {
    char name[PG_HOST_BYTES];
    char address[LOOP_ADDRESS_BYTES];
    char port[PG_PORT_BYTES];
};

struct pg_addresses {
    size_t count;
    char addresses[LOOP_ADDRESSES_MAXIMUM][LOOP_ADDRESS_BYTES];
};

struct pg_route {
    struct pg_host hosts[PG_HOSTS_MAXIMUM];
    struct pg_addresses known[PG_HOSTS_MAXIMUM]; /* of names; the last that were found */
    size_t count;                                /* 0: the string names none, libpq chooses */
    size_t host;
    size_t address;
    size_t begun;    /* hosts of this round that are done with */
    unsigned rounds; /* failed in a row */
};

/* The name that stands for the next attempt's host at the beginning of its turn, or NULL. It is
 * worth looking up anew in each round: a fail-over may be a change of the name. */
const char *pg_route_name(const struct pg_route *route);
/* What was found; with none, the addresses before stay. False: there is none to try. */
bool pg_route_take(struct pg_route *route, const char addresses[][LOOP_ADDRESS_BYTES],
                   size_t count);
/* Where to connect, in `room`; or NULL: wherever libpq chooses. */
const struct pg_host *pg_route_here(const struct pg_route *route, struct pg_host *room);
/* How long the attempt may take in all. */
uint32_t pg_route_turn_ms(const struct pg_route *route, uint32_t connect_timeout_ms);
/* The attempt failed: goes on to the next address, host or round. How long to wait before it, given
 * any 32 random bits. */
uint32_t pg_route_go_on(struct pg_route *route, uint32_t chance);
/* A connection came to its end: begins a round at its host. `was_stable`: that is the first one, as
 * it were. How long to wait before it. */
uint32_t pg_route_begin(struct pg_route *route, bool was_stable, uint32_t chance);
/* The host is there, but no place for us now (it takes no writes): the round begins behind it. */
void pg_route_leave(struct pg_route *route);

#endif
