// Options that several commands have.
#pragma once

#include <optional>
#include <string>

#include "ctl/output.hpp"
#include "ctl/session.hpp"

namespace castle::ctl {

// Between two looks of -w, or of -W; nothing: look once.
std::optional<Duration> watch_interval(const Parsed& args);

Result<Format> format_of(const Parsed& args, std::string_view otherwise = "pretty");

// The content of a file, or of standard input for "-".
Result<std::string> read_source(Session& session, const std::string& file);

}  // namespace castle::ctl
