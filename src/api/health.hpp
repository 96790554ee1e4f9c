// Health checks: what load balancers, orchestrators and monitoring ask. Pure decisions over a Standing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/standing.hpp"

namespace castle::api {

using Query = std::vector<std::pair<std::string, std::string>>;  // decoded; empty values do not count

// 200 or 503 for any path that no other handler serves; the first rule of the contract's table that matches.
int health_code(const Standing& seen, std::string_view path, const Query& query);

int liveness_code(const Standing& seen);
int readiness_code(const Standing& seen, const Query& query);

// The first non-empty value of that name.
std::optional<std::string> find_query(const Query& query, std::string_view name);

}  // namespace castle::api
