// For tests: a store with a loop of its own, called as if it were synchronous. Its watch lives only inside the calls.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "dcs/etcd/etcd_store.hpp"
#include "dcs/etcd/real_etcd.hpp"
#include "io/loop.hpp"

namespace castle::dcs::testing {

inline Task<bool> wait_until(io::Loop& loop, std::function<bool()> holds, BootTime deadline) {
    while (!holds()) {
        if (loop.now() >= deadline) co_return false;
        co_await sleep_for(loop, Duration{5});
    }
    co_return true;
}

class Driver {
public:
    explicit Driver(EtcdOptions options) : store_(std::make_unique<EtcdStore>(loop_, std::move(options))) {}

    EtcdStore& store() { return *store_; }
    io::Loop& loop() { return loop_; }
    BootTime now() const { return loop_.now(); }

    template <class T>
    T run(Task<T> task) {
        return io::run_to_end(loop_, std::move(task));
    }
    bool until(std::function<bool()> holds, Duration patience = Duration{5000}) {
        return run(wait_until(loop_, std::move(holds), now() + patience));
    }

    Result<std::shared_ptr<const core::Snapshot>> try_read(Duration patience = Duration{10'000}) {
        return run(store_->read(now() + patience));
    }
    core::Snapshot read(Duration patience = Duration{10'000}) {
        auto result = try_read(patience);
        if (!result) {
            ADD_FAILURE() << result.error().message;
            return {};
        }
        return **result;
    }
    Result<Revision> write(std::vector<core::KeyWrite> writes, Duration patience = Duration{10'000}) {
        return run(store_->write(std::move(writes), now() + patience));
    }
    Revision must_write(std::vector<core::KeyWrite> writes) { return must(write(std::move(writes))); }
    // For keys that may be written twice: again while the outcome is in doubt, as during an election of etcd's.
    void put(const std::string& key, const std::string& value) {
        const BootTime end = now() + Duration{20'000};
        while (true) {
            const auto written = write({{key, value, false, {}}});
            if (written) return;
            if (written.error().code == Errc::denied || now() >= end) {
                ADD_FAILURE() << written.error().message;
                return;
            }
        }
    }
    Result<ports::Renewal> renew(Duration life, std::optional<ports::Claim> claim = {},
                                 Duration patience = Duration{10'000}) {
        if (claim && claim->incarnation == 0) {
            if (store_->incarnation() == 0) (void)try_read();  // as agents do when they start
            claim->incarnation = store_->incarnation();
        }
        return run(store_->renew(life, std::move(claim), now() + patience));
    }
    ports::Renewal must_renew(Duration life, std::optional<ports::Claim> claim = {}) {
        return must(renew(life, std::move(claim)));
    }
    bool must_ended(LeaseId lease) { return must(run(store_->ended(lease, now() + Duration{10'000}))).ended; }

    std::map<std::string, core::StoredValue> cached_keys() {
        const auto cached = store_->cached();
        return cached ? cached->keys : std::map<std::string, core::StoredValue>{};
    }

private:
    template <class T>
    static T must(Result<T> result) {
        if (result) return *result;
        ADD_FAILURE() << result.error().message;
        return T{};
    }

    io::Loop loop_;
    std::unique_ptr<EtcdStore> store_;
};

}  // namespace castle::dcs::testing
