// The background process of `pgcastle up`: keeps etcd and the agents running and answers on DIR/supervisor.sock. When
// it dies they run on; the next one takes them over. All on the loop's thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/listener.hpp"
#include "io/loop.hpp"
#include "io/users.hpp"
#include "node/keeper.hpp"
#include "node/plan.hpp"
#include "node/report.hpp"

namespace castle::node {

class Supervisor {
public:
    // `program` is pgcastle itself; children are started with our environment.
    Supervisor(io::Loop& loop, Plan plan, io::User owner, std::string program);

    // Until it is asked to stop, by stop() or through the socket, and everything has been stopped.
    Task<Status> run();
    void stop() { stop_.cancel(); }

private:
    Task<> keep_all();
    Task<> protect_store();
    Task<> start_last_leader_first(Scope& agents);
    void start_agent(Scope& agents, Keeper& agent);
    Task<> accept_all();
    Task<> serve(io::StreamPtr stream);
    Task<> tell_reports(io::Stream& stream);
    Task<> trim_logs();
    Report report() const;

    io::Loop& loop_;
    Plan plan_;
    CancelSource stop_;
    Signal changed_;
    bool stopping_ = false;
    bool stopped_ = false;
    std::string doing_;
    Keeper etcd_;
    std::vector<std::unique_ptr<Keeper>> agents_;
    std::set<std::string> started_;  // names of agents that are kept
    std::unique_ptr<io::Listener> listener_;
};

// The whole program `pgcastle up --supervise DIR`. Its exit status.
int supervise(const std::string& dir);

}  // namespace castle::node
