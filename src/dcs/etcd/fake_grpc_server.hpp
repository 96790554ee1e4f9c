// For tests: the server's side of a gRPC connection without a socket, which does as the test says.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "wire/grpc_frame.hpp"

namespace castle::dcs::testing {

class FakeGrpcServer {
public:
    struct Reply {
        enum class How { answer, silence, refuse, reset, go_away, http_error, no_status };
        How how = How::answer;
        std::string body;  // framed messages, or whatever
        int code = 0;
        std::string message;
        Duration after{};  // only then; the owner of this object sees to it: take_due(), submit()
    };
    // Asked for each call once its body is complete.
    using Handler = std::function<Reply(const std::string& path, const std::string& body)>;

    explicit FakeGrpcServer(Handler handler) : handler_(std::move(handler)) {
        nghttp2_session_callbacks* callbacks = nullptr;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_server_new(&session_, callbacks, this);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    }
    FakeGrpcServer(const FakeGrpcServer&) = delete;
    FakeGrpcServer& operator=(const FakeGrpcServer&) = delete;
    ~FakeGrpcServer() { nghttp2_session_del(session_); }

    bool receive(std::string_view bytes) {
        return nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()) >=
               0;
    }
    std::string take_output() {
        std::string output;
        const std::uint8_t* bytes = nullptr;
        for (ssize_t size; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;)
            output.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        return output;
    }
    const std::map<std::string, std::string>& headers(int stream) { return calls_[stream].headers; }
    // Calls whose answers are to come later.
    std::vector<std::pair<int, Duration>> take_due() { return std::exchange(due_, {}); }
    void submit(std::int32_t id) {
        const nghttp2_nv headers[] = {header(":status", calls_[id].reply.how == Reply::How::http_error ? "503" : "200"),
                                      header("content-type", "application/grpc")};
        nghttp2_data_provider body{};
        body.read_callback = read_body;
        nghttp2_submit_response(session_, id, headers, 2, &body);
    }
    std::string token() { return calls_[asked_].headers["token"]; }  // of the call that the handler is asked for
    int calls() const { return static_cast<int>(calls_.size()); }

private:
    struct Called {
        std::map<std::string, std::string> headers;
        std::string body;
        Reply reply;
    };

    static FakeGrpcServer& self(void* data) { return *static_cast<FakeGrpcServer*>(data); }
    static std::string text(const std::uint8_t* bytes, std::size_t size) {
        return {reinterpret_cast<const char*>(bytes), size};
    }
    static nghttp2_nv header(std::string_view name, std::string_view value) {
        return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0};
    }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                         const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* data) {
        self(data).calls_[frame->hd.stream_id].headers[text(name, name_size)] = text(value, value_size);
        return 0;
    }
    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                       void* data) {
        self(data).calls_[id].body += text(bytes, size);
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        const bool of_call = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
        if (of_call && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) self(data).answer(frame->hd.stream_id);
        return 0;
    }
    static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t size,
                             std::uint32_t* flags, nghttp2_data_source*, void* data) {
        Called& call = self(data).calls_[id];
        const std::size_t taken = std::min(size, call.reply.body.size());
        std::memcpy(buffer, call.reply.body.data(), taken);
        call.reply.body.erase(0, taken);
        if (!call.reply.body.empty()) return static_cast<ssize_t>(taken);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call.reply.how == Reply::How::answer) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            const std::string code = std::to_string(call.reply.code);
            const nghttp2_nv trailers[] = {header("grpc-status", code), header("grpc-message", call.reply.message)};
            nghttp2_submit_trailer(session, id, trailers, 2);
        }
        return static_cast<ssize_t>(taken);
    }
    void answer(std::int32_t id) {
        Called& call = calls_[id];
        asked_ = id;
        call.reply = handler_(call.headers[":path"], call.body);
        using How = Reply::How;
        switch (call.reply.how) {
            case How::silence: return;
            case How::refuse:
                nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
                return;
            case How::reset: nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR); return;
            case How::go_away:
                nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
                return;
            default: break;
        }
        if (call.reply.after != Duration{}) return due_.emplace_back(id, call.reply.after), void();
        submit(id);
    }

    Handler handler_;
    nghttp2_session* session_ = nullptr;
    std::map<int, Called> calls_;
    int asked_ = 0;
    std::vector<std::pair<int, Duration>> due_;
};

}  // namespace castle::dcs::testing
