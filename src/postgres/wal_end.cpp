#include "postgres/wal_end.hpp"

#include "base/text.hpp"

namespace castle::postgres {
namespace {

constexpr std::uint64_t page_bytes = 8192;
constexpr std::uint64_t short_header = 24, long_header = 40;

struct Dump {
    std::optional<WalRecord> first, last;
    std::string problem;
};

// Keeps the first and the last line only: there may be a gigabyte of them.
Task<Result<Dump>> dump(const Site& site, Timeline timeline, Lsn start, bool only_one, BootTime deadline) {
    CASTLE_CO_TRY(const std::string program, site.programs.path("pg_waldump"));
    auto records = std::make_shared<Dump>();
    Command command{.argv = {program, "--path=" + site.options.data_dir + "/pg_wal",
                             "--timeline=" + std::to_string(number(timeline)), "--start=" + start.text()}};
    if (only_one) command.argv.push_back("--limit=1");
    command.on_line = [records](std::string_view line) {
        const auto record = parse_waldump_line(line);
        if (!record) return;
        if (!records->first) records->first = record;
        records->last = record;
    };
    auto outcome = co_await site.programs.run(std::move(command), deadline);
    if (!outcome) co_return std::move(outcome).error().in("pg_waldump");
    // It always fails where the log ends; only without any record that is an error.
    records->problem = outcome->reason();
    if (!records->first) co_return Error{Errc::failed, "pg_waldump: " + records->problem};
    co_return *records;
}

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

Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline) {
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, start, true, deadline));
    if (records.first->start != start) co_return Error{Errc::failed, "there is no record at " + start.text()};
    co_return end_of_record(start, records.first->length, segment);
}

Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, std::uint64_t segment, BootTime deadline) {
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, from, false, deadline));
    co_return end_of_record(records.last->start, records.last->length, segment);
}

}  // namespace castle::postgres
