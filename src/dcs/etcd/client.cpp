#include "dcs/etcd/client.hpp"

#include <algorithm>
#include <deque>
#include <random>

#include "dcs/etcd/errors.hpp"

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

constexpr Duration attempt_time = 500ms;  // then the next endpoint is asked
constexpr Duration again_time = 1s;       // then the same one is asked again
constexpr Duration first_pause = 50ms;    // after every endpoint has failed; doubled each time
constexpr Duration longest_pause = 1s;
constexpr Duration examine_time = 1s;       // for an endpoint that was slower than another
constexpr Duration connect_time = 5s;       // a slow handshake goes on behind the attempts that wait for it
constexpr Duration tls_files_time = 200ms;  // reading certificates must not hang on a dead disk
constexpr Duration member_list_time = 5s;
constexpr Duration members_retry = 10s;

std::vector<io::Endpoint> shuffled(std::vector<io::Endpoint> endpoints, bool shuffle) {
    if (shuffle) std::shuffle(endpoints.begin(), endpoints.end(), std::mt19937(std::random_device{}()));
    return endpoints;
}

Metadata metadata_of(const std::string& token) {
    return token.empty() ? Metadata{} : Metadata{{"token", token}};
}

bool contains(const std::vector<io::Endpoint>& list, const io::Endpoint& endpoint) {
    return std::any_of(list.begin(), list.end(), [&](const io::Endpoint& other) { return same(other, endpoint); });
}

}  // namespace

// One endpoint and the connection to it.
struct Client::Node {
    explicit Node(io::Endpoint endpoint) : at(std::move(endpoint)) {}
    io::Endpoint at;
    ChannelPtr channel;
    bool connecting = false;
    bool examined = false;  // just now
    Error failure;
    Signal changed;
};

// What the attempts of one call report.
struct Client::Race {
    struct Finish {
        int number;
        io::Endpoint at;
        Result<Bytes> result;
    };
    std::deque<Finish> finished;
    bool in_doubt = false;          // something was sent that may have had an effect
    std::uint64_t incarnation = 0;  // of the store when the call was made
    Signal changed;
};

Client::Client(io::Loop& loop, EtcdOptions options)
    : loop_(loop),
      options_(std::move(options)),
      rotation_(shuffled(options_.endpoints, options_.shuffle)),
      scope_(loop),
      login_(loop, rotation_,
             [this](io::Endpoint at, BootTime deadline) { return authenticate(std::move(at), deadline); }) {
    CASTLE_ASSERT(!options_.endpoints.empty());
    if (!options_.use_proxies) scope_.spawn(learn_members());
}

Client::~Client() = default;

