/*
 * The doors of the command line: for main(), and for another program that offers one of its commands.
 */
#ifndef CLI_ENTRY_H
#define CLI_ENTRY_H

#include "cli.h"

/* Every subcommand, NULL-terminated. */
extern const struct cli_command *const cli_commands[];

/* The process's descriptors, character set and signals. False: it cannot go on. */
bool cli_begin(void);
/* Writes what is left of standard output. Returns code, or why that was not possible. */
int cli_end(int code);
/* Runs the subcommand that argv[1] names. */
int cli_dispatch(int argc, char **argv);

/* Does all that `aivo diagnose ARGUMENTS...` does, argv[0] being the first argument, and returns its exit code: for a
 * program that offers it as one of its options. Needs no display; standard output, standard error and signals are the
 * process's. */
int cli_diagnose_main(int argc, char **argv);

#endif
