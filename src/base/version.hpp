// The version of this program, and the one that it speaks to peers.
#pragma once

namespace castle {

inline constexpr const char* castle_version = "0.1.0";

// What peers compare numerically (store and REST contracts): the level of the protocol, not of our program.
inline constexpr const char* protocol_version = "4.1.4";

}  // namespace castle
