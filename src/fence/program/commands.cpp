// The Guard's clients: connections, packets, and what each command does.
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "fence/program/guard.hpp"
#include "fence/program/note.hpp"

namespace castle::fence {
namespace {

std::array<char, packet_size_max> incoming;
std::array<char, 16 * 1024> outgoing;

// Arguments and environment as exec wants them: texts that end with a zero, and arrays that end with a null.
class ExecTexts {
public:
    void clear() { size_ = count_ = 0; }
    bool add(std::string_view text) {
        if (count_ >= pointers_.size() - 1 || text.size() + 1 > texts_.size() - size_) return false;
        if (text.find('\0') != text.npos) return false;
        pointers_[count_++] = &texts_[size_];
        text.copy(&texts_[size_], text.size());
        size_ += text.size();
        texts_[size_++] = 0;
        return true;
    }
    char* const* array() {
        pointers_[count_] = nullptr;
        return pointers_.data();
    }
    bool empty() const { return count_ == 0; }

private:
    std::array<char, packet_size_max> texts_{};
    std::array<char*, 4096> pointers_{};
    std::size_t size_ = 0;
    std::size_t count_ = 0;
};
ExecTexts arguments;
ExecTexts environment;

}  // namespace

void Guard::on_connection() {
    Descriptor socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!socket) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
    if (peer.uid != 0 && peer.uid != ::geteuid()) return;
    // Onlookers that hang must not keep the agent out.
    auto place = std::ranges::find_if(clients_, [](const Client& client) { return !client.socket; });
    if (place == clients_.end())
        place = std::ranges::find_if(clients_, [](const Client& client) { return !client.agent; });
    *place = Client{.socket = std::move(socket)};
    abandoned_us_ = 0;
}

void Guard::close(Client& client) {
    client = {};
    if (starter_ == &client) starter_ = nullptr;
    const bool any = std::ranges::any_of(clients_, [](const Client& each) { return static_cast<bool>(each.socket); });
    if (!any) abandoned_us_ = boot_microseconds();
}

void Guard::on_packet(Client& client) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    iovec vector{.iov_base = incoming.data(), .iov_len = incoming.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(client.socket.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return close(client);

    std::array<Descriptor, 2> passed;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        std::array<int, 2> numbers{-1, -1};
        std::memcpy(numbers.data(), CMSG_DATA(header), std::min(header->cmsg_len - CMSG_LEN(0), sizeof numbers));
        for (std::size_t i = 0; i < passed.size(); ++i) passed[i].reset(numbers[i]);
    }
    const auto packet = Reader::parse({incoming.data(), static_cast<std::size_t>(got)});
    if (!packet || (message.msg_flags & MSG_TRUNC) != 0) return close(client);  // not one of ours
    const Reply reply = handle({client, *packet, {passed[0].get(), passed[1].get()}});
    if (!reply.is_later) answer(client, packet->sequence(), reply);
}

void Guard::answer(Client& client, std::uint32_t sequence, const Reply& reply) {
    Writer writer{outgoing, Kind::answer, sequence};
    writer.number(Field::result, reply.answer);
    if (reply.error != 0) writer.number(Field::error, reply.error);
    if (!reply.step.empty()) writer.text(Field::step, reply.step);
    send(client, writer.report(report()).packet());
}

void Guard::tell_all(Kind kind) {
    for (Client& client : clients_) {
        if (client.socket) send(client, Writer{outgoing, kind, 0}.report(report()).packet());
    }
}

// Whoever does not read what it is sent loses its connection; it will find all of it in the next report.
void Guard::send(Client& client, std::string_view packet) {
    const ssize_t sent = ::send(client.socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(packet.size())) close(client);
}

Guard::Reply Guard::handle(const Request& request) {
    const Reader& packet = request.packet;
    if (packet.kind() == Kind::hello) return hello(request.client);
    if (packet.kind() == Kind::status) return {};
    if (!request.client.agent) return {Answer::denied, 0, "say hello first"};
    switch (packet.kind()) {
        case Kind::start: return start(request);
        case Kind::adopt: return adopt(packet);
        case Kind::signal_server: return signal_server(packet);
        case Kind::kill: return {apply(deadline_.kill(instant()))};
        case Kind::arm:
        case Kind::extend: return move_deadline(packet);
        case Kind::disarm: return {apply(deadline_.disarm(instant()))};
        case Kind::add_address:
        case Kind::remove_address: return change_addresses(packet);
        case Kind::watchdog_open: return open_watchdog(packet);
        case Kind::watchdog_close: watchdog_.close(); return {};
        case Kind::end: end_when_gone_ = true; return {};
        default: return {Answer::unsupported};
    }
}

// The newest agent rules. An older one that is still connected was frozen, or is a mistake: it is told, and cut off.
Guard::Reply Guard::hello(Client& client) {
    for (Client& other : clients_) {
        if (!other.agent || &other == &client) continue;
        send(other, Writer{outgoing, Kind::replaced, 0}.packet());
        close(other);
    }
    client.agent = true;
    end_when_gone_ = false;
    return {};
}

