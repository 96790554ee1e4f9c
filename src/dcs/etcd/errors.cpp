#include "dcs/etcd/errors.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace castle::dcs {
namespace {

using wire::GrpcCode;

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

template <std::size_t n>
bool has_one_of(std::string_view text, const std::array<std::string_view, n>& parts) {
    return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return has(text, part); });
}

// Refused by the endpoint itself, before anything was proposed to the cluster.
constexpr std::array<std::string_view, 5> before_proposing = {
    "etcdserver: no leader", "raft proposal dropped", "not a primary lessor", "too many requests", "not capable"};
// Some of them come with code Unknown, InvalidArgument or FailedPrecondition, depending on etcd's version.
constexpr std::array<std::string_view, 5> log_in = {"user name is empty", "permission denied", "invalid auth token",
                                                    "revision of auth store is old", "auth: token"};

}  // namespace

Error judge(const wire::GrpcStatus& status) {
    const std::string text = status.message.empty() ? std::string(wire::name_of(status.code)) : status.message;
    if (has(text, "requested lease not found")) return {Errc::not_found, text};
    if (has_one_of(text, log_in)) return {Errc::denied, text};
    if (has(text, "name already exists")) return {Errc::conflict, text};  // of a user or a role
    if (has_one_of(text, before_proposing)) return {Errc::unavailable, text};
    switch (status.code) {
        case GrpcCode::unavailable:
        case GrpcCode::deadline_exceeded:
        case GrpcCode::cancelled:
        case GrpcCode::aborted:
        case GrpcCode::internal: return {Errc::unavailable, text, Effect::unknown};
        case GrpcCode::failed_precondition:
        case GrpcCode::unimplemented:  // not an etcd
            return {Errc::unavailable, text};
        case GrpcCode::unauthenticated:
        case GrpcCode::permission_denied: return {Errc::denied, text};
        case GrpcCode::not_found: return {Errc::not_found, text};
        case GrpcCode::invalid_argument:
        case GrpcCode::out_of_range:
        case GrpcCode::already_exists: return {Errc::invalid, text};
        case GrpcCode::resource_exhausted:  // the database has reached its quota: refused when applied
            return {Errc::failed, text};
        case GrpcCode::unknown:
            if (has(text, "context deadline exceeded") || has(text, "context canceled"))
                return {Errc::unavailable, text, Effect::unknown};
            return {Errc::failed, text, Effect::unknown};
        default: return {Errc::failed, text, Effect::unknown};
    }
}

Error judge_watch(std::string_view cancel_reason) {
    constexpr std::string_view marker = "desc = ";
    const auto at = cancel_reason.find(marker);
    if (at != cancel_reason.npos) cancel_reason.remove_prefix(at + marker.size());
    return judge({GrpcCode::unavailable, std::string(cancel_reason)});
}

bool says_auth_is_off(const wire::GrpcStatus& status) {
    return has(status.message, "authentication is not enabled");
}

bool says_bad_password(const wire::GrpcStatus& status) {
    return has(status.message, "authentication failed, invalid user ID or password");
}

}  // namespace castle::dcs
