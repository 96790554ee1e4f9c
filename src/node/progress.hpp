// What people see while a cluster comes up: what each part is doing, and how that is drawn.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "node/member_report.hpp"
#include "node/report.hpp"

namespace castle::node {

struct ProgressLine {
    std::string name;
    std::string text;
    bool operator==(const ProgressLine&) const = default;
};

// Pure: one line for etcd and one for each member. `known`: the members that have answered before.
std::vector<ProgressLine> describe(const Plan& plan, const Report& report, const std::vector<MemberReport>& members,
                                   const std::set<std::string>& known = {});

// On a terminal a block that is drawn over itself; elsewhere a line for each change.
class ProgressView {
public:
    explicit ProgressView(bool terminal) : terminal_(terminal) {}
    void show(const std::vector<ProgressLine>& lines, Duration elapsed);

private:
    bool terminal_;
    std::vector<ProgressLine> shown_;
    std::vector<Duration> since_;
};

}  // namespace castle::node
