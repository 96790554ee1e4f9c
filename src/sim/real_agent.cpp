#include "sim/real_agent.hpp"

#include "agent/agent.hpp"
#include "sim/sim.hpp"

namespace castle::sim {
namespace {

class RealAgent final : public Program {
public:
    RealAgent(const Ports& ports, agent::Options options)
        : agent_({ports.executor, ports.clock, ports.store, ports.server, ports.fence, ports.peers, ports.journal},
                 std::move(options)) {}

    Task<> run() override { co_await agent_.run(); }
    void stop() override { agent_.stop(); }
    void leave() override { agent_.leave(); }
    Task<core::PeerStatus> status() override {
        if (agent_.view()->name.empty()) co_return core::PeerStatus{};  // not listening yet
        co_await agent_.refresh(core::position_age_max);
        co_return core::peer_status(*agent_.view());
    }
    void add_decisions(Decisions& decisions) const override {
        for (std::size_t i = 0; i < decisions.size(); ++i) decisions[i] += agent_.decided(static_cast<core::Reason>(i));
    }

private:
    agent::Agent agent_;
};

}  // namespace

std::string dynamic_config(Duration ttl, Duration loop_wait, Duration retry_timeout, Duration race_backoff) {
    const auto seconds = [](Duration duration) { return std::to_string(duration.count() / 1000); };
    return R"({"ttl":)" + seconds(ttl) + R"(,"loop_wait":)" + seconds(loop_wait) + R"(,"retry_timeout":)" +
           seconds(retry_timeout) + R"(,"primary_race_backoff":)" + seconds(race_backoff) + "}";
}

MakeProgram real_agent(const Options& options) {
    const std::string dynamic =
        dynamic_config(options.ttl, options.loop_wait, options.retry_timeout, options.race_backoff);
    return [dynamic](const Ports& ports) -> std::unique_ptr<Program> {
        agent::Options local;
        local.name = ports.name;
        local.scope = "sim";
        local.conn_url = "postgres://" + ports.name + ":5432/postgres";
        local.api_url = "http://" + ports.name + ":8008/patroni";
        local.bootstrap_config = dynamic;
        local.watchdog.mode = config::Watchdog::Mode::off;
        local.rejoin = [](const std::string&) { return agent::Rejoin{.use_rewind = true, .replace_diverged = true}; };
        return std::make_unique<RealAgent>(ports, std::move(local));
    };
}

}  // namespace castle::sim
