#include "postgres/aside.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>

#include "postgres/files.hpp"

namespace castle::postgres {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr Duration file_patience = 30s;

// What a link in the data directory leads to, if it leads out of it.
std::string link_target(const fs::path& link, const std::string& data_dir) {
    std::error_code error;
    if (!fs::is_symlink(fs::symlink_status(link, error))) return {};
    const fs::path target = fs::read_symlink(link, error);
    if (error) return {};
    const std::string full = (target.is_absolute() ? target : link.parent_path() / target).lexically_normal().string();
    return full.starts_with(data_dir + "/") ? std::string() : full;
}

// Moves the directory and has the link lead to it again.
Status move_linked(const fs::path& link, const std::string& target, const std::string& suffix) {
    const std::string moved = target + "." + suffix;
    if (::rename(target.c_str(), moved.c_str()) != 0) {
        if (errno == ENOENT) return Done{};
        return file_error("rename", target, errno);
    }
    ::unlink(link.c_str());
    if (::symlink(moved.c_str(), link.c_str()) != 0) return file_error("link", link.string(), errno);
    return Done{};
}

Status move_outliers(const std::string& data_dir, const std::string& suffix) {
    const fs::path wal = fs::path(data_dir) / "pg_wal";
    if (const std::string target = link_target(wal, data_dir); !target.empty()) {
        CASTLE_CHECK(move_linked(wal, target, suffix));
    }
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(data_dir) / "pg_tblspc", error)) {
        const std::string target = link_target(entry.path(), data_dir);
        if (target.empty()) continue;
        CASTLE_CHECK(move_linked(entry.path(), target, suffix));
    }
    return Done{};
}

Result<std::string> move_job(const std::string& data_dir, const std::string& suffix, const Owner& owner) {
    std::error_code error;
    const bool something = fs::exists(data_dir, error) && !fs::is_empty(data_dir, error);
    if (!something || error) return std::string();
    std::string target = data_dir + "." + suffix;
    for (int i = 2; file_exists(target); ++i) target = data_dir + "." + suffix + "-" + std::to_string(i);
    CASTLE_CHECK(move_outliers(data_dir, suffix));
    if (::rename(data_dir.c_str(), target.c_str()) != 0) {
        Error failed = file_error("rename", data_dir, errno);
        if (errno == EBUSY || errno == EACCES || errno == EPERM || errno == EXDEV)
            failed.message += " (put the data directory one level below its mount point, in a directory of its owner)";
        return failed;
    }
    CASTLE_CHECK(make_directory(data_dir, 0700, owner));
    return target;
}

}  // namespace

std::string time_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
    return text;
}

std::string rewind_mark(const std::string& data_dir) {
    return data_dir + ".rewinding";
}

Task<Result<std::string>> move_aside(const Site& site, std::string suffix) {
    auto job = [path = site.options.data_dir, suffix, owner = site.owner()] { return move_job(path, suffix, owner); };
    co_return co_await site.loop.on_worker(std::move(job), site.in(file_patience));
}

Task<> delete_asides(const Site& site) {
    auto find = [path = fs::path(site.options.data_dir)]() -> Result<std::vector<std::string>> {
        std::vector<std::string> found;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(path.parent_path(), error))
            if (entry.path().filename().string().starts_with(path.filename().string() + ".aside-"))
                found.push_back(entry.path().string());
        return found;
    };
    const auto found = co_await site.loop.on_worker(std::move(find), site.in(file_patience));
    if (!found) co_return;
    for (const std::string& path : *found) {
        // What its links lead to was moved aside with it.
        auto outliers = [path]() -> Result<std::vector<std::string>> {
            std::vector<std::string> targets;
            std::error_code error;
            targets.push_back(link_target(fs::path(path) / "pg_wal", path));
            for (const auto& entry : fs::directory_iterator(fs::path(path) / "pg_tblspc", error))
                targets.push_back(link_target(entry.path(), path));
            std::erase_if(targets, [](const std::string& target) { return target.find(".aside-") == target.npos; });
            return targets;
        };
        const auto linked = co_await site.loop.on_worker(std::move(outliers), site.in(file_patience));
        // A big directory takes long: not on the worker that everybody needs.
        Command command{.argv = {"/bin/rm", "-rf", "--one-file-system", "--"}};
        if (linked) command.argv.insert(command.argv.end(), linked->begin(), linked->end());
        command.argv.push_back(path);
        const auto removed = co_await site.programs.must(std::move(command));
        if (removed)
            site.info("deleted " + path + ", which is replaced by a complete copy");
        else
            site.warn("delete " + path + ": " + removed.error().message);
    }
}

Task<Status> clear_unfinished(const Site& site) {
    auto list = [path = site.options.data_dir]() -> Result<std::vector<std::string>> {
        std::vector<std::string> found;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(path, error))
            if (entry.path().filename() != "lost+found") found.push_back(entry.path().string());
        return found;
    };
    CASTLE_CO_TRY(const std::vector<std::string> found,
                  co_await site.loop.on_worker(std::move(list), site.in(file_patience)));
    if (found.empty()) co_return Done{};
    Command command{.argv = {"/bin/rm", "-rf", "--one-file-system", "--"}};
    command.argv.insert(command.argv.end(), found.begin(), found.end());
    CASTLE_CO_CHECK(co_await site.programs.must(std::move(command)));
    co_return Done{};
}

Task<Status> prepare_empty(const Site& site) {
    auto job = [path = site.options.data_dir, owner = site.owner()]() -> Status {
        std::error_code error;
        fs::create_directories(fs::path(path).parent_path(), error);
        return make_directory(path, 0700, owner);
    };
    co_return co_await site.loop.on_worker(std::move(job), site.in(file_patience));
}

}  // namespace castle::postgres
