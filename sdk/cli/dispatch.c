/* aivo: the table of subcommands, and which of them is meant. */
#include "entry.h"
#include "report.h"
#include <aivo/aivo.h>
#include <string.h>

const struct cli_command *const cli_commands[] = {&cli_diagnose, &cli_watch, &cli_history,    &cli_emit, &cli_listen,
                                                  &cli_queue,    &cli_token, &cli_completion, NULL};

static void print_overview(FILE *out)
{
    fprintf(out,
            "aivo %s - a command line for the Aivo real-time backend and other Socket.IO servers\n\n"
            "usage: aivo COMMAND [ARGUMENTS] [FLAGS]\n\ncommands:\n",
            aivo_version());
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(out, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    }
    fprintf(out, "\n'aivo COMMAND --help' has a command's flags and examples; 'aivo --version' the version.\n");
}

static const struct cli_command *find_verb(const struct cli_command *command, const char *name)
{
    for (const struct cli_command *const *verb = command->verbs; *verb; verb++) {
        if (strcmp(cli_verb_name(command, *verb), name) == 0) {
            return *verb;
        }
    }
    return NULL;
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return NULL;
}

static int no_verb(const struct cli_command *command, const char *name)
{
    cli_say(CLI_LOG_ERROR, "no command '%s %.60s' (see 'aivo %s --help')", command->name, name, command->name);
    return CLI_EXIT_USAGE;
}

/* aivo COMMAND VERB ... */
static int run_verb(const struct cli_command *command, int argc, char **argv)
{
    if (argc == 0) {
        fprintf(stderr, "usage: aivo %s %s\n", command->name, command->usage);
        cli_print_verbs(stderr, command);
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        cli_print_help(command);
        return CLI_EXIT_OK;
    }
    const struct cli_command *verb = find_verb(command, argv[0]);
    return verb ? verb->run(verb, argc - 1, argv + 1) : no_verb(command, argv[0]);
}

/* aivo help [COMMAND [VERB]] */
static int run_help(int argc, char **argv)
{
    if (argc == 0) {
        print_overview(stdout);
        return CLI_EXIT_OK;
    }
    const struct cli_command *command = find_command(argv[0]);
    if (!command) {
        cli_say(CLI_LOG_ERROR, "no command '%.60s' (see 'aivo --help')", argv[0]);
        return CLI_EXIT_USAGE;
    }
    if (command->verbs && argc > 1) {
        const struct cli_command *verb = find_verb(command, argv[1]);
        if (!verb) {
            return no_verb(command, argv[1]);
        }
        command = verb;
    }
    cli_print_help(command);
    return CLI_EXIT_OK;
}

int cli_dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return CLI_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        return run_help(argc - 2, argv + 2);
    }
    if (strcmp(name, "--version") == 0) {
        printf("aivo %s\n", aivo_version());
        return CLI_EXIT_OK;
    }
    const struct cli_command *command = find_command(name);
    if (!command) {
        cli_say(CLI_LOG_ERROR, "no command '%.60s' (see 'aivo --help')", name);
        return CLI_EXIT_USAGE;
    }
    return command->verbs ? run_verb(command, argc - 2, argv + 2) : command->run(command, argc - 2, argv + 2);
}
