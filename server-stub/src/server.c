#include "server.h"
#include "certificate.h"
#include "clock.h"
#include "cluster.h"
#include "conn.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

static void random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* without it every id would be guessable */
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

/* --- the loop --- */

static void timer_due(uv_timer_t *handle)
{
    struct srv_server *server = handle->data;
    server->timer_at_ms = SRV_TIMER_NEVER;
    server->engine.now_ms = srv_server_now(server);
    srv_timers_run(&server->engine.timers, srv_server_now(server));
}

static void arm_timer(struct srv_server *server)
{
    uint64_t next = srv_timers_next(&server->engine.timers);
    if (next == server->timer_at_ms)
        return;
    server->timer_at_ms = next;
    if (next == SRV_TIMER_NEVER) {
        uv_timer_stop(&server->timer);
        return;
    }
    uint64_t now_ms = srv_server_now(server);
    uv_timer_start(&server->timer, timer_due, next > now_ms ? next - now_ms : 0, 0);
}

/* Once a turn, before the loop waits. */
static void turn(uv_prepare_t *handle)
{
    struct srv_server *server = handle->data;
    server->engine.now_ms = srv_server_now(server);
    srv_cluster_flush(server->hub.cluster);
    srv_engine_flush(&server->engine);
    srv_cluster_flush(server->hub.cluster); /* what sessions that ended left to say */
    srv_gate_turn(server);
    arm_timer(server);
    if (server->poke) {
        server->poke = false;
        lws_cancel_service(server->context);
    }
}

static void told_to_end(uv_signal_t *handle, int signum)
{
    (void)signum;
    srv_drain_begin(handle->data);
}

static void told_to_reload(uv_signal_t *handle, int signum)
{
    (void)signum;
    struct srv_server *server = handle->data;
    srv_notify_reloading(&server->notify);
    srv_tls_reload(server);
    srv_notify_send(&server->notify, "READY=1");
}

static void start_loop(struct srv_server *server)
{
    uv_prepare_init(&server->loop, &server->prepare);
    uv_timer_init(&server->loop, &server->timer);
    uv_timer_init(&server->loop, &server->drain_timer);
    uv_signal_init(&server->loop, &server->sigterm);
    uv_signal_init(&server->loop, &server->sigint);
    uv_signal_init(&server->loop, &server->sighup);
    server->prepare.data = server->timer.data = server->drain_timer.data = server;
    server->sigterm.data = server->sigint.data = server->sighup.data = server;
    server->timer_at_ms = SRV_TIMER_NEVER;
    uv_prepare_start(&server->prepare, turn);
    uv_signal_start(&server->sigterm, told_to_end, SIGTERM);
    uv_signal_start(&server->sigint, told_to_end, SIGINT);
    uv_signal_start(&server->sighup, told_to_reload, SIGHUP);
    srv_housekeeping_start(server);
    signal(SIGPIPE, SIG_IGN);
}

/* --- libwebsockets --- */

static const struct lws_protocols protocols[] = {{.name = "", /* no subprotocol is ever agreed on */
                                                  .callback = srv_callback,
                                                  .per_session_data_size = sizeof(struct srv_conn),
                                                  .rx_buffer_size = SRV_RX_BYTES,
                                                  .tx_packet_size = SRV_WRITE_BYTES},
                                                 {0}};

/* libwebsockets' own pings would keep a sorted list of all connections: linear in each handshake. Ours suffice. */
static const lws_retry_bo_t no_validity_checks = {0};

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    /* Also lowered: libwebsockets has a table of as many entries as the limit allows. */
    limit.rlim_cur = limit.rlim_max < SRV_MAX_FDS ? limit.rlim_max : SRV_MAX_FDS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* libwebsockets' own lines come to a function without a context, so there can be one server in a process. */
static struct srv_server *library_speaks_to;

/* libwebsockets 4.3 puts "[2026/11/23 01:49:07:1234] E: " before its lines, 4.1 nothing. */
static const char *without_time(const char *text)
{
    const char *end = text[0] == '[' ? strstr(text, "] ") : NULL;
    return end && end[2] && strncmp(end + 3, ": ", 2) == 0 ? end + 5 : text;
}

