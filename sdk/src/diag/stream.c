#include "stream.h"

#include "clock.h"
#include "errtext.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

bool diag_stopped(const struct diag_stop *stop)
{
    struct pollfd poll_fd = {.fd = stop->cancel_fd, .events = POLLIN};
    return aivo_clock_us() >= stop->total_us || poll(&poll_fd, 1, 0) > 0;
}

enum diag_how diag_wait(const struct diag_stop *stop, int fd, short events, int64_t deadline_us)
{
    for (;;) {
        int64_t now_us = aivo_clock_us(), until_us = deadline_us < stop->total_us ? deadline_us : stop->total_us;
        int64_t left_ms = until_us <= now_us ? 0 : (until_us - now_us + 999) / 1000;
        struct pollfd fds[2] = {{.fd = stop->cancel_fd, .events = POLLIN}, {.fd = fd, .events = events}};
        int n = poll(fds, 2, left_ms > 60000 ? 60000 : (int)left_ms);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return DIAG_TIMEOUT; /* no memory in the kernel: as if nothing came */
        if (n > 0 && fds[0].revents)
            return DIAG_CANCELLED;
        if (n > 0 && fds[1].revents)
            return DIAG_DONE;
        now_us = aivo_clock_us();
        /* On a busy machine both may have passed: what came first counts, so that a stage that hangs is named. */
        if (now_us >= deadline_us && deadline_us <= stop->total_us)
            return DIAG_TIMEOUT;
        if (now_us >= stop->total_us)
            return DIAG_CANCELLED;
        if (now_us >= deadline_us)
            return DIAG_TIMEOUT;
    }
}

int diag_dial(const struct aivo_address *address)
{
    int on = 1;
    int fd = socket(address->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, &address->at.any, address->len) == 0 || errno == EINPROGRESS || errno == EINTR)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int diag_dialled(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}

void diag_stream_init(struct diag_stream *s, const struct diag_stop *stop, int fd)
{
    *s = (struct diag_stream){.stop = stop, .fd = fd, .deadline_us = aivo_clock_us()};
}

static enum diag_how failed(struct diag_stream *s, enum aivo_status status, int error)
{
    aivo_error_join(&s->error, status, error, strerror(error), (char *)NULL);
    return DIAG_ERROR;
}

enum diag_how diag_stream_connect(struct diag_stream *s, const struct aivo_address *address)
{
    s->fd = diag_dial(address);
    if (s->fd < 0)
        return failed(s, AIVO_E_CONNECT, errno);
    enum diag_how how = diag_wait(s->stop, s->fd, POLLOUT, s->deadline_us);
    int error = how == DIAG_DONE ? diag_dialled(s->fd) : 0;
    return error ? failed(s, AIVO_E_CONNECT, error) : how;
}

enum diag_how diag_stream_tls(struct diag_stream *s, struct aivo_tls_context *context, const char *host)
{
    s->tls = aivo_tls_create(context, s->fd, host, &s->error);
    if (!s->tls)
        return DIAG_ERROR;
    for (;;) {
        int done = aivo_tls_handshake(s->tls, &s->error);
        if (done != AIVO_IO_AGAIN)
            return done == 1 ? DIAG_DONE : DIAG_ERROR;
        enum diag_how how = diag_wait(s->stop, s->fd, aivo_tls_wants_write(s->tls) ? POLLOUT : POLLIN, s->deadline_us);
        if (how != DIAG_DONE)
            return how;
    }
}

static ssize_t write_some(struct diag_stream *s, const char *data, size_t len)
{
    if (s->tls)
        return aivo_tls_write(s->tls, data, len, &s->error);
    ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
        return AIVO_IO_AGAIN;
    failed(s, AIVO_E_CLOSED, errno);
    return AIVO_IO_ERROR;
}

enum diag_how diag_stream_write(struct diag_stream *s, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write_some(s, data, len);
        if (n == AIVO_IO_END)
            return DIAG_END;
        if (n == AIVO_IO_ERROR)
            return DIAG_ERROR;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        short events = s->tls && !aivo_tls_wants_write(s->tls) ? POLLIN : POLLOUT;
        enum diag_how how = diag_wait(s->stop, s->fd, events, s->deadline_us);
        if (how != DIAG_DONE)
            return how;
    }
    return DIAG_DONE;
}

static ssize_t read_some(struct diag_stream *s, char *data, size_t len)
{
    if (s->tls)
        return aivo_tls_read(s->tls, data, len, &s->error);
    ssize_t n = recv(s->fd, data, len, 0);
    if (n > 0)
        return n;
    if (n == 0)
        return AIVO_IO_END;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return AIVO_IO_AGAIN;
    failed(s, AIVO_E_CLOSED, errno);
    return AIVO_IO_ERROR;
}

enum diag_how diag_stream_read(struct diag_stream *s)
{
    for (;;) {
        if (!aivo_buf_reserve(&s->in, DIAG_READ_BYTES))
            return failed(s, AIVO_E_MEMORY, ENOMEM);
        ssize_t n = read_some(s, s->in.data + s->in.len, DIAG_READ_BYTES);
        if (n > 0) {
            s->in.len += (size_t)n;
            s->in.data[s->in.len] = 0;
            return DIAG_DONE;
        }
        if (n == AIVO_IO_END)
            return DIAG_END;
        if (n == AIVO_IO_ERROR)
            return DIAG_ERROR;
        short events = s->tls && aivo_tls_wants_write(s->tls) ? POLLOUT : POLLIN;
        enum diag_how how = diag_wait(s->stop, s->fd, events, s->deadline_us);
        if (how != DIAG_DONE)
            return how;
    }
}

void diag_stream_used(struct diag_stream *s, size_t len)
{
    s->in.len -= len;
    memmove(s->in.data, s->in.data + len, s->in.len);
    s->in.data[s->in.len] = 0;
}

void diag_stream_close(struct diag_stream *s)
{
    aivo_tls_destroy(s->tls);
    s->tls = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    aivo_buf_free(&s->in);
}
