/*
 * The server: libuv's loop with libwebsockets on it, the listening socket, signals, the end.
 * One thread. Everything queued in a turn of the loop is written once, from its prepare phase.
 */
#ifndef SRV_SERVER_H
#define SRV_SERVER_H

#include "cors.h"
#include "hub.h"
#include "notify.h"
#include "peer.h"
#include "process.h"
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <uv.h>

#define SRV_WRITE_BYTES      65536 /* of one write; also libwebsockets' tx_packet_size */
#define SRV_RX_BYTES         4096  /* libwebsockets' buffer a WebSocket: the larger part of an idle one's memory */
#define SRV_HEAD_BYTES       8192  /* of a request: what libwebsockets has room for */
#define SRV_MAX_FDS          65536 /* the limit on open files is raised to this at most */
#define SRV_MAX_QUEUE_BYTES  ((size_t)4 * 1024 * 1024) /* a connection's, at least; four payloads if that is more */
#define SRV_CLOSE_TIMEOUT_S  5                         /* for a peer that does not take its last bytes */
#define SRV_LIBRARY_LINES    10                        /* of libwebsockets in the log, a minute */
#define SRV_DRAIN_PACE_MS    5                         /* clients are sent away so far apart, within DRAIN_SPREAD_MS */
#define SRV_DRAIN_GRACE_MS   100                       /* what has arrived by then is still handled */
#define SRV_DRAIN_WORK_MS    7000                      /* events in work may take so long after SIGTERM */
#define SRV_DRAIN_GOODBYE_MS 1500                      /* for peers to answer the close, once nothing is in work */
#define SRV_DRAIN_TOTAL_MS   9000                      /* then the process ends whatever is still open */

enum srv_drain_stage {
    SRV_SERVING = 0, /* next: DRAINING */
    SRV_DRAINING,    /* no new sessions; those without work are closed; next: CLOSING */
    SRV_CLOSING,     /* all sessions are closed: connections say goodbye; next: STOPPED */
    SRV_STOPPED,
};

struct srv_server {
    const struct srv_config *config;
    struct srv_log log;
    struct srv_log_bound library_lines; /* what libwebsockets says about peers */
    struct srv_log_bound refusals;      /* connections refused for want of descriptors */
    struct srv_audit audit;
    struct srv_metrics metrics;
    struct srv_lag lag;
    struct srv_limits limits;
    struct srv_gate gate;
    struct srv_notify notify;
    struct srv_auth *auth; /* NULL: no authentication */
    struct srv_cors *cors;
    struct srv_engine engine;
    struct srv_hub hub;

    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t timer, drain_timer, lag_timer, watchdog;
    uv_signal_t sigterm, sigint, sighup;
    uv_poll_t listener;
    bool inherited;          /* the listening socket was handed over */
    int listen_fd, spare_fd; /* the spare is given up to refuse a connection when no descriptor is left */
    uint16_t port;           /* the one really bound */
    struct lws_context *context;
    struct lws_vhost *vhost;
    SSL_CTX *tls;         /* libwebsockets' own, NULL without TLS */
    uint64_t timer_at_ms; /* what the timer is set to */
    uint64_t started_ms;  /* monotonic */
    uint64_t lag_due_ms;
    uint64_t drain_began_ms, drain_closing_ms;
    size_t drain_count, drain_closed; /* sessions at its beginning; those sent away */
    uint32_t drain_spread_ms;
    size_t lingering;   /* overflow.c */
    size_t connections; /* of libwebsockets, HTTP and WebSocket */
    enum srv_drain_stage stage;
    bool poke; /* libwebsockets' own timers must be looked at: see srv_server_poke() */
    int exit_code;
    struct aivo_buf response; /* an HTTP answer under construction */
    unsigned char *scratch;   /* LWS_PRE + SRV_WRITE_BYTES */
};

/* Listens when it returns true. false: error says why, in one line. config must outlive it. */
bool srv_server_start(struct srv_server *server, const struct srv_config *config, char *error, size_t error_size);
/* "http://127.0.0.1:4003" */
void srv_server_url(const struct srv_server *server, char *out, size_t size);
/* Until it is told to end; returns the exit code. */
int srv_server_run(struct srv_server *server);
void srv_server_stop(struct srv_server *server);

static inline uint64_t srv_server_now(const struct srv_server *server)
{
    return uv_now(&server->loop);
}
/* Under libuv, libwebsockets looks at its timers only after socket events: whoever sets one outside must poke. */
static inline void srv_server_poke(struct srv_server *server)
{
    server->poke = true;
}

/* drain.c: SIGTERM's work. */
void srv_drain_begin(struct srv_server *server);

/* listener.c */
bool srv_listener_start(struct srv_server *server, char *error, size_t error_size);
void srv_listener_stop(struct srv_server *server);
/* Accepts no more until srv_listener_resume(): connections wait in the kernel's queue. */
void srv_listener_pause(struct srv_server *server);
void srv_listener_resume(struct srv_server *server);
/* The end has begun: leaves the port to others that listen on it, if there may be any. */
void srv_listener_leave(struct srv_server *server);

/* overflow.c: libwebsockets is about to close a connection whose request head is too large. */
void srv_overflow(struct srv_server *server);

/* housekeeping.c */
void srv_housekeeping_start(struct srv_server *server);

/* http.c and ws.c: libwebsockets' callback. */
int srv_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
int srv_ws_callback(struct srv_server *server, struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len);

#endif
