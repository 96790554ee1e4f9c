// Small files, written so that a crash leaves the old or the new one, and given to the owner of the data directory.
// Blocking calls that own all they use: they run on the loop's worker.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "postgres/owner.hpp"

namespace castle::postgres {

Result<std::string> read_file(const std::string& path, std::size_t bytes_max = 16 << 20);

// Written beside it, synced, renamed over it. Unchanged content is not written again.
Status write_file(const std::string& path, std::string_view content, mode_t mode, const Owner& owner);

// Takes no notice of a file that is not there.
Status remove_file(const std::string& path);
bool file_exists(const std::string& path);

// The mode of new files: in the data directory group access as the directory itself has it; elsewhere what the umask
// leaves.
mode_t file_mode(const std::string& path, const std::string& data_dir);

Status make_directory(const std::string& path, mode_t mode, const Owner& owner);
// "write /etc/x: permission denied"
Error file_error(std::string_view doing, const std::string& path, int error);

}  // namespace castle::postgres
