// One line to the system's log. The agent may be frozen or dead when the fence has something to say, and no pipe or
// file may hold the fence up: a datagram that does not get through at once is dropped.
#pragma once

namespace castle::fence {

void open_notes();  // once, at the start
[[gnu::format(printf, 1, 2)]] void note(const char* format, ...);

}  // namespace castle::fence
