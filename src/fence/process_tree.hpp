// Finds and kills everything that belongs to one PostgreSQL server, by looking through /proc. The fence uses it where
// it has no cgroup for the server, and to make sure that a cgroup missed nothing; the agent uses it when a fence has
// died.
//
// Every PostgreSQL process has a session and a process group of its own, so no single signal reaches them all, and a
// backend that was missed goes on committing. One round therefore stops the postmaster first (it can start nobody and
// sees nobody die), then stops whatever belongs to it until a whole look at /proc finds nobody new, and only then
// kills: all others first, the postmaster last. A stopped process cannot end and hand its number to a stranger in
// between.
//
// Allocates in its constructor and never after. One thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

namespace castle::fence {

// Which file a path leads to.
struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool known() const { return inode != 0; }
    friend bool operator==(const FileId&, const FileId&) = default;
};
FileId file_id(const char* path);                     // not known() if there is none, or it may not be seen
FileId process_file_id(pid_t pid, const char* link);  // "exe" or "cwd"

// What makes a process a member: it descends from `server` or is a child of `reaper`; it is in the session of a member
// (a shell that a backend left behind); or it runs this program in this directory (an orphan of a dead postmaster).
struct TreeRoot {
    pid_t server = 0;  // alive, and surely still that process; 0: it has ended
    pid_t reaper = 0;  // the subreaper to which orphans of the tree fall; 0: none
    FileId program;
    FileId directory;
};

class ProcessTree {
public:
    ProcessTree();
    ~ProcessTree();
    ProcessTree(const ProcessTree&) = delete;
    ProcessTree& operator=(const ProcessTree&) = delete;

    // One round as described above. Returns how many living members it found: 0 means that the tree is empty. After
    // anything else let the dying run, reap, and come again.
    int kill_round(const TreeRoot& root);

    // The same for what descends from `server` and `reaper`, by the kernel's lists of children (CONFIG_PROC_CHILDREN):
    // the first blow, in a fraction of the time that a look at every process of the machine takes. Rounds must follow.
    void kill_descendants(const TreeRoot& root);

private:
    struct Process;
    template <class Visit>
    void each_child(pid_t pid, Visit visit);
    template <class Visit>
    void each_member(Visit visit) const;
    void stop(pid_t pid) const;
    void stop_server(const TreeRoot& root);
    void kill_members(const TreeRoot& root) const;
    template <class Visit>
    void each_process(Visit visit);
    bool belongs(const Process& process, const TreeRoot& root) const;
    bool is_member(pid_t pid) const;
    void set_member(pid_t pid);

    int proc_ = -1;
    bool realtime_ = false;             // nobody of the tree can take the processor from us
    std::span<std::uint64_t> members_;  // a bit for every possible process id
};

}  // namespace castle::fence
