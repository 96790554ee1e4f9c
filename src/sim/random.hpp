// The simulator's dice. One seed gives one sequence, everywhere and for ever: the distributions of the standard library
// differ between implementations, so none are used.
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace castle::sim {

class Random {
public:
    explicit Random(std::uint64_t seed) {
        for (auto& word : state_) word = mix(seed);
    }

    std::uint64_t next() {  // xoshiro256**
        const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    // From 0 to n-1; n below 2^32. The bias of the product is far below anything a simulation could notice.
    std::uint64_t below(std::uint64_t n) { return (next() >> 32) * n >> 32; }
    std::int64_t between(std::int64_t low, std::int64_t high) {  // both included
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
    }
    Duration between(Duration low, Duration high) { return Duration{between(low.count(), high.count())}; }
    bool chance(unsigned per_mille) { return below(1000) < per_mille; }

    // Dice of its own for one part of the world, so that a change in one part leaves the throws of the others alone.
    Random fork() { return Random(next()); }

private:
    static std::uint64_t rotate(std::uint64_t value, int by) { return value << by | value >> (64 - by); }
    static std::uint64_t mix(std::uint64_t& seed) {  // splitmix64
        std::uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    std::uint64_t state_[4];
};

}  // namespace castle::sim
