// What keeps the fence running when the machine is in trouble: locked memory, real-time priority, and no attention from
// the out-of-memory killer. Each where it is permitted; the server it starts gets none of it.
#pragma once

#include <cstdint>

namespace castle::fence {

// Returns what was achieved (Guards). Call once, after the last fork.
std::uint32_t harden();

// For a child: the out-of-memory score that the fence itself was started with. Safe between fork and exec.
void restore_oom_score();

}  // namespace castle::fence
