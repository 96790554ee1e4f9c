#include "wire/grpc_frame.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace castle::wire {
namespace {

constexpr std::size_t prefix_bytes = 5;

constexpr std::array<std::string_view, 17> code_names = {
    "ok",        "cancelled",      "unknown",           "invalid argument",   "deadline exceeded",
    "not found", "already exists", "permission denied", "resource exhausted", "failed precondition",
    "aborted",   "out of range",   "unimplemented",     "internal error",     "unavailable",
    "data loss", "unauthenticated"};

std::uint32_t big_endian(std::string_view four) {
    std::uint32_t number = 0;
    for (const char byte : four) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

// As the gRPC document "HTTP to gRPC status code mapping" says.
GrpcCode code_of_http(int status) {
    switch (status) {
        case 400: return GrpcCode::internal;
        case 401: return GrpcCode::unauthenticated;
        case 403: return GrpcCode::permission_denied;
        case 404: return GrpcCode::unimplemented;
        case 429:
        case 502:
        case 503:
        case 504: return GrpcCode::unavailable;
        default: return GrpcCode::unknown;
    }
}

}  // namespace

std::string_view name_of(GrpcCode code) {
    const auto index = static_cast<std::size_t>(code);
    return index < code_names.size() ? code_names[index] : "unknown";
}

std::string frame_grpc(std::string_view message) {
    std::string framed;
    framed.reserve(prefix_bytes + message.size());
    framed.push_back('\0');
    for (const int shift : {24, 16, 8, 0}) framed.push_back(static_cast<char>(message.size() >> shift & 0xff));
    framed.append(message);
    return framed;
}

std::string grpc_timeout(Duration left) {
    constexpr Duration::rep largest = 99'999'999;
    return std::to_string(std::clamp<Duration::rep>(left.count(), 1, largest)) + "m";
}

GrpcStatus grpc_status(int http_status, std::optional<std::string_view> grpc_status, std::string_view grpc_message) {
    if (grpc_status) {
        const auto number = parse_uint(*grpc_status);
        if (!number || *number >= code_names.size())
            return {GrpcCode::unknown,
                    "grpc-status " + std::string(*grpc_status) + ": " + percent_decode(grpc_message)};
        return {static_cast<GrpcCode>(*number), percent_decode(grpc_message)};
    }
    if (http_status == 200) return {GrpcCode::internal, "the answer ended without a grpc-status"};
    return {code_of_http(http_status), "HTTP status " + std::to_string(http_status) + " instead of a gRPC answer"};
}

std::string percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            if (const auto byte = parse_hex32(text.substr(i + 1, 2))) {
                decoded.push_back(static_cast<char>(*byte));
                i += 2;
                continue;
            }
        }
        decoded.push_back(text[i]);
    }
    return decoded;
}

void GrpcReader::feed(std::string_view bytes) {
    buffer_.erase(0, std::exchange(taken_, 0));
    buffer_.append(bytes);
}

Result<std::optional<std::string>> GrpcReader::next() {
    const std::string_view rest = std::string_view(buffer_).substr(taken_);
    if (rest.size() < prefix_bytes) return std::optional<std::string>{};
    if (rest[0] != 0) return Error{Errc::invalid, "a compressed gRPC message, although none was asked for"};
    const std::size_t size = big_endian(rest.substr(1, 4));
    if (size > message_bytes_max_)
        return Error{Errc::invalid, "a gRPC message of " + std::to_string(size) + " bytes, more than is taken"};
    if (rest.size() < prefix_bytes + size) return std::optional<std::string>{};
    taken_ += prefix_bytes + size;
    return std::optional(std::string(rest.substr(prefix_bytes, size)));
}

}  // namespace castle::wire
