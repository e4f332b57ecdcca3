#include "conn.h"
#include "report.h"
#include "textfile.h"
#include "token.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MINTED_TTL_S   3600 /* of --token-secret: a fresh one is minted at every connect anyway */
#define CLOSE_MS       1000 /* for the farewell to the server */
#define MAX_REFUSALS   2    /* the same secret refused twice is the wrong secret */
#define CONNECT_CAP_MS 10000

int64_t cli_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- credentials ---- */

static void offer(struct cli_conn *conn, const char *token)
{
    bool failed;
    char *payload = cli_auth_payload(conn->common, token, &failed);
    if (failed) {
        cli_say(CLI_LOG_ERROR, "out of memory");
    }
    aivo_client_auth(conn->client, payload);
    free(payload);
}

/* There are no credentials to be had: the state becomes failed. */
static void offer_none(struct cli_conn *conn, bool refused)
{
    conn->no_other_token = refused;
    aivo_client_auth(conn->client, NULL);
}

/* Reads --token-file. A token that was refused is not offered again: without another one there is none to be had. */
static void offer_from_file(struct cli_conn *conn, bool refused)
{
    char *token = NULL;
    char error[CLI_ERROR_MAX];
    if (!cli_textfile_read(conn->common->token_file, CLI_TOKEN_FILE_MAX, &token, error)) {
        cli_say(CLI_LOG_WARN, "--token-file: %s", error);
        /* It may just be replaced: the one before is still worth a try, unless it was refused. */
        token = !refused && conn->token ? strdup(conn->token) : NULL;
    } else if (refused && conn->token && strcmp(conn->token, token) == 0) {
        free(token);
        token = NULL;
    }
    if (!token) {
        offer_none(conn, refused);
        return;
    }
    offer(conn, token);
    free(conn->token);
    conn->token = token;
}

static void on_auth(struct aivo_client *client, enum aivo_auth_reason reason, void *user)
{
    (void)client;
    struct cli_conn *conn = user;
    bool refused = reason == AIVO_AUTH_REFUSED;
    conn->refused_in_row = refused ? conn->refused_in_row + 1 : 0;
    cli_say(CLI_LOG_DEBUG, "credentials are asked for%s", refused ? ": the last ones were refused" : "");
    if (conn->common->token_file) {
        offer_from_file(conn, refused);
        return;
    }
    if (conn->refused_in_row >= MAX_REFUSALS) {
        offer_none(conn, true);
        return;
    }
    char *token = cli_token_mint(conn->common->token_secret, conn->common->user, (int64_t)time(NULL), MINTED_TTL_S);
    if (!token) {
        cli_say(CLI_LOG_ERROR, "out of memory");
        offer_none(conn, false);
        return;
    }
    offer(conn, token);
    free(token);
}

/* ---- the client's callbacks ---- */

static void say_state(const struct cli_conn *conn, enum aivo_state from)
{
    const char *why = conn->why.status != AIVO_OK ? conn->why.message : "";
    const char *colon = *why ? ": " : "";
    const char *name = conn->named ? conn->url : "", *after = conn->named ? ": " : "";
    char sid[64];
    if (conn->closing) {
        return;
    }
    switch (conn->state) {
    case AIVO_STATE_CONNECTING:
        cli_say(CLI_LOG_INFO, "connecting to %s", conn->url);
        break;
    case AIVO_STATE_CONNECTED:
        aivo_client_sid(conn->client, sid, sizeof(sid));
        cli_say(CLI_LOG_INFO, "%s%sconnected%s%s", name, after, *sid ? ", session " : "", sid);
        break;
    case AIVO_STATE_RECONNECTING:
        cli_say(CLI_LOG_INFO, "%s%s%s, trying again%s%s", name, after,
                from == AIVO_STATE_CONNECTED ? "connection lost" : "no connection", colon, why);
        break;
    default:
        cli_say(CLI_LOG_DEBUG, "%s", aivo_state_name(conn->state));
        break;
    }
}

static void on_state(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                     const struct aivo_error *error, void *user)
{
    (void)client;
    struct cli_conn *conn = user;
    conn->state = to;
    conn->connected = to == AIVO_STATE_CONNECTED;
    bool gave_none = to == AIVO_STATE_FAILED && conn->no_other_token && conn->why.status == AIVO_E_AUTH;
    if (error && !gave_none) { /* that the last credentials were refused says more than that we had no others */
        conn->why = *error;
    }
    if (conn->connected) {
        conn->ever_connected = true;
        conn->refused_in_row = 0;
        cli_conn_progress(conn);
    }
    say_state(conn, from);
    if (conn->on_change) {
        conn->on_change(conn);
    }
}

void cli_conn_notice(struct cli_conn *conn, const struct aivo_error *error)
{
    bool known = strcmp(error->message, conn->why.message) == 0;
    if (!conn->connected) {
        conn->why = *error; /* each further attempt that fails says so here */
    }
    cli_say(known || conn->closing ? CLI_LOG_DEBUG : CLI_LOG_WARN, "%s%s%s", conn->named ? conn->url : "",
            conn->named ? ": " : "", error->message);
}

