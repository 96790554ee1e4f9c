// How many descriptors this process may have open. Internal to io.
#pragma once

namespace castle::io {

// Raises the soft limit as far as is sensible, once; a thousand idle clients must not end what the agent can do.
void raise_descriptor_limit();

// For a child between fork and exec: what the limit was before, as programs expect it.
void restore_descriptor_limit();

}  // namespace castle::io
