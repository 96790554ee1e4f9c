// What a member says of itself over REST, as far as `up`, `down` and `status` want to know. Belongs to the loop's
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/loop.hpp"
#include "node/plan.hpp"

namespace castle::node {

struct MemberReport {
    bool answered = false;
    std::string state;        // running, creating replica, ...
    std::string role;         // primary, replica, standby_leader
    std::string replication;  // streaming, in archive recovery, or empty
    int timeline = 0;

    bool primary() const { return answered && state == "running" && (role == "primary" || role == "master"); }
    bool streaming() const { return answered && state == "running" && !primary() && replication == "streaming"; }
};

MemberReport read_member_report(std::string_view body);
// All at once, in the order of their numbers; those who do not answer until then have not answered.
Task<std::vector<MemberReport>> ask_members(io::Loop& loop, Plan plan, BootTime deadline);

// One primary, and all others stream from it.
bool whole(const std::vector<MemberReport>& members);

}  // namespace castle::node
