// gRPC inside HTTP/2: messages with a five-byte prefix, and the status in the trailers. Bytes in, bytes out; no
// sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace castle::wire {

enum class GrpcCode {
    ok = 0,
    cancelled = 1,
    unknown = 2,
    invalid_argument = 3,
    deadline_exceeded = 4,
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,
    resource_exhausted = 8,
    failed_precondition = 9,
    aborted = 10,
    out_of_range = 11,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    data_loss = 15,
    unauthenticated = 16,
};
std::string_view name_of(GrpcCode code);

struct GrpcStatus {
    GrpcCode code = GrpcCode::ok;
    std::string message;
    bool ok() const { return code == GrpcCode::ok; }
};

// The prefix and the message, uncompressed.
std::string frame_grpc(std::string_view message);

// The value of the header `grpc-timeout`: "500m". Never zero, and of at most eight digits, as the protocol wants it.
std::string grpc_timeout(Duration left);

// What the headers and trailers of an answer say. A proxy or a wrong server answers without grpc-status; then the HTTP
// status decides, and it is never ok.
GrpcStatus grpc_status(int http_status, std::optional<std::string_view> grpc_status, std::string_view grpc_message);

// "%20" in grpc-message; broken escapes stay as they are.
std::string percent_decode(std::string_view text);

// Puts messages together again from the pieces in which they arrive.
class GrpcReader {
public:
    explicit GrpcReader(std::size_t message_bytes_max = std::size_t{64} << 20)
        : message_bytes_max_(message_bytes_max) {}

    void feed(std::string_view bytes);
    // The next whole message, nothing if more bytes are needed, an error if the stream cannot be understood (it stays
    // so).
    Result<std::optional<std::string>> next();
    bool in_the_middle() const { return buffer_.size() > taken_; }  // of a message: the stream must not end here

private:
    std::size_t message_bytes_max_;
    std::string buffer_;
    std::size_t taken_ = 0;
};

}  // namespace castle::wire
