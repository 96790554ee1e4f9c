// Data as YAML text, byte for byte as PyYAML's safe_dump(default_flow_style=False, allow_unicode=True, width=200)
// writes it: show-config, the diff of edit-config and `list -f yaml` are compared by people's scripts. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace castle::config {

struct YamlStyle {
    bool sort_keys = true;
    int width = 200;  // longer lines are folded at a blank
};

// Block style, ending with a line break. An empty map is "{}\n".
std::string yaml_text(const boost::json::value& value, YamlStyle style = {});

// Flow style on one line without a line break: {failover_priority: 1, zone: eu}.
std::string yaml_flow_text(const boost::json::value& value, bool sort_keys = true);

}  // namespace castle::config
