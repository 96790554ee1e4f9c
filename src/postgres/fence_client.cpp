#include "postgres/fence_client.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/text.hpp"
#include "fence/place.hpp"
#include "io/file_watch.hpp"
#include "io/files.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
using fence::Answer;
using fence::Field;
using fence::Kind;
using fence::Phase;
using ports::Level;

constexpr Duration answer_limit = 2s;  // it answers within a millisecond unless the machine is in trouble
constexpr Duration kill_limit = 60s;   // for the tree to be empty: processes that wait for a disk end when it answers

// The clock of the protocol.
BootTime fence_now() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return BootTime{
        std::chrono::duration_cast<Duration>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec})};
}

Status status_of(const FenceAnswer& answer) {
    switch (answer.answer) {
        case Answer::ok: return Done{};
        case Answer::not_armed:
        case Answer::stale_epoch:
        case Answer::server_running:
        case Answer::locked: return Error{Errc::conflict, answer.why};
        case Answer::too_late: return Error{Errc::timed_out, answer.why};
        case Answer::no_server: return Error{Errc::not_found, answer.why};
        case Answer::firing:
        case Answer::busy:
        case Answer::ending: return Error{Errc::unavailable, answer.why};
        case Answer::denied: return Error{Errc::denied, answer.why};
        case Answer::too_far:
        case Answer::malformed: return Error{Errc::invalid, answer.why};
        default: return Error{Errc::failed, answer.why};
    }
}

// The number in postmaster.pid; 0: none. A single-user server writes its own with a minus: it serves nobody. Blocks.
pid_t postmaster_of(const std::string& data_dir) {
    const auto text = io::read_file(data_dir + "/postmaster.pid", 4096);
    if (!text) return 0;
    const auto pid = parse_int(trim(std::string_view(*text).substr(0, text->find('\n'))));
    return pid && *pid > 0 && *pid <= 4'194'304 ? static_cast<pid_t>(*pid) : 0;
}

}  // namespace

FenceClient::FenceClient(io::Loop& loop, ports::Journal& journal, FenceOptions options)
    : loop_(loop), journal_(journal), options_(std::move(options)), scope_(loop) {
    if (options_.runtime_dir.empty()) options_.runtime_dir = fence::default_runtime_directory(::geteuid());
}

FenceClient::~FenceClient() = default;

ports::FenceState FenceClient::state() const {
    ports::FenceState state;
    const fence::State& told = report_.numbers.state;
    state.attached = attached();
    state.epoch = told.epoch;
    state.armed = state.attached && told.phase == Phase::armed;
    state.deadline = loop_.now() + (told.deadline - fence_now());
    state.server_running = told.server != 0;
    state.server_pid = told.server;
    if (state.attached) state.watchdog = std::chrono::seconds{report_.numbers.watchdog_seconds};
    state.fired = told.killed;
    return state;
}

void FenceClient::take(Kind kind, const FenceReport& report) {
    if (kind == Kind::replaced) {
        replaced_ = true;
        journal_.write(Level::critical, "another agent has taken over the fence of " + options_.member);
        changed_.notify();
        return;
    }
    const fence::State& now = report.numbers.state;
    if (now.server != 0 && now.server != report_.numbers.state.server) {
        remains_ = fence::Remains::of(now.server, report.data_dir, report.cgroup);
    }
    if (now.server == 0) remains_ = {};
    fence::State before = report_.numbers.state;
    if (kind == Kind::answer) before.deadline = now.deadline;  // whoever moved it knows
    const bool differs = !(now == before) || report.numbers.busy != report_.numbers.busy ||
                         report.numbers.starts != report_.numbers.starts;
    report_ = report;
    if (kind == Kind::fired) {
        const auto milliseconds = [](std::uint32_t us) { return std::to_string((us + 500) / 1000) + " ms"; };
        journal_.write(Level::warning, "the fence has killed the server: signals out " +
                                           milliseconds(report.numbers.late_us) +
                                           " after the deadline (or the order), nothing left of it " +
                                           milliseconds(report.numbers.teardown_us) + " later");
    }
    if (differs || kind != Kind::answer) changed_.notify();
}

