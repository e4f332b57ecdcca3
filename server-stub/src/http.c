/* HTTP: routes, Engine.IO's polling requests, refusals. */
#include "certificate.h"
#include "clock.h"
#include "cluster.h"
#include "conn.h"
#include "hold.h"
#include "outside.h"
#include "request.h"
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON "application/json"
#define TYPE_HTML "text/html"
#define TYPE_TEXT "text/plain; charset=UTF-8"

/* A refused body is read and dropped up to this, so that the client sees the answer and not a reset. */
#define DISCARD_BYTES     (64u * 1024 * 1024)
#define DISCARD_TIMEOUT_S 5
#define ANSWER_TIMEOUT_S  20

static const char *status_text(unsigned status)
{
    switch (status) {
    case 200:
        return "200 OK";
    case 204:
        return "204 No Content";
    case 400:
        return "400 Bad Request";
    case 403:
        return "403 Forbidden";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 411:
        return "411 Length Required";
    case 413:
        return "413 Payload Too Large";
    case 429:
        return "429 Too Many Requests";
    case 503:
        return "503 Service Unavailable";
    default:
        return "500 Internal Server Error";
    }
}

/* Appends "Name: value" lines that let (or do not let) a web page read the answer. */
static void add_cors(struct srv_server *server, const struct srv_request *request, struct aivo_buf *out)
{
    struct srv_header headers[SRV_CORS_MAX_HEADERS];
    size_t n = srv_cors_headers(server->cors, request->origin, request->origin_len, request->method == SRV_OPTIONS,
                                request->asked_headers, request->asked_headers_len, headers);
    for (size_t i = 0; i < n; i++) {
        aivo_buf_str(out, headers[i].name);
        aivo_buf_char(out, ' ');
        aivo_buf_add(out, headers[i].value, headers[i].value_len);
        aivo_buf_str(out, "\r\n");
    }
}

/* Clients compare their clocks with it: tokens are judged by time. Without strftime(), whose names are the locale's. */
static void add_date(struct aivo_buf *out)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(srv_unix_ms() / 1000u);
    struct tm t;
    char text[64];
    if (gmtime_r(&now, &t) == NULL)
        return;
    lws_snprintf(text, sizeof text, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday,
                 t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    aivo_buf_str(out, text);
}

/* With an answer's status and its body, which is ours. Not the path: a query may hold a secret. */
static void debug_refusal(struct srv_server *server, struct lws *wsi, unsigned status, const char *body, size_t len)
{
    if (!srv_log_enabled(&server->log, SRV_LOG_DEBUG))
        return;
    struct srv_address client;
    char address[SRV_ADDRESS_TEXT], reason[160];
    srv_peer_client(server, wsi, &client);
    srv_address_format(&client, address);
    lws_snprintf(reason, sizeof reason, "%s%s%.*s", status_text(status), len ? " " : "", len < 128 ? (int)len : 128,
                 len ? body : "");
    const struct srv_log_field fields[] = {SRV_LOG_FIELD("address", address), SRV_LOG_FIELD("reason", reason)};
    srv_log_fields(&server->log, SRV_LOG_DEBUG, "request refused", fields, sizeof fields / sizeof *fields);
}

