#include "api/health.hpp"

#include <boost/json/value.hpp>
#include <limits>

#include "base/text.hpp"
#include "config/units.hpp"

namespace castle::api {
namespace {

constexpr int ok = 200;
constexpr int unavailable = 503;

int code(bool good) {
    return good ? ok : unavailable;
}

// "10MB" or bytes; what cannot be read is no limit.
std::uint64_t lag_limit(const Query& query, std::uint64_t otherwise) {
    const auto text = find_query(query, "lag");
    if (!text) return otherwise;
    const auto bytes = config::parse_int(*text, "B");
    if (!bytes) return std::numeric_limits<std::uint64_t>::max();
    return *bytes < 0 ? 0 : static_cast<std::uint64_t>(*bytes);
}

// What the store's lock and the configuration make of this node, whatever PostgreSQL does.
struct LeaderCodes {
    int leader = unavailable;
    int primary = unavailable;
    int standby_leader = unavailable;
    bool any() const { return primary == ok || standby_leader == ok; }
};

LeaderCodes leader_codes(const Standing& seen) {
    // In pause, with the store out of sight, nobody can take the lock away: the local role tells.
    if (!seen.cluster && seen.view.settings.pause) {
        const bool primary = seen.role == "primary";
        const bool standby_leader = seen.role == "standby_leader";
        return {code(primary || standby_leader), code(primary), code(standby_leader)};
    }
    if (!seen.is_leader) return {};
    if (!seen.view.settings.is_standby_cluster()) return {ok, ok, unavailable};
    return {ok, unavailable, code(seen.role == "replica" || seen.role == "standby_leader")};
}

int replica_code(const Standing& seen, const Query& query) {
    if (seen.is_leader && seen.view.settings.is_standby_cluster() && (seen.cluster || !seen.view.settings.pause))
        return unavailable;  // the standby leader is no read replica
    if (core::read_tags(seen.view.tags).noloadbalance) return unavailable;
    if (seen.role != "replica" || seen.state != "running") return unavailable;
    const Lsn replayed = seen.measured ? seen.view.instance.replayed : Lsn{};
    if (lag_bytes(seen.leader_optime, replayed) > lag_limit(query, std::numeric_limits<std::uint64_t>::max()))
        return unavailable;
    const auto wanted = find_query(query, "replication_state");
    return code(!wanted || *wanted == seen.view.replication_state);
}

// Tags as people write them in a URL: true, 1.4, text.
std::string tag_text(const boost::json::value& value) {
    return value.is_string() ? std::string(value.get_string()) : lower(config::text_of(value));
}

bool tags_match(const Standing& seen, const Query& query) {
    for (const auto& [key, wanted] : query) {
        if (!key.starts_with("tag_") || wanted.empty()) continue;
        const auto* tag = seen.view.tags.if_contains(std::string_view(key).substr(4));
        if (!tag || tag->is_null() || tag_text(*tag) != wanted) return false;
    }
    return true;
}

bool contains(std::string_view path, std::string_view word) {
    return path.find(word) != path.npos;
}

// The answer, and whether the tags have a say in it.
std::pair<int, bool> decide(const Standing& seen, std::string_view path, const Query& query) {
    const LeaderCodes codes = leader_codes(seen);
    if (contains(path, "standby_leader") || contains(path, "standby-leader")) return {codes.standby_leader, false};
    if (contains(path, "leader")) return {codes.leader, false};
    if (contains(path, "master") || contains(path, "primary") || contains(path, "read-write"))
        return {codes.primary, false};
    const int replica = replica_code(seen, query);
    if (contains(path, "replica")) return {replica, true};
    if (contains(path, "read-only") && !contains(path, "sync") && !contains(path, "quorum"))
        return {codes.any() ? ok : replica, true};
    if (contains(path, "health")) return {code(seen.state == "running"), true};
    if (!seen.cluster) return {unavailable, true};
    const bool asynchronous = !seen.sync_standby && !seen.quorum_standby;
    if (path == "/sync" || path == "/synchronous") return {seen.sync_standby ? replica : unavailable, true};
    if (path == "/quorum") return {seen.quorum_standby ? replica : unavailable, true};
    if (path == "/async" || path == "/asynchronous") return {asynchronous ? replica : unavailable, true};
    if (path == "/read-only-quorum") return {codes.any() ? ok : seen.quorum_standby ? replica : unavailable, true};
    if (path == "/read-only-sync" || path == "/read-only-synchronous")
        return {codes.any() ? ok : seen.sync_standby ? replica : unavailable, true};
    return {unavailable, true};
}

}  // namespace

std::optional<std::string> find_query(const Query& query, std::string_view name) {
    for (const auto& [key, value] : query)
        if (key == name && !value.empty()) return value;
    return std::nullopt;
}

int health_code(const Standing& seen, std::string_view path, const Query& query) {
    if (path == "/") path = "/primary";
    const auto [answer, tags_count] = decide(seen, path, query);
    return answer == ok && tags_count && !tags_match(seen, query) ? unavailable : answer;
}

int liveness_code(const Standing& seen) {
    const core::AgentView& view = seen.view;
    if (view.settings.pause) return ok;
    const bool primary_runs = view.role == "primary" && view.instance.process == core::ProcessState::running;
    return code(view.next_run + (primary_runs ? view.settings.ttl : 2 * view.settings.ttl) > seen.now);
}

int readiness_code(const Standing& seen, const Query& query) {
    if (seen.is_leader) return ok;
    if (seen.state != "running" || seen.view.replication_state != "streaming") return unavailable;
    const core::Instance& instance = seen.view.instance;
    if (!seen.cluster && !instance.latest_end.known()) return code(seen.view.failsafe_active);
    const bool by_receipt = find_query(query, "mode") == "write";
    const Lsn position = by_receipt ? std::max(instance.received, instance.replayed) : instance.replayed;
    const auto limit = lag_limit(
        query, static_cast<std::uint64_t>(std::max<std::int64_t>(seen.view.settings.maximum_lag_on_failover, 0)));
    return code(lag_bytes(seen.leader_optime, position) <= limit);
}

}  // namespace castle::api
