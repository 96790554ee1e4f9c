// How the running server's settings differ from what is configured: what a reload brings, what waits for a restart.
// Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/instance.hpp"
#include "postgres/options.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

// Columns: name, setting, unit, vartype, context, source file, whether it is at its boot value.
std::string settings_query();

struct SettingsDiff {
    bool reload = false;
    std::map<std::string, core::PendingChange> restart;
};
// `conf_path`: our own postgresql.conf; what stands only there and is wanted no longer has changed, too.
SettingsDiff diff_settings(const Rows& settings, const Parameters& wanted, const std::string& conf_path);

// Columns: name, present value, the value that waits in the files.
std::string pending_restart_query(const std::vector<std::string>& names);

// 16384 of 8kB as "128MB", as people write it.
std::string with_unit(const std::string& setting, const std::string& unit);

}  // namespace castle::postgres
