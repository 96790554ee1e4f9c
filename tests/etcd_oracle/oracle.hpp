// For tests: etcd as gRPC's own client sees it. Calls block; a failure is an exception, which fails the test.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "core/snapshot.hpp"
#include "io/stream.hpp"

namespace castle::dcs::testing {

class Oracle {
public:
    explicit Oracle(const io::Endpoint& at);
    ~Oracle();

    std::map<std::string, core::StoredValue> keys(const std::string& prefix);
    std::int64_t revision();
    Revision put(const std::string& key, const std::string& value);
    void remove(const std::string& key);
    void compact(std::int64_t revision);
    void revoke(LeaseId lease);
    struct TimeToLive {
        std::chrono::seconds left{}, granted{};
    };
    TimeToLive time_to_live(LeaseId lease);

private:
    struct Stubs;
    std::unique_ptr<Stubs> stubs_;
};

}  // namespace castle::dcs::testing
