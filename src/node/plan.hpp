// What the local cluster of `pgcastle up` consists of: its directory, members, ports, passwords. A plain value, kept in
// DIR/castle.json (0600, it holds the passwords) so that a later `up`, `down` or `status` finds the same cluster.
//
//   DIR/castle.json        this plan              DIR/n1/patroni.yml   the member's configuration, made once, then
//   yours DIR/patronictl.yml     for the command line   DIR/n1/data          its PostgreSQL data directory DIR/pgpass
//   for clients            DIR/n1/log           what PostgreSQL says DIR/etcd               etcd's data DIR/log what
//   supervisor, etcd and agents say DIR/supervisor.sock    the supervisor         DIR/fence            the fences'
//   sockets
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle::node {

inline constexpr int nodes_max = 9;
inline constexpr int nodes_default = 3;
inline constexpr int port_base_default = 15500;

struct Passwords {
    std::string superuser, replication, rewind;  // of PostgreSQL
    std::string rest;                            // of the REST interface's unsafe methods
    std::string etcd;                            // of etcd's user root
    bool operator==(const Passwords&) const = default;
};

struct MemberPlan {
    std::string name;  // n1, n2, ...
    std::string dir;
    int postgres_port = 0;
    int rest_port = 0;

    std::string config_file() const { return dir + "/patroni.yml"; }
    std::string data_dir() const { return dir + "/data"; }
};

struct Plan {
    std::string dir;  // absolute
    std::string scope = "castle";
    int nodes = nodes_default;
    int port_base = port_base_default;
    std::string postgres_bin;  // directory of PostgreSQL's programs
    int postgres_major = 0;
    std::string etcd;  // the program
    Passwords passwords;

    MemberPlan member(int number) const;  // from 1
    std::vector<MemberPlan> members() const;
    int etcd_port() const { return port_base + 41; }
    int etcd_peer_port() const { return port_base + 42; }
    struct Port {
        int number;
        std::string use;  // "PostgreSQL of n1"
    };
    std::vector<Port> ports() const;

    std::string plan_file() const { return dir + "/castle.json"; }
    std::string lock_file() const { return dir + "/lock"; }
    std::string socket() const { return dir + "/supervisor.sock"; }
    std::string ctl_config() const { return dir + "/patronictl.yml"; }
    std::string pgpass() const { return dir + "/pgpass"; }
    std::string etcd_dir() const { return dir + "/etcd"; }
    std::string fence_dir() const { return dir + "/fence"; }
    std::string log_dir() const { return dir + "/log"; }
    std::string log_of(std::string_view part) const { return log_dir() + "/" + std::string(part) + ".log"; }

    // For any libpq client: finds the primary wherever it is.
    std::string connection_string() const;

    std::string to_json() const;
    // The directory is where the file was found: a cluster that was moved is still a cluster.
    static Result<Plan> from_json(std::string_view text, std::string dir);
};

// Whether the directory's name can be used by everything that has to: socket addresses are short, and PostgreSQL's list
// of socket directories has its own syntax.
Status check_directory_name(const std::string& dir);

// The highest port base that keeps all ports below 65536 and the lowest that needs no privilege.
Status check_port_base(int port_base);
Status check_nodes(int nodes);

// Where the cluster lies unless --dir says otherwise: /var/lib/pgcastle/local for root (the server runs as user
// postgres and must be able to enter it), else .pgcastle/local in the home directory.
std::string default_directory(bool root, std::string_view home, std::string_view name = "local");

}  // namespace castle::node
