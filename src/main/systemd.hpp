// Tells systemd how the agent is (sd_notify(3)). Without NOTIFY_SOCKET in the environment nothing happens.
#pragma once

#include <string>

namespace castle::systemd {

// Takes NOTIFY_SOCKET out of the environment, so that no child speaks in our name. Call once, early.
void take_socket();
std::string socket();  // for a re-executed agent, which needs it back in its environment

void ready();
void reloading();
void stopping();

}  // namespace castle::systemd
