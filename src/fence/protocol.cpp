#include "fence/protocol.hpp"

#include <cstddef>
#include <cstring>

#include "base/assert.hpp"

namespace castle::fence {
namespace {

// Both ends run on one machine: its own byte order will do.
struct Header {
    std::uint32_t magic;
    std::uint16_t version;
    std::uint16_t kind;
    std::uint32_t sequence;
    std::uint32_t reserved;
};
static_assert(sizeof(Header) == header_size);
constexpr std::uint32_t magic_number = 0x464e4343;  // "CCNF"

struct FieldHeader {
    std::uint16_t field;
    std::uint16_t reserved;
    std::uint32_t length;
};
static_assert(sizeof(FieldHeader) == 8);

}  // namespace

void set_sequence(std::span<char> packet, std::uint32_t sequence) {
    CASTLE_ASSERT(packet.size() >= sizeof(Header));
    std::memcpy(packet.data() + offsetof(Header, sequence), &sequence, sizeof sequence);
}

Writer::Writer(std::span<char> buffer, Kind kind, std::uint32_t sequence) : buffer_(buffer) {
    const Header header{magic_number, protocol_version, static_cast<std::uint16_t>(kind), sequence, 0};
    fits_ = buffer_.size() >= sizeof header;
    if (!fits_) return;
    std::memcpy(buffer_.data(), &header, sizeof header);
    size_ = sizeof header;
}

Writer& Writer::text(Field field, std::string_view value) {
    const FieldHeader header{static_cast<std::uint16_t>(field), 0, static_cast<std::uint32_t>(value.size())};
    if (!fits_ || value.size() > packet_size_max || buffer_.size() - size_ < sizeof header + value.size()) {
        fits_ = false;
        return *this;
    }
    std::memcpy(buffer_.data() + size_, &header, sizeof header);
    if (!value.empty()) std::memcpy(buffer_.data() + size_ + sizeof header, value.data(), value.size());
    size_ += sizeof header + value.size();
    return *this;
}

Writer& Writer::integer(Field field, std::uint64_t value) {
    return text(field, {reinterpret_cast<const char*>(&value), sizeof value});
}

Writer& Writer::address(const Address& address) {
    std::array<char, address_size> bytes{};
    std::memcpy(bytes.data(), &address.interface_index, 4);
    bytes[4] = static_cast<char>(address.family);
    bytes[5] = static_cast<char>(address.prefix_length);
    std::memcpy(bytes.data() + 6, address.bytes.data(), address.bytes.size());
    return text(Field::address, {bytes.data(), bytes.size()});
}

Writer& Writer::report(const Report& report) {
    return number(Field::fence_version, report.version)
        .number(Field::fence_pid, report.fence)
        .number(Field::phase, report.state.phase)
        .number(Field::server_pid, report.state.server)
        .number(Field::armed_epoch, report.state.epoch)
        .time(Field::armed_until, report.state.deadline)
        .number(Field::firings, report.state.firings)
        .number(Field::killed, report.state.killed)
        .number(Field::busy, report.busy)
        .number(Field::starts, report.starts)
        .number(Field::adopted, report.adopted)
        .number(Field::exit_status, report.exit_status)
        .number(Field::guards, report.guards)
        .number(Field::late, report.late_us)
        .number(Field::teardown, report.teardown_us)
        .number(Field::watchdog_timeout, report.watchdog_seconds)
        .text(Field::cgroup, report.cgroup)
        .text(Field::server_data_dir, report.data_dir);
}

bool Reader::next(std::string_view& rest, Entry& entry) {
    FieldHeader header;
    if (rest.size() < sizeof header) return false;
    std::memcpy(&header, rest.data(), sizeof header);
    rest.remove_prefix(sizeof header);
    if (header.length > rest.size()) return false;
    entry = {static_cast<Field>(header.field), rest.substr(0, header.length)};
    rest.remove_prefix(header.length);
    return true;
}

std::optional<Reader> Reader::parse(std::string_view packet) {
    Header header;
    if (packet.size() < sizeof header || packet.size() > packet_size_max) return std::nullopt;
    std::memcpy(&header, packet.data(), sizeof header);
    if (header.magic != magic_number) return std::nullopt;
    Reader reader;
    reader.kind_ = static_cast<Kind>(header.kind);
    reader.sequence_ = header.sequence;
    reader.fields_ = packet.substr(sizeof header);
    std::string_view rest = reader.fields_;
    Entry entry;
    while (!rest.empty()) {
        if (!next(rest, entry)) return std::nullopt;
    }
    return reader;
}

std::optional<std::string_view> Reader::text(Field field) const {
    std::string_view rest = fields_;
    Entry entry;
    while (next(rest, entry)) {
        if (entry.field == field) return entry.value;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> Reader::number(Field field) const {
    const auto bytes = text(field);
    return bytes ? read_number(*bytes) : std::nullopt;
}

std::optional<BootTime> Reader::time(Field field) const {
    const auto value = number(field);
    if (!value) return std::nullopt;
    return BootTime{Duration{static_cast<std::int64_t>(*value)}};
}

Report Reader::report() const {
    const auto get = [this]<class T>(Field field, T& into) {
        if (const auto value = number(field)) into = static_cast<T>(*value);
    };
    Report report;
    get(Field::fence_version, report.version);
    get(Field::fence_pid, report.fence);
    get(Field::phase, report.state.phase);
    get(Field::server_pid, report.state.server);
    get(Field::armed_epoch, report.state.epoch);
    if (const auto deadline = time(Field::armed_until)) report.state.deadline = *deadline;
    get(Field::firings, report.state.firings);
    get(Field::killed, report.state.killed);
    get(Field::busy, report.busy);
    get(Field::starts, report.starts);
    get(Field::adopted, report.adopted);
    get(Field::exit_status, report.exit_status);
    get(Field::guards, report.guards);
    get(Field::late, report.late_us);
    get(Field::teardown, report.teardown_us);
    get(Field::watchdog_timeout, report.watchdog_seconds);
    if (const auto cgroup = text(Field::cgroup)) report.cgroup = *cgroup;
    if (const auto data_dir = text(Field::server_data_dir)) report.data_dir = *data_dir;
    return report;
}

std::optional<std::uint64_t> read_number(std::string_view bytes) {
    std::uint64_t value = 0;
    if (bytes.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

std::optional<Address> read_address(std::string_view bytes) {
    if (bytes.size() != address_size) return std::nullopt;
    Address address;
    std::memcpy(&address.interface_index, bytes.data(), 4);
    address.family = static_cast<std::uint8_t>(bytes[4]);
    address.prefix_length = static_cast<std::uint8_t>(bytes[5]);
    std::memcpy(address.bytes.data(), bytes.data() + 6, address.bytes.size());
    return address;
}

}  // namespace castle::fence
