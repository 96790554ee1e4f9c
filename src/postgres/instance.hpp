// The Server port for one real PostgreSQL: puts the parts of this folder together. Belongs to the loop's thread.
//
// At most one long call (bootstrap, clone, rewind, start, promote, stop) runs at a time; look(), configure(), follow()
// and the rest may run beside it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ports/server.hpp"
#include "postgres/config_writer.hpp"
#include "postgres/launcher.hpp"
#include "postgres/server_process.hpp"
#include "postgres/site.hpp"
#include "postgres/sql.hpp"

namespace castle::postgres {

class Instance final : public ports::Server {
public:
    // Finds the owner and the programs; fails with a message for the operator if there is no PostgreSQL, one that is
    // not supported, or one of another version than the data directory. The launcher must outlive the instance.
    static Task<Result<std::unique_ptr<Instance>>> open(io::Loop& loop, InstanceOptions options, Launcher& launcher,
                                                        ports::Journal& journal);
    ~Instance() override;

    const core::Instance& view() const override { return view_; }
    Task<> look(BootTime deadline) override;
    Signal& changed() override { return changed_; }

    Task<Status> bootstrap(CancelToken cancel) override;
    Task<Status> clone(core::Upstream source, CancelToken cancel) override;
    Task<Status> rewind(core::Upstream source, CancelToken cancel) override;
    Task<Status> start_primary(CancelToken cancel) override;
    Task<Status> start_standby(std::optional<core::Upstream> upstream, CancelToken cancel) override;
    Task<Status> follow(std::optional<core::Upstream> upstream) override;
    Task<Status> resume_replay() override;
    Task<Status> pre_promote(BootTime deadline, CancelToken cancel) override;
    Task<Status> promote(Timeline at_least, CancelToken cancel) override;
    Task<Status> stop(ports::StopMode mode, BootTime deadline) override;
    Task<Status> checkpoint(BootTime deadline) override;
    Task<Result<Lsn>> last_record(BootTime deadline) override;
    Task<Status> configure(std::string dynamic_json, bool force) override;
    Task<Status> change_slots(std::vector<core::SlotStep> steps) override;
    Task<Status> set_aside(std::string why) override;
    Task<Result<Divergence>> compare(core::Upstream source, BootTime deadline) override;
    void callback(std::string action, std::string role) override;

    // The local configuration was read again. What cannot change while we run (the data directory, the programs, the
    // names) stays as it was; configure() with force brings the rest to the server.
    void take_options(InstanceOptions options);

    // The dynamic configuration that the data directory remembers from an earlier run; empty if it has none.
    const std::string& remembered_dynamic() const { return remembered_dynamic_; }

    // How the local server is reached: postmaster.pid says where it listens, the options as whom.
    ConnParams local_params(const Credentials& credentials, const std::string& application) const;
    // For SQL of others (the REST interface's, backup's), as the superuser.
    Task<Result<ConnectionPtr>> connect_local(std::string application, BootTime deadline, CancelToken cancel = {});

    Version version() const { return site_.version; }
    const Owner& owner() const { return site_.owner(); }
    const Policy& policy() const { return policy_; }
    // The synchronous mode's hold on synchronous_standby_names; nothing gives it back to the user. Applied by the next
    // configure(), or at once if the server runs.
    Task<Status> set_synchronous_standby_names(std::optional<std::string> names);

private:
    Instance(Site site, Launcher& launcher);

    Task<Status> clear_interrupted_rewind();
    void sync_view();
    Task<Status> read_running(BootTime deadline);
    Task<> read_pending_restart(std::vector<std::string> waiting, BootTime deadline);
    Role role_for(bool primary, const std::optional<core::Upstream>& upstream) const;
    WantedConfig wanted() const;

    // instance_start.cpp
    Task<Status> start(WantedConfig wanted, CancelToken cancel);
    Task<Status> run_script(std::string name, std::string text, BootTime deadline, CancelToken cancel);
    Task<std::string> why_not_started(std::vector<std::string> argv, std::string otherwise);
    Task<Status> await_primary(BootTime deadline, CancelToken cancel);
    bool in_recovery() const;
    Task<Status> request_promotion(std::string trigger);
    // instance_bootstrap.cpp
    Task<Status> run_bootstrap(CancelToken cancel);
    Task<Status> run_initdb(CancelToken cancel);
    Task<Status> run_custom_bootstrap(CancelToken cancel);
    Task<Status> post_bootstrap(CancelToken cancel);
    Task<Status> run_post_script(CancelToken cancel);
    // instance_clone.cpp
    Task<Status> clear_for_copy(std::string why);
    Task<Status> run_replica_method(std::string name, core::Upstream source, CancelToken cancel);
    Task<Status> basebackup(core::Upstream source, CancelToken cancel);
    // instance_configure.cpp
    Task<Status> compare_settings(WrittenConfig written, bool force, BootTime deadline);
    Task<Status> adopt_role();
    Task<Status> apply_config(bool force);
    Task<> remember_dynamic();
    Task<> run_callback(std::string action, std::vector<std::string> argv, CancelToken cancel);
    Task<Result<std::string>> program_passfile(core::Upstream source, Credentials credentials);

    Site site_;
    ServerProcess process_;
    ConfigWriter writer_;
    Policy policy_;
    std::string dynamic_json_, remembered_dynamic_;
    std::optional<std::string> sync_names_;
    bool configured_ = false;
    bool bootstrapping_ = false;
    bool rewinding_ = false;
    Following following_;
    Role role_ = Role::replica;
    core::Instance view_;
    Signal changed_;
    Signal::Subscription on_process_;
    ConnectionPtr monitor_;
    std::string read_problem_;                // as it was told last
    std::vector<std::string> slot_problems_;  // the same
    bool asked_in_recovery_ = true;           // what the present server itself has answered last
    bool looking_ = false;
    Signal looked_;
    std::map<std::string, CancelSource> callbacks_running_;
    Scope scope_;
};

}  // namespace castle::postgres
