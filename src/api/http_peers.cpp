#include "api/http_peers.hpp"

#include "task/scope.hpp"

namespace castle::api {
namespace {

struct Answers {
    std::vector<core::PeerStatus> peers;
};

Task<> ask_one(io::Loop& loop, io::HttpCall call, std::shared_ptr<Answers> answers, std::size_t place,
               BootTime deadline) {
    auto response = co_await io::http_call(loop, std::move(call), deadline);
    // Any status: a member that is not what was asked for says so in the same document.
    if (response) answers->peers[place] = core::read_peer_status(answers->peers[place].name, response->body);
}

}  // namespace

HttpPeers::HttpPeers(io::Loop& loop, std::shared_ptr<const io::TlsContext> tls, std::optional<io::BasicAuth> auth)
    : loop_(loop), tls_(std::move(tls)), auth_(std::move(auth)) {}

Task<std::vector<core::PeerStatus>> HttpPeers::ask(std::vector<core::Member> members, BootTime deadline) {
    auto answers = std::make_shared<Answers>();
    answers->peers.resize(members.size());
    Scope scope(loop_);
    for (std::size_t i = 0; i < members.size(); ++i) {
        answers->peers[i].name = members[i].name;
        auto url = io::Url::parse(members[i].api_url);
        if (!url || (url->secure && !tls_)) continue;
        io::HttpCall call;
        call.url = *std::move(url);
        call.auth = auth_;
        call.tls = tls_;
        call.body_bytes_max = 1 << 20;
        scope.spawn(ask_one(loop_, std::move(call), answers, i, deadline));
    }
    co_await scope.drained();
    co_return std::move(answers->peers);
}

}  // namespace castle::api
