// Where coroutines run and timers fire. One executor, one thread. In life asio drives it (io/loop.hpp), in the
// simulator a queue ordered by (time, sequence).
#pragma once

#include <cstdint>
#include <functional>

#include "base/types.hpp"

namespace castle {

enum class TimerId : std::uint64_t {};

class Executor {
public:
    virtual ~Executor() = default;

    virtual BootTime now() const = 0;

    // Runs `work` soon, never inside this call, in the order of posting.
    virtual void post(std::function<void()> work) = 0;

    // Runs `work` at `when` or as soon after as the thread is free; at once (but not inside this call) if that has
    // passed.
    virtual TimerId at(BootTime when, std::function<void()> work) = 0;

    // Takes a timer back; no effect if it has fired.
    virtual void cancel(TimerId timer) = 0;
};

}  // namespace castle
