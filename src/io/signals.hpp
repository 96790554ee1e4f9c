// Signals of the operating system, brought to the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "io/loop.hpp"

namespace castle::io {

// From construction to destruction the named signals do nothing but call `arrived` from the loop. One object for a
// signal at a time.
class Signals {
public:
    Signals(Loop& loop, std::vector<int> numbers, std::function<void(int)> arrived);
    ~Signals();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace castle::io
