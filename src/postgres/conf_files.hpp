// The text of the files that we write for PostgreSQL, and the command line of its postmaster. Pure: what is written
// where, and when, is config_writer.hpp's business.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/instance.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/options.hpp"
#include "postgres/versions.hpp"
#include "wire/control_data.hpp"

namespace castle::postgres {

// Whom this server follows, if it is a standby.
struct Following {
    bool standby = false;
    std::optional<core::Upstream> upstream;
    bool own_slot = false;  // the upstream keeps a slot of our name: it is a member
    // For custom bootstrap: these instead of all others.
    std::optional<Parameters> custom_recovery;

    static Following of(std::optional<core::Upstream> upstream) {
        const bool member = upstream && !upstream->member.empty();
        return {.standby = true, .upstream = std::move(upstream), .own_slot = member, .custom_recovery = {}};
    }
};

// All that decides about the content of the files.
struct FileInputs {
    const InstanceOptions& options;
    const Policy& policy;
    Version version;
    Role role = Role::replica;
    Following following;
    std::string passfile;                      // for primary_conninfo
    std::optional<wire::ControlData> control;  // for the minimums of a standby
};

// The parameters of the server in this role, without those of recovery: controlled ones, role maps over the base,
// hba_file and ident_file, and what a standby must have at least.
struct ServerParameters {
    Parameters values;
    // Raised above what is configured, because the primary had more: name to {raised, configured}.
    std::map<std::string, core::PendingChange> raised;
};
ServerParameters server_parameters(const FileInputs& inputs);

// Recovery settings as they belong into postgresql.conf.
Parameters recovery_parameters(const FileInputs& inputs);

std::string postgresql_conf(const FileInputs& inputs, const ServerParameters& parameters);

// Nothing if the file is not ours to write.
std::optional<std::string> pg_hba_conf(const FileInputs& inputs);
std::optional<std::string> pg_ident_conf(const FileInputs& inputs);
// While a custom bootstrap runs: local access and access from our own address without password.
std::string bootstrap_hba(const InstanceOptions& options);

// postgresql.auto.conf without the settings of recovery; nothing if there is nothing to remove.
std::optional<std::string> without_recovery_settings(std::string_view auto_conf);

// "postgres -D ... --config-file=... --port=...", the program's path first.
std::vector<std::string> postmaster_arguments(const FileInputs& inputs, const ServerParameters& parameters,
                                              const std::string& program);

// The environment of the server: ours without what is meant for us.
std::vector<std::string> server_environment(const std::vector<std::string>& ours);
// That of PostgreSQL's programs: also without what libpq would take for defaults; they speak English.
std::vector<std::string> client_environment(const std::vector<std::string>& ours);

std::string quote_setting(std::string_view value);  // 'it''s'
const std::string& config_dir(const InstanceOptions& options);

}  // namespace castle::postgres
