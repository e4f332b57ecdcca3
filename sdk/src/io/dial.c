/* The way to an open connection: name, TCP, proxy, TLS, upgrade. Every stage has its own words for a failure. */
#include "net.h"

#include "clock.h"
#include "engineio.h"
#include "errtext.h"
#include "httphead.h"
#include "proxy.h"
#include "random.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static const char *environment(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    return value && *value ? value : upper ? getenv(upper) : NULL;
}

enum aivo_status aivo_dial_proxy(const struct aivo_transport_request *request, struct aivo_proxy *out,
                                 struct aivo_error *err)
{
    struct aivo_proxy_environment env = {
        .https_proxy = environment("https_proxy", "HTTPS_PROXY"),
        /* In a CGI program HTTP_PROXY is a header of the request that is being served. */
        .http_proxy = environment("http_proxy", getenv("REQUEST_METHOD") ? NULL : "HTTP_PROXY"),
        .no_proxy = environment("no_proxy", "NO_PROXY"),
    };
    return aivo_proxy_choose(request->proxy, &env, request->tls, request->host, request->port, out, err);
}

enum aivo_status aivo_dial_check(const struct aivo_transport_request *request, struct aivo_error *err)
{
    if (!request->host || !*request->host || strlen(request->host) > 254)
        return aivo_error_join(err, AIVO_E_INVALID, 0, "the host is empty or longer than 254 bytes", (char *)NULL);
    if (request->port == 0)
        return aivo_error_join(err, AIVO_E_INVALID, 0, "the port must not be 0", (char *)NULL);
    return aivo_upgrade_check(request->path ? request->path : "", request->subprotocol, request->headers, err);
}

enum aivo_status aivo_dial_prepare(struct aivo_conn *conn, const struct aivo_transport_request *request,
                                   struct aivo_error *err)
{
    struct aivo_proxy proxy;
    enum aivo_status status = aivo_dial_proxy(request, &proxy, err);
    if (status == AIVO_OK && request->tls)
        status = aivo_tls_context_get(&request->tls_options, &conn->tls_context, err);
    if (status != AIVO_OK)
        return status;
    conn->tls_wanted = request->tls;
    snprintf(conn->host, sizeof conn->host, "%s", request->host);
    conn->port = request->port;
    conn->max_unsent = request->max_unsent_bytes;
    conn->reader.max_message = request->max_message_bytes;
    conn->timeout_ms = request->connect_timeout_ms;
    conn->connect_deadline_us =
        request->connect_timeout_ms ? aivo_clock_us() + (int64_t)request->connect_timeout_ms * 1000 : AIVO_NEVER;
    conn->proxy.used = proxy.used;
    conn->proxy.port = proxy.port;
    memcpy(conn->proxy.host, proxy.host, sizeof proxy.host);
    conn->addresses = malloc(sizeof *conn->addresses);
    struct aivo_buf encoded = {0};
    if (*proxy.credentials)
        aivo_base64_encode(&encoded, proxy.credentials, strlen(proxy.credentials));
    conn->proxy.authorization = encoded.data;
    if (!conn->addresses || encoded.failed)
        return aivo_error_join(err, AIVO_E_MEMORY, 0, "out of memory for a connection", (char *)NULL);
    return AIVO_OK;
}

/* "host:port" of whom we dial: the proxy, or the server. */
static const char *target(const struct aivo_conn *conn, char text[300])
{
    struct aivo_buf buf = {0};
    aivo_host_port(&buf, conn->proxy.used ? conn->proxy.host : conn->host,
                   conn->proxy.used ? conn->proxy.port : conn->port);
    snprintf(text, 300, "%s%s", conn->proxy.used ? "the proxy " : "", buf.data ? buf.data : "?");
    aivo_buf_free(&buf);
    return text;
}

/* A failure on the way to the proxy is the proxy's. */
static enum aivo_status via(const struct aivo_conn *conn, enum aivo_status status)
{
    return conn->proxy.used ? AIVO_E_PROXY : status;
}

static void try_address(struct aivo_conn *conn);

static void next_address(struct aivo_conn *conn, int error)
{
    char at[AIVO_ADDRESS_TEXT], whom[300], count[24];
    aivo_conn_drop_socket(conn);
    if (++conn->address < conn->addresses->count) {
        try_address(conn);
        return;
    }
    const char *hint = "";
    if (error == ECONNREFUSED)
        hint = "; nothing listens on that port";
    else if (error == ENETUNREACH || error == EHOSTUNREACH)
        hint = "; is the network up, and a route there?";
    else if (error == ETIMEDOUT)
        hint = "; a firewall may drop the packets";
    bool many = conn->addresses->count > 1;
    aivo_address_text(&conn->addresses->list[conn->addresses->count - 1], at);
    bool known = strstr(target(conn, whom), at) != NULL; /* the host was given as this address */
    aivo_conn_fail(conn, via(conn, AIVO_E_CONNECT), error, "cannot connect to ", whom, known ? "" : " (",
                   many ? "the last of " : "", many ? aivo_decimal(count, conn->addresses->count) : "",
                   many ? " addresses, " : "", known ? "" : at, known ? "" : ")", ": ", strerror(error), hint,
                   (char *)NULL);
}

