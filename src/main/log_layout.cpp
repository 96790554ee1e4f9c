#include "main/log_layout.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <ctime>

#include "base/text.hpp"

namespace castle {
namespace {

// Python's default: strftime of local time, a comma and milliseconds; with a date format of one's own no milliseconds.
std::string asctime(const config::Log& settings, WallTime time) {
    const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    std::tm local{};
    localtime_r(&seconds, &local);
    char buffer[128];
    const std::size_t length = std::strftime(
        buffer, sizeof buffer, settings.dateformat.empty() ? "%Y-%m-%d %H:%M:%S" : settings.dateformat.c_str(), &local);
    std::string text(buffer, length);
    if (settings.dateformat.empty()) {
        const auto millis =
            std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
        std::snprintf(buffer, sizeof buffer, ",%03d", static_cast<int>(millis));
        text += buffer;
    }
    return text;
}

std::string field(const config::Log& settings, const LogRecord& record, std::string_view name) {
    if (name == "asctime") return asctime(settings, record.time);
    if (name == "levelname") return std::string(python_name(record.level));
    if (name == "message") return std::string(record.message);
    if (name == "name" || name == "module" || name == "filename" || name == "funcName" || name == "pathname")
        return "pgcastle";
    if (name == "process") return std::to_string(record.process);
    if (name == "processName" || name == "threadName") return "MainThread";
    if (name == "lineno" || name == "thread" || name == "levelno" || name == "relativeCreated") return "0";
    const auto micros = record.time.time_since_epoch().count();
    if (name == "created") {
        char buffer[40];
        std::snprintf(buffer, sizeof buffer, "%.6f", static_cast<double>(micros) / 1e6);
        return buffer;
    }
    if (name == "msecs") return std::to_string(micros / 1000 % 1000);
    return "%(" + std::string(name) + ")s";
}

// A message of several lines or with broken UTF-8 must not break the log's readers.
std::string one_line(std::string_view text) {
    std::string line;
    line.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const std::size_t length = byte < 0x80                   ? 1
                                   : byte >= 0xc2 && byte < 0xe0 ? 2
                                   : byte >= 0xe0 && byte < 0xf0 ? 3
                                   : byte >= 0xf0 && byte < 0xf5 ? 4
                                                                 : 0;
        bool whole = length > 0 && i + length <= text.size();
        for (std::size_t k = 1; whole && k < length; ++k)
            whole = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
        if (!whole) {
            line += '?';
            ++i;
            continue;
        }
        if (length == 1 && (byte < 0x20 || byte == 0x7f))
            line += byte == '\t' ? "\t" : byte == '\n' ? " | " : " ";
        else
            line.append(text.substr(i, length));
        i += length;
    }
    return line;
}

std::string lay_out_plain(const config::Log& settings, const LogRecord& record) {
    const std::string& format = settings.format;
    std::string line;
    for (std::size_t i = 0; i < format.size();) {
        if (format[i] != '%') {
            line += format[i++];
        } else if (format.compare(i, 2, "%%") == 0) {
            line += '%';
            i += 2;
        } else if (const auto close = format.find(')', i); format.compare(i, 2, "%(") == 0 && close != format.npos) {
            auto end = close + 1;  // width and precision, as in %(levelname)-8s
            while (end < format.size() &&
                   (format[end] == '-' || format[end] == '.' || is_digits(format.substr(end, 1))))
                ++end;
            const std::string_view width(format.data() + close + 1, end - close - 1);
            std::string value = field(settings, record, std::string_view(format).substr(i + 2, close - i - 2));
            const bool left = width.starts_with('-');
            if (const auto wanted = parse_uint(left ? width.substr(1) : width);
                wanted && value.size() < *wanted && *wanted < 200)
                value.insert(left ? value.size() : 0, *wanted - value.size(), ' ');
            line += value;
            i = end < format.size() ? end + 1 : end;  // the conversion letter
        } else {
            line += format[i++];
        }
    }
    return one_line(line);
}

std::string lay_out_json(const config::Log& settings, const LogRecord& record) {
    boost::json::object object;
    if (!settings.format_fields.empty()) {
        for (const boost::json::value& entry : settings.format_fields) {
            if (entry.is_string())
                object[entry.get_string()] = one_line(field(settings, record, entry.get_string()));
            else if (entry.is_object())
                for (const auto& [name, shown_as] : entry.get_object())
                    if (shown_as.is_string()) object[shown_as.get_string()] = one_line(field(settings, record, name));
        }
    } else {
        object = {{"asctime", asctime(settings, record.time)},
                  {"levelname", python_name(record.level)},
                  {"message", one_line(record.message)}};
    }
    for (const auto& [name, value] : settings.static_fields) object[name] = value;
    return boost::json::serialize(object);
}

}  // namespace

std::string_view python_name(ports::Level level) {
    switch (level) {
        case ports::Level::debug: return "DEBUG";
        case ports::Level::info: return "INFO";
        case ports::Level::warning: return "WARNING";
        case ports::Level::error: return "ERROR";
        case ports::Level::critical: return "CRITICAL";
    }
    return "INFO";
}

ports::Level level_from_python(std::string_view name) {
    const std::string text = lower(name);
    if (text == "debug" || text == "notset") return ports::Level::debug;
    if (text == "warning" || text == "warn") return ports::Level::warning;
    if (text == "error") return ports::Level::error;
    if (text == "critical" || text == "fatal") return ports::Level::critical;
    return ports::Level::info;
}

std::string lay_out(const config::Log& settings, const LogRecord& record) {
    return settings.type == config::Log::Type::json ? lay_out_json(settings, record) : lay_out_plain(settings, record);
}

}  // namespace castle
