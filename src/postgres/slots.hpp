// Replication slots: carries out what core/slots.hpp has decided about them.
#pragma once

#include <string>
#include <vector>

#include "core/slots.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

struct SlotChanges {
    std::vector<std::string> done;
    std::vector<std::string> problems;  // active slots that should go, and the like
};

// An error: the connection is of no use any more. What one slot refuses does not keep the others from their step.
Task<Result<SlotChanges>> change_slots(Connection& connection, std::vector<core::SlotStep> steps, BootTime deadline);

}  // namespace castle::postgres
