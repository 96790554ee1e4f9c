// The configuration files that `pgcastle up` writes, as text: plan in, YAML out. Written once, to be read and changed
// by people who learn from them; nothing here looks at the world.
#pragma once

#include <string>

#include "node/plan.hpp"

namespace castle::node {

// What an agent is started with.
std::string member_config(const Plan& plan, const MemberPlan& member);

// What `pgcastle list`, `switchover` and the others are called with.
std::string ctl_config(const Plan& plan);

// libpq's password file for clients.
std::string pgpass_text(const Plan& plan);

}  // namespace castle::node
