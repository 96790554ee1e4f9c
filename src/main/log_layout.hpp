// One log record as text, after Python's logging as our users configure it. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/types.hpp"
#include "config/local.hpp"
#include "ports/journal.hpp"

namespace castle {

struct LogRecord {
    ports::Level level = ports::Level::info;
    std::string_view message;
    WallTime time{};
    int process = 0;
};

std::string_view python_name(ports::Level level);                           // "INFO", "WARNING", ...
ports::Level level_from_python(std::string_view name);                      // unknown: info
std::string lay_out(const config::Log& settings, const LogRecord& record);  // without the line's end

}  // namespace castle
