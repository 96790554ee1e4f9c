// Where the fence of a member is found: a socket file in a runtime directory that only its user can enter.
//
// A file, not an abstract name: whoever may reach it is decided by the directory, no other user can take the name
// first, it shows in ls and ss, and an agent that comes back in another network namespace still finds its fence. Beside
// the socket lies a record (process id, name), whose lock says whether a fence lives.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace castle::fence {

// For root /run/pgcastle; for others /tmp/pgcastle-UID. (Not XDG_RUNTIME_DIR: it is emptied when the user logs out, and
// the server lives on.)
std::string default_runtime_directory(uid_t uid);

// The file name for the member, the same for agent and fence: the name itself as far as it is harmless in a file name,
// and a hash of it. Short enough for a socket address behind /proc/self/fd/N/.
std::string socket_name(std::string_view member);
std::string record_name(std::string_view member);

}  // namespace castle::fence
