// What everything in this folder needs and nothing in it changes: the loop, the options, the owner, the programs and
// their version, the log.
#pragma once

#include "io/loop.hpp"
#include "ports/journal.hpp"
#include "postgres/options.hpp"
#include "postgres/programs.hpp"
#include "postgres/versions.hpp"

namespace castle::postgres {

struct Site {
    io::Loop& loop;
    ports::Journal& journal;
    InstanceOptions options;
    Programs programs;
    Version version;  // of the programs

    const Owner& owner() const { return programs.owner(); }
    BootTime in(Duration duration) const { return loop.now() + duration; }
    void info(std::string_view text) const { journal.write(ports::Level::info, text); }
    void warn(std::string_view text) const { journal.write(ports::Level::warning, text); }
    void error(std::string_view text) const { journal.write(ports::Level::error, text); }
};

}  // namespace castle::postgres