template <class Fill>
Task<Status> FenceClient::ask(Kind kind, Fill fill, BootTime deadline, std::array<int, 2> descriptors) {
    while (!attached()) {
        if (replaced_) co_return Error{Errc::denied, "another agent has taken over the fence"};
        const auto seen = changed_.count();
        const bool happened = co_await wait_past(loop_, changed_, seen, deadline);
        if (!happened) co_return Error{Errc::unavailable, trouble_.empty() ? "there is no fence" : trouble_};
    }
    std::string packet(kind == Kind::start ? fence::packet_size_max : 8 * 1024, '\0');
    fence::Writer writer{packet, kind, 0};
    fill(writer);
    const std::size_t size = writer.packet().size();
    if (size == 0) co_return Error{Errc::invalid, "too much for one packet to the fence"};
    packet.resize(size);
    const std::shared_ptr<FenceLink> link = link_;
    CASTLE_CO_TRY(const FenceAnswer answer, co_await link->ask(std::move(packet), deadline, descriptors));
    co_return status_of(answer);
}

Task<Status> FenceClient::move_deadline(Kind kind, Revision epoch, BootTime until, Duration stop_before) {
    const BootTime theirs = fence_now() + (until - loop_.now());
    auto fill = [epoch, theirs, stop_before](fence::Writer& writer) {
        writer.number(Field::epoch, number(epoch)).time(Field::deadline, theirs);
        writer.number(Field::stop_before, stop_before.count());
    };
    co_return co_await ask(kind, fill, std::min(until, loop_.now() + answer_limit));
}

// A deadline that does not hold the server that runs would be a lie that others rely on.
Task<Status> FenceClient::arm(Revision epoch, BootTime until, Duration stop_before) {
    if (report_.numbers.state.server == 0) CASTLE_CO_CHECK(co_await adopt_present());
    co_return co_await move_deadline(Kind::arm, epoch, until, stop_before);
}

Task<Status> FenceClient::extend(Revision epoch, BootTime until, Duration stop_before) {
    return move_deadline(Kind::extend, epoch, until, stop_before);
}

Task<Status> FenceClient::disarm() {
    return ask(
        Kind::disarm, [](fence::Writer&) {}, loop_.now() + answer_limit);
}

Task<Status> FenceClient::fire() {
    const BootTime deadline = loop_.now() + kill_limit;
    Status found = Done{};
    if (report_.numbers.state.server == 0) found = co_await adopt_present();
    CASTLE_CO_CHECK(co_await ask(
        Kind::kill, [](fence::Writer&) {}, loop_.now() + answer_limit));
    while (attached() && report_.numbers.state.phase == Phase::fired) {
        const auto seen = changed_.count();
        const bool happened = co_await wait_past(loop_, changed_, seen, deadline);
        if (!happened) co_return Error{Errc::timed_out, "processes of the server do not end", Effect::unknown};
    }
    if (!attached()) co_return Error{Errc::unavailable, "the fence was lost while it killed", Effect::unknown};
    co_return found;  // an error: there may be a server that is not the fence's
}

Task<Result<pid_t>> FenceClient::start_server(FencedServer server, BootTime deadline) {
    struct Starting {
        int& count;
        ~Starting() { --count; }
    };
    const Starting starting{++starting_};
    co_await await_reaped(std::min(deadline, loop_.now() + 5s));
    for (;;) {
        auto fill = [this, &server](fence::Writer& writer) {
            writer.text(Field::data_dir, options_.data_dir);
            for (const std::string& argument : server.argv) writer.text(Field::argument, argument);
            for (const std::string& variable : server.environment) writer.text(Field::environment, variable);
            if (::geteuid() != 0) return;
            writer.number(Field::gid, server.gid);
            for (const gid_t group : server.groups) writer.number(Field::group, group);
        };
        const std::array<int, 2> output =
            server.output >= 0 ? std::array{server.output, server.output} : std::array{1, 2};
        const auto seen = changed_.count();  // before asking: the news may come together with the answer
        auto started = co_await ask(Kind::start, fill, deadline, output);
        if (started) co_return report_.numbers.state.server;
        const bool passing = started.error().code == Errc::unavailable;
        if (!passing || loop_.now() >= deadline) co_return std::move(started).error().in("start the server");
        co_await wait_past(loop_, changed_, seen, std::min(deadline, loop_.now() + 100ms));
    }
}

Task<Status> FenceClient::signal_server(int number) {
    return ask(
        Kind::signal_server, [number](fence::Writer& writer) { writer.number(Field::signal, number); },
        loop_.now() + answer_limit);
}

Task<Status> FenceClient::adopt_server(pid_t postmaster) {
    return ask(
        Kind::adopt,
        [this, postmaster](fence::Writer& writer) {
            writer.number(Field::pid, postmaster).text(Field::data_dir, options_.data_dir);
        },
        loop_.now() + answer_limit);
}

Task<Status> FenceClient::guard_address(fence::Address address) {
    return ask(
        Kind::add_address, [address](fence::Writer& writer) { writer.address(address); }, loop_.now() + answer_limit);
}

