/*
 * What every subcommand shares: its place in the table of main.c and the exit codes.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "flags.h"

/* Exit codes. 0..3 and 75 are the contract with scripts; the others are those of sysexits.h. */
#define CLI_EXIT_OK            0
#define CLI_EXIT_PROBLEM       1  /* watch: Fair or Poor; emit: answered with an error, or a message died */
#define CLI_EXIT_NO_CONNECTION 2  /* never connected, connection lost, or no answer */
#define CLI_EXIT_REFUSED       3  /* reached, but refused: credentials, namespace, protocol */
#define CLI_EXIT_USAGE         64 /* a flag or value that makes no sense */
#define CLI_EXIT_NOINPUT       66 /* no such file */
#define CLI_EXIT_SOFTWARE      70 /* out of memory or of another resource */
#define CLI_EXIT_CANTCREAT     73 /* the queue file cannot be used */
#define CLI_EXIT_IOERR         74 /* standard output cannot be written */
#define CLI_EXIT_QUEUED        75 /* on disk, not yet delivered */

struct cli_command {
    const char *name;
    const char *usage;    /* what follows "aivo NAME " */
    const char *summary;  /* one line */
    const char *text;     /* paragraphs of the help, whole lines */
    const char *examples; /* whole lines */
    const struct cli_flag *flags;
    size_t flag_count;
    bool connects; /* takes a URL and the common flags */
    size_t url_at; /* the URL's place among the words; those before it are FILE */
    /* Commands of its own, NULL-terminated, called "NAME VERB"; run is then not used. NULL: it has none */
    const struct cli_command *const *verbs;
    /* argv[0] is the first word after the subcommand's name. Returns the exit code. */
    int (*run)(const struct cli_command *self, int argc, char **argv);
};

extern const struct cli_command cli_diagnose, cli_watch, cli_history, cli_emit, cli_listen, cli_queue, cli_token,
    cli_completion;

/* What a verb is called after its command's name and a space. */
const char *cli_verb_name(const struct cli_command *command, const struct cli_command *verb);
void cli_print_verbs(FILE *out, const struct cli_command *command);
void cli_print_help(const struct cli_command *command);

/* Parses with this command's tables (its own flags fill own, the common ones common, which may be NULL) and checks what
 * was given. Returns -1 to go on, else the exit code: 0 when --help was answered, 64 when a line said what is wrong. */
int cli_command_parse(const struct cli_command *self, int argc, char **argv, void *own, struct cli_common *common,
                      struct cli_words *words);
/* One line on standard error, "aivo NAME: ...", and CLI_EXIT_USAGE. */
int cli_usage_error(const struct cli_command *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
