#include "io/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <mutex>

namespace castle::io {
namespace {

constexpr rlim_t wanted = 65'536;
rlimit before{};
bool raised = false;

void raise() {
    if (::getrlimit(RLIMIT_NOFILE, &before) != 0 || before.rlim_cur >= wanted) return;
    rlimit more = before;
    more.rlim_cur = std::min(wanted, before.rlim_max);
    raised = ::setrlimit(RLIMIT_NOFILE, &more) == 0;
}

}  // namespace

void raise_descriptor_limit() {
    static std::once_flag once;
    std::call_once(once, raise);
}

void restore_descriptor_limit() {
    if (raised) ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace castle::io
