#include "postgres/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "io/fd.hpp"

namespace castle::postgres {
namespace {

Status write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return Error{Errc::failed, {}};
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return Done{};
}

void sync_directory(const std::string& path) {
    const io::Fd fd(::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) ::fsync(fd.get());
}

}  // namespace

Error file_error(std::string_view doing, const std::string& path, int error) {
    const Errc code = error == ENOENT                     ? Errc::not_found
                      : error == EACCES || error == EPERM ? Errc::denied
                                                          : Errc::failed;
    return {code, std::string(doing) + " " + path + ": " + std::generic_category().message(error)};
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    const io::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return file_error("read", path, errno);
    std::string content;
    char buffer[16384];
    while (content.size() < bytes_max) {
        const ssize_t got = ::read(fd.get(), buffer, std::min(sizeof buffer, bytes_max - content.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error("read", path, errno);
        if (got == 0) break;
        content.append(buffer, static_cast<std::size_t>(got));
    }
    return content;
}

Status write_file(const std::string& path, std::string_view content, mode_t mode, const Owner& owner) {
    if (const auto present = read_file(path); present && *present == content) {
        ::chmod(path.c_str(), mode);
        if (::geteuid() == 0 && ::chown(path.c_str(), owner.uid, owner.gid) != 0)
            return file_error("give away", path, errno);
        return Done{};
    }
    const std::string temporary = path + ".pgcastle";
    ::unlink(temporary.c_str());
    {
        const io::Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
        if (!fd) return file_error("write", path, errno);
        const bool done = ::fchmod(fd.get(), mode) == 0 &&
                          (::geteuid() != 0 || ::fchown(fd.get(), owner.uid, owner.gid) == 0) &&
                          write_all(fd.get(), content) && ::fsync(fd.get()) == 0;
        if (!done) {
            const int error = errno;
            ::unlink(temporary.c_str());
            return file_error("write", path, error);
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return file_error("write", path, error);
    }
    sync_directory(path);
    return Done{};
}

Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return Done{};
    return file_error("remove", path, errno);
}

bool file_exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

mode_t file_mode(const std::string& path, const std::string& data_dir) {
    if (path.starts_with(data_dir + "/")) {
        struct stat status {};
        const bool group = ::stat(data_dir.c_str(), &status) == 0 && (status.st_mode & 0050) == 0050;
        return group ? 0640 : 0600;
    }
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

Status make_directory(const std::string& path, mode_t mode, const Owner& owner) {
    if (::mkdir(path.c_str(), mode) != 0) {
        if (errno != EEXIST) return file_error("make directory", path, errno);
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
            return file_error("make directory", path, ENOTDIR);
        if (status.st_uid == owner.uid) return Done{};
    }
    if (::chmod(path.c_str(), mode) != 0) return file_error("set the mode of", path, errno);
    if (::geteuid() == 0 && ::chown(path.c_str(), owner.uid, owner.gid) != 0)
        return file_error("give away", path, errno);
    return Done{};
}

}  // namespace castle::postgres
