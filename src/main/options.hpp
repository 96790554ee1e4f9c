// From the configuration, as users write it, to the options of the parts.
#pragma once

#include "agent/options.hpp"
#include "config/local.hpp"
#include "config/postgresql.hpp"
#include "postgres/options.hpp"

namespace castle {

// What of `postgresql` has no effect or was put right.
std::vector<std::string> postgresql_warnings(const config::Local& local);

agent::Options agent_options(const config::Local& local);

// `local` is copied into the policy: what of the dynamic configuration counts depends on it.
postgres::InstanceOptions instance_options(const config::Local& local, std::string start_dir);

}  // namespace castle
