#include "dcs/etcd/lease_holder.hpp"

#include "dcs/etcd/messages.hpp"

namespace castle::dcs {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

Duration life_of(std::int64_t ttl) {
    return std::chrono::duration_cast<Duration>(seconds(ttl));
}

}  // namespace

Task<Result<ports::Renewal>> LeaseHolder::renew(Duration life, std::optional<ports::Claim> claim, BootTime deadline) {
    while (true) {
        auto prolonged = co_await prolong(life, deadline);
        if (!prolonged) co_return std::move(prolonged).error().in("renew the lease");
        ports::Renewal renewal{.lease = lease_, .life = prolonged->life, .sent = prolonged->sent, .fresh = fresh_};
        if (claim) {
            auto proof = co_await confirm(*claim, renewal.lease, prolonged->term, deadline);
            if (!proof) co_return std::move(proof).error().in("confirm leadership");
            if (*proof == Proof::of_another_term) continue;  // etcd has a new leader: prove it under that one
            using Leadership = ports::Renewal::Leadership;
            renewal.leadership = *proof == Proof::confirmed   ? Leadership::confirmed
                                 : *proof == Proof::elsewhere ? Leadership::elsewhere
                                                              : Leadership::lost;
        }
        fresh_ = false;
        co_return renewal;
    }
}

void LeaseHolder::adopt(LeaseId lease, Duration life) {
    lease_ = lease;
    asked_life_ = life;
    fresh_ = false;
}

void LeaseHolder::forget(LeaseId lease) {
    if (lease_ == lease) lease_ = LeaseId{};
}

Task<Result<LeaseHolder::Prolonged>> LeaseHolder::prolong(Duration life, BootTime deadline) {
    if (lease_ != LeaseId{} && asked_life_ == life) {
        auto kept = co_await keep_alive(deadline);
        if (kept || kept.error().code != Errc::not_found) co_return kept;
    }
    // The old lease, if it lives, is left to lapse: the member key hangs on it until it has been written again.
    co_return co_await grant(life, deadline);
}

Task<Result<LeaseHolder::Prolonged>> LeaseHolder::keep_alive(BootTime deadline) {
    etcdpb::LeaseKeepAliveRequest request;
    request.set_id(number(lease_));
    CASTLE_CO_TRY(const auto answer, co_await client_.call<etcdpb::LeaseKeepAliveResponse>(
                                         methods::lease_keep_alive, std::move(request), deadline));
    if (answer.response.ttl() <= 0) {
        forget(LeaseId{answer.response.id()});
        co_return Error{Errc::not_found, "the lease is gone"};
    }
    co_return Prolonged{life_of(answer.response.ttl()), answer.sent, answer.response.header().raft_term()};
}

Task<Result<LeaseHolder::Prolonged>> LeaseHolder::grant(Duration life, BootTime deadline) {
    etcdpb::LeaseGrantRequest request;
    request.set_ttl(std::chrono::ceil<seconds>(life).count());
    // Asked twice, there may be a lease that nobody holds; it lapses by itself.
    CASTLE_CO_TRY(const auto answer, co_await client_.call<etcdpb::LeaseGrantResponse>(methods::lease_grant,
                                                                                       std::move(request), deadline));
    if (answer.response.id() == 0 || answer.response.ttl() <= 0)
        co_return Error{Errc::failed, "etcd granted no lease: " + answer.response.error(), Effect::unknown};
    lease_ = LeaseId{answer.response.id()};
    asked_life_ = life;
    fresh_ = true;
    co_return Prolonged{life_of(answer.response.ttl()), answer.sent, answer.response.header().raft_term()};
}

