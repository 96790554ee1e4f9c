// query: SQL on one member, chosen by role or by name; once, or again and again over the same connection.
#include <boost/json/array.hpp>

#include "base/text.hpp"
#include "ctl/commands.hpp"
#include "ctl/options.hpp"

namespace castle::ctl {
namespace {

struct Target {
    std::string member;  // by name, or
    std::string role;    // by role
    std::string text() const { return !member.empty() ? "to member " + member : "to role '" + role + "'"; }
};

class Query {
public:
    Query(Session& session, Target target, std::string sql, PrintOptions print_options)
        : session_(session),
          target_(std::move(target)),
          sql_(std::move(sql)),
          print_options_(std::move(print_options)) {}

    Status run(const SqlLogin& login, std::optional<Duration> interval) {
        CASTLE_TRY(const ClusterView view, read_view(session_));
        for (;;) {
            if (!connection_) connection_ = connect(view, login);
            CASTLE_CHECK(once());
            if (!interval) return Done{};
            session_.remote.sleep(*interval);
        }
    }

private:
    // The first member of the role that can be reached and is what its role says.
    std::unique_ptr<SqlSession> connect(const ClusterView& view, SqlLogin login) {
        for (const core::Member* const member :
             members_with_role(view.cluster, target_.member.empty() ? target_.role : "any")) {
            if (!target_.member.empty() && member->name != target_.member) continue;
            const HostPort address = host_port_of(member->conn_url);
            login.host = address.host;
            login.port = std::to_string(address.port.value_or(5432));
            auto connection = session_.remote.connect_sql(login);
            if (!connection)
                session_.terminal.err(timestamp_seconds(session_.remote) + " - WARNING - " + member->name + ": " +
                                      connection.error().message + "\n");
            else if (is_what_it_should_be(**connection))
                return std::move(*connection);
        }
        return nullptr;
    }

    bool is_what_it_should_be(SqlSession& connection) const {
        const std::string& role = target_.role;
        if (!target_.member.empty() || role == "any" || role == "leader") return true;
        const auto answer = connection.execute("SELECT pg_catalog.pg_is_in_recovery()");
        if (!answer || answer->rows.size() != 1 || answer->rows[0].size() != 1 || !answer->rows[0][0].is_bool())
            return false;
        const bool in_recovery = answer->rows[0][0].get_bool();
        return in_recovery != (role == "primary" || role == "master");
    }

    Status once() {
        if (!connection_) return fail("No connection " + target_.text() + " is available");
        Result<SqlRows> answer = connection_->execute(sql_);
        if (!answer) {
            connection_.reset();
            return fail("ERROR, SQLSTATE: " + answer.error().message);
        }
        Grid grid{.columns = std::move(answer->columns)};
        for (const auto& row : answer->rows) {
            auto& cells = grid.rows.emplace_back();
            // Null is written as it always was, but stays null where there is such a thing.
            const bool has_null = print_options_.format == Format::json || print_options_.format == Format::yaml;
            for (const auto& cell : row)
                cells.push_back(cell.is_null() && !has_null ? boost::json::value("None") : cell);
        }
        if (!grid.columns.empty()) session_.terminal.out(print(grid, print_options_));
        return Done{};
    }

    // A row without a heading. JSON and YAML have no place for it, so there it goes to standard error as well.
    Status fail(const std::string& message) {
        const std::string time = timestamp_seconds(session_.remote);
        Grid grid{.rows = {{boost::json::value(time), boost::json::value(message)}}};
        if (print_options_.format == Format::json || print_options_.format == Format::yaml) {
            session_.terminal.err(time + " " + message + "\n");
            session_.terminal.out(print(grid, print_options_));
        } else if (print_options_.format == Format::tsv) {
            session_.terminal.line(time + print_options_.delimiter + message);
        } else {
            session_.terminal.out(draw({"", {"Field 1", "Field 2"}, {}, {{time, message}}}));
        }
        return Done{};
    }

    Session& session_;
    Target target_;
    std::string sql_;
    PrintOptions print_options_;
    std::unique_ptr<SqlSession> connection_;
};

Result<std::string> sql_of(Session& session) {
    const auto file = session.args.maybe("file");
    const auto command = session.args.maybe("command");
    if (file && command) return refused("--file and --command are mutually exclusive options");
    if (command) return *command;
    if (!file) return refused("You need to specify either --command or --file");
    return read_source(session, *file);
}

}  // namespace

Status query(Session& session) {
    const auto member = session.args.maybe("member");
    const auto role = session.args.maybe("role");
    if (member && role) return refused("--role and --member are mutually exclusive options");
    CASTLE_TRY(std::string sql, sql_of(session));
    CASTLE_TRY(const Format format, format_of(session.args, "tsv"));
    SqlLogin login{.user = session.args.text("username"), .dbname = session.args.text("dbname")};
    if (session.args.has("password")) {
        CASTLE_TRY(login.password, session.terminal.ask_secret("Password: "));
    }
    const Target target{member.value_or(""), role.value_or("leader")};
    Query query(session, target, std::move(sql), {.format = format, .delimiter = session.args.text("delimiter", "\t")});
    return query.run(login, watch_interval(session.args));
}

}  // namespace castle::ctl