static void library_line(int level, const char *text)
{
    struct srv_server *server = library_speaks_to;
    if (!server)
        return;
    text = without_time(text);
    if (strncmp(text, "Ran out of header data space", 28) == 0) {
        srv_overflow(server); /* and has a line of its own in the log */
        return;
    }
    enum srv_log_level as = level & LLL_ERR ? SRV_LOG_WARN : SRV_LOG_DEBUG;
    unsigned left_out;
    if (!srv_log_enabled(&server->log, as) ||
        !srv_log_bounded(&server->library_lines, SRV_LIBRARY_LINES, srv_mono_us() / 1000, &left_out))
        return;
    if (left_out)
        srv_log(&server->log, as, "libwebsockets: %u further lines were left out", left_out);
    srv_log(&server->log, as, "libwebsockets: %.*s", (int)strcspn(text, "\r\n"), text);
}

static bool start_lws(struct srv_server *server, char *error, size_t error_size)
{
    void *loops[] = {&server->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .foreign_loops = loops,
        .user = server,
        .pt_serv_buf_size = SRV_WRITE_BYTES,
        .max_http_header_data = SRV_HEAD_BYTES,
        .timeout_secs = 10,
        .keepalive_timeout = 30,
        .protocols = protocols,
        .retry_and_idle_policy = &no_validity_checks,
        /* Or http_proxy of the environment is read. This server is no client: what counts is that both are set. */
        .http_proxy_address = "",
        .http_proxy_port = 1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
    };
    if (server->config->ssl_enabled)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    library_speaks_to = server;
    lws_set_log_level(srv_log_enabled(&server->log, SRV_LOG_DEBUG) ? LLL_ERR | LLL_WARN : LLL_ERR, library_line);
    server->context = lws_create_context(&info);
    if (!server->context) {
        snprintf(error, error_size, "libwebsockets cannot start (is libwebsockets-evlib-uv installed?)");
        return false;
    }
    if (server->config->ssl_enabled && !srv_tls_prepare(server->config, &info, error, error_size))
        return false;
    info.vhost_name = "aivo";
    server->vhost = lws_create_vhost(server->context, &info);
    if (!server->vhost) {
        snprintf(error, error_size, "libwebsockets cannot serve%s",
                 server->config->ssl_enabled ? " with this certificate" : "");
        return false;
    }
    return true;
}

/* --- start and end --- */

/* A token of our own is minted and checked before anybody's: a key that cannot check any is found at the start. */
static bool check_auth(struct srv_server *server, char *error, size_t error_size)
{
    const struct srv_config *config = server->config;
    if (config->jwt_public_key_path)
        return true; /* we cannot sign for that one */
    int64_t now_s = (int64_t)(srv_unix_ms() / 1000);
    char *token = srv_auth_mint(config->jwt_secret, "self-check", now_s, now_s + 60, 0);
    struct srv_identity identity;
    enum srv_auth_status status =
        token ? srv_auth_verify(server->auth, token, strlen(token), now_s, &identity) : SRV_AUTH_MEMORY;
    free(token);
    if (status == SRV_AUTH_OK)
        return true;
    snprintf(error, error_size, "NEXTAUTH_SECRET cannot be used: %s", srv_auth_strerror(status));
    return false;
}

static bool start_agents(struct srv_server *server, char *error, size_t error_size)
{
    const struct srv_config *config = server->config;
    struct srv_outside_options options = {.url = config->agent_url,
                                          .token = config->agent_token,
                                          .ca_path = config->agent_ca_path,
                                          .timeout_ms = config->agent_timeout_ms,
                                          .max_in_flight = config->agent_max_in_flight,
                                          .max_waiting = config->agent_max_waiting,
                                          .max_answer_bytes = config->max_payload_bytes,
                                          .done = srv_dispatch_answered,
                                          .context = &server->hub};
    return srv_outside_new(&server->loop, &server->engine.timers, &options, &server->hub.outside, error, error_size);
}

static void session_left(void *context, struct srv_session *session)
{
    srv_peer_session_left(context, session);
}

static void session_fault(void *context, struct srv_session *session, enum srv_error_type type)
{
    struct srv_server *server = context;
    srv_audit(&server->audit, type == SRV_ERROR_SLOW_CONSUMER ? SRV_AUDIT_SLOW_CONSUMER : SRV_AUDIT_BAD_PACKET,
              &session->address, NULL, NULL, srv_server_now(server));
}

