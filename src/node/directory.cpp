#include "node/directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "io/address.hpp"
#include "io/files.hpp"
#include "node/member_config.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;

// Letters and digits only: they need no quoting anywhere. 24 of them carry 142 bits.
std::string make_password() {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    constexpr std::size_t length = 24;
    std::string password;
    while (password.size() < length) {
        unsigned char bytes[64];
        const auto size = ::getrandom(bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < size && password.size() < length; ++i)
            if (bytes[i] < 4 * letters.size()) password += letters[bytes[i] % letters.size()];  // all equally likely
    }
    return password;
}

Status write_if_missing(const std::string& path, const std::string& text, io::Owner owner) {
    if (io::exists(path)) return Done{};
    return io::write_file_atomic(path, text, 0600, owner);
}

}  // namespace

Passwords make_passwords() {
    return {.superuser = make_password(),
            .replication = make_password(),
            .rewind = make_password(),
            .rest = make_password(),
            .etcd = make_password()};
}

Result<DirectoryLock> DirectoryLock::take(const Plan& plan) {
    io::Fd file(::open(plan.lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) return Error{Errc::failed, "open " + plan.lock_file() + ": " + io::errno_text(errno)};
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{Errc::conflict, "another pgcastle is at work in " + plan.dir +
                                         "; see what it does with: pgcastle " + "status --dir " + plan.dir};
    return DirectoryLock(std::move(file));
}

Result<Plan> load_plan(const std::string& dir) {
    auto text = io::read_file(dir + "/castle.json");
    if (text) return Plan::from_json(*text, dir);
    if (text.error().code == Errc::not_found)
        return Error{Errc::not_found, "there is no cluster in " + dir + "; make one with: pgcastle up --dir " + dir};
    if (text.error().code == Errc::denied)
        return Error{Errc::denied,
                     "the cluster in " + dir + " belongs to another user; run this as that user or as root"};
    return std::move(text).error();
}

Status make_cluster_directory(const Plan& plan, const io::User& user) {
    const io::Owner owner{user.uid, user.gid};
    CASTLE_CHECK(io::make_directories(fs::path(plan.dir).parent_path(), 0755));
    CASTLE_CHECK(io::make_directories(plan.dir, 0700, owner));
    if (::geteuid() == 0 && ::chown(plan.dir.c_str(), owner.uid, owner.gid) != 0)
        return Error{Errc::failed, "give " + plan.dir + " to user " + user.name + ": " + io::errno_text(errno)};
    if (::chmod(plan.dir.c_str(), 0700) != 0)
        return Error{Errc::failed, "close " + plan.dir + " to others: " + io::errno_text(errno)};
    return Done{};
}

Status write_cluster(const Plan& plan, const io::User& user) {
    const io::Owner owner{user.uid, user.gid};
    CASTLE_CHECK(io::make_directories(plan.log_dir(), 0700, owner));
    CASTLE_CHECK(io::make_directories(plan.etcd_dir(), 0700, owner));
    // The fences run as we do, and put nothing but their sockets there.
    CASTLE_CHECK(io::make_directories(plan.fence_dir(), 0700));
    for (const MemberPlan& each : plan.members()) {
        CASTLE_CHECK(io::make_directories(each.dir, 0700, owner));
        CASTLE_CHECK(write_if_missing(each.config_file(), member_config(plan, each), owner));
    }
    CASTLE_CHECK(io::write_file_atomic(plan.ctl_config(), ctl_config(plan), 0600, owner));
    CASTLE_CHECK(io::write_file_atomic(plan.pgpass(), pgpass_text(plan), 0600, owner));
    // Last: from here on it is a cluster.
    return io::write_file_atomic(plan.plan_file(), plan.to_json(), 0600, owner);
}

Undo::Undo(const std::string& dir) {
    std::error_code failed;
    if (fs::exists(dir, failed)) {
        if (fs::is_empty(dir, failed)) empty_ = dir;
        return;
    }
    fs::path missing = dir;
    while (!missing.parent_path().empty() && !fs::exists(missing.parent_path(), failed))
        missing = missing.parent_path();
    remove_ = missing;
}

Undo::~Undo() {
    std::error_code ignored;
    if (!remove_.empty()) fs::remove_all(remove_, ignored);
    if (empty_.empty()) return;
    for (const auto& each : fs::directory_iterator(empty_, ignored)) fs::remove_all(each.path(), ignored);
}

}  // namespace castle::node
