// One connection to a fence: requests and their answers, and what the fence tells unasked. Knows nothing of deadlines,
// servers or what to do when it breaks; that is FenceClient. Belongs to the loop's thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fence/protocol.hpp"
#include "io/fd.hpp"
#include "io/ready.hpp"
#include "task/scope.hpp"

namespace castle::postgres {

// A Report whose texts are its own.
struct FenceReport {
    fence::Report numbers;  // its texts are empty
    std::string cgroup;
    std::string data_dir;
};

struct FenceAnswer {
    fence::Answer answer = fence::Answer::failed;
    std::string why;  // for people
};

class FenceLink {
public:
    // Connects to the socket in `directory`. Errc::not_found: no fence listens there. Errc::denied: somebody else's
    // does.
    static Result<std::unique_ptr<FenceLink>> connect(io::Loop& loop, const std::string& directory,
                                                      const std::string& member);
    ~FenceLink();
    FenceLink(const FenceLink&) = delete;
    FenceLink& operator=(const FenceLink&) = delete;

    // Called with every report, before the answer that carried it is given to whoever asked; and once with `replaced`.
    using OnReport = std::function<void(fence::Kind, const FenceReport&)>;
    void start_reading(OnReport on_report);

    // Sends a packet (of a fence::Writer; the number is put in here), with two descriptors if they are given, and waits
    // for the answer. Errc::unavailable: the connection is gone, the effect unknown.
    Task<Result<FenceAnswer>> ask(std::string packet, BootTime deadline, std::array<int, 2> descriptors = {-1, -1});

    bool closed() const { return closed_; }
    Signal& ended() { return ended_; }
    pid_t fence() const { return fence_; }
    int pidfd() const { return pidfd_.get(); }  // of the fence

private:
    FenceLink(io::Loop& loop, io::Fd socket, pid_t fence, io::Fd pidfd);
    Task<> read(OnReport on_report);
    void take(std::string_view bytes, const OnReport& on_report);
    void close();
    Status send(std::string_view packet, std::array<int, 2> descriptors);

    io::Loop& loop_;
    io::Fd socket_;
    pid_t fence_;
    io::Fd pidfd_;
    bool closed_ = false;
    Signal ended_;
    std::uint32_t sequence_ = 0;
    std::map<std::uint32_t, std::function<void(Result<FenceAnswer>)>> waiting_;
    std::vector<char> buffer_;
    std::unique_ptr<io::FdWatch> watch_;
    Scope scope_;
};

}  // namespace castle::postgres
