#include "config/dynamic.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>

#include "base/text.hpp"
#include "config/section.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

constexpr std::string_view source = "dynamic configuration";
constexpr std::array<std::string_view, 7> local_only{"connect_address", "proxy_address", "listen",        "config_dir",
                                                     "data_dir",        "pgpass",        "authentication"};

std::vector<std::string> texts_of(const std::vector<Mistake>& mistakes) {
    std::vector<std::string> texts;
    for (const Mistake& mistake : mistakes) texts.push_back(mistake.text());
    return texts;
}

core::SynchronousMode read_synchronous_mode(Section& section) {
    const auto* const value = section.find("synchronous_mode");
    if (!value) return core::SynchronousMode::off;
    if (const auto flag = bool_of(*value)) return *flag ? core::SynchronousMode::on : core::SynchronousMode::off;
    if (value->is_string() && equal_nocase(text_of(*value), "quorum")) return core::SynchronousMode::quorum;
    section.mistake("synchronous_mode", "is not one of on, off, quorum");
    return core::SynchronousMode::off;
}

// The old name of a key counts only where the new one is not given.
void renamed_duration(Section& section, std::string_view name, std::string_view old_name, Duration& value) {
    const bool renamed = section.find(name) != nullptr;
    section.duration(renamed ? name : old_name, value, {.min = 0, .unit = "s"});
}

std::optional<core::StandbyCluster> read_standby_cluster(Section section) {
    core::StandbyCluster standby;
    section.text("host", standby.host);
    section.text("port", standby.port);
    section.text("restore_command", standby.restore_command);
    section.text("primary_slot_name", standby.primary_slot_name);
    section.texts("create_replica_methods", standby.create_replica_methods);
    section.text("archive_cleanup_command", standby.archive_cleanup_command);
    section.text("recovery_min_apply_delay", standby.recovery_min_apply_delay);
    if (standby.host.empty() && standby.port.empty() && standby.restore_command.empty()) return {};
    return standby;
}

bool is_slot_name(std::string_view name) {
    return !name.empty() && name.size() <= 63 &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == name.npos;
}

void read_slot(Section& slots, const std::string& name, const boost::json::value& value, core::Settings& settings) {
    using Kind = core::PermanentSlot::Kind;
    using Where = core::PermanentSlot::Where;
    if (!is_slot_name(name)) return slots.mistake(name, "is not a name that a replication slot can have");
    core::PermanentSlot slot;
    if (value.is_object()) {
        Section fields = slots.section(name);
        fields.text("database", slot.database);
        fields.text("plugin", slot.plugin);
        std::string type = !slot.database.empty() && !slot.plugin.empty() ? "logical" : "physical";
        fields.choice("type", type, {"physical", "logical"});
        slot.kind = type == "logical" ? Kind::logical : Kind::physical;
        if (slot.kind == Kind::logical && (slot.database.empty() || slot.plugin.empty()))
            return slots.mistake(name, "needs database and plugin, being a logical slot");
        std::string where;
        fields.choice("cluster_type", where, {"primary", "standby"});
        slot.where = where == "primary" ? Where::primary : where == "standby" ? Where::standby : Where::everywhere;
    }
    settings.permanent_slots.emplace(name, slot);
}

void read_slots(Section& section, core::Settings& settings) {
    for (const std::string_view name : {"permanent_replication_slots", "permanent_slots", "slots"}) {
        if (!section.find(name)) continue;
        Section slots = section.section(name);
        for (const auto& [slot, value] : slots.map()) read_slot(slots, std::string(slot), value, settings);
        return;
    }
}

void read_ignored_slots(Section& section, core::Settings& settings) {
    const auto* const list = section.find("ignore_slots");
    if (!list) return;
    if (!list->is_array()) return section.mistake("ignore_slots", "is not a list");
    for (const auto& item : list->get_array()) {
        if (!item.is_object()) {
            section.mistake("ignore_slots", "has an item that is not a dictionary");
            continue;
        }
        core::IgnoredSlot ignored;
        const auto field = [&](std::string_view name, std::optional<std::string>& value) {
            if (const auto* const given = item.get_object().if_contains(name); given && !given->is_null())
                value = text_of(*given);
        };
        field("name", ignored.name);
        field("type", ignored.type);
        field("database", ignored.database);
        field("plugin", ignored.plugin);
        if (ignored != core::IgnoredSlot{}) settings.ignore_slots.push_back(std::move(ignored));
    }
}

const boost::json::object* object_at(const boost::json::object& map, std::string_view key) {
    const auto* const value = map.if_contains(key);
    return value ? value->if_object() : nullptr;
}

// Puts the dynamic configuration's `postgresql` where the local one's goes over it.
class Merge {
public:
    explicit Merge(const Document& local) : local_(local) {
        merged_.places = local.places;
        for (const ControlledParameter& parameter : controlled_parameters())
            if (!parameter.default_value.empty() && parameter.on_command_line)
                controlled_[parameter.name] = parameter.default_value;
    }

    Document run(const boost::json::object& dynamic) {
        if (const auto* const section = object_at(dynamic, "postgresql")) take_dynamic(*section);
        if (const auto* const section = object_at(local_.data, "postgresql")) take_local(*section);
        section_["parameters"] = std::move(parameters_);
        section_["controlled"] = std::move(controlled_);
        merged_.data["postgresql"] = std::move(section_);
        return std::move(merged_);
    }

private:
    void take_dynamic(const boost::json::object& section) {
        for (const auto& [name, value] : section) {
            const std::string path = path_join("postgresql", name);
            if (std::ranges::find(local_only, std::string_view(name)) != local_only.end()) continue;
            if (name == "parameters") {
                if (const auto* const map = value.if_object())
                    for (const auto& [parameter, setting] : *map) take_dynamic_parameter(parameter, setting);
                continue;
            }
            section_.insert_or_assign(name, value);
            merged_.places.insert_or_assign(path, Place{std::string(source), 0});
        }
    }

