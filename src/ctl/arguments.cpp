#include "ctl/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

constexpr std::size_t help_width = 80;

std::string metavar(const Option& option) {
    if (option.kind == Option::Kind::flag) return "";
    if (!option.choices.empty()) return " [" + join(option.choices, "|") + "]";
    if (option.kind == Option::Kind::integer) return " INTEGER";
    return option.kind == Option::Kind::real ? " FLOAT" : " TEXT";
}

// Words flow into lines of help_width, all but the first indented.
std::string wrap(const std::string& text, std::size_t column, std::size_t indent) {
    std::string out;
    for (const std::string& word : split(text, ' ')) {
        if (column + word.size() > help_width - 2 && column > indent) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        }
        out += word + " ";
        column += word.size() + 1;
    }
    while (out.ends_with(' ')) out.pop_back();
    return out;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string definition_list(const Entries& entries) {
    std::size_t widest = 0;
    for (const auto& [term, text] : entries) widest = std::max(widest, term.size());
    const std::size_t column = std::min<std::size_t>(widest, 30) + 4;
    std::string out;
    for (const auto& [term, text] : entries) {
        out += "  " + term;
        if (term.size() + 4 > column)
            out += "\n" + std::string(column, ' ');
        else
            out += std::string(column - term.size() - 2, ' ');
        out += wrap(text, column, column) + "\n";
    }
    return out;
}

Entries option_entries(const std::vector<Option>& options) {
    Entries entries;
    for (const Option& option : options)
        if (!option.hidden) entries.emplace_back(join(option.names, ", ") + metavar(option), option.help);
    entries.emplace_back("--help", "Show this message and exit.");
    return entries;
}

std::string positionals_text(const Command& command) {
    std::string text;
    for (const Positional& positional : command.positionals) {
        const std::string name =
            positional.choices.empty() ? positional.name : "{" + join(positional.choices, "|") + "}";
        text += " " + (positional.required ? name : "[" + name + "]") + (positional.many ? "..." : "");
    }
    return text;
}

class Parser {
public:
    Parser(const Program& program, const std::vector<std::string>& arguments)
        : program_(program), arguments_(arguments) {}

    std::variant<Parsed, Help, UsageError> run() {
        while (at_ < arguments_.size() && arguments_[at_].starts_with("-") && arguments_[at_] != "-") {
            if (arguments_[at_] == "--help") return Help{program_help()};
            if (auto error = take_option(program_.options)) return *error;
        }
        if (at_ == arguments_.size()) return Help{program_help()};
        const std::string name = arguments_[at_++];
        const auto found = std::ranges::find(program_.commands, name, &Command::name);
        if (found == program_.commands.end()) return usage("No such command '" + name + "'.");
        command_ = &*found;
        parsed_.command = name;
        return run_command();
    }

private:
    std::variant<Parsed, Help, UsageError> run_command() {
        std::vector<std::string> words;
        bool options_end = false;
        while (at_ < arguments_.size()) {
            const std::string& argument = arguments_[at_];
            if (!options_end && argument == "--") {
                options_end = true;
                ++at_;
            } else if (!options_end && argument == "--help") {
                return Help{command_help()};
            } else if (!options_end && argument.starts_with("-") && argument != "-") {
                if (auto error = take_option(command_->options)) return *error;
            } else {
                words.push_back(argument);
                ++at_;
            }
        }
        if (auto error = place(words)) return *error;
        return std::move(parsed_);
    }

    std::optional<UsageError> take_option(const std::vector<Option>& options) {
        const std::string argument = arguments_[at_++];
        if (argument.starts_with("--")) {
            const auto equals = argument.find('=');
            const std::string name = argument.substr(0, equals);
            const Option* const option = find(options, name);
            if (!option) return usage("No such option: " + name + suggestion(options, name));
            if (equals == argument.npos) return take_value(*option);
            if (option->kind == Option::Kind::flag) return usage("Option '" + name + "' does not take a value.");
            return store(*option, argument.substr(equals + 1));
        }
        for (std::size_t i = 1; i < argument.size(); ++i) {  // -ef tsv, -w5
            const std::string name = std::string("-") + argument[i];
            const Option* const option = find(options, name);
            if (!option) return usage("No such option: " + name);
            if (option->kind != Option::Kind::flag && i + 1 < argument.size())
                return store(*option, argument.substr(i + 1));
            if (auto error = take_value(*option)) return error;
        }
        return {};
    }

    std::optional<UsageError> take_value(const Option& option) {
        if (option.kind == Option::Kind::flag) {
            parsed_.options[option.key()].push_back("true");
            return {};
        }
        if (at_ == arguments_.size()) return usage("Option '" + option.names.back() + "' requires an argument.");
        return store(option, arguments_[at_++]);
    }

    std::optional<UsageError> store(const Option& option, const std::string& value) {
        std::vector<std::string> quoted;
        for (const std::string& name : option.names) quoted.push_back("'" + name + "'");
        std::ranges::reverse(quoted);  // '--role' / '-r'
        if (option.names.size() > 1 && option.names[0].starts_with("--")) std::ranges::reverse(quoted);
        const std::string bad = "Invalid value for " + join(quoted, " / ") + ": '" + value + "' ";
        const char* const end = value.data() + value.size();
        if (option.kind == Option::Kind::integer) {
            int number = 0;
            const auto read = std::from_chars(value.data(), end, number);
            if (read.ec != std::errc{} || read.ptr != end) return usage(bad + "is not a valid integer.");
        }
        if (option.kind == Option::Kind::real) {
            double number = 0;
            const auto read = std::from_chars(value.data(), end, number);
            if (read.ec != std::errc{} || read.ptr != end) return usage(bad + "is not a valid float.");
        }
        if (!option.choices.empty() && std::ranges::find(option.choices, value) == option.choices.end())
            return usage(bad + "is not one of '" + join(option.choices, "', '") + "'.");
        auto& values = parsed_.options[option.key()];
        if (!option.many) values.clear();
        values.push_back(value);
        return {};
    }

