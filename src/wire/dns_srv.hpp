// SRV records of the name service: the answer of a server as bytes, read into records. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle::wire {

struct SrvRecord {
    std::uint16_t priority = 0;  // lower ones first
    std::uint16_t weight = 0;
    std::uint16_t port = 0;
    std::string target;  // without the dot at the end
    friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};

// The SRV records of the answer section, the preferred ones first. Other records are passed over.
Result<std::vector<SrvRecord>> read_srv_answer(std::string_view packet);

}  // namespace castle::wire
