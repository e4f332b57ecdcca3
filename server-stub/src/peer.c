#include "peer.h"
#include "server.h"
#include <stdlib.h>
#include <unistd.h>

static void silent(void *context, struct srv_timer *timer, uint64_t now_ms);
static void slow_body(void *context, struct srv_timer *timer, uint64_t now_ms);

bool srv_gate_init(struct srv_server *server)
{
    const struct srv_config *config = server->config;
    char error[160];
    /* The list was checked when the settings were read. */
    if (!srv_nets_parse(&server->gate.proxies, config->trusted_proxies, error, sizeof error))
        return false;
    srv_timers_add(&server->engine.timers, &server->gate.head_list, config->header_timeout_ms, silent, server);
    srv_timers_add(&server->engine.timers, &server->gate.body_list, config->body_timeout_ms, slow_body, server);
    return true;
}

/* --- pending handshakes --- */

static void cut(struct srv_peer *peer)
{
    srv_metrics_error(&peer->server->metrics, SRV_ERROR_SOCKET_ERROR);
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
    srv_server_poke(peer->server);
}

static void asked(struct srv_peer *peer)
{
    if (!srv_timer_running(&peer->head))
        return;
    srv_timer_stop(&peer->head);
    peer->server->gate.pending--;
}

static void silent(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_server *server = context;
    struct srv_peer *peer = SRV_TIMER_OWNER(timer, struct srv_peer, head);
    server->gate.pending--; /* the timer is off its list already */
    srv_audit(&server->audit, SRV_AUDIT_TIMEOUT, &peer->address, NULL, "no request in time", now_ms);
    cut(peer);
}

static void slow_body(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_server *server = context;
    struct srv_peer *peer = SRV_TIMER_OWNER(timer, struct srv_peer, body);
    srv_audit(&server->audit, SRV_AUDIT_TIMEOUT, &peer->address, NULL, "no end of the body in time", now_ms);
    cut(peer);
}

/* When the first of the list began; UINT64_MAX if it is empty. */
static uint64_t began(const struct srv_timer_list *list)
{
    return list->head.next == &list->head ? UINT64_MAX : list->head.next->at_ms - list->interval_ms;
}

/* Makes room by cutting the handshake that takes longest, if it had its time. */
static bool cut_oldest(struct srv_server *server, uint64_t now_ms)
{
    uint64_t peer_ms = began(&server->gate.head_list), session_ms = began(&server->hub.connect_list);
    uint64_t first_ms = peer_ms < session_ms ? peer_ms : session_ms;
    if (first_ms == UINT64_MAX || now_ms < first_ms + SRV_PEER_GRACE_MS)
        return false;
    if (session_ms < peer_ms) {
        srv_audit(&server->audit, SRV_AUDIT_HANDSHAKE_LIMIT, NULL, NULL, "no namespace", now_ms);
        srv_hub_cut_oldest(&server->hub);
        return true;
    }
    struct srv_peer *peer = SRV_TIMER_OWNER(server->gate.head_list.head.next, struct srv_peer, head);
    srv_audit(&server->audit, SRV_AUDIT_HANDSHAKE_LIMIT, &peer->address, NULL, "no request", now_ms);
    asked(peer);
    cut(peer);
    return true;
}

bool srv_gate_has_room(struct srv_server *server)
{
    size_t most = server->config->max_pending_handshakes;
    uint64_t now_ms = srv_server_now(server);
    if (!most || server->gate.pending + server->hub.unjoined < most)
        return true;
    return cut_oldest(server, now_ms);
}

void srv_gate_turn(struct srv_server *server)
{
    if (server->gate.paused && srv_gate_has_room(server)) {
        server->gate.paused = false;
        srv_listener_resume(server);
    }
}

/* --- connections --- */

/* Counts it for its address. false: one too many by far, not to be heard. */
static bool count(struct srv_server *server, struct srv_peer *peer)
{
    uint32_t most = server->limits.max_connections;
    peer->proxy = srv_nets_contain(&server->gate.proxies, &peer->address);
    if (peer->proxy || srv_address_is_none(&peer->address))
        return true;
    peer->origin = srv_limits_address(&server->limits, srv_address_key(&peer->address));
    if (!peer->origin)
        return true;
    peer->over = most && peer->origin->connections >= most;
    bool heard = !peer->over || peer->origin->connections < most + SRV_PEER_SPARE;
    peer->origin->connections++;
    if (peer->over) {
        srv_metrics_error(&server->metrics, SRV_ERROR_RATE_LIMIT);
        srv_audit(&server->audit, SRV_AUDIT_CONNECTION_LIMIT, &peer->address, NULL, NULL, srv_server_now(server));
    }
    return heard;
}

