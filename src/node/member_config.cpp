#include "node/member_config.hpp"

#include "node/fill.hpp"

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

std::string loopback(int port) {
    return "127.0.0.1:" + std::to_string(port);
}

constexpr std::string_view member_template =
    R"(# Member <name> of the cluster "<scope>". Written once by `pgcastle up`; from now on it is yours to change.
# Take up a change with: pgcastle reload <scope> <name>

scope: <scope>
name: <name>

# The store that all members share; the lock that says who is primary lives there.
etcd3:
  host: <etcd>
  username: root
  password: <etcd password>

# Health checks and metrics are open to this machine; what changes something needs the password.
restapi:
  listen: <rest>
  connect_address: <rest>
  authentication:
    username: castle
    password: <rest password>

# Used once, when the cluster is made. What stands under dcs goes to the store and is changed there from then on
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

postgresql:
  listen: <postgres>
  connect_address: <postgres>
  data_dir: <data>
  bin_dir: <bin>
  pgpass: <pgpass>
  # The agent itself comes by the unix socket.
  use_unix_socket: true
  authentication:
    superuser:
      username: postgres
      password: <superuser password>
    replication:
      username: replicator
      password: <replication password>
    rewind:
      username: rewinder
      password: <rewind password>
  # Who may connect: this machine only, and only with a password.
  pg_hba:
  - local all all scram-sha-256
  - local replication all scram-sha-256
  - host all all 127.0.0.1/32 scram-sha-256
  - host replication replicator 127.0.0.1/32 scram-sha-256
  parameters:
    unix_socket_directories: <socket>
    unix_socket_permissions: '0700'
    # A file for each day of the week.
    logging_collector: 'on'
    log_directory: <log>
    log_filename: postgresql-%a.log
    log_truncate_on_rotation: 'on'

# Only pgcastle reads this section. The fence ends the server when the lock is lost, whatever state the agent is in;
# several clusters on one machine need a directory each for its sockets.
castle:
  fence_dir: <fence>

# A hardware watchdog is of no use to several members on one machine.
watchdog:
  mode: 'off'
)";

constexpr std::string_view ctl_template =
    R"(# For the command line: export PATRONICTL_CONFIG_FILE=<file>
scope: <scope>

etcd3:
  host: <etcd>
  username: root
  password: <etcd password>

ctl:
  authentication:
    username: castle
    password: <rest password>
)";

}  // namespace

std::string member_config(const Plan& plan, const MemberPlan& member) {
    return fill(member_template, {{"scope", plan.scope},
                                  {"name", member.name},
                                  {"etcd", loopback(plan.etcd_port())},
                                  {"etcd password", quoted(plan.passwords.etcd)},
                                  {"rest", loopback(member.rest_port)},
                                  {"rest password", quoted(plan.passwords.rest)},
                                  {"postgres", loopback(member.postgres_port)},
                                  {"data", quoted(member.data_dir())},
                                  {"bin", quoted(plan.postgres_bin)},
                                  {"pgpass", quoted(member.dir + "/pgpass")},
                                  {"superuser password", quoted(plan.passwords.superuser)},
                                  {"replication password", quoted(plan.passwords.replication)},
                                  {"rewind password", quoted(plan.passwords.rewind)},
                                  {"socket", quoted(member.dir)},
                                  {"log", quoted(member.dir + "/log")},
                                  {"fence", quoted(plan.fence_dir())}});
}

std::string ctl_config(const Plan& plan) {
    return fill(ctl_template, {{"file", plan.ctl_config()},
                               {"scope", plan.scope},
                               {"etcd", loopback(plan.etcd_port())},
                               {"etcd password", quoted(plan.passwords.etcd)},
                               {"rest password", quoted(plan.passwords.rest)}});
}

std::string pgpass_text(const Plan& plan) {
    std::string text;
    for (const MemberPlan& each : plan.members())
        text += loopback(each.postgres_port) + ":*:postgres:" + plan.passwords.superuser + "\n";
    return text;
}

}  // namespace castle::node
