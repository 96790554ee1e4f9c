#include "core/timestamp.hpp"

#include <cstdio>

#include "base/text.hpp"

namespace castle::core {
namespace {

// Takes exactly `count` digits off the front of `text`; -1 if they are not there.
int take_digits(std::string_view& text, std::size_t count) {
    if (text.size() < count || !is_digits(text.substr(0, count))) return -1;
    int value = 0;
    for (const char c : text.substr(0, count)) value = value * 10 + (c - '0');
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

Result<WallTime> parse_timestamp(std::string_view whole) {
    using namespace std::chrono;
    std::string_view text = trim(whole);
    const Error bad{Errc::invalid, "\"" + std::string(whole) + "\" is not a timestamp (ISO 8601)"};
    const int y = take_digits(text, 4);
    if (y < 0 || !take(text, '-')) return bad;
    const int m = take_digits(text, 2);
    if (m < 0 || !take(text, '-')) return bad;
    const int d = take_digits(text, 2);
    const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d < 0 ? 0 : d)}};
    if (!date.ok() || (!take(text, 'T') && !take(text, ' '))) return bad;
    const int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take(text, ':')) return bad;
    const int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59) return bad;
    int second = 0;
    microseconds fraction{0};
    if (take(text, ':')) {
        second = take_digits(text, 2);
        if (second < 0 || second > 60) return bad;
        if (take(text, '.')) {
            int scale = 100'000;
            if (text.empty() || !is_digits(text.substr(0, 1))) return bad;
            while (!text.empty() && is_digits(text.substr(0, 1))) {
                fraction += microseconds{(text.front() - '0') * scale};
                scale /= 10;
                text.remove_prefix(1);
            }
        }
    }
    text = trim(text);
    if (text.empty()) return Error{Errc::denied, "\"" + std::string(whole) + "\" has no time zone"};
    minutes zone{0};
    if (text != "Z" && text != "z" && text != "UTC") {
        const bool minus = text.front() == '-';
        if (!take(text, '+') && !take(text, '-')) return bad;
        const int zone_hours = take_digits(text, 2);
        take(text, ':');
        const int zone_minutes = text.empty() ? 0 : take_digits(text, 2);
        if (zone_hours < 0 || zone_hours > 15 || zone_minutes < 0 || zone_minutes > 59 || !text.empty()) return bad;
        zone = minutes{(zone_hours * 60 + zone_minutes) * (minus ? -1 : 1)};
    }
    return WallTime{sys_days{date}.time_since_epoch() + hours{hour} + minutes{minute} + seconds{second} + fraction -
                    zone};
}

std::string iso_utc(WallTime time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const hh_mm_ss clock{time - day};
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    std::string text = buffer;
    if (const auto fraction = clock.subseconds().count(); fraction != 0) {
        std::snprintf(buffer, sizeof buffer, ".%06d", static_cast<int>(fraction));
        text += buffer;
    }
    return text + "+00:00";
}

}  // namespace castle::core
