// For tests: etcd servers on free ports of this machine, in a directory that goes away with them.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "dcs/etcd/options.hpp"

namespace castle::dcs::testing {

class RealEtcd {
public:
    struct Options {
        int members = 1;
        bool tls = false;                    // with a CA of its own; clients need a certificate
        std::vector<std::string> arguments;  // more for every member
    };
    explicit RealEtcd(Options options);
    RealEtcd() : RealEtcd(Options{}) {}
    RealEtcd(const RealEtcd&) = delete;
    RealEtcd& operator=(const RealEtcd&) = delete;
    ~RealEtcd();

    // Of a store that knows all members, asked in the order of their numbers.
    EtcdOptions options(const std::string& prefix = "/service/test/") const;
    io::Endpoint endpoint(int member) const;
    std::string file(const std::string& name) const { return (dir_ / name).string(); }

    int leader() const;  // which member etcd's leader is; -1 if there is none
    void freeze(int member);
    void thaw(int member);
    void kill(int member);  // the process is gone when this returns
    // Of a lonely one that is dead and has no data any more: puts a backup there, as the same cluster.
    void restore(int member, const std::string& backup);
    // It accepts connections when this returns.
    void start(int member, const std::string& argument = "");

private:
    struct Member {
        int client_port = 0;
        int peer_port = 0;
        pid_t pid = -1;
    };
    Options options_;
    std::filesystem::path dir_;
    std::vector<Member> members_;
};

// Runs a program to its end, its output into a file; fails the test unless it ends well.
void run_program(const std::vector<std::string>& arguments, const std::string& output = "/dev/null");
// A CA, a server's certificate for 127.0.0.1 and localhost, a client's, and a second CA that nobody trusts.
void make_certificates(const std::filesystem::path& dir);

}  // namespace castle::dcs::testing
