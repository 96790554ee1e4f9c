#include "ctl/terminal.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/text.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace castle::ctl {
namespace {

void on_interrupt(int) {
    constexpr std::string_view text = "\nAborted!\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    ::_exit(1);
}

// Waits for it; nothing if the program is not there, else its exit status.
std::optional<int> run_program(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) return {};
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A file of our own that goes away with it.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view suffix) {
        const char* const dir = std::getenv("TMPDIR");
        path_ = std::string(dir && *dir ? dir : "/tmp") + "/pgcastle-XXXXXX" + std::string(suffix);
        const int fd = ::mkstemps(path_.data(), static_cast<int>(suffix.size()));
        if (fd < 0)
            path_.clear();
        else
            ::close(fd);
    }
    ~TemporaryFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// $EDITOR may be a command with arguments.
std::optional<int> run_editor(const std::string& file) {
    std::vector<std::vector<std::string>> candidates;
    const char* const chosen = std::getenv("EDITOR");
    if (chosen && *chosen)
        candidates.push_back(split(chosen, ' '));
    else
        candidates = {{"editor"}, {"vi"}};
    for (std::vector<std::string>& words : candidates) {
        std::erase(words, "");
        if (words.empty()) continue;
        words.push_back(file);
        if (const auto status = run_program(words)) return status;
    }
    return {};
}

}  // namespace

Result<std::string> prompt(Terminal& terminal, std::string_view text, std::optional<std::string> otherwise) {
    for (;;) {
        terminal.out(std::string(text) + (otherwise ? " [" + *otherwise + "]" : "") + ": ");
        const auto answer = terminal.read_line();
        if (!answer) return Error{Errc::cancelled, "Aborted!"};
        if (!answer->empty()) return *answer;
        if (otherwise) return *otherwise;
    }
}

Result<bool> confirm(Terminal& terminal, std::string_view text) {
    for (;;) {
        terminal.out(std::string(text) + " [y/N]: ");
        const auto answer = terminal.read_line();
        if (!answer) return Error{Errc::cancelled, "Aborted!"};
        const std::string word = lower(trim(*answer));
        if (word == "y" || word == "yes") return true;
        if (word.empty() || word == "n" || word == "no") return false;
        terminal.line("Error: invalid input");
    }
}

RealTerminal::RealTerminal() {
    std::signal(SIGINT, on_interrupt);
}

void RealTerminal::out(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void RealTerminal::err(std::string_view text) {
    std::fflush(stdout);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

std::optional<std::string> RealTerminal::read_line() {
    std::string text;
    if (!std::getline(std::cin, text)) return {};
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

std::string RealTerminal::read_all() {
    return {std::istreambuf_iterator<char>(std::cin), {}};
}

Result<std::string> RealTerminal::ask_secret(std::string_view text) {
    termios before{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    err(text);
    if (terminal) {
        termios silent = before;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    const auto answer = read_line();
    if (terminal) {
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        err("\n");
    }
    if (!answer) return Error{Errc::cancelled, "Aborted!"};
    return *answer;
}

bool RealTerminal::shows_to_person() const {
    return ::isatty(STDOUT_FILENO) == 1;
}

Result<std::string> RealTerminal::edit(std::string_view text, std::string_view suffix) {
    const TemporaryFile file(suffix);
    if (file.path().empty())
        return Error{Errc::failed,
                     "cannot make a temporary file: " + std::error_code(errno, std::generic_category()).message()};
    std::ofstream(file.path(), std::ios::binary) << text;
    const auto status = run_editor(file.path());
    if (!status)
        return Error{Errc::not_found, "EDITOR environment variable is not set. editor or vi are not available"};
    if (*status != 0) return Error{Errc::failed, "Editor exited with return code " + std::to_string(*status)};
    std::ostringstream edited;
    edited << std::ifstream(file.path(), std::ios::binary).rdbuf();
    return edited.str();
}

void RealTerminal::page(std::string_view text) {
    const TemporaryFile file(".diff");
    if (!file.path().empty()) {
        std::ofstream(file.path(), std::ios::binary) << text;
        const char* const chosen = std::getenv("PAGER");
        std::vector<std::string> words =
            chosen && *chosen ? split(chosen, ' ') : std::vector<std::string>{"less", "-RFX"};
        std::erase(words, "");
        if (!words.empty()) {
            words.push_back(file.path());
            if (const auto status = run_program(words); status == 0) return;
        }
    }
    out(text);
}

}  // namespace castle::ctl
