#include "wire/dns_srv.hpp"

#include <algorithm>
#include <tuple>

namespace castle::wire {
namespace {

constexpr std::uint16_t type_srv = 33;
constexpr std::size_t header_bytes = 12;

class Reader {
public:
    explicit Reader(std::string_view packet) : packet_(packet) {}

    Result<std::uint16_t> number16() {
        if (at_ + 2 > packet_.size()) return cut();
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(packet_[i]); };
        const auto number = static_cast<std::uint16_t>(byte(at_) << 8 | byte(at_ + 1));
        at_ += 2;
        return number;
    }
    Status skip(std::size_t bytes) {
        if (bytes > packet_.size() - at_) return cut();
        at_ += bytes;
        return Done{};
    }
    // Names may go on elsewhere in the packet. Only backwards, so that no name is endless.
    Result<std::string> name() {
        std::string name;
        std::size_t at = at_;
        std::size_t limit = packet_.size();
        bool jumped = false;
        while (true) {
            if (at >= limit) return cut();
            const auto length = static_cast<unsigned char>(packet_[at]);
            if (length >= 0xc0) {
                if (at + 2 > packet_.size()) return cut();
                const std::size_t target =
                    static_cast<std::size_t>(length & 0x3f) << 8 | static_cast<unsigned char>(packet_[at + 1]);
                if (target >= at) return cut();
                if (!jumped) at_ = at + 2;
                jumped = true;
                limit = at;
                at = target;
                continue;
            }
            if (length > 63) return cut();
            if (length == 0) {
                if (!jumped) at_ = at + 1;
                return name;
            }
            if (at + 1 + length > packet_.size()) return cut();
            if (!name.empty()) name += '.';
            name += packet_.substr(at + 1, length);
            at += 1u + length;
        }
    }
    std::size_t at() const { return at_; }

private:
    static Error cut() { return {Errc::invalid, "a broken answer of the name server"}; }
    std::string_view packet_;
    std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<SrvRecord>> read_srv_answer(std::string_view packet) {
    Reader reader(packet);
    CASTLE_CHECK(reader.skip(4));
    CASTLE_TRY(const std::uint16_t questions, reader.number16());
    CASTLE_TRY(const std::uint16_t answers, reader.number16());
    CASTLE_CHECK(reader.skip(header_bytes - reader.at()));
    for (int i = 0; i < questions; ++i) {
        CASTLE_CHECK(reader.name());
        CASTLE_CHECK(reader.skip(4));
    }
    std::vector<SrvRecord> records;
    for (int i = 0; i < answers; ++i) {
        CASTLE_CHECK(reader.name());
        CASTLE_TRY(const std::uint16_t type, reader.number16());
        CASTLE_CHECK(reader.skip(6));
        CASTLE_TRY(const std::uint16_t size, reader.number16());
        if (type != type_srv) {
            CASTLE_CHECK(reader.skip(size));
            continue;
        }
        SrvRecord record;
        CASTLE_TRY(record.priority, reader.number16());
        CASTLE_TRY(record.weight, reader.number16());
        CASTLE_TRY(record.port, reader.number16());
        CASTLE_TRY(record.target, reader.name());
        if (!record.target.empty()) records.push_back(std::move(record));
    }
    std::sort(records.begin(), records.end(), [](const SrvRecord& a, const SrvRecord& b) {
        return std::tuple(a.priority, -int{a.weight}, a.target) < std::tuple(b.priority, -int{b.weight}, b.target);
    });
    return records;
}

}  // namespace castle::wire
