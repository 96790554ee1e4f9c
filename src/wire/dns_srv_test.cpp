#include "wire/dns_srv.hpp"

#include <gtest/gtest.h>

#include <random>

namespace castle::wire {
namespace {

using namespace std::string_literals;

std::string label(std::string_view text) {
    return static_cast<char>(text.size()) + std::string(text);
}

std::string record(std::uint8_t type, const std::string& data) {
    return "\xc0\x0c\0"s + static_cast<char>(type) + "\0\1\0\0\0\x3c\0"s + static_cast<char>(data.size()) + data;
}

// Two SRV records and one address between them; names refer back to the question, whose "db" is at byte 20.
std::string answer() {
    return "\0\1\x81\x80\0\1\0\3\0\0\0\0"s + label("_x") + label("_tcp") + label("db") + "\0\0\x21\0\1"s +
           record(33, "\0\x0a\0\1\x09\x4b"s + label("e2") + "\xc0\x14"s) + record(1, "\x7f\0\0\1"s) +
           record(33, "\0\1\0\1\x09\x4c"s + label("e1") + label("net") + "\0"s);
}

TEST(DnsSrv, ReadsRecordsInTheOrderOfPreference) {
    const std::string packet = answer();
    const auto records = read_srv_answer(packet);
    ASSERT_TRUE(records) << records.error().message;
    const std::vector<SrvRecord> expected = {{1, 1, 2380, "e1.net"}, {10, 1, 2379, "e2.db"}};
    EXPECT_EQ(*records, expected);
    for (std::size_t size = 0; size < packet.size(); ++size)
        EXPECT_FALSE(read_srv_answer(std::string_view(packet).substr(0, size))) << size;
}

TEST(DnsSrv, SurvivesGarbage) {
    std::mt19937 random(3);
    const std::string good = answer();
    for (int round = 0; round < 20'000; ++round) {
        std::string packet = good;
        for (int change = 0; change < 4; ++change) packet[random() % packet.size()] = static_cast<char>(random());
        packet.resize(random() % (packet.size() + 1));
        (void)read_srv_answer(packet);
    }
}

}  // namespace
}  // namespace castle::wire
