#include "dcs/etcd/grpc_session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.hpp"

namespace castle::dcs {
namespace {

// Room for an answer of the usual size without waiting for our window updates.
constexpr std::uint32_t window_bytes = 1u << 20;

nghttp2_nv header(std::string_view name, std::string_view value) {
    // nghttp2 copies both; its type lacks the const.
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
}

std::string reset_text(std::uint32_t code) {
    return std::string("stream reset: ") + nghttp2_http2_strerror(code);
}

}  // namespace

struct GrpcSession::Callbacks {
    static GrpcSession& self(void* data) { return *static_cast<GrpcSession*>(data); }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                         const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* data) {
        const auto stream = self(data).find(frame->hd.stream_id);
        if (!stream) return 0;
        const std::string_view key(reinterpret_cast<const char*>(name), name_size);
        const std::string_view text(reinterpret_cast<const char*>(value), value_size);
        if (key == ":status") {
            const auto number = parse_uint(text);
            stream->http_status = number ? static_cast<int>(*number) : 0;
        } else if (key == "grpc-status") {
            stream->grpc_status = std::string(text);
        } else if (key == "grpc-message") {
            stream->grpc_message = std::string(text);
        }
        return 0;
    }

    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                       void* data) {
        const auto stream = self(data).find(id);
        if (!stream) return 0;
        stream->reader.feed({reinterpret_cast<const char*>(bytes), size});
        while (true) {
            auto message = stream->reader.next();
            if (!message) {
                const std::string why = message.error().message;
                self(data).cancel(stream);
                stream->end = GrpcStream::End{{wire::GrpcCode::internal, why}, false};
                break;
            }
            if (!*message) break;
            stream->messages.push_back(std::move(**message));
        }
        stream->changed.notify();
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        GrpcSession& session = self(data);
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
            case NGHTTP2_DATA: session.pings_since_answer_ = 0; break;
            case NGHTTP2_SETTINGS:
                if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) session.established_ = true;
                session.changed_.notify();
                break;
            case NGHTTP2_PING:
                if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
                    ++session.pongs_;
                    session.changed_.notify();
                }
                break;
            case NGHTTP2_GOAWAY:
                session.going_away_ = true;
                session.changed_.notify();
                break;
            default: break;
        }
        return 0;
    }

    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* data) {
        GrpcSession& session = self(data);
        const auto stream = session.find(id);
        if (!stream) return 0;
        if (code == NGHTTP2_REFUSED_STREAM) {
            session.end(id, {{wire::GrpcCode::unavailable, "the server takes no more calls on this connection"}, true});
        } else if (code != NGHTTP2_NO_ERROR && !stream->grpc_status) {
            session.end(id, {{wire::GrpcCode::unavailable, reset_text(code)}, false});
        } else if (stream->grpc_status && stream->reader.in_the_middle()) {
            session.end(id, {{wire::GrpcCode::internal, "the answer ended inside a message"}, false});
        } else {
            session.end(id, {wire::grpc_status(stream->http_status, stream->grpc_status, stream->grpc_message), false});
        }
        return 0;
    }

    static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* buffer, std::size_t size,
                             std::uint32_t* flags, nghttp2_data_source*, void* data) {
        const auto stream = self(data).find(id);
        if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        const std::size_t taken = std::min(size, stream->outgoing.size());
        std::memcpy(buffer, stream->outgoing.data(), taken);
        stream->outgoing.erase(0, taken);
        if (stream->outgoing.empty() && stream->half_closed) *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (taken == 0 && !stream->half_closed) return NGHTTP2_ERR_DEFERRED;
        return static_cast<ssize_t>(taken);
    }
};

GrpcSession::GrpcSession(std::string authority, bool secure) : authority_(std::move(authority)), secure_(secure) {
    nghttp2_session_callbacks* callbacks = nullptr;
    CASTLE_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
    CASTLE_ASSERT(nghttp2_session_client_new(&session_, callbacks, this) == 0);
    nghttp2_session_callbacks_del(callbacks);

    const std::array<nghttp2_settings_entry, 2> settings = {
        {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes}}};
    CASTLE_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
    CASTLE_ASSERT(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window_bytes) == 0);
}

GrpcSession::~GrpcSession() {
    nghttp2_session_del(session_);
}

GrpcStreamPtr GrpcSession::open(std::string_view path, const Metadata& metadata) {
    auto stream = std::make_shared<GrpcStream>();
    std::vector<nghttp2_nv> headers = {
        header(":method", "POST"),        header(":scheme", secure_ ? "https" : "http"), header(":path", path),
        header(":authority", authority_), header("content-type", "application/grpc"),    header("te", "trailers")};
    for (const auto& [name, value] : metadata) headers.push_back(header(name, value));
    nghttp2_data_provider body{};
    body.read_callback = Callbacks::read_body;
    const std::int32_t id =
        going_away_ ? NGHTTP2_ERR_START_STREAM_NOT_ALLOWED
                    : nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, nullptr);
    if (id < 0) {
        stream->end = GrpcStream::End{{wire::GrpcCode::unavailable, nghttp2_strerror(id)}, true};
        return stream;
    }
    used_ = true;
    stream->id = id;
    streams_.emplace(id, stream);
    return stream;
}

void GrpcSession::send(const GrpcStreamPtr& stream, std::string_view message, bool last) {
    if (stream->end) return;
    stream->outgoing += wire::frame_grpc(message);
    stream->half_closed = last;
    nghttp2_session_resume_data(session_, stream->id);  // an error only says that it is not waiting for data
}

void GrpcSession::cancel(const GrpcStreamPtr& stream) {
    if (streams_.erase(stream->id) == 0) return;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
}

void GrpcSession::ping() {
    ++pings_since_answer_;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

Status GrpcSession::receive(std::string_view bytes) {
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) return Error{Errc::unavailable, std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken))};
    CASTLE_ASSERT(static_cast<std::size_t>(taken) == bytes.size());
    // What nghttp2 finds wrong it answers with GOAWAY; after that it wants to read no more.
    if (nghttp2_session_want_read(session_) == 0) return Error{Errc::unavailable, "HTTP/2: the connection has ended"};
    return Done{};
}

std::string GrpcSession::take_output() {
    std::string output;
    while (true) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
        if (size <= 0) return output;  // out of memory at worst; the next receive() will tell
        output.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
}

void GrpcSession::fail(const std::string& why) {
    going_away_ = true;
    while (!streams_.empty()) end(streams_.begin()->first, {{wire::GrpcCode::unavailable, why}, false});
    changed_.notify();
}

GrpcStreamPtr GrpcSession::find(std::int32_t id) const {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second;
}

void GrpcSession::end(std::int32_t id, GrpcStream::End how) {
    const auto stream = find(id);
    if (!stream) return;
    streams_.erase(id);
    stream->end = std::move(how);
    stream->changed.notify();
}

}  // namespace castle::dcs
