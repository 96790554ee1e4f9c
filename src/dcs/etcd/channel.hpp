// A living connection to one etcd endpoint. Calls on it are coroutines with exact deadlines; a server that has stopped
// answering is noticed while anything is owed by it, and then every call ends at once.
//
// All on the loop's thread. Channels are shared: a call keeps its channel.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "dcs/etcd/grpc_session.hpp"
#include "io/stream.hpp"
#include "task/scope.hpp"

namespace castle::dcs {

class Channel;
using ChannelPtr = std::shared_ptr<Channel>;

struct GrpcReply {
    std::string message;  // if the status is ok
    wire::GrpcStatus status;
};

class Channel {
public:
    // Connects and waits for the first sign of life: a frozen process accepts connections too, in the kernel.
    static Task<Result<ChannelPtr>> connect(io::Loop& loop, io::Endpoint to, std::shared_ptr<const io::TlsContext> tls,
                                            BootTime deadline);
    Channel(io::Loop& loop, io::StreamPtr stream, std::string authority);
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    // One message there, one back. An error has Effect::none only if the server surely did not begin.
    static Task<Result<GrpcReply>> unary(ChannelPtr channel, std::string path, Metadata metadata, std::string message,
                                         BootTime deadline);

    // Makes sure that the server is alive before something is sent that must not be sent twice.
    static Task<Status> check_alive(ChannelPtr channel, BootTime deadline);

    bool usable() const { return !lost_ && !session_.going_away(); }
    void lose(const std::string& why);  // closes the connection and ends its calls; no effect the second time

private:
    friend class Call;
    void flush();
    BootTime check_pulse();  // while an answer is owed; says when to call again
    Task<> read_all();
    Task<> write_all();

    io::Loop& loop_;
    io::StreamPtr stream_;
    GrpcSession session_;
    std::string output_;
    Signal output_ready_;
    bool lost_ = false;
    std::string lost_why_;
    BootTime heard_at_;
    BootTime pinged_at_{};
    Scope scope_;
};

// A call of any number of messages both ways. Cancelled on destruction.
class Call {
public:
    Call(ChannelPtr channel, std::string_view path, const Metadata& metadata);
    Call(Call&&) noexcept = default;
    Call& operator=(Call&&) = delete;
    ~Call();

    void send(std::string_view message, bool last);

    // The next message; nothing if the call has ended well; Errc::timed_out at the deadline (the call goes on);
    // Errc::unavailable with the status in ended_with() if the call failed. A server that is silent on the whole
    // connection is pinged, as often as etcd allows, and lost if it does not answer that.
    Task<Result<std::optional<std::string>>> next(BootTime deadline);

    const std::optional<GrpcStream::End>& ended_with() const { return stream_->end; }
    const ChannelPtr& channel() const { return channel_; }

private:
    ChannelPtr channel_;
    GrpcStreamPtr stream_;
};

}  // namespace castle::dcs
