// What happened in a simulated run, in order: a hash of all of it, and on request every line in print. Two runs with
// one seed have the same hash; where they differ, their printed traces show the first difference.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace castle::sim {

class Trace {
public:
    explicit Trace(std::FILE* print = nullptr) : print_(print) {}

    // `who` is a host or a part of the world, `what` a fixed text with one %1..%4 for each number.
    void note(BootTime when, std::string_view who, std::string_view what,
              std::initializer_list<std::int64_t> numbers = {});
    // Text made by the simulated programs.
    void say(BootTime when, std::string_view who, std::string_view text);

    std::uint64_t hash() const { return hash_; }
    bool printing() const { return print_ != nullptr; }

private:
    void mix(std::uint64_t value) {
        hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
        hash_ ^= hash_ >> 29;
    }
    void mix(std::string_view text);
    void print_line(BootTime when, std::string_view who, std::string_view text);

    std::FILE* print_;
    std::uint64_t hash_ = 0x6a09e667f3bcc908;
};

}  // namespace castle::sim
