// The store as it is: every key below the cluster's prefix ("leader", "members/n1", ...), read at one revision.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace castle::core {

struct StoredValue {
    std::string value;
    Revision created{};
    Revision modified{};
    LeaseId lease{};
    friend bool operator==(const StoredValue&, const StoredValue&) = default;
};

struct Snapshot {
    Revision revision{};
    std::uint64_t cluster_id = 0;  // of the store itself; a new one means that the store was replaced
    std::uint64_t raft_term = 0;
    // Another number: another store than before, or one put back to an older state (core/store_identity.hpp).
    std::uint64_t incarnation = 0;
    std::map<std::string, StoredValue> keys;  // by name relative to the prefix
};

// What must hold of a key for a write to happen.
struct Expect {
    enum class What { anything, absent, created_at, modified_at, value_is, leased_by };
    What what = What::anything;
    Revision revision{};
    std::string value;
    LeaseId lease{};

    static Expect anything() { return {}; }
    static Expect absent() { return {What::absent, {}, {}, {}}; }
    static Expect created_at(Revision revision) { return {What::created_at, revision, {}, {}}; }
    static Expect modified_at(Revision revision) { return {What::modified_at, revision, {}, {}}; }
    static Expect value_is(std::string value) { return {What::value_is, {}, std::move(value), {}}; }
    static Expect leased_by(LeaseId lease) { return {What::leased_by, {}, {}, lease}; }
};

// One change of one key. Several are written together or not at all.
struct KeyWrite {
    std::string key;
    std::optional<std::string> value;  // nothing: delete the key (no error if it is not there)
    bool leased = false;               // bound to this node's lease
    std::vector<Expect> expect;        // of this key; all must hold
};

}  // namespace castle::core
