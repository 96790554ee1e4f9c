// The log: Journal over spdlog, in the layout that Patroni's users know ("2026-01-01 10:00:00,123 INFO: ...") or JSON,
// to standard error or to rotated files.
//
// Writing is done by a thread of its own with a bounded queue: a full disk or a pipe that nobody reads delays no cycle;
// the oldest lines are lost then. Any thread may write.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "config/local.hpp"
#include "ports/journal.hpp"

namespace castle {

class Log final : public ports::Journal {
public:
    explicit Log(const config::Log& settings);
    ~Log() override;
    void write(ports::Level level, std::string_view text) override;

    // Takes up changed settings; on error the old ones stay.
    Status configure(const config::Log& settings);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace castle
