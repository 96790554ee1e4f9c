#include "config/tags.hpp"

#include <optional>
#include <string_view>

#include "config/units.hpp"

namespace castle::config {
namespace {

const boost::json::value* find(const boost::json::object& tags, std::string_view name) {
    const auto* const value = tags.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

// Numbers and booleans may be written as texts. A text that is neither counts as true, as it does elsewhere.
bool is_true(const boost::json::value& value) {
    if (const auto flag = bool_of(value)) return *flag;
    if (const auto number = int_of(value)) return *number != 0;
    if (value.is_string()) return !value.get_string().empty();
    if (value.is_array()) return !value.get_array().empty();
    return value.is_object() && !value.get_object().empty();
}

bool flag(const boost::json::object& tags, std::string_view name) {
    const auto* const value = find(tags, name);
    return value && is_true(*value);
}

struct Priority {
    bool forbidden;
    std::int64_t priority;
};

// `nofailover` and `failover_priority`, or `nosync` and `sync_priority`: the boolean wins if both are given.
Priority read_priority(const boost::json::object& tags, std::string_view no, std::string_view priority_name,
                       std::vector<std::string>& warnings) {
    const auto* const boolean = find(tags, no);
    const auto* const number = find(tags, priority_name);
    const std::optional<std::int64_t> priority = number ? int_of(*number) : std::nullopt;
    if (!boolean) {
        const std::int64_t given = priority.value_or(1);
        return {given <= 0, given <= 0 ? 0 : given};
    }
    const bool forbidden = is_true(*boolean);
    if (priority && forbidden == (*priority > 0)) {
        const std::string setting = std::string(no) + ": " + python_text_of(*boolean);
        warnings.push_back("Conflicting configuration between " + setting + " and " + std::string(priority_name) +
                           ": " + std::to_string(*priority) + ". Defaulting to " + setting);
    }
    return {forbidden, forbidden ? 0 : std::max<std::int64_t>(priority.value_or(1), 1)};
}

bool is_shown(const boost::json::object& tags, std::string_view name, const boost::json::value& value) {
    if (name == "nofailover" && find(tags, "failover_priority")) return true;
    if (name == "nosync" && find(tags, "sync_priority")) return true;
    for (const std::string_view built_in : {"clonefrom", "nofailover", "noloadbalance", "nosync", "nostream"})
        if (name == built_in) return is_true(value);
    return true;
}

}  // namespace

Tags read_tags(const boost::json::object& written) {
    Tags tags;
    const Priority failover = read_priority(written, "nofailover", "failover_priority", tags.warnings);
    tags.nofailover = failover.forbidden;
    tags.failover_priority = failover.priority;
    const Priority sync = read_priority(written, "nosync", "sync_priority", tags.warnings);
    tags.nosync = sync.forbidden;
    tags.sync_priority = sync.priority;
    tags.noloadbalance = flag(written, "noloadbalance");
    tags.clonefrom = flag(written, "clonefrom");
    tags.nostream = flag(written, "nostream");
    if (const auto* const from = find(written, "replicatefrom")) tags.replicatefrom = text_of(*from);
    for (const auto& [name, value] : written)
        if (is_shown(written, name, value)) tags.shown.emplace(name, value);
    return tags;
}

}  // namespace castle::config
