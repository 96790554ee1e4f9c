#include "sim/node.hpp"

namespace castle::sim {
namespace {

constexpr Duration stop_limit = 60s;
constexpr Duration restart_delay = 5s;  // of an agent that ended by itself

class SimClock final : public ports::Clock {
public:
    explicit SimClock(Process& process) : process_(process) {}
    Now now() const override {
        const BootTime boot = process_.executor().now();
        return {boot, WallTime{std::chrono::microseconds{1'700'000'000'000'000} + boot.time_since_epoch()}};
    }

private:
    Process& process_;
};

class SimJournal final : public ports::Journal {
public:
    SimJournal(World& world, std::string name) : world_(world), name_(std::move(name)) {}
    void write(ports::Level, std::string_view text) override { world_.say(name_, text); }

private:
    World& world_;
    std::string name_;
};

Task<> live(Program& program, std::function<void()> ended) {
    co_await program.run();
    ended();
}

Task<> tell(Program& program, std::function<void(const core::PeerStatus&)> answer) {
    const core::PeerStatus status = co_await program.status();
    answer(status);
}

}  // namespace

struct Node::Agent {
    Agent(Node& node, World& world, Network& network)
        : world(world),
          process(std::make_shared<Process>(node.clock_, world.now())),
          clock(*process),
          journal(world, node.name_),
          store(world, network, node.around_.store, process, node.host_),
          server(node.around_.servers, node.server_, node.fence_, process, node.around_.synchronous),
          fence(world, node.fence_, process),
          peers(world, network, process, node.host_, node.around_.find, node.around_.ask),
          program(node.around_.make({node.name_, process->executor(), clock, store, server, fence, peers, journal})),
          scope(process->executor()) {
        world.add(*process);
    }
    ~Agent() { world.remove(*process); }

    World& world;
    std::shared_ptr<Process> process;
    SimClock clock;
    SimJournal journal;
    SimStore store;
    SimServer server;
    SimFence fence;
    SimPeers peers;
    std::unique_ptr<Program> program;
    Scope scope;  // its coroutines use all of the above
};

Node::Node(Surroundings around, HostId host, std::string name, int clock_ppm, Duration clock_offset)
    : around_(std::move(around)),
      world_(around_.servers.world),
      host_(host),
      name_(std::move(name)),
      clock_(clock_ppm, clock_offset),
      server_(around_.servers, host, name_),
      fence_(world_, clock_, server_, [this] { fence_changed(); }) {
    client();
}
Node::~Node() = default;

SimStore* Node::store() {
    return agent_ ? &agent_->store : nullptr;
}

void Node::start_agent() {
    if (agent_ || !up_) return;
    rest_ = restart_delay;
    agent_ = std::make_unique<Agent>(*this, world_, around_.servers.network);
    agent_->process->frozen = agent_freezes_ > 0;
    agent_->scope.spawn(live(*agent_->program,
                             [this, agent = ++agents_] { world_.after(0ms, [this, agent] { agent_ended(agent); }); }));
    world_.note(name_, "agent starts");
}

void Node::crash_agent() {
    if (!agent_) return;
    ++agents_;
    agent_->program->add_decisions(around_.decisions);
    agent_.reset();
    world_.note(name_, "agent is gone");
}

void Node::agent_ended(std::uint64_t agent) {
    if (agents_ != agent) return;
    crash_agent();
    world_.after(rest_, [this] { start_agent(); });
}

void Node::end_agent(Duration rest, void (Program::*how)()) {
    if (!agent_) return;
    rest_ = rest;
    agent_->process->deliver(world_.now(), [program = agent_->program.get(), how] { (program->*how)(); });
    world_.after(stop_limit, [this, agent = agents_] { agent_ended(agent); });
}
void Node::stop_agent(Duration rest) {
    end_agent(rest, &Program::stop);
}
void Node::reexec_agent(Duration rest) {
    end_agent(rest, &Program::leave);
}

void Node::ask_agent(std::function<void(core::PeerStatus)> answer) {
    if (!agent_) return answer({});  // connection refused
    agent_->process->deliver(world_.now(), [this, answer = std::move(answer)] {
        // Out of the process into the world, where messages live.
        agent_->scope.spawn(tell(*agent_->program, [&world = world_, answer](const core::PeerStatus& status) {
            world.after(0ms, [answer, status] { answer(status); });
        }));
    });
}

void Node::server_changed() {
    fence_.server_changed();
    if (agent_) agent_->server.server_changed();
}

void Node::fence_changed() {
    if (agent_) agent_->fence.fence_changed();
}

void Node::freeze_agent() {
    ++agent_freezes_;
    if (agent_) agent_->process->frozen = true;
}
void Node::thaw_agent() {
    if (--agent_freezes_ == 0 && agent_) agent_->process->frozen = false;
}
void Node::freeze_server() {
    if (++server_freezes_ == 1) server_.freeze();
}
void Node::thaw_server() {
    if (--server_freezes_ == 0) server_.thaw();
}
void Node::freeze_host() {
    freeze_agent();
    freeze_server();
    if (++host_freezes_ == 1) fence_.freeze();
}
void Node::thaw_host() {
    if (--host_freezes_ == 0) fence_.thaw();
    // The fence runs first (real-time priority, locked memory). If its deadline has passed meanwhile, its signals are
    // there before any backend is back in user mode.
    if (fence_.alive() && fence_.state().phase == fence::Phase::fired)
        world_.after(50ms, [this] { thaw_server(); });
    else
        thaw_server();
    thaw_agent();
}

void Node::crash_host() {
    if (!up_) return;
    up_ = false;
    world_.note(name_, "host crashes");
    crash_agent();
    server_.crash();
    fence_.crash();
    for (int other = 0; other < around_.servers.network.hosts(); ++other) {
        around_.servers.network.cut(host_, HostId{other});
        around_.servers.network.cut(HostId{other}, host_);
    }
}

void Node::boot_host() {
    if (up_) return;
    up_ = true;
    world_.note(name_, "host is up");
    for (int other = 0; other < around_.servers.network.hosts(); ++other) {
        around_.servers.network.mend(host_, HostId{other});
        around_.servers.network.mend(HostId{other}, host_);
    }
    start_agent();
}

// Writes to this very server, whatever it is, and does not look at the cluster.
void Node::client() {
    world_.after(world_.random().between(50ms, 350ms), [this] {
        if (up_ && server_.writable()) around_.servers.client(server_);
        client();
    });
}

}  // namespace castle::sim
