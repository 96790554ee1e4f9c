// One login for all calls of a client. A password costs the server 100 to 300 ms of CPU for every look at it, many
// times that on a busy machine: so there is one login at a time, however many calls wait for it; it has a limit of its
// own, and goes on when a caller's patience has ended; and it pauses, longer each time, after a failure.
//
// An endpoint that does not answer in a while is not given up: another one is asked as well, and the first token wins.
// All on the loop's thread. Calls in progress must end before this does.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>

#include "dcs/etcd/rotation.hpp"
#include "task/scope.hpp"
#include "task/wait.hpp"

namespace castle::dcs {

class Login {
public:
    // What an endpoint says to name and password: a token, or an empty one if it wants none. Errc::denied: that they
    // are wrong; any other error is the endpoint's.
    using Ask = std::function<Task<Result<std::string>>(io::Endpoint at, BootTime deadline)>;

    Login(Executor& executor, Rotation& rotation, Ask ask);

    // A token (empty: none is needed), at once if there is one.
    Task<Result<std::string>> token(BootTime deadline);
    // The one that is there now; nothing while there is none.
    const std::optional<std::string>& present() const { return token_; }
    // The server did not like this one. Said of another than the present one it has no effect: somebody was faster.
    void reject(const std::string& token);

private:
    struct Round;
    Task<> log_in();
    Task<Result<std::string>> ask_in_turn(BootTime deadline);
    Task<> ask_one(std::shared_ptr<Round> round, io::Endpoint at, BootTime deadline);
    void pause();

    Executor& executor_;
    Rotation& rotation_;
    Ask ask_;
    std::optional<std::string> token_;
    BootTime token_since_{};
    bool running_ = false;
    int waiting_ = 0;
    std::optional<Error> refused_;  // the last word of a server, while it is not time to ask again
    BootTime not_before_{};
    Duration pause_{};
    std::minstd_rand random_{std::random_device{}()};
    Signal changed_;
    Scope scope_;
};

}  // namespace castle::dcs