static void release(struct srv_peer *peer)
{
    struct srv_server *server = peer->server;
    asked(peer);
    srv_timer_stop(&peer->body);
    if (peer->origin) {
        peer->origin->connections--;
        srv_buckets_release(&server->limits.addresses, peer->origin);
    }
    free(peer);
}

void srv_peer_accept(struct srv_server *server, int fd, const struct sockaddr *from)
{
    struct srv_peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
        close(fd);
        return;
    }
    peer->server = server;
    srv_address_of_sockaddr(from, &peer->address);
    if (!count(server, peer)) {
        close(fd);
        release(peer);
        return;
    }
    server->gate.pending++;
    srv_timer_start(&server->gate.head_list, &peer->head, srv_server_now(server));
    peer->wsi = lws_adopt_socket_vhost(server->vhost, fd); /* closes it if it fails */
    if (peer->wsi)
        lws_set_opaque_user_data(peer->wsi, peer);
    else
        release(peer);
    srv_server_poke(server);
}

struct srv_peer *srv_peer_of(struct lws *wsi)
{
    return lws_get_opaque_user_data(wsi);
}

void srv_peer_asked(struct lws *wsi)
{
    struct srv_peer *peer = srv_peer_of(wsi);
    if (!peer)
        return;
    asked(peer);
    srv_timer_stop(&peer->body);
}

void srv_peer_awaits_body(struct srv_server *server, struct lws *wsi)
{
    struct srv_peer *peer = srv_peer_of(wsi);
    if (peer)
        srv_timer_start(&server->gate.body_list, &peer->body, srv_server_now(server));
}

void srv_peer_told(struct lws *wsi)
{
    struct srv_peer *peer = srv_peer_of(wsi);
    if (peer)
        srv_timer_stop(&peer->body);
}

void srv_peer_gone(struct lws *wsi)
{
    struct srv_peer *peer = srv_peer_of(wsi);
    lws_set_opaque_user_data(wsi, NULL);
    if (peer)
        release(peer);
}

void srv_peer_client(const struct srv_server *server, struct lws *wsi, struct srv_address *out)
{
    static const struct srv_address none;
    const struct srv_peer *peer = srv_peer_of(wsi);
    *out = peer ? peer->address : none;
    if (!peer || !peer->proxy)
        return;
    char forwarded[1024];
    int n = lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0
                ? lws_hdr_copy(wsi, forwarded, sizeof forwarded, WSI_TOKEN_X_FORWARDED_FOR)
                : 0;
    if (n > 0)
        srv_address_client(&server->gate.proxies, &peer->address, forwarded, (size_t)n, out);
}

void srv_peer_fault(struct srv_server *server, struct lws *wsi, enum srv_audit_kind kind, enum srv_error_type type,
                    const char *reason)
{
    struct srv_address client;
    srv_metrics_error(&server->metrics, type);
    srv_peer_client(server, wsi, &client);
    srv_audit(&server->audit, kind, &client, NULL, reason, srv_server_now(server));
}

/* --- sessions --- */

bool srv_peer_may_open(struct srv_server *server, struct lws *wsi)
{
    const struct srv_peer *peer = srv_peer_of(wsi);
    if (!peer || peer->over)
        return !peer;
    if (!peer->proxy || !server->limits.max_connections)
        return true;
    struct srv_address client;
    srv_peer_client(server, wsi, &client);
    struct srv_bucket *origin = srv_limits_address(&server->limits, srv_address_key(&client));
    bool may = !origin || origin->connections < server->limits.max_connections;
    srv_buckets_release(&server->limits.addresses, origin);
    if (!may) {
        srv_metrics_error(&server->metrics, SRV_ERROR_RATE_LIMIT);
        srv_audit(&server->audit, SRV_AUDIT_CONNECTION_LIMIT, &client, NULL, NULL, srv_server_now(server));
    }
    return may;
}

void srv_peer_session_opened(struct srv_server *server, struct lws *wsi, struct srv_session *session)
{
    const struct srv_peer *peer = srv_peer_of(wsi);
    srv_peer_client(server, wsi, &session->address);
    if (!peer || srv_address_is_none(&session->address))
        return;
    session->origin = srv_limits_address(&server->limits, srv_address_key(&session->address));
    session->counted = peer->proxy && session->origin; /* else its connections are counted */
    if (session->counted)
        session->origin->connections++;
}

void srv_peer_session_left(struct srv_server *server, struct srv_session *session)
{
    if (session->counted)
        session->origin->connections--;
    srv_buckets_release(&server->limits.addresses, session->origin);
    session->origin = NULL;
    session->counted = false;
}
