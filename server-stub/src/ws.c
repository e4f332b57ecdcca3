/* WebSocket connections: libwebsockets' frames to messages, queues to raw writes. */
#include "conn.h"
#include "request.h"
#include <string.h>

#define WS_REASON_MAX 123 /* of a close frame, by RFC 6455 */

static void ws_flush(struct srv_link *link, struct srv_outq *q)
{
    struct srv_conn *c = srv_conn_of(link);
    struct srv_server *server = c->server;
    unsigned char *out = server->scratch + LWS_PRE;
    /* A partial write lands in a buffer of libwebsockets that has no bound: then the rest stays in our queue, and
     * LWS_CALLBACK_SERVER_WRITEABLE goes on with it. */
    while (q->bytes && !lws_partial_buffered(c->wsi)) {
        size_t n = srv_outq_take(q, &server->engine.pool, out, SRV_WRITE_BYTES);
        if (lws_write(c->wsi, out, n, LWS_WRITE_RAW) < (int)n) {
            srv_outq_clear(q, &server->engine.pool);
            lws_set_timeout(c->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
            srv_server_poke(server);
            return;
        }
    }
    if (q->bytes)
        lws_callback_on_writable(c->wsi);
}

/* Writes, or has libwebsockets keep it. While it keeps something already, it returns how much of that it got rid of. */
static bool write_raw(struct srv_conn *c, unsigned char *out, size_t len)
{
    bool behind = lws_partial_buffered(c->wsi);
    int n = lws_write(c->wsi, out, len, LWS_WRITE_RAW);
    return behind ? n >= 0 : n == (int)len;
}

static void ws_finish(struct srv_link *link, struct srv_outq *q)
{
    struct srv_conn *c = srv_conn_of(link);
    unsigned char *out = c->server->scratch + LWS_PRE;
    while (q->bytes) {
        size_t n = srv_outq_take(q, &c->server->engine.pool, out, SRV_WRITE_BYTES);
        if (!write_raw(c, out, n))
            return; /* dead: what follows will find that out, too */
    }
}

static void ws_send(struct srv_link *link, const char *payload, size_t len)
{
    struct srv_conn *c = srv_conn_of(link);
    struct srv_outq q = {0};
    if (srv_outq_add(&q, &c->server->engine.pool, payload, len, false))
        ws_flush(link, &q);
    srv_outq_clear(&q, &c->server->engine.pool);
}

/* The close frame is ours: from a writable callback libwebsockets 4.1 hangs up without sending the one it was given.
 * A peer that does not answer it is cut off. */
static void ws_close(struct srv_link *link, unsigned ws_status)
{
    struct srv_conn *c = srv_conn_of(link);
    unsigned char *out = c->server->scratch + LWS_PRE;
    const char *why = link->farewell ? link->farewell : "";
    size_t why_len = strnlen(why, WS_REASON_MAX);
    const unsigned char frame[4] = {0x88, (unsigned char)(2 + why_len), (unsigned char)(ws_status >> 8),
                                    (unsigned char)ws_status};
    memcpy(out, frame, sizeof frame);
    memcpy(out + sizeof frame, why, why_len);
    size_t len = sizeof frame + why_len;
    if (ws_status == SRV_WS_NO_STATUS) {
        out[1] = 0;
        len = 2;
    }
    bool sent = write_raw(c, out, len);
    c->status = (uint16_t)ws_status;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_CLOSE_ACK, sent ? SRV_CLOSE_TIMEOUT_S : LWS_TO_KILL_ASYNC);
    srv_server_poke(c->server);
}

static const struct srv_link_ops ws_ops = {.flush = ws_flush, .finish = ws_finish, .send = ws_send, .close = ws_close};

