// What the agent writes into the store, made from what it knows. Pure.
#pragma once

#include <optional>
#include <string>

#include "agent/options.hpp"
#include "core/decide.hpp"
#include "core/view.hpp"

namespace castle::agent {

// The value of members/<name>.
std::string member_record(const Options& options, const core::AgentView& view,
                          std::optional<bool> checkpoint_after_promote);

// The history as the leader should write it: the ended timelines of its server, what older entries told of time and
// leader kept, the last one stamped with `now` and our name if nobody stamped it before. Nothing: leave it alone.
std::optional<std::vector<core::HistoryLine>> history_to_write(const core::Cluster& cluster,
                                                               const core::Instance& instance, const std::string& me,
                                                               WallTime now, std::int64_t keep_most);

}  // namespace castle::agent