Task<Status> FenceClient::release_address(fence::Address address) {
    return ask(
        Kind::remove_address, [address](fence::Writer& writer) { writer.address(address); },
        loop_.now() + answer_limit);
}

// The fence is the same user as we.
Task<Status> FenceClient::check_watchdog(std::string device) {
    auto job = [device = std::move(device)]() -> Status {
        if (::access(device.c_str(), W_OK) == 0) return Done{};
        return Error{Errc::unavailable, "cannot open " + device + ": " + std::strerror(errno)};
    };
    co_return co_await loop_.on_worker(std::move(job), loop_.now() + answer_limit);
}

Task<Result<Duration>> FenceClient::open_watchdog(std::string device, std::string driver, Duration timeout) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout).count();
    auto fill = [&device, &driver, seconds](fence::Writer& writer) {
        writer.text(Field::device, device).text(Field::driver, driver).number(Field::timeout, seconds);
    };
    auto opened = co_await ask(Kind::watchdog_open, fill, loop_.now() + answer_limit);
    if (!opened) co_return std::move(opened).error().in(device);
    co_return Duration{std::chrono::seconds{report_.numbers.watchdog_seconds}};
}

Task<Status> FenceClient::close_watchdog() {
    return ask(
        Kind::watchdog_close, [](fence::Writer&) {}, loop_.now() + answer_limit);
}

Task<Status> FenceClient::end() {
    return ask(
        Kind::end, [](fence::Writer&) {}, loop_.now() + answer_limit);
}

// PostgreSQL takes a former postmaster whom nobody has reaped yet for a living one, and refuses to start. Our own fence
// reaps its child at once; after a fence has died, and for an adopted server, that is up to the system's first process.
Task<> FenceClient::await_reaped(BootTime deadline) {
    for (;;) {
        auto job = [data_dir = options_.data_dir]() -> Result<bool> {
            const pid_t former = postmaster_of(data_dir);
            return former > 0 && ::kill(former, 0) == 0 && !fence::process_file_id(former, "exe").known();
        };
        const auto is_zombie = co_await loop_.on_worker(std::move(job), deadline);
        if (!is_zombie || !*is_zombie || loop_.now() >= deadline) co_return;
        co_await sleep_for(loop_, 20ms);
    }
}

// Whatever runs in the data directory and is not guarded. Done if there is none; otherwise what the fence says.
Task<Status> FenceClient::adopt_present() {
    auto job = [data_dir = options_.data_dir]() -> Result<pid_t> {
        const pid_t found = postmaster_of(data_dir);
        // A dead one's number may be a stranger's by now.
        return fence::process_file_id(found, "cwd") == fence::file_id(data_dir.c_str()) ? found : pid_t{0};
    };
    CASTLE_CO_TRY(const pid_t found, co_await loop_.on_worker(std::move(job), loop_.now() + 1s));
    if (found == 0 || report_.numbers.state.server != 0 || starting_ != 0) co_return Done{};
    auto adopted = co_await adopt_server(found);
    if (guards(found) && !adopted) co_return Done{};  // somebody here was faster
    if (!adopted) co_return std::move(adopted).error().in("fence the server that somebody else started");
    journal_.write(Level::info, "fenced a server that somebody else started (process " + std::to_string(found) + ")");
    co_return Done{};
}

Task<> FenceClient::keep_adopted() {
    std::string complaint;
    std::unique_ptr<io::FileWatch> watch;
    Signal::Subscription on_file, on_change;
    Signal any;
    on_change = changed_.subscribe([&any] { any.notify(); });
    while (!replaced_) {
        if (!watch || watch->lost()) {
            on_file = {};
            watch.reset();
            if (auto started = io::FileWatch::start(loop_, options_.data_dir, "postmaster.pid")) {
                watch = std::move(*started);
                on_file = watch->changed().subscribe([&any] { any.notify(); });
            }
        }
        const auto seen = any.count();
        if (attached() && report_.numbers.state.server == 0 && !report_.numbers.busy && starting_ == 0) {
            auto adopted = co_await adopt_present();
            std::string said = adopted ? "" : adopted.error().message;
            if (!said.empty() && said != complaint) journal_.write(Level::warning, said);
            complaint = std::move(said);
        }
        // Without a data directory there is nothing to watch yet.
        const BootTime again =
            watch && complaint.empty() ? BootTime::max() : loop_.now() + (complaint.empty() ? 100ms : 1s);
        co_await wait_past(loop_, any, seen, again);
    }
}

}  // namespace castle::postgres
