#include "ctl/options.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>

namespace castle::ctl {

std::optional<Duration> watch_interval(const Parsed& args) {
    if (const auto text = args.maybe("watch")) {
        double seconds = 0;
        std::from_chars(text->data(), text->data() + text->size(), seconds);
        return Duration(static_cast<std::int64_t>(std::clamp(seconds, 0.1, 86'400.0) * 1000));
    }
    if (args.has("W")) return std::chrono::seconds(2);
    return {};
}

Result<Format> format_of(const Parsed& args, std::string_view otherwise) {
    const std::string name = args.text("format", otherwise);
    const auto format = parse_format(name);
    if (!format) return refused("Unknown output format \"" + name + "\"; one of pretty, tsv, json, yaml");
    return *format;
}

Result<std::string> read_source(Session& session, const std::string& file) {
    if (file == "-") return session.terminal.read_all();
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    if (stream) content << stream.rdbuf();
    if (!stream)
        return refused("cannot read " + file + ": " + std::error_code(errno, std::generic_category()).message());
    return content.str();
}

}  // namespace castle::ctl
