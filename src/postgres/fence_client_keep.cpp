// How the FenceClient keeps a fence: finds it, starts it, and cleans up after one that died.
#include <unistd.h>

#include <algorithm>

#include "io/process.hpp"
#include "postgres/fence_client.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;
using ports::Level;

std::string beside_our_program(std::string_view name) {
    std::string path(4096, '\0');
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return path.substr(0, path.rfind('/') + 1) + std::string(name);
}

std::string list_of_guards(std::uint32_t guards) {
    std::string text;
    const auto name = [&](std::uint32_t bit, std::string_view words) {
        if ((guards & bit) == 0) return;
        if (!text.empty()) text += ", ";
        text += words;
    };
    name(fence::guard_memory_locked, "memory locked");
    name(fence::guard_realtime, "real-time priority");
    name(fence::guard_oom_score, "spared when memory runs out");
    return text.empty() ? "without special privileges" : text;
}

}  // namespace

Task<Status> FenceClient::open(BootTime deadline) {
    scope_.spawn(keep_connected());
    scope_.spawn(keep_adopted());
    while (!attached()) {
        const auto seen = changed_.count();
        const bool happened = co_await wait_past(loop_, changed_, seen, deadline);
        if (!happened || (!attached() && !trouble_.empty())) {
            co_return Error{Errc::unavailable, trouble_.empty() ? "the fence does not start in time" : trouble_};
        }
    }
    // A copied configuration, with another name in it: that server is another living agent's, and must not be touched.
    const Status present = co_await adopt_present();
    if (!present && present.error().code == Errc::conflict) {
        CASTLE_CO_CHECK(co_await end());
        co_return Error{Errc::conflict, options_.data_dir +
                                            " belongs to another agent: the fence of another member guards the server "
                                            "there; stop that agent, or give this one a data directory of its own"};
    }
    co_return Done{};
}

Task<> FenceClient::keep_connected() {
    Duration pause = 100ms;
    while (!replaced_) {
        auto connected = co_await connect(loop_.now() + 10s);
        if (!connected) {
            if (connected.error().message != trouble_) {
                trouble_ = connected.error().message;
                journal_.write(Level::error, "there is no fence: " + trouble_);
            }
            changed_.notify();
            co_await sleep_for(loop_, pause);
            pause = std::min(pause * 2, Duration{5s});
            continue;
        }
        pause = 100ms;
        trouble_.clear();
        journal_.write(Level::info, "fence: process " + std::to_string(link_->fence()) + ", " +
                                        list_of_guards(report_.numbers.guards));
        changed_.notify();
        const std::shared_ptr<FenceLink> link = link_;
        while (!link->closed()) {
            const auto seen = link->ended().count();
            co_await wait_past(loop_, link->ended(), seen, BootTime::max());
        }
        greeted_ = false;
        changed_.notify();
        if (!replaced_) co_await after_loss();
    }
}

Task<Status> FenceClient::connect(BootTime deadline) {
    greeted_ = false;
    link_.reset();
    auto link = FenceLink::connect(loop_, options_.runtime_dir, options_.member);
    if (!link && link.error().code == Errc::not_found) {
        CASTLE_CO_CHECK(co_await start_program(deadline));
        link = FenceLink::connect(loop_, options_.runtime_dir, options_.member);
    }
    if (!link) co_return std::move(link).error();
    link_ = *std::move(link);
    const std::shared_ptr<FenceLink> mine = link_;
    mine->start_reading([this](fence::Kind kind, const FenceReport& report) { take(kind, report); });
    std::string packet(fence::header_size + 64, '\0');
    fence::Writer writer{packet, fence::Kind::hello, 0};
    writer.number(fence::Field::version, fence::protocol_version);
    packet.resize(writer.packet().size());
    CASTLE_CO_TRY(const FenceAnswer hello, co_await mine->ask(std::move(packet), deadline));
    if (hello.answer != fence::Answer::ok) co_return Error{Errc::failed, "the fence refuses us: " + hello.why};
    greeted_ = true;
    co_return Done{};
}

Task<Status> FenceClient::start_program(BootTime deadline) {
    io::SpawnOptions spawn;
    spawn.argv = {options_.program.empty() ? beside_our_program("pgcastle-fence") : options_.program, "--name",
                  options_.member, "--runtime-dir", options_.runtime_dir};
    if (!options_.use_cgroup) spawn.argv.push_back("--no-cgroup");
    spawn.die_with_parent = false;
    io::RunLimits limits;
    limits.deadline = deadline;
    auto finished = co_await io::run_program(loop_, std::move(spawn), std::move(limits));
    if (!finished) co_return std::move(finished).error().in("start the fence");
    if (!finished->status.success()) {
        std::string why = finished->err.empty() ? finished->status.text() : finished->err;
        while (!why.empty() && why.back() == '\n') why.pop_back();
        co_return Error{Errc::failed, std::move(why)};
    }
    co_return Done{};
}

// The connection is gone. If the fence lives, it was only the connection. If it died, the server must not go on alone.
Task<> FenceClient::after_loss() {
    const std::shared_ptr<FenceLink> link = link_;
    auto ended = co_await io::wait_readable(loop_, link->pidfd(), loop_.now() + 200ms);
    if (!ended) co_return;
    if (report_.numbers.state.server != 0) {
        journal_.write(Level::error, "the fence has died: ending the server it guarded");
        co_await end_remains();
        journal_.write(Level::warning, "nothing is left of the server");
    }
    // Nobody holds a deadline now; the epoch stays known.
    fence::State& state = report_.numbers.state;
    state.phase = fence::Phase::gone;
    state.server = 0;
    report_.numbers.busy = false;
    changed_.notify();
}

// On this thread: a worker may be held up by the very disk that is in trouble, and a round takes milliseconds.
Task<> FenceClient::end_remains() {
    const fence::Remains remains = remains_;
    fence::ProcessTree tree;
    Duration pause = 1ms;
    while (fence::kill_round(tree, remains) != 0) {
        co_await sleep_for(loop_, pause);
        pause = std::min(pause * 2, Duration{50ms});
    }
}

}  // namespace castle::postgres
