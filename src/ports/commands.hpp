// What the REST interface may ask of the agent. Implemented by the agent; called on its loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/peer.hpp"
#include "core/snapshot.hpp"
#include "core/view.hpp"
#include "task/wait.hpp"

namespace castle::ports {

struct RestartRequest {
    std::string role;              // empty: any
    std::string postgres_version;  // empty: any
    bool only_pending = false;
    std::optional<Duration> timeout;
};
enum class RestartOutcome { done, conditions_not_met, busy, still_starting, failed };

enum class ReinitOutcome { started, no_leader, is_leader, busy };

class Commands {
public:
    virtual ~Commands() = default;

    virtual std::shared_ptr<const core::AgentView> view() const = 0;
    // Notified when view() has been replaced.
    virtual Signal& view_changed() = 0;
    // Looks at the server again if the positions in view() of a standby are older than `age_max`, and returns when
    // view() tells the new ones, or soon if the server does not answer. Members elect by these answers. However many
    // ask, there is one look at a time.
    virtual Task<> refresh(Duration age_max) = 0;

    // The store, read afresh; and written, as core::KeyWrite says.
    virtual Task<Result<core::Cluster>> read_cluster(BootTime deadline) = 0;
    virtual Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime deadline) = 0;

    virtual Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) = 0;

    virtual void wake() = 0;    // run a cycle now
    virtual void reload() = 0;  // read the local configuration again

    // Restarts PostgreSQL and answers when it is up, or has failed to come up.
    virtual Task<RestartOutcome> restart(RestartRequest request) = 0;
    virtual bool schedule_restart(core::ScheduledRestart restart) = 0;  // false: one is scheduled already
    virtual bool unschedule_restart() = 0;                              // false: none was
    virtual ReinitOutcome reinitialize(bool force, bool from_leader) = 0;
};

}  // namespace castle::ports
