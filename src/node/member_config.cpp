#include "node/member_config.hpp"

namespace castle::node {
namespace {

// A YAML scalar in single quotes, in which only the quote itself is special.
std::string quoted(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        result += c;
        if (c == '\'') result += c;
    }
    return result + "'";
}

std::string number(int value) {
    return std::to_string(value);
}

std::string store_section(const Plan& plan) {
    return "# The store that all members share; the lock that says who is primary lives there.\n"
           "etcd3:\n"
           "  host: 127.0.0.1:" +
           number(plan.etcd_port()) +
           "\n"
           "  username: root\n"
           "  password: " +
           quoted(plan.passwords.etcd) + "\n";
}

std::string rest_section(const Plan& plan, const MemberPlan& member) {
    const std::string at = "127.0.0.1:" + number(member.rest_port);
    return "# Health checks and metrics are open to this machine; what changes something needs the password.\n"
           "restapi:\n"
           "  listen: " +
           at +
           "\n"
           "  connect_address: " +
           at +
           "\n"
           "  authentication:\n"
           "    username: castle\n"
           "    password: " +
           quoted(plan.passwords.rest) + "\n";
}

constexpr std::string_view bootstrap_section =
    R"(# Used once, when the cluster is made. What stands under dcs goes to the store and is changed there from then on
# (pgcastle edit-config); changing it here has no effect any more.
bootstrap:
  dcs:
    # A lost node is replaced after at most ttl seconds. Below 20 this holds while every member is pgcastle with its
    # fence; as soon as another kind of member joins, 20 is used.
    ttl: 8
    loop_wait: 2
    retry_timeout: 3
    # A standby that is further behind (bytes) does not take over.
    maximum_lag_on_failover: 1048576
    postgresql:
      # An old primary comes back by pg_rewind instead of a whole new copy.
      use_pg_rewind: true
      use_slots: true
      parameters:
        wal_level: replica
        hot_standby: 'on'
        max_connections: 100
        max_wal_senders: 10
        max_replication_slots: 10
        wal_log_hints: 'on'
        # Small, because all members share one machine.
        shared_buffers: 64MB
        max_wal_size: 512MB
        password_encryption: scram-sha-256
  initdb:
  - encoding: UTF8
  - locale: C
  - data-checksums
  - auth-local: scram-sha-256
  - auth-host: scram-sha-256
)";

std::string user(std::string_view role, std::string_view name, const std::string& password) {
    return "    " + std::string(role) + ":\n      username: " + std::string(name) +
           "\n      password: " + quoted(password) + "\n";
}

std::string postgresql_section(const Plan& plan, const MemberPlan& member) {
    const std::string at = "127.0.0.1:" + number(member.postgres_port);
    return "postgresql:\n"
           "  listen: " +
           at +
           "\n"
           "  connect_address: " +
           at +
           "\n"
           "  data_dir: " +
           quoted(member.data_dir()) +
           "\n"
           "  bin_dir: " +
           quoted(plan.postgres_bin) +
           "\n"
           "  pgpass: " +
           quoted(member.dir + "/pgpass") +
           "\n"
           "  # The agent itself comes by the unix socket, so that full connection slots or a slow network do not "
           "bother it.\n"
           "  use_unix_socket: true\n"
           "  authentication:\n" +
           user("superuser", "postgres", plan.passwords.superuser) +
           user("replication", "replicator", plan.passwords.replication) +
           user("rewind", "rewinder", plan.passwords.rewind) +
           "  # Who may connect: this machine only, and only with a password.\n"
           "  pg_hba:\n"
           "  - local all all scram-sha-256\n"
           "  - local replication all scram-sha-256\n"
           "  - host all all 127.0.0.1/32 scram-sha-256\n"
           "  - host replication replicator 127.0.0.1/32 scram-sha-256\n"
           "  parameters:\n"
           "    unix_socket_directories: " +
           quoted(member.dir) +
           "\n"
           "    unix_socket_permissions: '0700'\n"
           "    # A file for each day of the week, in this directory.\n"
           "    logging_collector: 'on'\n"
           "    log_directory: " +
           quoted(member.dir + "/log") +
           "\n"
           "    log_filename: postgresql-%a.log\n"
           "    log_truncate_on_rotation: 'on'\n";
}

}  // namespace

std::string member_config(const Plan& plan, const MemberPlan& member) {
    return "# Member " + member.name + " of the cluster \"" + plan.scope +
           "\". Written once by `pgcastle up`; from now on it is yours to change.\n"
           "# Take up a change with: pgcastle reload " +
           plan.scope + " " + member.name +
           "\n\n"
           "scope: " +
           plan.scope +
           "\n"
           "name: " +
           member.name + "\n\n" + store_section(plan) + "\n" + rest_section(plan, member) + "\n" +
           std::string(bootstrap_section) + "\n" + postgresql_section(plan, member) +
           "\n"
           "# Only pgcastle reads this section. The fence ends the server when the lock is lost, whatever state the\n"
           "# agent is in; several clusters on one machine need a directory each for its sockets.\n"
           "castle:\n"
           "  fence_dir: " +
           quoted(plan.fence_dir()) +
           "\n\n"
           "# A hardware watchdog is of no use to several members on one machine.\n"
           "watchdog:\n"
           "  mode: 'off'\n";
}

std::string ctl_config(const Plan& plan) {
    return "# For the command line: export PATRONICTL_CONFIG_FILE=" + plan.ctl_config() +
           "\n"
           "scope: " +
           plan.scope + "\n\n" + store_section(plan) +
           "\n"
           "ctl:\n"
           "  authentication:\n"
           "    username: castle\n"
           "    password: " +
           quoted(plan.passwords.rest) + "\n";
}

std::string pgpass_text(const Plan& plan) {
    std::string text;
    for (const MemberPlan& each : plan.members())
        text += "127.0.0.1:" + number(each.postgres_port) + ":*:postgres:" + plan.passwords.superuser + "\n";
    return text;
}

}  // namespace castle::node
