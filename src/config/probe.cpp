#include "config/probe.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>

#include "base/text.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace castle::config {
namespace {

constexpr int connect_timeout_ms = 3'000;

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() { close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return number_; }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }

private:
    int number_;
};

std::string text_of_errno(int code) {
    return std::error_code(code, std::generic_category()).message();
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> resolve(const std::string& host, std::uint16_t port, bool passive) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = passive ? AI_PASSIVE : 0;
    const bool all = host.empty() || host == "*";
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(all ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failed) return Error{Errc::not_found, host + " cannot be resolved: " + ::gai_strerror(failed)};
    return Addresses(found, &::freeaddrinfo);
}

}  // namespace

Status MachineProbe::can_listen(const std::string& host, std::uint16_t port, bool ignore_port_in_use) {
    CASTLE_TRY(const Addresses addresses, resolve(host, port, true));
    for (const addrinfo* one = addresses.get(); one; one = one->ai_next) {
        const Descriptor socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (socket.get() < 0) continue;  // no IPv6 on this machine, for example
        const int on = 1;
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (one->ai_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (::bind(socket.get(), one->ai_addr, one->ai_addrlen) == 0 && ::listen(socket.get(), 1) == 0) continue;
        if (errno == EADDRINUSE && ignore_port_in_use) continue;
        if (errno == EADDRINUSE) return Error{Errc::conflict, "Port " + std::to_string(port) + " is already in use."};
        return Error{Errc::failed,
                     "cannot listen on " + host + ":" + std::to_string(port) + ": " + text_of_errno(errno)};
    }
    return Done{};
}

Status MachineProbe::can_connect(const std::string& host, std::uint16_t port) {
    CASTLE_TRY(const Addresses addresses, resolve(host, port, false));
    std::string why = "no address";
    for (const addrinfo* one = addresses.get(); one; one = one->ai_next) {
        const Descriptor socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (socket.get() < 0) continue;
        int failed = ::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
        if (failed == EINPROGRESS) {
            pollfd ready{socket.get(), POLLOUT, 0};
            failed = ::poll(&ready, 1, connect_timeout_ms) == 1 ? 0 : ETIMEDOUT;
            socklen_t size = sizeof failed;
            if (failed == 0) ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
        }
        if (failed == 0) return Done{};
        why = text_of_errno(failed);
    }
    return Error{Errc::unavailable, why};
}

bool MachineProbe::exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

bool MachineProbe::is_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

bool MachineProbe::is_empty_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored) && std::filesystem::is_empty(path, ignored);
}

Result<std::string> MachineProbe::read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (file) content << file.rdbuf();
    if (!file) return Error{Errc::failed, "cannot read " + path};
    return content.str();
}

std::optional<std::string> MachineProbe::find_program(const std::string& name) {
    if (name.find('/') != name.npos) {
        if (::access(name.c_str(), X_OK) == 0) return name;
        return {};
    }
    const char* const path = std::getenv("PATH");
    for (const std::string& dir : split(path ? path : "/usr/bin:/bin", ':'))
        if (const std::string full = dir + "/" + name; ::access(full.c_str(), X_OK) == 0) return full;
    return {};
}

Result<std::string> MachineProbe::version_of(const std::string& program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{Errc::failed, text_of_errno(errno)};
    const Descriptor reader(ends[0]);
    Descriptor writer(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
    std::string name = program, option = "--version";
    char* arguments[] = {name.data(), option.data(), nullptr};
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    writer.close();
    if (failed) return Error{Errc::failed, "cannot run " + program + ": " + text_of_errno(failed)};
    std::string output;
    char part[256];
    for (ssize_t got = 0; output.size() < 4096 && (got = ::read(reader.get(), part, sizeof part)) > 0;)
        output.append(part, static_cast<std::size_t>(got));
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error{Errc::failed, program + " --version failed"};
    return std::string(trim(output));
}

}  // namespace castle::config
