#include "wire/control_data.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace castle::wire {
namespace {

template <class T>
void put(std::string& bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

// What a server of that pg_control version would write; the offsets are those of its struct ControlFileData.
std::string control_file(std::uint32_t version, std::size_t crc_at) {
    std::string bytes(control_file_bytes, '\0');
    put<std::uint64_t>(bytes, 0, 7'405'123'456'789'012'345);
    put<std::uint32_t>(bytes, 8, version);
    put<std::uint32_t>(bytes, 16, 6);
    put<std::uint64_t>(bytes, 32, 0x16'B374D848);
    put<std::uint64_t>(bytes, 40, 0x16'B374D810);
    put<std::uint32_t>(bytes, 48, 3);
    put<std::uint64_t>(bytes, 136, 0x1'00000028);
    put<std::int32_t>(bytes, 180, 120);
    put<std::int32_t>(bytes, 196, 64);
    put<std::uint32_t>(bytes, 228, 16 << 20);
    put<std::uint32_t>(bytes, 252, 1);
    put(bytes, crc_at, crc32c(std::string_view(bytes).substr(0, crc_at)));
    return bytes;
}

TEST(Crc32c, KnowsTheCheckValue) {
    EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
}

TEST(ControlData, ReadsEveryVersion) {
    struct Row {
        std::uint32_t version;
        std::size_t crc_at;
    };
    for (const Row row : {Row{1300, 288}, Row{1700, 288}, Row{1800, 292}}) {
        SCOPED_TRACE(row.version);
        const auto data = read_control_data(control_file(row.version, row.crc_at));
        ASSERT_TRUE(data) << data.error().message;
        EXPECT_EQ(data->system_id, 7'405'123'456'789'012'345u);
        EXPECT_EQ(data->state, ControlData::State::in_production);
        EXPECT_EQ(data->checkpoint.text(), "16/B374D848");
        EXPECT_EQ(data->redo.text(), "16/B374D810");
        EXPECT_EQ(data->timeline, Timeline{3});
        EXPECT_EQ(data->min_recovery_end.text(), "1/28");
        EXPECT_EQ(data->max_connections, 120);
        EXPECT_EQ(data->max_locks_per_transaction, 64);
        EXPECT_EQ(data->wal_segment_bytes, 16u << 20);
        EXPECT_EQ(data->checksum_version, 1u);
    }
}

TEST(ControlData, SaysWhatIsWrong) {
    const std::string good = control_file(1300, 288);
    std::string torn = good;
    torn[40] = static_cast<char>(torn[40] ^ 1);
    std::string future = good;
    put<std::uint32_t>(future, 8, 2100);
    std::string foreign = good;
    put<std::uint32_t>(foreign, 8, __builtin_bswap32(1300));
    struct Row {
        std::string bytes;
        std::string_view message;
    };
    const Row rows[] = {{"", "too short"},
                        {good.substr(0, 200), "too short"},
                        {torn, "wrong checksum"},
                        {future, "version 2100"},
                        {foreign, "another byte order"}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.message);
        const auto data = read_control_data(row.bytes);
        ASSERT_FALSE(data);
        EXPECT_NE(data.error().message.find(row.message), std::string::npos) << data.error().message;
    }
}

}  // namespace
}  // namespace castle::wire
