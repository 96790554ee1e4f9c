#include "fence/program/note.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

namespace castle::fence {
namespace {
int log_socket = -1;
}

void open_notes() {
    log_socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void note(const char* format, ...) {
    std::array<char, 512> line;
    int size =
        std::snprintf(line.data(), line.size(), "<%d>pgcastle-fence[%d]: ", LOG_DAEMON | LOG_WARNING, ::getpid());
    va_list arguments;
    va_start(arguments, format);
    size += std::vsnprintf(line.data() + size, line.size() - static_cast<std::size_t>(size), format, arguments);
    va_end(arguments);
    const sockaddr_un log{.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    (void)!::sendto(log_socket, line.data(), std::min(static_cast<std::size_t>(size), line.size() - 1),
                    MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&log), sizeof log);
}

}  // namespace castle::fence
