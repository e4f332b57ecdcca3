/* The listening socket is ours, not libwebsockets': so a port of 0 can be asked for its number, many connections are
 * accepted in one turn, and running out of descriptors does not spin. */
#include "server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG         4096
#define ACCEPT_PER_TURN 64

/* Whoever reads the log must learn what to raise; one line a minute, since peers cause them. */
static void warn_refused(struct srv_server *server, int error)
{
    unsigned before;
    if (!srv_log_bounded(&server->refusals, 1, srv_server_now(server), &before))
        return;
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (error == ENFILE)
        srv_log(&server->log, SRV_LOG_WARN,
                "the system has no file descriptor left: connections are refused "
                "(%u more in the minute before); raise fs.file-max",
                before);
    else
        srv_log(&server->log, SRV_LOG_WARN,
                "no file descriptor left, the limit is %llu: connections are refused "
                "(%u more in the minute before); raise it with ulimit -n, or LimitNOFILE= of a systemd unit (%d are "
                "used at most)",
                (unsigned long long)limit.rlim_cur, before, SRV_MAX_FDS);
}

/* No descriptor left: the pending connection is taken with the spare one and closed, else it would wake us forever. */
static void refuse_one(struct srv_server *server, int error)
{
    close(server->spare_fd);
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    srv_metrics_error(&server->metrics, SRV_ERROR_SOCKET_ERROR);
    warn_refused(server, error);
}

static void accept_ready(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    struct srv_server *server = handle->data;
    for (int i = 0; i < ACCEPT_PER_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t from_size = sizeof from;
        from.ss_family = AF_UNSPEC;
        if (!srv_gate_has_room(server)) {
            server->gate.paused = true;
            srv_audit(&server->audit, SRV_AUDIT_HANDSHAKE_LIMIT, NULL, NULL, "nobody is accepted for now",
                      srv_server_now(server));
            srv_listener_pause(server);
            return;
        }
        int fd = accept4(server->listen_fd, (struct sockaddr *)(void *)&from, &from_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1; /* the library sets it only on sockets that it accepted itself; without it a second small
                                 message waits for the peer's delayed ACK: 40 ms */
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            srv_peer_accept(server, fd, (const struct sockaddr *)(const void *)&from);
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse_one(server, errno);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static int bound_socket(const struct addrinfo *a, bool reuse_port)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
}

/* A socket that was handed over may be reached by others whatever HOST says: the development secret must not be. */
static bool is_local(int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    struct srv_address address;
    char text[SRV_ADDRESS_TEXT];
    memset(&at, 0, sizeof at);
    if (getsockname(fd, (struct sockaddr *)(void *)&at, &size) != 0)
        return false;
    srv_address_of_sockaddr((const struct sockaddr *)(const void *)&at, &address);
    srv_address_format(&address, text);
    return srv_address_is_none(&address) ? at.ss_family == AF_UNIX : srv_config_is_loopback(text);
}

/* The socket of a service manager, if there is one. */
static bool take_over(struct srv_server *server, char *error, size_t error_size)
{
    const struct srv_config *config = server->config;
    if (!srv_notify_listen_fd(&server->listen_fd, error, error_size))
        return false;
    server->inherited = server->listen_fd >= 0;
    if (server->inherited && (config->jwt_secret_is_development || config->conformance || config->bench_events) &&
        !is_local(server->listen_fd)) {
        snprintf(error, error_size,
                 "LISTEN_FDS: this socket can be reached by others: set NEXTAUTH_SECRET, and neither "
                 "--conformance nor BENCH_EVENTS");
        return false;
    }
    return true;
}

static bool bind_own(struct srv_server *server, char *error, size_t error_size)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)server->config->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    int failed = getaddrinfo(server->config->host, port, &hints, &list);
    if (failed) {
        snprintf(error, error_size, "HOST: cannot listen on '%s': %s", server->config->host, gai_strerror(failed));
        return false;
    }
    for (struct addrinfo *a = list; a && server->listen_fd < 0; a = a->ai_next)
        server->listen_fd = bound_socket(a, server->config->reuse_port);
    int saved = errno;
    freeaddrinfo(list);
    if (server->listen_fd < 0) {
        snprintf(error, error_size, "cannot listen on %s port %s: %s", server->config->host, port, strerror(saved));
        return false;
    }
    return true;
}

bool srv_listener_start(struct srv_server *server, char *error, size_t error_size)
{
    if (!take_over(server, error, error_size) || (!server->inherited && !bind_own(server, error, error_size)))
        return false;
    server->port = port_of(server->listen_fd);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->listener.data = server;
    if (uv_poll_init(&server->loop, &server->listener, server->listen_fd) != 0 ||
        uv_poll_start(&server->listener, UV_READABLE, accept_ready) != 0) {
        snprintf(error, error_size, "cannot watch the listening socket");
        return false;
    }
    return true;
}

void srv_listener_stop(struct srv_server *server)
{
    if (server->listen_fd < 0)
        return;
    uv_poll_stop(&server->listener);
    uv_close((uv_handle_t *)&server->listener, NULL);
    close(server->listen_fd);
    close(server->spare_fd);
    server->listen_fd = server->spare_fd = -1;
}

void srv_listener_pause(struct srv_server *server)
{
    if (server->listen_fd >= 0)
        uv_poll_stop(&server->listener);
}

void srv_listener_resume(struct srv_server *server)
{
    if (server->listen_fd >= 0 && (server->stage == SRV_SERVING || !(server->inherited || server->config->reuse_port)))
        uv_poll_start(&server->listener, UV_READABLE, accept_ready);
}

void srv_listener_leave(struct srv_server *server)
{
    if (!server->inherited && !server->config->reuse_port)
        return;             /* nobody else is there: whoever comes hears 503 */
    if (!server->inherited) /* who waits in our queue would be reset */
        for (int i = 0; i < BACKLOG / ACCEPT_PER_TURN; i++)
            accept_ready(&server->listener, 0, UV_READABLE);
    srv_listener_stop(server);
}
