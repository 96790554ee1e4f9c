// The body of POST /restart, checked. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "base/types.hpp"
#include "core/view.hpp"
#include "ports/commands.hpp"

namespace castle::api {

struct RestartCall {
    int status = 0;  // of the refusal; 0: it is fine
    std::string refusal;
    std::optional<WallTime> at;  // scheduled for then
    std::string schedule;
    ports::RestartRequest request;

    core::ScheduledRestart scheduled() const;
};

RestartCall read_restart(const boost::json::object& body, bool paused, WallTime now);

}  // namespace castle::api
