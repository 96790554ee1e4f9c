// Hostile values below the cluster's prefix: what is read from them, computed from them, shown of them, written back.
// The input is lines: "key value" puts, "key" alone deletes, and an empty line ends one view of the store.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>

#include "agent/records.hpp"
#include "api/documents.hpp"
#include "config/dynamic.hpp"
#include "core/decide.hpp"
#include "core/slots.hpp"
#include "ctl/member_table.hpp"
#include "fuzz.hpp"
#include "io/http.hpp"

namespace {

using namespace castle;
using namespace std::chrono_literals;

constexpr BootTime start{1000s};

core::Settings settings_of(const core::Cluster& cluster) {
    core::Settings settings;
    if (cluster.config)
        if (const auto dynamic = config::parse_dynamic(*cluster.config))
            settings = config::read_settings(*dynamic).settings;
    (void)core::repair(settings, core::TimeoutFloors::contract);
    return settings;
}

void show(const core::Cluster& cluster, const core::Settings& settings) {
    fuzz::check_json(api::json_text(api::cluster_document(cluster, settings, "demo")));
    fuzz::check_json(api::json_text(api::history_document(cluster)));
    for (const auto& [name, member] : cluster.members) (void)io::Url::parse(member.api_url);
    for (const ctl::Format format : {ctl::Format::pretty, ctl::Format::topology, ctl::Format::json, ctl::Format::yaml})
        (void)ctl::member_table({ctl::view_of(cluster)}, {.cluster_name = "demo", .format = format, .extended = true});
}

bool same(const core::HistoryLine& a, const core::HistoryLine& b) {
    const bool stamped = !a.timestamp.empty();  // without a time there is no place for the leader
    return a.timeline == b.timeline && a.switchpoint == b.switchpoint && a.reason == b.reason &&
           a.timestamp == b.timestamp && (!stamped || a.new_leader == b.new_leader);
}

// What we write reads back as what it was.
void write_back(const core::Cluster& cluster, const core::Snapshot& stored) {
    core::Snapshot snapshot;
    const auto put = [&](const char* key, std::string value) { snapshot.keys[key].value = std::move(value); };
    put("status", core::write_status(cluster.status));
    if (cluster.history) put("history", core::write_history(*cluster.history));
    // What is no JSON is read as "leader:candidate", of members before 1.0; nobody writes that back.
    const bool old_failover = cluster.failover && !fuzz::is_json(stored.keys.at("failover").value);
    if (cluster.failover && !old_failover) put("failover", core::write_failover(*cluster.failover));
    if (cluster.failsafe) put("failsafe", core::write_failsafe(*cluster.failsafe));
    if (cluster.last_leadership) put("castle/leader", core::write_leadership(*cluster.last_leadership));
    const core::Cluster again = core::read_cluster(snapshot);

    CASTLE_ASSERT(again.status.optime == cluster.status.optime);
    CASTLE_ASSERT(again.status.slots == cluster.status.slots);
    CASTLE_ASSERT(again.status.retain_slots == cluster.status.retain_slots);
    CASTLE_ASSERT(again.history.has_value() == cluster.history.has_value());
    if (cluster.history)
        CASTLE_ASSERT(std::equal(cluster.history->begin(), cluster.history->end(), again.history->begin(),
                                 again.history->end(), same));
    CASTLE_ASSERT(again.failsafe == cluster.failsafe);
    if (!old_failover) CASTLE_ASSERT(again.failover.has_value() == cluster.failover.has_value());
    if (again.failover) {
        CASTLE_ASSERT(again.failover->leader == cluster.failover->leader);
        CASTLE_ASSERT(again.failover->candidate == cluster.failover->candidate);
        CASTLE_ASSERT(again.failover->scheduled_at == cluster.failover->scheduled_at);
    }
    CASTLE_ASSERT(again.last_leadership.has_value() == cluster.last_leadership.has_value());
    if (const auto& was = cluster.last_leadership) {
        const auto& is = again.last_leadership;
        CASTLE_ASSERT(is->name == was->name && is->fence == was->fence && is->lease == was->lease);
        CASTLE_ASSERT(is->epoch == was->epoch && is->timeline == was->timeline && is->life == was->life);
    }
}

core::Instance instance_of(bool primary, const core::Cluster& cluster) {
    core::Instance instance{.data = core::DataDir::present,
                            .process = core::ProcessState::running,
                            .accepting = true,
                            .in_recovery = !primary,
                            .looked_at = start,
                            .server_version = 150018,
                            .timeline = Timeline{3}};
    instance.control = core::ControlData{.system_id = "7277694203142172922", .timeline = Timeline{3}};
    instance.flushed = instance.received = instance.replayed = Lsn{9000};
    instance.history = {{Timeline{1}, Lsn{100}}, {Timeline{2}, Lsn{200}}};
    for (const auto& [name, member] : cluster.members) {
        const std::string slot = core::slot_name(name);
        CASTLE_ASSERT(slot.size() <= 63 &&
                      slot.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == slot.npos);
        instance.slots[slot] = {.name = slot, .restart_lsn = member.position};
    }
    return instance;
}

void check_decision(const core::Situation& before) {
    core::Situation s = before;
    core::Decision decision = core::decide(s);
    if (decision.action.kind == core::Action::Kind::investigate) {
        s.findings.emplace();
        s.findings->lease_ended = true;
        for (const core::Member& member : decision.action.members)
            s.findings->peers.push_back(core::read_peer_status(member.name, boost::json::serialize(member.record)));
        decision = core::decide(s);
    }
    CASTLE_ASSERT(!decision.text.empty());
}

// As the leader and as a standby, and as one whose server is stopped.
void run_member(core::Situation& s, core::SlotRetention& retention, bool leads) {
    const core::Cluster& cluster = *s.cluster;
    s.instance = instance_of(leads, cluster);
    check_decision(s);
    s.instance.process = core::ProcessState::stopped;
    check_decision(s);
    const core::SlotWishes wanted = core::wanted_slots(cluster, s.settings, {s.me, s.tags, leads});
    (void)core::slot_steps(wanted, s.instance.slots, s.settings, true);
    if (!leads) return;
    (void)core::published_slots(wanted, s.instance, s.settings, s.me);
    retention.see(cluster, s.settings, Revision{10}, s.now.boot);
    (void)retention.names(s.settings);
    if (const auto lines =
            agent::history_to_write(cluster, s.instance, s.me, s.now.wall, s.settings.max_timelines_history))
        fuzz::check_json(core::write_history(*lines));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 8192) return 0;
    fuzz::Bytes bytes(data, size);
    core::Snapshot snapshot{.revision = Revision{1}};
    core::Situation members[2];
    core::SlotRetention retention[2];
    members[0].me = "n1";
    members[0].epoch = Revision{1};
    members[0].leader_until = start + 20s;
    members[1].me = "n2";
    for (int views = 0; views < 4 && (!bytes.empty() || views == 0); ++views) {
        for (std::int64_t line_number = 1; !bytes.empty(); ++line_number) {
            const std::string_view line = bytes.until('\n');
            if (line.empty()) break;
            const auto space = line.find(' ');
            const std::string key(line.substr(0, space));
            const Revision modified{number(snapshot.revision) + 1};
            snapshot.revision = modified;
            if (space == line.npos) {
                snapshot.keys.erase(key);
                continue;
            }
            core::StoredValue stored{std::string(line.substr(space + 1)), modified, modified, LeaseId{line_number}};
            if (const auto old = snapshot.keys.find(key); old != snapshot.keys.end())
                stored.created = old->second.created;
            snapshot.keys.insert_or_assign(key, std::move(stored));
        }
        const auto cluster = std::make_shared<const core::Cluster>(core::read_cluster(snapshot));
        const core::Settings settings = settings_of(*cluster);
        show(*cluster, settings);
        write_back(*cluster, snapshot);
        for (int i = 0; i < 2; ++i) {
            core::Situation& s = members[i];
            s.now = {start + views * 15s, WallTime{1'700'000'000s}};
            s.started = start - 60s;
            s.settings = settings;
            s.store_ok = true;
            s.cluster = cluster;
            s.memory.lineage.see(*cluster, s.now.boot);
            s.memory.bootstrap.see(*cluster, s.now.boot);
            run_member(s, retention[i], i == 0);
        }
    }
    return 0;
}
