// Where the agent tells what it sees and does: the log in life, the trace in the simulator.
#pragma once

#include <string>
#include <string_view>

namespace castle::ports {

enum class Level { debug, info, warning, error, critical };

class Journal {
public:
    virtual ~Journal() = default;
    virtual void write(Level level, std::string_view text) = 0;
};

}  // namespace castle::ports
