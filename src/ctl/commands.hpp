// The commands. Each returns the error that ends it; failures of single members are only printed.
#pragma once

#include "ctl/session.hpp"

namespace castle::ctl {

// look.cpp
Status list(Session& session);
Status topology(Session& session);
Status history(Session& session);
Status show_config(Session& session);
Status version(Session& session);
Status dsn(Session& session);
// query.cpp
Status query(Session& session);
// edit_config.cpp
Status edit_config(Session& session);
// switchover.cpp
Status switchover(Session& session);
Status failover(Session& session);
// member_actions.cpp
Status restart(Session& session);
Status reload(Session& session);
Status reinit(Session& session);
// cluster_actions.cpp
Status pause(Session& session);
Status resume(Session& session);
Status flush(Session& session);
Status remove(Session& session);

}  // namespace castle::ctl
