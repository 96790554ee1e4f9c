#include "sim/sim_store.hpp"

namespace castle::sim {
namespace {

constexpr Duration attempt = 1s;         // then another server is asked
constexpr Duration check_interval = 1s;  // of the watch's connection
constexpr int silent_checks_max = 3;

}  // namespace

SimStore::SimStore(World& world, Network& network, StoreService& service, std::shared_ptr<Process> process, HostId host)
    : world_(world),
      network_(network),
      service_(service),
      process_(std::move(process)),
      host_(host),
      server_(static_cast<int>(world.random().below(StoreService::servers))),
      watched_(server_),
      self_(std::make_shared<SimStore*>(this)) {
    subscription_ = service_.changed().subscribe([this] { watch_soon(); });
    check_watch();
}

BootTime SimStore::attempt_end(BootTime deadline) const {
    return std::min(deadline, process_->executor().now() + attempt);
}

template <class T>
Task<std::optional<T>> SimStore::ask(std::function<std::optional<T>(StoreService&, int)> work, BootTime deadline,
                                     Source source) {
    struct Answer {
        bool refused = false;
        std::optional<T> value;
        std::uint64_t generation = 0;
    };
    Completion<Answer> answered;
    refused_ = false;
    const std::uint64_t asked_in = generation_;
    struct Request {
        World& world;
        Network& network;
        StoreService& service;
        std::weak_ptr<Process> process;
        HostId host;
        int server;
        std::function<std::optional<T>(StoreService&, int)> work;
        std::function<void(Answer)> answer;
        bool answered = false;
        void reply(Answer value) {
            if (std::exchange(answered, true)) return;  // of copies the first is answered
            network.send(service.host(server), host,
                         [world = &world, process = process, answer = answer, value = std::move(value)] {
                             if (const auto living = process.lock())
                                 living->deliver(world->now(), [answer, value] { answer(value); });
                         });
        }
    };
    auto request = std::make_shared<Request>(
        Request{world_, network_, service_, process_, host_, server_, std::move(work), answered.setter()});
    network_.send(host_, service_.host(server_), [request] {
        if (!request->service.up(request->server)) return request->reply({true, std::nullopt, 0});
        request->world.after(request->service.latency(), [request] {
            if (!request->service.up(request->server)) return;
            if (auto value = request->work(request->service, request->server))
                request->reply({false, std::move(value), request->service.generation()});
        });
    });
    auto answer = co_await wait_for(process_->executor(), answered, deadline);
    if (!answer) co_return std::nullopt;
    refused_ = answer->refused;
    if (refused_) co_return std::nullopt;
    if (asked_in != 0 && asked_in != generation_) co_return std::nullopt;  // of a store that is no more, perhaps
    if (answer->generation != generation_) {
        if (source == Source::one_server && generation_ != 0) co_return std::nullopt;
        generation_ = answer->generation;
    }
    co_return std::move(answer->value);
}

Task<> SimStore::back_off(BootTime deadline) {
    rotate();
    if (refused_) co_await sleep_until(process_->executor(), std::min(deadline, process_->executor().now() + 100ms));
}

Task<Result<std::shared_ptr<const core::Snapshot>>> SimStore::read(BootTime deadline) {
    using Snapshot = std::shared_ptr<const core::Snapshot>;
    while (process_->executor().now() < deadline) {
        auto snapshot = co_await ask<Snapshot>([](StoreService& service, int server) { return service.read(server); },
                                               attempt_end(deadline));
        if (snapshot) {
            const bool newer = cached_ && ((*snapshot)->incarnation != cached_->incarnation ||
                                           (*snapshot)->revision > cached_->revision);
            if (newer) set_cached(*snapshot);
            co_return std::move(*snapshot);
        }
        co_await back_off(deadline);
    }
    co_return Error{Errc::timed_out, "the store does not answer"};
}

std::shared_ptr<const core::Snapshot> SimStore::cached() const {
    const bool older = cached_ && cached_->incarnation == written_in_ && cached_->revision < written_;
    return older ? nullptr : cached_;
}

Task<Result<Revision>> SimStore::write(std::vector<core::KeyWrite> writes, BootTime deadline) {
    const std::uint64_t meant = generation_;
    while (process_->executor().now() < deadline) {
        if (generation_ != meant) co_return Error{Errc::conflict, "the store has been replaced"};
        auto written = co_await ask<Result<Revision>>(
            [writes, lease = lease_](StoreService& service, int server) {
                return service.write(server, writes, lease);
            },
            deadline);
        if (written) {
            if (meant != 0 && generation_ != meant)
                co_return Error{Errc::failed, "the store has been replaced", Effect::unknown};
            if (!*written && written->error().code == Errc::not_found) lease_ = {};
            if (*written) {
                written_ = written_in_ == generation_ ? std::max(written_, **written) : **written;
                written_in_ = generation_;
            }
            co_return std::move(*written);
        }
        const bool surely_not = refused_;
        co_await back_off(deadline);
        if (!surely_not) co_return Error{Errc::timed_out, "the store did not answer a write", Effect::unknown};
    }
    co_return Error{Errc::unavailable, "no server of the store can be reached"};
}

Task<Result<ports::Renewal>> SimStore::renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) {
    bool fresh = false;
    while (process_->executor().now() < deadline) {
        ports::Renewal renewal;
        renewal.sent = process_->executor().now();
        std::uint64_t term = 0;
        if (number(lease_) == 0 || life != life_) {
            auto grant = co_await ask<StoreService::Grant>(
                [life](StoreService& service, int server) { return service.grant(server, life); },
                attempt_end(deadline));
            if (!grant) {
                co_await back_off(deadline);
                continue;
            }
            lease_ = grant->lease;
            life_ = life;
            granted_ = grant->life;
            term = grant->term;
            fresh = true;
        } else {
            auto kept = co_await ask<StoreService::KeepAlive>(
                [lease = lease_](StoreService& service, int server) { return service.keep_alive(server, lease); },
                attempt_end(deadline), Source::one_server);
            if (!kept) {
                co_await back_off(deadline);
                continue;
            }
            if (!kept->alive) {
                lease_ = {};
                continue;
            }
            term = kept->term;
            granted_ = kept->life;  // of an adopted lease only the store knows it
        }
        renewal.lease = lease_;
        renewal.life = granted_;
        renewal.fresh = fresh;
        lease_until_ = renewal.sent + granted_;
        if (!claim) co_return renewal;
        const auto leadership = co_await confirm(*claim, term, deadline);
        if (leadership) {
            renewal.leadership = *leadership;
            co_return renewal;
        }
        co_await back_off(deadline);
    }
    co_return Error{Errc::timed_out, "the store does not answer", Effect::unknown};
}

