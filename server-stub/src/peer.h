/*
 * TCP connections from accept() to their end: whose they are, how many an address has, and how many have not yet said
 * what they want. The door before libwebsockets and Engine.IO.
 *
 * Bounds: MAX_PENDING_HANDSHAKES connections without a request and sessions without a namespace together. When there
 * are as many, the oldest of them is cut if it had SRV_PEER_GRACE_MS, else nobody is let in until there is room: a
 * burst of honest clients waits in the kernel's queue, and who connects and says nothing makes room.
 */
#ifndef SRV_PEER_H
#define SRV_PEER_H

#include "address.h"
#include "audit.h"
#include "bucket.h"
#include "metrics.h"
#include "timer.h"
#include <libwebsockets.h>

#define SRV_PEER_GRACE_MS 2000
/* An address over its limit hears 429 from so many more connections; beyond they are closed unheard. */
#define SRV_PEER_SPARE 16

struct srv_server;
struct srv_session;
struct srv_request;

struct srv_peer {
    struct srv_server *server;
    struct lws *wsi;
    struct srv_timer head;     /* runs until its first request is here */
    struct srv_timer body;     /* runs while the body of a request is awaited */
    struct srv_bucket *origin; /* its address'; NULL: there is no such limit, or it is a trusted proxy */
    struct srv_address address;
    bool proxy; /* X-Forwarded-For says who it is */
    bool over;  /* one too many of its address: its request gets 429 */
};

struct srv_gate {
    struct srv_nets proxies;
    struct srv_timer_list head_list, body_list;
    size_t pending; /* peers without a request */
    bool paused;    /* nobody is accepted until there is room */
};

bool srv_gate_init(struct srv_server *server);
/* Is there room for one more handshake? Makes some if it can. */
bool srv_gate_has_room(struct srv_server *server);
/* Once a turn: accepts again if there is room. */
void srv_gate_turn(struct srv_server *server);

/* A connection was accepted: hands it to libwebsockets, or closes it. */
void srv_peer_accept(struct srv_server *server, int fd, const struct sockaddr *from);
/* NULL: unknown. */
struct srv_peer *srv_peer_of(struct lws *wsi);
/* A request's head is here. */
void srv_peer_asked(struct lws *wsi);
/* From now on until srv_peer_asked() or srv_peer_told() its body has BODY_TIMEOUT_MS. The library's own time-out is for
 * each piece, so a body in small pieces could take for ever. */
void srv_peer_awaits_body(struct srv_server *server, struct lws *wsi);
/* The body is here. */
void srv_peer_told(struct lws *wsi);
/* LWS_CALLBACK_WSI_DESTROY. */
void srv_peer_gone(struct lws *wsi);
/* Who sends this request: the peer, or whom a trusted proxy names. */
void srv_peer_client(const struct srv_server *server, struct lws *wsi, struct srv_address *out);

/* Counts an error of whoever sent this, and logs it. */
void srv_peer_fault(struct srv_server *server, struct lws *wsi, enum srv_audit_kind kind, enum srv_error_type type,
                    const char *reason);

/* May whoever sends this request open one more session? */
bool srv_peer_may_open(struct srv_server *server, struct lws *wsi);
/* The session is this client's from now on; srv_peer_session_left() when it ends. */
void srv_peer_session_opened(struct srv_server *server, struct lws *wsi, struct srv_session *session);
void srv_peer_session_left(struct srv_server *server, struct srv_session *session);

#endif
