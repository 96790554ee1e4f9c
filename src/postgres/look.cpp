#include "postgres/look.hpp"

#include <boost/json.hpp>
#include <cstdlib>

#include "base/text.hpp"

namespace castle::postgres {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}
Lsn lsn_of(const json::object& object, std::string_view key) {
    const auto lsn = Lsn::parse(text_of(object, key));
    return lsn ? *lsn : Lsn{};
}
bool truth_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value && value->is_bool() && value->get_bool();
}

// The objects of an array; nothing for null or what is not JSON.
std::vector<json::object> objects_of(const std::string& text) {
    std::vector<json::object> out;
    boost::system::error_code error;
    const json::value value = json::parse(text.empty() ? "[]" : text, error);
    if (error || !value.is_array()) return out;
    for (const json::value& item : value.get_array())
        if (item.is_object()) out.push_back(item.get_object());
    return out;
}

core::Walsender walsender_of(const json::object& object) {
    core::Walsender sender;
    sender.application_name = text_of(object, "application_name");
    sender.user = text_of(object, "usename");
    sender.client_addr = text_of(object, "client_addr");
    sender.state = text_of(object, "state");
    sender.sync_state = text_of(object, "sync_state");
    if (const json::value* priority = object.if_contains("sync_priority"); priority && priority->is_int64())
        sender.sync_priority = static_cast<int>(priority->get_int64());
    sender.sent = lsn_of(object, "sent_lsn");
    sender.write = lsn_of(object, "write_lsn");
    sender.flush = lsn_of(object, "flush_lsn");
    sender.replay = lsn_of(object, "replay_lsn");
    return sender;
}

core::Slot slot_of(const json::object& object) {
    core::Slot slot;
    slot.name = text_of(object, "slot_name");
    slot.physical = text_of(object, "slot_type") == "physical";
    slot.active = truth_of(object, "active");
    slot.restart_lsn = lsn_of(object, "restart_lsn");
    slot.confirmed_flush = lsn_of(object, "confirmed_flush_lsn");
    slot.plugin = text_of(object, "plugin");
    slot.database = text_of(object, "database");
    slot.holds_xmin = truth_of(object, "holds_xmin");
    slot.lost = text_of(object, "wal_status") == "lost";
    slot.failover = truth_of(object, "failover");
    return slot;
}

std::optional<core::Upstream> upstream_of(const std::string& conninfo) {
    const auto params = parse_conninfo(conninfo);
    if (!params || !params->contains("host")) return {};
    core::Upstream upstream;
    upstream.host = params->at("host");
    const auto port = params->find("port");
    const auto number = port == params->end() ? Result<std::int64_t>(5432) : parse_int(port->second);
    upstream.port = number ? static_cast<int>(*number) : 0;
    return upstream;
}

}  // namespace

std::string look_query() {
    return R"(
SELECT pg_catalog.current_setting('server_version_num'),
       r.recovering,
       pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00',
       pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),
       CASE WHEN r.recovering THEN NULL
            ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END,
       CASE WHEN r.recovering THEN NULL ELSE pg_catalog.pg_current_wal_flush_lsn() END,
       CASE WHEN r.recovering THEN pg_catalog.pg_last_wal_receive_lsn() END,
       pg_catalog.pg_last_wal_replay_lsn(),
       pg_catalog.to_char(pg_catalog.pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00',
       r.recovering AND pg_catalog.pg_is_wal_replay_paused(),
       w.status, w.latest_end_lsn, w.received_tli,
       pg_catalog.current_setting('primary_conninfo'),
       pg_catalog.current_setting('restore_command') <> '',
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()),
       (SELECT pg_catalog.json_agg(pg_catalog.row_to_json(s)) FROM
         (SELECT application_name, usename, pg_catalog.host(client_addr) AS client_addr, state, sync_state, sync_priority,
                 sent_lsn, write_lsn, flush_lsn, replay_lsn
            FROM pg_catalog.pg_stat_replication) AS s),
       (SELECT pg_catalog.json_agg(pg_catalog.row_to_json(s)) FROM
         (SELECT slot_name, slot_type, active, restart_lsn, confirmed_flush_lsn, plugin, database,
                 xmin IS NOT NULL OR catalog_xmin IS NOT NULL AS holds_xmin, wal_status,
                 COALESCE('true' IN (j->>'failover', j->>'synced'), false) AS failover
            FROM pg_catalog.pg_replication_slots AS p, pg_catalog.to_jsonb(p) AS j WHERE NOT temporary) AS s),
       (SELECT pg_catalog.string_agg(name, ',') FROM pg_catalog.pg_settings WHERE pending_restart)
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering) AS r
  LEFT JOIN pg_catalog.pg_stat_wal_receiver AS w ON true)";
}

Result<std::vector<std::string>> apply_look(const Rows& rows, core::Instance& instance) {
    if (rows.size() != 1) return Error{Errc::failed, "the server's answer has no row"};
    instance.server_version = static_cast<int>(rows.integer(0, 0));
    instance.in_recovery = rows.truth(0, 1);
    instance.postmaster_start_time = rows.text(0, 2);
    instance.postmaster_start_epoch = std::strtod(rows.text(0, 3).c_str(), nullptr);
    const Timeline written{static_cast<std::uint32_t>(rows.integer(0, 4))};
    const Timeline received{static_cast<std::uint32_t>(rows.integer(0, 12))};
    instance.flushed = rows.lsn(0, 5);
    instance.received = rows.lsn(0, 6);
    instance.replayed = rows.lsn(0, 7);
    instance.replayed_timestamp = rows.text(0, 8);
    instance.replay_paused = rows.truth(0, 9);
    instance.streaming = instance.in_recovery && rows.text(0, 10) == "streaming";
    instance.latest_end = rows.lsn(0, 11);
    Timeline known = instance.in_recovery ? received : written;
    if (instance.in_recovery && instance.control) {
        for (const Timeline other : {instance.control->timeline, instance.control->min_recovery_timeline})
            if (number(other) > number(known)) known = other;
    }
    // Without a WAL receiver the server does not tell which timeline it replays, and the control file lags behind. What
    // it has said before still holds: a standby that lost its upstream must not look older than the others in a race.
    if (instance.in_recovery && number(instance.timeline) > number(known)) known = instance.timeline;
    if (number(known) != 0) instance.timeline = known;
    instance.upstream = upstream_of(rows.text(0, 13));
    instance.has_restore_command = rows.truth(0, 14);
    instance.client_backends = static_cast<int>(rows.integer(0, 15));
    instance.walsenders.clear();
    for (const json::object& object : objects_of(rows.text(0, 16))) instance.walsenders.push_back(walsender_of(object));
    instance.slots.clear();
    for (const json::object& object : objects_of(rows.text(0, 17))) {
        core::Slot slot = slot_of(object);
        instance.slots[slot.name] = slot;
    }
    return split(rows.text(0, 18), ',');
}

}  // namespace castle::postgres
