// The cluster's directory on disk: made, read, locked. Blocking calls of the command's own thread.
#pragma once

#include <optional>
#include <string>

#include "io/fd.hpp"
#include "io/users.hpp"
#include "node/plan.hpp"

namespace castle::node {

Passwords make_passwords();  // new ones, from the kernel's random numbers

// Held by the supervisor while it lives, and by `up` while it writes files.
class DirectoryLock {
public:
    // Errc::conflict: somebody else holds it.
    static Result<DirectoryLock> take(const Plan& plan);

private:
    explicit DirectoryLock(io::Fd file) : file_(std::move(file)) {}
    io::Fd file_;
};

Result<Plan> load_plan(const std::string& dir);

// The directory itself, closed to others, with those above it.
Status make_cluster_directory(const Plan& plan, const io::User& owner);

// Makes what is missing of directories and files and gives it to `owner`. Configuration files that are there stay as
// they are; castle.json, patronictl.yml and pgpass are written anew. Secrets are readable by the owner alone.
Status write_cluster(const Plan& plan, const io::User& owner);

// Takes back what has been made since it was constructed, unless keep() was called: the directory's content, the
// directory, and those above it that were not there before.
class Undo {
public:
    explicit Undo(const std::string& dir);
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo();
    void keep() {
        remove_.clear();
        empty_.clear();
    }

private:
    std::string remove_;  // the highest directory that was not there; empty: nothing to take back
    std::string empty_;   // was there, and empty
};

}  // namespace castle::node
