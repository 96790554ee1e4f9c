#include "dcs/etcd/login.hpp"

#include <algorithm>
#include <deque>

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

constexpr Duration login_time = 10s;    // of one round over the endpoints
constexpr Duration patience = 2s;       // with one endpoint, before another one is asked as well
constexpr std::size_t at_once_max = 2;  // endpoints that are busy with our password
constexpr Duration first_pause = 100ms;
constexpr Duration longest_pause = 5s;
constexpr Duration good_token = 5s;  // a token that lived so long starts the pauses anew

// Counts a caller as long as it waits, however that ends.
class Waiting {
public:
    explicit Waiting(int& count) : count_(count) { ++count_; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { --count_; }

private:
    int& count_;
};

}  // namespace

struct Login::Round {
    struct Finish {
        io::Endpoint at;
        Result<std::string> result;
    };
    std::deque<Finish> finished;
    Signal changed;
};

Login::Login(Executor& executor, Rotation& rotation, Ask ask)
    : executor_(executor), rotation_(rotation), ask_(std::move(ask)), scope_(executor) {}

Task<Result<std::string>> Login::token(BootTime deadline) {
    // What a server said of name and password holds for a while: asking again each time would keep it busy for ever.
    if (!token_ && !running_ && refused_ && executor_.now() < not_before_) co_return *refused_;
    const Waiting waiting(waiting_);
    while (!token_) {
        if (!running_) {
            running_ = true;
            refused_.reset();
            scope_.spawn(log_in());
        }
        const bool in_time = co_await wait_past(executor_, changed_, changed_.count(), deadline);
        if (token_) break;
        if (refused_) co_return *refused_;
        if (!in_time) co_return Error{Errc::timed_out, "login: no answer in time"};
    }
    co_return *token_;
}

void Login::reject(const std::string& token) {
    if (token_ != token) return;
    token_.reset();
    // One that was no good from the beginning: the next will hardly be better.
    if (executor_.now() - token_since_ < good_token) pause();
}

// Doubled each time, and never the same for two clients: those that failed together do not come back together.
void Login::pause() {
    pause_ = std::clamp(2 * pause_, first_pause, longest_pause);
    not_before_ = executor_.now() +
                  Duration{std::uniform_int_distribution<std::int64_t>(pause_.count() / 2, pause_.count())(random_)};
}

Task<> Login::log_in() {
    // Goes on without the caller that wanted it, but not for ever if nobody wants it any more.
    do {
        co_await sleep_until(executor_, not_before_);
        auto token = co_await ask_in_turn(executor_.now() + login_time);
        if (token) {
            if (executor_.now() - token_since_ >= good_token) pause_ = {};
            token_ = std::move(*token);
            token_since_ = executor_.now();
            break;
        }
        pause();
        if (token.error().code == Errc::denied) refused_ = std::move(token).error();
    } while (!refused_ && waiting_ > 0);
    running_ = false;
    changed_.notify();
}

Task<Result<std::string>> Login::ask_in_turn(BootTime deadline) {
    const auto round = std::make_shared<Round>();
    const std::vector<io::Endpoint> order = rotation_.order();
    std::size_t asked = 0, answered = 0;
    BootTime next = executor_.now();
    Error last{Errc::timed_out, "login: no answer in time"};
    Scope questions(executor_);
    while (executor_.now() < deadline && answered < order.size()) {
        while (!round->finished.empty()) {
            Round::Finish finish = std::move(round->finished.front());
            round->finished.pop_front();
            if (finish.result || finish.result.error().code == Errc::denied) co_return std::move(finish.result);
            last = std::move(finish.result).error();
            rotation_.leave(finish.at);
            ++answered;
            next = executor_.now();
        }
        if (asked < order.size() && asked - answered < at_once_max && executor_.now() >= next) {
            questions.spawn(ask_one(round, order[asked++], deadline));
            next = executor_.now() + patience;
        }
        if (answered == order.size()) break;
        const bool more = asked < order.size() && asked - answered < at_once_max;
        co_await wait_past(executor_, round->changed, round->changed.count(),
                           more ? std::min(next, deadline) : deadline);
    }
    co_return last;
}

Task<> Login::ask_one(std::shared_ptr<Round> round, io::Endpoint at, BootTime deadline) {
    auto result = co_await ask_(at, deadline);
    round->finished.push_back({at, std::move(result)});
    round->changed.notify();
}

}  // namespace castle::dcs