/* Builds the whole answer: one write, whatever libwebsockets thinks of headers. */
static void build(struct srv_server *server, struct lws *wsi, const struct srv_request *request, unsigned status,
                  const char *type, const char *body, size_t len, bool keep_alive)
{
    if (status >= 400)
        debug_refusal(server, wsi, status, body, len);
    struct aivo_buf *out = &server->response;
    aivo_buf_clear(out);
    aivo_buf_str(out, "HTTP/1.1 ");
    aivo_buf_str(out, status_text(status));
    aivo_buf_str(out, "\r\n");
    add_date(out);
    if (type) {
        aivo_buf_str(out, "Content-Type: ");
        aivo_buf_str(out, type);
        aivo_buf_str(out, "\r\n");
    }
    if (status != 204) {
        aivo_buf_str(out, "Content-Length: ");
        aivo_buf_u64(out, len);
        aivo_buf_str(out, "\r\n");
    }
    if (status == 429)
        aivo_buf_str(out, "Retry-After: 10\r\n");
    else if (status == 503)
        aivo_buf_str(out, "Retry-After: 1\r\n");
    aivo_buf_str(out, "Cache-Control: no-store\r\n");
    add_cors(server, request, out);
    aivo_buf_str(out, keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
    if (len && request->method != SRV_HEAD)
        aivo_buf_add(out, body, len);
}

/* Writes what build() made. What the socket does not take libwebsockets keeps: one answer at most. */
static int write_response(struct srv_server *server, struct lws *wsi)
{
    struct aivo_buf *out = &server->response;
    if (out->failed || lws_write(wsi, (unsigned char *)out->data, out->len, LWS_WRITE_HTTP) < (int)out->len)
        return -1;
    if (out->cap > SRV_WRITE_BYTES)
        aivo_buf_free(out);
    return 0;
}

static int respond(struct srv_server *server, struct lws *wsi, const struct srv_request *request, unsigned status,
                   const char *type, const char *body, size_t len)
{
    bool keep_alive = request->keep_alive;
    build(server, wsi, request, status, type, body, len, keep_alive);
    if (write_response(server, wsi))
        return -1;
    return lws_http_transaction_completed(wsi) || !keep_alive ? -1 : 0;
}

static size_t refusal_body(char *out, size_t size, enum srv_eio_refusal refusal)
{
    return (size_t)lws_snprintf(out, size, "{\"code\":%d,\"message\":\"%s\"}", (int)refusal, srv_eio_message(refusal));
}

static int refuse(struct srv_server *server, struct lws *wsi, const struct srv_request *request,
                  enum srv_eio_refusal refusal)
{
    char body[128];
    size_t len = refusal_body(body, sizeof body, refusal);
    if (refusal == SRV_EIO_FORBIDDEN)
        srv_peer_fault(server, wsi, SRV_AUDIT_ORIGIN_REFUSED, SRV_ERROR_NONE, request->origin);
    return respond(server, wsi, request, refusal == SRV_EIO_FORBIDDEN ? 403 : 400, TYPE_JSON, body, len);
}

/* 0: a session may be opened; else the answer that says why not, in body. */
static unsigned door(struct srv_server *server, struct lws *wsi, const char **body)
{
    if (server->stage != SRV_SERVING) {
        *body = "{\"message\":\"shutting down\"}";
        return 503;
    }
    if (!srv_peer_may_open(server, wsi)) {
        *body = "{\"message\":\"Too many connections\"}";
        return 429;
    }
    if (!srv_gate_has_room(server)) {
        *body = "{\"message\":\"Too many pending handshakes\"}";
        return 503;
    }
    return 0;
}

/* --- polling: GET --- */

static void poll_lost(struct srv_conn *c)
{
    srv_hold_stop(c->hold);
    c->hold = NULL;
    srv_link_lost(&c->server->engine, &c->link, SRV_REASON_TRANSPORT_ERROR);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
    srv_server_poke(c->server);
}

static void poll_answer(struct srv_link *link, const char *payload, size_t len)
{
    struct srv_conn *c = srv_conn_of(link);
    srv_hold_stop(c->hold);
    c->hold = NULL;
    c->status = 200;
    aivo_buf_add(&c->in, payload, len);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, ANSWER_TIMEOUT_S);
    lws_rx_flow_control(c->wsi, 1); /* without it libwebsockets spins on a writable connection and never says so */
    lws_callback_on_writable(c->wsi);
    srv_server_poke(c->server);
}

static const struct srv_link_ops poll_ops = {.answer = poll_answer};

