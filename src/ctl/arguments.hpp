// The command line as patronictl's library (click) reads it: options anywhere after the command, `--name=value`,
// `-fVALUE`, joined short flags, `--` ends options; usage errors and help in the same words. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace castle::ctl {

struct Option {
    enum class Kind { flag, text, integer, real };
    std::vector<std::string> names;  // "-r", "--role": the first long one, without its dashes, is the key in Parsed
    Kind kind = Kind::text;
    std::string help;
    std::vector<std::string> choices = {};
    bool many = false;
    bool hidden = false;  // an old spelling, accepted and not shown
    std::string key() const;
};

struct Positional {
    std::string name;  // "CLUSTER_NAME"
    bool required = false;
    bool many = false;
    std::vector<std::string> choices = {};
};

struct Command {
    std::string name;
    std::string summary;
    std::vector<Positional> positionals;
    std::vector<Option> options;
    std::string details = {};                // what it does, for --help
    std::vector<std::string> examples = {};  // arguments, for --help
};

struct Program {
    std::string name;  // as shown in usage
    std::vector<Option> options;
    std::vector<Command> commands;
};

struct Parsed {
    std::string command;
    std::map<std::string, std::vector<std::string>> options;      // of the program and of the command, by key
    std::map<std::string, std::vector<std::string>> positionals;  // by name

    bool has(std::string_view key) const;
    std::string text(std::string_view key, std::string_view otherwise = "") const;  // the last one given
    std::optional<std::string> maybe(std::string_view key) const;
    std::vector<std::string> all(std::string_view key) const;
    std::vector<std::string> positional(std::string_view name) const;
};

struct Help {  // for standard output; status 0
    std::string text;
};
struct UsageError {  // for standard error; status 2
    std::string text;
};

std::variant<Parsed, Help, UsageError> parse_arguments(const Program& program,
                                                       const std::vector<std::string>& arguments);

}  // namespace castle::ctl
