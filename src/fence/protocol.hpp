// What agent and fence say to each other: packets of a SOCK_SEQPACKET unix socket, as bytes. No sockets here, and no
// allocation: the fence allocates nothing after its start. Views and readers point into the caller's packet.
//
// A packet is a header and a list of fields (number, length, bytes). Whoever reads skips the fields it does not know,
// and a fence answers a command that it does not know with Answer::unsupported: so an old fence serves a new agent,
// which learns from `version` what it may rely on. Numbers here are never given another meaning.
//
// Every request is answered by one packet of the same sequence number, and every answer and notification carries the
// whole Report. Deadlines are absolute CLOCK_BOOTTIME, in milliseconds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/types.hpp"
#include "fence/deadline.hpp"

namespace castle::fence {

inline constexpr std::uint16_t protocol_version = 1;
inline constexpr std::size_t packet_size_max = 128 * 1024;  // a server's whole environment must fit
inline constexpr std::size_t header_size = 16;

enum class Kind : std::uint16_t {
    // Requests; behind each, its fields.
    hello = 1,          // version. Turns this connection into the agent's: what it sets in motion is reported to it
    status = 2,         //
    start = 3,          // data_dir, argument..., environment..., uid, gid, group..., and optionally the descriptors for
                        // the server's standard output and error (SCM_RIGHTS). Answered once exec succeeded or failed
    adopt = 4,          // pid, data_dir: a server that somebody else started, fenced until its end
    signal_server = 5,  // signal: SIGTERM smart, SIGINT fast, SIGQUIT immediate stop; SIGHUP reload; SIGUSR1 promote
    kill = 6,           // everything, now. Answered at once; `fired` follows when the tree is empty
    arm = 7,            // epoch, deadline, and optionally stop_before
    extend = 8,         // likewise
    disarm = 9,         //
    add_address = 10,   // address...: virtual addresses to be removed from this machine when the fence fires
    remove_address = 11,  // address...: no longer (it has been taken down, or is kept)
    watchdog_open = 12,   // device, driver, timeout. With the same device it only sets another timeout
    watchdog_close = 13,  //
    end = 14,             // end as soon as there is no server; an agent's absence does the same after a while

    answer = 100,         // result; error and step when it is Answer::failed; then the report
    server_exited = 101,  // by itself, leftovers cleared away; then the report
    fired = 102,          // killed, and the tree is confirmed to be empty; then the report
    replaced = 103,       // another connection said hello: there is a newer agent. The fence closes this one
};

enum class Field : std::uint16_t {
    // of requests
    version = 1,
    data_dir = 2,
    argument = 3,     // repeated; the first is the program's path
    environment = 4,  // repeated; NAME=value
    uid = 5,
    gid = 6,
    group = 7,  // repeated
    pid = 8,
    signal = 9,
    epoch = 10,
    deadline = 11,
    address = 12,  // repeated; see Address
    device = 13,
    driver = 14,       // "default" or "testing"
    timeout = 15,      // seconds
    stop_before = 16,  // milliseconds before the deadline at which the server gets a fast stop; missing: not at all

    // of answers
    result = 32,  // Answer
    error = 33,   // errno
    step = 34,    // what failed, in words

    // the report
    fence_version = 64,
    fence_pid = 65,
    phase = 66,
    server_pid = 67,
    armed_epoch = 68,
    armed_until = 69,
    firings = 70,
    starts = 71,
    adopted = 72,
    exit_status = 73,
    guards = 74,
    late = 75,
    teardown = 76,
    watchdog_timeout = 77,
    server_data_dir = 78,
    busy = 79,
    cgroup = 80,
    killed = 81,
};

// What protects the fence and its kill on this machine; bits of Report::guards. Without some of them it still works,
// with less margin: the agent says so once in its log.
enum Guards : std::uint32_t {
    guard_cgroup = 1,           // the running server has a cgroup of its own
    guard_memory_locked = 2,    // the fence cannot be swapped out
    guard_realtime = 4,         // it runs before everything else
    guard_oom_score = 8,        // the kernel will not choose it when memory runs out
    guard_directory_lock = 16,  // no second fence can guard this data directory
    guard_watchdog = 32,        // a watchdog is open
};

struct Report {
    std::uint32_t version = protocol_version;
    std::int32_t fence = 0;  // process ids
    State state;
    bool busy = false;         // a start is under way or leftovers are being cleared away: no server can be started yet
    std::uint32_t starts = 0;  // servers started or adopted so far: tells one server's exit from the next one's
    bool adopted = false;      // the present server was not started by this fence
    std::int32_t exit_status = 0;  // of the last server, as wait() tells it; unknown (0) for an adopted one
    std::uint32_t guards = 0;
    std::uint32_t late_us = 0;           // last firing: deadline to the kill signals being sent
    std::uint32_t teardown_us = 0;       // last firing: from there to the tree being empty
    std::uint32_t watchdog_seconds = 0;  // what the open watchdog really took as its timeout
    std::string_view cgroup;             // directory of the running server's cgroup; empty: it has none
    std::string_view data_dir;           // of the present or last server
};

// A virtual address, as netlink wants it.
struct Address {
    std::uint32_t interface_index = 0;
    std::uint8_t family = 0;  // AF_INET or AF_INET6
    std::uint8_t prefix_length = 0;
    std::array<std::uint8_t, 16> bytes{};
    friend bool operator==(const Address&, const Address&) = default;
};
inline constexpr std::size_t address_size = 22;

// For whoever numbers packets only when they are sent. The packet is one that a Writer has made.
void set_sequence(std::span<char> packet, std::uint32_t sequence);

class Writer {
public:
    Writer(std::span<char> buffer, Kind kind, std::uint32_t sequence);
    template <class T>
    requires std::is_integral_v<T> || std::is_enum_v<T> Writer& number(Field field, T value) {
        return integer(field, static_cast<std::uint64_t>(value));
    }
    Writer& text(Field field, std::string_view value);
    Writer& time(Field field, BootTime time) { return number(field, time.time_since_epoch().count()); }
    Writer& address(const Address& address);
    Writer& report(const Report& report);

    // The packet; empty if it did not fit.
    std::string_view packet() const { return fits_ ? std::string_view(buffer_.data(), size_) : std::string_view(); }

private:
    Writer& integer(Field field, std::uint64_t value);
    std::span<char> buffer_;
    std::size_t size_ = 0;
    bool fits_ = true;
};

class Reader {
public:
    // Nothing if the bytes are not a packet: too short, not ours, or fields that run over the end.
    static std::optional<Reader> parse(std::string_view packet);

    Kind kind() const { return kind_; }
    std::uint32_t sequence() const { return sequence_; }

    // The first field of this number; nothing if it is missing or, for numbers, of another size than 8 bytes.
    std::optional<std::string_view> text(Field field) const;
    std::optional<std::uint64_t> number(Field field) const;
    std::optional<BootTime> time(Field field) const;
    // Fields that are missing (an older writer) keep their defaults.
    Report report() const;

    template <class Visit>
    void each(Field field, Visit visit) const {
        std::string_view rest = fields_;
        Entry entry;
        while (next(rest, entry)) {
            if (entry.field == field) visit(entry.value);
        }
    }

private:
    struct Entry {
        Field field{};
        std::string_view value;
    };
    static bool next(std::string_view& rest, Entry& entry);

    Kind kind_{};
    std::uint32_t sequence_ = 0;
    std::string_view fields_;
};

std::optional<Address> read_address(std::string_view bytes);
std::optional<std::uint64_t> read_number(std::string_view bytes);

}  // namespace castle::fence
