#include "agent/lease_keeper.hpp"

#include <algorithm>

#include "core/decide.hpp"

namespace castle::agent {

using ports::Renewal;

LeaseKeeper::LeaseKeeper(Executor& executor, ports::Store& store, ports::Fence& fence, ports::Journal& journal,
                         std::string name)
    : executor_(executor),
      store_(store),
      fence_(fence),
      journal_(journal),
      name_(std::move(name)),
      last_cycle_(executor.now()) {}

void LeaseKeeper::set_pace(Pace pace) {
    const bool sooner = pace.loop_wait < pace_.loop_wait || pace.ttl != pace_.ttl;
    pace_ = pace;
    if (sooner) kick_.notify();
}

void LeaseKeeper::claim(std::optional<Revision> epoch, LeaseId published) {
    const bool here = incarnation_ == store_.incarnation();
    if (epoch_ == epoch && (!epoch || here)) return;
    // The fence is still held to what another store confirmed; that is not taken back by claiming it here as well.
    const bool goes_on = epoch && !epoch_ && executor_.now() < leader_until_;
    epoch_ = epoch;
    ++claims_;
    tried_ = false;
    published_ = published;
    incarnation_ = store_.incarnation();
    if (!goes_on) leader_until_ = {};
    of_another_store_ = goes_on;
}

void LeaseKeeper::store_replaced() {
    if (!epoch_ || incarnation_ == store_.incarnation()) return;
    epoch_.reset();
    ++claims_;
    journal_.write(ports::Level::warning, "the store has been replaced: the leader key has to be taken again");
    changed_.notify();
}

Task<Status> LeaseKeeper::arm(Revision epoch) {
    return fence_.arm(epoch, leader_until(), core::stop_before_deadline(life_));
}

void LeaseKeeper::resume(Revision epoch, BootTime until) {
    claim(epoch);
    tried_ = true;
    leader_until_ = until;
}

Task<> LeaseKeeper::run() {
    for (;;) {
        const auto seen = kick_.count();
        const bool hung = executor_.now() > last_cycle_ + pace_.loop_wait + pace_.retry_timeout;
        const BootTime began = executor_.now();
        bool done = false;
        if (!hung) done = co_await renew_now(executor_.now() + pace_.retry_timeout);
        // The reference renews once a loop_wait; a short life asks for more, so that one lost renewal is no loss.
        const Duration third = std::min(std::max(life_, Duration{1500}) / 3, std::max(reach(life_) / 2, Duration{200}));
        const Duration interval = done ? std::min(pace_.loop_wait, third) : std::min(pace_.loop_wait, Duration{500});
        const BootTime next = std::max((done ? last_sent_ : began) + interval, executor_.now() + Duration{50});
        co_await wait_past(executor_, kick_, seen, std::max(next, shorter_lease_from()));
    }
}

Task<bool> LeaseKeeper::renew_now(BootTime deadline) {
    while (renewing_) {  // what was sent before this call does not count: it may have been for another claim
        const bool ended = co_await wait_past(executor_, renewed_, renewed_.count(), deadline);
        if (!ended) co_return false;
    }
    if (executor_.now() < shorter_lease_from()) co_return store_answers_;
    renewing_ = true;
    const std::uint64_t mine = claims_;
    const bool done = co_await renew(deadline);
    if (claims_ == mine) tried_ = true;
    renewing_ = false;
    renewed_.notify();
    co_return done;
}

// The deadline in force was counted by the life of the present lease and does not go back. If ttl has become shorter,
// the leader key must stay under the present lease, not renewed any more, until the shorter one reaches to that
// deadline.
BootTime LeaseKeeper::shorter_lease_from() const {
    if (!epoch_ || (life_ != Duration{0} && pace_.ttl >= life_)) return {};
    BootTime in_force = leader_until_;
    if (fence_.state().armed && fence_.state().epoch == *epoch_) in_force = std::max(in_force, fence_.state().deadline);
    return in_force - reach(pace_.ttl);
}

Duration LeaseKeeper::reach(Duration life) const {
    return life - core::lease_margin(life, watchdog_);
}

Task<bool> LeaseKeeper::renew(BootTime deadline) {
    const std::uint64_t mine = claims_;
    std::optional<ports::Claim> claimed;
    if (epoch_) claimed = ports::Claim{name_, *epoch_, incarnation_};
    auto renewal = co_await store_.renew(pace_.ttl, claimed, deadline);
    if (!renewal) {
        if (store_answers_) journal_.write(ports::Level::warning, "renew lease: " + renewal.error().message);
        answers(false);
        co_return false;
    }
    lease_ = renewal->lease;
    last_sent_ = renewal->sent;
    life_ = renewal->life;
    if (renewal->fresh) {
        fresh_ = true;
        changed_.notify();
    }
    // The claim may have been given up while the answer was on its way, and others told that we are no primary. That it
    // has been made again since does not make a confirmation good that was asked for before.
    if (claimed && claims_ == mine) {
        if (renewal->leadership == Renewal::Leadership::confirmed)
            co_await confirmed(*renewal);
        else if (renewal->leadership == Renewal::Leadership::lost)
            co_await lost();
        else if (renewal->leadership == Renewal::Leadership::elsewhere)
            store_replaced();
    }
    answers(true);
    co_return true;
}

Task<> LeaseKeeper::confirmed(ports::Renewal renewal) {
    const std::uint64_t mine = claims_;
    const Revision epoch = *epoch_;
    if (published_ != renewal.lease) {
        const bool told = co_await publish();
        if (!told || claims_ != mine || lease_ != renewal.lease) co_return;
        published_ = renewal.lease;
    }
    const BootTime until = renewal.sent + reach(renewal.life);
    const bool first = leader_until_ == BootTime{};
    // The lease here may be shorter than the one there, and with it the key lapses.
    leader_until_ = std::exchange(of_another_store_, false) ? until : std::max(leader_until_, until);
    if (fence_.state().armed && fence_.state().epoch == epoch) {
        auto extended = co_await fence_.extend(epoch, until, core::stop_before_deadline(life_));
        if (!extended) journal_.write(ports::Level::error, "move the fence's deadline: " + extended.error().message);
    }
    if (first) changed_.notify();
}

// The key is gone or another's: the server must not acknowledge anything any more. Without an armed fence (nobody else
// is there) the cycle decides, because then nobody else can have taken over yet.
Task<> LeaseKeeper::lost() {
    const Revision epoch = *epoch_;
    claim(std::nullopt);
    journal_.write(ports::Level::warning, "the leader key is not mine any more");
    if (fence_.state().armed && fence_.state().epoch == epoch) {
        auto fired = co_await fence_.fire();
        if (!fired) journal_.write(ports::Level::error, "fence: " + fired.error().message);
    }
    changed_.notify();
}

void LeaseKeeper::answers(bool yes) {
    if (std::exchange(store_answers_, yes) != yes) changed_.notify();
}

}  // namespace castle::agent
