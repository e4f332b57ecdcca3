#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_MS 20000

struct worker {
    struct worker *next;
    pthread_t thread;
    struct peer_conn conn;
    bool closed;
};

struct peer {
    int listener;
    int stop_pipe[2];
    uint16_t port;
    peer_script script;
    void *user;
    pthread_t acceptor;
    pthread_mutex_t lock;
    struct worker *workers;
    unsigned accepted;
    bool joined;
};

bool peer_stopping(struct peer_conn *c)
{
    struct pollfd p = {.fd = c->peer->stop_pipe[0], .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

/* Waits for the connection; false: time is up, or the peer is being stopped. */
static bool await(struct peer_conn *c, short events)
{
    struct pollfd p[2] = {{.fd = c->fd, .events = events}, {.fd = c->peer->stop_pipe[0], .events = POLLIN}};
    return poll(p, 2, LIMIT_MS) > 0 && p[1].revents == 0;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    w->conn.peer->script(&w->conn, w->conn.peer->user);
    if (w->conn.ssl) {
        SSL_shutdown(w->conn.ssl);
        SSL_free(w->conn.ssl);
    }
    if (w->conn.fd >= 0)
        close(w->conn.fd);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct peer *peer = argument;
    struct pollfd p[2] = {{.fd = peer->listener, .events = POLLIN}, {.fd = peer->stop_pipe[0], .events = POLLIN}};
    while (poll(p, 2, -1) >= 0 && p[1].revents == 0) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EINVAL)
            break; /* peer_finish() */
        if (fd < 0)
            continue;
        struct worker *w = calloc(1, sizeof *w);
        if (!w)
            abort();
        w->conn.peer = peer;
        w->conn.fd = fd;
        pthread_mutex_lock(&peer->lock);
        w->next = peer->workers;
        peer->workers = w;
        peer->accepted++;
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            abort();
        pthread_mutex_unlock(&peer->lock);
    }
    return NULL;
}

struct peer *peer_start_at(const char *ip, peer_script script, void *user)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at = {0};
    socklen_t len;
    if (strchr(ip, ':')) {
        at.in6.sin6_family = AF_INET6;
        inet_pton(AF_INET6, ip, &at.in6.sin6_addr);
        len = sizeof at.in6;
    } else {
        at.in.sin_family = AF_INET;
        inet_pton(AF_INET, ip, &at.in.sin_addr);
        len = sizeof at.in;
    }
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        abort();
    peer->script = script;
    peer->user = user;
    peer->listener = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->listener < 0 || bind(peer->listener, &at.any, len) != 0 || listen(peer->listener, 512) != 0) {
        if (peer->listener >= 0)
            close(peer->listener);
        free(peer);
        return NULL;
    }
    getsockname(peer->listener, &at.any, &len);
    peer->port = ntohs(at.any.sa_family == AF_INET ? at.in.sin_port : at.in6.sin6_port);
    pthread_mutex_init(&peer->lock, NULL);
    if (pipe(peer->stop_pipe) != 0 || pthread_create(&peer->acceptor, NULL, accept_all, peer) != 0)
        abort();
    return peer;
}

struct peer *peer_start(peer_script script, void *user)
{
    struct peer *peer = peer_start_at("127.0.0.1", script, user);
    if (!peer)
        abort();
    return peer;
}

uint16_t peer_port(const struct peer *peer)
{
    return peer->port;
}

unsigned peer_accepted(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    unsigned n = peer->accepted;
    pthread_mutex_unlock(&peer->lock);
    return n;
}

static void join_all(struct peer *peer)
{
    if (!peer->joined)
        pthread_join(peer->acceptor, NULL);
    peer->joined = true;
    while (peer->workers) {
        struct worker *w = peer->workers;
        peer->workers = w->next;
        pthread_join(w->thread, NULL);
        free(w);
    }
}

void peer_finish(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR); /* ends accept_all() */
    join_all(peer);
}

void peer_stop(struct peer *peer)
{
    if (!peer)
        return;
    close(peer->stop_pipe[1]); /* its other end is readable from now on */
    join_all(peer);
    close(peer->stop_pipe[0]);
    close(peer->listener);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
}

ssize_t peer_read(struct peer_conn *c, void *data, size_t len)
{
    if (c->begun > 0) {
        size_t n = c->begun < len ? c->begun : len;
        memcpy(data, c->ahead, n);
        c->begun -= n;
        memmove(c->ahead, c->ahead + n, c->begun);
        return (ssize_t)n;
    }
    if (!(c->ssl && SSL_has_pending(c->ssl)) && !await(c, POLLIN))
        return -1;
    return c->ssl ? SSL_read(c->ssl, data, len > 65536 ? 65536 : (int)len) : recv(c->fd, data, len, 0);
}