static void conn_begin(struct srv_conn *c, struct srv_server *server, struct lws *wsi, enum srv_conn_role role)
{
    memset(c, 0, sizeof *c);
    c->server = server;
    c->wsi = wsi;
    c->role = (uint8_t)role;
    c->link.ops = &poll_ops;
    aivo_buf_init(&c->in);
}

/* Whatever the request was waiting for: it is over. */
static void conn_end(struct srv_conn *c)
{
    if (c->role == SRV_CONN_NONE || c->role == SRV_CONN_WEBSOCKET)
        return;
    srv_hold_stop(c->hold);
    c->hold = NULL;
    srv_link_lost(&c->server->engine, &c->link, SRV_REASON_TRANSPORT_ERROR);
    aivo_buf_free(&c->in);
    free(c->request);
    c->request = NULL;
    c->role = SRV_CONN_NONE;
}

static bool keep_request(struct srv_conn *c, const struct srv_request *request)
{
    c->request = malloc(sizeof *c->request);
    if (c->request)
        *c->request = *request;
    return c->request != NULL;
}

static int get(struct srv_server *server, struct lws *wsi, struct srv_conn *c, const struct srv_request *request,
               struct srv_session *session)
{
    uint64_t now_ms = srv_server_now(server);
    const char *why;
    unsigned closed = session ? 0 : door(server, wsi, &why);
    if (closed)
        return respond(server, wsi, request, closed, TYPE_JSON, why, strlen(why));
    if (!session) {
        session = srv_session_open(&server->engine, srv_request_hooks(request), NULL, now_ms);
        if (session)
            srv_peer_session_opened(server, wsi, session);
    }
    conn_begin(c, server, wsi, SRV_CONN_POLL);
    if (!session || !keep_request(c, request)) {
        conn_end(c);
        return respond(server, wsi, request, 503, TYPE_JSON, "{\"message\":\"out of memory\"}", 27);
    }
    c->hold = srv_hold_start(c, poll_lost);
    if (!c->hold)
        return -1;
    if (srv_session_poll(&server->engine, session, &c->link, now_ms))
        return 0;
    conn_end(c);
    lws_rx_flow_control(wsi, 1);
    return respond(server, wsi, request, 400, NULL, NULL, 0);
}

/* --- polling: POST --- */

/* Answers a POST at once whose body is not wanted, and drops the body for a while so that the answer arrives. */
static int refuse_body(struct srv_server *server, struct lws *wsi, struct srv_conn *c,
                       const struct srv_request *request, unsigned status)
{
    if (status == 413)
        srv_peer_fault(server, wsi, SRV_AUDIT_TOO_LARGE, SRV_ERROR_PAYLOAD_TOO_LARGE, "POST");
    conn_begin(c, server, wsi, SRV_CONN_DISCARD);
    build(server, wsi, request, status, NULL, NULL, 0, false);
    if (write_response(server, wsi) || (!request->chunked && request->length > DISCARD_BYTES))
        return -1;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, DISCARD_TIMEOUT_S);
    srv_server_poke(server);
    return 0;
}

static int post(struct srv_server *server, struct lws *wsi, struct srv_conn *c, const struct srv_request *request,
                struct srv_session *session)
{
    if (request->octets) {
        srv_metrics_error(&server->metrics, SRV_ERROR_BAD_PACKET);
        srv_session_fail(&server->engine, session, SRV_REASON_TRANSPORT_ERROR);
        return refuse_body(server, wsi, c, request, 400);
    }
    conn_begin(c, server, wsi, SRV_CONN_POST);
    if (!srv_session_post_begin(&server->engine, session, &c->link))
        return refuse_body(server, wsi, c, request, 400);
    return keep_request(c, request) ? 0 : -1;
}

static int body(struct srv_conn *c, const char *data, size_t len)
{
    if (c->role != SRV_CONN_POST || c->status)
        return 0;
    aivo_buf_add(&c->in, data, len);
    return c->in.failed || c->in.len > c->server->config->max_payload_bytes ? -1 : 0;
}

