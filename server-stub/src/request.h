/* What the server wants to know of an HTTP request, read from libwebsockets while it still has the headers. */
#ifndef SRV_REQUEST_H
#define SRV_REQUEST_H

#include "engine.h"
#include "query.h"
#include <libwebsockets.h>

struct srv_server;

enum srv_method { SRV_GET, SRV_POST, SRV_OPTIONS, SRV_HEAD, SRV_METHOD_OTHER };

enum srv_route {
    SRV_ROUTE_NONE,
    SRV_ROUTE_SOCKETIO,
    SRV_ROUTE_ECHO, /* /engine.io/, with --conformance */
    SRV_ROUTE_METRICS_TEXT,
    SRV_ROUTE_METRICS_JSON,
    SRV_ROUTE_HEALTH,
    SRV_ROUTE_READY,
};

#define SRV_REQUEST_ORIGIN  512
#define SRV_REQUEST_HEADERS 512

struct srv_request {
    enum srv_method method;
    enum srv_route route;
    struct srv_query query;
    bool query_too_long;
    char origin[SRV_REQUEST_ORIGIN]; /* as sent; one that is too long for us is "?": allowed nowhere */
    size_t origin_len;
    char asked_headers[SRV_REQUEST_HEADERS]; /* Access-Control-Request-Headers */
    size_t asked_headers_len;
    bool has_length, chunked, keep_alive;
    bool octets;     /* Content-Type: application/octet-stream, which Engine.IO 4 has no use for */
    uint64_t length; /* Content-Length */
};

void srv_request_read(const struct srv_server *server, struct lws *wsi, struct srv_request *out);
/* The hooks of the sessions on its route. */
const struct srv_session_hooks *srv_request_hooks(const struct srv_request *request);

/* Engine.IO's own errors; -1 is none. */
enum srv_eio_refusal {
    SRV_EIO_OK = -1,
    SRV_EIO_UNKNOWN_TRANSPORT = 0,
    SRV_EIO_UNKNOWN_SID,
    SRV_EIO_BAD_HANDSHAKE_METHOD,
    SRV_EIO_BAD_REQUEST,
    SRV_EIO_FORBIDDEN,
    SRV_EIO_UNSUPPORTED_VERSION,
};
const char *srv_eio_message(enum srv_eio_refusal refusal);
/* Checks in Node's order. *session is what the sid names. */
enum srv_eio_refusal srv_request_verify(struct srv_server *server, const struct srv_request *request, bool upgrade,
                                        struct srv_session **session);

#endif
