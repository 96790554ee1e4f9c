// `pgcastle watch-writes`: a client that writes all the time and tells what it sees.
//
// One connection with a multi-host connection string, one row an insert, each its own transaction. An insert whose
// answer did not come is not repeated: whether it is there is counted separately at the end.
#include <signal.h>

#include <cstdio>

#include "base/text.hpp"
#include "io/process.hpp"
#include "io/signals.hpp"
#include "node/arguments.hpp"
#include "node/commands.hpp"
#include "node/directory.hpp"
#include "node/write_log.hpp"
#include "postgres/sql.hpp"

namespace castle::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration between_rows = 1ms;
constexpr Duration between_attempts = 5ms;
constexpr Duration answer_max = 2s;  // then the connection is given up
constexpr Duration start_max = 15s;  // to find a server at all
constexpr Duration before_command = 1s;
constexpr Duration after_command = 2s;  // of undisturbed writes
constexpr Duration command_max = 120s;
constexpr Duration effect_max = 90s;

void tell(const std::string& what) {
    std::printf("  %s\n", what.c_str());
    std::fflush(stdout);
}

// The first thing that went wrong, without the list of all hosts.
std::string brief(const Error& error) {
    std::string text = error.message.substr(0, error.message.find("; "));
    const auto place = text.find(": ");
    if (text.starts_with("PostgreSQL at ") && place != text.npos) text.erase(0, place + 2);
    return text;
}

class Writer {
public:
    Writer(io::Loop& loop, postgres::ConnParams params, std::optional<Plan> plan)
        : loop_(loop), params_(std::move(params)), plan_(std::move(plan)) {
        params_.try_emplace("application_name", "pgcastle watch-writes");
    }

    const WriteLog& log() const { return log_; }
    WriteLog& log() { return log_; }

    Task<Status> make_table();
    Task<> write(CancelToken cancel);
    // How many acknowledged rows are missing.
    Task<Result<std::int64_t>> count_missing();

private:
    Task<Status> connect(BootTime deadline);
    Task<Result<postgres::Rows>> insist(std::string sql, BootTime deadline);
    std::string name_of_port(std::int64_t port) const;
    void note(const std::optional<std::string>& sentence) const {
        if (sentence) tell(*sentence);
    }

    io::Loop& loop_;
    postgres::ConnParams params_;
    std::optional<Plan> plan_;
    postgres::ConnectionPtr connection_;
    std::string server_;
    WriteLog log_;
};

std::string Writer::name_of_port(std::int64_t port) const {
    if (plan_)
        for (const MemberPlan& each : plan_->members())
            if (each.postgres_port == port) return each.name;
    return "port " + std::to_string(port);
}

Task<Status> Writer::connect(BootTime deadline) {
    connection_.reset();
    auto connection = co_await postgres::Connection::connect(loop_, params_, deadline);
    if (!connection) co_return std::move(connection).error();
    auto port = co_await (*connection)->query("SELECT pg_catalog.inet_server_port()", deadline);
    if (!port) co_return std::move(port).error();
    server_ = name_of_port(port->integer(0, 0));
    connection_ = *std::move(connection);
    co_return Done{};
}

// Again on a new connection until the deadline, for statements that may be repeated.
Task<Result<postgres::Rows>> Writer::insist(std::string sql, BootTime deadline) {
    for (;;) {
        Status ready = Done{};
        if (!connection_) ready = co_await connect(std::min(deadline, loop_.now() + answer_max));
        if (ready) {
            auto rows = co_await connection_->query(sql, deadline);
            if (rows) co_return rows;
            ready = std::move(rows).error();
            connection_.reset();
        }
        if (loop_.now() + 200ms > deadline) co_return std::move(ready).error();
        co_await sleep_for(loop_, 200ms);
    }
}

Task<Status> Writer::make_table() {
    auto made = co_await insist(
        "DROP TABLE IF EXISTS public.pgcastle_writes;"
        "CREATE TABLE public.pgcastle_writes (id bigint PRIMARY KEY, at timestamptz DEFAULT "
        "pg_catalog.clock_timestamp())",
        loop_.now() + start_max);
    if (!made) co_return std::move(made).error();
    co_return Done{};
}

Task<> Writer::write(CancelToken cancel) {
    while (!cancel.cancelled()) {
        if (!connection_) {
            const auto connected = co_await connect(loop_.now() + answer_max);
            if (!connected) {
                note(log_.failed(loop_.now(), {}, brief(connected.error())));
                co_await sleep_for(loop_, between_attempts, cancel);
                continue;
            }
        }
        const std::int64_t row = log_.last_row() + 1;
        auto done = co_await connection_->query(
            "INSERT INTO public.pgcastle_writes (id) VALUES (" + std::to_string(row) + ")", loop_.now() + answer_max);
        if (done) {
            note(log_.acknowledged(loop_.now(), row, server_));
            co_await sleep_for(loop_, between_rows, cancel);
        } else {
            note(log_.failed(loop_.now(), row, brief(done.error())));
            connection_.reset();
        }
    }
}

