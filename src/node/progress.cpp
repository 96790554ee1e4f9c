#include "node/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace castle::node {
namespace {

std::string describe_end(const PartReport& part, const std::string& what) {
    return what + " has ended (" + part.last_end + "), it is started again";
}

std::string describe_etcd(const PartReport* part) {
    if (!part || part->state == PartState::waiting) return "starting";
    if (part->state == PartState::restarting) return describe_end(*part, "etcd");
    return "running";
}

std::string describe_member(const PartReport* part, const MemberReport& member, bool known) {
    if (!part || part->state == PartState::waiting) return "waiting for etcd";
    if (part->state == PartState::restarting) return describe_end(*part, "its agent");
    if (!member.answered) return known ? "its agent does not answer" : "its agent is starting";
    if (member.primary()) return "primary, timeline " + std::to_string(member.timeline);
    if (member.streaming()) return "standby, streaming";
    if (member.state == "running") return "standby, not streaming yet";
    if (member.state == "stopped") return "PostgreSQL is not running yet";
    return member.state;
}

std::string line_text(const ProgressLine& line, Duration at) {
    char text[400];
    std::snprintf(text, sizeof text, "  %-5s %6.1f s  %s", line.name.c_str(), static_cast<double>(at.count()) / 1000.0,
                  line.text.c_str());
    return text;
}

// A line that wraps would put the block in disorder.
std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

}  // namespace

std::vector<ProgressLine> describe(const Plan& plan, const Report& report, const std::vector<MemberReport>& members,
                                   const std::set<std::string>& known) {
    std::vector<ProgressLine> lines{{"etcd", describe_etcd(report.part("etcd"))}};
    for (std::size_t i = 0; i < members.size(); ++i) {
        const std::string name = plan.member(static_cast<int>(i) + 1).name;
        lines.push_back({name, describe_member(report.part(name), members[i], known.contains(name))});
    }
    return lines;
}

void ProgressView::show(const std::vector<ProgressLine>& lines, Duration elapsed) {
    if (lines == shown_) return;
    const bool first = shown_.size() != lines.size();
    if (first) since_.assign(lines.size(), elapsed);
    if (terminal_ && !first) std::printf("\033[%zuA", lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const bool changed = first || lines[i] != shown_[i];
        if (changed) since_[i] = elapsed;
        if (!changed && !terminal_) continue;
        std::string text = line_text(lines[i], since_[i]);
        if (terminal_) text = text.substr(0, terminal_width() - 1) + "\033[K";
        std::puts(text.c_str());
    }
    std::fflush(stdout);
    shown_ = lines;
}

}  // namespace castle::node
