#include "config/parameters.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

using Rule = ControlledParameter::Rule;
constexpr std::array<ControlledParameter, 15> controlled{{
    {"listen_addresses", "", Rule::never},
    {"port", "", Rule::never},
    {"cluster_name", "", Rule::never},
    {"wal_level", "replica", Rule::wal_level},
    {"hot_standby", "on", Rule::must_be_on},
    {"max_connections", "100", Rule::at_least, 25},
    {"max_wal_senders", "10", Rule::at_least, 3},
    {"max_replication_slots", "10", Rule::at_least, 4},
    {"max_worker_processes", "8", Rule::at_least, 2},
    {"max_prepared_transactions", "0", Rule::at_least, 0},
    {"max_locks_per_transaction", "64", Rule::at_least, 32},
    {"track_commit_timestamp", "off", Rule::boolean},
    {"wal_log_hints", "on", Rule::boolean},
    {"wal_keep_size", "128MB", Rule::at_least, 16, "MB", false},
    {"wal_keep_segments", "8", Rule::at_least, 1, "", false},
}};

constexpr std::array<std::string_view, 18> recovery_names{"archive_cleanup_command",
                                                          "pause_at_recovery_target",
                                                          "primary_conninfo",
                                                          "primary_slot_name",
                                                          "promote_trigger_file",
                                                          "recovery_end_command",
                                                          "recovery_min_apply_delay",
                                                          "recovery_target",
                                                          "recovery_target_action",
                                                          "recovery_target_inclusive",
                                                          "recovery_target_lsn",
                                                          "recovery_target_name",
                                                          "recovery_target_time",
                                                          "recovery_target_timeline",
                                                          "recovery_target_xid",
                                                          "restore_command",
                                                          "standby_mode",
                                                          "trigger_file"};

constexpr std::array<StandbyMinimum, 5> minimums{{
    {"max_connections", "max_connections setting"},
    {"max_prepared_transactions", "max_prepared_xacts setting"},
    {"max_locks_per_transaction", "max_locks_per_xact setting"},
    {"max_worker_processes", "max_worker_processes setting"},
    {"max_wal_senders", "max_wal_senders setting", 12},
}};

// PostgreSQL takes any beginning of on, off, true, false, yes, no that is not ambiguous.
std::optional<bool> server_bool(std::string_view text) {
    const std::string word = lower(trim(text));
    if (word.empty()) return {};
    if (word == "1" || word == "on" || std::string_view("true").starts_with(word) ||
        std::string_view("yes").starts_with(word))
        return true;
    if (word == "0" || word == "of" || word == "off" || std::string_view("false").starts_with(word) ||
        std::string_view("no").starts_with(word))
        return false;
    return {};
}

}  // namespace

bool NoCase::operator()(std::string_view a, std::string_view b) const {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::lexicographical_compare(a, b, {}, fold, fold);
}

std::string parameter_text(const boost::json::value& value) {
    if (value.is_bool()) return value.get_bool() ? "on" : "off";
    return text_of(value);
}

std::span<const ControlledParameter> controlled_parameters() {
    return controlled;
}

const ControlledParameter* find_controlled(std::string_view name) {
    const auto found = std::ranges::find_if(controlled, [&](const auto& one) { return equal_nocase(one.name, name); });
    return found == controlled.end() ? nullptr : &*found;
}

bool acceptable(const ControlledParameter& parameter, const boost::json::value& value) {
    switch (parameter.rule) {
        case Rule::never: return false;
        case Rule::wal_level: {
            const std::string level = lower(text_of(value));
            return level == "hot_standby" || level == "replica" || level == "logical";
        }
        case Rule::must_be_on: return bool_of(value) == true;
        case Rule::boolean: return bool_of(value).has_value();
        case Rule::at_least: {
            const auto number = int_of(value, parameter.unit);
            return number && *number >= parameter.minimum;
        }
    }
    return false;
}

std::string rule_text(const ControlledParameter& parameter) {
    switch (parameter.rule) {
        case Rule::never: return "is set by the agent and cannot be configured here";
        case Rule::wal_level: return "must be replica or logical";
        case Rule::must_be_on: return "must be on";
        case Rule::boolean: return "must be on or off";
        case Rule::at_least:
            return "must be at least " + std::to_string(parameter.minimum) + std::string(parameter.unit);
    }
    return {};
}

bool is_recovery_parameter(std::string_view name) {
    return std::ranges::find(recovery_names, lower(name)) != recovery_names.end();
}

void convert_wal_keep(Parameters& parameters, int server_version) {
    const auto take = [&](const char* name) -> std::optional<std::string> {
        const auto found = parameters.find(name);
        if (found == parameters.end()) return {};
        std::string value = std::move(found->second);
        parameters.erase(found);
        return value;
    };
    constexpr std::int64_t segment_mb = 16;
    const auto segments = take("wal_keep_segments");
    const auto size = take("wal_keep_size");
    if (server_version >= 130000) {
        const std::int64_t count = segments ? parse_int(*segments).value_or(8) : 8;
        parameters["wal_keep_size"] = size ? *size : std::to_string(count * segment_mb) + "MB";
    } else {
        const std::int64_t megabytes = size ? parse_int(*size, "MB").value_or(128) : 128;
        parameters["wal_keep_segments"] =
            segments ? *segments : std::to_string((megabytes + segment_mb / 2) / segment_mb);
    }
}

std::span<const StandbyMinimum> standby_minimums() {
    return minimums;
}

VariableType variable_type(std::string_view vartype) {
    if (vartype == "bool") return VariableType::boolean;
    if (vartype == "integer") return VariableType::integer;
    if (vartype == "real") return VariableType::real;
    if (vartype == "enum") return VariableType::enumeration;
    return VariableType::string;
}

bool same_value(VariableType type, std::string_view unit, std::string_view setting, std::string_view wanted) {
    switch (type) {
        case VariableType::boolean: {
            const auto is = server_bool(setting);
            return is && is == server_bool(wanted);
        }
        case VariableType::integer: {
            const auto is = parse_int(setting);
            return is && is == parse_int(wanted, unit);
        }
        case VariableType::real: {
            const auto is = parse_real(setting);
            return is && is == parse_real(wanted, unit);
        }
        case VariableType::enumeration: return equal_nocase(setting, wanted);
        case VariableType::string: return setting == wanted;
    }
    return false;
}

}  // namespace castle::config
