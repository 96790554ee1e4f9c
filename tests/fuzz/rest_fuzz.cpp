// What strangers send to the REST interface, and what other members answer to ours. The first byte chooses:
//   p  the body of a member's answer to GET /patroni
//   a  its whole answer as bytes
//   r  bytes of requests, one after the other
//   otherwise a request line (PATCH /config), then the body; the byte's bits choose the agent that is asked
#include <cstdint>
#include <utility>

#include "api/documents.hpp"
#include "api/rest.hpp"
#include "api/test_world.hpp"
#include "core/peer.hpp"
#include "fuzz.hpp"
#include "io/http_parser.hpp"

namespace {

using namespace castle;
using fuzz::Bytes;

struct StoppedClock final : ports::Clock {
    Now now() const override { return {api::test_now, api::test_wall}; }
};
struct Silence final : ports::Journal {
    void write(ports::Level, std::string_view) override {}
};

// Does whatever it is asked for at once.
struct FakeAgent final : ports::Commands {
    explicit FakeAgent(std::uint8_t kind) : store(api::test_cluster()) {
        core::AgentView made = kind & 1 ? api::test_standby() : api::test_primary();
        if (kind & 2) made.settings.pause = true;
        if (kind & 4) made.settings.synchronous_mode = core::SynchronousMode::on;
        if (kind & 4) store.config = R"({"synchronous_mode":true,"ttl":"30s","slots":{"a":null},"x":{"y":[1,1.5]}})";
        if (kind & 4) store.sync = {.leader = "n1", .standbys = {"n2"}, .modified = Revision{80}};
        if (kind & 64) store.failover = {.leader = "n1", .scheduled_at = api::test_wall, .modified = Revision{95}};
        if (kind & 8) made.tags = {{"nofailover", true}, {"key", "value"}, {"number", 1.5}};
        current = std::make_shared<core::AgentView>(std::move(made));
    }
    std::shared_ptr<const core::AgentView> view() const override { return current; }
    Signal& view_changed() override { return changed; }
    Task<> refresh(Duration) override { co_return; }
    Task<Result<core::Cluster>> read_cluster(BootTime) override { co_return store; }
    Task<Result<Revision>> write(std::vector<core::KeyWrite> writes, BootTime) override {
        core::Snapshot snapshot{.revision = Revision{101}};
        for (const core::KeyWrite& each : writes) {
            fuzz::check_json(*each.value);
            snapshot.keys[each.key] = {*each.value, Revision{101}, Revision{101}, {}};
        }
        const core::Cluster written = core::read_cluster(snapshot);
        if (snapshot.keys.contains("failover") && *writes[0].value != "{}") {
            CASTLE_ASSERT(written.failover);
            CASTLE_ASSERT(written.failover->scheduled_text.empty() || written.failover->scheduled_at);
        }
        auto next = std::make_shared<core::AgentView>(*current);
        core::Cluster moved = store;
        moved.revision = Revision{101};
        moved.leader->name = "n2";
        next->cluster = std::make_shared<core::Cluster>(std::move(moved));
        current = std::move(next);
        co_return Revision{101};
    }
    Task<std::vector<core::PeerStatus>> ask(std::vector<core::Member> members, BootTime) override {
        std::vector<core::PeerStatus> answers;
        for (const auto& member : members) answers.push_back({.name = member.name, .reached = true});
        co_return answers;
    }
    void wake() override {}
    void reload() override {}
    Task<ports::RestartOutcome> restart(ports::RestartRequest) override { co_return ports::RestartOutcome::done; }
    bool schedule_restart(core::ScheduledRestart restart) override {
        auto next = std::make_shared<core::AgentView>(*current);
        next->scheduled_restart = std::move(restart);
        fuzz::check_json(api::json_text(api::status_document(api::standing(*next, api::test_now))));
        return true;
    }
    bool unschedule_restart() override { return true; }
    ports::ReinitOutcome reinitialize(bool, bool) override { return ports::ReinitOutcome::started; }

    core::Cluster store;
    std::shared_ptr<const core::AgentView> current;
    Signal changed;
};

void check(const io::HttpResponse& response) {
    CASTLE_ASSERT(response.status >= 200 && response.status < 600);
    for (const auto& [name, value] : response.headers)
        CASTLE_ASSERT((name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    const std::string* type = io::find_header(response.headers, "Content-Type");
    if (type && *type == "application/json") fuzz::check_json(response.body);
}

io::Loop& loop() {
    static io::Loop one;
    return one;
}

void serve(std::string bytes, std::uint8_t kind) {
    StoppedClock clock;
    Silence journal;
    FakeAgent agent(kind);
    api::Rest rest(loop(), clock, agent, journal);
    config::RestApi config;
    config.http_extra_headers = {{"X-Frame-Options", "DENY"}};
    if (kind & 16) config.authentication = {.username = "user", .password = "password"};
    if (kind & 32) config.allowlist = {"10.0.0.0/8", "::1"};
    rest.configure(config);
    // As the server reads them: piece by piece, what follows one request is the next.
    std::string buffer = bytes.substr(0, bytes.size() / 2);
    std::string late = bytes.substr(buffer.size());
    for (int requests = 0; requests < 8 && (!buffer.empty() || !late.empty()); ++requests) {
        io::HttpRequestParser parser({.header_bytes_max = 2048, .body_bytes_max = 4096});
        auto fed = parser.feed(buffer);
        if (fed && !parser.done()) {
            buffer += std::exchange(late, {});
            fed = parser.feed(buffer);
        }
        if (!fed) CASTLE_ASSERT(parser.status() == 400 || parser.status() == 413 || parser.status() == 431);
        if (!fed || !parser.done()) return;
        (void)parser.keep_alive();
        (void)parser.expects_continue();
        io::ServerRequest request{.method = parser.method(),
                                  .target = parser.target(),
                                  .headers = parser.headers(),
                                  .body = parser.take_body(),
                                  .peer = {.host = "10.0.0.9"}};
        check(io::run_to_end(loop(), rest.answer(std::move(request))));
    }
}

void read_answer(std::string bytes) {
    io::HttpResponseParser parser({.header_bytes_max = 2048, .body_bytes_max = 4096}, false);
    if (!parser.feed(bytes)) return;
    if (!parser.done() && !parser.end()) return;
    if (parser.done()) (void)core::read_peer_status("n2", parser.take().body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Bytes bytes(data, size);
    const std::uint8_t kind = bytes.byte();
    if (kind == 'p') {
        (void)core::read_peer_status("n2", bytes.rest());
    } else if (kind == 'a') {
        read_answer(std::string(bytes.rest()));
    } else if (kind == 'r') {
        serve(std::string(bytes.rest()), 16);
    } else {
        const std::string line(bytes.until('\n'));
        const std::string body(bytes.rest());
        (void)io::Url::parse(line);
        const std::string auth = io::BasicAuth{"user", "password"}.header();
        serve(line + " HTTP/1.1\r\nAuthorization: " + auth + "\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\n\r\n" + body,
              kind);
    }
    return 0;
}
