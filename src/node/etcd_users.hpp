// Access to the cluster's own etcd: a new one lets anybody on this machine in, until it has a user and authentication
// is on. Belongs to the loop's thread.
#pragma once

#include "dcs/etcd/options.hpp"
#include "io/loop.hpp"
#include "node/plan.hpp"

namespace castle::node {

// For reading the cluster's keys as user root.
dcs::EtcdOptions etcd_options(const Plan& plan);

// Makes etcd ask for the password of user root. May be called again, also after an attempt that was cut off half-way.
// Errc::unavailable while etcd does not answer.
Task<Status> protect_etcd(io::Loop& loop, Plan plan, BootTime deadline);

}  // namespace castle::node