// Nothing: no answer, or one of another term than that of the renewal; then the renewal does not count.
Task<std::optional<ports::Renewal::Leadership>> SimStore::confirm(ports::Claim claim, std::uint64_t term,
                                                                  BootTime deadline) {
    using Leadership = ports::Renewal::Leadership;
    auto found = co_await ask<StoreService::Found>(
        [](StoreService& service, int server) { return service.get(server, "leader"); }, attempt_end(deadline));
    if (found && generation_ != claim.incarnation) co_return Leadership::elsewhere;
    if (!found || found->term != term) co_return std::nullopt;
    if (!found->value || found->value->value != claim.name || found->value->created != claim.created)
        co_return Leadership::lost;
    if (found->value->lease == lease_) co_return Leadership::confirmed;
    core::KeyWrite move{"leader", claim.name, true, {core::Expect::modified_at(found->value->modified)}};
    auto moved = co_await ask<Result<Revision>>(
        [move, lease = lease_](StoreService& service, int server) { return service.write(server, {move}, lease); },
        attempt_end(deadline));
    if (!moved) co_return std::nullopt;
    if (*moved) co_return Leadership::confirmed;
    if (moved->error().code != Errc::conflict) lease_ = {};  // else it was changed in between: look again
    co_return std::nullopt;
}

void SimStore::adopt(LeaseId lease, Duration life) {
    lease_ = lease;
    life_ = life;
}

Task<std::optional<StoreService::Look>> SimStore::look_once(LeaseId lease, BootTime deadline) {
    return ask<StoreService::Look>([lease](StoreService& service, int server) { return service.look(server, lease); },
                                   attempt_end(deadline), Source::one_server);
}

