#include "node/report.hpp"

#include <boost/json.hpp>

namespace castle::node {
namespace {

namespace json = boost::json;

json::object to_json(const PartReport& part) {
    return {{"name", part.name},
            {"state", name_of(part.state)},
            {"pid", part.pid},
            {"restarts", part.restarts},
            {"last_end", part.last_end}};
}

// Throws what Boost.JSON throws when something is missing.
PartReport part_from(const json::object& object) {
    PartReport part;
    part.name = json::value_to<std::string>(object.at("name"));
    const std::string_view state = object.at("state").as_string();
    part.state = state == "running"      ? PartState::running
                 : state == "restarting" ? PartState::restarting
                                         : PartState::waiting;
    part.pid = json::value_to<int>(object.at("pid"));
    part.restarts = json::value_to<int>(object.at("restarts"));
    part.last_end = json::value_to<std::string>(object.at("last_end"));
    return part;
}

}  // namespace

std::string_view name_of(PartState state) {
    switch (state) {
        case PartState::waiting: return "waiting";
        case PartState::running: return "running";
        case PartState::restarting: break;
    }
    return "restarting";
}

const PartReport* Report::part(std::string_view name) const {
    for (const PartReport& each : parts)
        if (each.name == name) return &each;
    return nullptr;
}

std::string Report::to_line() const {
    json::array all;
    for (const PartReport& each : parts) all.emplace_back(to_json(each));
    return json::serialize(json::object{{"supervisor", supervisor},
                                        {"stopping", stopping},
                                        {"stopped", stopped},
                                        {"doing", doing},
                                        {"parts", std::move(all)}});
}

Result<Report> Report::from_line(std::string_view line) {
    try {
        const json::value value = json::parse(line);
        const json::object& object = value.as_object();
        Report report;
        report.supervisor = json::value_to<int>(object.at("supervisor"));
        report.stopping = object.at("stopping").as_bool();
        report.stopped = object.at("stopped").as_bool();
        report.doing = json::value_to<std::string>(object.at("doing"));
        for (const json::value& each : object.at("parts").as_array())
            report.parts.push_back(part_from(each.as_object()));
        return report;
    } catch (const std::exception& wrong) {
        return Error{Errc::invalid, std::string("the supervisor's answer cannot be read: ") + wrong.what()};
    }
}

}  // namespace castle::node
