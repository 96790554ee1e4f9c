#include "postgres/versions.hpp"

#include "base/text.hpp"

namespace castle::postgres {
namespace {

int take_number(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && length < 6 && text[length] >= '0' && text[length] <= '9') ++length;
    int number = 0;
    for (const char c : text.substr(0, length)) number = number * 10 + (c - '0');
    text.remove_prefix(length);
    return number;
}

Status supported(int major) {
    if (major >= oldest_major && major <= newest_major) return Done{};
    return Error{Errc::invalid, "PostgreSQL " + std::to_string(major) + " is not supported; " +
                                    std::to_string(oldest_major) + " to " + std::to_string(newest_major) + " are"};
}

}  // namespace

Result<Version> parse_version(std::string_view program_output) {
    const auto mark = program_output.find("(PostgreSQL) ");
    if (mark == program_output.npos)
        return Error{Errc::invalid, "\"" + std::string(trim(program_output)) + "\" is not PostgreSQL's version"};
    std::string_view rest = program_output.substr(mark + 13);
    const int major = take_number(rest);
    int minor = 0;
    if (rest.starts_with('.')) {
        rest.remove_prefix(1);
        minor = take_number(rest);
    }
    CASTLE_CHECK(supported(major));
    return Version{major * 10'000 + minor};
}

Result<int> parse_pg_version_file(std::string_view content) {
    std::string_view rest = trim(content);
    if (rest.empty()) return Error{Errc::invalid, "PG_VERSION is empty"};
    const int major = take_number(rest);
    if (rest.starts_with('.')) {  // before 10
        rest.remove_prefix(1);
        take_number(rest);
    }
    if (!rest.empty() || major == 0) return Error{Errc::invalid, "PG_VERSION holds no version"};
    return major;
}

}  // namespace castle::postgres