static bool start_parts(struct srv_server *server, char *error, size_t error_size)
{
    const struct srv_config *config = server->config;
    srv_log_init(&server->log, (enum srv_log_level)config->log_level, config->log_json);
    server->audit.log = &server->log;
    srv_metrics_init(&server->metrics);
    if (!srv_cors_new(config->cors_origin, &server->cors, error, error_size))
        return false;
    if (!config->conformance && !srv_auth_new(config->jwt_public_key_path ? NULL : config->jwt_secret,
                                              config->jwt_public_key_path, &server->auth, error, error_size))
        return false;
    if (server->auth && !check_auth(server, error, error_size))
        return false;
    size_t queue = (size_t)config->max_payload_bytes * 4;
    if (config->max_send_queue_bytes)
        queue = config->max_send_queue_bytes;
    else if (queue < SRV_MAX_QUEUE_BYTES)
        queue = SRV_MAX_QUEUE_BYTES;
    struct srv_engine_options options = {.ping_interval_ms = config->ping_interval_ms,
                                         .ping_timeout_ms = config->ping_timeout_ms,
                                         .upgrade_timeout_ms = config->upgrade_timeout_ms,
                                         .max_payload_bytes = config->max_payload_bytes,
                                         .max_queue_bytes = queue};
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    server->scratch = malloc(LWS_PRE + SRV_WRITE_BYTES);
    if (!server->scratch || !srv_engine_init(&server->engine, &options, &server->metrics, random_bytes) ||
        !srv_limits_init(&server->limits, config, seed) ||
        !srv_hub_init(&server->hub, &server->engine, config, &server->metrics, &server->log, server->auth,
                      &server->limits, &server->audit) ||
        !srv_gate_init(server)) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    server->engine.watch = (struct srv_session_watch){server, session_left, session_fault};
    aivo_buf_init(&server->response);
    if (!srv_cluster_new(&server->hub, &server->loop)) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    return !config->agent_url || start_agents(server, error, error_size);
}

bool srv_server_start(struct srv_server *server, const struct srv_config *config, char *error, size_t error_size)
{
    memset(server, 0, sizeof *server);
    server->config = config;
    server->listen_fd = server->spare_fd = -1;
    server->started_ms = srv_mono_us() / 1000;
    srv_notify_open(&server->notify);
    raise_fd_limit();
    if (uv_loop_init(&server->loop) != 0) {
        snprintf(error, error_size, "libuv cannot start");
        return false;
    }
    if (!start_parts(server, error, error_size))
        return false;
    start_loop(server);
    return start_lws(server, error, error_size) && srv_listener_start(server, error, error_size);
}

void srv_server_url(const struct srv_server *server, char *out, size_t size)
{
    const char *host = server->config->host;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(out, size, "%s://%s%s%s:%u", server->config->ssl_enabled ? "https" : "http", v6 ? "[" : "", host,
             v6 ? "]" : "", (unsigned)server->port);
}

int srv_server_run(struct srv_server *server)
{
    char url[512], ready[600];
    srv_server_url(server, url, sizeof url);
    srv_log(&server->log, SRV_LOG_INFO, "listening on %s", url);
    snprintf(ready, sizeof ready, "READY=1\nSTATUS=listening on %s", url);
    srv_notify_send(&server->notify, ready);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return server->exit_code;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void srv_server_stop(struct srv_server *server)
{
    srv_listener_stop(server);
    srv_hub_drain(&server->hub, true, SIZE_MAX);
    if (server->context) {
        lws_context_destroy(server->context);
        uv_run(&server->loop, UV_RUN_NOWAIT); /* libwebsockets' handles finish closing */
    }
    library_speaks_to = NULL;
    srv_cluster_stop(server->hub.cluster);
    srv_hub_free(&server->hub);
    srv_outside_destroy(server->hub.outside);
    srv_engine_free(&server->engine);
    srv_limits_free(&server->limits);
    uv_walk(&server->loop, close_handle, NULL);
    uv_run(&server->loop, UV_RUN_NOWAIT);
    if (srv_cluster_resolving(
            server->hub.cluster)) { /* a name server is silent, and exit() would wait for the worker */
        fflush(NULL);
        _exit(server->exit_code);
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
    srv_cluster_destroy(server->hub.cluster);
    srv_auth_destroy(server->auth);
    srv_cors_destroy(server->cors);
    aivo_buf_free(&server->response);
    free(server->scratch);
    srv_notify_close(&server->notify);
}
