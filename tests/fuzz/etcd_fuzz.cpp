// Foreign bytes against what reads them in the etcd adapter: the first byte chooses the reader.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dcs/etcd/errors.hpp"
#include "dcs/etcd/grpc_session.hpp"
#include "dcs/etcd/messages.hpp"
#include "dcs/etcd/snapshot_cache.hpp"
#include "fuzz.hpp"
#include "wire/dns_srv.hpp"
#include "wire/grpc_frame.hpp"

namespace {

using namespace castle;

void read_frames(std::string_view bytes) {
    wire::GrpcReader reader(1 << 16);
    const std::size_t half = bytes.size() / 2;
    for (const auto part : {bytes.substr(0, half), bytes.substr(half)}) {
        reader.feed(part);
        for (auto message = reader.next(); message && *message; message = reader.next()) {
        }
    }
}

void read_http2(std::string_view bytes) {
    dcs::GrpcSession session("host:1", false);
    const auto one = session.open("/a.B/C", {});
    const auto two = session.open("/a.B/D", {});
    session.send(one, "hello", true);
    session.send(two, "hello", false);
    (void)session.take_output();
    const auto status = session.receive(bytes);
    session.cancel(two);
    if (!status) session.fail("garbage");
    (void)session.take_output();
}

constexpr std::string_view prefix = "/service/demo/";

void put_key(fuzz::Bytes& bytes, etcdpb::KeyValue& kv) {
    kv.set_key((bytes.byte() < 0xf0 ? std::string(prefix) : "") + std::string(bytes.take(bytes.byte() % 4)));
    kv.set_value(std::string(bytes.take(bytes.byte() % 8)));
    kv.set_create_revision(static_cast<std::int64_t>(bytes.number()));
    kv.set_mod_revision(static_cast<std::int64_t>(bytes.number()));
    kv.set_lease(static_cast<std::int64_t>(bytes.number()));
}

template <class Response>
Response answer(fuzz::Bytes& bytes) {
    Response response;
    response.mutable_header()->set_cluster_id(bytes.byte() % 2 + 1);
    response.mutable_header()->set_raft_term(bytes.number());
    response.mutable_header()->set_revision(static_cast<std::int64_t>(bytes.number()));
    return response;
}

// What is shown never goes back, unless a read has found another store or one that was restored.
void take(dcs::SnapshotCache& cache, std::string_view range, std::string_view watch) {
    const Revision floor = cache.floor();
    if (etcdpb::RangeResponse read; !range.empty() && read.ParseFromArray(range.data(), static_cast<int>(range.size())))
        cache.take_read(dcs::snapshot_of(read, prefix), floor);
    const auto before = cache.last();
    if (etcdpb::WatchResponse event;
        !watch.empty() && event.ParseFromArray(watch.data(), static_cast<int>(watch.size()))) {
        cache.take_events(event, prefix);
        (void)dcs::judge_watch(event.cancel_reason());
    }
    if (before) CASTLE_ASSERT(cache.last()->revision >= before->revision);
    if (const auto shown = cache.get()) CASTLE_ASSERT(shown->revision >= cache.floor());
}

void fill_cache(fuzz::Bytes bytes) {
    dcs::SnapshotCache cache;
    cache.set_in_step(true);
    while (!bytes.empty()) {
        switch (bytes.byte() % 4) {
            case 0: {
                auto read = answer<etcdpb::RangeResponse>(bytes);
                for (int keys = bytes.byte() % 4; keys > 0; --keys) put_key(bytes, *read.add_kvs());
                take(cache, read.SerializeAsString(), {});
                break;
            }
            case 1: {
                auto watch = answer<etcdpb::WatchResponse>(bytes);
                for (int events = bytes.byte() % 4; events > 0; --events) {
                    etcdpb::Event& event = *watch.add_events();
                    if (bytes.byte() % 2) event.set_type(etcdpb::Event::DELETE);
                    put_key(bytes, *event.mutable_kv());
                }
                take(cache, {}, watch.SerializeAsString());
                break;
            }
            case 2: cache.raise_floor(Revision{bytes.byte()}); break;
            default: {
                const std::string_view message = bytes.take(bytes.byte());
                take(cache, message, message);
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0: read_frames(bytes); break;
        case 1: read_http2(bytes); break;
        case 2: fill_cache({data + 1, size - 1}); break;
        default: (void)castle::wire::read_srv_answer(bytes); (void)castle::wire::percent_decode(bytes);
    }
    return 0;
}
