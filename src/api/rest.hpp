// The REST interface: from a request to an answer. Reads come from the view the agent publishes, so that a probe costs
// neither SQL nor a read of the store; what changes something goes back to the agent as a command.
//
// Belongs to the loop's thread; the server that calls answer() is destroyed first.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "api/access.hpp"
#include "api/health.hpp"
#include "config/local.hpp"
#include "io/http_server.hpp"
#include "io/loop.hpp"
#include "ports/clock.hpp"
#include "ports/commands.hpp"
#include "ports/journal.hpp"

namespace castle::api {

class Rest {
public:
    Rest(io::Loop& loop, const ports::Clock& clock, ports::Commands& commands, ports::Journal& journal);

    void configure(const config::RestApi& config);
    Task<io::HttpResponse> answer(io::ServerRequest request);
    void trouble(const std::string& what) { log(ports::Level::debug, "REST: " + what); }

private:
    using View = std::shared_ptr<const core::AgentView>;

    // rest.cpp
    Task<io::HttpResponse> route(io::ServerRequest request);
    Task<io::HttpResponse> change(std::string handler, io::ServerRequest request);
    io::HttpResponse health(const io::ServerRequest& request, std::string_view path);
    Task<std::optional<io::HttpResponse>> refuse(io::ServerRequest request, bool members_count);
    Task<bool> name_allows(std::string address, bool members_count);
    void finish(io::HttpResponse& response, bool secure) const;
    const std::string& status_text(const Standing& seen);

    // config_calls.cpp
    io::HttpResponse get_config() const;
    Task<io::HttpResponse> get_cluster();
    Task<io::HttpResponse> patch_config(boost::json::object changes);
    Task<io::HttpResponse> put_config(boost::json::object wanted);

    // server_calls.cpp
    Task<io::HttpResponse> restart(boost::json::object body);
    io::HttpResponse reinitialize(const boost::json::object& body);
    io::HttpResponse failsafe() const;

    // switchover.cpp
    Task<io::HttpResponse> switchover(boost::json::object body, bool failover);
    Task<io::HttpResponse> follow_switchover(std::string old_leader, std::string candidate, std::string action,
                                             Revision written);
    Task<io::HttpResponse> delete_switchover();

    BootTime deadline() const;  // for one request to the store
    core::Settings settings_of(const core::Cluster& cluster) const;
    void log(ports::Level level, std::string_view text) { journal_.write(level, text); }

    io::Loop& loop_;
    const ports::Clock& clock_;
    ports::Commands& commands_;
    ports::Journal& journal_;

    AccessRules rules_;
    AddressSet allowed_;
    std::vector<std::string> allowed_names_;
    bool allow_members_ = false;
    std::string server_header_;
    io::HttpHeaders extra_headers_, secure_headers_;

    // The status document as text, kept while it would come out the same: load balancers ask often.
    struct {
        View view;
        bool measured = false;
        bool with_cluster = false;
        std::string text;
    } kept_;
};

// The first segment of the path: "patroni" of "/patroni/x".
std::string_view first_segment(std::string_view path);

// Reads a body that is a JSON object: nothing and a problem to answer with, or the object.
struct Body {
    std::optional<boost::json::object> object;
    io::HttpResponse problem;
};
Body read_body(const io::ServerRequest& request, bool optional);

}  // namespace castle::api
