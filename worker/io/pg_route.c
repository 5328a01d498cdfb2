/* Rounds over the hosts of a connection string. */
#include "worker/io/pg_route.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_name(const struct pg_host *host)
{
    unsigned char room[sizeof(struct in6_addr)];
    bool is_socket = host->name[0] == '/' || host->name[0] == '@' || host->name[0] == '\0';
    return host->address[0] == '\0' && !is_socket && inet_pton(AF_INET, host->name, room) != 1 &&
           inet_pton(AF_INET6, host->name, room) != 1;
}

const char *pg_route_name(const struct pg_route *route)
{
    if (route->count == 0 || route->address > 0 || !is_name(&route->hosts[route->host]))
        return NULL;
    return route->hosts[route->host].name;
}

bool pg_route_take(struct pg_route *route, const char addresses[][LOOP_ADDRESS_BYTES], size_t count)
{
    struct pg_addresses *known = &route->known[route->host];
    if (count > LOOP_ADDRESSES_MAXIMUM)
        count = LOOP_ADDRESSES_MAXIMUM;
    if (count > 0) {
        memcpy(known->addresses, addresses, count * sizeof known->addresses[0]);
        known->count = count;
    }
    return known->count > 0;
}

const struct pg_host *pg_route_here(const struct pg_route *route, struct pg_host *room)
{
    const struct pg_addresses *known = &route->known[route->host];
    if (route->count == 0)
        return NULL;
    *room = route->hosts[route->host];
    if (is_name(room) && route->address < known->count)
        memcpy(room->address, known->addresses[route->address], sizeof room->address);
    return room;
}

uint32_t pg_route_turn_ms(const struct pg_route *route, uint32_t connect_timeout_ms)
{
    unsigned doublings = route->rounds < 8 ? route->rounds : 8;
    uint32_t turn_ms = (uint32_t)PG_TURN_BASE_MS << doublings;
    bool is_alone = route->count <= 1 && route->known[0].count <= 1;
    return is_alone || turn_ms > connect_timeout_ms ? connect_timeout_ms : turn_ms;
}

/* Full jitter: any time up to the doubled one, so that workers do not come back all at once. */
static uint32_t pause_ms(unsigned rounds, uint32_t chance)
{
    uint32_t limit_ms = rounds < 4 ? (uint32_t)PG_PAUSE_BASE_MS << rounds : PG_PAUSE_CAP_MS;
    if (limit_ms > PG_PAUSE_CAP_MS)
        limit_ms = PG_PAUSE_CAP_MS;
    return (uint32_t)((uint64_t)limit_ms * chance / UINT32_MAX);
}

uint32_t pg_route_go_on(struct pg_route *route, uint32_t chance)
{
    if (route->count > 0 && route->address + 1 < route->known[route->host].count) {
        route->address++;
        return 0;
    }
    route->address = 0;
    if (route->count > 0) {
        route->host = (route->host + 1) % route->count;
        if (++route->begun < route->count)
            return 0;
    }
    route->begun = 0;
    return pause_ms(route->rounds++, chance);
}

uint32_t pg_route_begin(struct pg_route *route, bool was_stable, uint32_t chance)
{
    route->begun = 0;
    route->address = 0;
    if (was_stable)
        route->rounds = 0;
    return pause_ms(route->rounds++, chance);
}

void pg_route_leave(struct pg_route *route)
{
    if (route->count > 0)
        route->host = (route->host + 1) % route->count;
}
