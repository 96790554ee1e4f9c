#include "postgres/timelines.hpp"

#include <algorithm>

#include "postgres/data_dir.hpp"
#include "postgres/files.hpp"
#include "postgres/wal_end.hpp"

namespace castle::postgres {

Result<std::vector<LaterTimeline>> later_timelines(const std::string& data_dir, Timeline known) {
    std::vector<LaterTimeline> found;
    for (std::uint32_t tli = number(known) + 1; file_exists(history_file(data_dir, Timeline{tli})); ++tli) {
        CASTLE_TRY(const std::string content, read_file(history_file(data_dir, Timeline{tli})));
        const auto history = parse_history(content);
        found.push_back({Timeline{tli}, history.empty() ? Lsn{} : history.back().second});
    }
    std::reverse(found.begin(), found.end());
    return found;
}

Status reserve_timelines(const std::string& data_dir, Timeline from, Timeline at_least, const Owner& owner) {
    for (std::uint32_t tli = number(from) + 1; tli < number(at_least); ++tli) {
        const std::string path = history_file(data_dir, Timeline{tli});
        if (file_exists(path)) continue;
        CASTLE_CHECK(
            write_file(path, "# begun by another member; not part of the history of this server\n", 0600, owner));
    }
    return Done{};
}

Task<Status> forget_unbegun_timelines(const Site& site, wire::ControlData control, BootTime deadline) {
    const std::string data_dir = site.options.data_dir;
    const Timeline known = std::max(control.timeline, control.min_recovery_timeline);
    auto find = [data_dir, known] { return later_timelines(data_dir, known); };
    CASTLE_CO_TRY(const std::vector<LaterTimeline> later, co_await site.loop.on_worker(std::move(find), deadline));
    for (const LaterTimeline& each : later) {
        if (each.begins.known()) {
            CASTLE_CO_TRY(const bool begun,
                          co_await has_record(site, each.timeline, each.begins, control.wal_segment_bytes, deadline));
            if (begun) break;
        }
        auto remove = [path = history_file(data_dir, each.timeline)] { return remove_file(path); };
        CASTLE_CO_CHECK(co_await site.loop.on_worker(std::move(remove), deadline));
        site.info("timeline " + std::to_string(number(each.timeline)) +
                  " was never begun here: its history file is removed");
    }
    co_return Done{};
}

}  // namespace castle::postgres
