#include "wire/control_data.hpp"

#include <array>
#include <cstring>

namespace castle::wire {
namespace {

// The part up to the checksum version is the same in all versions: 1700 put a new field into padding, 1800 one behind
// it.
struct Layout {
    std::uint32_t control_version;
    std::size_t crc_at;
};
constexpr Layout layouts[] = {
    {1300, 288},  // PostgreSQL 13 to 16
    {1700, 288},
    {1800, 292},  // default_char_signedness stands in front of the authentication nonce
};

namespace at {
constexpr std::size_t system_id = 0, control_version = 8, catalog_version = 12, state = 16, checkpoint = 32, redo = 40,
                      timeline = 48, previous_timeline = 52, min_recovery_end = 136, min_recovery_timeline = 144,
                      backup_start = 152, backup_end = 160, backup_end_required = 168, wal_level = 172,
                      wal_log_hints = 176, max_connections = 180, max_worker_processes = 184, max_wal_senders = 188,
                      max_prepared_transactions = 192, max_locks_per_transaction = 196, track_commit_timestamp = 200,
                      wal_segment_bytes = 228, checksum_version = 252;
}  // namespace at

template <class T>
T read(std::string_view bytes, std::size_t offset) {
    CASTLE_ASSERT(offset + sizeof(T) <= bytes.size());
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}
Lsn read_lsn(std::string_view bytes, std::size_t offset) {
    return Lsn{read<std::uint64_t>(bytes, offset)};
}
Timeline read_timeline(std::string_view bytes, std::size_t offset) {
    return Timeline{read<std::uint32_t>(bytes, offset)};
}
bool read_bool(std::string_view bytes, std::size_t offset) {
    return read<std::uint8_t>(bytes, offset) != 0;
}

const Layout* layout_of(std::uint32_t control_version) {
    for (const Layout& layout : layouts)
        if (layout.control_version == control_version) return &layout;
    return nullptr;
}

Error unknown_version(std::uint32_t version) {
    if (layout_of(__builtin_bswap32(version)))
        return {Errc::invalid, "pg_control was written on a machine of another byte order"};
    return {Errc::invalid,
            "pg_control has version " + std::to_string(version) + ", which belongs to no PostgreSQL from 13 to 18"};
}

constexpr std::array<std::uint32_t, 256> crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
        table[i] = value;
    }
    return table;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
    static constexpr auto table = crc_table();
    std::uint32_t crc = ~0u;
    for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
    return ~crc;
}

Result<ControlData> read_control_data(std::string_view bytes) {
    if (bytes.size() < 16) return Error{Errc::invalid, "pg_control is too short"};
    const auto version = read<std::uint32_t>(bytes, at::control_version);
    const Layout* layout = layout_of(version);
    if (!layout) return unknown_version(version);
    if (bytes.size() < layout->crc_at + 4) return Error{Errc::invalid, "pg_control is too short"};
    if (crc32c(bytes.substr(0, layout->crc_at)) != read<std::uint32_t>(bytes, layout->crc_at))
        return Error{Errc::invalid, "pg_control has a wrong checksum"};

    const auto state = read<std::uint32_t>(bytes, at::state);
    if (state > static_cast<std::uint32_t>(ControlData::State::in_production))
        return Error{Errc::invalid, "pg_control has the unknown state " + std::to_string(state)};

    ControlData data;
    data.system_id = read<std::uint64_t>(bytes, at::system_id);
    data.control_version = version;
    data.catalog_version = read<std::uint32_t>(bytes, at::catalog_version);
    data.state = static_cast<ControlData::State>(state);
    data.checkpoint = read_lsn(bytes, at::checkpoint);
    data.redo = read_lsn(bytes, at::redo);
    data.timeline = read_timeline(bytes, at::timeline);
    data.previous_timeline = read_timeline(bytes, at::previous_timeline);
    data.min_recovery_end = read_lsn(bytes, at::min_recovery_end);
    data.min_recovery_timeline = read_timeline(bytes, at::min_recovery_timeline);
    data.backup_start = read_lsn(bytes, at::backup_start);
    data.backup_end = read_lsn(bytes, at::backup_end);
    data.backup_end_required = read_bool(bytes, at::backup_end_required);
    data.wal_level = read<std::int32_t>(bytes, at::wal_level);
    data.wal_log_hints = read_bool(bytes, at::wal_log_hints);
    data.max_connections = read<std::int32_t>(bytes, at::max_connections);
    data.max_worker_processes = read<std::int32_t>(bytes, at::max_worker_processes);
    data.max_wal_senders = read<std::int32_t>(bytes, at::max_wal_senders);
    data.max_prepared_transactions = read<std::int32_t>(bytes, at::max_prepared_transactions);
    data.max_locks_per_transaction = read<std::int32_t>(bytes, at::max_locks_per_transaction);
    data.track_commit_timestamp = read_bool(bytes, at::track_commit_timestamp);
    data.wal_segment_bytes = read<std::uint32_t>(bytes, at::wal_segment_bytes);
    data.checksum_version = read<std::uint32_t>(bytes, at::checksum_version);
    return data;
}

std::string_view text_of(ControlData::State state) {
    switch (state) {
        case ControlData::State::starting_up: return "starting up";
        case ControlData::State::shut_down: return "shut down";
        case ControlData::State::shut_down_in_recovery: return "shut down in recovery";
        case ControlData::State::shutting_down: return "shutting down";
        case ControlData::State::in_crash_recovery: return "in crash recovery";
        case ControlData::State::in_archive_recovery: return "in archive recovery";
        case ControlData::State::in_production: return "in production";
    }
    return "unrecognized";
}

}  // namespace castle::wire
