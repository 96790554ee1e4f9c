#include "postgres/settings_diff.hpp"

#include <array>

#include "base/text.hpp"

namespace castle::postgres {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t size;
};
constexpr std::array<Unit, 5> memory{
    {{"TB", 1LL << 40}, {"GB", 1LL << 30}, {"MB", 1LL << 20}, {"kB", 1LL << 10}, {"B", 1}}};
constexpr std::array<Unit, 5> times{{{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}, {"ms", 1}}};

// "8kB" is 8 of kB.
std::optional<std::pair<std::int64_t, bool>> size_of_unit(const std::string& unit) {
    const auto letters = unit.find_first_not_of("0123456789");
    if (letters == unit.npos) return {};
    const auto count = letters == 0 ? Result<std::int64_t>(1) : parse_int(unit.substr(0, letters));
    if (!count) return {};
    for (const Unit& one : memory)
        if (one.name == unit.substr(letters)) return std::pair(*count * one.size, true);
    for (const Unit& one : times)
        if (one.name == unit.substr(letters)) return std::pair(*count * one.size, false);
    return {};
}

// wal_buffers = -1 is replaced at start by a 32nd of shared_buffers, from 64 kB to one segment; both in blocks of 8 kB.
bool is_automatic_wal_buffers(const Rows& settings, std::int64_t wal_buffers) {
    for (std::size_t row = 0; row < settings.size(); ++row) {
        if (settings.text(row, 0) != "shared_buffers") continue;
        const std::int64_t automatic =
            std::min<std::int64_t>(2048, std::max<std::int64_t>(8, settings.integer(row, 1) / 32));
        return wal_buffers == automatic;
    }
    return false;
}

}  // namespace

std::string settings_query() {
    return "SELECT name, setting, unit, vartype, context, sourcefile, boot_val IS NOT DISTINCT FROM setting, source "
           "FROM pg_catalog.pg_settings WHERE context <> 'internal'";
}

std::string pending_restart_query(const std::vector<std::string>& names) {
    std::vector<std::string> quoted;
    for (const std::string& name : names) quoted.push_back(literal(name));
    return "SELECT s.name, pg_catalog.current_setting(s.name), (SELECT f.setting FROM pg_catalog.pg_file_settings AS f "
           "WHERE f.name = s.name ORDER BY f.seqno DESC LIMIT 1) FROM pg_catalog.pg_settings AS s WHERE s.name IN (" +
           join(quoted, ", ") + ")";
}

std::string with_unit(const std::string& setting, const std::string& unit) {
    const auto number = parse_int(setting);
    const auto size = size_of_unit(unit);
    if (!number || !size || *number <= 0) return setting;
    const std::int64_t total = *number * size->first;
    for (const Unit& one : size->second ? memory : times)
        if (total % one.size == 0) return std::to_string(total / one.size) + std::string(one.name);
    return setting;
}

SettingsDiff diff_settings(const Rows& settings, const Parameters& wanted, const std::string& conf_path) {
    SettingsDiff diff;
    for (std::size_t row = 0; row < settings.size(); ++row) {
        const std::string name = settings.text(row, 0), setting = settings.text(row, 1), unit = settings.text(row, 2);
        const bool needs_restart = settings.text(row, 4) == "postmaster";
        const auto found = wanted.find(name);
        if (found == wanted.end()) {
            const bool only_ours = settings.text(row, 5) == conf_path && !config::is_recovery_parameter(name);
            if (!only_ours) continue;
            if (needs_restart && !settings.truth(row, 6))
                diff.restart[name] = {with_unit(setting, unit), "?"};
            else
                diff.reload = true;
            continue;
        }
        const auto type = config::variable_type(settings.text(row, 3));
        if (config::same_value(type, unit, setting, found->second)) continue;
        if (name == "wal_buffers" && trim(found->second) == "-1" &&
            is_automatic_wal_buffers(settings, settings.integer(row, 1)))
            continue;
        if (needs_restart)
            diff.restart[name] = {with_unit(setting, unit), found->second};
        else
            diff.reload = true;
    }
    return diff;
}

}  // namespace castle::postgres