Task<Result<Client::Bytes>> Client::call_bytes(Method method, std::string request, BootTime deadline) {
    struct Running {
        int number;
        io::Endpoint at;
        BootTime since;
    };
    const auto race = std::make_shared<Race>();
    race->incarnation = incarnation();
    // Before the endpoints race, so that they are not all asked at once when a login has taken its time.
    CASTLE_CO_CHECK(co_await token(deadline));
    std::vector<Running> running;
    std::vector<io::Endpoint> tried;  // in this round
    int count = 0;
    BootTime next_start = loop_.now();
    Duration pause = first_pause;
    std::optional<Error> last;
    bool probing = false;
    Scope attempts(loop_);
    while (true) {
        const BootTime now = loop_.now();
        while (!race->finished.empty()) {
            Race::Finish finish = std::move(race->finished.front());
            race->finished.pop_front();
            std::erase_if(running, [&](const Running& other) { return other.number == finish.number; });
            if (finish.result) {
                rotation_.prefer(finish.at);
                for (const Running& other : running)
                    if (now - other.since >= attempt_time) suspect(other.at);
                co_return std::move(finish.result);
            }
            last = std::move(finish.result).error();
            const bool elsewhere = last->code == Errc::unavailable || last->code == Errc::timed_out;
            if (!elsewhere || (!method.repeatable && last->effect == Effect::unknown)) co_return *last;
            rotation_.leave(finish.at);
            next_start = now;
        }
        if (now >= deadline) {
            Error error = last ? *last : Error{Errc::timed_out, "no time left"};
            if (!last && !running.empty()) error.message = "etcd " + running.front().at.text() + ": no answer in time";
            error.code = Errc::timed_out;
            error.effect = race->in_doubt ? Effect::unknown : Effect::none;
            co_return error;
        }
        if (now >= next_start) {
            const auto& order = rotation_.order();
            const auto next = std::find_if(order.begin(), order.end(),
                                           [&](const io::Endpoint& endpoint) { return !contains(tried, endpoint); });
            const bool may_start = method.repeatable || running.empty();
            if (next != order.end() && may_start) {
                const io::Endpoint at = *next;
                tried.push_back(at);
                running.push_back({++count, at, now});
                next_start = now + attempt_time;
                const BootTime prepared_by = method.repeatable ? deadline : std::min(deadline, now + attempt_time);
                attempts.spawn(run_attempt(race, count, at, method, request, prepared_by, deadline));
            } else if (!may_start) {
                // Sent and not answered. Whether the endpoint is to blame shows when others answer a question.
                if (!std::exchange(probing, true)) attempts.spawn(probe(deadline));
                next_start = deadline;
            } else {
                tried.clear();
                for (const Running& other : running)
                    if (now - other.since < again_time) tried.push_back(other.at);
                next_start = now + pause;
                pause = std::min(2 * pause, longest_pause);
            }
        }
        co_await wait_past(loop_, race->changed, race->changed.count(), std::min(next_start, deadline));
    }
}

Task<> Client::run_attempt(std::shared_ptr<Race> race, int number, io::Endpoint at, Method method, std::string request,
                           BootTime prepared_by, BootTime deadline) {
    auto result = co_await attempt(race, at, method, std::move(request), prepared_by, deadline);
    if (!result) result = std::move(result).error().in("etcd " + at.text());
    race->finished.push_back({number, at, std::move(result)});
    race->changed.notify();
}

Task<Result<Client::Bytes>> Client::attempt(std::shared_ptr<Race> race, io::Endpoint at, Method method,
                                            std::string request, BootTime prepared_by, BootTime deadline) {
    CASTLE_CO_TRY(const ChannelPtr channel, co_await this->channel(at, prepared_by));
    for (int logins = 0;; ++logins) {
        CASTLE_CO_TRY(const std::string token, co_await this->token(deadline));
        if (!method.repeatable) {
            CASTLE_CO_CHECK(co_await Channel::check_alive(channel, logins == 0 ? prepared_by : deadline));
        }
        const std::uint64_t asked_in = incarnation();
        // What a caller has decided upon is of the store that it has seen.
        if (!method.repeatable && race->incarnation != 0 && asked_in != race->incarnation)
            co_return Error{Errc::conflict, "the store has been replaced"};
        const bool doubted_before = std::exchange(race->in_doubt, true);
        const BootTime sent = loop_.now();
        const Revision known = identity_.revision();
        auto reply = co_await Channel::unary(channel, std::string(method.path), metadata_of(token), request, deadline);
        if (!reply) {
            if (reply.error().effect == Effect::none) race->in_doubt = doubted_before;
            co_return std::move(reply).error();
        }
        if (reply->status.ok()) {
            etcdpb::AnyResponse any;
            if (!any.ParseFromString(reply->message))
                co_return Error{Errc::unavailable, "its answer is not etcd's", Effect::unknown};
            // It may only be a moment late: what else is under way there is not disturbed. Nor is an answer believed
            // that was on its way while others found out that the store is another one.
            if ((asked_in != 0 && asked_in != incarnation()) || !accept(any.header(), method.source, known))
                co_return Error{Errc::unavailable, "the cluster has left it behind", Effect::unknown};
            if (!method.repeatable && asked_in != incarnation() && asked_in != 0)
                co_return Error{Errc::failed, "the store has been replaced", Effect::unknown};
            co_return Bytes{std::move(reply->message), sent, incarnation()};
        }
        Error error = judge(reply->status);
        if (error.effect == Effect::none) race->in_doubt = doubted_before;
        if (error.code != Errc::denied || options_.user.empty() || logins > 0) co_return error;
        // The token has run out, or the rules have changed since: once more with a new one.
        login_.reject(token);
    }
}

