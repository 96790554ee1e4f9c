// The time, for whoever may ask it.
#pragma once

#include "base/types.hpp"

namespace castle::ports {

class Clock {
public:
    virtual ~Clock() = default;
    virtual Now now() const = 0;
};

}  // namespace castle::ports
