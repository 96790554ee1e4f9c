#include "io/users.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "io/address.hpp"

namespace castle::io {
namespace {

Result<User> user_from(int error, const passwd* found, const std::string& who) {
    if (!found) {
        if (error == 0) return Error{Errc::not_found, "there is no user " + who};
        return Error{Errc::failed, "look up user " + who + ": " + errno_text(error)};
    }
    User user{.name = found->pw_name, .home = found->pw_dir, .uid = found->pw_uid, .gid = found->pw_gid, .groups = {}};
    int count = 64;
    user.groups.resize(static_cast<std::size_t>(count));
    while (::getgrouplist(found->pw_name, found->pw_gid, user.groups.data(), &count) < 0) {
        if (count > 65'536) return Error{Errc::failed, "user " + who + " is in too many groups"};
        user.groups.resize(static_cast<std::size_t>(count));
    }
    user.groups.resize(static_cast<std::size_t>(count));
    return user;
}

}  // namespace

Result<User> user_by_name(const std::string& name) {
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(65'536, '\0');
    const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    return user_from(error, found, "\"" + name + "\"");
}

Result<User> user_by_id(uid_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(65'536, '\0');
    const int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    return user_from(error, found, "with the number " + std::to_string(uid));
}

Result<User> owner_of(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0)
        return Error{errno == ENOENT ? Errc::not_found : Errc::failed, "look at " + path + ": " + errno_text(errno)};
    return user_by_id(found.st_uid);
}

Result<User> current_user() {
    return user_by_id(::geteuid());
}

}  // namespace castle::io
