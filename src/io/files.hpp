// Whole files at once. These calls block: from the loop's thread use Loop::on_worker. Any thread.
// Errors name the file; Errc::not_found and Errc::denied are told apart from the rest.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle::io {

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

struct FileInfo {
    enum class Kind { file, directory, link, socket, other };
    Kind kind = Kind::file;  // of a link itself
    std::uint64_t size = 0;
    mode_t mode = 0;  // permission bits
    Owner owner;
};

Result<std::string> read_file(const std::string& path, std::size_t size_max = 64 << 20);

// All of the new content or all of the old, whatever happens meanwhile: written beside it, flushed, renamed, and the
// directory flushed. A link is followed. `owner` is set only by root. With Effect::unknown the new content may be
// there.
Status write_file_atomic(const std::string& path, std::string_view content, mode_t mode,
                         std::optional<Owner> owner = {});

Result<FileInfo> file_info(const std::string& path);
bool exists(const std::string& path);                                      // also a link that points nowhere
Result<std::vector<std::string>> list_directory(const std::string& path);  // sorted, without . and ..
Status make_directories(const std::string& path, mode_t mode,
                        std::optional<Owner> owner = {});  // those that are missing
Status remove_file(const std::string& path);               // that there is none is fine
Status remove_tree(const std::string& path);               // that there is none is fine; links are not followed
Status rename_file(const std::string& from, const std::string& to);  // and flushes the directory
Status sync_directory(const std::string& path);

}  // namespace castle::io
