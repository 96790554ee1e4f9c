#include "io/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "io/address.hpp"
#include "io/fd.hpp"

namespace castle::io {
namespace {

namespace fs = std::filesystem;

Error failed(std::string_view doing, const std::string& path, int error) {
    Errc code = Errc::failed;
    if (error == ENOENT || error == ENOTDIR) code = Errc::not_found;
    if (error == EACCES || error == EPERM) code = Errc::denied;
    return {code, std::string(doing) + " " + path + ": " + errno_text(error)};
}

Status write_out(int fd, const std::string& path, std::string_view content) {
    while (!content.empty()) {
        const auto size = ::write(fd, content.data(), content.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failed("write", path, errno);
        content.remove_prefix(static_cast<std::size_t>(size));
    }
    return Done{};
}

std::string parent_of(const std::string& path) {
    const std::string parent = fs::path(path).parent_path();
    return parent.empty() ? "." : parent;
}

// Where a chain of links ends; the file there may be missing.
std::string follow(std::string path) {
    for (int i = 0; i < 40; ++i) {
        std::error_code error;
        const fs::path target = fs::read_symlink(path, error);
        if (error) break;
        path = target.is_absolute() ? target.string() : (fs::path(path).parent_path() / target).string();
    }
    return path;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return failed("read", path, errno);
    std::string content;
    char buffer[65536];
    for (;;) {
        const auto size = ::read(fd.get(), buffer, sizeof buffer);
        if (size == 0) return content;
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failed("read", path, errno);
        content.append(buffer, static_cast<std::size_t>(size));
        if (content.size() > size_max)
            return Error{Errc::invalid, "read " + path + ": larger than " + std::to_string(size_max) + " bytes"};
    }
}

Status write_file_atomic(const std::string& wanted, std::string_view content, mode_t mode, std::optional<Owner> owner) {
    static std::atomic<unsigned> counter{0};
    const std::string path = follow(wanted);
    const std::string beside = path + ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
    const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return failed("write", path, errno);
    auto written = write_out(fd.get(), path, content);
    if (written && owner && ::geteuid() == 0 && ::fchown(fd.get(), owner->uid, owner->gid) != 0)
        written = failed("change the owner of", path, errno);
    if (written && ::fchmod(fd.get(), mode) != 0) written = failed("change the mode of", path, errno);
    if (written && ::fsync(fd.get()) != 0) written = failed("flush", path, errno);
    if (written && ::rename(beside.c_str(), path.c_str()) != 0) written = failed("replace", path, errno);
    if (!written) {
        ::unlink(beside.c_str());
        return written;
    }
    auto synced = sync_directory(parent_of(path));
    if (!synced) synced.error().effect = Effect::unknown;
    return synced;
}

Result<FileInfo> file_info(const std::string& path) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) return failed("look at", path, errno);
    FileInfo info{.size = static_cast<std::uint64_t>(found.st_size),
                  .mode = found.st_mode & 07777u,
                  .owner = {found.st_uid, found.st_gid}};
    info.kind = S_ISREG(found.st_mode)    ? FileInfo::Kind::file
                : S_ISDIR(found.st_mode)  ? FileInfo::Kind::directory
                : S_ISLNK(found.st_mode)  ? FileInfo::Kind::link
                : S_ISSOCK(found.st_mode) ? FileInfo::Kind::socket
                                          : FileInfo::Kind::other;
    return info;
}

bool exists(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator each(path, error); !error && each != fs::directory_iterator(); each.increment(error))
        names.push_back(each->path().filename());
    if (error) return failed("list", path, error.value());
    std::sort(names.begin(), names.end());
    return names;
}

Status make_directories(const std::string& path, mode_t mode, std::optional<Owner> owner) {
    if (path.empty()) return Done{};
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) {
        if (S_ISDIR(found.st_mode)) return Done{};
        return failed("make directory", path, ENOTDIR);
    }
    const std::string parent = parent_of(path);
    if (parent != path && parent != ".") CASTLE_CHECK(make_directories(parent, mode, owner));
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failed("make directory", path, errno);
    if (::chmod(path.c_str(), mode) != 0) return failed("change the mode of", path, errno);
    if (owner && ::geteuid() == 0 && ::chown(path.c_str(), owner->uid, owner->gid) != 0)
        return failed("change the owner of", path, errno);
    return Done{};
}

Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path, errno);
    return Done{};
}

Status remove_tree(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return failed("remove", path, error.value());
    return Done{};
}

Status rename_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to, errno);
    auto synced = sync_directory(parent_of(to));
    if (!synced) synced.error().effect = Effect::unknown;
    return synced;
}

Status sync_directory(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return failed("flush directory", path, errno);
    return Done{};
}

}  // namespace castle::io