Task<Result<std::int64_t>> Writer::count_missing() {
    std::vector<std::string> unknown;
    for (const std::int64_t row : log_.unknown()) unknown.push_back(std::to_string(row));
    const std::string sql = "SELECT pg_catalog.count(*) FROM public.pgcastle_writes WHERE NOT id = ANY ('{" +
                            join(unknown, ",") + "}'::bigint[])";
    auto found = co_await insist(sql, loop_.now() + start_max);
    if (!found) co_return std::move(found).error().in("count the rows");
    const std::int64_t missing = log_.rows() - found->integer(0, 0);
    const auto dropped = co_await insist("DROP TABLE public.pgcastle_writes", loop_.now() + start_max);
    if (!dropped) tell("the table pgcastle_writes stays: " + dropped.error().message);
    co_return missing;
}

// Its exit status; 1 if it could not be run or took too long.
Task<int> run_command(io::Loop& loop, std::vector<std::string> argv, CancelToken interrupted) {
    io::SpawnOptions options{.argv = std::move(argv)};
    const io::RunLimits limits{.deadline = loop.now() + command_max, .cancel = interrupted};
    auto finished = co_await io::run_program(loop, std::move(options), limits);
    if (!finished) {
        tell(finished.error().message);
        co_return 1;
    }
    if (!finished->status.success())
        tell(finished->status.text() + ": " + postgres::one_line(finished->err + "\n" + finished->out));
    co_return finished->status.signal ? 1 : finished->status.code;
}

Task<> until_steady(io::Loop& loop, Writer& writer, Duration time, CancelToken interrupted) {
    const BootTime deadline = loop.now() + effect_max;
    const BootTime earliest = loop.now() + time;
    while (!interrupted.cancelled() && loop.now() < deadline) {
        if (loop.now() >= earliest && writer.log().steady_for(time, loop.now())) co_return;
        co_await sleep_for(loop, 20ms, interrupted);
    }
}

Task<int> write_around(io::Loop& loop, Writer& writer, WatchWritesOptions options, CancelToken interrupted) {
    co_await until_steady(loop, writer, before_command, interrupted);
    writer.log().measure_from_here();
    const int status = co_await run_command(loop, options.command, interrupted);
    if (status == 0) co_await until_steady(loop, writer, after_command, interrupted);
    co_return status;
}

Result<postgres::ConnParams> where(const WatchWritesOptions& options, std::optional<Plan>& plan) {
    if (!options.connection.empty()) return postgres::parse_conninfo(options.connection);
    CASTLE_TRY(plan, load_plan(options.dir));
    return postgres::parse_conninfo(plan->connection_string());
}

int complain(const Error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "pgcastle watch-writes: %s\n", error.message.c_str());
    return 1;
}

Task<int> run(io::Loop& loop, WatchWritesOptions options, CancelToken interrupted) {
    std::optional<Plan> plan;
    const auto params = where(options, plan);
    if (!params) co_return complain(params.error());
    Writer writer(loop, *params, plan);
    const auto made = co_await writer.make_table();
    if (!made) co_return complain(made.error());

    int status = 0;
    CancelSource enough;
    Scope beside(loop);
    beside.spawn(writer.write(enough.token()));
    if (!options.command.empty())
        status = co_await write_around(loop, writer, options, interrupted);
    else if (options.seconds > 0)
        co_await sleep_for(loop, Duration(static_cast<std::int64_t>(options.seconds * 1000)), interrupted);
    else
        co_await sleep_until(loop, BootTime::max(), interrupted);
    enough.cancel();
    co_await beside.drained();

    tell(writer.log().summary());
    const auto missing = co_await writer.count_missing();
    if (!missing) co_return complain(missing.error());
    if (*missing == 0) tell("every acknowledged row is there");
    if (*missing > 0) co_return complain({Errc::failed, std::to_string(*missing) + " acknowledged rows are MISSING"});
    co_return status;
}

}  // namespace

int watch_writes(std::vector<std::string> arguments) {
    const auto read = read_watch_writes(std::move(arguments));
    if (const int* status = std::get_if<int>(&read)) return *status;
    io::Loop loop;
    CancelSource interrupted;
    const io::Signals signals(loop, {SIGINT, SIGTERM}, [&](int) { interrupted.cancel(); });
    return io::run_to_end(loop, run(loop, std::get<WatchWritesOptions>(read), interrupted.token()));
}

}  // namespace castle::node
