#include "ctl/schedule.hpp"

#include <cstdio>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    bool done() const { return text_.empty(); }
    void blanks() { text_ = trim(text_); }
    bool take(char c) {
        if (text_.empty() || text_.front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    bool take_word(std::string_view word) {
        if (!equal_nocase(text_.substr(0, word.size()), word)) return false;
        text_.remove_prefix(word.size());
        return true;
    }
    std::size_t digits_ahead() const { return std::min(text_.find_first_not_of("0123456789"), text_.size()); }
    char after(std::size_t digits) const { return digits < text_.size() ? text_[digits] : '\0'; }
    // Exactly that many digits.
    bool number(std::size_t digits, int& value) {
        if (digits_ahead() < digits) return false;
        value = 0;
        for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (text_[i] - '0');
        text_.remove_prefix(digits);
        return true;
    }
    bool one_or_two(int& value) {
        const std::size_t digits = digits_ahead();
        return digits >= 1 && digits <= 2 && number(digits, value);
    }

private:
    std::string_view text_;
};

// 2026-01-31, 2026/1/31, 20260131
bool read_date(Reader& reader, LocalTime& time) {
    if (reader.digits_ahead() == 8)
        return reader.number(4, time.year) && reader.number(2, time.month) && reader.number(2, time.day);
    if (!reader.number(4, time.year)) return false;
    const char separator = reader.take('-') ? '-' : reader.take('/') ? '/' : '\0';
    return separator && reader.one_or_two(time.month) && reader.take(separator) && reader.one_or_two(time.day);
}

// 10:00, 9:05:30.5, 1000
bool read_time(Reader& reader, LocalTime& time) {
    if (reader.digits_ahead() == 4) return reader.number(2, time.hour) && reader.number(2, time.minute);
    if (!reader.one_or_two(time.hour) || !reader.take(':') || !reader.number(2, time.minute)) return false;
    if (!reader.take(':')) return true;
    if (!reader.number(2, time.second)) return false;
    if (!reader.take('.') && !reader.take(',')) return true;
    if (reader.digits_ahead() == 0) return false;
    for (int scale = 100'000; reader.digits_ahead() > 0; scale /= 10) {
        int digit = 0;
        reader.number(1, digit);
        time.microsecond += digit * scale;
    }
    return true;
}

bool read_zone(Reader& reader, std::chrono::minutes& zone) {
    if (reader.take_word("UTC") || reader.take_word("GMT") || reader.take_word("Z")) {
        zone = std::chrono::minutes(0);
        return true;
    }
    const bool minus = reader.take('-');
    if (!minus && !reader.take('+')) return false;
    int hours = 0, minutes = 0;
    if (!reader.number(2, hours)) return false;
    const bool colon = reader.take(':');
    if ((colon || !reader.done()) && !reader.number(2, minutes)) return false;
    if (hours > 15 || minutes > 59) return false;
    zone = std::chrono::minutes((hours * 60 + minutes) * (minus ? -1 : 1));
    return true;
}

bool is_valid(const LocalTime& time) {
    using namespace std::chrono;
    const year_month_day date{year{time.year}, month{static_cast<unsigned>(time.month)},
                              day{static_cast<unsigned>(time.day)}};
    return date.ok() && time.hour < 24 && time.minute < 60 && time.second < 60;
}

bool read_moment(Reader& reader, const Zone& local, Moment& moment) {
    const std::size_t digits = reader.digits_ahead();
    const bool dated = digits == 8 || (digits == 4 && (reader.after(4) == '-' || reader.after(4) == '/'));
    moment.time = {local.today.year, local.today.month, local.today.day};
    if (dated && !read_date(reader, moment.time)) return false;
    if (dated && (reader.take('T') || reader.take(' '))) reader.blanks();
    if ((!dated || reader.digits_ahead() > 0) && !read_time(reader, moment.time)) return false;
    reader.blanks();
    if (!is_valid(moment.time)) return false;
    if (reader.done())
        moment.zone = local.offset(moment.time);
    else if (!read_zone(reader, moment.zone))
        return false;
    return reader.done();
}

}  // namespace

WallTime Moment::wall() const {
    using namespace std::chrono;
    const year_month_day date{year{time.year}, month{static_cast<unsigned>(time.month)},
                              day{static_cast<unsigned>(time.day)}};
    return WallTime{sys_days{date}.time_since_epoch() + hours{time.hour} + minutes{time.minute} + seconds{time.second} +
                    microseconds{time.microsecond} - zone};
}

std::string Moment::text() const {
    char buffer[96];
    int size = std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02d %02d:%02d:%02d", time.year, time.month, time.day,
                             time.hour, time.minute, time.second);
    std::string out(buffer, static_cast<std::size_t>(size));
    if (time.microsecond) {
        size = std::snprintf(buffer, sizeof buffer, ".%06d", time.microsecond);
        out.append(buffer, static_cast<std::size_t>(size));
    }
    const int minutes = static_cast<int>(zone.count() < 0 ? -zone.count() : zone.count());
    size =
        std::snprintf(buffer, sizeof buffer, "%c%02d:%02d", zone.count() < 0 ? '-' : '+', minutes / 60, minutes % 60);
    return out.append(buffer, static_cast<std::size_t>(size));
}

std::string Moment::iso() const {
    std::string iso = text();
    iso[iso.find(' ')] = 'T';
    return iso;
}

Result<std::optional<Moment>> parse_scheduled(std::string_view text, const Zone& local) {
    const std::string_view body = trim(text);
    if (body.empty() || body == "now") return std::optional<Moment>{};
    Reader reader(body);
    Moment moment;
    if (!read_moment(reader, local, moment))
        return Error{Errc::invalid, "Unable to parse scheduled timestamp (" + std::string(text) +
                                        "). It should be in an unambiguous format (e.g. ISO 8601)"};
    return std::optional<Moment>(moment);
}

}  // namespace castle::ctl
