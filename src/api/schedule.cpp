#include "api/schedule.hpp"

#include <array>
#include <cctype>

#include "base/text.hpp"

namespace castle::api {
namespace {

using namespace std::chrono;

constexpr std::array months = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

// Takes a text apart from the left; every call either takes something or leaves all as it was.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}
    bool at_end() const { return rest_.empty(); }
    char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
    bool take(char c) {
        if (peek() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void blanks() {
        while (peek() == ' ' || peek() == ',') rest_.remove_prefix(1);
    }
    std::size_t digits_ahead() const {
        std::size_t n = 0;
        while (n < rest_.size() && std::isdigit(static_cast<unsigned char>(rest_[n]))) ++n;
        return n;
    }
    int number(std::size_t digits) {
        int value = 0;
        for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (rest_[i] - '0');
        rest_.remove_prefix(digits);
        return value;
    }
    std::string word() {
        std::size_t n = 0;
        while (n < rest_.size() && std::isalpha(static_cast<unsigned char>(rest_[n]))) ++n;
        const std::string taken = lower(rest_.substr(0, n));
        rest_.remove_prefix(n);
        return taken;
    }
    bool two_digits(int& out) {
        if (digits_ahead() < 2) return false;
        out = number(2);
        return true;
    }

private:
    std::string_view rest_;
};

// 2026-01-31, 2026/1/31, 20260131
bool read_date(Scanner& text, year_month_day& date) {
    int y = 0, m = 0, d = 0;
    if (text.digits_ahead() == 8) {
        y = text.number(4);
        m = text.number(2);
        d = text.number(2);
    } else {
        if (text.digits_ahead() != 4) return false;
        y = text.number(4);
        const char separator = text.peek();
        if ((separator != '-' && separator != '/' && separator != '.') || !text.take(separator)) return false;
        if (text.digits_ahead() == 0) {
            const std::string name = text.word().substr(0, 3);
            while (m < 12 && months[static_cast<std::size_t>(m)] != name) ++m;
            if (++m > 12) return false;
        } else {
            if (text.digits_ahead() > 2) return false;
            m = text.number(text.digits_ahead());
        }
        if (!text.take(separator) || text.digits_ahead() < 1 || text.digits_ahead() > 2) return false;
        d = text.number(text.digits_ahead());
    }
    date = year_month_day{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
    return date.ok();
}

bool read_fraction(Scanner& text, microseconds& time) {
    if (!text.take('.') && !text.take(',')) return true;
    if (text.digits_ahead() == 0) return false;
    for (int scale = 100'000; text.digits_ahead() > 0; scale /= 10) time += microseconds{text.number(1) * scale};
    return true;
}

// 10:00, 10:00:00.5, 100000
bool read_clock(Scanner& text, microseconds& time) {
    int h = 0, m = 0, s = 0;
    const std::size_t ahead = text.digits_ahead();
    if (ahead == 4 || ahead == 6) {
        h = text.number(2);
        m = text.number(2);
        if (ahead == 6) s = text.number(2);
    } else {
        if (ahead < 1 || ahead > 2) return false;
        h = text.number(ahead);
        if (!text.take(':') || !text.two_digits(m)) return false;
        if (text.take(':') && !text.two_digits(s)) return false;
    }
    if (h > 23 || m > 59 || s > 59) return false;
    time = hours{h} + minutes{m} + seconds{s};
    if (!read_fraction(text, time)) return false;
    text.blanks();
    const char half = static_cast<char>(std::tolower(static_cast<unsigned char>(text.peek())));
    if (half != 'a' && half != 'p') return true;
    const std::string word = text.word();
    if ((word != "am" && word != "pm") || h < 1 || h > 12) return false;
    time += hours{(h == 12 ? -12 : 0) + (word == "pm" ? 12 : 0)};
    return true;
}

enum class Zone { none, read, wrong };

// Z, UTC, GMT, +02, -0530, +02:00
Zone read_zone(Scanner& text, minutes& zone) {
    text.blanks();
    if (text.at_end()) return Zone::none;
    if (std::isalpha(static_cast<unsigned char>(text.peek()))) {
        const std::string name = text.word();
        if (name != "z" && name != "utc" && name != "gmt") return Zone::wrong;
        text.blanks();
        if (text.at_end()) return Zone::read;
    }
    const bool minus = text.peek() == '-';
    int h = 0, m = 0;
    if (!text.take('+') && !text.take('-')) return Zone::wrong;
    if (text.digits_ahead() == 1)
        h = text.number(1);
    else if (!text.two_digits(h))
        return Zone::wrong;
    text.take(':');
    if (!text.at_end() && !text.two_digits(m)) return Zone::wrong;
    if (h > 15 || m > 59 || !text.at_end()) return Zone::wrong;
    zone = minutes{(h * 60 + m) * (minus ? -1 : 1)};
    return Zone::read;
}

}  // namespace

Result<WallTime> read_time(std::string_view given, WallTime now) {
    const Error wrong{Errc::invalid, "\"" + std::string(given) + "\" is no point in time"};
    Scanner text(trim(given));
    year_month_day date{floor<days>(now)};
    microseconds time{0};
    const bool clock_only = text.digits_ahead() <= 2;
    if (!clock_only && !read_date(text, date)) return wrong;
    if (!clock_only && !text.take('T')) text.blanks();
    if (clock_only || text.digits_ahead() > 0) {
        if (!read_clock(text, time)) return wrong;
    }
    minutes zone{0};
    switch (read_zone(text, zone)) {
        case Zone::none: return Error{Errc::denied, "\"" + std::string(given) + "\" has no time zone"};
        case Zone::wrong: return wrong;
        case Zone::read: break;
    }
    const WallTime at{sys_days{date}.time_since_epoch() + time - zone};
    if (at < sys_days{0y / January / 1} || at >= sys_days{10'000y / January / 1}) return wrong;  // has no ISO 8601 text
    return at;
}

Schedule read_schedule(std::string_view text, WallTime now, std::string_view action) {
    auto at = read_time(text, now);
    if (!at && at.error().code == Errc::denied)
        return {.problem = {400, "Timezone information is mandatory for the scheduled " + std::string(action)}};
    if (!at)
        return {.problem = {
                    422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601"}};
    if (*at < now) return {.problem = {422, "Cannot schedule " + std::string(action) + " in the past"}};
    return {.at = *at};
}

}  // namespace castle::api
