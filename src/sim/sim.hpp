// A whole cluster in one thread: members, the store's servers, and the network between them, all of it driven by one
// seed. This is the handle by which tests and the random driver hold it.
//
//   Sim sim{seed, members(3)};
//   sim.run_until_healthy();
//   sim.freeze(sim.leader()); sim.run(60s); sim.expect_never_two_primaries();
#pragma once

#include "sim/checker.hpp"

namespace castle::sim {

struct Options {
    int members = 3;
    bool synchronous = false;  // commits wait for every other member, so that no failover may lose any
    int clock_ppm_max = 0;     // how wrong the hosts' clocks may run, either way
    Duration ttl = 20s, loop_wait = 5s, retry_timeout = 5s;
    Duration race_backoff = 0s;
    std::FILE* print = nullptr;
    MakeProgram program;  // nothing: the real agent
};
inline Options members(int count) {
    return {.members = count};
}

class Sim {
public:
    Sim(std::uint64_t seed, Options options);
    ~Sim();

    void run(Duration time) { world_.run_until(world_.now() + time); }
    bool run_until(const std::function<bool()>& condition, Duration limit);
    bool run_until_healthy(Duration limit = 120s);

    Node& node(int number) { return *nodes_[static_cast<std::size_t>(number)]; }
    std::vector<Node*> nodes();
    Node& leader();  // who holds the lock; there must be one
    Node* leader_or_null();
    Node& follower(int number = 0);  // the others, in order
    bool healthy() const;            // one primary, which holds the lock, and every other member streams from it

    // What can be done to it. Each is counted as the fault it is.
    void freeze(Node& node);  // the agent only
    void thaw(Node& node);
    void crash_agent(Node& node, Duration restarted_after = 2s);
    void stop_agent(Node& node, Duration started_after = 10s);
    void reexec_agent(Node& node);
    void crash_server(Node& node);
    void crash_fence(Node& node);
    void crash_host(Node& node, Duration booted_after = 10s);
    void freeze_server(Node& node);
    void thaw_server(Node& node);
    void freeze_host(Node& node);  // all processes; the clocks run on
    void thaw_host(Node& node);
    bool suspend_host(Node& node);  // it sleeps: boot time runs on, raw time does not. False: already so, or paused
    void resume_host(Node& node);
    bool stop_clock(Node& node);  // the virtual machine is paused
    void go_on(Node& node);
    void slow_disk(Node& node, bool slow);
    void fill_disk(Node& node, std::uint64_t bytes, Duration ends_later);  // amid a record, as Postgres has it
    void empty_disk(Node& node);
    void isolate(Node& node);  // from everybody
    void rejoin(Node& node);
    void cut_from_store(Node& node);
    void mend_to_store(Node& node);
    void cut_from_peers(Node& node);
    void mend_to_peers(Node& node);
    void cut_one_way(Node& node, bool outward);
    void mend_one_way(Node& node, bool outward);
    void switchover(const std::string& candidate = {});
    void change_config(Duration ttl, Duration loop_wait, Duration retry_timeout);

    World& world() { return world_; }
    Network& network() { return network_; }
    StoreService& store() { return store_; }
    Checker& checker() { return checker_; }
    const Options& options() const { return options_; }
    BootTime now() const { return world_.now(); }

    // What is wrong goes here: in tests a failure with the seed that repeats it.
    static std::function<void(const std::string&)> on_failure;
    void expect_never_two_primaries() { expect_no_violation(); }
    void expect_no_violation();
    void expect_healthy_within(Duration limit);
    void expect(bool condition, const std::string& what);

    // Of agents that have ended; finish() ends all of them.
    const Decisions& decisions() const { return decisions_; }
    void finish();

private:
    template <class Work>
    void each_link(Node& node, bool servers_of_store, bool members, Work work);

    Options options_;
    std::uint64_t seed_;
    World world_;
    Network network_;
    Wal wal_;
    StoreService store_;
    Surroundings around_;
    Checker checker_;
    Decisions decisions_{};
    std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace castle::sim
