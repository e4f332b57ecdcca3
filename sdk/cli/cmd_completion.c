/* aivo completion: the shells' completion scripts, made of the tables that the parser uses, so that neither drifts. */
#include "entry.h"
#include "report.h"
#include <stdlib.h>
#include <string.h>

typedef void (*command_fn)(FILE *out, const struct cli_command *command);
typedef void (*flag_fn)(FILE *out, const struct cli_command *command, const struct cli_flag *flag);

static bool is_file(const struct cli_flag *flag)
{
    return flag->value && strcmp(flag->value, "FILE") == 0;
}

static bool takes_file(const struct cli_command *command)
{
    return strncmp(command->usage, "FILE", 4) == 0;
}

/* The words that a command's first one is among, with spaces between; "" where its usage names none. */
static void put_first_words(FILE *out, const struct cli_command *command)
{
    size_t len = strcspn(command->usage, " [");
    for (size_t i = 0; memchr(command->usage, '|', len) && i < len; i++) {
        fputc(command->usage[i] == '|' ? ' ' : command->usage[i], out);
    }
}

static void each_flag(FILE *out, const struct cli_command *command, flag_fn fn)
{
    static const struct cli_flag help = {"help", CLI_FLAG_BOOL, 0, NULL, "how to use it, and what for", 0, 0, NULL};
    for (size_t i = 0; i < command->flag_count; i++) {
        fn(out, command, &command->flags[i]);
    }
    for (size_t i = 0; command->connects && i < cli_common_flag_count; i++) {
        fn(out, command, &cli_common_flags[i]);
    }
    fn(out, command, &help);
}

/* Every command that has no verbs, and every verb. */
static void each_command(FILE *out, command_fn fn)
{
    for (size_t i = 0; cli_commands[i]; i++) {
        if (!cli_commands[i]->verbs) {
            fn(out, cli_commands[i]);
        }
        for (size_t v = 0; cli_commands[i]->verbs && cli_commands[i]->verbs[v]; v++) {
            fn(out, cli_commands[i]->verbs[v]);
        }
    }
}

static void put_choices(FILE *out, const struct cli_flag *flag)
{
    for (size_t i = 0; flag->choices[i]; i++) {
        fprintf(out, "%s%s", i ? " " : "", flag->choices[i]);
    }
}

/* ---- bash ---- */

static void bash_value(FILE *out, const struct cli_command *command, const struct cli_flag *flag)
{
    if (flag->kind == CLI_FLAG_BOOL) {
        return;
    }
    fprintf(out, "    '%s --%s') ", command->name, flag->name);
    if (flag->kind == CLI_FLAG_CHOICE) {
        fputs("_aivo_words '", out);
        put_choices(out, flag);
        fputs("' ;;\n", out);
    } else {
        fputs(is_file(flag) ? "_aivo_files ;;\n" : ";;\n", out);
    }
}

static void bash_values(FILE *out, const struct cli_command *command)
{
    each_flag(out, command, bash_value);
}

static void bash_flag(FILE *out, const struct cli_command *command, const struct cli_flag *flag)
{
    (void)command;
    fprintf(out, "--%s ", flag->name);
}

static void bash_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, "    '%s')\n        flags='", command->name);
    each_flag(out, command, bash_flag);
    fprintf(out, "'\n        files=%d words='", takes_file(command));
    put_first_words(out, command);
    fputs("'\n        ;;\n", out);
}

static void put_names(FILE *out, const struct cli_command *const *commands, const struct cli_command *of)
{
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "%s%s", i ? " " : "", of ? cli_verb_name(of, commands[i]) : commands[i]->name);
    }
}

