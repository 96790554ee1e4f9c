#include "node/arguments.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "io/users.hpp"

namespace castle::node {
namespace {

std::string usual_directory() {
    const char* home = ::getenv("HOME");
    std::string mine = home ? home : "";
    if (mine.empty()) {
        const auto user = io::current_user();
        mine = user ? user->home : "/tmp";
    }
    return default_directory(::geteuid() == 0, mine);
}

std::string absolute(const std::string& dir) {
    std::string path = std::filesystem::absolute(dir).lexically_normal().string();
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

void add_directory(CLI::App& app, std::string& dir) {
    app.add_option("--dir", dir,
                   "Directory of the cluster. Default: /var/lib/pgcastle/local for root (the servers then run as user "
                   "postgres, who must be able to enter it), ~/.pgcastle/local for others")
        ->type_name("D");
}

// The exit status if there is nothing more to do.
std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments, std::string& dir) {
    app.get_formatter()->column_width(28);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : 2;
    }
    dir = absolute(dir.empty() ? usual_directory() : dir);
    return std::nullopt;
}

}  // namespace

std::variant<UpOptions, int> read_up(std::vector<std::string> arguments) {
    UpOptions options;
    CLI::App app(
        "Brings up a whole cluster on this machine, in one directory: a real etcd, an agent and a PostgreSQL server "
        "for\n"
        "each member, and a supervisor in the background that restarts what dies. All of it listens on the loopback\n"
        "address only and asks for generated passwords. Called again it resumes the same data; with more --nodes than\n"
        "before it adds members.\n",
        "pgcastle up");
    add_directory(app, options.dir);
    app.add_option("--nodes", options.nodes, "Members, 1 to 9 (default 3)")->type_name("N");
    app.add_option("--postgres-bin", options.postgres_bin,
                   "Directory of PostgreSQL's programs (default: found in PATH and the usual places)")
        ->type_name("P");
    app.add_option("--etcd", options.etcd, "The program etcd (default: found in PATH)")->type_name("FILE");
    app.add_option("--port-base", options.port_base,
                   "PostgreSQL listens on N+1, N+2, ..., the REST interfaces on N+21, N+22, ..., etcd on N+41 and N+42 "
                   "(default 15500)")
        ->type_name("N");
    app.add_flag("--foreground", options.foreground,
                 "Stay here when the cluster is up, and stop it on Ctrl-C or SIGTERM");
    app.footer(
        "Exit status: 0 the cluster is up; 1 it is not, and nothing is left running (or a primary serves, but not all\n"
        "standbys stream from it; it says so); 2 wrong usage; 130 interrupted.");
    if (const auto done = parse(app, std::move(arguments), options.dir)) return *done;
    return options;
}

std::variant<PlaceOptions, int> read_down(std::vector<std::string> arguments) {
    PlaceOptions options;
    CLI::App app(
        "Stops the cluster of `pgcastle up` cleanly: standbys, primary, etcd, supervisor. The data stays; `pgcastle "
        "up`\n"
        "goes on with it.\n",
        "pgcastle down");
    add_directory(app, options.dir);
    app.footer("Exit status: 0 nothing runs any more; 1 something could not be stopped.");
    if (const auto done = parse(app, std::move(arguments), options.dir)) return *done;
    return options;
}

std::variant<PlaceOptions, int> read_status(std::vector<std::string> arguments) {
    PlaceOptions options;
    CLI::App app("Shows the cluster of `pgcastle up`: its processes, its members, how to connect.\n",
                 "pgcastle status");
    add_directory(app, options.dir);
    app.footer("Exit status: 0 one primary and all standbys stream from it; 1 not so; 3 it is not running.");
    if (const auto done = parse(app, std::move(arguments), options.dir)) return *done;
    return options;
}

std::variant<WatchWritesOptions, int> read_watch_writes(std::vector<std::string> arguments) {
    WatchWritesOptions options;
    // What follows -- is a command with options of its own.
    if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--"); dashes != arguments.end()) {
        options.command.assign(dashes + 1, arguments.end());
        arguments.erase(dashes, arguments.end());
    }
    CLI::App app(
        "Is a client: inserts a row every few milliseconds, reconnects when it has to, and tells what it sees: gaps,\n"
        "errors, which member answers, and at the end whether every acknowledged row is there.\n"
        "With a command after --, runs it under these writes and ends when its effect is over.\n",
        "pgcastle watch-writes");
    add_directory(app, options.dir);
    app.add_option("--connection", options.connection,
                   "A connection string (key=value ...), instead of the cluster in --dir")
        ->type_name("TEXT");
    app.add_option("--seconds", options.seconds, "End after that time (default: on Ctrl-C)")->type_name("S");
    app.footer(
        "The rows go to the table pgcastle_writes, which is made anew.\n"
        "Exit status: 0 no acknowledged row is missing; 1 one is, or the server was not to be reached; else the "
        "command's.");
    if (const auto done = parse(app, std::move(arguments), options.dir)) return *done;
    return options;
}

}  // namespace castle::node