Guard::Reply Guard::take_directory(const Reader& packet) {
    const auto path = packet.text(Field::data_dir);
    if (!path) return {Answer::malformed};
    if (ending_) return {Answer::ending};
    on_children();  // whoever asks may have seen the last server end before we were told
    if (killing_ || launching_) return {Answer::busy};
    if (const Answer answer = deadline_.may_start(); answer != Answer::ok) return {answer};
    const int error = server_.take_directory(*path);
    if (error == EWOULDBLOCK) return {Answer::locked};
    if (error != 0) return {Answer::failed, error, "open the data directory"};
    return {};
}

Guard::Reply Guard::start(const Request& request) {
    const Reader& packet = request.packet;
    arguments.clear();
    environment.clear();
    bool fits = true;
    packet.each(Field::argument, [&](std::string_view text) { fits = arguments.add(text) && fits; });
    packet.each(Field::environment, [&](std::string_view text) { fits = environment.add(text) && fits; });
    if (!fits || arguments.empty()) return {Answer::malformed};

    if (const Reply taken = take_directory(packet); taken.answer != Answer::ok) return taken;
    Launch launch{.arguments = arguments.array(), .environment = environment.array()};
    launch.output = request.descriptors[0];
    launch.error = request.descriptors[1];
    const uid_t owner = server_.directory_info().st_uid;
    const auto uid = packet.number(Field::uid).value_or(owner);
    const auto gid = packet.number(Field::gid).value_or(server_.directory_info().st_gid);
    // PostgreSQL runs as the owner of its data directory, and never as root.
    if (uid != owner || owner == 0 || (::geteuid() != 0 && owner != ::geteuid())) {
        server_.leave_directory();
        return {Answer::denied, 0, "the server must run as the owner of the data directory"};
    }
    launch.change_user = ::geteuid() == 0;
    launch.uid = static_cast<uid_t>(uid);
    launch.gid = static_cast<gid_t>(gid);
    packet.each(Field::group, [&](std::string_view bytes) {
        const auto group = read_number(bytes);
        if (group && launch.group_count < launch.groups.size()) {
            launch.groups[launch.group_count++] = static_cast<gid_t>(*group);
        }
    });

    launch_failure_ = {};
    const int error = server_.start(launch);
    if (error == EBUSY && server_.remains()) {
        begin_clearing();
        return {Answer::busy, 0, "what an earlier fence left is being cleared away"};
    }
    if (error != 0) {
        server_.leave_directory();
        return {Answer::failed, error, "start a process"};
    }
    ++starts_;
    launching_ = true;
    starter_ = &request.client;
    start_sequence_ = packet.sequence();
    apply(deadline_.server_started(instant(), server_.pid()));
    return Reply::later();
}

Guard::Reply Guard::adopt(const Reader& packet) {
    const auto pid = packet.number(Field::pid);
    if (!pid || *pid == 0 || *pid > 4'194'304) return {Answer::malformed};
    if (const Reply taken = take_directory(packet); taken.answer != Answer::ok) return taken;
    if (const int error = server_.adopt(static_cast<pid_t>(*pid)); error != 0) {
        server_.leave_directory();
        return {Answer::failed, error, "find that process in that data directory"};
    }
    ++starts_;
    return {apply(deadline_.server_started(instant(), server_.pid()))};
}

Guard::Reply Guard::signal_server(const Reader& packet) {
    constexpr std::array permitted{SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    const auto number = packet.number(Field::signal).value_or(0);
    if (std::ranges::find(permitted, static_cast<int>(number)) == permitted.end()) return {Answer::malformed};
    if (killing_) return {Answer::firing};
    if (server_.pid() == 0) return {Answer::no_server};
    const int error = server_.signal(static_cast<int>(number));
    if (error == ESRCH) return {Answer::no_server};
    return error == 0 ? Reply{} : Reply{Answer::failed, error, "signal the server"};
}

Guard::Reply Guard::move_deadline(const Reader& packet) {
    const auto epoch = packet.number(Field::epoch);
    const auto until = packet.time(Field::deadline);
    if (!epoch || !until) return {Answer::malformed};
    const Revision revision{static_cast<std::int64_t>(*epoch)};
    const auto asked = packet.number(Field::stop_before).value_or(0);
    const Duration stop_before{std::min<std::uint64_t>(asked, 60'000)};
    const Instant now = instant();
    if (packet.kind() == Kind::arm) return {apply(deadline_.arm(now, revision, *until, stop_before))};
    return {apply(deadline_.extend(now, revision, *until, stop_before))};
}

Guard::Reply Guard::change_addresses(const Reader& packet) {
    Reply reply;
    packet.each(Field::address, [&](std::string_view bytes) {
        const auto address = read_address(bytes);
        if (!address || (address->family != AF_INET && address->family != AF_INET6)) {
            reply = {Answer::malformed};
        } else if (packet.kind() == Kind::remove_address) {
            addresses_.remove(*address);
        } else if (!addresses_.add(*address)) {
            reply = {Answer::failed, ENOSPC, "remember so many addresses"};
        }
    });
    return reply;
}

Guard::Reply Guard::open_watchdog(const Reader& packet) {
    const auto device = packet.text(Field::device);
    const auto timeout = packet.number(Field::timeout);
    if (!device || !timeout || *timeout > 86'400) return {Answer::malformed};
    const bool testing = packet.text(Field::driver) == "testing";
    const int error = watchdog_.open(*device, testing, static_cast<int>(*timeout));
    return error == 0 ? Reply{} : Reply{Answer::failed, error, "open the watchdog"};
}

}  // namespace castle::fence
