#include "core/settings.hpp"

#include <algorithm>
#include <string_view>

namespace castle::core {
namespace {

std::string seconds(Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

void raise_to(Duration& value, Duration floor, std::string_view name, std::vector<std::string>& warnings) {
    if (value >= floor) return;
    warnings.push_back(std::string(name) + " = " + seconds(value) + " is too small; using " + seconds(floor));
    value = floor;
}

}  // namespace

std::vector<std::string> repair(Settings& settings, TimeoutFloors floors) {
    constexpr Duration loop_wait_min = 1s;
    const bool fenced = floors == TimeoutFloors::fenced;
    std::vector<std::string> warnings;
    raise_to(settings.ttl, fenced ? 3s : 20s, "ttl", warnings);
    raise_to(settings.loop_wait, loop_wait_min, "loop_wait", warnings);
    raise_to(settings.retry_timeout, fenced ? 1s : 3s, "retry_timeout", warnings);

    const std::string rule = "loop_wait + 2 * retry_timeout must not exceed ttl = " + seconds(settings.ttl);
    const std::string was = seconds(settings.loop_wait);
    if (loop_wait_min + 2 * settings.retry_timeout > settings.ttl) {
        const Duration retry = std::chrono::floor<std::chrono::seconds>((settings.ttl - loop_wait_min) / 2);
        warnings.push_back(rule + "; using loop_wait = " + seconds(loop_wait_min) + " (was " + was +
                           ") and retry_timeout = " + seconds(retry) + " (was " + seconds(settings.retry_timeout) +
                           ")");
        settings.loop_wait = loop_wait_min;
        settings.retry_timeout = retry;
    } else if (settings.loop_wait + 2 * settings.retry_timeout > settings.ttl) {
        settings.loop_wait = settings.ttl - 2 * settings.retry_timeout;
        warnings.push_back(rule + "; using loop_wait = " + seconds(settings.loop_wait) + " (was " + was + ")");
    }
    return warnings;
}

Duration watchdog_timeout(Duration ttl, Duration safety_margin) {
    const Duration half = ttl / 2;
    // Devices count in seconds.
    return std::chrono::floor<std::chrono::seconds>(ttl - (safety_margin < 0s ? half : std::min(safety_margin, half)));
}

Duration lease_margin(Duration life, std::optional<Duration> watchdog) {
    constexpr Duration kill_time{300};
    Duration margin = std::max(Duration{300}, life / 10);
    if (watchdog)
        margin = std::max(margin, std::min(life - watchdog_timeout(life, *watchdog) + kill_time, life * 9 / 10));
    return margin;
}

}  // namespace castle::core
