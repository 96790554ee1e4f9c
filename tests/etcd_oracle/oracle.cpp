#include "etcd_oracle/oracle.hpp"

#include <grpcpp/grpcpp.h>

#include <stdexcept>

#include "etcd_oracle.grpc.pb.h"

namespace castle::dcs::testing {
namespace {

using namespace std::chrono_literals;

template <class Service, class Request, class Response>
Response call(Service& service, grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
    // While etcd elects a leader it gives up after a while; everything that is asked here may be asked twice.
    const auto end = std::chrono::system_clock::now() + 20s;
    while (true) {
        grpc::ClientContext context;
        context.set_deadline(end);
        context.set_wait_for_ready(true);
        Response response;
        const grpc::Status status = (service.*method)(&context, request, &response);
        if (status.ok()) return response;
        if (status.error_code() != grpc::StatusCode::UNAVAILABLE || std::chrono::system_clock::now() > end)
            throw std::runtime_error("oracle: " + status.error_message());
    }
}

}  // namespace

struct Oracle::Stubs {
    explicit Stubs(const std::shared_ptr<grpc::Channel>& channel) : kv(channel), lease(channel) {}
    etcdserverpb::KV::Stub kv;
    etcdserverpb::Lease::Stub lease;
};

Oracle::Oracle(const io::Endpoint& at) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    stubs_ =
        std::make_unique<Stubs>(grpc::CreateCustomChannel(at.text(), grpc::InsecureChannelCredentials(), arguments));
}
Oracle::~Oracle() = default;

std::map<std::string, core::StoredValue> Oracle::keys(const std::string& prefix) {
    etcdserverpb::RangeRequest request;
    request.set_key(prefix);
    std::string end = prefix;
    ++end.back();
    request.set_range_end(end);
    const auto response = call(stubs_->kv, &etcdserverpb::KV::Stub::Range, request);
    std::map<std::string, core::StoredValue> keys;
    for (const auto& kv : response.kvs())
        keys[kv.key().substr(prefix.size())] = {kv.value(), Revision{kv.create_revision()}, Revision{kv.mod_revision()},
                                                LeaseId{kv.lease()}};
    return keys;
}

std::int64_t Oracle::revision() {
    etcdserverpb::RangeRequest request;
    request.set_key("/");
    return call(stubs_->kv, &etcdserverpb::KV::Stub::Range, request).header().revision();
}

Revision Oracle::put(const std::string& key, const std::string& value) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return Revision{call(stubs_->kv, &etcdserverpb::KV::Stub::Put, request).header().revision()};
}

void Oracle::remove(const std::string& key) {
    etcdserverpb::DeleteRangeRequest request;
    request.set_key(key);
    call(stubs_->kv, &etcdserverpb::KV::Stub::DeleteRange, request);
}

void Oracle::compact(std::int64_t revision) {
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(true);
    call(stubs_->kv, &etcdserverpb::KV::Stub::Compact, request);
}

void Oracle::revoke(LeaseId lease) {
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(number(lease));
    call(stubs_->lease, &etcdserverpb::Lease::Stub::LeaseRevoke, request);
}

Oracle::TimeToLive Oracle::time_to_live(LeaseId lease) {
    etcdserverpb::LeaseTimeToLiveRequest request;
    request.set_id(number(lease));
    const auto response = call(stubs_->lease, &etcdserverpb::Lease::Stub::LeaseTimeToLive, request);
    return {std::chrono::seconds(response.ttl()), std::chrono::seconds(response.grantedttl())};
}

}  // namespace castle::dcs::testing
