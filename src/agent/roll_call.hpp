// Asks the other members, and knows who has gone silent.
//
// In an election every member gets its two seconds to answer. A machine that died would cost each election those two
// seconds on top of the lease; so the leader is called now and then while all is well, and everybody as soon as it does
// not answer. When the lock gets free, who has been silent for long enough is asked again, but hardly waited for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ports/peers.hpp"
#include "task/scope.hpp"

namespace castle::agent {

class RollCall {
public:
    RollCall(Executor& executor, ports::Peers& peers);

    // One answer for each; who does not answer is not reached. Takes two seconds at most.
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members);

    // Calls the leader, beside the caller. For the heartbeats of a member that follows one.
    void watch(std::shared_ptr<const core::Cluster> cluster, std::string me);

private:
    Task<> call_leader(std::shared_ptr<const core::Cluster> cluster, std::string me);
    Task<> ask_into(std::vector<core::Member> members, Duration patience, std::vector<core::PeerStatus>* answers);
    bool silent(const std::string& name) const;

    Executor& executor_;
    ports::Peers& peers_;
    std::map<std::string, BootTime>
        unanswered_since_;  // when the first call was made that was not answered, nor any since
    bool watching_ = false;
    Scope scope_;
};

}  // namespace castle::agent
