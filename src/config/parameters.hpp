// PostgreSQL's parameters as the configuration carries them: which of them only the dynamic configuration may set,
// which values are acceptable, and whether two spellings of a value mean the same. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace castle::config {

struct NoCase {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const;
};
// Name to text, as in postgresql.conf. Names are compared without case, as the server does.
using Parameters = std::map<std::string, std::string, NoCase>;

// A scalar of the configuration as PostgreSQL understands it: booleans are on and off.
std::string parameter_text(const boost::json::value& value);

// A parameter that must be the same on all members (a standby refuses to start with less than its primary had), so it
// is taken from the dynamic configuration only and handed over on the command line, where ALTER SYSTEM cannot reach it.
struct ControlledParameter {
    enum class Rule { never, wal_level, must_be_on, boolean, at_least };
    std::string_view name;
    std::string_view default_value;  // "" for those that come from elsewhere
    Rule rule;
    std::int64_t minimum = 0;  // of at_least, in `unit`
    std::string_view unit = {};
    bool on_command_line = true;
};
std::span<const ControlledParameter> controlled_parameters();
const ControlledParameter* find_controlled(std::string_view name);
bool acceptable(const ControlledParameter& parameter, const boost::json::value& value);
std::string rule_text(const ControlledParameter& parameter);  // "must be at least 25"

// Settings of recovery: moved from `parameters` to `recovery_conf`, never written as plain parameters.
bool is_recovery_parameter(std::string_view name);

// From version 13 on wal_keep_segments is written as wal_keep_size (16 MB a segment), and before 13 the other way.
void convert_wal_keep(Parameters& parameters, int server_version);

// What a standby must have at least as large as its primary. `since`: the major version from which this holds.
struct StandbyMinimum {
    std::string_view name;
    std::string_view control_data_label;  // of pg_controldata
    int since = 0;
};
std::span<const StandbyMinimum> standby_minimums();

enum class VariableType { boolean, integer, real, enumeration, string };  // pg_settings.vartype
VariableType variable_type(std::string_view vartype);

// Whether the server's value (in its own unit, as in pg_settings.setting) is what the configuration asks for.
bool same_value(VariableType type, std::string_view unit, std::string_view setting, std::string_view wanted);

}  // namespace castle::config
