/*
 * Flags as tables: a command lists what it takes and where each value goes, and parser and help are both made of that.
 *
 * "--name value" and "--name=value"; "--" ends the flags; "-" and a negative number are words. The last of a repeated
 * flag holds. Nothing is copied: texts point into argv.
 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_ERROR_MAX 512 /* one line of error text, its NUL included; longer values are cut short */
#define CLI_USER_MAX  256 /* bytes of --user */

enum cli_flag_kind {
    CLI_FLAG_BOOL,   /* bool: true when given */
    CLI_FLAG_TEXT,   /* const char *: not empty */
    CLI_FLAG_ANY,    /* const char *: may be empty */
    CLI_FLAG_NUMBER, /* int64_t: a whole number of min..max */
    CLI_FLAG_CHOICE, /* int: index into choices */
};

struct cli_flag {
    const char *name; /* without the dashes */
    enum cli_flag_kind kind;
    size_t offset;     /* of the field, in the struct that the table fills */
    const char *value; /* what the help calls the value; NULL for CLI_FLAG_BOOL */
    const char *help;
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
};

struct cli_flag_table {
    const struct cli_flag *flags;
    size_t count;
    void *target;
};

/* The words that are no flags, in order; points into argv. */
struct cli_words {
    char **word;
    size_t count;
};

enum cli_parse {
    CLI_PARSE_OK,
    CLI_PARSE_HELP,  /* --help or -h stood there, and nothing wrong before it */
    CLI_PARSE_ERROR, /* error says what is wrong */
};

/* Writes the error's text and returns false, so that a check can end with it. What a user typed may hold anything:
 * control characters become '?', so that the message stays one line and cannot drive the terminal. */
bool cli_fail(char error[CLI_ERROR_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fields without a flag keep what they hold: fill in the defaults first. Reorders argv. */
enum cli_parse cli_flags_parse(const struct cli_flag_table *tables, size_t table_count, int argc, char **argv,
                               struct cli_words *words, char error[CLI_ERROR_MAX]);
/* The table as help text, a flag a line. */
void cli_flags_help(FILE *out, const struct cli_flag *flags, size_t count);

enum cli_log {
    CLI_LOG_ERROR,
    CLI_LOG_WARN,
    CLI_LOG_INFO,
    CLI_LOG_DEBUG,
};

struct cli_command;

/* The flags of every command that connects. NULL is not given. */
struct cli_common {
    const struct cli_command *command; /* whose flags these are: its name stands in front of what is wrong */
    const char *url;                   /* the first word */
    char with_path[2048];              /* plain WebSocket with --path: the URL with that path in it; else "" */
    const char *token, *token_file, *token_secret, *user, *auth;
    const char *nsp, *path;
    const char *ca, *cert, *key, *pin;
    bool insecure;
    const char *proxy;
    int protocol; /* enum aivo_protocol */
    bool json;
    int log;            /* enum cli_log */
    int64_t timeout_ms; /* 0: none */
    bool timeout_given;
};

#define CLI_TIMEOUT_DEFAULT_MS 10000
#define CLI_TIMEOUT_NOT_GIVEN  (-1)

extern const struct cli_flag cli_common_flags[];
extern const size_t cli_common_flag_count;

void cli_common_init(struct cli_common *common);
/* Do the values make sense, each and together? Fills in what follows from them: the default --timeout, with_path. */
bool cli_common_check(struct cli_common *common, char error[CLI_ERROR_MAX]);

/* The same for a further URL that has the flags of one that was checked. */
bool cli_common_check_url(struct cli_common *common, char error[CLI_ERROR_MAX]);

/* Is this a URL of ours: a known scheme, a host, no user info? */
bool cli_url_check(const char *url, char error[CLI_ERROR_MAX]);
/* The URL without what may be secret: user info, query and fragment. At most size - 1 bytes. */
void cli_url_public(const char *url, char *out, size_t size);

/* May an event be called so: 1..256 bytes of UTF-8, and no name that Socket.IO keeps for itself? */
bool cli_event_check(const char *event, char error[CLI_ERROR_MAX]);

/* The CONNECT payload as JSON text: --auth's members, then token (may be NULL) and the learner's id (--user).
 * Owned by the caller. NULL: there is none (*failed false) or memory is short (*failed true). */
char *cli_auth_payload(const struct cli_common *common, const char *token, bool *failed);

#endif
