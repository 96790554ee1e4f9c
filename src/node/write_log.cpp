#include "node/write_log.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace castle::node {
namespace {

constexpr Duration gap_worth_telling{250};  // without an error; a busy machine makes small ones all the time

std::string counted(std::int64_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

}  // namespace

std::optional<std::string> WriteLog::acknowledged(BootTime when, std::int64_t row, const std::string& server) {
    ++rows_;
    last_row_ = row;
    if (!amiss_) amiss_ = when;
    const Duration gap = last_ ? when - *last_ : Duration{0};
    last_ = when;
    longest_gap_ = std::max(longest_gap_, gap);
    const bool moved = server != server_;
    const bool first = servers_.empty();
    if (moved || first) servers_.push_back(server);
    server_ = server;
    std::optional<std::string> sentence;
    if (first && moved && errors_in_gap_ == 0 && gap < gap_worth_telling) {
        sentence = server + " acknowledges writes";
    } else if (moved || failing_ || gap >= gap_worth_telling) {
        sentence = server + " acknowledges again after a gap of " + std::to_string(gap.count()) + " ms";
        if (errors_in_gap_) *sentence += " with " + counted(errors_in_gap_, "error");
        amiss_ = when;
    }
    failing_ = false;
    errors_in_gap_ = 0;
    return sentence;
}

std::optional<std::string> WriteLog::failed(BootTime when, std::optional<std::int64_t> row, const std::string& why) {
    if (row) {
        unknown_.push_back(*row);
        last_row_ = *row;
    }
    ++errors_;
    ++errors_in_gap_;
    amiss_ = when;
    const bool first = !failing_;
    failing_ = true;
    if (!first) return std::nullopt;
    return (server_.empty() ? "" : "lost " + server_ + ": ") + why;
}

void WriteLog::measure_from_here() {
    longest_gap_ = Duration{0};
    errors_ = 0;
    servers_.clear();
    if (!server_.empty()) servers_.push_back(server_);
}

bool WriteLog::steady_for(Duration time, BootTime now) const {
    return last_ && amiss_ && !failing_ && now - *last_ < gap_worth_telling && now - *amiss_ >= time;
}

std::string WriteLog::summary() const {
    return counted(rows_, "row") + " acknowledged, longest gap " + std::to_string(longest_gap_.count()) + " ms, " +
           counted(errors_, "error") + ", " + (servers_.size() > 1 ? "moved " : "on ") + join(servers_, " -> ");
}

}  // namespace castle::node
