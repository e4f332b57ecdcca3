/* One connection as libwebsockets sees it: an HTTP request at a time, or a WebSocket. */
#ifndef SRV_CONN_H
#define SRV_CONN_H

#include "engine.h"
#include "server.h"
#include <libwebsockets.h>

enum srv_conn_role {
    SRV_CONN_NONE = 0,
    SRV_CONN_POLL,    /* a GET is held, or its answer waits to be written */
    SRV_CONN_POST,    /* a POST's body comes in */
    SRV_CONN_DISCARD, /* a POST that was answered already: its body is dropped */
    SRV_CONN_WEBSOCKET,
};

struct srv_hold;
struct srv_request;

/* libwebsockets' user space; zero at first. */
struct srv_conn {
    struct srv_link link; /* first */
    struct lws *wsi;
    struct srv_server *server;
    struct aivo_buf in;          /* a POST's body, a poll's answer, or a WebSocket message that comes in pieces */
    struct srv_hold *hold;       /* while a GET waits */
    struct srv_request *request; /* of a POLL or POST */
    uint16_t status;             /* POLL, POST: what to answer, 0 if not decided. WEBSOCKET: close with it, 0 if open */
    uint8_t role;
    bool answered;    /* POLL: the answer was written */
    bool peer_closed; /* WEBSOCKET: it sent a close frame */
};

static inline struct srv_conn *srv_conn_of(struct srv_link *link)
{
    return (struct srv_conn *)(void *)link;
}

#endif
