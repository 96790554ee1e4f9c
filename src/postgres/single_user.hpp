// Crash recovery without letting anybody in: `postgres --single`, ended at once. Brings a data directory that was not
// shut down cleanly to a state that pg_rewind can work with.
#pragma once

#include "postgres/config_writer.hpp"
#include "postgres/site.hpp"

namespace castle::postgres {

Task<Status> recover_in_single_user_mode(const Site& site, WantedConfig wanted, ConfigWriter& writer,
                                         CancelToken cancel);

}  // namespace castle::postgres
