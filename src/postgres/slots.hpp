// Physical replication slots: makes and drops them until exactly the wanted ones are there.
#pragma once

#include <string>
#include <vector>

#include "postgres/options.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

struct SlotWishes {
    std::vector<std::string> wanted;
    bool drop_unknown = false;
    const Policy& policy;  // permanent and ignored slots are not ours to drop
    bool in_recovery = false;
};

struct SlotChanges {
    std::vector<std::string> done;
    std::vector<std::string> problems;  // active slots that should go, and the like
};

Task<Result<SlotChanges>> sync_slots(Connection& connection, SlotWishes wishes, BootTime deadline);

// Whether the configuration names this slot among those to be left alone.
struct FoundSlot {
    std::string name;
    bool physical = true;
    std::string database, plugin;
    bool active = false;
    bool failover = false;  // from 17 on: the server itself carries it over
};
bool is_left_alone(const Policy& policy, const FoundSlot& slot);

}  // namespace castle::postgres
