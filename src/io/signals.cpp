#include "io/signals.hpp"

#include "io/asio.hpp"

namespace castle::io {

struct Signals::State {
    State(Loop& loop, std::function<void(int)> call) : set(context_of(loop)), arrived(std::move(call)) {}
    asio::signal_set set;
    std::function<void(int)> arrived;

    static void wait(const std::shared_ptr<State>& state) {
        state->set.async_wait([weak = std::weak_ptr(state)](boost::system::error_code error, int number) {
            const auto living = weak.lock();
            if (error || !living) return;
            wait(living);
            living->arrived(number);
        });
    }
};

Signals::Signals(Loop& loop, std::vector<int> numbers, std::function<void(int)> arrived)
    : state_(std::make_shared<State>(loop, std::move(arrived))) {
    for (const int number : numbers) state_->set.add(number);
    State::wait(state_);
}

Signals::~Signals() = default;

}  // namespace castle::io
