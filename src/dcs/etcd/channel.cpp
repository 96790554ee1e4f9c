#include "dcs/etcd/channel.hpp"

#include <algorithm>
#include <vector>

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

constexpr Duration quiet_max = 500ms;  // owed an answer and nothing heard for so long: ping
constexpr Duration pong_max = 500ms;   // and nothing heard for so long after that: lost
constexpr Duration look_max = 1s;      // how long a waiting call leaves that alone
constexpr Duration fresh = 100ms;      // heard of so recently, a server counts as alive without asking
// etcd lets a client ping every 5 s, and forgives two pings between its own answers.
constexpr Duration ping_distance = 5500ms;
constexpr int pings_forgiven = 2;
constexpr Duration write_max = 10s;

}  // namespace

Task<Result<ChannelPtr>> Channel::connect(io::Loop& loop, io::Endpoint to, std::shared_ptr<const io::TlsContext> tls,
                                          BootTime deadline) {
    CASTLE_CO_TRY(io::StreamPtr stream, co_await io::connect(loop, to, tls, deadline));
    auto channel = std::make_shared<Channel>(loop, std::move(stream), to.text());
    GrpcSession& session = channel->session_;
    while (!session.established() && !channel->lost_) {
        const bool changed = co_await wait_past(loop, session.changed(), session.changed().count(), deadline);
        if (!changed) co_return Error{Errc::timed_out, "it accepts connections and does not answer"};
    }
    if (channel->lost_) co_return Error{Errc::unavailable, channel->lost_why_};
    co_return channel;
}

Channel::Channel(io::Loop& loop, io::StreamPtr stream, std::string authority)
    : loop_(loop),
      stream_(std::move(stream)),
      session_(std::move(authority), stream_->secure()),
      heard_at_(loop.now()),
      scope_(loop) {
    scope_.spawn(read_all());
    scope_.spawn(write_all());
    flush();
}

Channel::~Channel() {
    lose("closed");
}

Task<Result<GrpcReply>> Channel::unary(ChannelPtr channel, std::string path, Metadata metadata, std::string message,
                                       BootTime deadline) {
    const Duration left = deadline - channel->loop_.now();
    if (left <= Duration{0}) co_return Error{Errc::timed_out, "no time left"};
    metadata.emplace_back("grpc-timeout", wire::grpc_timeout(left));
    Call call(channel, path, metadata);
    call.send(message, true);
    GrpcReply reply;
    bool answered = false;
    while (true) {
        auto next = co_await call.next(deadline);
        if (!next && call.ended_with() && !call.ended_with()->untouched && !channel->lost_) {
            reply.status = call.ended_with()->status;  // the server's own word
            co_return reply;
        }
        if (!next) co_return std::move(next).error();
        if (!*next) {
            if (!answered) reply.status = {wire::GrpcCode::internal, "the answer has no message"};
            co_return reply;
        }
        reply.message = std::move(**next);
        answered = true;
    }
}

Task<Status> Channel::check_alive(ChannelPtr channel, BootTime deadline) {
    if (channel->loop_.now() - channel->heard_at_ < fresh) co_return Done{};
    GrpcSession& session = channel->session_;
    // Before the first call a server may not even look at a ping.
    if (!session.used()) {
        channel->lose("an idle connection, too old to be trusted");
        co_return Error{Errc::unavailable, channel->lost_why_};
    }
    if (session.pings_since_answer() < pings_forgiven) {
        session.ping();
        channel->pinged_at_ = channel->loop_.now();
        channel->flush();
    }
    const BootTime asked = channel->loop_.now();
    while (channel->usable() && channel->heard_at_ < asked) {
        const bool changed = co_await wait_past(channel->loop_, session.changed(), session.changed().count(), deadline);
        if (!changed) {
            channel->lose("it does not answer");
            break;
        }
    }
    if (!channel->usable()) co_return Error{Errc::unavailable, channel->lost_why_};
    co_return Done{};
}

void Channel::lose(const std::string& why) {
    if (std::exchange(lost_, true)) return;
    lost_why_ = why;
    session_.fail(why);
    stream_->close();
}

void Channel::flush() {
    output_ += session_.take_output();
    if (!output_.empty()) output_ready_.notify();
}

BootTime Channel::check_pulse() {
    const BootTime now = loop_.now();
    if (lost_ || now - heard_at_ < quiet_max) return heard_at_ + quiet_max;
    if (pinged_at_ > heard_at_) {
        if (now - pinged_at_ >= pong_max) lose("it does not answer");
        return pinged_at_ + pong_max;
    }
    const bool may_ping = session_.pings_since_answer() < pings_forgiven || now - pinged_at_ >= ping_distance;
    if (!may_ping) return std::min(pinged_at_ + ping_distance, now + look_max);
    pinged_at_ = now;
    session_.ping();
    flush();
    return now + pong_max;
}

Task<> Channel::read_all() {
    std::vector<char> buffer(16384);
    while (!lost_) {
        auto size = co_await stream_->read_some(buffer, BootTime::max());
        if (!size) {
            lose(size.error().message);
        } else if (*size == 0) {
            lose("it has closed the connection");
        } else {
            heard_at_ = loop_.now();
            const auto status = session_.receive({buffer.data(), *size});
            if (!status) lose(status.error().message);
            flush();
        }
    }
}

Task<> Channel::write_all() {
    while (!lost_) {
        if (output_.empty()) {
            co_await wait_past(loop_, output_ready_, output_ready_.count(), BootTime::max());
            continue;
        }
        const std::string bytes = std::exchange(output_, {});
        const auto written = co_await stream_->write_all(bytes, loop_.now() + write_max);
        if (!written) lose(written.error().message);
    }
}

Call::Call(ChannelPtr channel, std::string_view path, const Metadata& metadata)
    : channel_(std::move(channel)), stream_(channel_->session_.open(path, metadata)) {}

Call::~Call() {
    if (!channel_) return;
    channel_->session_.cancel(stream_);
    channel_->flush();
}

void Call::send(std::string_view message, bool last) {
    channel_->session_.send(stream_, message, last);
    channel_->flush();
}

Task<Result<std::optional<std::string>>> Call::next(BootTime deadline) {
    BootTime look = channel_->loop_.now() + quiet_max;
    while (stream_->messages.empty() && !stream_->end) {
        const BootTime now = channel_->loop_.now();
        if (now >= deadline) co_return Error{Errc::timed_out, "no answer in time", Effect::unknown};
        if (now >= look) look = channel_->check_pulse();
        if (stream_->end) break;
        co_await wait_past(channel_->loop_, stream_->changed, stream_->changed.count(), std::min(deadline, look));
    }
    if (!stream_->messages.empty()) {
        std::string message = std::move(stream_->messages.front());
        stream_->messages.pop_front();
        co_return std::optional(std::move(message));
    }
    if (stream_->end->status.ok()) co_return std::optional<std::string>{};
    co_return Error{Errc::unavailable, stream_->end->status.message,
                    stream_->end->untouched ? Effect::none : Effect::unknown};
}

}  // namespace castle::dcs