    void take_dynamic_parameter(std::string_view name, const boost::json::value& value) {
        const std::string path = path_join("postgresql.parameters", name);
        const Place place{std::string(source), 0};
        if (value.is_null()) return;
        const auto* const rule = find_controlled(name);
        if (!rule) {
            put(parameters_, name, value);
            merged_.places.insert_or_assign(path, place);
        } else if (acceptable(*rule, value)) {
            const bool old_level =
                rule->rule == ControlledParameter::Rule::wal_level && equal_nocase(text_of(value), "hot_standby");
            controlled_[rule->name] = old_level ? boost::json::value("replica") : value;
        } else {
            const bool has_default = !rule->default_value.empty();
            merged_.mistakes.push_back(
                {place, path, text_of(value),
                 rule_text(*rule) + (has_default ? "; using " + std::string(rule->default_value) : "")});
        }
    }

    void take_local(const boost::json::object& section) {
        for (const auto& [name, value] : section) {
            if (name == "use_slots" || value.is_null()) continue;
            if (name == "parameters") {
                if (const auto* const map = value.if_object())
                    for (const auto& [parameter, setting] : *map) take_local_parameter(parameter, setting);
                continue;
            }
            section_.insert_or_assign(name, value);
            const std::string path = path_join("postgresql", name);
            merged_.places.insert_or_assign(path, local_.place_of(path));
        }
    }

    void take_local_parameter(std::string_view name, const boost::json::value& value) {
        const std::string path = path_join("postgresql.parameters", name);
        if (find_controlled(name)) {
            merged_.mistakes.push_back({local_.place_of(path), path, text_of(value),
                                        "is ignored here: set it in the dynamic configuration (edit-config)"});
            return;
        }
        put(parameters_, name, value);
        merged_.places.insert_or_assign(path, local_.place_of(path));
    }

    // Names of parameters have no case.
    static void put(boost::json::object& parameters, std::string_view name, const boost::json::value& value) {
        for (auto it = parameters.begin(); it != parameters.end(); ++it) {
            if (!equal_nocase(it->key(), name)) continue;
            parameters.stable_erase(it);
            break;
        }
        parameters.insert_or_assign(name, value);
    }

    const Document& local_;
    Document merged_;
    boost::json::object section_, parameters_, controlled_;
};

}  // namespace

Result<boost::json::object> parse_dynamic(std::string_view text) {
    boost::json::error_code failed;
    boost::json::value value = boost::json::parse(text, failed);
    if (failed) return Error{Errc::invalid, "the dynamic configuration is not JSON: " + failed.message()};
    if (!value.is_object()) return Error{Errc::invalid, "the dynamic configuration is not a JSON object"};
    return std::move(value.get_object());
}

DynamicSettings read_settings(const boost::json::object& dynamic) {
    Document document;
    document.data = dynamic;
    document.places.emplace("", Place{std::string(source), 0});
    core::Settings settings = read_settings(document, "");
    return {std::move(settings), texts_of(document.mistakes)};
}

core::Settings read_settings(Document& document, const std::string& path) {
    Section section(document, path);
    core::Settings s;
    section.duration("loop_wait", s.loop_wait, {.unit = "s"});
    section.duration("ttl", s.ttl, {.unit = "s"});
    section.duration("retry_timeout", s.retry_timeout, {.unit = "s"});
    section.number("maximum_lag_on_failover", s.maximum_lag_on_failover, {.min = 0, .unit = "B"});
    section.number("maximum_lag_on_syncnode", s.maximum_lag_on_syncnode, {.min = -1, .unit = "B"});
    section.flag("check_timeline", s.check_timeline);
    section.number("max_timelines_history", s.max_timelines_history, {.min = 0});
    renamed_duration(section, "primary_start_timeout", "master_start_timeout", s.primary_start_timeout);
    renamed_duration(section, "primary_stop_timeout", "master_stop_timeout", s.primary_stop_timeout);
    section.duration("primary_race_backoff", s.primary_race_backoff, {.min = 0, .unit = "s"});
    s.synchronous_mode = read_synchronous_mode(section);
    section.flag("synchronous_mode_strict", s.synchronous_mode_strict);
    section.number("synchronous_node_count", s.synchronous_node_count, {.min = 1});
    section.flag("failsafe_mode", s.failsafe_mode);
    section.flag("pause", s.pause);
    section.duration("member_slots_ttl", s.member_slots_ttl, {.min = 0, .unit = "s"});
    read_slots(section, s);
    read_ignored_slots(section, s);
    s.standby_cluster = read_standby_cluster(section.section("standby_cluster"));
    if (s.standby_cluster) s.synchronous_mode = core::SynchronousMode::off;
    Section postgresql = section.section("postgresql");
    postgresql.flag("use_slots", s.use_slots);
    return s;
}

EffectivePostgresql effective_postgresql(const Document& local, const boost::json::object& dynamic) {
    Document merged = Merge(local).run(dynamic);
    Postgresql postgresql = read_postgresql(merged);
    return {std::move(postgresql), texts_of(merged.mistakes), merged.mistakes};
}

}  // namespace castle::config
