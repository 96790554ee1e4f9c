// The store's options from the configuration's `etcd3` section.
#pragma once

#include <string>

#include "base/result.hpp"
#include "config/store.hpp"
#include "dcs/etcd/options.hpp"

namespace castle::dcs {

// `prefix` is that of the cluster's keys: "/service/demo/". Fails on what we cannot do yet, saying what to write
// instead.
Result<EtcdOptions> etcd_options(const config::Etcd3& section, std::string prefix);

}  // namespace castle::dcs
