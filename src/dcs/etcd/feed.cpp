#include "dcs/etcd/feed.hpp"

#include <algorithm>

#include "dcs/etcd/errors.hpp"
#include "dcs/etcd/messages.hpp"

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;

constexpr Duration start_time = 1s;  // to connect and to have the watch confirmed
constexpr Duration read_time = 5s;
// A silent server is found out by its connection. That its watch is alive, too, is asked more seldom: every such
// question is a request, and they are counted.
constexpr Duration silence_max = 20s;
constexpr Duration sign_of_life = 1s;
constexpr Duration first_pause = 20ms;  // after a failure; doubled each time
constexpr Duration longest_pause = 1s;
constexpr Duration good_run = 5s;  // a watch that lived so long starts the pauses anew

std::string create_request(const std::string& prefix, Revision from) {
    etcdpb::WatchRequest request;
    etcdpb::WatchCreateRequest& create = *request.mutable_create_request();
    create.set_key(prefix);
    create.set_range_end(range_end(prefix));
    create.set_start_revision(number(from));
    return request.SerializeAsString();
}

std::string progress_request() {
    etcdpb::WatchRequest request;
    request.mutable_progress_request();
    return request.SerializeAsString();
}

// One watch, from its creation to its end.
class Watch {
public:
    Watch(Client& client, SnapshotCache& cache, std::string prefix, Client::Stream stream)
        : client_(client), cache_(cache), prefix_(std::move(prefix)), stream_(std::move(stream)) {}

    Task<Error> run(Revision from);
    bool compacted() const { return compacted_; }
    const io::Endpoint& at() const { return stream_.at; }

private:
    // The next answer; one that says the watch has been cancelled is an error.
    Task<Result<etcdpb::WatchResponse>> next(BootTime deadline);
    // That of the one that says the watch stands.
    Task<Result<etcdpb::ResponseHeader>> confirmed();
    Status check(const etcdpb::ResponseHeader& header);

    Client& client_;
    SnapshotCache& cache_;
    std::string prefix_;
    Client::Stream stream_;
    bool compacted_ = false;
};

Task<Result<etcdpb::WatchResponse>> Watch::next(BootTime deadline) {
    auto message = co_await stream_.call.next(deadline);
    if (!message) {
        if (stream_.call.ended_with()) {
            Error error = judge(stream_.call.ended_with()->status);
            if (error.code == Errc::denied) client_.reject_token(stream_.token);
            co_return error;
        }
        co_return std::move(message).error();
    }
    if (!*message) co_return Error{Errc::unavailable, "the watch has ended"};
    etcdpb::WatchResponse response;
    if (!response.ParseFromString(**message)) co_return Error{Errc::unavailable, "its answer is not etcd's"};
    if (response.canceled()) {
        compacted_ = response.compact_revision() != 0;
        Error error = judge_watch(response.cancel_reason());
        if (error.code == Errc::denied) client_.reject_token(stream_.token);
        co_return std::move(error).in("the watch was cancelled");
    }
    co_return response;
}

Status Watch::check(const etcdpb::ResponseHeader& header) {
    if (!client_.accept(header, TermGuard::Source::one_node))
        return Error{Errc::unavailable, "the cluster has left it behind"};
    return Done{};
}

Task<Result<etcdpb::ResponseHeader>> Watch::confirmed() {
    const BootTime deadline = client_.loop().now() + start_time;
    while (true) {
        CASTLE_CO_TRY(const etcdpb::WatchResponse response, co_await next(deadline));
        if (response.created()) co_return response.header();
    }
}

Task<Error> Watch::run(Revision from) {
    const std::uint64_t incarnation_before = client_.incarnation();
    stream_.call.send(create_request(prefix_, from), false);
    auto header = co_await confirmed();
    if (!header) co_return std::move(header).error();
    // Whatever happened before the confirmation is in this read, whatever happens after it comes by the watch.
    auto read = co_await read_all(client_, cache_, prefix_, client_.loop().now() + read_time);
    if (!read) co_return std::move(read).error();
    // The read knows best which cluster and which term it is. A store that stands before where we wanted to go on is
    // another one, or was restored from a backup: the watch would wait for a revision that is far away.
    if (auto status = check(*header); !status) co_return std::move(status).error();
    const std::uint64_t incarnation = (*read)->incarnation;
    if ((number(from) != 0 && incarnation != incarnation_before) || number((*read)->revision) + 1 < number(from))
        co_return Error{Errc::invalid, "the store has been replaced"};
    cache_.set_in_step(true);
    bool asked = false;
    while (true) {
        const BootTime deadline = client_.loop().now() + (asked ? sign_of_life : silence_max);
        auto response = co_await next(deadline);
        if (response) {
            asked = false;
            if (auto status = check(response->header()); !status) co_return std::move(status).error();
            if (cache_.last()->cluster_id != response->header().cluster_id() || client_.incarnation() != incarnation)
                co_return Error{Errc::invalid, "the store has been replaced"};
            cache_.take_events(*response, prefix_);
        } else if (response.error().code == Errc::timed_out && !asked) {
            asked = true;
            stream_.call.send(progress_request(), false);
        } else {
            co_return std::move(response).error();
        }
    }
}

}  // namespace

Task<Result<SnapshotCache::SnapshotPtr>> read_all(Client& client, SnapshotCache& cache, std::string prefix,
                                                  BootTime deadline) {
    const Revision floor = cache.floor();
    auto answer = co_await client.call<etcdpb::RangeResponse>(methods::range, whole_range(prefix), deadline);
    if (!answer) co_return std::move(answer).error().in("read the store");
    core::Snapshot snapshot = snapshot_of(answer->response, prefix);
    snapshot.incarnation = answer->incarnation;
    auto shared = std::make_shared<const core::Snapshot>(snapshot);
    cache.take_read(std::move(snapshot), floor);
    co_return shared;
}

Task<> feed(Client& client, SnapshotCache& cache, std::string prefix) {
    io::Loop& loop = client.loop();
    Duration pause = first_pause;
    bool resume = true;
    while (true) {
        const BootTime begun = loop.now();
        auto stream = co_await client.open_watch(begun + start_time);
        if (stream) {
            const auto last = cache.last();
            const Revision from = resume && last ? Revision{number(last->revision) + 1} : Revision{};
            Watch watch(client, cache, prefix, std::move(*stream));
            const Error error = co_await watch.run(from);
            cache.set_in_step(false);
            resume = !watch.compacted() && error.code != Errc::invalid;
            // Silence is a reason to close the connection; a refusal may concern the watch alone.
            if (error.code == Errc::timed_out)
                client.leave(watch.at(), "its watch is silent");
            else if (!watch.compacted() && error.code != Errc::denied && error.code != Errc::invalid)
                client.avoid(watch.at());
        }
        if (loop.now() - begun > good_run) pause = first_pause;
        co_await sleep_for(loop, pause);
        pause = std::min(2 * pause, longest_pause);
    }
}

}  // namespace castle::dcs