bool peer_read_all(struct peer_conn *c, void *data, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = peer_read(c, (char *)data + got, len - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

bool peer_write(struct peer_conn *c, const void *data, size_t len)
{
    for (size_t put = 0; put < len;) {
        if (!await(c, POLLOUT))
            return false;
        size_t part = len - put > 65536 ? 65536 : len - put;
        ssize_t n = c->ssl ? SSL_write(c->ssl, (const char *)data + put, (int)part)
                           : send(c->fd, (const char *)data + put, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && !c->ssl && errno == EAGAIN)
            continue;
        if (n <= 0)
            return false;
        put += (size_t)n;
    }
    return true;
}

bool peer_text(struct peer_conn *c, const char *text)
{
    return peer_write(c, text, strlen(text));
}

bool peer_head(struct peer_conn *c)
{
    size_t len = 0;
    char *end;
    c->head[0] = 0;
    while (!(end = strstr(c->head, "\r\n\r\n"))) {
        if (len + 1 >= sizeof c->head)
            return false;
        ssize_t n = peer_read(c, c->head + len, sizeof c->head - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        c->head[len] = 0;
    }
    end += 4;
    c->begun = len - (size_t)(end - c->head);
    memcpy(c->ahead, end, c->begun);
    *end = 0;
    return true;
}

bool peer_upgrade_with(struct peer_conn *c, const char *more_headers)
{
    if (!peer_head(c))
        return false;
    const char *key = strstr(c->head, "Sec-WebSocket-Key: ");
    if (!key)
        return false;
    key += 19;
    char text[128], answer[1024];
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    unsigned digest_len;
    snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r\n"), key);
    EVP_Digest(text, strlen(text), digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, (int)digest_len);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n%s\r\n",
             (const char *)accept, more_headers);
    return peer_text(c, answer);
}

bool peer_upgrade(struct peer_conn *c)
{
    return peer_upgrade_with(c, "");
}

void peer_frame_free(struct peer_frame *frame)
{
    free(frame->data);
    frame->data = NULL;
}

bool peer_recv(struct peer_conn *c, struct peer_frame *frame)
{
    unsigned char h[10], mask[4] = {0};
    peer_frame_free(frame);
    if (!peer_read_all(c, h, 2))
        return false;
    frame->opcode = h[0] & 15;
    frame->fin = h[0] & 128;
    frame->masked = h[1] & 128;
    uint64_t len = h[1] & 127;
    if (len >= 126) {
        size_t n = len == 126 ? 2 : 8;
        if (!peer_read_all(c, h, n))
            return false;
        len = 0;
        for (size_t i = 0; i < n; i++)
            len = len << 8 | h[i];
    }
    if (len > (64u << 20) || (frame->masked && !peer_read_all(c, mask, 4)))
        return false;
    frame->data = malloc((size_t)len + 1);
    if (!frame->data || !peer_read_all(c, frame->data, (size_t)len))
        return false;
    for (size_t i = 0; i < len; i++)
        frame->data[i] = (char)(frame->data[i] ^ mask[i & 3]);
    frame->data[len] = 0;
    frame->len = (size_t)len;
    return true;
}

bool peer_send(struct peer_conn *c, unsigned opcode, bool fin, const void *data, size_t len)
{
    unsigned char h[10] = {(unsigned char)((fin ? 128 : 0) | opcode)};
    size_t n = 2;
    if (len < 126) {
        h[1] = (unsigned char)len;
    } else if (len < 65536) {
        h[1] = 126;
        h[n++] = (unsigned char)(len >> 8);
        h[n++] = (unsigned char)len;
    } else {
        h[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            h[n++] = (unsigned char)((uint64_t)len >> shift);
    }
    return peer_write(c, h, n) && peer_write(c, data, len);
}

bool peer_close_frame(struct peer_conn *c, unsigned code, const char *reason)
{
    char payload[125] = {(char)(code >> 8), (char)code};
    size_t n = strlen(reason);
    memcpy(payload + 2, reason, n);
    return peer_send(c, 8, true, payload, n + 2);
}

void peer_echo(struct peer_conn *c)
{
    struct peer_frame frame = {0};
    while (peer_recv(c, &frame)) {
        unsigned opcode = frame.opcode == 9 ? 10 : frame.opcode;
        if (opcode != 10 || frame.opcode == 9)
            if (!peer_send(c, opcode, frame.fin, frame.data, frame.len))
                break;
        if (opcode == 8)
            break;
    }
    peer_frame_free(&frame);
}

void peer_hang(struct peer_conn *c)
{
    await(c, POLLRDHUP);
}

bool peer_drain(struct peer_conn *c)
{
    char buffer[16384];
    ssize_t n;
    while ((n = peer_read(c, buffer, sizeof buffer)) > 0)
        ;
    return n == 0;
}

void peer_cut(struct peer_conn *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    c->fd = -1;
}

bool peer_tls(struct peer_conn *c, const struct peer_tls_files *files)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    bool ok = ctx && SSL_CTX_use_certificate_chain_file(ctx, files->cert) == 1 &&
              SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) == 1;
    if (ok && files->client_ca) {
        ok = SSL_CTX_load_verify_locations(ctx, files->client_ca, NULL) == 1;
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    SSL *ssl = ok ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx);
    if (!ssl) {
        ERR_print_errors_fp(stderr);
        return false;
    }
    SSL_set_fd(ssl, c->fd);
    ok = await(c, POLLIN) && SSL_accept(ssl) == 1;
    if (ok)
        c->ssl = ssl;
    else
        SSL_free(ssl);
    ERR_clear_error();
    return ok;
}
