// Options for a program that PostgreSQL ships, as the configuration lists them: for initdb, pg_basebackup, pg_rewind
// and the custom methods' scripts.
//
//   initdb:                     basebackup:
//     - encoding: UTF8            checkpoint: fast
//     - data-checksums            verbose:
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.hpp"

namespace castle::config {

// "--encoding=UTF8", "--data-checksums". true and null make a bare option, false none. Those that are forbidden because
// the caller sets them itself are mistakes and left out.
std::vector<std::string> read_program_options(Section& section, std::string_view key,
                                              std::initializer_list<std::string_view> forbidden);

// All keys of a map that are not in `ours`, as "--key=value".
std::vector<std::string> other_pairs_as_options(const boost::json::object& map,
                                                std::initializer_list<std::string_view> ours);

}  // namespace castle::config
