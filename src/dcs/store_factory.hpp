// Makes the store that the configuration asks for.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "config/local.hpp"
#include "dcs/etcd/options.hpp"
#include "io/loop.hpp"
#include "ports/store.hpp"

namespace castle::dcs {

struct StoreUse {
    // Keep cached() fed; a command that reads once does without.
    bool watch = true;
    // The list of the store's own members is read again every ten times this.
    Duration ttl{30'000};
};

// What the configuration says about etcd, with the prefix of the cluster's keys. If the endpoints are to be found by
// the name service (`srv`), this asks it, and waits for it: call it before the loop runs.
Result<EtcdOptions> etcd_options(const config::Local& local, StoreUse use = {});

// Connects to nothing yet. Errc::not_found and Errc::invalid: the configuration names no store, or none that can be
// used.
Result<std::unique_ptr<ports::Store>> make_store(io::Loop& loop, const config::Local& local, StoreUse use = {});

}  // namespace castle::dcs
