// CASTLE_ASSERT: what only our own mistake can bring about. Alive in releases too.
#pragma once

namespace castle {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define CASTLE_ASSERT(expression) ((expression) ? void() : ::castle::assertion_failed(#expression, __FILE__, __LINE__))
