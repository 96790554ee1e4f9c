#include "fence/protocol.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <vector>

namespace castle::fence {
namespace {

TEST(Protocol, AStartCommandSurvivesTheJourney) {
    std::array<char, 1024> buffer;
    Writer writer{buffer, Kind::start, 9};
    writer.text(Field::data_dir, "/srv/pg").text(Field::argument, "/bin/postgres").text(Field::argument, "");
    writer.text(Field::environment, "LANG=C")
        .number(Field::uid, 108U)
        .number(Field::group, 4U)
        .number(Field::group, 5U);
    const auto reader = Reader::parse(writer.packet());
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->kind(), Kind::start);
    EXPECT_EQ(reader->sequence(), 9U);
    EXPECT_EQ(reader->text(Field::data_dir), "/srv/pg");
    EXPECT_EQ(reader->number(Field::uid), 108U);
    EXPECT_EQ(reader->number(Field::gid), std::nullopt);
    std::vector<std::string> arguments;
    reader->each(Field::argument, [&](std::string_view argument) { arguments.emplace_back(argument); });
    EXPECT_EQ(arguments, (std::vector<std::string>{"/bin/postgres", ""}));
    std::vector<std::uint64_t> groups;
    reader->each(Field::group, [&](std::string_view bytes) { groups.push_back(read_number(bytes).value()); });
    EXPECT_EQ(groups, (std::vector<std::uint64_t>{4, 5}));
}

TEST(Protocol, AReportSurvivesTheJourney) {
    Report report;
    report.fence = 77;
    report.state = {Phase::armed, 78, Revision{1LL << 40}, BootTime{Duration{123'456}}, 2, true};
    report.busy = true;
    report.starts = 3;
    report.adopted = true;
    report.exit_status = 9;
    report.guards = guard_cgroup | guard_watchdog;
    report.late_us = 150;
    report.teardown_us = 13'000;
    report.watchdog_seconds = 25;
    report.data_dir = "/srv/pg";
    std::array<char, 1024> buffer;
    Writer writer{buffer, Kind::fired, 0};
    writer.report(report);
    set_sequence({buffer.data(), writer.packet().size()}, 4711);
    const auto reader = Reader::parse(writer.packet());
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->sequence(), 4711U);
    const Report read = reader->report();
    EXPECT_EQ(read.fence, 77);
    EXPECT_EQ(read.state, report.state);
    EXPECT_TRUE(read.busy);
    EXPECT_EQ(read.starts, 3U);
    EXPECT_TRUE(read.adopted);
    EXPECT_EQ(read.exit_status, 9);
    EXPECT_EQ(read.guards, report.guards);
    EXPECT_EQ(read.late_us, 150U);
    EXPECT_EQ(read.teardown_us, 13'000U);
    EXPECT_EQ(read.watchdog_seconds, 25U);
    EXPECT_EQ(read.data_dir, "/srv/pg");
}

TEST(Protocol, AnAddressSurvivesTheJourney) {
    const Address address{.interface_index = 3, .family = AF_INET6, .prefix_length = 64, .bytes = {0xfd, 1, 2, 3}};
    std::array<char, 128> buffer;
    Writer writer{buffer, Kind::add_address, 1};
    writer.address(address);
    const auto reader = Reader::parse(writer.packet());
    ASSERT_TRUE(reader);
    EXPECT_EQ(read_address(reader->text(Field::address).value()), address);
    EXPECT_EQ(read_address("short"), std::nullopt);
}

TEST(Protocol, FieldsOfANewerWriterAreSkipped) {
    std::array<char, 256> buffer;
    Writer writer{buffer, static_cast<Kind>(999), 1};
    writer.text(static_cast<Field>(4711), "from the future").number(Field::epoch, 5);
    const auto reader = Reader::parse(writer.packet());
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->kind(), static_cast<Kind>(999));
    EXPECT_EQ(reader->number(Field::epoch), 5U);
}

TEST(Protocol, WhatDoesNotFitIsNoPacket) {
    std::array<char, 40> buffer;
    Writer writer{buffer, Kind::start, 1};
    writer.text(Field::argument, "this is longer than the buffer").number(Field::uid, 1);
    EXPECT_TRUE(writer.packet().empty());
    std::array<char, 4> tiny;
    EXPECT_TRUE((Writer{tiny, Kind::status, 1}.packet().empty()));
}

TEST(Protocol, EveryTruncationIsRefusedOrWhole) {
    std::array<char, 256> buffer;
    Writer writer{buffer, Kind::arm, 1};
    writer.number(Field::epoch, 5).number(Field::deadline, 6);
    const std::string packet{writer.packet()};
    const std::size_t field_size = 16;
    for (std::size_t size = 0; size < packet.size(); ++size) {
        const bool between_fields = size >= header_size && (size - header_size) % field_size == 0;
        EXPECT_EQ(Reader::parse(std::string_view(packet).substr(0, size)).has_value(), between_fields) << size;
    }
}

TEST(Protocol, GarbageIsReadWithoutHarm) {
    const bool holds = rc::check([](const std::string& garbage, bool with_header) {
        std::array<char, 64> buffer;
        std::string packet{Writer{buffer, Kind::status, 1}.packet()};
        packet = with_header ? packet + garbage : garbage;
        if (const auto reader = Reader::parse(packet)) {
            (void)reader->report();
            reader->each(Field::address, [](std::string_view bytes) { (void)read_address(bytes); });
        }
    });
    EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace castle::fence
