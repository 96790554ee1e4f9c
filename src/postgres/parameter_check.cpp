#include "postgres/parameter_check.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.hpp"
#include "postgres/conf_files.hpp"
#include "postgres/files.hpp"

namespace castle::postgres {
namespace {

using namespace std::chrono_literals;

// The text between the quotes behind `mark`.
std::string quoted_after(std::string_view line, std::string_view mark) {
    const auto at = line.find(mark);
    if (at == line.npos) return {};
    const auto start = line.find('"', at);
    if (start == line.npos) return {};
    const auto end = line.find('"', start + 1);
    return end == line.npos ? std::string() : std::string(line.substr(start + 1, end - start - 1));
}

// "-5 is outside the valid range for parameter "x" (64 kB .. 2147483647 kB)": the nearer end, as a setting.
std::string nearer_end(std::string_view line) {
    const auto open = line.rfind('('), dots = line.rfind(" .. "), close = line.rfind(')');
    if (open == line.npos || dots == line.npos || close == line.npos || !(open < dots && dots < close)) return {};
    std::string low(line.substr(open + 1, dots - open - 1)), high(line.substr(dots + 4, close - dots - 4));
    const auto outside = line.find(" is outside the valid range");
    std::string_view before = line.substr(0, outside);
    if (const auto mark = before.rfind(":  "); mark != before.npos) before = before.substr(mark + 3);
    const double value = std::strtod(std::string(before).c_str(), nullptr);
    return value < std::strtod(low.c_str(), nullptr) ? low : high;
}

std::string make_scratch(const Owner& owner) {
    const char* base = ::getenv("TMPDIR");
    std::string path = std::string(base && *base ? base : "/tmp") + "/pgcastle.XXXXXX";
    if (!::mkdtemp(path.data())) return {};
    if (::geteuid() == 0 && ::chown(path.c_str(), owner.uid, owner.gid) != 0) {
        ::rmdir(path.c_str());
        return {};
    }
    return path;
}

// A directory with nothing but a configuration file, which is all that `postgres -C` reads.
class Scratch {
public:
    explicit Scratch(const Owner& owner) : path_(make_scratch(owner)) {}
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        if (path_.empty()) return;
        ::unlink((path_ + "/postgresql.conf").c_str());
        ::rmdir(path_.c_str());
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

bool is_checked(const std::string& name) {
    return name.find('.') == name.npos && name != "hba_file" && name != "ident_file" && name != "lc_messages" &&
           name != "data_directory" && name != "config_file";
}

}  // namespace

std::vector<std::string> apply_complaints(std::string_view said, Parameters& values) {
    std::vector<std::string> warnings;
    for (const std::string& line : split(said, '\n')) {
        const std::string name = quoted_after(line, "parameter \"");
        const auto found = values.find(name);
        if (name.empty() || found == values.end()) continue;
        const std::string end = line.find("outside the valid range") != line.npos ? nearer_end(line) : std::string();
        if (!end.empty() && end != found->second) {
            warnings.push_back("postgresql.parameters." + name + ": " + found->second + " is out of range; using " +
                               end);
            found->second = end;
            continue;
        }
        const bool unknown = line.find("unrecognized configuration parameter") != line.npos;
        warnings.push_back("postgresql.parameters." + name + ": " +
                           (unknown ? "this version of PostgreSQL has no such parameter"
                                    : "\"" + found->second + "\" is not a valid value") +
                           "; left out");
        values.erase(found);
    }
    return warnings;
}

Task<Parameters> check_parameters(const Site& site, Parameters values) {
    const auto program = site.programs.path("postgres");
    const Scratch scratch(site.owner());
    if (!program || scratch.path().empty()) co_return values;
    for (int round = 0; round < 8; ++round) {
        std::string content;
        for (const auto& [name, value] : values)
            if (is_checked(name)) content += name + " = " + quote_setting(value) + "\n";
        const auto written = write_file(scratch.path() + "/postgresql.conf", content, 0600, site.owner());
        if (!written) co_return values;
        Command command{.argv = {*program, "-C", "config_file", "-D", scratch.path()}};
        auto outcome = co_await site.programs.run(std::move(command), site.in(10s));
        if (!outcome || outcome->ok()) co_return values;
        const std::vector<std::string> warnings = apply_complaints(outcome->errors, values);
        for (const std::string& warning : warnings) site.warn(warning);
        if (warnings.empty()) {
            site.warn("the parameters could not be checked: " + outcome->reason());
            co_return values;
        }
    }
    co_return values;
}

}  // namespace castle::postgres
