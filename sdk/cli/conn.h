/*
 * A connection as the connecting commands use it: one client whose callbacks run in this thread, the signals, an input
 * and the time-out, all behind one call that waits.
 *
 * SIGINT, SIGTERM and SIGWINCH are blocked and read from a descriptor, so nothing here runs in a signal handler.
 */
#ifndef CLI_CONN_H
#define CLI_CONN_H

#include "cli.h"
#include <aivo/aivo.h>

/* What woke the caller, or-ed. */
enum cli_wake {
    CLI_WAKE_CALLBACKS = 1, /* callbacks of the client have run */
    CLI_WAKE_INPUT = 2,     /* the input can be read, or is at its end */
    CLI_WAKE_INTERRUPT = 4, /* SIGINT or SIGTERM came (once or before) */
    CLI_WAKE_RESIZE = 8,    /* the terminal has another size */
    CLI_WAKE_TIMEOUT = 16,  /* --timeout passed without progress */
    CLI_WAKE_DUE = 32,      /* max_wait_ms passed */
};

#define CLI_CONNS_MAX 16 /* connections at a time */

struct cli_conn {
    struct aivo_client *client;
    const struct cli_common *common;
    char url[512]; /* for people: without secrets */
    bool named;    /* there are several: what is said begins with the URL. Set after cli_conn_open() */
    int signal_fd;
    int64_t timeout_ms;  /* without progress; 0: none. At first --timeout; a command may change it */
    int64_t progress_ms; /* monotonic: when that began to count */
    bool interrupted;    /* SIGINT or SIGTERM came */
    bool closing;        /* the outcome was told: what still ends is no news */
    bool connected;      /* now */
    bool ever_connected;
    enum aivo_state state;
    struct aivo_error why;                    /* the latest reason not to be connected; AIVO_OK: none yet */
    unsigned refused_in_row;                  /* credentials that were refused since the last connection */
    bool no_other_token;                      /* after a refusal there was nothing else to offer */
    char *token;                              /* of --token-file: the latest that was offered */
    void (*on_change)(struct cli_conn *conn); /* after the state changed; may be NULL */
    void *user;
};

/* Fills options from the common flags; the caller may change them before cli_conn_open(). */
void cli_conn_options(const struct cli_common *common, struct aivo_options *options);
/* Makes the client. Returns -1, or the exit code after saying why not (then nothing is left open). conn must stay where
 * it is. on_change and user are set by the caller afterwards. */
int cli_conn_open(struct cli_conn *conn, const struct cli_common *common, struct aivo_options *options);
void cli_conn_start(struct cli_conn *conn);
/* Disconnects cleanly, for at most a second, and frees everything. */
void cli_conn_close(struct cli_conn *conn);

/* Waits for the first of: callbacks, a signal, input (input_fd is -1: none), the time-out, max_wait_ms (negative: no
 * limit). Returns what happened as a set of enum cli_wake. */
unsigned cli_conn_wait(struct cli_conn *conn, int input_fd, int64_t max_wait_ms);
/* The same for several, at most CLI_CONNS_MAX: CLI_WAKE_TIMEOUT is then told by cli_conn_timed_out() of each. */
unsigned cli_conns_wait(struct cli_conn *const *conns, size_t count, int input_fd, int64_t max_wait_ms);
/* --timeout passed without progress. */
bool cli_conn_timed_out(const struct cli_conn *conn);
/* Something went on: --timeout counts anew. */
void cli_conn_progress(struct cli_conn *conn);
/* What to do with a notice, for a command that sets a callback of its own: prints it, unless the same was just said. */
void cli_conn_notice(struct cli_conn *conn, const struct aivo_error *error);
/* The state is failed: there will be no further attempt. */
bool cli_conn_gave_up(const struct cli_conn *conn);
/* 2 or 3, by the latest reason, and a line that tells it. */
int cli_conn_failure(const struct cli_conn *conn);
/* The same code without the line. */
int cli_conn_failure_code(const struct aivo_error *why);

int64_t cli_now_ms(void); /* monotonic */

#endif
