// Users of the operating system. The look-ups may ask a directory server: call them on a worker. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.hpp"

namespace castle::io {

struct User {
    std::string name;
    std::string home;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // all of them
};

Result<User> user_by_name(const std::string& name);
Result<User> user_by_id(uid_t uid);
Result<User> owner_of(const std::string& path);  // of the file or directory
Result<User> current_user();

}  // namespace castle::io
