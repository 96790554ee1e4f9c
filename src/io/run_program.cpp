#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "io/address.hpp"
#include "io/process_impl.hpp"

namespace castle::io {
namespace {

constexpr std::size_t line_max = 64 << 10;
constexpr int reads_after_the_end = 1024;  // a grandchild may go on writing for ever

// One of the child's two streams.
struct Collector {
    Output which;
    int fd;
    const RunLimits& limits;
    std::string kept;
    std::string line;
    bool ended = false;

    // False when there is nothing now.
    bool read_some() {
        char buffer[16384];
        const auto size = ::read(fd, buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) return true;
        if (size == 0 || (size < 0 && errno != EAGAIN)) ended = true;
        if (size <= 0) return false;
        take({buffer, static_cast<std::size_t>(size)});
        return true;
    }

    void take(std::string_view text) {
        if (kept.size() < limits.output_max) kept += text.substr(0, limits.output_max - kept.size());
        for (const char c : text) {
            if (c == '\n' || c == '\r' || line.size() >= line_max) end_line();
            if (c != '\n' && c != '\r') line += c;
        }
    }

    void end_line() {
        if (limits.on_line && !line.empty()) limits.on_line(which, line);
        line.clear();
    }
};

Task<> collect(Loop& loop, Collector& from) {
    FdWatch watch(loop, from.fd);
    while (!from.ended) {
        if (from.read_some()) continue;
        if (from.ended) break;
        auto ready = co_await watch.ready(Want::read, BootTime::max());
        if (!ready) co_return;
    }
}

Task<> feed(Loop& loop, Fd& to, std::string_view input) {
    FdWatch watch(loop, to.get());
    while (!input.empty()) {
        const auto size = ::write(to.get(), input.data(), input.size());
        if (size >= 0) {
            input.remove_prefix(static_cast<std::size_t>(size));
        } else if (errno == EAGAIN) {
            auto ready = co_await watch.ready(Want::write, BootTime::max());
            if (!ready) co_return;
        } else if (errno != EINTR) {
            break;  // it does not want to read on
        }
    }
}
Task<> feed_and_close(Loop& loop, Fd& to, std::string_view input) {
    co_await feed(loop, to, input);
    to.reset();
}

Error in_words(Error error, const SpawnOptions& options, const std::string& said) {
    const std::string program = options.argv[0].substr(options.argv[0].rfind('/') + 1);
    std::string text =
        program + (error.code == Errc::timed_out ? " did not end in time and was killed" : " was cancelled and killed");
    auto end = said.find_last_not_of("\r\n");
    if (end != said.npos) {
        const auto begin = said.find_last_of("\r\n", end);
        text += "; it last said: " +
                said.substr(begin == said.npos ? 0 : begin + 1, end - (begin == said.npos ? -1 : begin));
    }
    return {error.code, text, Effect::unknown};
}

}  // namespace

Task<Result<Finished>> run_program(Loop& loop, SpawnOptions options, RunLimits limits) {
    options.capture = true;
    options.output_file.clear();
    CASTLE_CO_TRY(const std::unique_ptr<Process> process, co_await Process::start(loop, options));
    auto& state = process->state();
    Collector out{Output::out, state.out.get(), limits, {}, {}};
    Collector err{Output::err, state.err.get(), limits, {}, {}};
    std::optional<Result<ExitStatus>> status;
    {
        Scope scope(loop);
        scope.spawn(collect(loop, out));
        scope.spawn(collect(loop, err));
        if (state.input) scope.spawn(feed_and_close(loop, state.input, options.input));
        status = co_await process->wait(limits.deadline, limits.cancel);
        if (!*status) {
            auto killed = co_await process->terminate(limits.grace);
            if (!killed) co_return std::move(killed).error();
        }
    }
    // What it wrote is in the pipes by now; who else may hold them open is not waited for.
    for (auto* stream : {&out, &err}) {
        for (int i = 0; i < reads_after_the_end && !stream->ended && stream->read_some(); ++i) {
        }
        stream->end_line();
    }
    if (!*status) co_return in_words(std::move(*status).error(), options, err.kept);
    co_return Finished{**status, std::move(out.kept), std::move(err.kept)};
}

}  // namespace castle::io
