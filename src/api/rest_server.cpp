#include "api/rest_server.hpp"

namespace castle::api {
namespace {

using Tls = std::shared_ptr<const io::TlsContext>;

io::TlsOptions::Verify verify_of(config::RestApi::VerifyClient verify) {
    switch (verify) {
        case config::RestApi::VerifyClient::none: return io::TlsOptions::Verify::none;
        case config::RestApi::VerifyClient::optional: return io::TlsOptions::Verify::optional;
        case config::RestApi::VerifyClient::required: return io::TlsOptions::Verify::required;
    }
    return io::TlsOptions::Verify::required;
}

Task<Result<Tls>> make_tls(io::Loop& loop, const config::RestApi& config, BootTime deadline) {
    if (!config.tls()) co_return Tls();
    io::TlsOptions options{.ca_file = config.cafile,
                           .cert_file = config.certfile,
                           .key_file = config.keyfile,
                           .key_password = config.keyfile_password,
                           .ciphers = config.ciphers,
                           .verify = verify_of(config.verify_client)};
    auto made = co_await loop.on_worker([options] { return io::TlsContext::server(options); }, deadline);
    if (!made) co_return std::move(made).error().in("restapi");
    co_return *std::move(made);
}

Task<Result<std::unique_ptr<io::HttpServer>>> listen(io::Loop& loop, Rest& rest, const config::RestApi& config, Tls tls,
                                                     BootTime deadline) {
    io::HttpServerOptions options{.listen = {config.listen.host, config.listen.port}, .tls = std::move(tls)};
    // The contract's default of 5 is for a server that answers slowly.
    options.backlog = config.request_queue_size > 5 ? static_cast<int>(config.request_queue_size) : 0;
    options.trouble = [&rest](const std::string& what) { rest.trouble(what); };
    auto handler = [&rest](io::ServerRequest request) { return rest.answer(std::move(request)); };
    auto server = co_await io::HttpServer::start(loop, std::move(options), handler, deadline);
    if (!server) co_return std::move(server).error().in("restapi.listen");
    co_return server;
}

}  // namespace

Task<Result<std::unique_ptr<RestServer>>> RestServer::start(io::Loop& loop, Rest& rest, config::RestApi config,
                                                            BootTime deadline) {
    auto made = std::unique_ptr<RestServer>(new RestServer(loop, rest, std::move(config)));
    CASTLE_CO_TRY(auto tls, co_await make_tls(loop, made->config_, deadline));
    CASTLE_CO_TRY(made->server_, co_await listen(loop, rest, made->config_, std::move(tls), deadline));
    rest.configure(made->config_);
    co_return made;
}

Task<Status> RestServer::reconfigure(config::RestApi config, BootTime deadline) {
    CASTLE_CO_TRY(auto tls, co_await make_tls(loop_, config, deadline));
    const bool same_place = config.listen == config_.listen && config.tls() == config_.tls();
    if (same_place) {
        server_->set_tls(std::move(tls));
    } else {
        // Another host with the same port may overlap with the old one, which must go first; if that fails it comes
        // back.
        const bool overlaps = config.listen.port == config_.listen.port;
        if (overlaps) server_.reset();
        auto server = co_await listen(loop_, rest_, config, std::move(tls), deadline);
        if (!server && overlaps) {
            auto old_tls = co_await make_tls(loop_, config_, deadline);
            if (old_tls) {
                auto old = co_await listen(loop_, rest_, config_, *std::move(old_tls), deadline);
                if (old) server_ = *std::move(old);
            }
        }
        if (!server) co_return std::move(server).error();
        server_ = *std::move(server);
    }
    config_ = std::move(config);
    rest_.configure(config_);
    co_return Done{};
}

Task<> RestServer::stop(BootTime deadline) {
    if (server_) co_await server_->stop(deadline);
}

io::TlsOptions member_tls_options(const config::Local& local) {
    const config::Ctl& ctl = local.ctl;
    io::TlsOptions options{.ca_file = ctl.cacert.empty() ? local.restapi.cafile : ctl.cacert,
                           .cert_file = ctl.certfile,
                           .key_file = ctl.keyfile,
                           .key_password = ctl.keyfile_password};
    if (ctl.certfile.empty() || ctl.insecure) options.verify = io::TlsOptions::Verify::none;
    return options;
}

}  // namespace castle::api