static void put_bash(FILE *out)
{
    fputs(
        "# bash completion for aivo; made by 'aivo completion bash'\n\n"
        "_aivo_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n\n"
        "_aivo_files() {\n"
        "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
        "    compopt -o filenames 2>/dev/null\n"
        "}\n\n"
        "_aivo() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} first=2\n"
        "    local flags='' words='' files=0\n"
        "    COMPREPLY=()\n"
        "    # --flag=value comes as three words\n"
        "    if [[ $cur == = ]]; then\n"
        "        cur=\n"
        "    elif [[ $prev == = ]]; then\n"
        "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
        "    fi\n"
        "    if ((COMP_CWORD == 1)); then\n        _aivo_words '",
        out);
    put_names(out, cli_commands, NULL);
    fputs(" help --help --version'\n        return\n    fi\n", out);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->verbs) {
            fprintf(
                out,
                "    if [[ $command == %s ]]; then\n        if ((COMP_CWORD == 2)); then\n            _aivo_words '",
                cli_commands[i]->name);
            put_names(out, cli_commands[i]->verbs, cli_commands[i]);
            fputs(" --help'\n            return\n        fi\n        command+=\" ${COMP_WORDS[2]}\"\n        first=3\n"
                  "    fi\n",
                  out);
        }
    }
    fputs("    if [[ $command == help ]]; then\n        _aivo_words '", out);
    put_names(out, cli_commands, NULL);
    fputs("'\n        return\n    fi\n    case \"$command\" in\n", out);
    each_command(out, bash_command);
    fputs("    esac\n"
          "    if [[ $prev == --* && \" $flags\" == *\" $prev \"* ]]; then\n"
          "        case \"$command $prev\" in\n",
          out);
    each_command(out, bash_values);
    fputs("        *) _aivo_rest ;;\n"
          "        esac\n"
          "        return\n"
          "    fi\n"
          "    _aivo_rest\n"
          "}\n\n"
          "# A flag, or the FILE that a command begins with. The local variables are those of _aivo.\n"
          "_aivo_rest() {\n"
          "    if [[ $cur == -* ]]; then\n"
          "        _aivo_words \"$flags\"\n"
          "    elif ((files && COMP_CWORD == first)); then\n"
          "        _aivo_files\n"
          "    elif [[ -n $words ]] && ((COMP_CWORD == first)); then\n"
          "        _aivo_words \"$words\"\n"
          "    fi\n"
          "}\n\n"
          "complete -F _aivo aivo\n",
          out);
}

/* ---- zsh ---- */

/* Inside '...[...]': brackets, colons and quotes mean something there. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
            continue;
        }
        if (strchr("[]:\\", *text)) {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

static void zsh_flag(FILE *out, const struct cli_command *command, const struct cli_flag *flag)
{
    (void)command;
    fprintf(out, " \\\n            '--%s%s[", flag->name, flag->kind == CLI_FLAG_BOOL ? "" : "=");
    zsh_text(out, flag->help);
    fputc(']', out);
    if (flag->kind != CLI_FLAG_BOOL) {
        fputc(':', out);
        zsh_text(out, flag->value);
        fputc(':', out);
        if (flag->kind == CLI_FLAG_CHOICE) {
            fputc('(', out);
            put_choices(out, flag);
            fputc(')', out);
        } else if (is_file(flag)) {
            fputs("_files", out);
        }
    }
    fputc('\'', out);
}

static void zsh_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, "        '%s')\n            _arguments", command->name);
    each_flag(out, command, zsh_flag);
    fprintf(out, " \\\n            '1:%s", takes_file(command) ? "FILE:_files" : " :(");
    if (!takes_file(command)) {
        put_first_words(out, command);
        fputc(')', out);
    }
    fputs("' '*: :'\n            ;;\n", out);
}

static void zsh_names(FILE *out, const char *array, const struct cli_command *const *commands,
                      const struct cli_command *of)
{
    fprintf(out, "    local -a %s=(\n", array);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "        '%s:", of ? cli_verb_name(of, commands[i]) : commands[i]->name);
        zsh_text(out, commands[i]->summary);
        fputs("'\n", out);
    }
    fputs("    )\n", out);
}

static void put_zsh(FILE *out)
{
    fputs("#compdef aivo\n# made by 'aivo completion zsh'\n\n_aivo() {\n", out);
    zsh_names(out, "commands", cli_commands, NULL);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->verbs) {
            zsh_names(out, cli_commands[i]->name, cli_commands[i]->verbs, cli_commands[i]);
        }
    }
    fputs("    if ((CURRENT == 2)); then\n"
          "        commands+=('help:explain a command' '--help:every command' '--version:the version')\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $command in\n"
          "        help)\n"
          "            _describe command commands\n"
          "            return\n"
          "            ;;\n",
          out);
    for (size_t i = 0; cli_commands[i]; i++) {
        if (cli_commands[i]->verbs) {
            const char *name = cli_commands[i]->name;
            fprintf(out,
                    "        %s)\n            if ((CURRENT == 2)); then\n                _describe command %s\n"
                    "                return\n            fi\n            command+=\" $words[2]\"\n"
                    "            shift words\n            ((CURRENT--))\n            ;;\n",
                    name, name);
        }
    }
    fputs("    esac\n    case $command in\n", out);
    each_command(out, zsh_command);
    fputs("    esac\n}\n\n_aivo \"$@\"\n", out);
}

/* ---- fish ---- */

static void fish_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('\'', out);
}

