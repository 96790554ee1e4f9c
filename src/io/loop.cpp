#include "io/loop.hpp"

#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "io/asio.hpp"
#include "io/clock.hpp"
#include "io/descriptor_limit.hpp"
#include "io/worker.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;

// The kernel's timer counts CLOCK_BOOTTIME, boot_now() may run a little faster (500 ppm at most): look again this
// often.
constexpr Duration longest_nap = 5s;

using Place = std::pair<BootTime, std::uint64_t>;

int make_timer() {
    const int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    CASTLE_ASSERT(fd >= 0);
    return fd;
}

}  // namespace

// asio's own timers count CLOCK_MONOTONIC, which stands still while the machine sleeps; hence a queue of our own.
struct Loop::Impl {
    explicit Impl(Loop& loop) { background.emplace(loop); }

    asio::io_context context{1};
    asio::posix::stream_descriptor alarm{context, make_timer()};
    std::map<Place, std::function<void()>> timers;
    std::unordered_map<std::uint64_t, BootTime> times;
    std::uint64_t sequence = 0;
    BootTime armed = BootTime::max();
    bool listening = false;
    std::optional<Scope> background;
    Worker files;
    Worker names;

    void arm() {
        if (timers.empty()) return;
        const BootTime first = timers.begin()->first.first;
        if (first >= armed) return;  // an alarm that comes too early finds nothing to do and sets the next one
        const BootTime now = boot_now();
        const Duration nap = std::clamp(first - now, Duration{0}, longest_nap);
        armed = now + nap;
        // Zero would switch the timer off.
        const auto wait = std::max<std::chrono::nanoseconds>(nap, 1ns);
        itimerspec when{};
        when.it_value.tv_sec = std::chrono::floor<std::chrono::seconds>(wait).count();
        when.it_value.tv_nsec = (wait % 1s).count();
        timerfd_settime(alarm.native_handle(), 0, &when, nullptr);
        listen();
    }

    void listen() {
        if (std::exchange(listening, true)) return;
        alarm.async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
            listening = false;
            if (!error) fire();
        });
    }

    void fire() {
        std::uint64_t expirations = 0;
        [[maybe_unused]] const auto size = ::read(alarm.native_handle(), &expirations, sizeof expirations);
        armed = BootTime::max();
        const Place last{boot_now(), sequence};  // timers that are set meanwhile have their turn after other events
        while (!timers.empty() && timers.begin()->first <= last) {
            const auto first = timers.begin();
            const auto work = std::move(first->second);
            times.erase(first->first.second);
            timers.erase(first);
            work();
        }
        arm();
    }
};

Loop::Loop() : impl_(std::make_unique<Impl>(*this)) {
    ::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
}
Loop::~Loop() {
    impl_->background.reset();
}

BootTime Loop::now() const {
    return boot_now();
}

void Loop::post(std::function<void()> work) {
    asio::post(impl_->context, std::move(work));
}

TimerId Loop::at(BootTime when, std::function<void()> work) {
    // Nothing goes before what is due already.
    const Place place{std::max(when, boot_now()), ++impl_->sequence};
    impl_->timers.emplace(place, std::move(work));
    impl_->times.emplace(place.second, place.first);
    impl_->arm();
    return TimerId{place.second};
}

void Loop::cancel(TimerId timer) {
    const auto found = impl_->times.find(static_cast<std::uint64_t>(timer));
    if (found == impl_->times.end()) return;
    impl_->timers.erase(Place{found->second, found->first});
    impl_->times.erase(found);
}

void Loop::run() {
    const auto keep = asio::make_work_guard(impl_->context);
    impl_->context.restart();
    impl_->context.run();
}

void Loop::stop() {
    impl_->context.stop();
}

Scope& Loop::background() {
    return *impl_->background;
}

void Loop::run_on_worker(WorkerKind kind, std::function<void()> job) {
    (kind == WorkerKind::files ? impl_->files : impl_->names).run(std::move(job));
}

asio::io_context& context_of(Loop& loop) {
    return loop.impl().context;
}

}  // namespace castle::io