Task<Result<ports::LeaseLook>> SimStore::look(LeaseId lease, BootTime deadline) {
    while (process_->executor().now() < deadline) {
        const BootTime asked = process_->executor().now();
        const auto seen = co_await look_once(lease, deadline);
        if (seen && !seen->alive) co_return Error{Errc::not_found, "the lease is gone"};
        if (seen) co_return ports::LeaseLook{seen->left, seen->life, asked, seen->term};
        co_await back_off(deadline);
    }
    co_return Error{Errc::timed_out, "the store does not answer"};
}

Task<Result<ports::LeaseEnd>> SimStore::ended(LeaseId lease, BootTime deadline) {
    const auto found = [](StoreService& service, int server) { return service.get(server, "leader"); };
    while (process_->executor().now() < deadline) {
        const auto before = co_await ask<StoreService::Found>(found, attempt_end(deadline));
        const auto seen = co_await look_once(lease, deadline);
        if (seen && seen->alive) co_return ports::LeaseEnd{};
        const auto after = co_await ask<StoreService::Found>(found, attempt_end(deadline));
        // Its leader answers for leases from memory, even one that was deposed and does not know yet.
        if (before && seen && after && before->term == after->term && seen->term == after->term)
            co_return ports::LeaseEnd{true, after->term};
        co_await back_off(deadline);
    }
    co_return Error{Errc::timed_out, "the store does not answer"};
}

Task<Status> SimStore::remove(LeaseId lease, std::uint64_t term, BootTime deadline) {
    const auto found = co_await ask<StoreService::Found>(
        [](StoreService& service, int server) { return service.get(server, "leader"); }, deadline);
    if (!found) co_return Error{Errc::timed_out, "the store does not answer"};
    if (found->term != term) co_return Error{Errc::conflict, "the store has another leader"};
    const auto removed = co_await ask<Done>(
        [lease](StoreService& service, int server) { return service.remove(server, lease); }, deadline);
    if (!removed) co_return Error{Errc::timed_out, "the store does not answer", Effect::unknown};
    co_return Done{};
}

// The watch. Events come one behind the other on one connection; several changes may arrive as one.
void SimStore::watch_soon() {
    if (delivering_ || !cached_) return;
    delivering_ = true;
    world_.after(network_.delay(), [self = self_] {
        if (*self) (*self)->deliver();
    });
}

void SimStore::deliver() {
    delivering_ = false;
    if (!cached_ || !network_.open_both(service_.host(watched_), host_) || !service_.in_quorum(watched_)) return;
    const auto snapshot = service_.snapshot();
    if (snapshot->revision == cached_->revision) return;
    process_->deliver(world_.now(), [this, snapshot] {
        if (cached_ && snapshot->incarnation == cached_->incarnation && snapshot->revision > cached_->revision)
            set_cached(snapshot);
    });
}

void SimStore::set_cached(std::shared_ptr<const core::Snapshot> snapshot) {
    cached_ = std::move(snapshot);
    changed_.notify();
}

void SimStore::cut_watch() {
    process_->deliver(world_.now(), [this] { set_cached(nullptr); });
}

// A silent connection is found out after some time; then another server is tried until the watch is in step again.
void SimStore::check_watch() {
    // Whoever replaces a store ends its servers.
    if (cached_ && cached_->incarnation != service_.generation()) cut_watch();
    const bool whole = network_.open_both(service_.host(watched_), host_) && service_.in_quorum(watched_);
    if (whole) {
        silent_checks_ = 0;
        if (!cached_) {
            process_->deliver(world_.now(), [this, snapshot = service_.snapshot()] {
                generation_ = std::max(generation_, snapshot->incarnation);
                if (snapshot->incarnation == generation_) set_cached(snapshot);
            });
        } else {
            watch_soon();
        }
    } else if (!service_.up(watched_) || ++silent_checks_ >= silent_checks_max) {
        watched_ = (watched_ + 1) % StoreService::servers;
        if (cached_) process_->deliver(world_.now(), [this] { set_cached(nullptr); });
    }
    const Duration next = cached_ ? check_interval : Duration{world_.random().between(50, 500)};
    world_.after(next, [self = self_] {
        if (*self) (*self)->check_watch();
    });
}

}  // namespace castle::sim
