// The write-ahead log of all simulated servers. PostgreSQL tells logs apart by timeline numbers; the simulator knows
// better: each stretch written by one server without interruption is a branch of its own, so that two servers which
// used the same timeline number for different content are found out.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "base/lsn.hpp"
#include "base/types.hpp"

namespace castle::sim {

struct Branch {
    struct Record {
        Lsn end;
        std::uint32_t write = 0;  // of a client; 0: the server's own
    };
    Timeline timeline{};
    Branch* parent = nullptr;
    Lsn start;  // where it leaves its parent
    Lsn end;
    std::vector<Record> records;  // flushed ones only: nobody but the writer ever sees the others
};

// All that one data directory holds: a branch up to `end`, and that branch's ancestors up to where it left them.
struct WalPosition {
    Branch* branch = nullptr;
    Lsn end;
};

class Wal {
public:
    Branch& begin(Timeline timeline, Lsn at, Branch* parent) {
        return branches_.emplace_back(Branch{timeline, parent, at, at, {}});
    }

private:
    std::deque<Branch> branches_;
};

// Whether `holder` has the record that ends at `end` in `branch`.
inline bool includes(WalPosition holder, const Branch& branch, Lsn end) {
    Lsn limit = holder.end;
    for (const Branch* at = holder.branch; at; at = at->parent) {
        if (at == &branch) return end <= limit;
        limit = std::min(limit, at->start);
    }
    return false;
}

// The place `at` on the way to `tip`. At a switch point it is the younger branch.
inline WalPosition on_path(Branch* tip, Lsn at) {
    while (tip->parent && tip->start > at) tip = tip->parent;
    return {tip, at};
}

// The stretch of timeline number `timeline` in the history of `tip`, and where it ends there. Null if there is none.
inline std::pair<Branch*, Lsn> stretch(Branch* tip, Lsn tip_end, Timeline timeline) {
    Lsn end = tip_end;
    for (Branch* at = tip; at; at = at->parent) {
        if (at->timeline == timeline) return {at, end};
        end = at->start;
    }
    return {nullptr, Lsn{}};
}

// As the history file says: ended timelines with their switch points, oldest first.
inline std::vector<std::pair<Timeline, Lsn>> history(const Branch* tip) {
    std::vector<std::pair<Timeline, Lsn>> lines;
    for (; tip && tip->parent; tip = tip->parent)
        if (tip->parent->timeline != tip->timeline) lines.insert(lines.begin(), {tip->parent->timeline, tip->start});
    return lines;
}

}  // namespace castle::sim
