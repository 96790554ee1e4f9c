#include "postgres/wal_end.hpp"

#include <memory>
#include <optional>

#include "postgres/files.hpp"
#include "postgres/wal_record.hpp"

namespace castle::postgres {
namespace {

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
    // It always fails where the log ends; only without any record that may be an error.
    records->problem = outcome->reason();
    const bool at_the_end = records->problem.find("could not find a valid record after") != std::string::npos;
    if (!records->first && !at_the_end) co_return Error{Errc::failed, "pg_waldump: " + records->problem};
    co_return *records;
}

}  // namespace

Task<Result<Lsn>> record_end(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment, BootTime deadline) {
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, start, true, deadline));
    if (!records.first || records.first->start != start)
        co_return Error{Errc::failed, "there is no record at " + start.text()};
    co_return end_of_record(start, records.first->length, segment);
}

Task<Result<Lsn>> wal_end(const Site& site, Timeline timeline, Lsn from, std::uint64_t segment, BootTime deadline) {
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, from, false, deadline));
    co_return records.last ? end_of_record(records.last->start, records.last->length, segment) : from;
}

Task<Result<bool>> has_record(const Site& site, Timeline timeline, Lsn start, std::uint64_t segment,
                              BootTime deadline) {
    const std::uint64_t index = start.offset() / segment, per_name = 0x1'0000'0000 / segment;
    char name[64];
    std::snprintf(name, sizeof name, "/pg_wal/%08X%08X%08X", number(timeline),
                  static_cast<std::uint32_t>(index / per_name), static_cast<std::uint32_t>(index % per_name));
    // For pg_waldump a segment that is not there would be an error.
    auto look = [path = site.options.data_dir + name] { return Result<bool>(file_exists(path)); };
    CASTLE_CO_TRY(const bool segment_exists, co_await site.loop.on_worker(std::move(look), deadline));
    if (!segment_exists) co_return false;
    CASTLE_CO_TRY(const Dump records, co_await dump(site, timeline, start, true, deadline));
    co_return records.first.has_value();
}

}  // namespace castle::postgres