static void set_options(int fd)
{
    int on = 1, idle_s = 60, interval_s = 15, probes = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The heartbeat finds a dead peer sooner; this is for plain WebSockets that send nothing. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static void on_events(void *user, unsigned events)
{
    struct aivo_conn *conn = user;
    if (conn->stage >= AIVO_STAGE_OPEN)
        aivo_conn_events(conn, events);
    else
        aivo_dial_events(conn, events);
}

/* An address that does not answer must leave time for those after it. */
static int64_t address_deadline(const struct aivo_conn *conn)
{
    if (conn->address + 1 == conn->addresses->count)
        return conn->connect_deadline_us;
    int64_t now_us = aivo_clock_us(), share_us = AIVO_ADDRESS_US;
    if (conn->connect_deadline_us != AIVO_NEVER) {
        int64_t even_us = (conn->connect_deadline_us - now_us) / (conn->addresses->count - conn->address);
        share_us = even_us < share_us ? even_us : share_us;
    }
    return now_us + share_us;
}

static void try_address(struct aivo_conn *conn)
{
    const struct aivo_address *address = &conn->addresses->list[conn->address];
    conn->stage = AIVO_STAGE_TCP;
    int fd = socket(address->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        aivo_conn_fail(conn, AIVO_E_SYSTEM, errno, "no socket can be made: ", strerror(errno), (char *)NULL);
        return;
    }
    if (fd < 0) {
        next_address(conn, errno);
        return;
    }
    set_options(fd);
    int result = connect(fd, &address->at.any, address->len), error = errno;
    conn->watch = aivo_watch_add(conn->net->poller, fd, on_events, conn);
    if (!conn->watch) {
        aivo_conn_fail(conn, AIVO_E_SYSTEM, EMFILE, "the loop takes no further socket", (char *)NULL);
        return;
    }
    if (result < 0 && error != EINPROGRESS && error != EINTR) {
        next_address(conn, error);
        return;
    }
    aivo_watch_write(conn->watch);
    aivo_conn_deadline(conn, address_deadline(conn));
}

static void resolved(struct aivo_lookup *lookup, const struct aivo_addresses *found)
{
    struct aivo_conn *conn = AIVO_CONTAINER(lookup, struct aivo_conn, lookup);
    if (found->count == 0) {
        aivo_conn_fail(conn, via(conn, AIVO_E_RESOLVE), found->error, conn->proxy.used ? "the proxy's" : "the",
                       " host name \"", conn->proxy.used ? conn->proxy.host : conn->host,
                       "\" cannot be resolved: ", found->text, (char *)NULL);
        return;
    }
    *conn->addresses = *found;
    try_address(conn);
}

void aivo_dial_start(struct aivo_conn *conn)
{
    const char *host = conn->proxy.used ? conn->proxy.host : conn->host;
    uint16_t port = conn->proxy.used ? conn->proxy.port : conn->port;
    aivo_conn_deadline(conn, conn->connect_deadline_us);
    if (aivo_address_numeric(host, port, conn->addresses)) {
        try_address(conn);
        return;
    }
    conn->stage = AIVO_STAGE_RESOLVE;
    conn->lookup.done = resolved;
    if (!aivo_resolver_start(conn->net->resolver, host, port, &conn->lookup))
        aivo_conn_fail(conn, AIVO_E_SYSTEM, 0, "no thread can be started to look up a name", (char *)NULL);
}

static void send_upgrade(struct aivo_conn *conn)
{
    unsigned char nonce[16], digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    char with_guid[64];
    struct aivo_buf key = {0}, accept = {0};
    aivo_net_random(conn->net, nonce, sizeof nonce);
    aivo_base64_encode(&key, nonce, sizeof nonce);
    snprintf(with_guid, sizeof with_guid, "%s" KEY_GUID, key.data ? key.data : "");
    bool hashed = EVP_Digest(with_guid, strlen(with_guid), digest, &digest_len, EVP_sha1(), NULL) == 1;
    aivo_base64_encode(&accept, digest, digest_len);
    conn->stage = AIVO_STAGE_UPGRADE;
    aivo_conn_deadline(conn, conn->connect_deadline_us);
    if (hashed && !key.failed && !accept.failed) {
        snprintf(conn->accept, sizeof conn->accept, "%s", accept.data);
        aivo_upgrade_write(&conn->out, &(struct aivo_upgrade_request){.host = conn->host,
                                                                      .port = conn->port,
                                                                      .tls = conn->tls_wanted,
                                                                      .path = conn->path,
                                                                      .key = key.data,
                                                                      .subprotocol = conn->subprotocol,
                                                                      .headers = conn->headers});
    } else {
        conn->out.failed = true;
    }
    aivo_buf_free(&key);
    aivo_buf_free(&accept);
    if (conn->out.failed)
        aivo_conn_fail(conn, AIVO_E_MEMORY, 0, "out of memory for the upgrade request", (char *)NULL);
    else
        aivo_conn_flush(conn);
}

static void shake_hands(struct aivo_conn *conn)
{
    struct aivo_error err;
    int done = aivo_tls_handshake(conn->tls, &err);
    if (done == 1)
        send_upgrade(conn);
    else if (done == AIVO_IO_ERROR)
        aivo_conn_end(conn, &err);
    else if (aivo_tls_wants_write(conn->tls))
        aivo_watch_write(conn->watch);
}

/* The socket reaches the server, directly or through the proxy. */
static void reached(struct aivo_conn *conn)
{
    if (!conn->tls_wanted) {
        send_upgrade(conn);
        return;
    }
    struct aivo_error err;
    conn->stage = AIVO_STAGE_TLS;
    aivo_conn_deadline(conn, conn->connect_deadline_us);
    conn->tls = aivo_tls_create(conn->tls_context, aivo_watch_fd(conn->watch), conn->host, &err);
    if (conn->tls)
        shake_hands(conn);
    else
        aivo_conn_end(conn, &err);
}

static void tcp_events(struct aivo_conn *conn, unsigned events)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(aivo_watch_fd(conn->watch), SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0 && events & AIVO_HANGUP)
        error = ECONNRESET;
    if (error != 0) {
        next_address(conn, error);
        return;
    }
    if (!(events & AIVO_WRITABLE))
        return;
    free(conn->addresses);
    conn->addresses = NULL;
    if (!conn->proxy.used) {
        reached(conn);
        return;
    }
    conn->stage = AIVO_STAGE_PROXY;
    aivo_conn_deadline(conn, conn->connect_deadline_us);
    aivo_connect_write(&conn->out, conn->host, conn->port, conn->proxy.authorization);
    if (conn->out.failed)
        aivo_conn_fail(conn, AIVO_E_MEMORY, 0, "out of memory for the proxy request", (char *)NULL);
    else
        aivo_conn_flush(conn);
}

