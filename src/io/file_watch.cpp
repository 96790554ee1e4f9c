#include "io/file_watch.hpp"

#include <sys/inotify.h>

#include <cerrno>
#include <cstring>

#include "io/address.hpp"
#include "io/fd.hpp"
#include "io/ready.hpp"

namespace castle::io {

struct FileWatch::State {
    State(Loop& on, Fd inotify, std::string only)
        : fd(std::move(inotify)), name(std::move(only)), watch(on, fd.get()), reading(on) {
        reading.spawn(read(*this));
    }

    Fd fd;
    std::string name;
    FdWatch watch;
    Signal changed;
    bool lost = false;
    Scope reading;

    bool concerns(const inotify_event& event) {
        if (event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) lost = true;
        if (lost || (event.mask & IN_Q_OVERFLOW)) return true;
        return name.empty() || (event.len > 0 && name == event.name);
    }

    static Task<> read(State& state) {
        alignas(inotify_event) char buffer[16384];
        for (;;) {
            const auto size = ::read(state.fd.get(), buffer, sizeof buffer);
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) {
                auto ready = co_await state.watch.ready(Want::read, BootTime::max());
                if (!ready) co_return;
                continue;
            }
            bool any = false;
            for (ssize_t at = 0; at < size;) {
                const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
                any |= state.concerns(event);
                at += static_cast<ssize_t>(sizeof event + event.len);
            }
            if (any) state.changed.notify();
        }
    }
};

FileWatch::FileWatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileWatch::~FileWatch() = default;

Result<std::unique_ptr<FileWatch>> FileWatch::start(Loop& loop, const std::string& directory, std::string name) {
    Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    constexpr std::uint32_t events = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM |
                                     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    if (!fd || ::inotify_add_watch(fd.get(), directory.c_str(), events) < 0) {
        const Errc code = errno == ENOENT ? Errc::not_found : Errc::failed;
        return Error{code, "watch " + directory + ": " + errno_text(errno)};
    }
    return std::unique_ptr<FileWatch>(new FileWatch(std::make_unique<State>(loop, std::move(fd), std::move(name))));
}

Signal& FileWatch::changed() {
    return state_->changed;
}
bool FileWatch::lost() const {
    return state_->lost;
}

}  // namespace castle::io
