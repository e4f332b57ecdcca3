/* What the parts of the transport share: net.c (the loop), dial.c (up to open), conn.c (from open to the end). */
#ifndef AIVO_IO_NET_H
#define AIVO_IO_NET_H

#include "buf.h"
#include "instant.h"
#include "list.h"
#include "poller.h"
#include "resolver.h"
#include "tls.h"
#include "transport.h"
#include "wsframe.h"

#define AIVO_READ_BYTES    65536       /* one read */
#define AIVO_READ_TURN     (4 * 65536) /* read from one connection in one turn: no one starves the others */
#define AIVO_KEEP_BYTES    32768       /* memory an idle connection's send buffer keeps */
#define AIVO_CLOSE_US      2000000     /* closing handshake */
#define AIVO_REFUSE_US     1000000     /* time a peer that broke the protocol has to read why */
#define AIVO_ADDRESS_US    3000000     /* for one address while there are further ones */
#define AIVO_CONTROL_SLACK 65536       /* control frames may exceed max_unsent_bytes by this much */

/* Each with its next stages; any may go to ENDED. */
enum aivo_stage {
    AIVO_STAGE_START,   /* connect() was called: RESOLVE or TCP */
    AIVO_STAGE_RESOLVE, /* a name is being looked up: TCP */
    AIVO_STAGE_TCP,     /* an address is being tried: TCP (the next one), PROXY, TLS or UPGRADE */
    AIVO_STAGE_PROXY,   /* CONNECT was sent: TLS or UPGRADE */
    AIVO_STAGE_TLS,     /* TLS handshake: UPGRADE */
    AIVO_STAGE_UPGRADE, /* the request was sent: OPEN */
    AIVO_STAGE_OPEN,    /* messages flow: CLOSING */
    AIVO_STAGE_CLOSING, /* we sent a close frame and wait for the peer's, or for the end */
    AIVO_STAGE_ENDED    /* why is known, closed() is due */
};

struct aivo_proxy_target {
    bool used;
    char host[256];
    uint16_t port;
    char *authorization; /* base64 of user:password, or NULL */
};

struct aivo_conn {
    struct aivo_net *net;
    struct aivo_link all;   /* net->conns */
    struct aivo_link todo;  /* net->todo: something is to be done before the next wait */
    struct aivo_link timed; /* net->timed: deadline_us is set */
    enum aivo_stage stage;
    bool gone;     /* abort() was called inside a callback: freed when that returns */
    unsigned busy; /* callbacks under way */
    struct aivo_transport_events events;
    void *user;

    bool tls_wanted;
    char host[256];
    uint16_t port;
    char *path, *subprotocol, *headers;
    struct aivo_proxy_target proxy;
    uint64_t max_unsent;
    uint32_t timeout_ms;

    int64_t connect_deadline_us; /* for everything up to OPEN */
    int64_t deadline_us;         /* of this stage or address; AIVO_NEVER */
    struct aivo_lookup lookup;
    struct aivo_addresses *addresses; /* freed when a connection stands */
    unsigned address;                 /* the one being tried */
    char accept[32];                  /* Sec-WebSocket-Accept that is expected */

    struct aivo_watch *watch;
    bool paused, write_asked;
    bool hangup; /* the poller reports nothing more */
    struct aivo_tls_context *tls_context;
    struct aivo_tls *tls;
    struct aivo_buf out; /* framed bytes; those before sent are with the kernel */
    size_t sent;
    struct aivo_buf in; /* head of an HTTP answer; once open: what was read and not yet looked at, while paused */
    struct aivo_ws_reader reader;
    bool resume;     /* todo: look at in, and read on */
    bool close_sent; /* nothing may be sent after it */
    bool cut;        /* writing failed: the reason comes from reading, or at the deadline */
    bool half_closed;
    bool refused; /* CLOSING because the peer broke the protocol: why is set, what it sends is ignored */
    struct aivo_error why;
};

struct aivo_net {
    struct aivo_poller *poller;
    struct aivo_resolver *resolver;
    struct aivo_link conns, todo, timed;
    bool delivered; /* an event was given out: the client may have set another deadline */
    char *scratch;  /* AIVO_READ_BYTES: one for all connections */
    unsigned random_left;
    uint8_t random[1024]; /* from the kernel, for masks */
};

/* net.c */
void aivo_conn_todo(struct aivo_conn *conn);
void aivo_conn_deadline(struct aivo_conn *conn, int64_t deadline_us);
/* Ends a connection: closed() follows from the turn. Later calls change nothing. */
void aivo_conn_end(struct aivo_conn *conn, const struct aivo_error *why);
/* The same with a message of pieces, up to NULL. */
void aivo_conn_fail(struct aivo_conn *conn, enum aivo_status status, int code, ...) __attribute__((sentinel));
/* Lets go of socket and TLS, keeping everything else. */
void aivo_conn_drop_socket(struct aivo_conn *conn);
/* Around every event: leave() is false if the connection is gone. */
void aivo_conn_enter(struct aivo_conn *conn);
bool aivo_conn_leave(struct aivo_conn *conn);
void aivo_net_random(struct aivo_net *net, void *out, size_t len);
void aivo_net_use_resolver(struct aivo_net *net, aivo_resolve_fn resolve); /* tests */

/* dial.c */
/* Which proxy, by the option and the environment; of the request tls, host, port and proxy are looked at. */
struct aivo_proxy;
enum aivo_status aivo_dial_proxy(const struct aivo_transport_request *request, struct aivo_proxy *out,
                                 struct aivo_error *err);
/* Whether the request can be made at all, and filling conn from it. */
enum aivo_status aivo_dial_check(const struct aivo_transport_request *request, struct aivo_error *err);
enum aivo_status aivo_dial_prepare(struct aivo_conn *conn, const struct aivo_transport_request *request,
                                   struct aivo_error *err);
void aivo_dial_start(struct aivo_conn *conn);
void aivo_dial_events(struct aivo_conn *conn, unsigned events);
void aivo_dial_timeout(struct aivo_conn *conn);

/* conn.c */
enum aivo_status aivo_conn_send(struct aivo_conn *conn, const char *data, size_t len, bool binary);
enum aivo_status aivo_conn_ping(struct aivo_conn *conn, const void *payload, size_t len);
void aivo_conn_pause(struct aivo_conn *conn, bool paused);
void aivo_conn_close(struct aivo_conn *conn, uint16_t code, const char *reason);
void aivo_conn_open(struct aivo_conn *conn); /* the upgrade was accepted; in has what followed it */
void aivo_conn_resume(struct aivo_conn *conn);
void aivo_conn_events(struct aivo_conn *conn, unsigned events);
void aivo_conn_timeout(struct aivo_conn *conn);
/* Hands as much of out to the kernel as it takes. */
void aivo_conn_flush(struct aivo_conn *conn);
/* Bytes, AIVO_IO_AGAIN, AIVO_IO_END or AIVO_IO_ERROR (err filled, with AIVO_E_CLOSED or AIVO_E_TLS). */
ssize_t aivo_conn_read(struct aivo_conn *conn, char *data, size_t len, struct aivo_error *err);

#endif
