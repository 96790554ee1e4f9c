#include "dcs/etcd/etcd_store.hpp"

#include <algorithm>

#include "dcs/etcd/messages.hpp"

namespace castle::dcs {

EtcdStore::EtcdStore(io::Loop& loop, EtcdOptions options)
    : prefix_(options.prefix), client_(loop, options), lease_(client_, cache_, prefix_ + "leader"), scope_(loop) {
    if (options.watch) scope_.spawn(feed(client_, cache_, prefix_));
}

Task<Result<std::shared_ptr<const core::Snapshot>>> EtcdStore::read(BootTime deadline) {
    return read_all(client_, cache_, prefix_, deadline);
}

Task<Result<Revision>> EtcdStore::write(std::vector<core::KeyWrite> writes, BootTime deadline) {
    const LeaseId lease = lease_.lease();
    const bool leased = std::any_of(writes.begin(), writes.end(), [](const auto& write) { return write.leased; });
    if (leased && lease == LeaseId{}) co_return Error{Errc::not_found, "there is no lease to write under"};
    auto answer =
        co_await client_.call<etcdpb::TxnResponse>(methods::write_txn, txn_of(writes, prefix_, lease), deadline);
    if (!answer) {
        if (leased && answer.error().code == Errc::not_found) lease_.forget(lease);
        co_return std::move(answer).error().in("write to the store");
    }
    const Revision revision{answer->response.header().revision()};
    cache_.raise_floor(revision);
    if (!answer->response.succeeded()) co_return Error{Errc::conflict, "the store has changed since it was read"};
    co_return revision;
}

Task<Result<ports::Renewal>> EtcdStore::renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) {
    return lease_.renew(life, std::move(claim), deadline);
}

}  // namespace castle::dcs
