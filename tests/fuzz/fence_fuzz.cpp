// Packets of the fence's socket: whatever is read from one, written again, reads the same. A further byte string drives
// the deadline as commands would.
#include <array>
#include <cstdint>

#include "fence/deadline.hpp"
#include "fence/protocol.hpp"
#include "fuzz.hpp"

namespace {

using namespace castle;
using namespace castle::fence;

void read_packet(std::string_view packet) {
    const auto reader = Reader::parse(packet);
    if (!reader) return;
    const Report report = reader->report();
    std::array<char, 8192> buffer;
    Writer writer(buffer, reader->kind(), reader->sequence());
    writer.report(report);
    if (writer.packet().empty()) return;  // a longer data directory than that
    const auto again = Reader::parse(writer.packet());
    CASTLE_ASSERT(again && again->kind() == reader->kind() && again->sequence() == reader->sequence());
    const Report same = again->report();
    CASTLE_ASSERT(same.state == report.state && same.fence == report.fence && same.busy == report.busy);
    CASTLE_ASSERT(same.exit_status == report.exit_status && same.guards == report.guards);
    CASTLE_ASSERT(same.cgroup == report.cgroup && same.data_dir == report.data_dir);

    reader->each(Field::address, [&](std::string_view value) {
        const auto address = read_address(value);
        if (!address) return;
        Writer one(buffer, Kind::add_address, 1);
        one.address(*address);
        CASTLE_ASSERT(read_address(*Reader::parse(one.packet())->text(Field::address)) == address);
    });
}

void set_deadlines(fuzz::Bytes bytes) {
    Deadline deadline;
    Instant now{BootTime{Duration{1'000}}, RawTime{Duration{500}}};
    while (!bytes.empty()) {
        Outcome outcome;
        const Phase before = deadline.state().phase;
        const std::uint8_t command = bytes.byte();
        const Revision epoch{command >> 4};
        switch (command % 8) {
            case 0: outcome = deadline.arm(now, epoch, BootTime{Duration(bytes.number())}); break;
            case 1: outcome = deadline.extend(now, epoch, BootTime{Duration(bytes.number())}); break;
            case 2:
                outcome = deadline.arm(now, epoch, now.boot + Duration{bytes.byte()}, Duration{bytes.byte()});
                break;
            case 3:
                outcome = deadline.extend(now, epoch, now.boot + Duration{bytes.byte()}, Duration{bytes.byte()});
                break;
            case 4: outcome = deadline.disarm(now); break;
            case 5: outcome = deadline.kill(now); break;
            case 6: outcome = deadline.server_started(now, 1 + command); break;
            default:
                now.boot += Duration{command >> 4};
                now.raw += Duration{command >> 5};
                outcome = deadline.tick(now);
        }
        CASTLE_ASSERT((outcome.action == Action::kill) ==
                      (before != Phase::fired && deadline.state().phase == Phase::fired));
        CASTLE_ASSERT(outcome.action != Action::stop || (before == Phase::armed && deadline.state().server != 0));
        CASTLE_ASSERT(outcome.action != Action::stop || deadline.tick(now).action == Action::nothing);
        const auto wait = deadline.wait(now);
        CASTLE_ASSERT(wait.has_value() == (deadline.state().phase == Phase::armed));
        CASTLE_ASSERT(!wait || (*wait >= Duration{0} && *wait <= Duration{1'000}));
        if (deadline.state().phase == Phase::fired && command % 2) (void)deadline.emptied();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] % 2 == 0)
        set_deadlines({data + 1, size - 1});
    else
        read_packet({reinterpret_cast<const char*>(data) + 1, size - 1});
    return 0;
}
