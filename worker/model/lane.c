/* Names and shares of the lanes. */
#include "worker/model/lane.h"

struct lane_rule {
    const char *name;
    uint32_t share_percent; /* of the room, filled by all lanes together */
};

static const struct lane_rule lane_rules[LANE_COUNT + 1] = {
    [LANE_URGENT] = {"urgent", 100},  [LANE_ACCOUNT] = {"account", 95},
    [LANE_SERVICE] = {"service", 80}, [LANE_TUTOR] = {"tutor", 80},
    [LANE_ALERT] = {"alert", 80},     [LANE_BULLETIN] = {"bulletin", 80},
};

bool lane_is_known(int64_t number)
{
    return number >= LANE_URGENT && number <= LANE_COUNT;
}

const char *lane_name(enum lane lane)
{
    return lane_is_known(lane) ? lane_rules[lane].name : "";
}

uint32_t lane_room(enum lane lane, uint32_t capacity, uint32_t held)
{
    if (!lane_is_known(lane))
        return 0;
    uint64_t limit = (uint64_t)capacity * lane_rules[lane].share_percent / 100;
    return held < limit ? (uint32_t)(limit - held) : 0;
}

uint32_t lane_tenant_quota(uint32_t capacity, uint32_t batch, uint32_t tenants)
{
    uint32_t share = tenants > 1 ? capacity / tenants : capacity;
    return share > batch ? share : batch;
}
