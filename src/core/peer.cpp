#include "core/peer.hpp"

#include <boost/json.hpp>

#include "core/scalar.hpp"
#include "core/view.hpp"

namespace castle::core {
namespace json = boost::json;

PeerStatus read_peer_status(std::string name, std::string_view text) {
    PeerStatus peer;
    peer.name = std::move(name);
    boost::system::error_code failed;
    const json::value value = json::parse(text, failed);
    if (failed || !value.is_object()) return peer;
    const json::object& object = value.get_object();
    const auto text_at = [&](std::string_view key) {
        const json::value* found = object.if_contains(key);
        return found && found->is_string() ? std::string(found->get_string()) : std::string();
    };
    peer.answered = true;
    peer.state = text_at("state");
    peer.role = text_at("role");
    peer.running = peer.state == "running";
    // Without WAL positions a member counts as unreachable in elections; that it is stopped can be told all the same.
    const json::value* xlog = object.if_contains("xlog");
    if (!xlog) xlog = object.if_contains("wal");
    const auto position = [&](std::string_view key) -> std::uint64_t {
        const json::value* found = xlog && xlog->is_object() ? xlog->get_object().if_contains(key) : nullptr;
        const auto number = found ? as_int(*found) : std::nullopt;
        return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
    };
    const std::uint64_t location = position("location");
    peer.reached = xlog && xlog->is_object();
    peer.in_recovery = !(location > 0 || peer.role == "master" || peer.role == "primary");
    peer.position =
        Lsn{location > 0 ? location : std::max(position("received_location"), position("replayed_location"))};
    if (const json::value* timeline = object.if_contains("timeline"))
        peer.timeline = Timeline{static_cast<std::uint32_t>(as_int(*timeline).value_or(0))};
    if (const json::value* tags = object.if_contains("tags"); tags && tags->is_object())
        peer.tags = read_tags(tags->get_object());
    if (const json::value* flag = object.if_contains("watchdog_failed"))
        peer.watchdog_failed = as_bool(*flag).value_or(false);
    // Ours say it outright. Of others, a stopped server or a running standby is meant; anything in between is not sure.
    if (const json::value* castle = object.if_contains("castle"); castle && castle->is_object()) {
        const json::value* may_write = castle->get_object().if_contains("may_write");
        peer.surely_not_primary = may_write && !as_bool(*may_write).value_or(true);
        const json::value* disk_full = castle->get_object().if_contains("disk_full");
        peer.disk_full = disk_full && as_bool(*disk_full).value_or(false);
    } else {
        peer.surely_not_primary = peer.state == "stopped" || (peer.running && peer.reached && peer.in_recovery);
    }
    return peer;
}

PeerStatus peer_status(const AgentView& view) {
    PeerStatus peer;
    peer.name = view.name;
    peer.answered = true;
    const Instance& instance = view.instance;
    peer.reached = instance.process == ProcessState::running && !instance.read_failed;
    peer.in_recovery = !instance.running_primary();
    peer.running = instance.process == ProcessState::running;
    peer.role = view.role;
    peer.state = view.state;
    peer.timeline = instance.timeline;
    peer.position = instance.position();
    peer.tags = read_tags(view.tags);
    peer.watchdog_failed = view.watchdog_failed;
    peer.disk_full = instance.disk_full;
    peer.surely_not_primary = !view.may_write;
    return peer;
}

}  // namespace castle::core