static void on_log(struct aivo_client *client, enum aivo_log_level level, const char *line, void *user)
{
    (void)client;
    (void)level;
    (void)user;
    cli_say(CLI_LOG_DEBUG, "%s", line);
}

static void on_notice(struct aivo_client *client, const struct aivo_error *error, void *user)
{
    (void)client;
    cli_conn_notice(user, error);
}

/* ---- opening and closing ---- */

void cli_conn_options(const struct cli_common *common, struct aivo_options *options)
{
    aivo_options_init(options);
    options->url = *common->with_path ? common->with_path : common->url;
    if (common->protocol == AIVO_PROTOCOL_WEBSOCKET) {
        options->path = NULL; /* the URL's own */
    } else if (common->path) {
        options->path = common->path;
    }
    if (common->nsp) {
        options->nsp = common->nsp;
    }
    options->protocol = (enum aivo_protocol)common->protocol;
    options->proxy = common->proxy;
    options->callbacks = AIVO_CALLBACKS_DISPATCH;
    options->tls.ca_file = common->ca;
    options->tls.cert_file = common->cert;
    options->tls.key_file = common->key;
    options->tls.pin = common->pin;
    options->tls.insecure = common->insecure;
    if (common->token_file || common->token_secret) {
        options->auth_fn = on_auth;
    }
    /* One silent address or a slow handshake shall not use up a longer --timeout; a shorter one ends them itself. */
    if (common->timeout_ms > 0 && common->timeout_ms < CONNECT_CAP_MS) {
        options->connect_timeout_ms = (uint32_t)common->timeout_ms;
        options->handshake_timeout_ms = (uint32_t)common->timeout_ms;
    }
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) { /* before the library's thread exists: it inherits this */
        return -1;
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int exit_code_of_create(enum aivo_status status)
{
    switch (status) {
    case AIVO_E_INVALID:
    case AIVO_E_TLS:
        return CLI_EXIT_USAGE; /* a value that makes no sense: the error names it */
    case AIVO_E_STORE:
    case AIVO_E_LOCKED:
    case AIVO_E_CORRUPT:
        return CLI_EXIT_CANTCREAT;
    default:
        return CLI_EXIT_SOFTWARE;
    }
}

/* Flags were checked, so what is left to be invalid is the URL (or a certificate's file, which names itself). */
static int say_not_created(const struct cli_conn *conn, const struct aivo_error *error)
{
    int code = exit_code_of_create(error->status);
    const struct cli_command *command = conn->common->command;
    bool option = error->status != AIVO_E_INVALID || strncmp(error->message, "option", 6) == 0;
    if (code != CLI_EXIT_USAGE || !command) {
        cli_say(CLI_LOG_ERROR, "%s", error->message);
    } else if (option) {
        cli_usage_error(command, "%s", error->message);
    } else {
        cli_usage_error(command, "URL: '%.160s': %s", conn->url, error->message);
    }
    return code;
}

int cli_conn_open(struct cli_conn *conn, const struct cli_common *common, struct aivo_options *options)
{
    *conn = (struct cli_conn){.common = common, .timeout_ms = common->timeout_ms, .progress_ms = cli_now_ms()};
    cli_url_public(options->url, conn->url, sizeof(conn->url));
    bool failed = false;
    char *payload = options->auth_fn ? NULL : cli_auth_payload(common, common->token, &failed);
    if (failed) {
        cli_say(CLI_LOG_ERROR, "out of memory");
        return CLI_EXIT_SOFTWARE;
    }
    conn->signal_fd = open_signals();
    if (conn->signal_fd < 0) {
        cli_say(CLI_LOG_ERROR, "signals: %s", strerror(errno));
        free(payload);
        return CLI_EXIT_SOFTWARE;
    }
    options->auth = payload;
    options->auth_user = conn;
    struct aivo_error error;
    enum aivo_status status = aivo_client_create(options, &conn->client, &error);
    free(payload);
    options->auth = NULL;
    if (status != AIVO_OK) {
        close(conn->signal_fd);
        return say_not_created(conn, &error);
    }
    aivo_client_on_state(conn->client, on_state, conn);
    aivo_client_on_notice(conn->client, on_notice, conn);
    if (common->log >= CLI_LOG_DEBUG) {
        aivo_client_on_log(conn->client, AIVO_LOG_DEBUG, on_log, NULL);
    }
    return -1;
}

void cli_conn_start(struct cli_conn *conn)
{
    conn->progress_ms = cli_now_ms();
    aivo_client_start(conn->client);
}

void cli_conn_close(struct cli_conn *conn)
{
    conn->on_change = NULL;
    conn->closing = true;
    int64_t until = cli_now_ms() + CLOSE_MS;
    aivo_client_stop(conn->client);
    while (aivo_client_state(conn->client) != AIVO_STATE_DISCONNECTED) {
        int64_t left = until - cli_now_ms();
        struct pollfd fd = {.fd = aivo_client_fd(conn->client), .events = POLLIN};
        if (left <= 0 || (poll(&fd, 1, (int)left) < 0 && errno != EINTR)) {
            break;
        }
        aivo_client_dispatch(conn->client);
    }
    aivo_client_destroy(conn->client);
    close(conn->signal_fd);
    free(conn->token);
}

/* ---- waiting ---- */

void cli_conn_progress(struct cli_conn *conn)
{
    conn->progress_ms = cli_now_ms();
}

static unsigned read_signals(struct cli_conn *conn)
{
    unsigned wake = 0;
    struct signalfd_siginfo info;
    while (read(conn->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGWINCH) {
            wake |= CLI_WAKE_RESIZE;
            continue;
        }
        conn->interrupted = true;
    }
    return wake;
}

bool cli_conn_timed_out(const struct cli_conn *conn)
{
    return conn->timeout_ms > 0 && cli_now_ms() - conn->progress_ms >= conn->timeout_ms;
}

/* How long poll() may sleep: until a --timeout or max_wait_ms, whichever is first; -1: for ever. */
static int poll_time(struct cli_conn *const *conns, size_t count, int64_t now, int64_t max_wait_ms)
{
    int64_t wait = max_wait_ms < 0 ? INT64_MAX : max_wait_ms;
    for (size_t i = 0; i < count; i++) {
        int64_t left = conns[i]->progress_ms + conns[i]->timeout_ms - now;
        if (conns[i]->timeout_ms > 0 && !(count > 1 && left <= 0)) { /* of several, one may have timed out long ago */
            wait = left < wait ? left : wait;
        }
    }
    if (wait == INT64_MAX) {
        return -1;
    }
    return wait < 0 ? 0 : wait > INT32_MAX ? INT32_MAX : (int)wait;
}

unsigned cli_conns_wait(struct cli_conn *const *conns, size_t count, int input_fd, int64_t max_wait_ms)
{
    int64_t began = cli_now_ms();
    struct pollfd fds[CLI_CONNS_MAX + 2] = {
        {.fd = conns[0]->signal_fd, .events = POLLIN}, /* the process's signals: whichever is read has them */
        {.fd = input_fd, .events = POLLIN},
    };
    for (size_t i = 0; i < count; i++) {
        fds[2 + i] = (struct pollfd){.fd = aivo_client_fd(conns[i]->client), .events = POLLIN};
    }
    int ready = poll(fds, 2 + count, poll_time(conns, count, began, max_wait_ms));
    unsigned wake = 0;
    if (ready > 0 && fds[0].revents) {
        wake |= read_signals(conns[0]);
    }
    for (size_t i = 0; i < count; i++) {
        conns[i]->interrupted = conns[0]->interrupted;
        if (ready > 0 && fds[2 + i].revents) {
            aivo_client_dispatch(conns[i]->client);
            wake |= CLI_WAKE_CALLBACKS;
        }
        wake |= cli_conn_timed_out(conns[i]) ? CLI_WAKE_TIMEOUT : 0U;
    }
    if (ready > 0 && fds[1].revents) {
        wake |= CLI_WAKE_INPUT;
    }
    if (conns[0]->interrupted) {
        wake |= CLI_WAKE_INTERRUPT;
    }
    if (max_wait_ms >= 0 && cli_now_ms() - began >= max_wait_ms) {
        wake |= CLI_WAKE_DUE;
    }
    return wake;
}

unsigned cli_conn_wait(struct cli_conn *conn, int input_fd, int64_t max_wait_ms)
{
    return cli_conns_wait(&conn, 1, input_fd, max_wait_ms);
}

bool cli_conn_gave_up(const struct cli_conn *conn)
{
    return conn->state == AIVO_STATE_FAILED;
}

int cli_conn_failure_code(const struct aivo_error *why)
{
    switch (why->status) {
    case AIVO_E_AUTH:
    case AIVO_E_NAMESPACE:
    case AIVO_E_PROTOCOL:
        return CLI_EXIT_REFUSED;
    case AIVO_E_HTTP: /* an answer to the upgrade: no WebSocket (protocol), unauthorized, forbidden, as diagnose has it
                       */
        return (why->code >= 200 && why->code < 300) || why->code == 400 || why->code == 401 || why->code == 403 ||
                       why->code == 426
                   ? CLI_EXIT_REFUSED
                   : CLI_EXIT_NO_CONNECTION;
    default:
        return CLI_EXIT_NO_CONNECTION;
    }
}

int cli_conn_failure(const struct cli_conn *conn)
{
    int code = cli_conn_failure_code(&conn->why);
    if (conn->why.status == AIVO_OK && (conn->interrupted || conn->common->timeout_ms == 0)) {
        cli_say(CLI_LOG_ERROR, "no connection to %s yet", conn->url);
    } else if (conn->why.status == AIVO_OK) {
        cli_say(CLI_LOG_ERROR, "no connection to %s within %lld ms", conn->url, (long long)conn->common->timeout_ms);
    } else {
        cli_say(CLI_LOG_ERROR, "%s: %s", conn->url, conn->why.message);
    }
    return code;
}
