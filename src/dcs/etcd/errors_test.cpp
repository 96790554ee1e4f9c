#include "dcs/etcd/errors.hpp"

#include <gtest/gtest.h>

namespace castle::dcs {
namespace {

using wire::GrpcCode;

TEST(EtcdErrors, SayWhatHelpsAndWhetherItMayHaveHappened) {
    struct Row {
        GrpcCode code;
        std::string_view message;
        Errc expected;
        Effect effect;
    };
    const Row rows[] = {
        {GrpcCode::not_found, "etcdserver: requested lease not found", Errc::not_found, Effect::none},
        {GrpcCode::unavailable, "etcdserver: no leader", Errc::unavailable, Effect::none},
        {GrpcCode::unavailable, "etcdserver: request timed out", Errc::unavailable, Effect::unknown},
        {GrpcCode::unavailable, "etcdserver: leader changed", Errc::unavailable, Effect::unknown},
        {GrpcCode::unavailable, "stream reset: CANCEL", Errc::unavailable, Effect::unknown},
        {GrpcCode::unknown, "not a primary lessor", Errc::unavailable, Effect::none},
        {GrpcCode::unknown, "raft proposal dropped", Errc::unavailable, Effect::none},
        {GrpcCode::unknown, "context deadline exceeded", Errc::unavailable, Effect::unknown},
        {GrpcCode::unknown, "something new", Errc::failed, Effect::unknown},
        {GrpcCode::deadline_exceeded, "", Errc::unavailable, Effect::unknown},
        {GrpcCode::failed_precondition, "etcdserver: lease already exists", Errc::unavailable, Effect::none},
        {GrpcCode::failed_precondition, "etcdserver: user name already exists", Errc::conflict, Effect::none},
        {GrpcCode::resource_exhausted, "etcdserver: too many requests", Errc::unavailable, Effect::none},
        {GrpcCode::resource_exhausted, "etcdserver: mvcc: database space exceeded", Errc::failed, Effect::none},
        {GrpcCode::invalid_argument, "etcdserver: duplicate key given in txn request", Errc::invalid, Effect::none},
        {GrpcCode::invalid_argument, "etcdserver: user name is empty", Errc::denied, Effect::none},
        {GrpcCode::invalid_argument, "etcdserver: revision of auth store is old", Errc::denied, Effect::none},
        {GrpcCode::permission_denied, "etcdserver: permission denied", Errc::denied, Effect::none},
        {GrpcCode::unauthenticated, "etcdserver: invalid auth token", Errc::denied, Effect::none},
        {GrpcCode::unimplemented, "HTTP status 404 instead of a gRPC answer", Errc::unavailable, Effect::none},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.message);
        const Error error = judge({row.code, std::string(row.message)});
        EXPECT_EQ(error.code, row.expected);
        EXPECT_EQ(error.effect, row.effect);
        EXPECT_FALSE(error.message.empty());
    }
}

TEST(EtcdErrors, AreFoundInTheReasonsOfCancelledWatches) {
    const auto of = [](std::string_view reason) { return judge_watch(reason).code; };
    EXPECT_EQ(of("rpc error: code = PermissionDenied desc = etcdserver: permission denied"), Errc::denied);
    EXPECT_EQ(of("etcdserver: invalid auth token"), Errc::denied);
    EXPECT_EQ(of("etcdserver: mvcc: required revision has been compacted"), Errc::unavailable);
    EXPECT_EQ(of(""), Errc::unavailable);
}

}  // namespace
}  // namespace castle::dcs