Task<Result<LeaseHolder::Proof>> LeaseHolder::confirm(ports::Claim claim, LeaseId lease, std::uint64_t term,
                                                      BootTime deadline) {
    CASTLE_CO_TRY(const auto answer, co_await client_.call<etcdpb::TxnResponse>(
                                         methods::read_txn, confirm_txn(leader_key_, claim, lease), deadline));
    const etcdpb::TxnResponse& txn = answer.response;
    // Even the very same key proves nothing there: somebody may have led since the backup was made.
    if (answer.incarnation != claim.incarnation) co_return Proof::elsewhere;
    const auto proof_of_term = [&](const etcdpb::ResponseHeader& header) {
        return header.raft_term() == term ? Proof::confirmed : Proof::of_another_term;
    };
    if (txn.succeeded()) co_return proof_of_term(txn.header());

    const auto& found = txn.responses(0).response_range().kvs();
    const bool ours =
        found.size() == 1 && found[0].value() == claim.name && found[0].create_revision() == number(claim.created);
    if (!ours) {
        cache_.raise_floor(Revision{txn.header().revision()});
        co_return Proof::lost;
    }
    // The same leadership under another lease, the one before `life` was changed: take it along.
    CASTLE_CO_TRY(const auto moved,
                  co_await client_.call<etcdpb::TxnResponse>(methods::write_txn, move_txn(found[0], lease), deadline));
    cache_.raise_floor(Revision{moved.response.header().revision()});
    if (!moved.response.succeeded()) co_return Proof::of_another_term;  // changed in between: look again
    co_return proof_of_term(moved.response.header());
}

Task<Result<std::uint64_t>> LeaseHolder::quorum_term(BootTime deadline) {
    etcdpb::RangeRequest request;
    request.set_key(leader_key_);
    request.set_count_only(true);
    CASTLE_CO_TRY(const auto answer,
                  co_await client_.call<etcdpb::RangeResponse>(methods::range, std::move(request), deadline));
    co_return answer.response.header().raft_term();
}

Task<Result<ports::LeaseLook>> LeaseHolder::look(LeaseId lease, BootTime deadline) {
    etcdpb::LeaseTimeToLiveRequest request;
    request.set_id(number(lease));
    CASTLE_CO_TRY(const auto answer, co_await client_.call<etcdpb::LeaseTimeToLiveResponse>(
                                         methods::lease_time_to_live, std::move(request), deadline));
    if (answer.response.ttl() < 0) co_return Error{Errc::not_found, "the lease is gone"};
    co_return ports::LeaseLook{life_of(answer.response.ttl()), life_of(answer.response.grantedttl()), answer.sent,
                               answer.response.header().raft_term()};
}

// The leader of etcd answers for leases from memory, even one that was deposed and does not know yet. It knew the whole
// truth if a quorum was of its term both before and after.
Task<Result<ports::LeaseEnd>> LeaseHolder::ended(LeaseId lease, BootTime deadline) {
    while (true) {
        CASTLE_CO_TRY(const std::uint64_t before, co_await quorum_term(deadline));
        etcdpb::LeaseTimeToLiveRequest request;
        request.set_id(number(lease));
        auto answer = co_await client_.call<etcdpb::LeaseTimeToLiveResponse>(methods::lease_time_to_live,
                                                                             std::move(request), deadline);
        if (!answer && answer.error().code != Errc::not_found)
            co_return std::move(answer).error().in("ask for a lease");
        if (answer && answer->response.ttl() > 0) co_return ports::LeaseEnd{};
        CASTLE_CO_TRY(const std::uint64_t after, co_await quorum_term(deadline));
        const bool one_term = before == after && (!answer || answer->response.header().raft_term() == before);
        // A TTL of 0 is a lease that is due and not yet revoked; only -1 (or an error) is one that is no more.
        if (one_term) co_return ports::LeaseEnd{!answer || answer->response.ttl() < 0, after};
    }
}

// A lease that has run out is not renewed any more: Renew() in etcd's lessor waits for its end. etcd looks for such
// leases every 500 ms.
Task<Status> LeaseHolder::remove(LeaseId lease, std::uint64_t term, BootTime deadline) {
    CASTLE_CO_TRY(const std::uint64_t now, co_await quorum_term(deadline));
    if (now != term) co_return Error{Errc::conflict, "etcd has another leader, which has prolonged all leases"};
    etcdpb::LeaseRevokeRequest request;
    request.set_id(number(lease));
    auto answer =
        co_await client_.call<etcdpb::LeaseRevokeResponse>(methods::lease_revoke, std::move(request), deadline);
    if (answer || answer.error().code == Errc::not_found) co_return Done{};
    co_return std::move(answer).error().in("remove a lease");
}

}  // namespace castle::dcs
