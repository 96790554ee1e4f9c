// What etcd's refusals mean for us: which of our codes, whether the write may have happened, and what helps.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "wire/grpc_frame.hpp"

namespace castle::dcs {

// Errc::unavailable: this endpoint cannot just now; another one, or a later time, may help. Errc::denied: log in
// (again). Errc::not_found: the lease is gone. Everything else is final.
Error judge(const wire::GrpcStatus& status);

// The reason with which a watch was cancelled: "rpc error: code = PermissionDenied desc = etcdserver: ...".
Error judge_watch(std::string_view cancel_reason);

// Authentication is off in this etcd: go on without.
bool says_auth_is_off(const wire::GrpcStatus& status);
// The user or the password is wrong: logging in again does not help.
bool says_bad_password(const wire::GrpcStatus& status);

}  // namespace castle::dcs
