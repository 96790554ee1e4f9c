// Who sits in front of the command line: text out, answers in. An interface, so that tests can play the part.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace castle::ctl {

class Terminal {
public:
    virtual ~Terminal() = default;
    virtual void out(std::string_view text) = 0;  // as it is, at once
    virtual void err(std::string_view text) = 0;
    virtual std::optional<std::string> read_line() = 0;  // nothing at the end of input
    virtual std::string read_all() = 0;
    virtual Result<std::string> ask_secret(std::string_view text) = 0;  // what is typed is not shown
    virtual bool shows_to_person() const = 0;                           // standard output is a terminal
    // Lets the person edit a text; a file ending in `suffix` is handed to the editor.
    virtual Result<std::string> edit(std::string_view text, std::string_view suffix) = 0;
    // Shows a text that may be longer than the screen.
    virtual void page(std::string_view text) = 0;

    void line(std::string_view text) { out(std::string(text) + "\n"); }
};

// "<text> [default]: ". Without a default an empty answer asks again. The end of input is Errc::cancelled.
Result<std::string> prompt(Terminal& terminal, std::string_view text, std::optional<std::string> otherwise = {});
// "<text> [y/N]: "
Result<bool> confirm(Terminal& terminal, std::string_view text);

// The process's own streams.
class RealTerminal final : public Terminal {
public:
    RealTerminal();  // Ctrl-C ends the process with "Aborted!" and status 1
    void out(std::string_view text) override;
    void err(std::string_view text) override;
    std::optional<std::string> read_line() override;
    std::string read_all() override;
    Result<std::string> ask_secret(std::string_view text) override;
    bool shows_to_person() const override;
    Result<std::string> edit(std::string_view text, std::string_view suffix) override;
    void page(std::string_view text) override;
};

}  // namespace castle::ctl
