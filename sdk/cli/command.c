/* What every command does with its arguments: parse them by its tables, explain itself, say what is wrong. */
#include "cli.h"
#include "report.h"
#include <stdarg.h>
#include <string.h>

const char *cli_verb_name(const struct cli_command *command, const struct cli_command *verb)
{
    return verb->name + strlen(command->name) + 1;
}

void cli_print_verbs(FILE *out, const struct cli_command *command)
{
    fprintf(out, "\ncommands:\n");
    for (const struct cli_command *const *verb = command->verbs; *verb; verb++) {
        fprintf(out, "  %-8s %s\n", cli_verb_name(command, *verb), (*verb)->summary);
    }
    fprintf(out, "\n'aivo %s COMMAND --help' has a command's flags and examples.\n", command->name);
}

void cli_print_help(const struct cli_command *command)
{
    printf("aivo %s - %s\n\nusage: aivo %s %s\n\n%s", command->name, command->summary, command->name, command->usage,
           command->text);
    if (command->verbs) {
        cli_print_verbs(stdout, command);
        printf("\nexamples:\n%s", command->examples);
        return;
    }
    if (command->flag_count > 0) {
        printf("\nflags:\n");
        cli_flags_help(stdout, command->flags, command->flag_count);
    }
    if (command->connects) {
        printf("\nflags of every command that connects:\n");
        cli_flags_help(stdout, cli_common_flags, cli_common_flag_count);
    }
    printf("\nexamples:\n%s", command->examples);
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
        cli_print_help(self);
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
