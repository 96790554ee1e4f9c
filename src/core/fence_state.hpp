// What the fence of the local server last said.
#pragma once

#include "base/types.hpp"

namespace castle::core {

struct FenceState {
    bool attached = false;  // a fence runs for this data directory and talks to us
    bool armed = false;
    Revision epoch{};     // of the leader key it is, or was last, armed for; kept across restarts of the agent
    BootTime deadline{};  // until when the server may be primary; meaningful while armed
    bool server_running = false;
    int server_pid = 0;
    Duration watchdog{};  // timeout of the open hardware watchdog; 0: none is open
    bool fired = false;   // the deadline passed and the tree is confirmed dead; cleared by the next start
};

}  // namespace castle::core
