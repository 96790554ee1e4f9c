#include "node/prepare.hpp"

#include <unistd.h>

#include "node/control.hpp"
#include "node/directory.hpp"
#include "node/preflight.hpp"
#include "node/processes.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

// Ports that the cluster's own processes hold, because their supervisor died and they did not.
bool held_by_us(const Plan& plan, const std::vector<Running>& all, int port) {
    if (port == plan.etcd_port() || port == plan.etcd_peer_port()) return find_etcd_process(all, plan).has_value();
    for (const MemberPlan& each : plan.members()) {
        if (port == each.rest_port) return find_agent_process(all, each).has_value();
        if (port == each.postgres_port) return find_postmaster(each).has_value();
    }
    return false;
}

Plan new_plan(const UpOptions& options) {
    Plan plan{.dir = options.dir};
    if (options.nodes) plan.nodes = options.nodes;
    if (options.port_base) plan.port_base = options.port_base;
    plan.passwords = make_passwords();
    return plan;
}

int members_without_data(const Plan& plan) {
    int count = 0;
    for (const MemberPlan& each : plan.members())
        if (::access((each.data_dir() + "/PG_VERSION").c_str(), F_OK) != 0) ++count;
    return count;
}

Task<Status> find_programs(io::Loop& loop, Plan& plan, UpOptions options, io::User owner) {
    const bool made_before = plan.postgres_major != 0;
    auto postgres = co_await find_postgres(loop, made_before ? plan.postgres_bin : options.postgres_bin, owner);
    if (!postgres) co_return std::move(postgres).error();
    if (made_before && postgres->major != plan.postgres_major)
        co_return Error{Errc::invalid, plan.postgres_bin + " is PostgreSQL " + std::to_string(postgres->major) +
                                           " now, but the data in " + plan.dir + " is of PostgreSQL " +
                                           std::to_string(plan.postgres_major) +
                                           "; install that again, or start anew with another --dir"};
    plan.postgres_bin = postgres->bin;
    plan.postgres_major = postgres->major;
    auto etcd = co_await find_etcd(loop, options.etcd.empty() ? plan.etcd : options.etcd, owner);
    if (!etcd) co_return std::move(etcd).error();
    plan.etcd = *std::move(etcd);
    co_return Done{};
}

Status check_place(const Plan& plan, const io::User& owner) {
    CASTLE_CHECK(check_way(plan.dir, owner));
    const auto all = running_processes();
    CASTLE_CHECK(check_ports(plan, [&](int port) { return held_by_us(plan, all, port); }));
    CASTLE_TRY(const std::uint64_t available, disk_available(plan.dir));
    return check_disk(plan.dir, available, disk_needed(members_without_data(plan)));
}

Status write_files(const Plan& plan, const io::User& owner) {
    Undo undo(plan.dir);
    CASTLE_CHECK(make_cluster_directory(plan, owner));
    CASTLE_TRY(const DirectoryLock lock, DirectoryLock::take(plan));
    CASTLE_CHECK(write_cluster(plan, owner));
    undo.keep();
    return Done{};
}

}  // namespace

Result<Plan> reconcile(Plan plan, const UpOptions& options) {
    const auto refuse = [&](const std::string& what) {
        return Error{Errc::conflict, "the cluster in " + plan.dir + " " + what};
    };
    if (options.port_base && options.port_base != plan.port_base)
        return refuse("has --port-base " + std::to_string(plan.port_base) +
                      ", which stands in its members' configuration; leave the option out, or choose another --dir");
    if (!options.postgres_bin.empty() && options.postgres_bin != plan.postgres_bin)
        return refuse("uses " + plan.postgres_bin + "; leave --postgres-bin out, or choose another --dir");
    if (options.nodes && options.nodes < plan.nodes)
        return refuse("has " + std::to_string(plan.nodes) +
                      " members, and `up` takes none away; leave --nodes out, or "
                      "choose another --dir");
    if (options.nodes) plan.nodes = options.nodes;
    return plan;
}

Task<Result<Prepared>> prepare(io::Loop& loop, UpOptions options) {
    if (options.nodes) CASTLE_CO_CHECK(check_nodes(options.nodes));
    if (options.port_base) CASTLE_CO_CHECK(check_port_base(options.port_base));
    CASTLE_CO_CHECK(check_directory_name(options.dir));
    CASTLE_CO_TRY(const DirectoryState state, examine_directory(options.dir));
    Prepared prepared{.plan = {}, .made = state == DirectoryState::absent};
    if (prepared.made) {
        prepared.plan = new_plan(options);
    } else {
        CASTLE_CO_TRY(const Plan there, load_plan(options.dir));
        CASTLE_CO_TRY(prepared.plan, reconcile(there, options));
        const auto answer = co_await ask_status(loop, there, loop.now() + 5s);
        if (answer && prepared.plan.nodes != there.nodes)
            co_return Error{Errc::conflict, "the cluster in " + there.dir + " is running with " +
                                                std::to_string(there.nodes) + " members; to add some: pgcastle down, " +
                                                "then pgcastle up --nodes " + std::to_string(prepared.plan.nodes)};
        prepared.running = static_cast<bool>(answer);
        if (prepared.running) co_return prepared;
    }
    CASTLE_CO_TRY(const io::User owner, choose_owner(options.dir));
    CASTLE_CO_CHECK(check_way(options.dir, owner));
    auto found = co_await find_programs(loop, prepared.plan, options, owner);
    if (!found) co_return std::move(found).error();
    CASTLE_CO_CHECK(check_place(prepared.plan, owner));
    CASTLE_CO_CHECK(write_files(prepared.plan, owner));
    co_return prepared;
}

}  // namespace castle::node
