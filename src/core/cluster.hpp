// The cluster as the store holds it, in typed values. Reading never fails: broken values are treated as
// contract and custom ask (a broken member is an empty record, a broken status is no status).
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/lsn.hpp"
#include "core/snapshot.hpp"

namespace castle::core {

// What the tags mean; how they were written stays in Member::record.
struct Tags {
    bool nofailover = false;    // also when failover_priority <= 0
    int failover_priority = 1;  // 0 if nofailover
    bool nosync = false;        // also when sync_priority <= 0
    int sync_priority = 1;
    bool noloadbalance = false;
    bool clonefrom = false;
    bool nostream = false;
    std::string replicatefrom;  // empty: the leader
};
Tags read_tags(const boost::json::object& raw);

struct Member {
    std::string name;
    boost::json::object record;  // the value as written; empty if it is broken
    std::string conn_url;
    std::string api_url;
    std::string state;
    std::string role;  // "master" of old members is read as "primary"
    Tags tags;
    Lsn position;  // xlog_location
    Timeline timeline{};
    std::optional<bool> checkpoint_after_promote;
    LeaseId lease{};
    bool is_castle = false;  // runs pgcastle
    bool fenced = false;     // ... with a working fence
};

struct LeaderKey {
    std::string name;
    Revision created{};  // the epoch of this leadership
    LeaseId lease{};
    Revision modified{};
};

struct FailoverRequest {
    std::string leader;     // empty in a failover
    std::string candidate;  // empty: any
    std::optional<WallTime> scheduled_at;
    std::string scheduled_text;
    Revision modified{};
    bool planned() const { return !leader.empty(); }
};

struct SyncState {
    std::string leader;  // empty: synchronous mode is inactive
    std::vector<std::string> standbys;
    int quorum = 0;
    Revision modified{};
    bool lists(std::string_view name) const;  // without case
};

struct ClusterStatus {
    Lsn optime;
    std::map<std::string, Lsn> slots;
    std::vector<std::string> retain_slots;
};

struct HistoryLine {
    Timeline timeline{};  // the one that ended
    Lsn switchpoint;
    std::string reason;
    std::string timestamp;   // empty in old entries
    std::string new_leader;  // empty in old entries
};

// The last leadership of a pgcastle member, in the private key `castle/leader`, without lease. Written together with
// the leader key when it is taken, so its modify revision changes with every leadership of ours; then tells about the
// fence.
struct Leadership {
    // off: the server may run beyond the lease (nobody else is there, or it is not armed yet). on: it ends at the
    // deadline. released: it has shut down, and the lock was given back.
    enum class Fence { off, on, released };
    std::string name;
    Fence fence = Fence::off;
    Revision epoch{};  // create revision of its leader key
    LeaseId lease{};   // that the leader key was bound to
    Revision modified{};
    // The number of its timeline, or a lower one than that. Reserved with the lock: PostgreSQL knows only the timelines
    // it has seen itself, and would use the number of one that another member began and died with once more.
    Timeline timeline{};
    Duration life{};  // of that lease, or longer if the deadline is further away; 0: not told
    // Of a server that was shut down in an orderly way: whoever has WAL of that timeline beyond this checkpoint's
    // beginning has all of it, for a record is sent whole.
    struct ShutDown {
        Timeline timeline{};
        Lsn checkpoint;
        bool operator==(const ShutDown&) const = default;
    };
    std::optional<ShutDown> shut_down{};
};

struct Cluster {
    Revision revision{};
    std::uint64_t incarnation = 0;          // of the store: nothing seen in another one holds in this one
    std::optional<std::string> initialize;  // "" while somebody bootstraps
    Revision initialize_modified{};
    std::optional<std::string> config;  // JSON
    Revision config_modified{};
    std::optional<LeaderKey> leader;
    std::map<std::string, Member> members;
    std::optional<FailoverRequest> failover;  // present only if it asks for something
    SyncState sync;
    ClusterStatus status;
    std::string status_text;  // as stored, to skip writes that change nothing
    std::optional<std::vector<HistoryLine>> history;
    Revision history_modified{};
    std::optional<std::map<std::string, std::string>> failsafe;
    std::optional<Leadership> last_leadership;
    Revision leadership_modified{};  // of its key, even if the value cannot be read; 0: there is none

    bool locked() const { return leader.has_value(); }
    const Member* member(std::string_view name) const;
    const Member* leader_member() const;
    bool initialized() const;   // `initialize` holds a valid system identifier
    Timeline timeline() const;  // of the history: last + 1; 1 if it is empty; 0 if unknown
    // How much of the WAL of a member on this timeline, received up to `position`, belongs to the cluster's history at
    // most: what lies behind the end of its timeline is nobody's.
    Lsn shared(Timeline timeline, Lsn position) const;
};

Cluster read_cluster(const Snapshot& snapshot);
bool valid_system_id(std::string_view text);  // digits only, ten at least

ClusterStatus read_status(std::string_view text);
std::string write_status(const ClusterStatus& status);
std::string write_history(const std::vector<HistoryLine>& history);
std::string write_leadership(const Leadership& leadership);
std::string write_failover(const FailoverRequest& request);
std::string write_failsafe(const std::map<std::string, std::string>& members);
// Member name to replication slot name, as the store contract says.
std::string slot_name(std::string_view member);

}  // namespace castle::core
