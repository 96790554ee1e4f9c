#include "postgres/wal_end.hpp"

#include <memory>
#include <optional>

#include "postgres/files.hpp"
#include "postgres/wal_record.hpp"

namespace castle::postgres {
namespace {

struct Dump {
    std::optional<WalRecord> first;  // not told by --stats
    std::optional<Lsn> end;          // of the last record
};

std::string segment_path(const std::string& data_dir, Timeline timeline, std::uint64_t index, std::uint64_t segment) {
    const std::uint64_t per_name = 0x1'0000'0000 / segment;
    char name[64];
    std::snprintf(name, sizeof name, "/pg_wal/%08X%08X%08X", number(timeline),
                  static_cast<std::uint32_t>(index / per_name), static_cast<std::uint32_t>(index % per_name));
    return data_dir + name;
}

// The end of the last of the segments that follow each other from the one with `start` on: for the next one pg_waldump
// would wait five seconds. Not found: there is no such segment.
Task<Result<Lsn>> segments_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment,
                               BootTime deadline) {
    const std::uint64_t first = start.offset() / segment;
    auto look = [=, data_dir = site.options.data_dir] {
        std::uint64_t next = first;
        while (file_exists(segment_path(data_dir, timeline, next, segment))) ++next;
        return Result<std::uint64_t>(next);
    };
    CASTLE_CO_TRY(const std::uint64_t next, co_await site.loop.on_worker(std::move(look), deadline));
    if (next == first)
        co_return Error{Errc::not_found,
                        "there is no WAL segment " + segment_path(site.options.data_dir, timeline, first, segment)};
    co_return Lsn{next * segment};
}

// Keeps the first and the last only: there may be a gigabyte of them. An error: the log could not be read to where its
// valid records end.
Task<Result<Dump>> dump(const Site& site, Timeline timeline, Lsn start, bool only_one, std::uint64_t segment,
                        BootTime deadline) {
    CASTLE_CO_TRY(const std::string program, site.programs.path("pg_waldump"));
    CASTLE_CO_TRY(const Lsn end, co_await segments_end(site, timeline, start, segment, deadline));
    auto records = std::make_shared<Dump>();
    Command command{.argv = {program, "--path=" + site.options.data_dir + "/pg_wal",
                             "--timeline=" + std::to_string(number(timeline)), "--start=" + start.text(),
                             "--end=" + end.text()}};
    if (only_one)
        command.argv.push_back("--limit=1");
    else if (site.version.waldump_stats_tell_end())
        command.argv.push_back("--stats");
    command.on_line = [=](std::string_view line) {
        if (const auto record = parse_waldump_line(line)) {
            if (!records->first) records->first = record;
            records->end = end_of_record(record->start, record->length, segment);
        } else if (const auto last = parse_waldump_stats_line(line)) {
            records->end = last;
        }
    };
    auto outcome = co_await site.programs.run(std::move(command), deadline);
    if (!outcome) co_return std::move(outcome).error().in("pg_waldump");
    // It fails where the log ends, too, and says so in one of these ways.
    const std::string problem = outcome->ok() ? std::string() : outcome->reason();
    const bool at_the_end = problem.find("error in WAL record at") != std::string::npos ||
                            problem.find("could not find a valid record after") != std::string::npos;
    if (!problem.empty() && !at_the_end) co_return Error{Errc::failed, "pg_waldump: " + problem};
    co_return *records;
}

}  // namespace

Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline) {
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, start, true, segment, deadline));
    if (!records.first || records.first->start != start)
        co_return Error{Errc::failed, "there is no record at " + start.text()};
    co_return end_of_record(start, records.first->length, segment);
}

Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, Lsn near, std::uint64_t segment,
                          BootTime deadline) {
    for (std::uint64_t back = 1 << 20;; back *= 16) {
        const bool from_there = near.offset() < from.offset() + back;
        const Lsn start = from_there ? from : Lsn{near.offset() - back};
        auto records = co_await dump(site, timeline, start, false, segment, deadline);
        if (!records && (from_there || records.error().code != Errc::not_found)) co_return records.error();
        if (records && records->end) co_return std::max(from, *records->end);
        if (from_there) co_return from;
    }
}

Task<Result<bool>> has_record(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment,
                              BootTime deadline) {
    const auto records = co_await dump(site, timeline, start, true, segment, deadline);
    if (!records && records.error().code == Errc::not_found) co_return false;
    if (!records) co_return records.error();
    co_return records->first.has_value();
}

}  // namespace castle::postgres
