/* aivo: a table of subcommands. */
#include "cli.h"
#include "report.h"
#include <aivo/aivo.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static const struct cli_command *const commands[] = {&cli_watch, &cli_emit, &cli_listen, &cli_queue, &cli_token};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_overview(FILE *out)
{
    fprintf(out,
            "aivo %s - a command line for the Aivo real-time backend and other Socket.IO servers\n\n"
            "usage: aivo COMMAND [ARGUMENTS] [FLAGS]\n\ncommands:\n",
            aivo_version());
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n'aivo COMMAND --help' has a command's flags and examples; 'aivo --version' the version.\n");
}

/* What a verb is called after its command's name and a space. */
static const char *verb_name(const struct cli_command *command, const struct cli_command *verb)
{
    return verb->name + strlen(command->name) + 1;
}

static void print_verbs(FILE *out, const struct cli_command *command)
{
    fprintf(out, "\ncommands:\n");
    for (const struct cli_command *const *verb = command->verbs; *verb; verb++) {
        fprintf(out, "  %-8s %s\n", verb_name(command, *verb), (*verb)->summary);
    }
    fprintf(out, "\n'aivo %s COMMAND --help' has a command's flags and examples.\n", command->name);
}

static const struct cli_command *find_verb(const struct cli_command *command, const char *name)
{
    for (const struct cli_command *const *verb = command->verbs; *verb; verb++) {
        if (strcmp(verb_name(command, *verb), name) == 0) {
            return *verb;
        }
    }
    return NULL;
}

static void print_help(const struct cli_command *command)
{
    printf("aivo %s - %s\n\nusage: aivo %s %s\n\n%s", command->name, command->summary, command->name, command->usage,
           command->text);
    if (command->verbs) {
        print_verbs(stdout, command);
        printf("\nexamples:\n%s", command->examples);
        return;
    }
    printf("\nflags:\n");
    cli_flags_help(stdout, command->flags, command->flag_count);
    if (command->connects) {
        printf("\nflags of every command that connects:\n");
        cli_flags_help(stdout, cli_common_flags, cli_common_flag_count);
    }
    printf("\nexamples:\n%s", command->examples);
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

int cli_usage_error(const struct cli_command *self, const char *format, ...)
{
    char text[CLI_ERROR_MAX], error[CLI_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_fail(error, "%s", text); /* without control characters */
    fprintf(stderr, "aivo %s: %s (see 'aivo %s --help')\n", self->name, error, self->name);
    return CLI_EXIT_USAGE;
}

int cli_command_parse(const struct cli_command *self, int argc, char **argv, void *own, struct cli_common *common,
                      struct cli_words *words)
{
    struct cli_flag_table tables[] = {
        {.flags = self->flags, .count = self->flag_count, .target = own},
        {.flags = cli_common_flags, .count = cli_common_flag_count, .target = common},
    };
    char error[CLI_ERROR_MAX];
    switch (cli_flags_parse(tables, common ? 2 : 1, argc, argv, words, error)) {
    case CLI_PARSE_HELP:
        print_help(self);
        return CLI_EXIT_OK;
    case CLI_PARSE_ERROR:
        return cli_usage_error(self, "%s", error);
    case CLI_PARSE_OK:
        break;
    }
    if (!common) {
        return -1;
    }
    if (words->count <= self->url_at) {
        return cli_usage_error(self, "the %s is missing", words->count < self->url_at ? "FILE" : "URL");
    }
    common->url = words->word[self->url_at];
    common->command = self;
    if (!cli_common_check(common, error)) {
        return cli_usage_error(self, "%s", error);
    }
    cli_say_level((enum cli_log)common->log);
    return -1;
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
        print_verbs(stderr, command);
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_help(command);
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
    print_help(command);
    return CLI_EXIT_OK;
}

static int dispatch(int argc, char **argv)
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

/* A descriptor that was closed would be given to the next file that is opened: a signalfd in the place of standard
 * input, a database that standard error is written into. Standard output stays one that cannot be written. */
static bool open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        bool closed = fcntl(fd, F_GETFD) < 0 && errno == EBADF;
        if (closed && open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!open_standard()) {
        return CLI_EXIT_SOFTWARE;
    }
    setlocale(LC_CTYPE, "");  /* the terminal's character set; numbers keep their point */
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is seen as a failed write */
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
    int code = dispatch(argc, argv);
    cli_out_flush();
    if (!cli_out_failed() || cli_out_closed()) {
        return code;
    }
    cli_say(CLI_LOG_ERROR, "standard output cannot be written");
    return CLI_EXIT_IOERR;
}
