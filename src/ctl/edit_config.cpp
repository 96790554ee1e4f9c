// edit-config: from the present dynamic configuration to a wanted one, shown as a difference, written by
// compare-and-swap.
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "config/dynamic.hpp"
#include "config/patch.hpp"
#include "config/yaml.hpp"
#include "config/yaml_text.hpp"
#include "ctl/commands.hpp"
#include "ctl/edit_values.hpp"
#include "ctl/options.hpp"
#include "ctl/unified_diff.hpp"

namespace castle::ctl {
namespace {

Result<boost::json::object> read_configuration(std::string_view text) {
    CASTLE_TRY(boost::json::value value, config::parse_yaml_value(text));
    if (!value.is_object()) return refused("The configuration must be a map of keys and values");
    return std::move(value.get_object());
}

Status change_from_arguments(Session& session, boost::json::object& wanted) {
    if (const auto file = session.args.maybe("replace")) {
        CASTLE_TRY(const std::string text, read_source(session, *file));
        CASTLE_TRY(wanted, read_configuration(text));
    }
    if (const auto file = session.args.maybe("apply")) {
        CASTLE_TRY(const std::string text, read_source(session, *file));
        CASTLE_TRY(const boost::json::object changes, read_configuration(text));
        config::patch(wanted, changes);
    }
    for (const std::string& pair : session.args.all("set")) CASTLE_CHECK(set_value(wanted, pair));
    for (const std::string& pair : session.args.all("pg"))
        CASTLE_CHECK(set_value(wanted, "postgresql.parameters." + pair));
    return Done{};
}

Result<boost::json::object> wanted_configuration(Session& session, const boost::json::object& present) {
    boost::json::object wanted = present;
    const Parsed& args = session.args;
    if (args.has("set") || args.has("pg") || args.has("apply") || args.has("replace")) {
        CASTLE_CHECK(change_from_arguments(session, wanted));
        return wanted;
    }
    CASTLE_TRY(const std::string edited, session.terminal.edit(config::yaml_text(present), ".yaml"));
    return read_configuration(edited);
}

std::string coloured(const std::string& difference) {
    std::string out;
    for (const std::string& line : split(difference, '\n')) {
        const char* const colour = line.starts_with("@@")  ? "\033[36m"
                                   : line.starts_with("+") ? "\033[32m"
                                   : line.starts_with("-") ? "\033[31m"
                                                           : "";
        out += *colour ? colour + line + "\033[0m\n" : line + "\n";
    }
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
}

void show_difference(Session& session, const std::string& before, const std::string& after) {
    if (session.args.has("quiet")) return;
    const std::string difference = unified_diff(before, after);
    if (session.terminal.shows_to_person())
        session.terminal.page(coloured(difference));
    else
        session.terminal.out(difference);
}

}  // namespace

Status set_value(boost::json::object& configuration, const std::string& pair) {
    const auto equals = pair.find('=');
    if (equals == pair.npos) return refused("Invalid parameter setting " + pair);
    CASTLE_TRY(const boost::json::value value, config::parse_yaml_value(std::string_view(pair).substr(equals + 1)));
    std::vector<std::string> path = split(trim(std::string_view(pair).substr(0, equals)), '.');
    if (path.empty()) return refused("Invalid parameter setting " + pair);
    // The name of a parameter may contain dots.
    if (path.size() > 3 && path[0] == "postgresql" && path[1] == "parameters") {
        path[2] = join({path.begin() + 2, path.end()}, ".");
        path.resize(3);
    }
    std::vector<boost::json::object*> maps{&configuration};
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        boost::json::value& inner = (*maps.back())[path[i]];
        if (!inner.is_object()) inner.emplace_object();
        maps.push_back(&inner.get_object());
    }
    if (!value.is_null())
        (*maps.back())[path.back()] = value;
    else if (const auto found = maps.back()->find(path.back()); found != maps.back()->end())
        maps.back()->stable_erase(found);
    // Parents that have become empty go too.
    for (std::size_t i = maps.size(); i-- > 1;)
        if (maps[i]->empty()) maps[i - 1]->stable_erase(maps[i - 1]->find(path[i - 1]));
    return Done{};
}

Status edit_config(Session& session) {
    CASTLE_TRY(const ClusterView view, read_view(session));
    if (!view.cluster.config) return refused("The config key does not exist in the cluster " + session.cluster);
    CASTLE_TRY(const boost::json::object present, config::parse_dynamic(*view.cluster.config));
    CASTLE_TRY(const boost::json::object wanted, wanted_configuration(session, present));
    const std::string before = config::yaml_text(present), after = config::yaml_text(wanted);
    if (before == after) {
        session.terminal.line("Not changed");
        return Done{};
    }
    show_difference(session, before, after);
    const bool from_input = session.args.text("apply") == "-" || session.args.text("replace") == "-";
    if (from_input && !session.forced()) {
        session.terminal.line("Use --force option to apply changes");
        return Done{};
    }
    if (!session.forced()) {
        CASTLE_TRY(const bool yes, confirm(session.terminal, "Apply these changes?"));
        if (!yes) return Done{};
    }
    const Result<Revision> written = session.remote.write(
        session.prefix(),
        {{"config", boost::json::serialize(wanted), false, {core::Expect::modified_at(view.cluster.config_modified)}}});
    if (written) {
        session.terminal.line("Configuration changed");
        return Done{};
    }
    if (written.error().code == Errc::conflict) return refused("Config modification aborted due to concurrent changes");
    return written.error();
}

}  // namespace castle::ctl
