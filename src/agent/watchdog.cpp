#include "agent/watchdog.hpp"

#include "core/settings.hpp"

namespace castle::agent {
namespace {

constexpr Duration pause_after_failure{10'000};

std::string in_seconds(Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

std::string too_short(Duration timeout, Duration loop_wait) {
    if (timeout >= loop_wait && timeout > Duration{0}) return {};
    return "its timeout of " + in_seconds(timeout) + " would be shorter than loop_wait = " + in_seconds(loop_wait);
}

}  // namespace

void Watchdog::configure(config::Watchdog wanted) {
    if (wanted == wanted_) return;
    wanted_ = std::move(wanted);
    looked_ = false;
    problem_.clear();
    failed_until_ = {};
    asked_ = {};
}

std::optional<Duration> Watchdog::safety_margin() const {
    if (off() || !looked_ || !problem_.empty()) return std::nullopt;
    return wanted_.safety_margin;
}

Task<> Watchdog::look(Duration life, Duration loop_wait) {
    if (off()) {
        looked_ = true;
        co_return;
    }
    if (looked_ && executor_.now() < failed_until_) co_return;
    std::string problem = too_short(core::watchdog_timeout(life, wanted_.safety_margin), loop_wait);
    if (problem.empty() && fence_.state().watchdog == Duration{0}) {
        auto usable = co_await fence_.check_watchdog(wanted_.device);
        if (!usable) problem = usable.error().message;
    }
    looked_ = true;
    problem_.clear();
    if (!problem.empty()) (void)unusable(std::move(problem));
}

Task<Status> Watchdog::open(Duration life, Duration loop_wait) {
    if (off()) {
        if (fence_.state().watchdog != Duration{0}) co_await close();
        co_return Done{};
    }
    if (executor_.now() < failed_until_)
        co_return required() ? Status(Error{Errc::unavailable, problem_}) : Status(Done{});
    const Duration timeout = core::watchdog_timeout(life, wanted_.safety_margin);
    if (fence_.state().watchdog != Duration{0} && asked_ == timeout) co_return Done{};
    if (std::string problem = too_short(timeout, loop_wait); !problem.empty()) {
        if (fence_.state().watchdog != Duration{0}) co_await close();
        co_return unusable(std::move(problem));
    }
    auto took = co_await fence_.open_watchdog(wanted_.device, wanted_.driver, timeout);
    if (!took) {
        failed_until_ = executor_.now() + pause_after_failure;
        co_return unusable(took.error().message);
    }
    asked_ = timeout;
    problem_.clear();
    if (*took > timeout) {  // it would reset the machine only when another may already be primary
        std::string problem = wanted_.device + " takes no timeout below " + in_seconds(*took) + "; " +
                              in_seconds(timeout) + " would be safe";
        if (!required()) {
            if (std::exchange(told_, problem) != problem) journal_.write(ports::Level::warning, "watchdog: " + problem);
            co_return Done{};
        }
        failed_until_ = executor_.now() + pause_after_failure;
        co_await close();
        co_return unusable(std::move(problem));
    }
    told_.clear();
    journal_.write(ports::Level::info, "watchdog " + wanted_.device + " activated with " + in_seconds(*took) +
                                           " timeout, timing slack " + in_seconds(timeout - loop_wait));
    co_return Done{};
}

Task<> Watchdog::close() {
    if (fence_.state().watchdog == Duration{0}) co_return;
    auto closed = co_await fence_.close_watchdog();
    if (!closed) journal_.write(ports::Level::error, "close the watchdog: " + closed.error().message);
    asked_ = {};
}

Status Watchdog::unusable(std::string why) {
    problem_ = std::move(why);
    const std::string text = required()
                                 ? "Configuration requires watchdog, but watchdog could not be configured: " + problem_
                                 : "Could not activate watchdog: " + problem_;
    if (std::exchange(told_, problem_) != problem_)
        journal_.write(required() ? ports::Level::error : ports::Level::warning, text);
    if (required()) return Error{Errc::unavailable, text};
    return Done{};
}

}  // namespace castle::agent
