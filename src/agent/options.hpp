// What the agent is told about its own node; from the local configuration.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>

#include "base/version.hpp"
#include "config/local.hpp"

namespace castle::agent {

// What may be done to a data directory that has diverged; part of it may stand in the dynamic configuration.
struct Rejoin {
    bool use_rewind = false;        // postgresql.use_pg_rewind
    bool replace_diverged = false;  // postgresql.remove_data_directory_on_diverged_timelines or ..._rewind_failure
};

struct Options {
    std::string name;
    std::string scope;
    std::string conn_url;      // postgres://host:port/database, for the member key
    std::string api_url;       // http(s)://host:port/patroni
    std::string proxy_url;     // empty: none
    boost::json::object tags;  // effective: false built-in ones are left out, order as configured
    bool can_bootstrap = true;
    std::string bootstrap_config = "{}";  // JSON of bootstrap.dcs, written to `config` once
    std::string remembered_config;        // the dynamic configuration of an earlier run; empty: none
    std::function<Rejoin(const std::string& dynamic_json)> rejoin = [](const std::string&) { return Rejoin{}; };
    bool fence_works = true;
    config::Watchdog watchdog;
};

}  // namespace castle::agent
