#include "agent/roll_call.hpp"

#include <gtest/gtest.h>

#include <set>

#include "task/manual_executor.hpp"

namespace castle::agent {
namespace {

using namespace std::chrono_literals;

// Who is dead never answers; the others do after 10 ms.
struct FakePeers final : ports::Peers {
    explicit FakePeers(Executor& its) : executor(its) {}
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) override {
        bool all = true;
        std::vector<core::PeerStatus> answers;
        for (const core::Member& member : members) {
            calls += member.name + " ";
            const bool answered = !dead.contains(member.name);
            all = all && answered;
            answers.push_back({.name = member.name, .reached = answered, .answered = answered});
        }
        co_await sleep_until(executor, all ? std::min(deadline, executor.now() + 10ms) : deadline);
        co_return answers;
    }
    Executor& executor;
    std::set<std::string> dead;
    std::string calls;
};

core::Member member(std::string name) {
    core::Member m;
    m.name = std::move(name);
    m.api_url = "http://" + m.name;
    return m;
}

// n1 leads; we are n2.
class RollCallTest : public ::testing::Test {
protected:
    RollCallTest() {
        auto cluster = std::make_shared<core::Cluster>();
        for (const char* name : {"n1", "n2", "n3"}) cluster->members[name] = member(name);
        cluster->leader.emplace();
        cluster->leader->name = "n1";
        cluster_ = std::move(cluster);
    }

    Duration time_to_ask() {
        const BootTime begun = executor_.now();
        std::optional<BootTime> ended;
        Scope scope(executor_);
        scope.spawn(ask(&ended));
        while (!ended) executor_.run_for(1ms);
        return std::chrono::duration_cast<Duration>(*ended - begun);
    }
    Task<> ask(std::optional<BootTime>* ended) {
        answers_ = co_await roll_call_.ask({member("n1"), member("n3")});
        *ended = executor_.now();
    }
    void heartbeats(int count) {
        for (int i = 0; i < count; ++i) {
            roll_call_.watch(cluster_, "n2");
            executor_.run_for(1s);
        }
    }

    ManualExecutor executor_;
    FakePeers peers_{executor_};
    RollCall roll_call_{executor_, peers_};
    std::shared_ptr<const core::Cluster> cluster_;
    std::vector<core::PeerStatus> answers_;
};

TEST_F(RollCallTest, WhoIsAskedForTheFirstTimeIsWaitedFor) {
    peers_.dead = {"n1"};
    EXPECT_EQ(time_to_ask(), 2s);
    EXPECT_EQ(answers_.size(), 2u);
}

TEST_F(RollCallTest, WhileAllIsWellOnlyTheLeaderIsCalled) {
    heartbeats(3);
    EXPECT_EQ(peers_.calls, "n1 n1 n1 ");
}

TEST_F(RollCallTest, ASilentLeaderMakesUsCallTheOthersAndIsHardlyWaitedForThen) {
    peers_.dead = {"n1"};
    heartbeats(5);
    EXPECT_NE(peers_.calls.find("n3"), std::string::npos);
    EXPECT_EQ(time_to_ask(), 100ms);
    ASSERT_EQ(answers_.size(), 2u);
    for (const core::PeerStatus& answer : answers_) EXPECT_EQ(answer.answered, answer.name == "n3");
}

TEST_F(RollCallTest, WhoAnswersAgainIsWaitedForAgain) {
    peers_.dead = {"n1", "n3"};
    heartbeats(8);
    peers_.dead.clear();
    heartbeats(4);
    peers_.dead = {"n3"};
    EXPECT_EQ(time_to_ask(), 2s);
}

}  // namespace
}  // namespace castle::agent
