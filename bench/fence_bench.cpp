// How late the fence is, and how long a server takes to be gone, on a machine whose processors are all overloaded.
//
//   fence_bench [--trials N] [--busy-per-cpu N]
//
// Each trial: a server under pgbench with 16 clients and two writers that note when they were answered, beside as many
// busy loops as asked for. The fence is armed and nobody moves the deadline; read are its own figures, deadline to
// signals sent and from there to the tree being empty, and when the writers were answered last. A firing before the
// deadline, or an answer more than 50 ms after it, fails.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "fence/fence_fixture.hpp"

namespace castle::fence::test {
namespace {

int trials = 20;
int busy_per_cpu = 4;

struct Figures {
    std::vector<double> milliseconds;
    double at(double quantile) {
        std::ranges::sort(milliseconds);
        return milliseconds[static_cast<std::size_t>(quantile * static_cast<double>(milliseconds.size() - 1))];
    }
};

void print(const char* mode, const char* what, Figures figures) {
    std::printf("fence %-16s %-26s median %8.2f ms   p90 %8.2f ms   max %8.2f ms\n", mode, what, figures.at(0.5),
                figures.at(0.9), figures.at(1.0));
    std::fflush(stdout);
}

class FenceBench : public FenceFixture {};

TEST_P(FenceBench, Lateness) {
    start_fence();
    ::signal(SIGPIPE, SIG_IGN);
    Figures late, teardown, answered;
    start_server_and_wait();
    ASSERT_EQ(query("create table acknowledged (writer int, row bigint)"), "");
    const std::vector<std::string> target{"-h", directory_ / "sockets", "-U", "postgres", "postgres"};
    std::vector<std::string> initialize{postgres_program("pgbench"), "-i", "-q"};
    initialize.insert(initialize.end(), target.begin(), target.end());
    ASSERT_EQ(test::run(initialize).status, 0);
    std::vector<std::string> load{postgres_program("pgbench"), "-n", "-c", "16", "-j", "2", "-T", "60"};
    load.insert(load.end(), target.begin(), target.end());
    for (int trial = 0; trial < trials; ++trial) {
        if (trial > 0) start_server_and_wait();
        const Child bench{load};
        AckedWriter one{urgent_psql(), 1}, two{urgent_psql(), 2};
        const auto both_acknowledged = [&](std::int64_t rows) {
            return one.acknowledged() > rows && two.acknowledged() > rows;
        };
        ASSERT_TRUE(eventually(60s, [&] { return server_processes().size() >= 22 && both_acknowledged(10); }));
        std::vector<Child> busy;
        for (long i = 0; i < busy_per_cpu * ::sysconf(_SC_NPROCESSORS_ONLN); ++i) {
            busy.push_back(Child{{"sh", "-c", "while :; do :; done"}});
        }
        const std::int64_t before = std::max(one.acknowledged(), two.acknowledged());
        ASSERT_TRUE(eventually(60s, [&] { return both_acknowledged(before + 10); }));
        const BootTime deadline = now() + 300ms;
        ASSERT_EQ(agent_->arm(trial + 1, deadline).answer, Answer::ok);
        const auto fired = agent_->wait_for(Kind::fired, 30s);
        ASSERT_TRUE(fired);
        EXPECT_GE(now(), deadline);
        one.join();
        two.join();
        const BootTime last = std::max(one.last_acknowledged(), two.last_acknowledged());
        if (one.punctual()) EXPECT_LE(last, deadline + tolerance);
        answered.milliseconds.push_back(static_cast<double>((last - deadline).count()));
        late.milliseconds.push_back(fired->late_us / 1e3);
        teardown.milliseconds.push_back(fired->teardown_us / 1e3);
    }
    print(GetParam().name, "deadline to signals sent", late);
    print(GetParam().name, "signals sent to all gone", teardown);
    print(GetParam().name, "deadline to last answer", answered);
}

INSTANTIATE_TEST_SUITE_P(, FenceBench, ::testing::ValuesIn(modes), mode_name);

}  // namespace
}  // namespace castle::fence::test

int main(int count, char** values) {
    ::testing::InitGoogleTest(&count, values);
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string_view option = values[i], value = values[i + 1];
        if (option != "--trials" && option != "--busy-per-cpu") return 2;
        int& number = option == "--trials" ? castle::fence::test::trials : castle::fence::test::busy_per_cpu;
        std::from_chars(value.data(), value.data() + value.size(), number);
    }
    return RUN_ALL_TESTS();
}
