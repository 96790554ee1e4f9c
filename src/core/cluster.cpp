#include "core/cluster.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/text.hpp"
#include "core/scalar.hpp"
#include "core/timestamp.hpp"

namespace castle::core {
namespace json = boost::json;
namespace {

json::value parse_json(std::string_view text) {
    boost::system::error_code failed;
    json::value value = json::parse(text, failed);
    return failed ? json::value{} : value;
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* found = object.if_contains(key);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::uint64_t number_of(const json::object& object, std::string_view key) {
    const json::value* found = object.if_contains(key);
    const auto number = found ? as_int(*found) : std::nullopt;
    return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

Member read_member(std::string name, const StoredValue& stored) {
    Member member;
    member.name = std::move(name);
    member.lease = stored.lease;
    if (stored.value.starts_with("postgres")) {  // before 1.0: <conn_url>?application_name=<api_url>
        const auto mark = stored.value.find("?application_name=");
        member.conn_url = stored.value.substr(0, mark);
        if (mark != stored.value.npos) member.api_url = stored.value.substr(mark + 18);
        return member;
    }
    const json::value value = parse_json(stored.value);
    if (!value.is_object()) return member;
    member.record = value.get_object();
    const json::object& record = member.record;
    member.conn_url = text_of(record, "conn_url");
    member.api_url = text_of(record, "api_url");
    member.state = text_of(record, "state");
    member.role = text_of(record, "role");
    if (member.role == "master") member.role = "primary";
    if (const auto* tags = record.if_contains("tags"); tags && tags->is_object())
        member.tags = read_tags(tags->get_object());
    member.position = Lsn{number_of(record, "xlog_location")};
    member.timeline = Timeline{static_cast<std::uint32_t>(number_of(record, "timeline"))};
    if (const auto* flag = record.if_contains("checkpoint_after_promote"); flag && flag->is_bool())
        member.checkpoint_after_promote = flag->get_bool();
    member.is_castle = record.contains("castle_version");
    if (const auto* flag = record.if_contains("castle_fence")) member.fenced = as_bool(*flag).value_or(false);
    return member;
}

std::optional<FailoverRequest> read_failover(const StoredValue& stored) {
    FailoverRequest request;
    request.modified = stored.modified;
    const json::value value = parse_json(stored.value);
    if (value.is_object()) {
        const json::object& object = value.get_object();
        request.leader = text_of(object, "leader");
        request.candidate = text_of(object, "member");
        request.scheduled_text = text_of(object, "scheduled_at");
        if (const auto at = parse_timestamp(request.scheduled_text)) request.scheduled_at = *at;
    } else if (const auto colon = stored.value.find(':'); colon != stored.value.npos) {  // before 1.0
        request.leader = stored.value.substr(0, colon);
        request.candidate = stored.value.substr(colon + 1);
    }
    if (request.leader.empty() && request.candidate.empty()) return std::nullopt;
    return request;
}

SyncState read_sync(const StoredValue& stored) {
    SyncState sync;
    sync.modified = stored.modified;
    const json::value value = parse_json(stored.value);
    if (!value.is_object()) return sync;
    sync.leader = text_of(value.get_object(), "leader");
    sync.quorum = static_cast<int>(number_of(value.get_object(), "quorum"));
    for (const std::string& name : split(text_of(value.get_object(), "sync_standby"), ','))
        if (!trim(name).empty()) sync.standbys.emplace_back(trim(name));
    return sync;
}

std::optional<std::vector<HistoryLine>> read_history(std::string_view text) {
    const json::value value = parse_json(text);
    if (!value.is_array()) return std::nullopt;
    std::vector<HistoryLine> history;
    for (const json::value& entry : value.get_array()) {
        if (!entry.is_array() || entry.get_array().size() < 3) return std::nullopt;
        const json::array& fields = entry.get_array();
        const auto timeline = as_int(fields[0]), lsn = as_int(fields[1]);
        if (!timeline || *timeline < 0 || *timeline > UINT32_MAX || !lsn || *lsn < 0) return std::nullopt;
        const auto text_at = [&](std::size_t i) {
            return i < fields.size() && fields[i].is_string() ? std::string(fields[i].get_string()) : std::string();
        };
        history.push_back({Timeline{static_cast<std::uint32_t>(*timeline)}, Lsn{static_cast<std::uint64_t>(*lsn)},
                           text_at(2), text_at(3), text_at(4)});
    }
    return history;
}

std::optional<std::map<std::string, std::string>> read_failsafe(std::string_view text) {
    const json::value value = parse_json(text);
    if (!value.is_object()) return std::nullopt;
    std::map<std::string, std::string> members;
    for (const auto& [name, url] : value.get_object())
        if (url.is_string()) members.emplace(name, url.get_string());
    return members;
}

std::optional<Leadership> read_leadership(const StoredValue& stored) {
    const json::value value = parse_json(stored.value);
    if (!value.is_object()) return std::nullopt;
    const json::object& object = value.get_object();
    Leadership leadership;
    leadership.name = text_of(object, "name");
    const std::string fence = text_of(object, "fence");
    leadership.fence = fence == "on"         ? Leadership::Fence::on
                       : fence == "released" ? Leadership::Fence::released
                                             : Leadership::Fence::off;
    // The write that takes the lock cannot know its own revision: until the next one, it is the record's.
    const auto epoch = number_of(object, "epoch");
    leadership.epoch = epoch ? Revision{static_cast<std::int64_t>(epoch)} : stored.modified;
    leadership.lease = LeaseId{static_cast<std::int64_t>(number_of(object, "lease"))};
    leadership.timeline = Timeline{static_cast<std::uint32_t>(number_of(object, "timeline"))};
    leadership.life = std::chrono::seconds{std::min<std::uint64_t>(number_of(object, "life"), 86'400)};
    leadership.modified = stored.modified;
    if (const json::value* found = object.if_contains("shut_down"); found && found->is_object()) {
        const json::object& at = found->get_object();
        leadership.shut_down = {Timeline{static_cast<std::uint32_t>(number_of(at, "timeline"))},
                                Lsn{number_of(at, "checkpoint")}};
    }
    if (leadership.name.empty()) return std::nullopt;
    return leadership;
}

}  // namespace

Tags read_tags(const json::object& raw) {
    const auto flag = [&](std::string_view key) -> std::optional<bool> {
        const json::value* found = raw.if_contains(key);
        return found ? as_bool(*found) : std::nullopt;
    };
    // A priority of zero or less is the same as the flag; if both are given the flag wins.
    const auto pair = [&](std::string_view flag_key, std::string_view priority_key, bool& excluded, int& priority) {
        const json::value* found = raw.if_contains(priority_key);
        if (found)
            priority = static_cast<int>(std::clamp<std::int64_t>(as_int(*found).value_or(1), -1'000'000, 1'000'000));
        const auto given = flag(flag_key);
        excluded = given.value_or(priority <= 0);
        if (excluded)
            priority = 0;
        else if (priority <= 0)
            priority = 1;
    };
    Tags tags;
    pair("nofailover", "failover_priority", tags.nofailover, tags.failover_priority);
    pair("nosync", "sync_priority", tags.nosync, tags.sync_priority);
    tags.noloadbalance = flag("noloadbalance").value_or(false);
    tags.clonefrom = flag("clonefrom").value_or(false);
    tags.nostream = flag("nostream").value_or(false);
    tags.replicatefrom = text_of(raw, "replicatefrom");
    return tags;
}

bool SyncState::lists(std::string_view name) const {
    return std::ranges::any_of(standbys, [&](const std::string& standby) { return equal_nocase(standby, name); });
}

const Member* Cluster::member(std::string_view name) const {
    const auto found = members.find(std::string(name));
    return found == members.end() ? nullptr : &found->second;
}
const Member* Cluster::leader_member() const {
    return leader ? member(leader->name) : nullptr;
}
bool Cluster::initialized() const {
    return initialize && valid_system_id(*initialize);
}
Timeline Cluster::timeline() const {
    if (!history) return Timeline{0};
    return history->empty() ? Timeline{1} : Timeline{number(history->back().timeline) + 1};
}

Lsn Cluster::shared(Timeline timeline, Lsn position) const {
    if (!history || history->empty() || timeline > history->back().timeline) return position;
    // A timeline that is not among them left one of those before it, by the point where that one ended at the latest.
    auto line = std::ranges::upper_bound(*history, timeline, {}, &HistoryLine::timeline);
    if (line != history->begin()) --line;
    return std::min(position, line->switchpoint);
}

bool valid_system_id(std::string_view text) {
    return text.size() >= 10 && is_digits(text);
}

Cluster read_cluster(const Snapshot& snapshot) {
    Cluster cluster;
    cluster.revision = snapshot.revision;
    cluster.incarnation = snapshot.incarnation;
    for (const auto& [key, stored] : snapshot.keys) {
        const std::string_view name = key;
        if (name == "initialize") {
            cluster.initialize = stored.value;
            cluster.initialize_modified = stored.modified;
        } else if (name == "config") {
            cluster.config = stored.value;
            cluster.config_modified = stored.modified;
        } else if (name == "leader")
            cluster.leader = LeaderKey{stored.value, stored.created, stored.lease, stored.modified};
        else if (name == "failover")
            cluster.failover = read_failover(stored);
        else if (name == "sync")
            cluster.sync = read_sync(stored);
        else if (name == "status") {
            cluster.status = read_status(stored.value);
            cluster.status_text = stored.value;
        } else if (name == "optime/leader") {
            if (!snapshot.keys.contains("status")) cluster.status = read_status(stored.value);
        } else if (name == "history") {
            cluster.history = read_history(stored.value);
            cluster.history_modified = stored.modified;
        } else if (name == "failsafe")
            cluster.failsafe = read_failsafe(stored.value);
        else if (name.starts_with("members/") && name.find('/', 8) == name.npos && name.size() > 8)
            cluster.members.emplace(name.substr(8), read_member(std::string(name.substr(8)), stored));
        else if (name == "castle/leader") {
            cluster.last_leadership = read_leadership(stored);
            cluster.leadership_modified = stored.modified;
        }
    }
    return cluster;
}

ClusterStatus read_status(std::string_view text) {
    ClusterStatus status;
    if (const auto legacy = parse_int(trim(text))) {
        if (*legacy > 0) status.optime = Lsn{static_cast<std::uint64_t>(*legacy)};
        return status;
    }
    const json::value value = parse_json(text);
    if (!value.is_object()) return status;
    const json::object& object = value.get_object();
    status.optime = Lsn{number_of(object, "optime")};
    const auto unpacked = [&](std::string_view key) -> json::value {  // old writers put JSON into a string
        const json::value* found = object.if_contains(key);
        if (!found) return {};
        return found->is_string() ? parse_json(found->get_string()) : *found;
    };
    if (const json::value slots = unpacked("slots"); slots.is_object())
        for (const auto& [name, lsn] : slots.get_object())
            if (const auto number = as_int(lsn); number && *number > 0)
                status.slots[name] = Lsn{static_cast<std::uint64_t>(*number)};
    if (const json::value retain = unpacked("retain_slots"); retain.is_array())
        for (const json::value& name : retain.get_array())
            if (name.is_string()) status.retain_slots.emplace_back(name.get_string());
    return status;
}

std::string write_status(const ClusterStatus& status) {
    json::object object{{"optime", status.optime.offset()}};
    if (!status.slots.empty()) {
        json::object slots;
        for (const auto& [name, lsn] : status.slots) slots[name] = lsn.offset();
        object["slots"] = std::move(slots);
    }
    if (!status.retain_slots.empty())
        object["retain_slots"] = json::array(status.retain_slots.begin(), status.retain_slots.end());
    return json::serialize(object);
}

std::string write_history(const std::vector<HistoryLine>& history) {
    json::array lines;
    for (const HistoryLine& line : history) {
        json::array entry{number(line.timeline), line.switchpoint.offset(), line.reason};
        if (!line.timestamp.empty()) entry.emplace_back(line.timestamp);
        if (!line.timestamp.empty() && !line.new_leader.empty()) entry.emplace_back(line.new_leader);
        lines.emplace_back(std::move(entry));
    }
    return json::serialize(lines);
}

std::string write_leadership(const Leadership& leadership) {
    const char* fence = leadership.fence == Leadership::Fence::on         ? "on"
                        : leadership.fence == Leadership::Fence::released ? "released"
                                                                          : "off";
    json::object object{{"name", leadership.name}, {"fence", fence}, {"lease", number(leadership.lease)}};
    if (number(leadership.epoch) != 0) object["epoch"] = number(leadership.epoch);
    if (number(leadership.timeline) != 0) object["timeline"] = number(leadership.timeline);
    if (leadership.life > Duration{0})
        object["life"] = std::chrono::ceil<std::chrono::seconds>(leadership.life).count();
    if (leadership.shut_down)
        object["shut_down"] = {{"timeline", number(leadership.shut_down->timeline)},
                               {"checkpoint", leadership.shut_down->checkpoint.offset()}};
    return json::serialize(object);
}

std::string write_failover(const FailoverRequest& request) {
    json::object object;
    if (!request.leader.empty()) object["leader"] = request.leader;
    if (!request.candidate.empty()) object["member"] = request.candidate;
    if (!request.scheduled_text.empty()) object["scheduled_at"] = request.scheduled_text;
    return json::serialize(object);
}

std::string write_failsafe(const std::map<std::string, std::string>& members) {
    json::object object;
    for (const auto& [name, url] : members) object[name] = url;
    return json::serialize(object);
}

std::string slot_name(std::string_view member) {
    std::string name;
    for (std::size_t i = 0; i < member.size();) {
        const auto byte = static_cast<unsigned char>(member[i]);
        char32_t point = byte;
        std::size_t length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        if (length > 1) {  // UTF-8: the code point counts, not its bytes
            point = byte & (0xff >> (length + 1));
            for (std::size_t k = 1; k < length && i + k < member.size(); ++k)
                point = point << 6 | (static_cast<unsigned char>(member[i + k]) & 0x3f);
        }
        const char low = point >= 'A' && point <= 'Z' ? static_cast<char>(point - 'A' + 'a') : static_cast<char>(byte);
        if (length == 1 && ((low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || low == '_'))
            name += low;
        else if (point == '-' || point == '.')
            name += '_';
        else {
            char code[16];
            std::snprintf(code, sizeof code, "u%04u", static_cast<unsigned>(point));
            name += code;
        }
        i += length;
    }
    return name.substr(0, 63);
}

}  // namespace castle::core
