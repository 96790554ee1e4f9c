// The fence's loop: one thread that waits for its deadline, its child, its signals and its clients, and lets the logic
// of fence/deadline say what to do. Allocates nothing; every wait is in poll(), so nothing can hold the deadline up.
#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string_view>

#include "fence/deadline.hpp"
#include "fence/program/addresses.hpp"
#include "fence/program/server.hpp"
#include "fence/program/watchdog.hpp"
#include "fence/protocol.hpp"

namespace castle::fence {

class Guard {
public:
    Guard(Descriptor listener, bool use_cgroup, std::uint32_t guards);

    // Until there is nothing left to guard: told to end, or abandoned without a server.
    void run();

private:
    struct Client {
        Descriptor socket;
        bool agent = false;  // said hello last: only it may change anything
    };
    struct Request {
        Client& client;
        const Reader& packet;
        std::array<int, 2> descriptors{-1, -1};
    };
    struct Reply {
        Reply(Answer the_answer = Answer::ok, int the_error = 0, std::string_view failed_step = {})
            : answer(the_answer), error(the_error), step(failed_step) {}
        static Reply later() {
            Reply reply;
            reply.is_later = true;
            return reply;
        }
        Answer answer;
        int error;
        std::string_view step;
        bool is_later = false;
    };

    // events
    void on_signals();
    void on_launch_report();
    void on_children();
    void on_connection();
    void on_packet(Client& client);
    void wait();

    // commands
    Reply handle(const Request& request);
    Reply hello(Client& client);
    Reply start(const Request& request);
    Reply adopt(const Reader& packet);
    Reply signal_server(const Reader& packet);
    Reply move_deadline(const Reader& packet);
    Reply change_addresses(const Reader& packet);
    Reply open_watchdog(const Reader& packet);
    Reply take_directory(const Reader& packet);

    // deeds
    Answer apply(Outcome outcome);
    void strike();
    void begin_clearing();
    void look_if_empty();
    void on_empty();
    void quit_server();

    void answer(Client& client, std::uint32_t sequence, const Reply& reply);
    void tell_all(Kind kind);
    void send(Client& client, std::string_view packet);
    void close(Client& client);
    Report report() const;
    bool finished() const;
    std::int64_t next_wake_us() const;

    Deadline deadline_;
    Server server_;
    Watchdog watchdog_;
    Addresses addresses_;
    Descriptor listener_, signals_, timer_;
    std::array<Client, 8> clients_{};
    std::uint32_t guards_;

    bool killing_ = false;  // the tree is being emptied: fired, or leftovers after the server's own end
    bool ending_ = false;   // SIGTERM
    bool end_when_gone_ = false;
    std::int64_t killed_us_ = 0;  // when the signals of the last kill were out
    std::int64_t next_look_us_ = 0;
    std::int64_t quit_until_us_ = 0;
    std::int64_t abandoned_us_ = 0;  // since when no client is connected; 0: one is

    Client* starter_ = nullptr;  // waits for the answer to its start command
    std::uint32_t start_sequence_ = 0;
    bool launching_ = false;  // exec has not reported yet
    SpawnFailure launch_failure_{};

    std::uint32_t starts_ = 0;
    std::uint32_t late_us_ = 0;
    std::uint32_t teardown_us_ = 0;
};

}  // namespace castle::fence
