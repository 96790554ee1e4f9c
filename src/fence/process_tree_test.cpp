#include "fence/process_tree.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "fence/place.hpp"

namespace castle::fence {
namespace {

using namespace std::chrono_literals;

// A process that runs `make_children` and then sleeps, in a session of its own as PostgreSQL's are. Returns once it is
// set up.
template <class MakeChildren>
pid_t start_process(MakeChildren make_children) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setsid();
        make_children();
        (void)!::write(ends[1], "1", 1);
        for (;;) ::pause();
    }
    char ready = 0;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
    return pid;
}
void nothing() {}

bool gone(pid_t pid) {
    for (int i = 0; i < 5'000; ++i) {
        const pid_t reaped = ::waitpid(pid, nullptr, WNOHANG);
        // Its program is out of sight before its children have fallen to the reaper.
        if (reaped == pid || (reaped < 0 && !process_file_id(pid, "exe").known())) return true;
        std::this_thread::sleep_for(1ms);
    }
    return false;
}

class ProcessTreeTest : public ::testing::Test {
protected:
    void SetUp() override { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
    void TearDown() override {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
    // Rounds until one finds nobody, as the fence does it.
    bool empties(const TreeRoot& root) {
        for (int round = 0; round < 5'000; ++round) {
            if (tree_.kill_round(root) == 0) return true;
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            std::this_thread::sleep_for(1ms);
        }
        return false;
    }
    ProcessTree tree_;
};

TEST_F(ProcessTreeTest, TakesDescendantsInSessionsOfTheirOwnAndNobodyElse) {
    const pid_t stranger = start_process(nothing);
    const pid_t server = start_process([] {
        start_process([] { start_process(nothing); });
        start_process(nothing);
    });
    EXPECT_EQ(tree_.kill_round({.server = server}), 4);
    EXPECT_TRUE(empties({.server = server}));
    EXPECT_TRUE(gone(server));
    EXPECT_TRUE(process_file_id(stranger, "exe").known());
    ::kill(stranger, SIGKILL);
    EXPECT_TRUE(gone(stranger));
}

TEST_F(ProcessTreeTest, TheFirstBlowTakesDescendantsAndWhatFellToTheReaper) {
    const pid_t stranger = start_process(nothing);
    pid_t server = start_process([] {
        start_process([] { start_process(nothing); });
        start_process(nothing);
    });
    tree_.kill_descendants({.server = server});
    EXPECT_TRUE(gone(server));
    EXPECT_EQ(::waitpid(stranger, nullptr, WNOHANG), 0) << "it lives";
    ::kill(stranger, SIGKILL);
    EXPECT_TRUE(gone(stranger));
    while (::waitpid(-1, nullptr, 0) > 0) {  // whom the blow missed would be waited for in vain
    }

    server = start_process([] { start_process(nothing); });
    ::kill(server, SIGKILL);
    ASSERT_TRUE(gone(server));
    tree_.kill_descendants({.reaper = ::getpid()});
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
}

TEST_F(ProcessTreeTest, TakesOrphansThatFellToTheReaper) {
    const pid_t server = start_process([] { start_process(nothing); });
    ::kill(server, SIGKILL);
    ASSERT_TRUE(gone(server));
    EXPECT_GE(tree_.kill_round({.reaper = ::getpid()}), 1);
    EXPECT_TRUE(empties({.reaper = ::getpid()}));
}

TEST_F(ProcessTreeTest, TakesOrphansByProgramAndDirectory) {
    char directory[] = "/tmp/castle-tree-XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    const pid_t inside = start_process([&] { (void)!::chdir(directory); });
    const pid_t outside = start_process(nothing);
    const TreeRoot root{.program = process_file_id(inside, "exe"), .directory = file_id(directory)};
    EXPECT_EQ(tree_.kill_round(root), 1);
    EXPECT_TRUE(empties(root));
    EXPECT_TRUE(gone(inside));
    EXPECT_TRUE(process_file_id(outside, "exe").known()) << "the same program elsewhere is another server";
    ::kill(outside, SIGKILL);
    EXPECT_TRUE(gone(outside));
    ::rmdir(directory);
}

// Stopped first, so that nothing of the tree runs on between the first kill and the last.
TEST_F(ProcessTreeTest, TakesProcessesThatAreStopped) {
    const pid_t server = start_process([] { start_process(nothing); });
    ::kill(server, SIGSTOP);
    EXPECT_TRUE(empties({.server = server}));
    EXPECT_TRUE(gone(server));
}

TEST_F(ProcessTreeTest, FindsNothingWhereNothingIs) {
    EXPECT_EQ(tree_.kill_round({}), 0);
}

TEST(Place, NamesAreHarmlessShortAndDistinct) {
    EXPECT_EQ(socket_name("pg1"), socket_name("pg1"));
    EXPECT_NE(socket_name("pg1"), socket_name("pg2"));
    EXPECT_NE(socket_name("a/b"), socket_name("a_b"));
    EXPECT_EQ(socket_name("../../etc/passwd").find('/'), std::string::npos);
    const std::string longest(500, 'x');
    EXPECT_LT(record_name(longest).size() + std::string("/proc/self/fd/1234567/").size(), 107U);
    EXPECT_NE(socket_name(longest), socket_name(longest + "y"));
}

}  // namespace
}  // namespace castle::fence
