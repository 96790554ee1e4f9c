#include "node/last_line.hpp"

#include <algorithm>
#include <fstream>

namespace castle::node {

std::string last_line(const std::string& path) {
    constexpr std::streamoff tail = 4096;
    constexpr std::size_t line_max = 300;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return {};
    const std::streamoff size = file.tellg();
    file.seekg(std::max<std::streamoff>(0, size - tail));
    std::string line, last;
    while (std::getline(file, line))
        if (!line.empty()) last = line.substr(0, line_max);
    return last;
}

}  // namespace castle::node
