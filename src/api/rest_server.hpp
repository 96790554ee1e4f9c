// The listener of the REST interface, as the local configuration wants it. Belongs to the loop's thread.
#pragma once

#include <memory>

#include "api/rest.hpp"
#include "io/http_server.hpp"

namespace castle::api {

class RestServer {
public:
    // Errors say what is wrong with which file or address.
    static Task<Result<std::unique_ptr<RestServer>>> start(io::Loop& loop, Rest& rest, config::RestApi config,
                                                           BootTime deadline);

    // Takes up a changed configuration, and certificates that were replaced under the same name. On an error all stays
    // as it was.
    Task<Status> reconfigure(config::RestApi config, BootTime deadline);

    Task<> stop(BootTime deadline);  // answers what it has been asked, then closes
    int port() const { return server_->port(); }

private:
    RestServer(io::Loop& loop, Rest& rest, config::RestApi config)
        : loop_(loop), rest_(rest), config_(std::move(config)) {}

    io::Loop& loop_;
    Rest& rest_;
    config::RestApi config_;
    std::unique_ptr<io::HttpServer> server_;
};

// How members are called: as `ctl` says, restapi's settings where that is silent. Their certificates are checked only
// if we have one of our own to show.
io::TlsOptions member_tls_options(const config::Local& local);

}  // namespace castle::api
