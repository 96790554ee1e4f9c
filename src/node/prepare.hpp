// From the options of `pgcastle up` to a directory that a supervisor can be started in. Belongs to the loop's thread.
#pragma once

#include "io/loop.hpp"
#include "node/arguments.hpp"
#include "node/plan.hpp"

namespace castle::node {

struct Prepared {
    Plan plan;
    bool made = false;     // a new cluster
    bool running = false;  // its supervisor runs already
};

// Looks at everything that could stand in the way, then writes the files. An error leaves nothing behind that was not
// there before.
Task<Result<Prepared>> prepare(io::Loop& loop, UpOptions options);

// What the options want of a cluster that is there: only a larger number of members. Pure.
Result<Plan> reconcile(Plan plan, const UpOptions& options);

}  // namespace castle::node