static int established(struct srv_server *server, struct lws *wsi, struct srv_conn *c)
{
    struct srv_request request;
    srv_request_read(server, wsi, &request);
    memset(c, 0, sizeof *c);
    c->server = server;
    c->wsi = wsi;
    c->role = SRV_CONN_WEBSOCKET;
    c->link.ops = &ws_ops;
    aivo_buf_init(&c->in);
    server->connections++;
    uint64_t now_ms = srv_server_now(server);
    struct srv_session *s;
    if (request.query.transport != SRV_QUERY_TRANSPORT_WEBSOCKET) {
        ws_close(&c->link, SRV_WS_NO_STATUS);
        return 0;
    }
    if (!request.query.has_sid) {
        s = srv_session_open(&server->engine, srv_request_hooks(&request), &c->link, now_ms);
        if (s)
            srv_peer_session_opened(server, wsi, s);
        return s ? 0 : -1;
    }
    s = srv_session_find(&server->engine, request.query.sid);
    if (!s || !srv_session_probe(&server->engine, s, &c->link, now_ms))
        ws_close(&c->link, SRV_WS_NORMAL);
    return 0;
}

static int hang_up(struct srv_conn *c, struct lws *wsi, enum srv_error_type error, unsigned status)
{
    if (error == SRV_ERROR_PAYLOAD_TOO_LARGE)
        srv_peer_fault(c->server, wsi, SRV_AUDIT_TOO_LARGE, error, "WebSocket");
    else
        srv_metrics_error(&c->server->metrics, error);
    srv_link_lost(&c->server->engine, &c->link, SRV_REASON_TRANSPORT_ERROR);
    lws_close_reason(wsi, (enum lws_close_status)status, NULL, 0);
    return -1;
}

static int received(struct srv_conn *c, struct lws *wsi, const char *data, size_t len)
{
    struct srv_server *server = c->server;
    if (!c->link.session)
        return 0; /* closing: what still comes is nobody's */
    size_t rest = lws_remaining_packet_payload(wsi);
    if (c->in.len + len + rest > server->config->max_payload_bytes)
        return hang_up(c, wsi, SRV_ERROR_PAYLOAD_TOO_LARGE, SRV_WS_TOO_BIG);
    bool final = lws_is_final_fragment(wsi), binary = lws_frame_is_binary(wsi);
    if (final && !c->in.len) {
        srv_link_received(&server->engine, &c->link, data, len, binary, srv_server_now(server));
        return 0;
    }
    aivo_buf_add(&c->in, data, len);
    if (c->in.failed)
        return hang_up(c, wsi, SRV_ERROR_SOCKET_ERROR, SRV_WS_TOO_BIG);
    if (final) {
        srv_link_received(&server->engine, &c->link, c->in.data, c->in.len, binary, srv_server_now(server));
        aivo_buf_free(&c->in);
    }
    return 0;
}

/* libwebsockets itself closes for broken frames, and leaves the code it sent in the close payload. */
static bool closed_for_error(struct lws *wsi)
{
    if (lws_get_close_length(wsi) < 2)
        return false;
    const unsigned char *p = lws_get_close_payload(wsi);
    unsigned code = (unsigned)p[0] << 8 | p[1];
    return code == LWS_CLOSE_STATUS_PROTOCOL_ERR || code == LWS_CLOSE_STATUS_INVALID_PAYLOAD;
}

static void closed(struct srv_conn *c, struct lws *wsi)
{
    if (!c->server)
        return;
    bool error = c->link.session && !c->peer_closed && closed_for_error(wsi);
    if (error)
        srv_peer_fault(c->server, wsi, SRV_AUDIT_BAD_PACKET, SRV_ERROR_BAD_PACKET, "WebSocket frame");
    srv_link_lost(&c->server->engine, &c->link, error ? SRV_REASON_TRANSPORT_ERROR : SRV_REASON_TRANSPORT_CLOSE);
    aivo_buf_free(&c->in);
    c->server->connections--;
    c->server = NULL;
}

int srv_ws_callback(struct srv_server *server, struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct srv_conn *c = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return established(server, wsi, c);
    case LWS_CALLBACK_RECEIVE:
        return received(c, wsi, in ? in : "", len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        srv_link_writable(&server->engine, &c->link);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        c->peer_closed = true;
        srv_link_lost(&server->engine, &c->link, SRV_REASON_TRANSPORT_CLOSE);
        return c->status ? -1 : 0; /* the answer to our close frame needs no answer */
    case LWS_CALLBACK_CLOSED:
        closed(c, wsi);
        return 0;
    default:
        return 0;
    }
}
