// For the tests with real servers: a data directory, a fence program, a blocking client of its socket, and writers.
// Whatever was started is killed, and every file removed, at the end of each test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fence/place.hpp"
#include "fence/process_tree.hpp"
#include "fence/program/descriptor.hpp"
#include "fence/protocol.hpp"

// A sanitizer's shadow memory says nothing about ours.
#if defined(__has_feature)
#define CASTLE_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define CASTLE_SANITIZED 0
#endif

namespace castle::fence::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

inline BootTime now() {
    return instant().boot;
}

inline bool eventually(Duration limit, const std::function<bool()>& condition) {
    const BootTime end = now() + limit;
    while (!condition()) {
        if (now() >= end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

// Zombies that nobody has reaped yet do not count.
inline bool is_alive(pid_t pid) {
    return process_file_id(pid, "exe").known();
}

// Who runs the fence, and how it kills.
struct Mode {
    const char* name;
    bool as_root;
    bool use_cgroup;
};

inline std::string postgres_program(const std::string& name) {
    const char* configured = std::getenv("CASTLE_TEST_POSTGRES_BIN");
    return (configured != nullptr ? std::string(configured) : "/usr/lib/postgresql/15/bin") + "/" + name;
}

// A child process of the test in a process group of its own.
class Child {
public:
    Child() = default;
    // `user` empty: as ourselves. Standard input and output by pipes.
    Child(std::vector<std::string> command, const std::string& user = {}) {
        if (!user.empty() && ::geteuid() == 0) {
            command.insert(command.begin(), {"setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"});
        }
        int in[2], out[2];
        EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
        EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
        std::vector<char*> arguments;
        for (std::string& text : command) arguments.push_back(text.data());
        arguments.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::setpgid(0, 0);
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            ::dup2(out[1], 2);
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        input_.reset(in[1]);
        output_.reset(out[0]);
    }
    Child(Child&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), input_(std::move(other.input_)), output_(std::move(other.output_)) {}
    ~Child() {
        if (pid_ > 0) {
            ::kill(-pid_, SIGKILL);
            wait();
        }
    }
    int wait() {
        int status = -1;
        if (pid_ > 0) ::waitpid(std::exchange(pid_, 0), &status, 0);
        return status;
    }
    std::string read_all() {
        input_.reset();
        std::string text;
        char buffer[4096];
        ssize_t got = 0;
        while ((got = ::read(output_.get(), buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(got));
        return text;
    }
    pid_t pid() const { return pid_; }
    int input() const { return input_.get(); }
    int output() const { return output_.get(); }

private:
    pid_t pid_ = 0;
    Descriptor input_, output_;
};

struct Finished {
    int status = -1;
    std::string output;
};
inline Finished run(std::vector<std::string> command, const std::string& user = {}) {
    Child child{std::move(command), user};
    std::string output = child.read_all();
    return {child.wait(), std::move(output)};
}

// Speaks to the fence as the agent does, but waits for each answer.
class Agent {
public:
    struct Answered {
        Answer answer = Answer::failed;
        int error = 0;
        std::string step;
        Report report;
    };
    static std::unique_ptr<Agent> connect(const fs::path& runtime, const std::string& member) {
        const Descriptor directory{::open(runtime.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        auto agent = std::make_unique<Agent>();
        agent->socket_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory.get(),
                      socket_name(member).c_str());
        if (::connect(agent->socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            return {};
        return agent;
    }

    Answered ask(
        Kind kind, const std::function<void(Writer&)>& fill = [](Writer&) {}) {
        Writer writer{buffer_, kind, ++sequence_};
        fill(writer);
        const std::string_view packet = writer.packet();
        if (::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return {};
        const BootTime end = now() + 20s;
        while (receive(end)) {
            const auto reader = Reader::parse(last_);
            if (!reader) return {};
            if (reader->kind() != Kind::answer) {
                notifications_.push_back(last_);
                continue;
            }
            if (reader->sequence() != sequence_) continue;
            return {static_cast<Answer>(reader->number(Field::result).value_or(39)),
                    static_cast<int>(reader->number(Field::error).value_or(0)),
                    std::string(reader->text(Field::step).value_or("")), reader->report()};
        }
        return {};
    }
    bool send_only(Kind kind) {
        const std::string_view packet = Writer{buffer_, kind, ++sequence_}.packet();
        return ::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
    }
    Answered arm(std::int64_t epoch, BootTime until, Duration stop_before = {}) {
        return ask(Kind::arm, [&](Writer& w) {
            w.number(Field::epoch, epoch).time(Field::deadline, until).number(Field::stop_before, stop_before.count());
        });
    }
    Answered extend(std::int64_t epoch, BootTime until) {
        return ask(Kind::extend, [&](Writer& w) { w.number(Field::epoch, epoch).time(Field::deadline, until); });
    }
    Answered signal(int number) {
        return ask(Kind::signal_server, [&](Writer& w) { w.number(Field::signal, number); });
    }

    // The next notification of this kind; others are dropped. Its views live until the next call.
    std::optional<Report> wait_for(Kind kind, Duration limit) {
        const BootTime end = now() + limit;
        for (;;) {
            if (!notifications_.empty()) {
                last_ = notifications_.front();
                notifications_.pop_front();
            } else if (!receive(end)) {
                return std::nullopt;
            }
            const auto reader = Reader::parse(last_);
            if (reader && reader->kind() == kind) return reader->report();
        }
    }

private:
    bool receive(BootTime end) {
        pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        const auto left = std::max<std::int64_t>((end - now()).count(), 0);
        if (::poll(&ready, 1, static_cast<int>(left)) != 1) return false;
        const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
        if (got <= 0) return false;
        last_.assign(buffer_.data(), static_cast<std::size_t>(got));
        return true;
    }

    Descriptor socket_;
    std::vector<char> buffer_ = std::vector<char>(packet_size_max);
    std::string last_;
    std::deque<std::string> notifications_;
    std::uint32_t sequence_ = 0;
};

// What PostgreSQL itself may still do in the moment in which it is killed.
inline constexpr Duration tolerance = 50ms;

// Inserts one row after the other into the table acknowledged by psql, and notes when each was acknowledged.
class AckedWriter {
public:
    AckedWriter(std::vector<std::string> psql, int number) : child_(std::move(psql)), number_(number) {
        thread_ = std::thread([this] { work(); });
    }
    ~AckedWriter() {
        if (thread_.joinable()) thread_.join();
    }
    // Ends when the server does.
    void join() { thread_.join(); }
    // Whether its clock tells when an answer came, or only when it was given the processor. Known after join().
    bool punctual() const { return punctual_; }
    BootTime last_acknowledged() const { return last_; }
    std::int64_t acknowledged() const { return count_; }

private:
    void work() {
        const sched_param priority{.sched_priority = 1};
        punctual_ = ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) == 0;
        for (std::int64_t row = 1;; ++row) {
            const std::string sql = "insert into acknowledged values (" + std::to_string(number_) + ", " +
                                    std::to_string(row) + ") returning 'ok'; \n";
            if (::write(child_.input(), sql.data(), sql.size()) < 0) return;
            char answer[256];
            const ssize_t got = ::read(child_.output(), answer, sizeof answer);
            if (got < 3 || std::string_view(answer, 3) != "ok\n") return;
            last_ = now();
            count_ = row;
        }
    }
    Child child_;
    int number_;
    bool punctual_ = false;
    std::thread thread_;
    std::atomic<BootTime> last_{BootTime{}};
    std::atomic<std::int64_t> count_ = 0;
};

class FenceFixture : public ::testing::TestWithParam<Mode> {
protected:
    void SetUp() override {
        const Mode mode = GetParam();
        if (mode.as_root && ::geteuid() != 0) GTEST_SKIP() << "needs root";
        server_user_ = ::geteuid() == 0 ? "postgres" : "";
        fence_user_ = mode.as_root ? "" : server_user_;
        std::string pattern = "/tmp/pgcastle-fence-test-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        fs::create_directory(directory_ / "sockets");
        fs::create_directory(directory_ / "run");
        fs::permissions(directory_ / "run", fs::perms::owner_all);
        // Where an ordinary user can run it, wherever the build directory lies.
        fs::copy_file(CASTLE_FENCE_PROGRAM, directory_ / "pgcastle-fence");
        data_ = directory_ / "data";
        give(directory_, server_user_);
        give(directory_ / "sockets", server_user_);
        give(directory_ / "run", fence_user_);
        ASSERT_EQ(test::run({"cp", "-a", template_directory(server_user_), data_}).status, 0);
        std::ofstream{data_ / "postgresql.conf", std::ios::app}
            << "listen_addresses = ''\nunix_socket_directories = '" << (directory_ / "sockets").string()
            << "'\nshared_buffers = 16MB\nmax_connections = 60\ntrack_commit_timestamp = on\n"
            << "logging_collector = off\nautovacuum_naptime = 1s\n";
    }

    void TearDown() override {
        if (directory_.empty()) return;
        agent_.reset();
        if (fence_ > 0) ::kill(fence_, SIGKILL);
        const auto left = [&] {
            const std::vector<pid_t> pids = server_processes();
            for (const pid_t pid : pids) ::kill(pid, SIGKILL);
            return pids.empty();
        };
        EXPECT_TRUE(eventually(10s, left));
        EXPECT_TRUE(eventually(5s, [&] { return fence_ <= 0 || !is_alive(fence_); }));
        remove_cgroup();
        fs::remove_all(directory_);
    }

    void start_fence(std::vector<std::string> wrapper = {}) {
        std::vector<std::string> command = std::move(wrapper);
        command.insert(command.end(),
                       {directory_ / "pgcastle-fence", "--name", "pg1", "--runtime-dir", directory_ / "run"});
        if (!GetParam().use_cgroup) command.push_back("--no-cgroup");
        const Finished started = test::run(command, fence_user_);
        ASSERT_EQ(started.status, 0) << started.output;
        agent_ = hello();
        ASSERT_TRUE(agent_);
    }
    std::unique_ptr<Agent> hello() {
        auto agent = Agent::connect(directory_ / "run", "pg1");
        if (!agent) return {};
        const auto answer = agent->ask(Kind::hello);
        EXPECT_EQ(answer.answer, Answer::ok);
        fence_ = answer.report.fence;
        return agent;
    }

    Agent::Answered start_server(std::string program = postgres_program("postgres")) {
        return agent_->ask(Kind::start, [&](Writer& writer) {
            writer.text(Field::data_dir, data_.string());
            for (const std::string& text : {program, std::string("-D"), data_.string()})
                writer.text(Field::argument, text);
            writer.text(Field::environment, "LC_ALL=C").text(Field::environment, "PGSYSCONFDIR=/nonexistent");
            if (server_user_.empty()) return;
            const passwd* user = ::getpwnam(server_user_.c_str());
            writer.number(Field::uid, user->pw_uid).number(Field::gid, user->pw_gid).number(Field::group, user->pw_gid);
        });
    }
    void start_server_and_wait() {
        const auto answer = start_server();
        ASSERT_EQ(answer.answer, Answer::ok) << answer.step << " " << answer.error;
        if (!answer.report.cgroup.empty()) cgroup_ = answer.report.cgroup;
        ASSERT_TRUE(accepts_connections(30s));
    }

    std::vector<std::string> psql(std::vector<std::string> arguments = {}) const {
        std::vector<std::string> command{
            postgres_program("psql"), "-qAtX", "-h", directory_ / "sockets", "-U", "postgres", "-d", "postgres"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return command;
    }
    std::string query(const std::string& sql) const {
        std::string output = test::run(psql({"-c", sql})).output;
        while (!output.empty() && output.back() == '\n') output.pop_back();
        return output;
    }
    // Their own processes must not be what is late on a busy machine.
    std::vector<std::string> urgent_psql() const {
        std::vector<std::string> client = psql();
        if (::geteuid() == 0) client.insert(client.begin(), {"chrt", "-f", "1"});
        return client;
    }
    bool accepts_connections(Duration limit) const {
        return eventually(limit, [&] { return query("select 1") == "1"; });
    }

    // initdb takes longer than most tests: done once for all of them, removed when the program ends.
    static fs::path template_directory(const std::string& user) {
        struct Template {
            fs::path path;
            ~Template() { fs::remove_all(path); }
        };
        static Template made;
        if (!made.path.empty()) return made.path / "data";
        std::string pattern = "/tmp/pgcastle-fence-initdb-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) return {};
        made.path = pattern;
        give(made.path, user);
        const Finished initdb = test::run({postgres_program("initdb"), "-D", made.path / "data", "-A", "trust", "-U",
                                           "postgres", "--no-sync", "--no-locale", "-E", "UTF8"},
                                          user);
        EXPECT_EQ(initdb.status, 0) << initdb.output;
        return made.path / "data";
    }

    // Found independently of the code under test: whatever has the data directory as its working directory.
    std::vector<pid_t> server_processes() const {
        std::vector<pid_t> pids;
        const FileId data = file_id(data_.c_str());
        for (const auto& entry : fs::directory_iterator("/proc")) {
            const pid_t pid = std::atoi(entry.path().filename().c_str());
            if (pid > 0 && data.known() && process_file_id(pid, "cwd") == data) pids.push_back(pid);
        }
        return pids;
    }

    static void give(const fs::path& path, const std::string& user) {
        if (user.empty() || ::geteuid() != 0) return;
        const passwd* entry = ::getpwnam(user.c_str());
        ASSERT_NE(entry, nullptr);
        ASSERT_EQ(::chown(path.c_str(), entry->pw_uid, entry->pw_gid), 0);
    }
    void remove_cgroup() const {
        if (!cgroup_.empty()) {
            EXPECT_TRUE(eventually(5s, [&] { return ::rmdir(cgroup_.c_str()) == 0 || errno == ENOENT; }));
        }
    }

    std::string server_user_, fence_user_;
    fs::path directory_, data_;
    std::unique_ptr<Agent> agent_;
    pid_t fence_ = 0;
    std::string cgroup_;
};

inline const Mode modes[] = {{"root_cgroup", true, true}, {"root_enumeration", true, false}, {"user", false, true}};
inline std::string mode_name(const ::testing::TestParamInfo<Mode>& info) {
    return info.param.name;
}

}  // namespace castle::fence::test