static void no_answer(struct aivo_conn *conn, ssize_t how, const struct aivo_error *error)
{
    char whom[300];
    if (how == AIVO_IO_ERROR && error->status == AIVO_E_TLS)
        aivo_conn_end(conn, error);
    else if (conn->stage == AIVO_STAGE_PROXY)
        aivo_conn_fail(conn, AIVO_E_PROXY, 0, target(conn, whom), " hung up without answering CONNECT", (char *)NULL);
    else
        aivo_conn_fail(conn, AIVO_E_HTTP, 0, "the server hung up without answering the WebSocket upgrade",
                       (char *)NULL);
}

static void not_http(struct aivo_conn *conn)
{
    char whom[300];
    unsigned char first = (unsigned char)conn->in.data[0];
    if (conn->stage == AIVO_STAGE_PROXY)
        aivo_conn_fail(conn, AIVO_E_PROXY, 0, target(conn, whom), " does not answer as an HTTP proxy", (char *)NULL);
    else
        aivo_conn_fail(conn, AIVO_E_PROTOCOL, 0, "the answer to the WebSocket upgrade is not HTTP",
                       !conn->tls && (first == 0x15 || first == 0x16) ? "; the port speaks TLS: use https:// or wss://"
                                                                      : "; is this the right port?",
                       (char *)NULL);
}

static void proxy_answered(struct aivo_conn *conn, const struct aivo_http_head *head)
{
    char whom[300], number[24], reason[64] = "";
    const char *hint = "";
    memcpy(reason, head->reason, head->reason_len < sizeof reason - 1 ? head->reason_len : sizeof reason - 1);
    if (head->status >= 200 && head->status < 300) {
        if (head->total != conn->in.len) {
            aivo_conn_fail(conn, AIVO_E_PROXY, head->status, target(conn, whom),
                           " sent something before we did; it is no proxy for this", (char *)NULL);
            return;
        }
        aivo_buf_clear(&conn->in);
        reached(conn);
        return;
    }
    if (head->status == 407 || (head->status == 401 && conn->proxy.authorization)) /* tinyproxy: 401 */
        hint = conn->proxy.authorization ? "; its user name or password is wrong"
                                         : "; it wants a user name and password: http://user:password@host:port";
    else if (head->status == 403)
        hint = "; its rules forbid this host or port";
    aivo_conn_fail(conn, AIVO_E_PROXY, head->status, target(conn, whom), " answered ",
                   aivo_decimal(number, head->status), *reason ? " " : "", reason, hint, (char *)NULL);
}

