// Asks other members over their REST interface (GET api_url), all at once. Belongs to the loop's thread.
#pragma once

#include <memory>
#include <optional>

#include "io/http_client.hpp"
#include "ports/peers.hpp"

namespace castle::api {

class HttpPeers final : public ports::Peers {
public:
    // `tls` is what https members are called with; null: they cannot be asked.
    HttpPeers(io::Loop& loop, std::shared_ptr<const io::TlsContext> tls, std::optional<io::BasicAuth> auth);

    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime deadline) override;
    void set_tls(std::shared_ptr<const io::TlsContext> tls) { tls_ = std::move(tls); }

private:
    io::Loop& loop_;
    std::shared_ptr<const io::TlsContext> tls_;
    std::optional<io::BasicAuth> auth_;
};

}  // namespace castle::api
