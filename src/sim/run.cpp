#include "sim/run.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "sim/chaos.hpp"

namespace castle::sim {
namespace {

constexpr Duration first_start = 40s;  // from empty directories to three members streaming, at the longest

// How long after the last fault the cluster may take to be whole: the lease of a dead leader runs out, evidence that
// needs the old leader's life, a promotion, and the others' rewinds or clones behind it.
Duration recovery_limit(const Options& options) {
    return std::max(options.ttl, Duration{30s}) * 2 + options.loop_wait * 2 + options.race_backoff + 60s;
}

}  // namespace

RunResult run_seed(std::uint64_t seed, Duration time, std::FILE* print) {
    Random random(seed ^ 0x5eed);
    Options options;
    options.print = print;
    options.members = random.chance(750) ? 3 : random.chance(600) ? 2 : 5;
    options.synchronous = random.chance(400);
    options.clock_ppm_max = random.chance(500) ? 0 : random.chance(700) ? 500 : 20'000;
    options.ttl = std::chrono::ceil<std::chrono::seconds>(random.chance(500) ? random.between(4s, 15s)
                                                                             : random.between(20s, 30s));
    options.loop_wait =
        std::chrono::ceil<std::chrono::seconds>(random.between(1s, std::max(Duration{1s}, options.ttl / 4)));
    options.retry_timeout =
        std::chrono::ceil<std::chrono::seconds>(random.between(1s, std::max(Duration{1s}, options.ttl / 3)));
    if (random.chance(200)) options.race_backoff = std::chrono::ceil<std::chrono::seconds>(random.between(1s, 20s));

    RunResult result;
    result.seed = seed;
    result.synchronous = options.synchronous;
    Sim sim{seed, options};
    Chaos chaos{sim, random.fork()};
    if (!sim.run_until_healthy(first_start)) result.failures.push_back("the cluster did not come up");
    const Duration limit = recovery_limit(options);
    chaos.run(std::max(time - limit / 2, time / 3));
    const BootTime healed = sim.now();
    if (!sim.run_until_healthy(limit))
        result.failures.push_back("no healthy cluster " + std::to_string(limit.count() / 1000) +
                                  " s after the last fault");
    // Whole, it must stay so; and what is left of the time passes quietly.
    sim.run(std::max(Duration{5s}, (BootTime{} + time) - sim.now()));
    if (!sim.healthy())
        result.failures.push_back("the cluster was whole again after the last fault, and is not any more");
    sim.world().note("sim", "faults ended at %1", {healed.time_since_epoch().count()});
    sim.finish();
    for (const Violation& violation : sim.checker().violations())
        result.failures.push_back(std::to_string(violation.when.time_since_epoch().count()) + " ms: " + violation.text);
    result.hash = sim.world().trace().hash();
    result.faults = sim.world().faults();
    result.decisions = sim.decisions();
    result.acknowledged = sim.checker().acknowledged();
    result.lost = sim.checker().lost();
    result.promotions = sim.checker().promotions();
    result.steps = sim.world().steps();
    return result;
}

namespace {

struct Arguments {
    std::uint64_t seed = 1, seeds = 1;
    Duration time = 2min;
    unsigned jobs = 0;
    bool trace = false, help = false;
    std::string mistake;
};

Arguments read_arguments(const std::vector<std::string>& given) {
    Arguments arguments;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const std::string& name = given[i];
        if (name == "--trace")
            arguments.trace = true;
        else if (name == "--help" || name == "-h")
            arguments.help = true;
        else if (name == "--seed" || name == "--seeds" || name == "--minutes" || name == "--jobs") {
            const auto value =
                i + 1 < given.size() ? parse_uint(given[++i]) : Result<std::uint64_t>(Error{Errc::invalid, "missing"});
            if (!value || (name == "--minutes" && (*value < 1 || *value > 100'000)) ||
                (name == "--jobs" && *value > 1024)) {
                arguments.mistake = name + " needs a number";
                return arguments;
            }
            if (name == "--seed")
                arguments.seed = *value;
            else if (name == "--seeds")
                arguments.seeds = *value;
            else if (name == "--minutes")
                arguments.time = std::chrono::minutes{*value};
            else
                arguments.jobs = static_cast<unsigned>(*value);
        } else {
            arguments.mistake = "unknown argument " + name;
            return arguments;
        }
    }
    return arguments;
}

constexpr const char* usage =
    "pgcastle simulate [--seed S] [--seeds N] [--minutes M] [--jobs J] [--trace]\n"
    "  Runs whole clusters in a made-up world, one from each seed from S to S+N-1, with faults for M minutes (2) of\n"
    "  their time, and checks the promises at every step. --trace prints everything that happens in one run.\n";

void print_summary(const std::vector<RunResult>& results) {
    FaultCounts faults{};
    Decisions decisions{};
    std::uint64_t acknowledged = 0, lost = 0, promotions = 0, steps = 0, synchronous = 0;
    for (const RunResult& result : results) {
        for (std::size_t i = 0; i < faults.size(); ++i) faults[i] += result.faults[i];
        for (std::size_t i = 0; i < decisions.size(); ++i) decisions[i] += result.decisions[i];
        acknowledged += result.acknowledged;
        lost += result.lost;
        promotions += result.promotions;
        steps += result.steps;
        synchronous += result.synchronous;
    }
    std::printf("faults injected:\n");
    for (std::size_t i = 0; i < faults.size(); ++i)
        std::printf("  %-28s %llu\n", fault_names[i].data(), static_cast<unsigned long long>(faults[i]));
    std::printf("decisions reached:\n");
    for (std::size_t i = 0; i < decisions.size(); ++i)
        std::printf("  %-28s %llu\n", std::string(name_of(static_cast<core::Reason>(i))).c_str(),
                    static_cast<unsigned long long>(decisions[i]));
    std::printf(
        "runs %zu (%llu synchronous), steps %llu, primaries made %llu, writes acknowledged %llu, lost in asynchronous "
        "runs %llu\n",
        results.size(), static_cast<unsigned long long>(synchronous), static_cast<unsigned long long>(steps),
        static_cast<unsigned long long>(promotions), static_cast<unsigned long long>(acknowledged),
        static_cast<unsigned long long>(lost));
}

}  // namespace

int run(const std::vector<std::string>& given) {
    const Arguments arguments = read_arguments(given);
    if (arguments.help || !arguments.mistake.empty()) {
        std::fprintf(arguments.help ? stdout : stderr, "%s%s%s", arguments.mistake.c_str(), arguments.help ? "" : "\n",
                     usage);
        return arguments.help ? 0 : 2;
    }
    std::vector<RunResult> results(arguments.seeds);
    if (arguments.seeds == 1) {
        results[0] = run_seed(arguments.seed, arguments.time, arguments.trace ? stdout : nullptr);
        std::printf("seed %llu: trace hash %016llx\n", static_cast<unsigned long long>(arguments.seed),
                    static_cast<unsigned long long>(results[0].hash));
    } else {
        std::atomic<std::uint64_t> next = 0;
        const auto work = [&] {
            for (std::uint64_t i = next++; i < arguments.seeds; i = next++)
                results[i] = run_seed(arguments.seed + i, arguments.time);
        };
        const unsigned jobs = arguments.jobs ? arguments.jobs : std::max(1u, std::thread::hardware_concurrency());
        std::vector<std::thread> threads;
        for (unsigned job = 0; job < jobs; ++job) threads.emplace_back(work);
        for (std::thread& thread : threads) thread.join();
    }
    print_summary(results);
    std::uint64_t failed = 0;
    for (const RunResult& result : results) {
        failed += !result.failures.empty();
        if (failed > 50) continue;
        for (const std::string& failure : result.failures)
            std::printf("FAILED seed %llu: %s\n", static_cast<unsigned long long>(result.seed), failure.c_str());
    }
    if (failed)
        std::printf("%llu of %zu runs failed; repeat one with: pgcastle simulate --seed S --trace\n",
                    static_cast<unsigned long long>(failed), results.size());
    return failed ? 1 : 0;
}

}  // namespace castle::sim
