/*
 * A request head that is larger than libwebsockets' room for it. The library says so in its log, closes the connection
 * and tells nobody which one it was. So it is looked for among those that have not yet sent a whole request (the one of
 * which the library has read more than a head may have), is told 431, and is read from for a moment after the library
 * has closed it: else what it still sends would be answered with a reset, which makes the peer forget the answer.
 *
 * Bounds: LOOKS connections are looked at, LINGERING are read from at a time, each for LINGER_MS and LINGER_BYTES. The
 * second and later requests of a connection are not found: they are closed without an answer.
 */
#include "server.h"
#include "tcpread.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOKS        1024
#define LINGERING    64
#define LINGER_MS    1000
#define LINGER_BYTES (1024 * 1024)

struct lingering {
    uv_poll_t poll;
    uv_timer_t timer;
    struct srv_server *server;
    int fd;
    unsigned open; /* handles */
    size_t bytes;
};

static struct srv_peer *find(struct srv_server *server)
{
    const struct srv_timer_list *list = &server->gate.head_list;
    struct srv_timer *timer = list->head.next;
    for (int i = 0; i < LOOKS && timer != &list->head; i++, timer = timer->next) {
        struct srv_peer *peer = SRV_TIMER_OWNER(timer, struct srv_peer, head);
        if (peer->wsi && srv_tcp_consumed(lws_get_socket_fd(peer->wsi)) >= SRV_HEAD_BYTES)
            return peer;
    }
    return NULL;
}

static void closed(uv_handle_t *handle)
{
    struct lingering *l = handle->data;
    if (--l->open)
        return;
    close(l->fd);
    l->server->lingering--;
    free(l);
}

static void end(struct lingering *l)
{
    if (uv_is_closing((uv_handle_t *)&l->timer))
        return;
    uv_close((uv_handle_t *)&l->poll, closed);
    uv_close((uv_handle_t *)&l->timer, closed);
}

static void timed_out(uv_timer_t *handle)
{
    end(handle->data);
}

static void readable(uv_poll_t *handle, int status, int events)
{
    struct lingering *l = handle->data;
    char dropped[16384];
    (void)events;
    ssize_t n = status < 0 ? 0 : recv(l->fd, dropped, sizeof dropped, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->bytes += n > 0 ? (size_t)n : 0;
    if (n <= 0 || l->bytes > LINGER_BYTES)
        end(l);
}

static void linger_on(struct srv_server *server, int fd)
{
    struct lingering *l = server->lingering < LINGERING ? calloc(1, sizeof *l) : NULL;
    if (!l)
        return;
    l->server = server;
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0 || uv_poll_init(&server->loop, &l->poll, l->fd) != 0) {
        if (l->fd >= 0)
            close(l->fd);
        free(l);
        return;
    }
    uv_timer_init(&server->loop, &l->timer);
    l->poll.data = l->timer.data = l;
    l->open = 2;
    server->lingering++;
    uv_timer_start(&l->timer, timed_out, LINGER_MS, 0);
    uv_poll_start(&l->poll, UV_READABLE, readable);
}

void srv_overflow(struct srv_server *server)
{
    static const char answer[] = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 45\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
                                 "{\"message\":\"Request header fields too large\"}";
    struct srv_peer *peer = find(server);
    srv_metrics_error(&server->metrics, SRV_ERROR_BAD_PACKET);
    srv_audit(&server->audit, SRV_AUDIT_HEAD_TOO_LARGE, peer ? &peer->address : NULL, NULL, NULL,
              srv_server_now(server));
    if (!peer)
        return;
    int fd = lws_get_socket_fd(peer->wsi);
    SSL *ssl = lws_get_ssl(peer->wsi);
    /* Nothing was written on this connection before, so a few hundred bytes fit. */
    if (ssl)
        SSL_write(ssl, answer, (int)sizeof answer - 1);
    else if (send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
    linger_on(server, fd);
}
