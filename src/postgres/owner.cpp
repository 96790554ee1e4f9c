#include "postgres/owner.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

namespace castle::postgres {
namespace {

std::optional<uid_t> uid_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return status.st_uid;
}

// Containers run as users that nobody has entered anywhere.
Owner by_uid(uid_t uid) {
    auto user = io::user_by_id(uid);
    if (user) return *std::move(user);
    return {.name = {}, .home = "/", .uid = uid, .gid = ::getegid(), .groups = {::getegid()}};
}

}  // namespace

Result<Owner> find_owner(const std::string& data_dir) {
    const uid_t me = ::geteuid();
    const auto owner = uid_of(data_dir);
    if (me != 0) {
        if (owner && *owner != me)
            return Error{Errc::denied, "the data directory " + data_dir + " belongs to another user (" +
                                           std::to_string(*owner) + "); run as that user or as root"};
        return by_uid(me);
    }
    if (owner && *owner != 0) return by_uid(*owner);
    std::filesystem::path path(data_dir);
    if (!path.has_filename()) path = path.parent_path();
    const auto above = uid_of(path.parent_path().string());
    if (above && *above != 0) return by_uid(*above);
    auto postgres = io::user_by_name("postgres");
    if (postgres) return postgres;
    return Error{
        Errc::not_found,
        "PostgreSQL does not run as root, and there is no user \"postgres\" to run it as; create that user, or "
        "give the directory above the data directory to the user who shall run it"};
}

}  // namespace castle::postgres
