// Tells when something in a directory changes (inotify). Belongs to the loop's thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "io/loop.hpp"

namespace castle::io {

class FileWatch {
public:
    // With a name, only that entry of the directory counts. Removal of the directory itself counts always.
    static Result<std::unique_ptr<FileWatch>> start(Loop& loop, const std::string& directory, std::string name = "");
    ~FileWatch();

    Signal& changed();  // perhaps too often, never too seldom: look at the files
    bool lost() const;  // the directory is gone, or is another one now: start anew

private:
    struct State;
    explicit FileWatch(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace castle::io
