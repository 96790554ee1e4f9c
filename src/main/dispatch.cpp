#include "main/dispatch.hpp"

#include <cstdio>
#include <string>
#include <string_view>

#include "agent/options.hpp"

namespace castle {

int dispatch(int argc, char** argv) {
    const std::string_view command = argc > 1 ? argv[1] : "";
    if (command == "--version") {
        std::printf("pgcastle %s\n", agent::castle_version);
        return 0;
    }
    return 2;
}

}  // namespace castle