/* When a command's flags apply: "queue send" is the words queue and send. */
static void fish_condition(FILE *out, const struct cli_command *command)
{
    size_t first = strcspn(command->name, " ");
    fprintf(out, "complete -c aivo -n '__aivo_is %.*s", (int)first, command->name);
    if (command->name[first]) {
        fprintf(out, " %s", command->name + first + 1);
    }
    fputc('\'', out);
}

static void fish_flag(FILE *out, const struct cli_command *command, const struct cli_flag *flag)
{
    fish_condition(out, command);
    fprintf(out, " -l %s", flag->name);
    if (is_file(flag)) {
        fputs(" -r -F", out);
    } else if (flag->kind == CLI_FLAG_CHOICE) {
        fputs(" -x -a '", out);
        put_choices(out, flag);
        fputc('\'', out);
    } else if (flag->kind != CLI_FLAG_BOOL) {
        fputs(" -x", out);
    }
    fputs(" -d ", out);
    fish_text(out, flag->help);
    fputc('\n', out);
}

static void fish_command(FILE *out, const struct cli_command *command)
{
    each_flag(out, command, fish_flag);
    if (memchr(command->usage, '|', strcspn(command->usage, " ["))) {
        fish_condition(out, command);
        fputs(" -a '", out);
        put_first_words(out, command);
        fputs("'\n", out);
    }
    if (takes_file(command)) {
        fish_condition(out, command);
        fputs(" -F\n", out);
    }
}

static void fish_names(FILE *out, const struct cli_command *const *commands, const struct cli_command *of)
{
    for (size_t i = 0; commands[i]; i++) {
        fprintf(out, "complete -c aivo -n '__aivo_needs%s%s' -a %s -d ", of ? " " : "", of ? of->name : "",
                of ? cli_verb_name(of, commands[i]) : commands[i]->name);
        fish_text(out, commands[i]->summary);
        fputc('\n', out);
    }
}

static void put_fish(FILE *out)
{
    fputs("# fish completion for aivo; made by 'aivo completion fish'\n\n"
          "# Do the first words of the command line stand there?\n"
          "function __aivo_is\n"
          "    set -l words (commandline -opc)\n"
          "    test (count $words) -gt (count $argv); or return 1\n"
          "    for i in (seq (count $argv))\n"
          "        test $words[(math $i + 1)] = $argv[$i]; or return 1\n"
          "    end\n"
          "end\n\n"
          "# And nothing behind them?\n"
          "function __aivo_needs\n"
          "    set -l words (commandline -opc)\n"
          "    test (count $words) -eq (math (count $argv) + 1); or return 1\n"
          "    test (count $argv) -eq 0; or __aivo_is $argv\n"
          "end\n\n"
          "complete -c aivo -f\n"
          "complete -c aivo -n __aivo_needs -l help -d 'every command'\n"
          "complete -c aivo -n __aivo_needs -l version -d 'the version'\n"
          "complete -c aivo -n __aivo_needs -a help -d 'explain a command'\n",
          out);
    fish_names(out, cli_commands, NULL);
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(out, "complete -c aivo -n '__aivo_needs help' -a %s\n", cli_commands[i]->name);
        if (cli_commands[i]->verbs) {
            fish_names(out, cli_commands[i]->verbs, cli_commands[i]);
        }
    }
    each_command(out, fish_command);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    static const struct {
        const char *shell;
        void (*put)(FILE *out);
    } known[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    struct cli_words words;
    int code = cli_command_parse(self, argc, argv, NULL, NULL, &words);
    if (code >= 0) {
        return code;
    }
    if (words.count != 1) {
        return cli_usage_error(self,
                               words.count == 0 ? "the SHELL is missing: bash, zsh or fish" : "one SHELL is enough");
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(words.word[0], known[i].shell) == 0) {
            char *text = NULL;
            size_t len = 0;
            FILE *out = open_memstream(&text, &len);
            if (!out) {
                return CLI_EXIT_SOFTWARE;
            }
            known[i].put(out);
            if (fclose(out) == 0) {
                cli_out_bytes(text, len);
            }
            free(text);
            return CLI_EXIT_OK;
        }
    }
    return cli_usage_error(self, "'%.60s' is none of: bash, zsh, fish", words.word[0]);
}

const struct cli_command cli_completion = {
    .name = "completion",
    .usage = "bash|zsh|fish",
    .summary = "print a shell's completion script",
    .text = "Installed packages have these scripts where the shells look for them; this is for everywhere else.\n",
    .examples = "  source <(aivo completion bash)\n"
                "  aivo completion zsh >\"${fpath[1]}/_aivo\"\n"
                "  aivo completion fish >~/.config/fish/completions/aivo.fish\n",
    .flags = NULL,
    .flag_count = 0,
    .run = run,
};
