// Each call runs the event loop until it has its answer; between calls nothing goes on.
#include <ctime>

#include "ctl/remote.hpp"
#include "dcs/etcd/etcd_store.hpp"
#include "dcs/store_factory.hpp"
#include "io/clock.hpp"
#include "io/http_client.hpp"
#include "io/loop.hpp"

namespace castle::ctl {
namespace {

using namespace std::chrono_literals;

constexpr Duration store_patience = 10s;
// A restart answers when the server is up again, so only a member that is gone for good may end the wait.
constexpr Duration answer_patience = std::chrono::hours(1);
constexpr Duration look_patience = 10s;
constexpr Duration connect_patience = 5s;

class LiveRemote final : public Remote {
public:
    explicit LiveRemote(const config::Local& local) : local_(local) {}

    Result<core::Snapshot> read(const std::string& prefix) override {
        CASTLE_TRY(dcs::EtcdStore* const store, open(prefix));
        CASTLE_TRY(const std::shared_ptr<const core::Snapshot> snapshot,
                   io::run_to_end(loop_, store->read(store_deadline())));
        return *snapshot;
    }

    Result<Revision> write(const std::string& prefix, const std::vector<core::KeyWrite>& writes) override {
        CASTLE_TRY(dcs::EtcdStore* const store, open(prefix));
        return io::run_to_end(loop_, store->write(writes, store_deadline()));
    }

    Result<Answer> request(const std::string& method, const std::string& url, const std::string& endpoint,
                           const std::optional<std::string>& body) override {
        io::HttpCall call{.method = method};
        CASTLE_TRY(call.url, io::Url::parse(url));
        if (!endpoint.empty()) call.url.target = "/" + endpoint;
        call.headers = {{"User-Agent", "Patroni/4.1.4 pgcastle"}, {"Accept", "*/*"}};
        if (body) {
            call.body = *body;
            call.headers.emplace_back("Content-Type", "application/json");
        }
        if (local_.ctl.authentication)
            call.auth = io::BasicAuth{local_.ctl.authentication->username, local_.ctl.authentication->password};
        if (call.url.secure) {
            CASTLE_CHECK(make_tls());
            call.tls = tls_;
        }
        const bool only_looks = method == "GET";
        if (!only_looks) {
            CASTLE_CHECK(can_connect(call.url.endpoint));
        }
        const BootTime deadline = loop_.now() + (only_looks ? look_patience : answer_patience);
        CASTLE_TRY(io::HttpResponse response, io::run_to_end(loop_, io::http_call(loop_, std::move(call), deadline)));
        return Answer{response.status, std::move(response.body)};
    }

    Result<std::unique_ptr<SqlSession>> connect_sql(const SqlLogin& login) override { return ctl::connect_sql(login); }

    WallTime now() const override { return io::wall_now(); }

    Zone zone() const override {
        const std::time_t seconds = std::chrono::system_clock::to_time_t(io::wall_now());
        std::tm today{};
        ::localtime_r(&seconds, &today);
        return {{today.tm_year + 1900, today.tm_mon + 1, today.tm_mday}, [](const LocalTime& time) {
                    std::tm parts{};
                    parts.tm_year = time.year - 1900;
                    parts.tm_mon = time.month - 1;
                    parts.tm_mday = time.day;
                    parts.tm_hour = time.hour;
                    parts.tm_min = time.minute;
                    parts.tm_sec = time.second;
                    parts.tm_isdst = -1;
                    std::mktime(&parts);
                    return std::chrono::minutes(parts.tm_gmtoff / 60);
                }};
    }

    void sleep(Duration duration) override { io::run_to_end(loop_, sleep_for(loop_, duration)); }

private:
    BootTime store_deadline() const { return loop_.now() + store_patience; }

    Result<dcs::EtcdStore*> open(const std::string& prefix) {
        if (store_ && prefix == prefix_) return store_.get();
        CASTLE_TRY(dcs::EtcdOptions options, dcs::etcd_options(local_, {.watch = false}));
        options.prefix = prefix;
        store_ = std::make_unique<dcs::EtcdStore>(loop_, std::move(options));
        prefix_ = prefix;
        return store_.get();
    }

    // The patience with an answer must not be spent on a machine that is off.
    Status can_connect(const io::Endpoint& endpoint) {
        auto stream = io::run_to_end(loop_, io::connect(loop_, endpoint, nullptr, loop_.now() + connect_patience));
        if (!stream) return std::move(stream).error();
        (*stream)->close();
        return Done{};
    }

    Status make_tls() {
        if (tls_) return Done{};
        io::TlsOptions options{.ca_file = local_.ctl.cacert,
                               .cert_file = local_.ctl.certfile,
                               .key_file = local_.ctl.keyfile,
                               .key_password = local_.ctl.keyfile_password};
        if (local_.ctl.insecure) options.verify = io::TlsOptions::Verify::none;
        CASTLE_TRY(tls_, io::TlsContext::client(options));
        return Done{};
    }

    config::Local local_;
    io::Loop loop_;
    std::shared_ptr<const io::TlsContext> tls_;
    std::string prefix_;
    std::unique_ptr<dcs::EtcdStore> store_;
};

}  // namespace

std::unique_ptr<Remote> connect_remote(const config::Local& local) {
    return std::make_unique<LiveRemote>(local);
}

}  // namespace castle::ctl