static int body_complete(struct srv_server *server, struct lws *wsi, struct srv_conn *c)
{
    if (c->role != SRV_CONN_POST)
        return -1;
    bool ok = !c->status && srv_session_post(&server->engine, &c->link, c->in.data ? c->in.data : "", c->in.len,
                                             srv_server_now(server));
    struct srv_request *request = c->request;
    c->request = NULL;
    conn_end(c);
    int result =
        ok ? respond(server, wsi, request, 200, TYPE_HTML, "ok", 2) : respond(server, wsi, request, 400, NULL, NULL, 0);
    free(request);
    return result;
}

/* --- routes --- */

static int engineio(struct srv_server *server, struct lws *wsi, struct srv_conn *c, const struct srv_request *request)
{
    if (request->method == SRV_POST && request->chunked)
        return refuse_body(server, wsi, c, request, 411);
    struct srv_session *session;
    enum srv_eio_refusal refusal = srv_request_verify(server, request, false, &session);
    if (refusal != SRV_EIO_OK)
        return refuse(server, wsi, request, refusal);
    if (request->method == SRV_GET)
        return get(server, wsi, c, request, session);
    if (request->method != SRV_POST)
        return respond(server, wsi, request, 500, NULL, NULL, 0);
    if (!request->has_length)
        return refuse_body(server, wsi, c, request, 411);
    if (request->length > server->config->max_payload_bytes)
        return refuse_body(server, wsi, c, request, 413);
    return post(server, wsi, c, request, session);
}

static int metrics(struct srv_server *server, struct lws *wsi, const struct srv_request *request, bool text)
{
    struct aivo_buf body_text;
    aivo_buf_init(&body_text);
    struct srv_process process;
    srv_process_read(&process);
    if (server->hub.outside) {
        size_t in_flight, waiting;
        srv_outside_counts(server->hub.outside, &in_flight, &waiting);
        server->metrics.agent = (struct srv_metrics_agent){true, in_flight, waiting};
    }
    if (text) {
        srv_metrics_text(&server->metrics, &body_text);
        srv_process_text(&process, &server->lag, &body_text);
    } else {
        srv_metrics_json(&server->metrics, srv_mono_us() / 1000 - server->started_ms, srv_unix_ms(), &body_text);
        if (!body_text.failed)
            body_text.len--; /* its last brace: there is more */
        aivo_buf_char(&body_text, ',');
        srv_process_json(&process, &server->lag, &body_text);
        aivo_buf_char(&body_text, '}');
    }
    int result = body_text.failed
                     ? -1
                     : respond(server, wsi, request, 200, text ? SRV_METRICS_TEXT_TYPE : SRV_METRICS_JSON_TYPE,
                               body_text.data, body_text.len);
    aivo_buf_free(&body_text);
    return result;
}