// A question that any healthy endpoint answers. If this one does not and another does, the call leaves the endpoint.
Task<> Client::probe(BootTime deadline) {
    etcdpb::RangeRequest request;
    request.set_key(options_.prefix);
    request.set_count_only(true);
    auto answer = co_await call<etcdpb::RangeResponse>(methods::range, std::move(request), deadline);
    (void)answer;
}

// It had its time and said nothing, while another endpoint answered. If it still has nothing to say now, whatever else
// waits there (a watch, a write) had better know.
void Client::suspect(const io::Endpoint& endpoint) {
    const auto found = nodes_.find(endpoint.text());
    if (found == nodes_.end() || !found->second->channel || found->second->examined) return;
    found->second->examined = true;
    scope_.spawn(examine(found->second));
}

Task<> Client::examine(NodePtr node) {
    const ChannelPtr channel = node->channel;
    const BootTime deadline = loop_.now() + examine_time;
    // Not worth a login: whoever has no token waits for one anyway.
    if (options_.user.empty() || login_.present()) {
        etcdpb::RangeRequest request;
        request.set_key(options_.prefix);
        request.set_count_only(true);
        const Metadata metadata = metadata_of(login_.present().value_or(""));
        const auto reply = co_await Channel::unary(channel, std::string(methods::range.path), metadata,
                                                   request.SerializeAsString(), deadline);
        if (!reply || judge(reply->status).code == Errc::unavailable)
            channel->lose("it does not answer, another endpoint does");
    }
    node->examined = false;
}

Task<Result<ChannelPtr>> Client::channel(io::Endpoint at, BootTime deadline) {
    NodePtr& place = nodes_[at.text()];
    if (!place) place = std::make_shared<Node>(at);
    const NodePtr node = place;
    if (node->channel && node->channel->usable()) co_return node->channel;
    if (!node->connecting) {
        node->connecting = true;
        scope_.spawn(connect(node));
    }
    while (node->connecting) {
        const bool changed = co_await wait_past(loop_, node->changed, node->changed.count(), deadline);
        if (!changed) co_return Error{Errc::timed_out, "no connection in time"};
    }
    if (node->channel && node->channel->usable()) co_return node->channel;
    if (node->channel) co_return Error{Errc::unavailable, "the connection was lost at once"};
    co_return node->failure;
}

Task<> Client::connect(NodePtr node) {
    node->channel.reset();
    const BootTime deadline = loop_.now() + connect_time;
    std::shared_ptr<const io::TlsContext> tls;
    if (options_.secure) tls = co_await fresh_tls();
    if (options_.secure && !tls) {
        node->failure = Error{Errc::unavailable, "the TLS certificates cannot be read"};
    } else {
        auto channel = co_await Channel::connect(loop_, node->at, tls, deadline);
        if (channel)
            node->channel = std::move(*channel);
        else
            node->failure = {Errc::unavailable, channel.error().message, Effect::none};
    }
    node->connecting = false;
    node->changed.notify();
}

// Certificates are renewed while we run: every connection is made with what the files say now, if they can be read.
Task<std::shared_ptr<const io::TlsContext>> Client::fresh_tls() {
    io::TlsOptions options = options_.tls;
    options.alpn = "h2";
    auto context = co_await loop_.on_worker([options] { return io::TlsContext::client(options); },
                                            loop_.now() + (tls_ ? tls_files_time : connect_time));
    if (context) tls_ = *context;
    co_return tls_;
}

