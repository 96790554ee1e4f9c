// A position in the write-ahead log, as PostgreSQL counts it: bytes since the beginning of the cluster's log.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace castle {

// Comparable only along one timeline's history. Zero is PostgreSQL's InvalidXLogRecPtr.
class Lsn {
public:
    constexpr Lsn() = default;
    constexpr explicit Lsn(std::uint64_t offset) : offset_(offset) {}
    static Result<Lsn> parse(std::string_view text);  // "16/B374D848", as PostgreSQL prints it
    constexpr std::uint64_t offset() const { return offset_; }
    constexpr bool known() const { return offset_ != 0; }
    std::string text() const;  // "16/B374D848"
    friend constexpr auto operator<=>(Lsn, Lsn) = default;

private:
    std::uint64_t offset_ = 0;
};

// A member that is in front lags by nothing.
constexpr std::uint64_t lag_bytes(Lsn front, Lsn back) {
    return front > back ? front.offset() - back.offset() : 0;
}

}  // namespace castle
