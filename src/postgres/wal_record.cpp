#include "postgres/wal_record.hpp"

#include "base/text.hpp"

namespace castle::postgres {
namespace {

constexpr std::uint64_t page_bytes = 8192;
constexpr std::uint64_t short_header = 24, long_header = 40;

}  // namespace

Lsn end_of_record(Lsn start, std::uint64_t length, std::uint64_t segment) {
    std::uint64_t at = start.offset();
    std::uint64_t left = length;
    for (;;) {
        const std::uint64_t room = page_bytes - at % page_bytes;
        if (left <= room) break;
        left -= room;
        at += room;
        at += at % segment == 0 ? long_header : short_header;
    }
    at += left;
    return Lsn{(at + 7) / 8 * 8};
}

std::optional<WalRecord> parse_waldump_line(std::string_view line) {
    const auto after = [&](std::string_view mark) -> std::string_view {
        const auto at = line.find(mark);
        return at == line.npos ? std::string_view() : line.substr(at + mark.size());
    };
    std::string_view lengths = after("len (rec/tot):");
    const std::string_view place = after(", lsn: ");
    const auto slash = lengths.find('/');
    if (slash == lengths.npos || place.empty()) return {};
    lengths = lengths.substr(slash + 1);
    const auto length = parse_uint(trim(lengths.substr(0, lengths.find(','))));
    const auto start = Lsn::parse(place.substr(0, place.find(',')));
    if (!length || !start) return {};
    return WalRecord{*start, *length};
}

std::optional<Lsn> parse_waldump_stats_line(std::string_view line) {
    constexpr std::string_view mark = "WAL statistics between ", between = " and ";
    const auto at = line.find(between);
    if (!line.starts_with(mark) || at == line.npos || !line.ends_with(':')) return {};
    line.remove_suffix(1);
    const auto end = Lsn::parse(line.substr(at + between.size()));
    return end ? std::optional(*end) : std::nullopt;
}

}  // namespace castle::postgres
