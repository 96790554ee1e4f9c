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
    Checker(World& world, StoreService& store, bool synchronous) : world_(world), store_(store), synchronous_(synchronous) {}

    void watch(Node& node) { nodes_.push_back(&node); }
    std::uint32_t next_write() { return ++writes_; }

    void server_changed(Postgres& server);
    void acknowledged(Postgres& server, std::uint32_t write, const Branch& branch, Lsn end);
    // The clock of this node stood still while its server ran: nothing is promised of it until that server has ended.
    void excuse(const Node& node) { excused_[node.name()] = true; }
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
    std::map<std::string, bool> excused_;
    std::vector<std::pair<const Branch*, std::vector<Acknowledged>>> acknowledged_;
    std::uint32_t writes_ = 0;
    std::uint64_t acknowledged_count_ = 0, lost_ = 0, promotions_ = 0;
    std::vector<Violation> violations_;
};

}  // namespace castle::sim