    // Gives the words to the arguments: those in front and behind of the one that may have many take one each.
    std::optional<UsageError> place(const std::vector<std::string>& words) {
        std::size_t needed_behind = 0;
        bool past_many = false;
        for (const Positional& positional : command_->positionals) {
            needed_behind += past_many;
            past_many |= positional.many;
        }
        std::size_t next = 0;
        for (const Positional& positional : command_->positionals) {
            auto& taken = parsed_.positionals[positional.name];
            const std::size_t left = words.size() - next;
            const std::size_t count =
                positional.many ? (left > needed_behind ? left - needed_behind : 0) : std::min<std::size_t>(left, 1);
            taken.assign(words.begin() + static_cast<std::ptrdiff_t>(next),
                         words.begin() + static_cast<std::ptrdiff_t>(next + count));
            next += count;
            const std::string shown =
                positional.choices.empty() ? positional.name : "{" + join(positional.choices, "|") + "}";
            if (positional.required && taken.empty()) return usage("Missing argument '" + shown + "'.");
            for (const std::string& word : taken)
                if (!positional.choices.empty() &&
                    std::ranges::find(positional.choices, word) == positional.choices.end())
                    return usage("Invalid value for '" + shown + "': '" + word + "' is not one of '" +
                                 join(positional.choices, "', '") + "'.");
        }
        if (next == words.size()) return {};
        const std::vector<std::string> extra(words.begin() + static_cast<std::ptrdiff_t>(next), words.end());
        return usage(std::string("Got unexpected extra argument") + (extra.size() > 1 ? "s" : "") + " (" +
                     join(extra, " ") + ")");
    }

    static const Option* find(const std::vector<Option>& options, const std::string& name) {
        for (const Option& option : options)
            if (std::ranges::find(option.names, name) != option.names.end()) return &option;
        return nullptr;
    }

    static std::string suggestion(const std::vector<Option>& options, const std::string& name) {
        for (const Option& option : options)
            for (const std::string& known : option.names)
                if (known.size() > 3 && !option.hidden && (known.starts_with(name) || name.starts_with(known)))
                    return " Did you mean " + known + "?";
        return "";
    }

    std::string usage_line() const {
        if (!command_) return "Usage: " + program_.name + " [OPTIONS] COMMAND [ARGS]...\n";
        return "Usage: " + program_.name + " " + command_->name + " [OPTIONS]" + positionals_text(*command_) + "\n";
    }

    UsageError usage(const std::string& reason) const {
        const std::string name = program_.name + (command_ ? " " + command_->name : "");
        return {usage_line() + "Try '" + name + " --help' for help.\n\nError: " + reason + "\n"};
    }

    std::string program_help() const {
        Entries commands;
        for (const Command& command : program_.commands) commands.emplace_back(command.name, command.summary);
        return usage_line() + "\nOptions:\n" + definition_list(option_entries(program_.options)) + "\nCommands:\n" +
               definition_list(commands);
    }

    std::string command_help() const {
        std::string text = usage_line() + "\n  " + wrap(command_->summary, 2, 2) + "\n";
        if (!command_->details.empty()) text += "\n  " + wrap(command_->details, 2, 2) + "\n";
        text += "\nOptions:\n" + definition_list(option_entries(command_->options));
        if (!command_->examples.empty()) text += "\nExamples:\n";
        for (const std::string& example : command_->examples)
            text += "  " + program_.name + " " + command_->name + " " + example + "\n";
        return text;
    }

    const Program& program_;
    const std::vector<std::string>& arguments_;
    const Command* command_ = nullptr;
    std::size_t at_ = 0;
    Parsed parsed_;
};

}  // namespace

std::string Option::key() const {
    for (const std::string& name : names)
        if (name.starts_with("--")) return name.substr(2);
    return names.front().substr(1);
}

bool Parsed::has(std::string_view key) const {
    return options.contains(std::string(key));
}

std::optional<std::string> Parsed::maybe(std::string_view key) const {
    const auto found = options.find(std::string(key));
    if (found == options.end() || found->second.empty()) return {};
    return found->second.back();
}

std::string Parsed::text(std::string_view key, std::string_view otherwise) const {
    return maybe(key).value_or(std::string(otherwise));
}

std::vector<std::string> Parsed::all(std::string_view key) const {
    const auto found = options.find(std::string(key));
    return found == options.end() ? std::vector<std::string>{} : found->second;
}

std::vector<std::string> Parsed::positional(std::string_view name) const {
    const auto found = positionals.find(std::string(name));
    return found == positionals.end() ? std::vector<std::string>{} : found->second;
}

std::variant<Parsed, Help, UsageError> parse_arguments(const Program& program,
                                                       const std::vector<std::string>& arguments) {
    return Parser(program, arguments).run();
}

}  // namespace castle::ctl
