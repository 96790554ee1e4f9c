// Calls to an etcd cluster: chooses endpoints, leaves those that do not answer, logs in, and says of every failure
// whether something may have happened.
//
// A call that may be repeated (reads, keep-alives, grants) is raced: when an endpoint has not answered for 500 ms the
// next one is asked as well, and the first answer wins; so a frozen endpoint costs 500 ms and a slow cluster loses
// nothing. An endpoint that has not answered for a second is asked once more beside that: it may have passed the call
// on to a leader of etcd that was lost, and waits for it in vain, while a new call would reach the new leader. A call
// that must happen once goes to one endpoint that has just shown that it is alive, and is sent again only if it surely
// was not done.
//
// All on the loop's thread. Calls in progress must end before the client does.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/store_identity.hpp"
#include "dcs/etcd/channel.hpp"
#include "dcs/etcd/login.hpp"
#include "dcs/etcd/options.hpp"
#include "dcs/etcd/rotation.hpp"
#include "dcs/etcd/term_guard.hpp"
#include "src/wire/etcd/etcd.pb.h"

namespace castle::dcs {

// A method of etcd's, by its types.
struct Method {
    std::string_view path;
    bool repeatable;
    TermGuard::Source source;
};
namespace methods {
inline constexpr Method range{"/etcdserverpb.KV/Range", true, TermGuard::Source::quorum};
inline constexpr Method read_txn{"/etcdserverpb.KV/Txn", true, TermGuard::Source::quorum};
inline constexpr Method write_txn{"/etcdserverpb.KV/Txn", false, TermGuard::Source::quorum};
inline constexpr Method lease_grant{"/etcdserverpb.Lease/LeaseGrant", true, TermGuard::Source::quorum};
inline constexpr Method lease_keep_alive{"/etcdserverpb.Lease/LeaseKeepAlive", true, TermGuard::Source::one_node};
inline constexpr Method lease_revoke{"/etcdserverpb.Lease/LeaseRevoke", false, TermGuard::Source::quorum};
inline constexpr Method lease_time_to_live{"/etcdserverpb.Lease/LeaseTimeToLive", true, TermGuard::Source::one_node};
inline constexpr Method member_list{"/etcdserverpb.Cluster/MemberList", true, TermGuard::Source::one_node};
inline constexpr std::string_view authenticate = "/etcdserverpb.Auth/Authenticate";
inline constexpr std::string_view watch = "/etcdserverpb.Watch/Watch";
}  // namespace methods

template <class Response>
struct Answer {
    Response response;
    BootTime sent{};                // when the request that was answered was sent
    std::uint64_t incarnation = 0;  // of the store that answered
};

class Client {
public:
    Client(io::Loop& loop, EtcdOptions options);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    template <class Response, class Request>
    Task<Result<Answer<Response>>> call(Method method, Request request, BootTime deadline) {
        auto bytes = co_await call_bytes(method, request.SerializeAsString(), deadline);
        if (!bytes) co_return std::move(bytes).error();
        Answer<Response> answer;
        answer.sent = bytes->sent;
        answer.incarnation = bytes->incarnation;
        // The bytes have been parsed once already, for the header; what remains is our mistake or theirs.
        if (!answer.response.ParseFromString(bytes->response))
            co_return Error{Errc::failed, "etcd's answer is not what it should be", Effect::unknown};
        co_return answer;
    }

    // A watch call on the endpoint that answers best; nothing is sent yet.
    struct Stream {
        io::Endpoint at;
        std::string token;
        Call call;
    };
    Task<Result<Stream>> open_watch(BootTime deadline);
    void avoid(const io::Endpoint& endpoint) { rotation_.leave(endpoint); }  // try others first
    void leave(const io::Endpoint& endpoint, const std::string& why);        // and close the connection to it
    void reject_token(const std::string& token) { login_.reject(token); }    // the server did not like it
    // Whether an answer may be believed. `known_when_asked`: revision() at that time; of a quorum's answers only.
    bool accept(const etcdpb::ResponseHeader& header, TermGuard::Source source, Revision known_when_asked = {});
    std::uint64_t incarnation() const { return identity_.incarnation(); }

    const std::vector<io::Endpoint>& endpoints() const { return rotation_.order(); }
    io::Loop& loop() { return loop_; }

private:
    struct Node;
    struct Race;
    using NodePtr = std::shared_ptr<Node>;
    using Bytes = Answer<std::string>;

    Task<Result<Bytes>> call_bytes(Method method, std::string request, BootTime deadline);
    Task<> run_attempt(std::shared_ptr<Race> race, int number, io::Endpoint at, Method method, std::string request,
                       BootTime prepared_by, BootTime deadline);
    Task<Result<Bytes>> attempt(std::shared_ptr<Race> race, io::Endpoint at, Method method, std::string request,
                                BootTime prepared_by, BootTime deadline);
    Task<> probe(BootTime deadline);
    void suspect(const io::Endpoint& endpoint);
    Task<> examine(NodePtr node);

    Task<Result<ChannelPtr>> channel(io::Endpoint at, BootTime deadline);
    Task<> connect(NodePtr node);
    Task<std::shared_ptr<const io::TlsContext>> fresh_tls();
    Task<Result<std::string>> token(BootTime deadline);
    Task<Result<std::string>> authenticate(io::Endpoint at, BootTime deadline);

    Task<> learn_members();

    io::Loop& loop_;
    EtcdOptions options_;
    Rotation rotation_;
    TermGuard guard_;
    core::StoreIdentity identity_;
    std::map<std::string, NodePtr> nodes_;
    std::shared_ptr<const io::TlsContext> tls_;
    Scope scope_;
    Login login_;  // last: its coroutines use what stands above
};

}  // namespace castle::dcs
