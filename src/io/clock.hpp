// The real clocks. Any thread.
#pragma once

#include "base/types.hpp"

namespace castle::io {

// Time since the machine started, suspended or not: the larger of what CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW say has
// passed since the first call, so that neither a slewed nor a stopped clock makes a lease look younger than it is.
// Comparable within this process only; hand other processes durations.
BootTime boot_now();

WallTime wall_now();

}  // namespace castle::io
