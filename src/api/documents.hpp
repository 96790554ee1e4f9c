// The JSON that the interface answers with. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "api/standing.hpp"

namespace castle::api {

// Spacing and escapes as Python writes them, because people grep in it: {"state": "running", ...}.
std::string json_text(const boost::json::value& value);

// GET /patroni, and the body of health checks.
boost::json::object status_document(const Standing& seen);

// GET /cluster. `settings` are those of this cluster's own configuration.
boost::json::object cluster_document(const core::Cluster& cluster, const core::Settings& settings,
                                     const std::string& scope);

// GET /history.
boost::json::array history_document(const core::Cluster& cluster);

}  // namespace castle::api
