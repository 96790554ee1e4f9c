// The fence's one number: the time until which this node's server may be primary. Pure logic: it is handed the time and
// what happened, and says what to do. The program pgcastle-fence and the simulator run the same code.
//
// The caller guarantees that Instants never go back, that tick() is called no later than wait() after any other call,
// and that an Action is carried out before the next call. After Action::kill the caller kills the whole process tree,
// again and again until it has seen it empty, and then calls emptied(); nothing short of that ends a firing.
//
// extend() only ever moves the deadline on. It comes nearer in two cases: kill() says "the deadline is now", and arm()
// states a right anew, which may rest on a shorter lease than the one before.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/types.hpp"

namespace castle::fence {

// CLOCK_MONOTONIC_RAW: cannot be slowed by time synchronisation, but stands still while the machine sleeps.
struct RawClock {};
using RawTime = std::chrono::time_point<RawClock, Duration>;

// One moment as both clocks show it. Of two Instants, the clock that says more has passed is believed.
struct Instant {
    BootTime boot;
    RawTime raw;
};

enum class Phase : std::uint8_t {
    gone,      // no server: not started yet, or ended; and no deadline
    attached,  // a server that is held to no deadline
    armed,     // a deadline is in force, whether the server runs already or not
    fired,     // the tree is being killed; over once it is confirmed to be empty
};

// How a command is answered. The first group comes from the logic below, the second from the program around it.
// The numbers are part of the protocol.
enum class Answer : std::uint16_t {
    ok = 0,
    not_armed = 1,    // there is no deadline to extend
    stale_epoch = 2,  // the command belongs to another leadership than the one the fence is armed for
    too_late = 3,     // the deadline has passed, or the one asked for has
    too_far = 4,      // more than a day ahead: no lease is that long, somebody mixed up units
    firing = 5,       // the tree is being killed; nothing else is done until it is empty

    server_running = 32,
    no_server = 33,
    ending = 34,       // the fence was told to end
    locked = 35,       // another fence guards this data directory
    unsupported = 36,  // this fence does not know the command
    malformed = 37,
    denied = 38,
    failed = 39,  // the operating system refused; number and step are told beside it
    busy = 40,    // a start is under way, or what the last server left is being cleared away: ask again soon
};
std::string_view name_of(Answer answer);
std::string_view name_of(Phase phase);

enum class Action : std::uint8_t {
    nothing,
    ping_watchdog,
    stop,            // tell the server to stop in order (fast): its deadline is near, and nobody has moved it
    kill,            // now, everything at once
    close_watchdog,  // properly: the tree is confirmed to be empty
};

struct Outcome {
    Answer answer = Answer::ok;
    Action action = Action::nothing;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// What is published. The epoch (the leader key's create revision) outlives the agent, a disarming and a firing: it says
// for which leadership the fence was armed last.
struct State {
    Phase phase = Phase::gone;
    std::int32_t server = 0;  // its process id; 0: none
    Revision epoch{};
    BootTime deadline{};  // the one in force when armed or fired, otherwise the last one
    std::uint32_t firings = 0;
    bool killed = false;  // the last server was ended by a firing, and all of it is gone; until the next one starts
    friend bool operator==(const State&, const State&) = default;
};

class Deadline {
public:
    // Puts exactly this deadline in force. While one is, an earlier epoch is refused. (Without one any epoch is taken:
    // a store restored from a backup counts from lower revisions.)
    //
    // `stop_before` that deadline the server is told to stop, once: a kill takes the WAL senders together with what
    // they have not sent yet, a stop in order lets them send it. 0: it is killed at the deadline only.
    Outcome arm(Instant now, Revision epoch, BootTime until, Duration stop_before = {});

    // Moves the deadline on for the very epoch it was armed for. One before the present deadline changes nothing.
    Outcome extend(Instant now, Revision epoch, BootTime until, Duration stop_before = {});

    // Lifts the deadline; the server stays. Too late once it has passed: then the server dies.
    Outcome disarm(Instant now);

    // The deadline is now, whether there was one or not.
    Outcome kill(Instant now);

    Outcome tick(Instant now);

    // A server was started or adopted. An Answer other than ok: it must not be.
    Outcome server_started(Instant now, std::int32_t pid);
    Answer may_start() const;
    // It ended by itself, and nothing of its tree is left. A deadline stays in force for its successor.
    void server_ended();
    // After Action::kill: the tree is confirmed to be empty.
    Outcome emptied();

    // How long nothing has to be done unless something happens; nothing: for ever. Short enough that the two clocks
    // cannot drift apart in between by more than a millisecond.
    std::optional<Duration> wait(Instant now) const;

    const State& state() const { return state_; }

private:
    Outcome move_to(Instant now, BootTime until, Duration stop_before);
    Outcome fire();
    Duration left(Instant now) const;
    bool passed(Instant now) const { return left(now) <= Duration{0}; }
    bool to_be_stopped() const { return state_.server != 0 && !stopped_ && stop_before_ > Duration{0}; }

    State state_;
    RawTime raw_deadline_{};
    Duration stop_before_{};
    bool stopped_ = false;  // the present server was told
};

}  // namespace castle::fence
