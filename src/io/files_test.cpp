#include "io/files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/file_watch.hpp"
#include "io/signals.hpp"

namespace castle::io {
namespace {

using namespace std::chrono_literals;

class Directory : public ::testing::Test {
protected:
    Directory() {
        char name[] = "/tmp/castle-files-XXXXXX";
        EXPECT_TRUE(::mkdtemp(name));
        path_ = name;
    }
    ~Directory() override { EXPECT_TRUE(remove_tree(path_)); }
    std::string path(const std::string& name) const { return path_ + "/" + name; }
    std::string path_;
};
using Files = Directory;
using Watch = Directory;

TEST_F(Files, AreReplacedAsAWhole) {
    ASSERT_TRUE(write_file_atomic(path("a"), "one", 0640));
    ASSERT_TRUE(write_file_atomic(path("a"), "two", 0600));
    EXPECT_EQ(*read_file(path("a")), "two");
    EXPECT_EQ(file_info(path("a"))->mode, 0600u);
    EXPECT_THAT(*list_directory(path_), ::testing::ElementsAre("a"));
}

TEST_F(Files, ALinkStaysALink) {
    ASSERT_TRUE(write_file_atomic(path("a"), "one", 0600));
    ASSERT_EQ(::symlink("a", path("link").c_str()), 0);
    ASSERT_TRUE(write_file_atomic(path("link"), "two", 0600));
    EXPECT_EQ(file_info(path("link"))->kind, FileInfo::Kind::link);
    EXPECT_EQ(*read_file(path("a")), "two");
}

TEST_F(Files, ErrorsSayWhatAndWhere) {
    auto missing = read_file(path("none"));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_EQ(missing.error().message, "read " + path("none") + ": no such file or directory");
    ASSERT_TRUE(write_file_atomic(path("big"), std::string(100, 'x'), 0600));
    EXPECT_EQ(read_file(path("big"), 99).error().code, Errc::invalid);
    EXPECT_FALSE(write_file_atomic(path("none/a"), "", 0600));
    EXPECT_FALSE(list_directory(path("none")));
}

TEST_F(Files, DirectoriesAreMadeAndRemovedWithAllTheyHold) {
    ASSERT_TRUE(make_directories(path("a/b/c"), 0700));
    ASSERT_TRUE(make_directories(path("a/b/c"), 0700));
    EXPECT_EQ(file_info(path("a/b"))->mode, 0700u);
    ASSERT_TRUE(write_file_atomic(path("a/file"), "", 0600));
    EXPECT_FALSE(make_directories(path("a/file/d"), 0700));
    EXPECT_TRUE(rename_file(path("a"), path("z")));
    EXPECT_TRUE(remove_tree(path("z")));
    EXPECT_TRUE(remove_tree(path("z")));
    EXPECT_FALSE(exists(path("z")));
    EXPECT_TRUE(remove_file(path("z")));
}

Task<bool> change_and_wait(Loop& loop, FileWatch& watch, std::string path) {
    const auto seen = watch.changed().count();
    auto written = co_await loop.on_worker([path] { return write_file_atomic(path, "x", 0600); });
    EXPECT_TRUE(written);
    co_return co_await wait_past(loop, watch.changed(), seen, loop.now() + 10s);
}

TEST_F(Watch, TellsOfChangesOfTheNamedFileOnly) {
    Loop loop;
    auto all = FileWatch::start(loop, path_);
    auto one = FileWatch::start(loop, path_, "one");
    ASSERT_TRUE(all && one);
    EXPECT_TRUE(run_to_end(loop, change_and_wait(loop, **all, path("other"))));
    EXPECT_EQ((*one)->changed().count(), 0u);
    EXPECT_TRUE(run_to_end(loop, change_and_wait(loop, **one, path("one"))));
    EXPECT_FALSE((*one)->lost());
}

Task<bool> wait_for_change(Loop& loop, FileWatch& watch) {
    co_return co_await wait_past(loop, watch.changed(), 0, loop.now() + 10s);
}
TEST_F(Watch, SaysWhenTheDirectoryIsGone) {
    Loop loop;
    ASSERT_TRUE(make_directories(path("d"), 0700));
    auto watch = FileWatch::start(loop, path("d"), "file");
    ASSERT_TRUE(watch);
    ASSERT_TRUE(remove_tree(path("d")));
    EXPECT_TRUE(run_to_end(loop, wait_for_change(loop, **watch)));
    EXPECT_TRUE((*watch)->lost());
    EXPECT_EQ(FileWatch::start(loop, path("d")).error().code, Errc::not_found);
}

TEST(Signals, ArriveOnTheLoopAsOftenAsTheyCome) {
    Loop loop;
    std::vector<int> log;
    Signals signals(loop, {SIGUSR2, SIGHUP}, [&](int number) {
        log.push_back(number);
        if (log.size() == 1) ::raise(SIGHUP);
        if (log.size() == 2) loop.stop();
    });
    ::raise(SIGUSR2);
    loop.run();
    EXPECT_EQ(log, (std::vector{SIGUSR2, SIGHUP}));
}

}  // namespace
}  // namespace castle::io
