#include "node/show.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/text.hpp"
#include "ctl/member_table.hpp"
#include "dcs/etcd/etcd_store.hpp"
#include "node/arguments.hpp"
#include "node/etcd_users.hpp"
#include "node/fill.hpp"
#include "node/processes.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr Duration read_time = 5s;

constexpr std::string_view try_template = R"(Try:

  <program> watch-writes<here>
      writes like a client and shows every gap it sees; leave it running in another terminal, and
  kill -9 $(head -1 <dir>/<primary>/data/postmaster.pid)
      crashes the primary
  export PATRONICTL_CONFIG_FILE=<config>
  <program> switchover --force
      moves it to another member; with the same setting: list, topology, edit-config, history, ...

See:   <program> status<here>
Stop:  <program> down<here>      (`up` goes on with the same data)
)";

std::string process_line(const PartReport& part) {
    const std::string name = "  " + part.name + std::string(6 - std::min<std::size_t>(5, part.name.size()), ' ');
    std::string line = name + std::string(name_of(part.state));
    if (part.pid) line += ", process " + std::to_string(part.pid);
    if (part.restarts)
        line += ", started again " + std::to_string(part.restarts) + (part.restarts == 1 ? " time" : " times") +
                " (last end: " + part.last_end + ")";
    return line + "\n";
}

bool shows_all_streaming(const core::Cluster& cluster, const Plan& plan) {
    for (const MemberPlan& each : plan.members()) {
        if (cluster.leader && cluster.leader->name == each.name) continue;
        const core::Member* member = cluster.member(each.name);
        const boost::json::value* replication = member ? member->record.if_contains("replication_state") : nullptr;
        if (!replication || *replication != "streaming") return false;
    }
    return cluster.locked();
}

}  // namespace

Task<Result<std::string>> member_table(io::Loop& loop, Plan plan, BootTime until) {
    dcs::EtcdStore store(loop, etcd_options(plan));
    for (;;) {
        auto snapshot = co_await store.read(loop.now() + read_time);
        if (!snapshot) co_return std::move(snapshot).error();
        const core::Cluster cluster = core::read_cluster(**snapshot);
        if (shows_all_streaming(cluster, plan) || loop.now() >= until) {
            ctl::MemberTableOptions options;
            options.cluster_name = plan.scope;
            co_return ctl::member_table({ctl::view_of(cluster)}, options);
        }
        co_await sleep_for(loop, 50ms);
    }
}

std::string processes_text(const Plan& plan, const Report& report) {
    std::string text = "The cluster \"" + plan.scope + "\" in " + plan.dir + ", supervisor: process " +
                       std::to_string(report.supervisor) + "\n";
    for (const PartReport& each : report.parts) text += process_line(each);
    return text;
}

std::string connection_text(const Plan& plan) {
    std::string text = "Connect; this always finds the primary:\n\n  psql '" + plan.connection_string() + "'\n\n";
    text += "REST interfaces:";
    for (const MemberPlan& each : plan.members()) text += " http://127.0.0.1:" + std::to_string(each.rest_port);
    return text + "\n";
}

std::string try_text(const Plan& plan, const std::vector<MemberReport>& members) {
    std::string primary = plan.member(1).name;
    for (std::size_t i = 0; i < members.size(); ++i)
        if (members[i].primary()) primary = plan.member(static_cast<int>(i) + 1).name;
    return fill(try_template, {{"program", program_for_people()},
                               {"here", directory_option(plan)},
                               {"dir", plan.dir},
                               {"primary", primary},
                               {"config", plan.ctl_config()}});
}

std::string directory_option(const Plan& plan) {
    const auto usual = read_status({});
    const auto* options = std::get_if<PlaceOptions>(&usual);
    return options && options->dir == plan.dir ? "" : " --dir " + plan.dir;
}

std::string program_for_people() {
    const fs::path program = own_program();
    std::error_code failed;
    const char* path = ::getenv("PATH");
    for (const std::string& each : split(path ? path : "", ':'))
        if (fs::equivalent(fs::path(each) / "pgcastle", program, failed)) return "pgcastle";
    const fs::path near = program.lexically_relative(fs::current_path(failed));
    if (near.empty() || near.string().starts_with("..")) return program.string();
    return near.has_parent_path() ? near.string() : "./" + near.string();
}

}  // namespace castle::node
