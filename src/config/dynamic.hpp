// The dynamic configuration (the store's `config` key): its settings for high availability, and its merge with the
// local configuration into what this node's PostgreSQL gets. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/document.hpp"
#include "config/postgresql.hpp"
#include "core/settings.hpp"

namespace castle::config {

// The text of the `config` key. Anything but a JSON object is Errc::invalid: the caller keeps the last good one.
Result<boost::json::object> parse_dynamic(std::string_view text);

struct DynamicSettings {
    core::Settings settings;            // as configured: the caller repairs the timeouts (core/settings.hpp)
    std::vector<std::string> warnings;  // values that could not be read; their defaults stand
};
DynamicSettings read_settings(const boost::json::object& dynamic);
// The same for settings that stand somewhere in a document (bootstrap.dcs); mistakes are noted there.
core::Settings read_settings(Document& document, const std::string& path);

struct EffectivePostgresql {
    Postgresql postgresql;
    std::vector<std::string> warnings;  // one for each mistake
    std::vector<Mistake> mistakes;
};
// `local` is the merged file and environment. What only the dynamic configuration may set is taken from there alone,
// what only this node may set from the local one alone; of everything else the local value counts.
EffectivePostgresql effective_postgresql(const Document& local, const boost::json::object& dynamic);

}  // namespace castle::config
