/* aivo watch --replay: a recorded trace through the scorer again. */
#ifndef CLI_WATCH_REPLAY_H
#define CLI_WATCH_REPLAY_H

#include "cli.h"

bool cli_wants_replay(int argc, char **argv);
int cli_replay(int argc, char **argv); /* the exit code */

#endif
