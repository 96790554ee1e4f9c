#include "wire/grpc_frame.hpp"

#include <gtest/gtest.h>

#include <random>

namespace castle::wire {
namespace {

using namespace std::chrono_literals;

TEST(GrpcReader, PutsMessagesTogetherHoweverTheyAreCut) {
    const std::vector<std::string> messages = {"", "a", std::string(300, 'x'), std::string("\0\1\2", 3)};
    std::string stream;
    for (const auto& message : messages) stream += frame_grpc(message);
    for (std::size_t piece = 1; piece < stream.size(); ++piece) {
        GrpcReader reader;
        std::vector<std::string> got;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            reader.feed(std::string_view(stream).substr(at, piece));
            while (true) {
                auto next = reader.next();
                ASSERT_TRUE(next);
                if (!*next) break;
                got.push_back(**next);
            }
        }
        EXPECT_EQ(got, messages);
        EXPECT_FALSE(reader.in_the_middle());
    }
}

TEST(GrpcReader, RefusesWhatItCannotRead) {
    GrpcReader compressed;
    compressed.feed(std::string("\1\0\0\0\1x", 6));
    EXPECT_FALSE(compressed.next());
    GrpcReader huge(100);
    huge.feed(std::string("\0\0\0\0\x65", 5));
    EXPECT_FALSE(huge.next());
    GrpcReader cut;
    cut.feed(std::string("\0\0\0\0\x05xy", 7));
    ASSERT_TRUE(cut.next());
    EXPECT_TRUE(cut.in_the_middle());
}

TEST(GrpcReader, SurvivesGarbage) {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        GrpcReader reader(1000);
        for (int piece = 0; piece < 10; ++piece) {
            std::string bytes(random() % 40, '\0');
            for (char& byte : bytes) byte = static_cast<char>(random() % 4 ? 0 : random());
            reader.feed(bytes);
            for (auto next = reader.next(); next && *next; next = reader.next()) EXPECT_LE((*next)->size(), 1000u);
        }
    }
}

TEST(GrpcStatus, ComesFromTheTrailerElseFromHttp) {
    EXPECT_TRUE(grpc_status(200, "0", "").ok());
    const GrpcStatus denied = grpc_status(200, "7", "etcdserver: permission%20denied%");
    EXPECT_EQ(denied.code, GrpcCode::permission_denied);
    EXPECT_EQ(denied.message, "etcdserver: permission denied%");
    EXPECT_EQ(grpc_status(200, "99", "").code, GrpcCode::unknown);
    EXPECT_EQ(grpc_status(200, "x", "").code, GrpcCode::unknown);
    EXPECT_EQ(grpc_status(200, std::nullopt, "").code, GrpcCode::internal);
    EXPECT_EQ(grpc_status(503, std::nullopt, "").code, GrpcCode::unavailable);
    EXPECT_EQ(grpc_status(404, std::nullopt, "").code, GrpcCode::unimplemented);
}

TEST(GrpcTimeout, IsNeverZeroAndNeverTooLong) {
    EXPECT_EQ(grpc_timeout(500ms), "500m");
    EXPECT_EQ(grpc_timeout(0ms), "1m");
    EXPECT_EQ(grpc_timeout(-5ms), "1m");
    EXPECT_EQ(grpc_timeout(Duration::max()), "99999999m");
}

}  // namespace
}  // namespace castle::wire
