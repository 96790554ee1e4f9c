// GET /metrics: the text that Prometheus reads. Pure.
#pragma once

#include <string>

#include "api/standing.hpp"

namespace castle::api {

std::string metrics_text(const Standing& seen);

}  // namespace castle::api
