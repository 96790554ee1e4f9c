// What PostgreSQL's files and programs say, and what we make of it.
#include <gtest/gtest.h>

#include "postgres/data_dir.hpp"
#include "postgres/divergence.hpp"
#include "postgres/look.hpp"
#include "postgres/parameter_check.hpp"
#include "postgres/programs.hpp"
#include "postgres/settings_diff.hpp"
#include "postgres/slots.hpp"
#include "postgres/versions.hpp"
#include "postgres/wal_record.hpp"

namespace castle::postgres {
namespace {

using Divergence = ports::Server::Divergence;

TEST(Versions, AreReadFromTheProgramAndTheFile) {
    EXPECT_EQ(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n")->number, 150018);
    EXPECT_EQ(parse_version("postgres (PostgreSQL) 18beta1")->number, 180000);
    for (const char* text :
         {"postgres (PostgreSQL) 12.3", "postgres (PostgreSQL) 19.0", "postgres (PostgreSQL) 9.6.24", "bash"})
        EXPECT_FALSE(parse_version(text)) << text;
    EXPECT_EQ(*parse_pg_version_file("15\n"), 15);
    EXPECT_EQ(*parse_pg_version_file("11\n"), 11);
    EXPECT_EQ(*parse_pg_version_file("9.6\n"), 9);
    for (const char* text : {"", "x", "15x", "9.x", "."}) EXPECT_FALSE(parse_pg_version_file(text)) << text;
}

TEST(PostmasterPid, TellsWhereItListensAndHowFarItIs) {
    const auto file = parse_postmaster_file("4711\n/data\n1700000000\n5433\n/run/pg\n127.0.0.1\n  12345 6\nready   \n");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->pid, 4711);
    EXPECT_EQ(file->port, 5433);
    EXPECT_EQ(file->socket_dir, "/run/pg");
    EXPECT_EQ(file->listen_address, "127.0.0.1");
    EXPECT_EQ(file->status, "ready");
    EXPECT_TRUE(parse_postmaster_file("-17\n/data\n")->single_user);
    EXPECT_EQ(parse_postmaster_file("4711\n")->status, "");
    for (const char* text : {"", "x\n", "0\n", "99999999999\n"}) EXPECT_FALSE(parse_postmaster_file(text)) << text;
}

TEST(TimelineHistory, IsReadWithItsCommentsAndBlanks) {
    const auto history = parse_history("# x\n1\t0/3000000\tno recovery target specified\n\n2\t0/5000060\treason\n");
    ASSERT_EQ(history.size(), 2u);
    EXPECT_EQ(history[1].first, Timeline{2});
    EXPECT_EQ(history[1].second.text(), "0/5000060");
    EXPECT_TRUE(parse_history("garbage\n1\n\t\n").empty());
}

TEST(Divergence, EachRule) {
    const std::vector<std::pair<Timeline, Lsn>> history{{Timeline{1}, Lsn{1000}}, {Timeline{2}, Lsn{2000}}};
    struct Row {
        std::string_view rule;
        LocalEnd local;
        Timeline primary;
        Divergence expected;
    };
    const Row rows[] = {
        {"same timeline", {Timeline{3}, Lsn{9000}, true, {}}, Timeline{3}, Divergence::none},
        {"same timeline, and more WAL than the primary",
         {Timeline{3}, Lsn{9501}, false, {}},
         Timeline{3},
         Divergence::diverged},
        {"... to the end of its last record",
         {Timeline{3}, Lsn{9400}, true, Lsn{9501}},
         Timeline{3},
         Divergence::diverged},
        {"... as much as the primary", {Timeline{3}, Lsn{9500}, false, {}}, Timeline{3}, Divergence::none},
        {"we are on a later one", {Timeline{4}, Lsn{1}, false, {}}, Timeline{3}, Divergence::diverged},
        {"never on ours", {Timeline{2}, Lsn{1}, false, {}}, Timeline{3}, Divergence::none},
        {"standby before the switch", {Timeline{1}, Lsn{999}, false, {}}, Timeline{3}, Divergence::none},
        {"standby at the switch", {Timeline{1}, Lsn{1000}, false, {}}, Timeline{3}, Divergence::none},
        {"standby behind the switch", {Timeline{1}, Lsn{1001}, false, {}}, Timeline{3}, Divergence::diverged},
        {"crashed primary", {Timeline{1}, Lsn{900}, true, {}}, Timeline{3}, Divergence::diverged},
        {"all of its WAL was taken over", {Timeline{1}, Lsn{900}, true, Lsn{1000}}, Timeline{3}, Divergence::none},
        {"all but some", {Timeline{1}, Lsn{900}, true, Lsn{1008}}, Timeline{3}, Divergence::diverged},
        {"checkpoint behind the switch", {Timeline{1}, Lsn{1000}, true, Lsn{1100}}, Timeline{3}, Divergence::diverged},
        {"it waits for a timeline of the primary's",
         {Timeline{1}, Lsn{999}, false, {}, {Timeline{3}, Timeline{2}}},
         Timeline{3},
         Divergence::none},
        {"... for one that came to nothing",
         {Timeline{2}, Lsn{1999}, false, {}, {Timeline{4}, Timeline{3}}},
         Timeline{4},
         Divergence::diverged},
        {"... for a later one", {Timeline{3}, Lsn{9000}, false, {}, {Timeline{4}}}, Timeline{3}, Divergence::diverged},
        {"unknown", {Timeline{0}, Lsn{1}, false, {}}, Timeline{3}, Divergence::unknown},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.rule);
        EXPECT_EQ(judge_divergence(row.local, {row.primary, Lsn{9500}, history}), row.expected);
    }
    EXPECT_EQ(judge_divergence({Timeline{1}, Lsn{1}, false, {}}, {Timeline{3}, Lsn{9500}, {{Timeline{2}, Lsn{5}}}}),
              Divergence::diverged);
    EXPECT_EQ(judge_divergence({Timeline{3}, Lsn{9501}, false, {}}, {Timeline{3}, Lsn{}, history}), Divergence::none)
        << "how far the primary is, is not known";
}

TEST(WalEnd, CountsAlignmentAndPageHeaders) {
    const auto record = parse_waldump_line(
        "rmgr: XLOG        len (rec/tot):    114/   118, tx:          0, lsn: 0/014E8F00, prev 0/014E8EC8, desc: "
        "CHECKPOINT_SHUTDOWN");
    ASSERT_TRUE(record);
    EXPECT_EQ(record->length, 118u);
    EXPECT_EQ(record->start.text(), "0/14E8F00");
    EXPECT_EQ(end_of_record(Lsn{0x14E8F00}, 114, 16 << 20).offset(), 0x14E8F00u + 120);
    EXPECT_EQ(end_of_record(Lsn{8192 - 16}, 40, 16 << 20).offset(), 8192u + 24 + 24);
    EXPECT_EQ(end_of_record(Lsn{(16 << 20) - 16}, 40, 16 << 20).offset(), (16u << 20) + 40 + 24);
    EXPECT_EQ(end_of_record(Lsn{8192 + 24}, 2 * 8192, 16 << 20).offset(), 3u * 8192 + 24 + 48);
    EXPECT_FALSE(parse_waldump_line("pg_waldump: fatal: error in WAL record at 0/1: x"));
    EXPECT_EQ(parse_waldump_stats_line("WAL statistics between 0/1CA7590 and 1/2BF5230:"), Lsn(0x1'02BF5230));
    for (const char* line : {"WAL statistics between 0/1CA7590 and :", "WAL statistics between 0/1 and 0/2",
                             "and 0/2:", "WAL statistics between 0/1CA7590", ""})
        EXPECT_FALSE(parse_waldump_stats_line(line)) << line;
}

TEST(ParameterCheck, DropsWhatIsUnknownAndClampsWhatIsTooMuch) {
    Parameters values{
        {"foo", "1"}, {"work_mem", "9999999999"}, {"ssl", "maybe"}, {"max_connections", "-1"}, {"port", "1"}};
    const auto warnings = apply_complaints(
        "2026 LOG:  unrecognized configuration parameter \"foo\" in file \"/x/postgresql.conf\" line 1\n"
        "2026 LOG:  9999999999 kB is outside the valid range for parameter \"work_mem\" (64 kB .. 2147483647 kB)\n"
        "2026 LOG:  parameter \"ssl\" requires a Boolean value\n"
        "2026 LOG:  -1 is outside the valid range for parameter \"max_connections\" (1 .. 262143)\n"
        "2026 FATAL:  configuration file \"/x/postgresql.conf\" contains errors\n",
        values);
    EXPECT_EQ(warnings.size(), 4u);
    EXPECT_EQ(values, (Parameters{{"work_mem", "2147483647 kB"}, {"max_connections", "1"}, {"port", "1"}}));
    EXPECT_NE(warnings[0].find("no such parameter"), std::string::npos);
    EXPECT_TRUE(apply_complaints("something else\n", values).empty());
}

TEST(ShellSplit, KnowsQuotesAndBackslashes) {
    EXPECT_EQ(*shell_split("a 'b c' \"d \\\" e\" f\\ g ''"),
              (std::vector<std::string>{"a", "b c", "d \" e", "f g", ""}));
    EXPECT_EQ(*shell_split("x --dbname=\"k=v k=v\""), (std::vector<std::string>{"x", "--dbname=k=v k=v"}));
    EXPECT_FALSE(shell_split("a 'b"));
    EXPECT_FALSE(shell_split("  "));
}

TEST(SettingsDiff, TellsReloadFromRestart) {
    const auto row = [](const char* name, const char* setting, const char* unit, const char* type, const char* context,
                        const char* file,
                        const char* boot) { return Rows::Row{name, setting, unit, type, context, file, boot}; };
    const Rows settings({row("work_mem", "4096", "kB", "integer", "user", "", "t"),
                         row("max_connections", "100", "", "integer", "postmaster", "", "t"),
                         row("shared_buffers", "16384", "8kB", "integer", "postmaster", "/c", "t"),
                         row("wal_buffers", "512", "8kB", "integer", "postmaster", "", "f"),
                         row("archive_mode", "on", "", "enum", "postmaster", "/c", "f"),
                         row("restore_command", "cp", "", "string", "sighup", "/c", "f")});
    SettingsDiff diff = diff_settings(
        settings, {{"work_mem", "4MB"}, {"shared_buffers", "128MB"}, {"wal_buffers", "-1"}, {"archive_mode", "on"}},
        "/c");
    EXPECT_FALSE(diff.reload);
    EXPECT_TRUE(diff.restart.empty());
    diff = diff_settings(settings, {{"work_mem", "8MB"}, {"shared_buffers", "1GB"}, {"max_connections", "101"}}, "/c");
    EXPECT_TRUE(diff.reload);
    ASSERT_EQ(diff.restart.size(), 3u);
    EXPECT_EQ(diff.restart.at("shared_buffers").old_value, "128MB");
    EXPECT_EQ(diff.restart.at("shared_buffers").new_value, "1GB");
    EXPECT_EQ(diff.restart.at("max_connections").old_value, "100");
    EXPECT_TRUE(diff.restart.contains("archive_mode"));  // removed from our file
}

TEST(WithUnit, WritesSizesAsPeopleDo) {
    EXPECT_EQ(with_unit("16384", "8kB"), "128MB");
    EXPECT_EQ(with_unit("300", "s"), "5min");
    EXPECT_EQ(with_unit("1500", "ms"), "1500ms");
    EXPECT_EQ(with_unit("-1", "kB"), "-1");
    EXPECT_EQ(with_unit("on", ""), "on");
}

TEST(Literal, IsSafeWhateverTheServerThinksOfBackslashes) {
    EXPECT_EQ(literal("it's"), "'it''s'");
    EXPECT_EQ(literal("a\\b'"), " E'a\\\\b'''");
    EXPECT_EQ(identifier("a\"b"), "\"a\"\"b\"");
}

TEST(Look, ABadAnswerIsAnError) {
    core::Instance instance;
    EXPECT_FALSE(apply_look(Rows{}, instance));
}

}  // namespace
}  // namespace castle::postgres
