// The part of preflight.hpp that looks for PostgreSQL and etcd.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "io/process.hpp"
#include "node/preflight.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int oldest_major = 13;
constexpr int newest_major = 18;
constexpr const char* needed[] = {"postgres", "initdb", "pg_ctl", "pg_controldata", "pg_basebackup", "pg_rewind"};
constexpr const char* how_to_install = "install it (Debian: tools/install-deps, or apt-get install postgresql-15)";

bool executable(const fs::path& path) {
    std::error_code failed;
    return fs::is_regular_file(path, failed) && ::access(path.c_str(), X_OK) == 0;
}

std::string missing_program(const fs::path& bin) {
    for (const char* program : needed)
        if (!executable(bin / program)) return program;
    return {};
}

std::vector<fs::path> path_directories() {
    const char* path = ::getenv("PATH");
    std::vector<fs::path> all;
    for (const auto& each : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':'))
        if (!each.empty()) all.emplace_back(each);
    return all;
}

// Directories such as /usr/lib/postgresql/15/bin, the newest version first.
std::vector<fs::path> installed_directories() {
    std::vector<std::pair<int, fs::path>> found;
    for (const char* above : {"/usr/lib/postgresql", "/usr/pgsql", "/usr"}) {
        std::error_code failed;
        for (fs::directory_iterator each(above, failed), end; !failed && each != end; each.increment(failed)) {
            std::string name = each->path().filename();
            if (name.starts_with("pgsql-")) name = name.substr(6);
            if (is_digits(name)) found.emplace_back(std::stoi(name), each->path() / "bin");
        }
    }
    std::ranges::sort(found, [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<fs::path> all;
    for (auto& each : found) all.push_back(std::move(each.second));
    all.emplace_back("/usr/local/pgsql/bin");
    return all;
}

Result<std::string> choose_bin(const std::string& wanted) {
    if (!wanted.empty()) {
        const std::string lacks = missing_program(wanted);
        if (lacks.empty()) return fs::absolute(wanted).lexically_normal().string();
        return Error{Errc::not_found, "--postgres-bin " + wanted + ": there is no program " + lacks +
                                          "; name the directory that holds PostgreSQL's programs, such as "
                                          "/usr/lib/postgresql/15/bin"};
    }
    auto places = path_directories();
    std::ranges::copy(installed_directories(), std::back_inserter(places));
    for (const fs::path& each : places)
        if (missing_program(each).empty()) return each.lexically_normal().string();
    return Error{Errc::not_found, std::string("PostgreSQL is not installed here; ") + how_to_install +
                                      " or say where its programs are with --postgres-bin"};
}

Task<Result<std::string>> ask_version(io::Loop& loop, std::string program, io::User owner) {
    io::SpawnOptions options{.argv = {program, "--version"}, .cwd = "/", .run_as = owner};
    const io::RunLimits limits{.deadline = loop.now() + 20s};
    auto said = co_await io::run_program(loop, std::move(options), limits);
    if (!said) co_return std::move(said).error();
    if (!said->status.success())
        co_return Error{Errc::failed,
                        program + " --version: " + said->status.text() + ": " + std::string(trim(said->err))};
    co_return std::string(trim(said->out));
}

}  // namespace

// "postgres (PostgreSQL) 15.6 (Debian 15.6-0+deb12u1)", "postgres (PostgreSQL) 18beta1"
Result<PostgresPrograms> read_postgres_version(const std::string& bin, std::string_view said) {
    const std::string_view mark = "(PostgreSQL) ";
    const auto at = said.find(mark);
    std::string digits;
    for (std::size_t i = at + mark.size(); at != said.npos && i < said.size() && is_digits(said.substr(i, 1)); ++i)
        digits += said[i];
    if (digits.empty() || digits.size() > 3)
        return Error{Errc::invalid, bin + ": this is not PostgreSQL; it says \"" + std::string(said) + "\""};
    const int major = std::stoi(digits);
    if (major < oldest_major || major > newest_major)
        return Error{Errc::invalid, bin + ": PostgreSQL " + digits + " is not supported, " +
                                        std::to_string(oldest_major) + " to " + std::to_string(newest_major) +
                                        " are; name another one with --postgres-bin"};
    return PostgresPrograms{bin, major};
}

Task<Result<PostgresPrograms>> find_postgres(io::Loop& loop, std::string wanted, io::User owner) {
    CASTLE_CO_TRY(const std::string bin, choose_bin(wanted));
    auto said = co_await ask_version(loop, bin + "/postgres", owner);
    if (!said) co_return std::move(said).error();
    co_return read_postgres_version(bin, *said);
}

Task<Result<std::string>> find_etcd(io::Loop& loop, std::string wanted, io::User owner) {
    std::string program = wanted;
    if (program.empty()) {
        auto places = path_directories();
        places.emplace_back("/usr/local/bin");
        places.emplace_back("/usr/bin");
        for (const fs::path& each : places)
            if (program.empty() && executable(each / "etcd")) program = (each / "etcd").lexically_normal().string();
    }
    if (program.empty())
        co_return Error{Errc::not_found,
                        "etcd is not installed here; install it (Debian: tools/install-deps, or "
                        "apt-get install etcd-server) or say where it is with --etcd"};
    if (!executable(program)) co_return Error{Errc::not_found, "--etcd " + program + ": there is no such program"};
    program = fs::absolute(program).lexically_normal().string();
    auto said = co_await ask_version(loop, program, owner);
    if (!said) co_return std::move(said).error();
    if (said->find("etcd Version: 3.") == said->npos)
        co_return Error{Errc::invalid,
                        program + ": this is not etcd 3; it says \"" + said->substr(0, said->find('\n')) + "\""};
    co_return program;
}

}  // namespace castle::node
