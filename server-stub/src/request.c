#include "request.h"
#include "server.h"
#include <string.h>

static enum srv_method method_of(struct lws *wsi, char **uri, int *uri_len)
{
    /* libwebsockets' own order */
    static const enum srv_method methods[] = {SRV_GET,          SRV_POST,         SRV_OPTIONS,      SRV_METHOD_OTHER,
                                              SRV_METHOD_OTHER, SRV_METHOD_OTHER, SRV_METHOD_OTHER, SRV_HEAD};
    int n = lws_http_get_uri_and_method(wsi, uri, uri_len);
    return n >= 0 && (size_t)n < sizeof methods / sizeof *methods ? methods[n] : SRV_METHOD_OTHER;
}

static bool begins(const char *uri, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);
    return len >= n && memcmp(uri, prefix, n) == 0;
}

static bool is(const char *uri, size_t len, const char *path)
{
    return len == strlen(path) && memcmp(uri, path, len) == 0;
}

static enum srv_route route_of(const struct srv_server *server, const char *uri, size_t len)
{
    if (begins(uri, len, "/socket.io/"))
        return SRV_ROUTE_SOCKETIO;
    if (server->config->conformance && begins(uri, len, "/engine.io/"))
        return SRV_ROUTE_ECHO;
    if (is(uri, len, "/metrics/prometheus"))
        return SRV_ROUTE_METRICS_TEXT;
    if (is(uri, len, "/metrics"))
        return SRV_ROUTE_METRICS_JSON;
    if (is(uri, len, "/healthz"))
        return SRV_ROUTE_HEALTH;
    if (is(uri, len, "/readyz"))
        return SRV_ROUTE_READY;
    return SRV_ROUTE_NONE;
}

/* Copies a header; returns its length, 0 if it is not there, -1 if it is too long. */
static int header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    out[0] = '\0';
    if (!lws_hdr_total_length(wsi, token))
        return 0;
    int n = lws_hdr_copy(wsi, out, (int)size, token);
    if (n < 0)
        out[0] = '\0';
    return n;
}

static void read_query(struct lws *wsi, struct srv_request *out)
{
    /* libwebsockets has cut the query at each '&' and decoded the pieces. */
    char pair[SRV_QUERY_MAX_BYTES + 1];
    for (int i = 0; !out->query_too_long; i++) {
        int n = lws_hdr_copy_fragment(wsi, pair, sizeof pair, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0)
            return;
        out->query_too_long = !srv_query_add_decoded(&out->query, pair, (size_t)n);
    }
}

static void read_body_headers(struct lws *wsi, struct srv_request *out)
{
    char value[64];
    int n = header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, value, sizeof value);
    out->has_length = n > 0;
    for (int i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9' || out->length > UINT64_MAX / 10 - 10) {
            out->length = UINT64_MAX; /* no number, or more than anybody takes */
            break;
        }
        out->length = out->length * 10 + (uint64_t)(value[i] - '0');
    }
    n = header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, value, sizeof value);
    out->octets = n > 0 && strcmp(value, "application/octet-stream") == 0;
    out->chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
}

static void read_connection(struct lws *wsi, struct srv_request *out)
{
    char value[32];
    int n = header(wsi, WSI_TOKEN_HTTP, value, sizeof value);
    out->keep_alive = n > 7 && strncmp(value, "HTTP/1.1", 8) == 0;
    n = header(wsi, WSI_TOKEN_CONNECTION, value, sizeof value);
    if (n > 0 && strcasecmp(value, "close") == 0)
        out->keep_alive = false;
    if (n > 0 && strcasecmp(value, "keep-alive") == 0)
        out->keep_alive = true;
}

void srv_request_read(const struct srv_server *server, struct lws *wsi, struct srv_request *out)
{
    memset(out, 0, sizeof *out);
    char *uri = NULL;
    int uri_len = 0;
    out->method = method_of(wsi, &uri, &uri_len);
    out->route = uri ? route_of(server, uri, (size_t)uri_len) : SRV_ROUTE_NONE;
    read_query(wsi, out);
    int n = header(wsi, WSI_TOKEN_ORIGIN, out->origin, sizeof out->origin);
    if (n < 0) {
        memcpy(out->origin, "?", 2);
        n = 1;
    }
    out->origin_len = (size_t)n;
    n = header(wsi, WSI_TOKEN_HTTP_AC_REQUEST_HEADERS, out->asked_headers, sizeof out->asked_headers);
    out->asked_headers_len = n > 0 ? (size_t)n : 0;
    read_body_headers(wsi, out);
    read_connection(wsi, out);
}

const struct srv_session_hooks *srv_request_hooks(const struct srv_request *request)
{
    return request->route == SRV_ROUTE_ECHO ? &srv_echo_hooks : &srv_hub_hooks;
}

const char *srv_eio_message(enum srv_eio_refusal refusal)
{
    static const char *const messages[] = {"Transport unknown", "Session ID unknown", "Bad handshake method",
                                           "Bad request",       "Forbidden",          "Unsupported protocol version"};
    return messages[refusal];
}

enum srv_eio_refusal srv_request_verify(struct srv_server *server, const struct srv_request *request, bool upgrade,
                                        struct srv_session **session)
{
    const struct srv_query *q = &request->query;
    *session = NULL;
    if (request->query_too_long)
        return SRV_EIO_BAD_REQUEST;
    if (q->transport != SRV_QUERY_TRANSPORT_POLLING && q->transport != SRV_QUERY_TRANSPORT_WEBSOCKET)
        return SRV_EIO_UNKNOWN_TRANSPORT;
    if (srv_cors_check(server->cors, request->origin, request->origin_len) == SRV_CORS_REFUSED)
        return SRV_EIO_FORBIDDEN;
    if (q->has_sid) {
        struct srv_session *s = srv_session_find(&server->engine, q->sid);
        if (!s || s->hooks != srv_request_hooks(request))
            return SRV_EIO_UNKNOWN_SID;
        if (!upgrade && (q->transport == SRV_QUERY_TRANSPORT_POLLING) != srv_session_is_polling(s))
            return SRV_EIO_BAD_REQUEST;
        *session = s;
        return SRV_EIO_OK;
    }
    if (request->method != SRV_GET)
        return SRV_EIO_BAD_HANDSHAKE_METHOD;
    if (q->transport == SRV_QUERY_TRANSPORT_WEBSOCKET && !upgrade)
        return SRV_EIO_BAD_REQUEST;
    return q->eio == 4 ? SRV_EIO_OK : SRV_EIO_UNSUPPORTED_VERSION;
}
