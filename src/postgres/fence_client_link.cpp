#include "postgres/fence_client_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "fence/place.hpp"

namespace castle::postgres {
namespace {

Error system_error(std::string_view doing, int number) {
    const Errc code = number == ENOENT || number == ECONNREFUSED ? Errc::not_found
                      : number == EACCES || number == EPERM      ? Errc::denied
                                                                 : Errc::failed;
    return Error{code, std::string(doing) + ": " + std::strerror(number)};
}

}  // namespace

Result<std::unique_ptr<FenceLink>> FenceLink::connect(io::Loop& loop, const std::string& directory,
                                                      const std::string& member) {
    const io::Fd place{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!place) return system_error(directory, errno);
    io::Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) return system_error("socket", errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place.get(),
                  fence::socket_name(member).c_str());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return system_error(directory + "/" + fence::socket_name(member), errno);
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return system_error("peer", errno);
    if (peer.uid != 0 && peer.uid != ::geteuid()) {
        return Error{Errc::denied, "the fence of " + member + " belongs to user " + std::to_string(peer.uid)};
    }
    io::Fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0))};
    if (!pidfd) return system_error("the fence has ended", errno == ESRCH ? ENOENT : errno);
    return std::unique_ptr<FenceLink>(new FenceLink(loop, std::move(socket), peer.pid, std::move(pidfd)));
}

FenceLink::FenceLink(io::Loop& loop, io::Fd socket, pid_t fence, io::Fd pidfd)
    : loop_(loop),
      socket_(std::move(socket)),
      fence_(fence),
      pidfd_(std::move(pidfd)),
      buffer_(fence::packet_size_max),
      watch_(std::make_unique<io::FdWatch>(loop, socket_.get())),
      scope_(loop) {}

FenceLink::~FenceLink() {
    close();
}

void FenceLink::close() {
    if (std::exchange(closed_, true)) return;
    auto waiting = std::exchange(waiting_, {});
    for (auto& [sequence, answer] : waiting) {
        answer(Error{Errc::unavailable, "the connection to the fence is gone", Effect::unknown});
    }
    ended_.notify();
}

void FenceLink::start_reading(OnReport on_report) {
    scope_.spawn(read(std::move(on_report)));
}

Task<> FenceLink::read(OnReport on_report) {
    while (!closed_) {
        const ssize_t got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (got > 0) {
            take({buffer_.data(), static_cast<std::size_t>(got)}, on_report);
            continue;
        }
        if (got < 0 && errno == EINTR) continue;
        if (got == 0 || errno != EAGAIN) break;
        auto ready = co_await watch_->ready(io::Want::read, BootTime::max());
        if (!ready) break;
    }
    close();
}

void FenceLink::take(std::string_view bytes, const OnReport& on_report) {
    const auto packet = fence::Reader::parse(bytes);
    if (!packet) return close();  // whatever that is, it is no fence
    FenceReport report{.numbers = packet->report(), .cgroup = {}, .data_dir = {}};
    report.cgroup = std::exchange(report.numbers.cgroup, {});
    report.data_dir = std::exchange(report.numbers.data_dir, {});
    on_report(packet->kind(), report);
    if (packet->kind() != fence::Kind::answer) return;
    const auto found = waiting_.find(packet->sequence());
    if (found == waiting_.end()) return;  // whoever asked has given up
    FenceAnswer answer;
    answer.answer = static_cast<fence::Answer>(
        packet->number(fence::Field::result).value_or(static_cast<std::uint64_t>(fence::Answer::failed)));
    answer.why = name_of(answer.answer);
    if (const auto step = packet->text(fence::Field::step)) answer.why += ": " + std::string(*step);
    if (const auto error = packet->number(fence::Field::error)) {
        answer.why += std::string(": ") + std::strerror(static_cast<int>(*error));
    }
    const auto done = std::move(found->second);
    waiting_.erase(found);
    done(std::move(answer));
}

// A packet goes out whole or not at all. The fence reads all the time: no room for long means that it is frozen.
Status FenceLink::send(std::string_view packet, std::array<int, 2> descriptors) {
    iovec vector{.iov_base = const_cast<char*>(packet.data()), .iov_len = packet.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptors)> control{};
    if (descriptors[0] >= 0 && descriptors[1] >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptors);
        std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof descriptors);
    }
    if (::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Done{};
    if (errno == EAGAIN) return Error{Errc::timed_out, "the fence does not read"};
    return Error{Errc::unavailable, std::string("send to the fence: ") + std::strerror(errno)};
}

Task<Result<FenceAnswer>> FenceLink::ask(std::string packet, BootTime deadline, std::array<int, 2> descriptors) {
    if (closed_) co_return Error{Errc::unavailable, "the connection to the fence is gone"};
    const std::uint32_t sequence = ++sequence_;
    fence::set_sequence(packet, sequence);
    CASTLE_CO_CHECK(send(packet, descriptors));
    Completion<Result<FenceAnswer>> completion;
    waiting_.emplace(sequence, completion.setter());
    auto answer = co_await wait_for(loop_, completion, deadline);
    // Not to be touched any more if it was the end of this link that ended the wait: then it has answered.
    if (answer) co_return std::move(*answer);
    waiting_.erase(sequence);
    co_return Error{Errc::timed_out, "the fence does not answer", Effect::unknown};
}

}  // namespace castle::postgres
