// The program pgcastle: arguments to subcommand.
//
// Invoked as "patroni" it is the agent, as "patronictl" the command line, with those programs' arguments.
#include "main/dispatch.hpp"

int main(int argc, char** argv) {
    return castle::dispatch(argc, argv);
}
