#include "ctl/arguments.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "ctl/program.hpp"

namespace castle::ctl {
namespace {

const Program program = patronictl("patronictl");

std::variant<Parsed, Help, UsageError> parse(const std::string& line) {
    return parse_arguments(program, split(line, ' '));
}

std::string usage_error(const std::string& line) {
    const auto result = parse(line);
    const auto* const error = std::get_if<UsageError>(&result);
    return error ? error->text : "no error";
}

Parsed parsed(const std::string& line) {
    auto result = parse(line);
    EXPECT_TRUE(std::holds_alternative<Parsed>(result)) << line << ": " << usage_error(line);
    return std::holds_alternative<Parsed>(result) ? std::get<Parsed>(result) : Parsed{};
}

TEST(Arguments, OptionsMayStandAnywhere) {
    Parsed p = parsed("-c p.yml -k restart demo n1 --force -r replica n2 --timeout=30");
    EXPECT_EQ(p.command, "restart");
    EXPECT_EQ(p.text("config-file"), "p.yml");
    EXPECT_TRUE(p.has("insecure"));
    EXPECT_TRUE(p.has("force"));
    EXPECT_EQ(p.text("role"), "replica");
    EXPECT_EQ(p.text("timeout"), "30");
    EXPECT_EQ(p.positional("CLUSTER_NAME"), std::vector<std::string>{"demo"});
    EXPECT_EQ(p.positional("MEMBER_NAMES"), (std::vector<std::string>{"n1", "n2"}));

    EXPECT_EQ(parsed("list -etf tsv").text("format"), "tsv");
    EXPECT_EQ(parsed("list -w5 a b").text("watch"), "5");
    EXPECT_TRUE(parsed("list -W").has("W"));
    EXPECT_EQ(parsed("switchover --primary n1").text("leader"), "n1");
    EXPECT_EQ(parsed("edit-config -s a=1 -s b=2 -p c=3").all("set"), (std::vector<std::string>{"a=1", "b=2"}));
    EXPECT_EQ(parsed("edit-config --apply -").text("apply"), "-");
    EXPECT_EQ(parsed("list -- -x").positional("CLUSTER_NAMES"), std::vector<std::string>{"-x"});
}

TEST(Arguments, TheTargetOfFlushIsTheLast) {
    const Parsed p = parsed("flush demo n1 n2 restart");
    EXPECT_EQ(p.positional("MEMBER_NAMES"), (std::vector<std::string>{"n1", "n2"}));
    EXPECT_EQ(p.positional("TARGET"), std::vector<std::string>{"restart"});
    EXPECT_EQ(parsed("flush demo switchover").positional("TARGET"), std::vector<std::string>{"switchover"});
    EXPECT_NE(usage_error("flush demo n1").find("'n1' is not one of 'restart', 'switchover'."), std::string::npos);
}

TEST(Arguments, MistakesAreToldInTheSameWords) {
    EXPECT_EQ(usage_error("restart"),
              "Usage: patronictl restart [OPTIONS] CLUSTER_NAME [MEMBER_NAMES]...\n"
              "Try 'patronictl restart --help' for help.\n\nError: Missing argument 'CLUSTER_NAME'.\n");
    EXPECT_EQ(usage_error("foo"),
              "Usage: patronictl [OPTIONS] COMMAND [ARGS]...\nTry 'patronictl --help' for help.\n\nError: No such "
              "command 'foo'.\n");
    struct Row {
        const char* line;
        const char* reason;
    };
    const Row rows[] = {
        {"list --foo", "No such option: --foo"},
        {"list -x", "No such option: -x"},
        {"list -w abc", "Invalid value for '--watch' / '-w': 'abc' is not a valid float."},
        {"list --group x", "Invalid value for '--group': 'x' is not a valid integer."},
        {"restart x -r foo",
         "Invalid value for '--role' / '-r': 'foo' is not one of 'leader', 'primary', 'standby-leader', "
         "'replica', 'standby', 'any', 'master'."},
        {"pause a b", "Got unexpected extra argument (b)"},
        {"pause --wait=1", "Option '--wait' does not take a value."},
        {"switchover --candidate", "Option '--candidate' requires an argument."},
        {"list --form x", "No such option: --form Did you mean --format?"},
    };
    for (const Row& row : rows) {
        const std::string error = usage_error(row.line);
        EXPECT_TRUE(error.ends_with(std::string("\n\nError: ") + row.reason + "\n")) << error;
    }
}

TEST(Arguments, HelpLooksAsBefore) {
    const auto help = parse("reload --help");
    ASSERT_TRUE(std::holds_alternative<Help>(help));
    EXPECT_EQ(
        std::get<Help>(help).text,
        "Usage: patronictl reload [OPTIONS] CLUSTER_NAME [MEMBER_NAMES]...\n\n  Reload cluster member configuration\n\n"
        "  Lets members read their local configuration files again.\n\nOptions:\n"
        "  --group INTEGER                 Citus group\n"
        "  -r, --role [leader|primary|standby-leader|replica|standby|any|master]\n"
        "                                  Reload only members with this role\n"
        "  --force                         Do not ask for confirmation at any point\n"
        "  --help                          Show this message and exit.\n"
        "\nExamples:\n  patronictl reload demo\n  patronictl reload demo n2 --force\n");
    EXPECT_TRUE(std::holds_alternative<Help>(parse("")));
    EXPECT_TRUE(std::holds_alternative<Help>(parse("--help")));
    for (const Command& command : program.commands) {
        const auto text = parse(command.name + " --help");
        ASSERT_TRUE(std::holds_alternative<Help>(text)) << command.name;
        for (const std::string& line : split(std::get<Help>(text).text, '\n')) EXPECT_LE(line.size(), 100u) << line;
    }
}

}  // namespace
}  // namespace castle::ctl
