// The Store port of a simulated agent: what the etcd adapter does, over the simulator's network. Lives and dies with
// the agent's process; a request may outlive it and take effect all the same.
#pragma once

#include "ports/store.hpp"
#include "sim/process.hpp"
#include "sim/store_service.hpp"

namespace castle::sim {

class SimStore final : public ports::Store {
public:
    SimStore(World& world, Network& network, StoreService& service, std::shared_ptr<Process> process, HostId host);

    Task<Result<std::shared_ptr<const core::Snapshot>>> read(BootTime deadline) override;
    std::shared_ptr<const core::Snapshot> cached() const override;
    Signal& changed() override { return changed_; }
    std::uint64_t incarnation() const override { return generation_; }
    Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime deadline) override;
    Task<Result<ports::Renewal>> renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) override;
    void adopt(LeaseId lease, Duration life) override;
    Task<Result<ports::LeaseLook>> look(LeaseId lease, BootTime deadline) override;
    Task<Result<ports::LeaseEnd>> ended(LeaseId lease, BootTime deadline) override;
    Task<Status> remove(LeaseId lease, std::uint64_t term, BootTime deadline) override;

    LeaseId lease() const { return lease_; }
    BootTime lease_until() const {
        return lease_until_;
    }                  // by this node's clock; the agent may count on nothing beyond it
    void cut_watch();  // its connection breaks

private:
    // Sends one request to the server in use and waits for its answer; nothing: none came. `refused_` says why. Only a
    // quorum's answer tells that the store is another one; one server alone is not believed then.
    enum class Source { quorum, one_server };
    template <class T>
    Task<std::optional<T>> ask(std::function<std::optional<T>(StoreService&, int)> work, BootTime deadline,
                               Source source = Source::quorum);
    Task<std::optional<StoreService::Look>> look_once(LeaseId lease, BootTime deadline);
    void rotate() { server_ = (server_ + 1) % StoreService::servers; }
    Task<> back_off(BootTime deadline);
    BootTime attempt_end(BootTime deadline) const;
    Task<std::optional<ports::Renewal::Leadership>> confirm(ports::Claim claim, std::uint64_t term, BootTime deadline);

    void watch_soon();
    void deliver();
    void check_watch();
    void set_cached(std::shared_ptr<const core::Snapshot> snapshot);

    World& world_;
    Network& network_;
    StoreService& service_;
    std::shared_ptr<Process> process_;
    HostId host_;
    int server_;
    LeaseId lease_{};
    Duration life_{};     // as asked for
    Duration granted_{};  // as the store has it
    BootTime lease_until_{};
    bool refused_ = false;          // nobody listened: the last request surely did nothing
    std::uint64_t generation_ = 0;  // of the store, as far as this client knows

    std::shared_ptr<const core::Snapshot> cached_;
    Revision written_{};            // of our latest write,
    std::uint64_t written_in_ = 0;  // and the store that it was in
    Signal changed_;
    int watched_;  // the server that the watch is connected to
    bool delivering_ = false;
    int silent_checks_ = 0;
    // Events of the world that concern this object end with it.
    std::shared_ptr<SimStore*> self_;
    Signal::Subscription subscription_;

public:
    ~SimStore() override { *self_ = nullptr; }
};

}  // namespace castle::sim
