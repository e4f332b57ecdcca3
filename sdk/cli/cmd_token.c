/* aivo token: mints a development token. */
#include "cli.h"
#include "report.h"
#include "token.h"
#include <stdlib.h>
#include <time.h>

struct token_flags {
    const char *secret, *user;
    int64_t ttl_s;
};

#define AT(member) offsetof(struct token_flags, member)
static const struct cli_flag token_flags[] = {
    {"secret", CLI_FLAG_TEXT, AT(secret), "S", "the HS256 secret that the server checks with (NEXTAUTH_SECRET)", 0, 0,
     NULL},
    {"user", CLI_FLAG_TEXT, AT(user), "U", "whom the token is for (claims sub and userId)", 0, 0, NULL},
    {"ttl", CLI_FLAG_NUMBER, AT(ttl_s), "S", "seconds until it expires (default 3600)", 1, CLI_TOKEN_TTL_MAX_S, NULL},
};
#undef AT

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct token_flags flags = {.ttl_s = CLI_TOKEN_TTL_DEFAULT_S};
    struct cli_words words;
    int code = cli_command_parse(self, argc, argv, &flags, NULL, &words);
    if (code >= 0) {
        return code;
    }
    if (words.count > 0) {
        return cli_usage_error(self, "'%.60s' is one word too many", words.word[0]);
    }
    if (!flags.secret || !flags.user) {
        return cli_usage_error(self, "%s is missing", flags.secret ? "--user" : "--secret");
    }
    if (!cli_token_user_valid(flags.user)) {
        return cli_usage_error(self, "--user: longer than 256 bytes or no UTF-8");
    }
    char *token = cli_token_mint(flags.secret, flags.user, (int64_t)time(NULL), flags.ttl_s);
    if (!token) {
        cli_say(CLI_LOG_ERROR, "out of memory");
        return CLI_EXIT_SOFTWARE;
    }
    cli_out_line(token);
    free(token);
    return CLI_EXIT_OK;
}

const struct cli_command cli_token = {
    .name = "token",
    .usage = "--secret S --user U [--ttl S]",
    .summary = "print a development token (JWT, HS256)",
    .text = "Prints a JSON Web Token that a server with the same secret accepts. For development and tests: a secret\n"
            "on the command line can be read by every user of the machine.\n",
    .examples = "  aivo token --secret \"$NEXTAUTH_SECRET\" --user learner-1\n"
                "  aivo token --secret \"$NEXTAUTH_SECRET\" --user learner-1 --ttl 86400 >token.jwt\n",
    .flags = token_flags,
    .flag_count = sizeof(token_flags) / sizeof(token_flags[0]),
    .run = run,
};
