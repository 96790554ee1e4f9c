// The tags of this member: shown to the others as they were written, acted upon as what they mean. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace castle::config {

struct Tags {
    bool nofailover = false;
    std::int64_t failover_priority = 1;  // 0 if nofailover
    bool nosync = false;
    std::int64_t sync_priority = 1;  // 0 if nosync
    bool noloadbalance = false;
    bool clonefrom = false;
    bool nostream = false;
    std::string replicatefrom;

    // What the member key shows: values and order as written ('1' stays a text); built-in ones that are false are left
    // out, except next to their priority.
    boost::json::object shown;
    // Contradictions, in the words that people's alerts look for.
    std::vector<std::string> warnings;
};

Tags read_tags(const boost::json::object& written);

}  // namespace castle::config
