// Data directories that are out of use: moved aside, never deleted before a complete copy exists.
#pragma once

#include <string>

#include "postgres/site.hpp"

namespace castle::postgres {

// Renames the data directory, what its pg_wal leads to and its tablespaces to "<path>.<suffix>", and makes an empty
// data directory in its place. Returns the new path; empty if there was nothing to move.
Task<Result<std::string>> move_aside(const Site& site, std::string suffix);

// Deletes what move_aside() has put away with "aside-" suffixes.
Task<> delete_asides(const Site& site);

// Empties the data directory: only of what an unfinished copy has left in it.
Task<Status> clear_unfinished(const Site& site);

// Makes the data directory if it is missing, empty and with the owner's rights.
Task<Status> prepare_empty(const Site& site);

// A note beside the data directory that a rewind is under way: whoever finds it without a rewind knows that the
// directory is half rewritten.
std::string rewind_mark(const std::string& data_dir);

std::string time_stamp();  // "20240828-193926"

}  // namespace castle::postgres
