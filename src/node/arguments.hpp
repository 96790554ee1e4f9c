// The command lines of `pgcastle up`, `down`, `status` and `watch-writes`: arguments in, options or the exit status
// out.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "node/plan.hpp"

namespace castle::node {

struct UpOptions {
    std::string dir;
    int nodes = 0;      // 0: not given
    int port_base = 0;  // 0: not given
    std::string postgres_bin;
    std::string etcd;
    bool foreground = false;
};

struct PlaceOptions {  // of down and status
    std::string dir;
};

struct WatchWritesOptions {
    std::string dir;
    std::string connection;  // a connection string instead of the cluster in `dir`
    double seconds = 0;      // 0: until interrupted, or until `command` has had its effect
    std::vector<std::string> command;
};

// Either what to do, or the exit status after help or a complaint has been printed. Directories are absolute.
std::variant<UpOptions, int> read_up(std::vector<std::string> arguments);
std::variant<PlaceOptions, int> read_down(std::vector<std::string> arguments);
std::variant<PlaceOptions, int> read_status(std::vector<std::string> arguments);
std::variant<WatchWritesOptions, int> read_watch_writes(std::vector<std::string> arguments);

}  // namespace castle::node
