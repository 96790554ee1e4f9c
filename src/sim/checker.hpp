// Holds a simulated run against what is promised, at every step. What it finds is a violation: time, node, what.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/node.hpp"

namespace castle::sim {

struct Violation {
    BootTime when;
    std::string text;
};

class Checker {
public:
    Checker(World& world, StoreService& store, bool synchronous)
        : world_(world), store_(store), synchronous_(synchronous) {}

    void watch(Node& node) { nodes_.push_back(&node); }
    std::uint32_t next_write() { return ++writes_; }

    void server_changed(Postgres& server);
    void acknowledged(Postgres& server, std::uint32_t write, const Branch& branch, Lsn end);
    // The clocks of this node stood still: nothing is promised of it until the server that ran has ended, and the
    // deadline that was in force and the lease, counted by those clocks, have passed.
    void excuse(Node& node);
    // Somebody asked for another leader: whoever is promoted for it need not be close behind.
    void asked_for() { asked_for_ = true; }
    void violate(std::string text);

    const std::vector<Violation>& violations() const { return violations_; }
    std::uint64_t acknowledged() const { return acknowledged_count_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t promotions() const { return promotions_; }

private:
    struct Acknowledged {
        Lsn end;
        BootTime when;
    };
    void new_primary(Postgres& server);
    Node& node_of(const Postgres& server);

    World& world_;
    StoreService& store_;
    bool synchronous_;
    std::vector<Node*> nodes_;
    std::map<std::string, bool> writable_;
    std::map<Timeline, const Branch*> timelines_;  // by whom each number was begun
    struct Excuse {
        bool server_runs = false;
        BootTime until{};
    };
    bool excused(const std::string& name) { return excused_[name].server_runs || world_.now() < excused_[name].until; }
    std::map<std::string, Excuse> excused_;
    std::vector<std::pair<const Branch*, std::vector<Acknowledged>>> acknowledged_;
    bool clocks_stopped_ = false;
    bool asked_for_ = false;
    std::uint32_t writes_ = 0;
    std::uint64_t acknowledged_count_ = 0, lost_ = 0, promotions_ = 0;
    std::vector<Violation> violations_;
};

}  // namespace castle::sim