static int route(struct srv_server *server, struct lws *wsi, struct srv_conn *c)
{
    struct srv_request request;
    srv_request_read(server, wsi, &request);
    bool body_follows = request.chunked || request.length;
    if (body_follows && request.method == SRV_GET)
        request.keep_alive = false; /* a held poll reads nothing: closed behind the answer */
    else if (body_follows)
        srv_peer_awaits_body(server, wsi);
    if (request.route == SRV_ROUTE_NONE)
        return respond(server, wsi, &request, 404, TYPE_JSON, "{\"message\":\"Not found\"}", 23);
    if (request.method == SRV_OPTIONS)
        return respond(server, wsi, &request, 204, NULL, NULL, 0);
    if (request.route == SRV_ROUTE_SOCKETIO || request.route == SRV_ROUTE_ECHO)
        return engineio(server, wsi, c, &request);
    if (request.method != SRV_GET && request.method != SRV_HEAD)
        return respond(server, wsi, &request, 405, TYPE_JSON, "{\"message\":\"Method not allowed\"}", 32);
    switch (request.route) {
    case SRV_ROUTE_METRICS_TEXT:
        return metrics(server, wsi, &request, true);
    case SRV_ROUTE_METRICS_JSON:
        return metrics(server, wsi, &request, false);
    case SRV_ROUTE_READY:
        if (server->stage != SRV_SERVING)
            return respond(server, wsi, &request, 503, TYPE_TEXT, "draining\n", 9);
        /* Without Redis it serves its own clients: no reason to send them elsewhere, where Redis is away as well. */
        if (srv_cluster_wanted(server->hub.cluster) && !srv_cluster_connected(server->hub.cluster))
            return respond(server, wsi, &request, 200, TYPE_TEXT, "ready\nredis: away\n", 18);
        return respond(server, wsi, &request, 200, TYPE_TEXT, "ready\n", 6);
    default:
        return respond(server, wsi, &request, 200, TYPE_TEXT, "ok\n", 3);
    }
}

/* A WebSocket upgrade: 0 goes on with it, else the refusal was written. */
static int confirm_upgrade(struct srv_server *server, struct lws *wsi)
{
    struct srv_request request;
    srv_request_read(server, wsi, &request);
    request.keep_alive = false;
    if (request.route != SRV_ROUTE_SOCKETIO && request.route != SRV_ROUTE_ECHO)
        return respond(server, wsi, &request, 404, TYPE_JSON, "{\"message\":\"Not found\"}", 23);
    struct srv_session *session;
    enum srv_eio_refusal refusal = srv_request_verify(server, &request, true, &session);
    if (refusal == SRV_EIO_OK && request.query.transport != SRV_QUERY_TRANSPORT_WEBSOCKET)
        return 0; /* as a Node server: upgraded, and closed then */
    if (refusal != SRV_EIO_OK)
        return refuse(server, wsi, &request, refusal);
    const char *why;
    unsigned closed = session ? 0 : door(server, wsi, &why);
    return closed ? respond(server, wsi, &request, closed, TYPE_JSON, why, strlen(why)) : 0;
}

static int writable(struct srv_server *server, struct lws *wsi, struct srv_conn *c)
{
    if (c->role != SRV_CONN_POLL || !c->status || c->answered)
        return 0;
    c->answered = true;
    struct srv_request *request = c->request;
    bool keep_alive = request->keep_alive;
    build(server, wsi, request, c->status, TYPE_TEXT, c->in.data ? c->in.data : "", c->in.len, keep_alive);
    conn_end(c);
    if (write_response(server, wsi))
        return -1;
    return lws_http_transaction_completed(wsi) || !keep_alive ? -1 : 0;
}

int srv_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct srv_server *server = lws_context_user(lws_get_context(wsi));
    struct srv_conn *c = user;
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        srv_tls_created(server, user);
        return 0;
    case LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION:
        /* Our answer counts instead of OpenSSL's, which is len: 0 from here would let anybody in. */
        if (!len)
            srv_peer_fault(server, wsi, SRV_AUDIT_CERTIFICATE_REFUSED, SRV_ERROR_AUTH, NULL);
        return len ? 0 : -1;
    case LWS_CALLBACK_WSI_DESTROY:
        srv_peer_gone(wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        srv_peer_asked(wsi);
        return confirm_upgrade(server, wsi);
    case LWS_CALLBACK_HTTP:
        srv_peer_asked(wsi);
        return route(server, wsi, c);
    case LWS_CALLBACK_HTTP_BODY:
        return c->role == SRV_CONN_NONE ? 0 : body(c, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        srv_peer_told(wsi);
        return body_complete(server, wsi, c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return writable(server, wsi, c);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (c)
            conn_end(c);
        return 0;
    default:
        return srv_ws_callback(server, wsi, reason, user, in, len);
    }
}
