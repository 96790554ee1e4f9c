// Streaming between simulated servers: the WAL receiver of a standby and the WAL senders of its upstream. One message
// is under way on a connection at a time; it says how far the upstream has flushed, and its answer how far the standby
// has.
#include "sim/postgres.hpp"

namespace castle::sim {
namespace {

constexpr Duration retry_interval = 1s;  // wal_retrieve_retry_interval
constexpr Duration silence_limit = 10s;  // wal_receiver_timeout, wal_sender_timeout
constexpr Duration look_interval = 1s;   // lost messages are sent again

}  // namespace

Postgres::Offer Postgres::offer(const WalPosition& standby) const {
    const auto [branch, end] = stretch(disk.wal.branch, disk.wal.end, standby.branch->timeline);
    if (!branch) return standby.branch->timeline > timeline() ? Offer::behind : Offer::forked;
    if (standby.end > end) return Offer::forked;
    if (!includes(disk.wal, *standby.branch, standby.end)) return Offer::garbled;
    return Offer::yes;
}

void Postgres::follow() {
    if (!running() || !in_recovery_) return;
    following_ = disk.upstream;
    if (receiver_.connected && following_ && receiver_.from->name() == following_->host) return;
    disconnect("another upstream");
    connect();
}

void Postgres::retry_connect() {
    if (retrying_) return;
    retrying_ = true;
    later(retry_interval + Duration{world_.random().between(0, 200)}, [this] {
        retrying_ = false;
        connect();
    });
}

void Postgres::connect() {
    if (!running() || !in_recovery_ || promoting_ || receiver_.connected || !following_) return;
    Postgres* upstream = around_.find(following_->host);
    if (!upstream || upstream == this || !upstream->running() || upstream->frozen_ ||
        !around_.network.open_both(host_, upstream->host_))
        return retry_connect();
    if (const Offer offer = upstream->offer(disk.wal); offer != Offer::yes) {
        world_.note(name_, offer == Offer::behind ? "cannot stream: the upstream is on an older timeline"
                           : offer == Offer::forked
                               ? "cannot stream: the upstream's history left mine before my position"
                               : "cannot stream: the same timeline has other content there");
        return retry_connect();
    }
    receiver_.from = upstream;
    receiver_.sender = upstream->incarnation_;
    receiver_.connected = true;
    receiver_.in_flight = false;
    receiver_.sent = receiver_.confirmed = disk.wal.end;
    receiver_.last_heard = world_.now();
    const auto connection = ++receiver_.connection;
    world_.note(name_, "streams from %1", {index(upstream->host_)});
    changed();
    upstream->send_to(*this);
    watch_connection(connection);
}

void Postgres::disconnect(std::string_view why) {
    if (!receiver_.connected) return;
    world_.note(name_, why);
    Postgres* upstream = receiver_.from;
    receiver_.connected = false;
    ++receiver_.connection;
    changed();
    // The sender notices at once or, if the way is cut, when its own limit passes; a stop that waits for it goes on
    // then.
    world_.after(around_.network.open(host_, upstream->host_) ? 1ms : silence_limit,
                 [upstream] { upstream->check_drained(); });
    retry_connect();
}

void Postgres::watch_connection(std::uint64_t connection) {
    world_.after(look_interval, [this, connection] {
        if (receiver_.connection != connection || !receiver_.connected) return;
        Postgres& upstream = *receiver_.from;
        const bool open = around_.network.open_both(host_, upstream.host_);
        if (open && !streams_from(upstream)) return disconnect("upstream has closed the connection");
        const bool alive = open && !frozen_ && !upstream.frozen_;
        if (alive && !receiver_.in_flight) receiver_.last_heard = world_.now();
        if (world_.now() - receiver_.last_heard >= silence_limit) return disconnect("nothing heard from the upstream");
        if (alive && receiver_.in_flight && world_.now() - receiver_.last_heard > look_interval)
            upstream.send_to(*this);
        watch_connection(connection);
    });
}

void Postgres::send_to(Postgres& standby) {
    if (frozen_ || process_ == core::ProcessState::stopped) return;
    Receiver& link = standby.receiver_;
    link.in_flight = true;
    link.sent = disk.wal.end;
    around_.network.send(
        host_, standby.host_, [&standby, connection = link.connection, tip = disk.wal.branch, end = disk.wal.end] {
            if (standby.receiver_.connection == connection && standby.receiver_.connected)
                standby.within([&standby, connection, tip, end] { standby.receive(connection, tip, end); });
        });
}

void Postgres::receive(std::uint64_t connection, Branch* tip, Lsn end) {
    if (receiver_.connection != connection || !receiver_.connected) return;
    receiver_.latest_end = std::max(receiver_.latest_end, end);
    receiver_.last_heard = world_.now();
    if (end < disk.wal.end) return;  // an old copy
    const WalPosition position = on_path(tip, end);
    received_ = end;
    if (!slow_disk) return received_until(connection, position);
    later(disk_latency(), [this, connection, position] { received_until(connection, position); });
}

void Postgres::received_until(std::uint64_t connection, WalPosition position) {
    if (receiver_.connection != connection || !receiver_.connected) return;
    if (position.end < disk.wal.end) return;
    const bool moved = timeline() != position.branch->timeline;
    const bool news = moved || position.end > disk.wal.end;
    disk.wal = position;
    replayed_ = position.end;
    if (moved) changed();
    Postgres* upstream = receiver_.from;
    around_.network.send(host_, upstream->host_, [upstream, this, connection, end = position.end] {
        upstream->within([upstream, this, connection, end] { upstream->heard_from(*this, connection, end); });
    });
    if (news)
        flushed_more();  // to those that stream from us; two that stream from each other have nothing to tell for ever
}

void Postgres::heard_from(Postgres& standby, std::uint64_t connection, Lsn flushed) {
    Receiver& link = standby.receiver_;
    if (link.connection != connection || !standby.streams_from(*this)) return;
    link.last_heard = world_.now();
    link.confirmed = std::max(link.confirmed, flushed);
    link.in_flight = link.confirmed < link.sent;  // this may be the answer to an earlier copy
    acknowledge();
    check_drained();
    if (!link.in_flight && disk.wal.end > link.sent) send_to(standby);
}

}  // namespace castle::sim
