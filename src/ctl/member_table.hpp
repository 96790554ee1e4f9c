// The table of members: `list`, `topology`, and what action commands show. From the store's keys to text; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/settings.hpp"
#include "ctl/output.hpp"

namespace castle::ctl {

// One cluster, or one group of a Citus cluster.
struct ClusterView {
    std::optional<int> group;
    core::Cluster cluster;
    core::Settings settings;  // of its `config` key
};
ClusterView view_of(core::Cluster cluster, std::optional<int> group = {});

struct MemberTableOptions {
    std::string cluster_name;
    Format format = Format::pretty;
    bool extended = false;
    bool citus = false;      // show groups
    bool one_group = false;  // --group was given
};

// The table with what stands below it (maintenance mode, scheduled switchover).
std::string member_table(const std::vector<ClusterView>& views, const MemberTableOptions& options);

// Host and port of postgres://host:port/...
struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};
HostPort host_port_of(const std::string& conn_url);

}  // namespace castle::ctl
