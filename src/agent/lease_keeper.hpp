// Prolongs this node's lease in a coroutine of its own, so that no cycle, however slow, delays it; and moves the
// fence's deadline on when, and only when, the store has confirmed the leadership.
//
// Others tell from the end of the lease that the deadline has passed. So a lease counts only once the record of the
// leadership names it: until then the deadline stays where the lease before it put it.
//
// It stops renewing when the cycles have hung for longer than they may: a hung decision loop must not hold the lock.
#pragma once

#include <functional>
#include <optional>

#include "ports/clock.hpp"
#include "ports/fence.hpp"
#include "ports/journal.hpp"
#include "ports/store.hpp"
#include "task/wait.hpp"

namespace castle::agent {

class LeaseKeeper {
public:
    struct Pace {
        Duration ttl{30'000};
        Duration loop_wait{10'000};
        Duration retry_timeout{10'000};
    };

    LeaseKeeper(Executor& executor, ports::Store& store, ports::Fence& fence, ports::Journal& journal,
                std::string name);

    Task<> run();

    void set_pace(Pace pace);
    // The safety margin of the hardware watchdog that is in use; nothing: none is.
    void set_watchdog(std::optional<Duration> safety_margin) { watchdog_ = safety_margin; }
    void cycle_finished() { last_cycle_ = executor_.now(); }

    // Renewals sent from now on confirm this leadership, and none that is on its way; nothing: we do not lead.
    // `published`: the lease that its record names, if that is known.
    void claim(std::optional<Revision> epoch, LeaseId published = {});
    // Awaited before a lease counts that the record does not name yet. Answers whether it does now.
    std::function<Task<bool>()> publish = [] { return published_already(); };
    // Holds the server to what is confirmed by now. Before it becomes a primary; from then on every renewal does.
    Task<Status> arm(Revision epoch);
    // The fence still holds a deadline of an earlier run of this agent: so much is confirmed already.
    void resume(Revision epoch, BootTime until);
    std::optional<Revision> epoch() const { return epoch_; }
    // The claim is not confirmed any more, or could not be the first time.
    bool unconfirmed() const { return epoch_ && tried_ && executor_.now() >= leader_until_; }
    // The store answers as another one than before: what was claimed there does not hold here, and the deadline that
    // was granted there stays as it is until something is claimed here.
    void store_replaced();

    // Renews now instead of at the next turn, and answers when that has been tried. False: it did not succeed.
    Task<bool> renew_now(BootTime deadline);

    LeaseId lease() const { return lease_; }
    Duration life() const { return life_; }  // of the lease, as the store granted it
    // How far away the deadline can be: not beyond that life, unless a lease of another store granted it.
    Duration reaches() const { return std::max(life_, leader_until_ - executor_.now()); }
    // Zero while not confirmed. Without an epoch: what is left of a leadership that another store confirmed.
    BootTime leader_until() const { return epoch_ || executor_.now() < leader_until_ ? leader_until_ : BootTime{}; }
    bool store_answers() const { return store_answers_; }
    bool take_fresh() { return std::exchange(fresh_, false); }  // a new lease: leased keys must be written again

    // Notified when leadership is lost, when the store begins or ceases to answer, and when the lease is a new one.
    Signal& changed() { return changed_; }

private:
    static Task<bool> published_already() { co_return true; }
    Task<bool> renew(BootTime deadline);
    BootTime shorter_lease_from() const;
    Duration reach(Duration life) const;  // how far beyond the sending of a renewal the deadline lies
    Task<> confirmed(ports::Renewal renewal);
    Task<> lost();
    void answers(bool yes);

    Executor& executor_;
    ports::Store& store_;
    ports::Fence& fence_;
    ports::Journal& journal_;
    std::string name_;
    Pace pace_;
    std::optional<Duration> watchdog_;
    std::optional<Revision> epoch_;
    std::uint64_t claims_ = 0;       // counts the changes of epoch_ and of the store
    bool tried_ = false;             // to have it confirmed
    std::uint64_t incarnation_ = 0;  // of the store in which that is
    LeaseId lease_{};
    LeaseId published_{};
    BootTime last_sent_{};
    Duration life_{};
    BootTime leader_until_{};
    bool of_another_store_ = false;  // that is; the first confirmation of this store takes its place
    BootTime last_cycle_{};
    bool renewing_ = false;
    bool store_answers_ = false;
    bool fresh_ = false;
    Signal changed_;
    Signal kick_;
    Signal renewed_;
};

}  // namespace castle::agent
