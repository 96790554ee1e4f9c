// Brings the generated files onto the disk, at the right place, with the right owner and mode, and keeps copies of them
// in the data directory for the day when a clone or a rewind takes them away. Belongs to the loop's thread; the files
// are written on its worker.
#pragma once

#include <optional>
#include <string>

#include "postgres/conf_files.hpp"
#include "postgres/site.hpp"

namespace castle::postgres {

struct WantedConfig {
    Policy policy;
    Role role = Role::replica;
    Following following;
    std::optional<wire::ControlData> control;
    enum class Signals { keep, set };  // whether standby.signal and recovery.signal are set for the next start
    Signals signals = Signals::keep;
    bool bootstrapping = false;   // pg_hba.conf lets us in without password
    bool keep_auto_conf = false;  // the settings of recovery in postgresql.auto.conf stay
};

struct WrittenConfig {
    ServerParameters parameters;
    bool changed = false;  // of what the server reads
};

class ConfigWriter {
public:
    explicit ConfigWriter(const Site& site) : site_(site) {}

    Task<Result<WrittenConfig>> write(WantedConfig wanted);
    std::vector<std::string> arguments(const WantedConfig& wanted, const ServerParameters& parameters,
                                       const std::string& program) const;

    // The password file for one upstream; returns its path, or nothing if there is no password.
    Task<Result<std::string>> write_pgpass(Address to, Credentials credentials);
    std::string pgpass_path() const;

    Task<Status> back_up();
    Task<Status> restore_backups();  // only files that are missing

    // bootstrap.pg_hba, behind what initdb has written.
    Task<Status> append_hba(Lines lines);
    // The pg_hba.conf that bootstrap_hba() stood in for.
    Task<Status> stash_hba();
    Task<Status> unstash_hba();

private:
    Task<Parameters> checked(Parameters values);

    const Site& site_;
    Parameters last_checked_, last_answer_;
};

}  // namespace castle::postgres