static void server_answered(struct aivo_conn *conn, const struct aivo_http_head *head)
{
    struct aivo_error err;
    if (aivo_upgrade_judge(head, conn->accept, conn->subprotocol, &err) != AIVO_OK) {
        aivo_conn_end(conn, &err);
        return;
    }
    conn->in.len -= head->total;
    memmove(conn->in.data, conn->in.data + head->total, conn->in.len);
    aivo_conn_open(conn);
}

/* false: more has to come. */
static bool judge_head(struct aivo_conn *conn)
{
    struct aivo_http_head head;
    for (;;) {
        switch (aivo_http_parse(conn->in.data, conn->in.len, &head)) {
        case AIVO_HTTP_MORE:
            return false;
        case AIVO_HTTP_INVALID:
            not_http(conn);
            return true;
        case AIVO_HTTP_HEAD:
            break;
        }
        if (head.status >= 200 || head.status == 101)
            break;
        conn->in.len -= head.total; /* an interim answer: the final one follows */
        memmove(conn->in.data, conn->in.data + head.total, conn->in.len);
        if (conn->in.len == 0)
            return false;
    }
    if (conn->stage == AIVO_STAGE_PROXY)
        proxy_answered(conn, &head);
    else
        server_answered(conn, &head);
    return true;
}

static void read_head(struct aivo_conn *conn)
{
    struct aivo_error err;
    for (;;) {
        ssize_t n = aivo_conn_read(conn, conn->net->scratch, AIVO_HTTP_HEAD_MAX, &err);
        if (n == AIVO_IO_AGAIN)
            return;
        if (n < 0) {
            no_answer(conn, n, &err);
            return;
        }
        aivo_buf_add(&conn->in, conn->net->scratch, (size_t)n);
        if (conn->in.failed) {
            aivo_conn_fail(conn, AIVO_E_MEMORY, 0, "out of memory for an answer", (char *)NULL);
            return;
        }
        if (judge_head(conn))
            return;
    }
}

void aivo_dial_events(struct aivo_conn *conn, unsigned events)
{
    if (events & AIVO_HANGUP)
        conn->hangup = true;
    switch (conn->stage) {
    case AIVO_STAGE_TCP:
        tcp_events(conn, events);
        break;
    case AIVO_STAGE_TLS:
        shake_hands(conn);
        break;
    case AIVO_STAGE_PROXY:
    case AIVO_STAGE_UPGRADE:
        if (events & AIVO_WRITABLE) {
            conn->write_asked = false;
            aivo_conn_flush(conn);
        }
        if (events & (AIVO_READABLE | AIVO_HANGUP))
            read_head(conn);
        break;
    default:
        break;
    }
}

void aivo_dial_timeout(struct aivo_conn *conn)
{
    char whom[300], limit[24];
    if (conn->stage == AIVO_STAGE_TCP && aivo_clock_us() < conn->connect_deadline_us) {
        next_address(conn, ETIMEDOUT);
        return;
    }
    if (conn->cut) {
        no_answer(conn, AIVO_IO_END, NULL);
        return;
    }
    const char *what = "looking up the name of ", *hint = "";
    switch (conn->stage) {
    case AIVO_STAGE_TCP:
        what = "connecting to ";
        hint = ": no answer, a firewall may drop the packets";
        break;
    case AIVO_STAGE_PROXY:
        what = "waiting for the answer to CONNECT of ";
        break;
    case AIVO_STAGE_TLS:
        what = "in the TLS handshake with ";
        break;
    case AIVO_STAGE_UPGRADE:
        what = "waiting for the answer to the WebSocket upgrade of ";
        break;
    default:
        break;
    }
    if (conn->stage > AIVO_STAGE_PROXY)
        conn->proxy.used = false; /* the server is meant */
    aivo_conn_fail(conn, AIVO_E_TIMEOUT, conn->stage == AIVO_STAGE_TCP ? ETIMEDOUT : 0, "timed out after ",
                   aivo_decimal(limit, conn->timeout_ms), " ms ", what, target(conn, whom), hint, (char *)NULL);
}
