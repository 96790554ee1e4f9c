// One HTTP/2 connection that carries gRPC calls, client side, without its socket: what has arrived goes in by
// receive(), what is to be sent comes out of take_output(). nghttp2 does the framing.
//
// Whoever drives it (channel.hpp; in the tests, another nghttp2 session) calls take_output() after everything that may
// have produced some. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "task/wait.hpp"
#include "wire/grpc_frame.hpp"

struct nghttp2_session;

namespace castle::dcs {

using Metadata = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// One call, as far as it has gone. Filled by the session, read by the caller.
struct GrpcStream {
    struct End {
        wire::GrpcStatus status;
        bool untouched = false;  // the server surely did not begin with it
    };
    std::deque<std::string> messages;  // arrived and not yet taken
    std::optional<End> end;            // nothing more will come
    Signal changed;

private:
    friend class GrpcSession;
    std::int32_t id = 0;
    std::string outgoing;
    bool half_closed = false;  // no more messages from us after `outgoing`
    wire::GrpcReader reader;
    int http_status = 0;
    std::optional<std::string> grpc_status;
    std::string grpc_message;
};
using GrpcStreamPtr = std::shared_ptr<GrpcStream>;

class GrpcSession {
public:
    GrpcSession(std::string authority, bool secure);
    GrpcSession(const GrpcSession&) = delete;
    GrpcSession& operator=(const GrpcSession&) = delete;
    ~GrpcSession();

    // Begins a call. If the session takes no more, the stream has ended untouched.
    GrpcStreamPtr open(std::string_view path, const Metadata& metadata);
    void send(const GrpcStreamPtr& stream, std::string_view message, bool last);
    void cancel(const GrpcStreamPtr& stream);  // also forgets it; no effect on a stream that has ended
    void ping();

    // An error means that the connection cannot be used any more: call fail() and close it.
    Status receive(std::string_view bytes);
    std::string take_output();

    // Ends all streams: the connection is lost. Those that were sent may have been acted on.
    void fail(const std::string& why);

    bool established() const { return established_; }  // the server's first SETTINGS have come: it is alive
    bool going_away() const { return going_away_; }    // or failed: takes no new streams
    std::size_t streams() const { return streams_.size(); }
    bool used() const { return used_; }  // a stream has been opened
    std::uint64_t pongs() const { return pongs_; }
    // Servers of gRPC cut off whom they find pinging too much; they forget when they have sent something.
    int pings_since_answer() const { return pings_since_answer_; }
    Signal& changed() { return changed_; }  // established, pong, going away

private:
    struct Callbacks;
    GrpcStreamPtr find(std::int32_t id) const;
    void end(std::int32_t id, GrpcStream::End how);

    std::string authority_;
    bool secure_;
    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, GrpcStreamPtr> streams_;
    bool established_ = false;
    bool going_away_ = false;
    bool used_ = false;
    std::uint64_t pongs_ = 0;
    int pings_since_answer_ = 0;
    Signal changed_;
};

}  // namespace castle::dcs
