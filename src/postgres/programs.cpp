#include "postgres/programs.hpp"

#include <unistd.h>

#include <cstdlib>
#include <set>

#include "base/text.hpp"
#include "io/process.hpp"
#include "postgres/conf_files.hpp"

extern char** environ;

namespace castle::postgres {
namespace {

constexpr std::size_t errors_kept = 4096;

std::string find_in_path(const std::string& name) {
    const char* path = ::getenv("PATH");
    for (const std::string& directory : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
        const std::string full = (directory.empty() ? "." : directory) + "/" + name;
        if (::access(full.c_str(), X_OK) == 0) return full;
    }
    return {};
}

// From our environment to the one that PostgreSQL's programs get, as changes.
std::map<std::string, std::optional<std::string>> environment_changes(Command::From from,
                                                                      const std::vector<std::string>& more) {
    std::map<std::string, std::optional<std::string>> changes;
    for (const std::string& variable : our_environment())
        changes[variable.substr(0, variable.find('='))] = std::nullopt;
    const auto set = [&](const std::string& variable) {
        const auto equals = variable.find('=');
        if (equals != variable.npos) changes[variable.substr(0, equals)] = variable.substr(equals + 1);
    };
    const auto base =
        from == Command::From::client ? client_environment(our_environment()) : server_environment(our_environment());
    for (const std::string& variable : base) set(variable);
    for (const std::string& variable : more) set(variable);
    return changes;
}

}  // namespace

std::vector<std::string> our_environment() {
    std::vector<std::string> all;
    for (char** entry = environ; entry && *entry; ++entry) all.emplace_back(*entry);
    return all;
}

Result<std::vector<std::string>> shell_split(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (quote == '\'') {
            if (c == quote)
                quote = 0;
            else
                word += c;
        } else if (quote == '"') {
            if (c == quote)
                quote = 0;
            else if (c == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\'))
                word += text[++at];
            else
                word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            in_word = true;
        } else if (c == '\\' && at + 1 < text.size()) {
            word += text[++at];
            in_word = true;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote) return Error{Errc::invalid, "the command has an open quote"};
    if (in_word) words.push_back(std::move(word));
    if (words.empty()) return Error{Errc::invalid, "the command is empty"};
    return words;
}

std::string Outcome::reason() const {
    // The last lines say what went wrong; those before tell the story.
    std::vector<std::string> said;
    for (const std::string& raw : split(errors, '\n')) {
        const std::string_view line = trim(raw);
        if (!line.empty()) said.emplace_back(line);
    }
    if (said.size() > 4) said.erase(said.begin(), said.end() - 4);
    if (!said.empty()) return join(said, "; ");
    return status > 128 ? "killed by signal " + std::to_string(status - 128) : "exit status " + std::to_string(status);
}

Programs::Programs(io::Loop& loop, const InstanceOptions& options, Owner owner)
    : loop_(loop), bin_dir_(options.bin_dir), bin_names_(options.bin_names), owner_(std::move(owner)) {}

Result<std::string> Programs::path(const std::string& name) const {
    const auto renamed = bin_names_.find(name);
    const std::string& program = renamed == bin_names_.end() ? name : renamed->second;
    if (!bin_dir_.empty()) {
        const std::string full = bin_dir_ + "/" + program;
        if (::access(full.c_str(), X_OK) == 0) return full;
        return Error{Errc::not_found,
                     "there is no program " + full + "; correct postgresql.bin_dir or install PostgreSQL"};
    }
    const std::string found = find_in_path(program);
    if (!found.empty()) return found;
    return Error{Errc::not_found, "the program " + program +
                                      " is not in PATH; set postgresql.bin_dir, for example to "
                                      "/usr/lib/postgresql/15/bin"};
}

Task<Result<Outcome>> Programs::run(Command command, BootTime deadline, CancelToken cancel) const {
    io::SpawnOptions spawn;
    spawn.argv = std::move(command.argv);
    spawn.env = environment_changes(command.from, command.environment);
    spawn.cwd = command.directory.empty() ? "/" : command.directory;
    if (::geteuid() == 0) spawn.run_as = owner_;
    io::RunLimits limits;
    limits.deadline = deadline;
    limits.cancel = cancel;
    limits.output_max = 1 << 20;
    if (command.on_line)
        limits.on_line = [on_line = std::move(command.on_line)](io::Output, std::string_view line) { on_line(line); };
    auto finished = co_await io::run_program(loop_, std::move(spawn), std::move(limits));
    if (!finished) co_return std::move(finished).error();
    Outcome outcome;
    outcome.status = finished->status.signal ? 128 + finished->status.signal : finished->status.code;
    outcome.output = std::move(finished->out);
    outcome.errors = std::move(finished->err);
    if (outcome.errors.size() > errors_kept) outcome.errors.erase(0, outcome.errors.size() - errors_kept);
    co_return outcome;
}

Task<Result<std::string>> Programs::must(Command command, BootTime deadline, CancelToken cancel) const {
    const std::string path = command.argv.at(0);
    const std::string name = path.substr(path.rfind('/') + 1);
    auto outcome = co_await run(std::move(command), deadline, cancel);
    if (!outcome) co_return std::move(outcome).error().in(name);
    if (!outcome->ok()) co_return Error{Errc::failed, name + ": " + outcome->reason()};
    co_return std::move(outcome->output);
}

}  // namespace castle::postgres
