// The cluster as the command line reaches it: the store's keys, the members' REST interface, the clock. An interface,
// so that the commands can be tested without servers. All calls wait until they are done.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/local.hpp"
#include "core/snapshot.hpp"
#include "ctl/schedule.hpp"
#include "ctl/sql.hpp"

namespace castle::ctl {

struct Answer {
    int status = 0;
    std::string body;
};

class Remote {
public:
    virtual ~Remote() = default;

    // All keys below the prefix ("/service/demo/"), linearizable.
    virtual Result<core::Snapshot> read(const std::string& prefix) = 0;
    // As core::KeyWrite says: all or none. Errc::conflict: an expectation did not hold.
    virtual Result<Revision> write(const std::string& prefix, const std::vector<core::KeyWrite>& writes) = 0;

    // A request to a member. `url` is its api_url, of which `endpoint` replaces the path ("restart"; "" leaves it). A
    // body is JSON. Any status is an answer.
    virtual Result<Answer> request(const std::string& method, const std::string& url, const std::string& endpoint,
                                   const std::optional<std::string>& body) = 0;

    virtual Result<std::unique_ptr<SqlSession>> connect_sql(const SqlLogin& login) = 0;

    virtual WallTime now() const = 0;
    virtual Zone zone() const = 0;
    virtual void sleep(Duration duration) = 0;
};

// The real one: etcd and HTTP over an event loop of its own.
std::unique_ptr<Remote> connect_remote(const config::Local& local);

}  // namespace castle::ctl
