#include "base/lsn.hpp"

#include <cstdio>

#include "base/text.hpp"

namespace castle {

Result<Lsn> Lsn::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos) return Error{Errc::invalid, "\"" + std::string(text) + "\" is not a WAL position"};
    CASTLE_TRY(const std::uint32_t high, parse_hex32(text.substr(0, slash)));
    CASTLE_TRY(const std::uint32_t low, parse_hex32(text.substr(slash + 1)));
    return Lsn{std::uint64_t{high} << 32 | low};
}

std::string Lsn::text() const {
    char buffer[20];
    std::snprintf(buffer, sizeof buffer, "%X/%X", static_cast<unsigned>(offset_ >> 32),
                  static_cast<unsigned>(offset_ & 0xffffffffU));
    return buffer;
}

}  // namespace castle
