/*
 * WebSocket connections and the loop that serves them, as an interface: transport_lws.c is the real one, tests put a
 * scripted one in its place. All calls and events are on the loop's thread, but for wake().
 */
#ifndef AIVO_IO_TRANSPORT_H
#define AIVO_IO_TRANSPORT_H

#include <aivo/options.h>

struct aivo_net;  /* one loop's network */
struct aivo_conn; /* one WebSocket connection, from the first look-up to the end */

/* Copied by connect(). */
struct aivo_transport_request {
    bool tls;
    const char
        *host; /* name or numeric address, without brackets; also Host header, SNI and the name that is checked */
    uint16_t port;
    const char *path;        /* with query, begins with '/' */
    const char *subprotocol; /* or NULL */
    const char *headers;     /* "Name: value\n..." or NULL */
    const char *proxy;       /* as in struct aivo_options */
    struct aivo_tls_options tls_options;
    uint32_t connect_timeout_ms; /* for everything up to open() */
    uint64_t max_message_bytes;  /* a larger received message is refused with close code 1009 and AIVO_E_TOO_LARGE */
    uint64_t max_unsent_bytes;   /* send() refuses beyond it */
};

struct aivo_transport_events {
    void (*open)(void *user);
    /* A whole message (fragments joined). Borrowed. */
    void (*message)(void *user, const char *data, size_t len, bool binary);
    void (*pong)(void *user, const void *payload, size_t len);
    /* The end: also when open() never came. Exactly once, and the conn is gone when it returns. Never called from
     * inside connect(), send(), ping() or close(). why tells name, TCP, proxy, TLS (with the X509 error and what to
     * do), HTTP status, close code apart. */
    void (*closed)(void *user, const struct aivo_error *why);
};

struct aivo_transport {
    enum aivo_status (*create)(struct aivo_net **out, struct aivo_error *err);
    void (*destroy)(struct aivo_net *net); /* after all its conns are gone */
    /* One turn: waits for the network, a wake or the deadline (monotonic us, AIVO_NEVER: none), and serves it. */
    void (*turn)(struct aivo_net *net, int64_t deadline_us);
    void (*wake)(struct aivo_net *net); /* from any thread */

    enum aivo_status (*connect)(struct aivo_net *net, const struct aivo_transport_request *request,
                                const struct aivo_transport_events *events, void *user, struct aivo_conn **out,
                                struct aivo_error *err);
    /* Copies; everything queued in one turn is written as one. AIVO_E_FULL beyond max_unsent_bytes, AIVO_E_CLOSED. */
    enum aivo_status (*send)(struct aivo_conn *conn, const char *data, size_t len, bool binary);
    enum aivo_status (*ping)(struct aivo_conn *conn, const void *payload, size_t len); /* 0..125 bytes */
    void (*pause)(struct aivo_conn *conn, bool paused);                                /* stop and resume reading */
    size_t (*unsent)(const struct aivo_conn *conn); /* bytes queued and not handed to the kernel */
    int (*fd)(const struct aivo_conn *conn);        /* -1 while there is none */
    /* The closing handshake, at most 2 s; closed() follows. */
    void (*close)(struct aivo_conn *conn, uint16_t code, const char *reason);
    void (*abort)(struct aivo_conn *conn); /* gone when it returns; no event follows. NULL is allowed */
};

extern const struct aivo_transport aivo_transport_lws;

/* Whether certificate, key, CA and pin options can be used; called at aivo_client_create(). */
enum aivo_status aivo_tls_check(const struct aivo_tls_options *options, struct aivo_error *err);

#endif
