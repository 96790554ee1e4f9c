// From options to a running program. Between fork and exec only calls are made that are safe there: the workers may
// hold any lock, so the child must not allocate.
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "io/address.hpp"
#include "io/descriptor_limit.hpp"
#include "io/process_impl.hpp"

extern char** environ;

namespace castle::io {
namespace {

enum class Stage : int { user, directory, program };
struct Trouble {
    Stage stage;
    int error;
};

struct Pipe {
    Fd read;
    Fd write;
};

// Never 0, 1 or 2, which dup2 is about to replace.
Fd above_stdio(int fd) {
    if (fd < 0 || fd > 2) return Fd(fd);
    const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    ::close(fd);
    return Fd(moved);
}

Result<Pipe> make_pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return Error{Errc::unavailable, "cannot make a pipe: " + errno_text(errno)};
    return Pipe{above_stdio(fds[0]), above_stdio(fds[1])};
}

void unblock(const Fd& fd) {
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

std::string find_program(const std::string& name) {
    if (name.find('/') != name.npos) return name;
    const char* path = ::getenv("PATH");
    for (const auto& directory : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
        const std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return name;
}

std::vector<std::string> make_environment(const SpawnOptions& options) {
    std::vector<std::string> all;
    for (char** each = environ; each && *each; ++each) {
        const std::string_view entry = *each;
        if (!options.env.contains(std::string(entry.substr(0, entry.find('='))))) all.emplace_back(entry);
    }
    for (const auto& [name, value] : options.env)
        if (value) all.push_back(name + "=" + *value);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

// Everything the child needs, laid out before the fork.
struct Plan {
    std::string program;
    std::vector<char*> argv;
    std::vector<char*> envp;
    const SpawnOptions* options;
    bool change_user;
    pid_t parent;
    int in, out, err, trouble;  // -1: stays as it is
};

[[noreturn]] void fail(const Plan& plan, Stage stage) {
    const Trouble trouble{stage, errno};
    [[maybe_unused]] const auto ignored = ::write(plan.trouble, &trouble, sizeof trouble);
    ::_exit(127);
}

[[noreturn]] void become(const Plan& plan) {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    restore_descriptor_limit();
    if (plan.options->new_session)
        ::setsid();
    else
        ::setpgid(0, 0);
    if (plan.in >= 0) ::dup2(plan.in, 0);
    if (plan.out >= 0) ::dup2(plan.out, 1);
    if (plan.err >= 0) ::dup2(plan.err, 2);
    ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    for (const int fd : plan.options->inherit) ::fcntl(fd, F_SETFD, 0);
    if (plan.change_user) {
        const User& user = *plan.options->run_as;
        if (::setgroups(user.groups.size(), user.groups.data()) != 0 || ::setgid(user.gid) != 0 ||
            ::setuid(user.uid) != 0)
            fail(plan, Stage::user);
    }
    if (!plan.options->cwd.empty() && ::chdir(plan.options->cwd.c_str()) != 0) fail(plan, Stage::directory);
    if (plan.options->die_with_parent) {
        // A change of credentials clears it, so not earlier; the parent may have died meanwhile.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != plan.parent) ::_exit(127);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
    fail(plan, Stage::program);
}

// Signals stay blocked until the child has taken our handlers off, which would otherwise write into our pipes.
pid_t fork_quietly(const Plan& plan) {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) become(plan);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
}

Error describe(const Trouble& trouble, const SpawnOptions& options) {
    const std::string why = ": " + errno_text(trouble.error);
    switch (trouble.stage) {
        case Stage::user: return {Errc::denied, "run " + options.argv[0] + " as user " + options.run_as->name + why};
        case Stage::directory: return {Errc::failed, "run " + options.argv[0] + " in " + options.cwd + why};
        case Stage::program: break;
    }
    const Errc code = trouble.error == ENOENT ? Errc::not_found : trouble.error == EACCES ? Errc::denied : Errc::failed;
    return {code, "run " + options.argv[0] + why};
}

}  // namespace

Task<Result<std::unique_ptr<Process>>> Process::start(Loop& loop, SpawnOptions options) {
    CASTLE_ASSERT(!options.argv.empty());
    CASTLE_CO_TRY(Pipe trouble, make_pipe());
    Pipe in, out, err;
    if (options.input.empty()) {
        in.read = above_stdio(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    } else {
        CASTLE_CO_TRY(in, make_pipe());
        unblock(in.write);
    }
    if (!options.output_file.empty()) {
        out.write = above_stdio(::open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (!out.write) co_return Error{Errc::failed, "open " + options.output_file + ": " + errno_text(errno)};
        err.write = above_stdio(::fcntl(out.write.get(), F_DUPFD_CLOEXEC, 3));
    } else if (options.capture) {
        CASTLE_CO_TRY(out, make_pipe());
        CASTLE_CO_TRY(err, make_pipe());
        unblock(out.read);
        unblock(err.read);
    }
    unblock(trouble.read);
    auto arguments = options.argv;
    auto environment = make_environment(options);
    const Plan plan{.program = find_program(options.argv[0]),
                    .argv = pointers(arguments),
                    .envp = pointers(environment),
                    .options = &options,
                    .change_user = options.run_as && options.run_as->uid != ::geteuid(),
                    .parent = ::getpid(),
                    .in = in.read.get(),
                    .out = out.write.get(),
                    .err = err.write.get(),
                    .trouble = trouble.write.get()};
    const pid_t pid = fork_quietly(plan);
    if (pid < 0) co_return Error{Errc::unavailable, "run " + options.argv[0] + ": fork: " + errno_text(errno)};
    // Whoever comes first, so that signal_group() works from now on. (The leader of a group could not leave its
    // session.)
    if (!options.new_session) ::setpgid(pid, pid);
    Fd pidfd(open_pidfd(pid));
    CASTLE_ASSERT(pidfd);
    auto state = std::make_shared<State>(loop, std::move(pidfd), pid);
    state->input = std::move(in.write);
    state->out = std::move(out.read);
    state->err = std::move(err.read);
    auto process = std::unique_ptr<Process>(new Process(state));
    trouble.write.reset();
    // The pipe closes when the program runs, or brings what prevented it.
    Trouble what{};
    for (;;) {
        const auto size = ::read(trouble.read.get(), &what, sizeof what);
        if (size == 0) break;
        if (size == sizeof what) {
            [[maybe_unused]] const auto ended = co_await process->wait(BootTime::max());
            co_return describe(what, options);
        }
        if (errno == EAGAIN) CASTLE_CO_CHECK(co_await wait_readable(loop, trouble.read.get(), BootTime::max()));
    }
    co_return process;
}

}  // namespace castle::io