// Empty: none is needed.
Task<Result<std::string>> Client::token(BootTime deadline) {
    if (options_.user.empty()) co_return std::string();
    co_return co_await login_.token(deadline);
}

Task<Result<std::string>> Client::authenticate(io::Endpoint at, BootTime deadline) {
    // A slow handshake goes on; the next round of the login finds it done.
    auto channel = co_await this->channel(at, std::min(deadline, loop_.now() + attempt_time));
    if (!channel) co_return std::move(channel).error().in("login: etcd " + at.text());
    etcdpb::AuthenticateRequest request;
    request.set_name(options_.user);
    request.set_password(options_.password);
    auto reply = co_await Channel::unary(*channel, std::string(methods::authenticate), {}, request.SerializeAsString(),
                                         deadline);
    if (reply && says_auth_is_off(reply->status)) co_return std::string();
    if (reply && says_bad_password(reply->status))
        co_return Error{Errc::denied,
                        "etcd " + at.text() + ": user \"" + options_.user + "\": " + reply->status.message};
    etcdpb::AuthenticateResponse response;
    Error error{Errc::unavailable, "no token in its answer"};
    if (!reply) {
        error = std::move(reply).error();
    } else if (!reply->status.ok()) {
        error = judge(reply->status);
    } else if (response.ParseFromString(reply->message) && !response.token().empty()) {
        co_return response.token();
    }
    error.effect = Effect::none;  // logging in changes nothing
    co_return std::move(error).in("login: etcd " + at.text());
}

Task<Result<Client::Stream>> Client::open_watch(BootTime deadline) {
    CASTLE_CO_TRY(const std::string token, co_await this->token(deadline));
    const io::Endpoint at = rotation_.order().front();
    auto channel = co_await this->channel(at, deadline);
    if (!channel) {
        rotation_.leave(at);
        co_return std::move(channel).error().in("etcd " + at.text());
    }
    Metadata metadata = metadata_of(token);
    // Without a leader a node hears of no changes: it then ends the watch, and we find a better one.
    metadata.emplace_back("hasleader", "true");
    co_return Stream{at, token, Call(*channel, methods::watch, metadata)};
}

void Client::leave(const io::Endpoint& endpoint, const std::string& why) {
    rotation_.leave(endpoint);
    const auto found = nodes_.find(endpoint.text());
    if (found != nodes_.end() && found->second->channel) found->second->channel->lose(why);
}

bool Client::accept(const etcdpb::ResponseHeader& header, TermGuard::Source source, Revision known_when_asked) {
    const bool quorum = source == TermGuard::Source::quorum;
    const Revision revision{header.revision()};
    const bool went_back = quorum && revision < known_when_asked;
    if (!guard_.accept(header.cluster_id(), header.raft_term(), source, loop_.now(), went_back)) return false;
    if (quorum) identity_.see({header.cluster_id(), header.raft_term(), revision, known_when_asked});
    return true;
}

Task<> Client::learn_members() {
    while (true) {
        const auto members = co_await call<etcdpb::MemberListResponse>(
            methods::member_list, etcdpb::MemberListRequest{}, loop_.now() + member_list_time);
        bool complete = false;
        if (members) {
            std::vector<io::Endpoint> advertised;
            complete = true;
            for (const auto& member : members->response.members()) {
                if (member.clienturls().empty()) complete = false;  // it has not started yet
                for (const auto& url : member.clienturls())
                    if (auto endpoint = usable_client_url(url, options_.secure, options_.endpoints))
                        advertised.push_back(std::move(*endpoint));
            }
            rotation_.learn(advertised);
        }
        co_await sleep_for(loop_, complete ? options_.members_every : std::min(members_retry, options_.members_every));
    }
}

}  // namespace castle::dcs
