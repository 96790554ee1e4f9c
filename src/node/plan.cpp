#include "node/plan.hpp"

#include <boost/json.hpp>

#include "base/text.hpp"

namespace castle::node {
namespace {

namespace json = boost::json;

constexpr int format = 1;
constexpr std::size_t socket_path_max = 107;

// As libpq reads it: in quotes if need be.
std::string conninfo_value(const std::string& value) {
    if (!value.empty() && value.find_first_of(" '\\\t") == value.npos) return value;
    std::string quoted = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

Result<std::string> text_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value || !value->is_string()) return Error{Errc::invalid, "\"" + std::string(key) + "\" is missing"};
    return std::string(value->get_string());
}

Result<int> number_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value || !value->is_int64()) return Error{Errc::invalid, "\"" + std::string(key) + "\" is missing"};
    return static_cast<int>(value->get_int64());
}

Result<Passwords> read_passwords(const json::object& object) {
    const json::value* value = object.if_contains("passwords");
    if (!value || !value->is_object()) return Error{Errc::invalid, "\"passwords\" is missing"};
    const json::object& all = value->get_object();
    Passwords passwords;
    CASTLE_TRY(passwords.superuser, text_at(all, "superuser"));
    CASTLE_TRY(passwords.replication, text_at(all, "replication"));
    CASTLE_TRY(passwords.rewind, text_at(all, "rewind"));
    CASTLE_TRY(passwords.rest, text_at(all, "rest"));
    CASTLE_TRY(passwords.etcd, text_at(all, "etcd"));
    return passwords;
}

Result<Plan> read_plan(const json::object& object) {
    CASTLE_TRY(const int written, number_at(object, "format"));
    if (written != format)
        return Error{Errc::invalid, "written by another version of pgcastle (format " + std::to_string(written) + ")"};
    Plan plan;
    CASTLE_TRY(plan.scope, text_at(object, "scope"));
    CASTLE_TRY(plan.nodes, number_at(object, "nodes"));
    CASTLE_TRY(plan.port_base, number_at(object, "port_base"));
    CASTLE_TRY(plan.postgres_bin, text_at(object, "postgres_bin"));
    CASTLE_TRY(plan.postgres_major, number_at(object, "postgres_major"));
    CASTLE_TRY(plan.etcd, text_at(object, "etcd"));
    CASTLE_TRY(plan.passwords, read_passwords(object));
    CASTLE_CHECK(check_nodes(plan.nodes));
    CASTLE_CHECK(check_port_base(plan.port_base));
    return plan;
}

}  // namespace

MemberPlan Plan::member(int number) const {
    const std::string name = "n" + std::to_string(number);
    return {.name = name,
            .dir = dir + "/" + name,
            .postgres_port = port_base + number,
            .rest_port = port_base + 20 + number};
}

std::vector<MemberPlan> Plan::members() const {
    std::vector<MemberPlan> all;
    for (int number = 1; number <= nodes; ++number) all.push_back(member(number));
    return all;
}

std::vector<Plan::Port> Plan::ports() const {
    std::vector<Port> all;
    for (const MemberPlan& each : members()) {
        all.push_back({each.postgres_port, "PostgreSQL of " + each.name});
        all.push_back({each.rest_port, "the REST interface of " + each.name});
    }
    all.push_back({etcd_port(), "etcd"});
    all.push_back({etcd_peer_port(), "etcd's peers"});
    return all;
}

std::string Plan::connection_string() const {
    std::vector<std::string> hosts, ports;
    for (const MemberPlan& each : members()) {
        hosts.emplace_back("127.0.0.1");
        ports.push_back(std::to_string(each.postgres_port));
    }
    return "host=" + join(hosts, ",") + " port=" + join(ports, ",") +
           " user=postgres dbname=postgres passfile=" + conninfo_value(pgpass()) + " target_session_attrs=read-write";
}

std::string Plan::to_json() const {
    const json::object object{{"format", format},
                              {"scope", scope},
                              {"nodes", nodes},
                              {"port_base", port_base},
                              {"postgres_bin", postgres_bin},
                              {"postgres_major", postgres_major},
                              {"etcd", etcd},
                              {"passwords", json::object{{"superuser", passwords.superuser},
                                                         {"replication", passwords.replication},
                                                         {"rewind", passwords.rewind},
                                                         {"rest", passwords.rest},
                                                         {"etcd", passwords.etcd}}}};
    return json::serialize(object) + "\n";
}

Result<Plan> Plan::from_json(std::string_view text, std::string dir) {
    boost::system::error_code failed;
    const json::value value = json::parse(text, failed);
    if (failed || !value.is_object()) return Error{Errc::invalid, dir + "/castle.json: not readable as JSON"};
    auto plan = read_plan(value.get_object());
    if (!plan) return std::move(plan).error().in(dir + "/castle.json");
    plan->dir = std::move(dir);
    return plan;
}

Status check_directory_name(const std::string& dir) {
    const std::size_t longest = std::string_view("/n9/.s.PGSQL.65535").size();
    if (dir.size() + longest > socket_path_max)
        return Error{Errc::invalid, dir + ": this path is too long for socket addresses; choose one of at most " +
                                        std::to_string(socket_path_max - longest) + " characters with --dir"};
    for (const char c : dir) {
        if (static_cast<unsigned char>(c) < ' ' || std::string_view("'\",\\").find(c) != std::string_view::npos)
            return Error{Errc::invalid, dir +
                                            ": quotes, commas and backslashes cannot be used in the directory's "
                                            "name; choose another one with --dir"};
    }
    return Done{};
}

Status check_port_base(int port_base) {
    if (port_base < 1024 || port_base > 65'400)
        return Error{Errc::invalid, "--port-base " + std::to_string(port_base) + ": must be from 1024 to 65400"};
    return Done{};
}

Status check_nodes(int nodes) {
    if (nodes < 1 || nodes > nodes_max)
        return Error{Errc::invalid,
                     "--nodes " + std::to_string(nodes) + ": must be from 1 to " + std::to_string(nodes_max)};
    return Done{};
}

std::string default_directory(bool root, std::string_view home, std::string_view name) {
    const std::string above = root ? "/var/lib/pgcastle" : std::string(home) + "/.pgcastle";
    return above + "/" + std::string(name);
}

}  // namespace castle::node
