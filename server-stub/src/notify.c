#include "notify.h"
#include "clock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* A number of at most 18 digits, and nothing else. */
static bool number(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t len = text ? strlen(text) : 0;
    if (!len || len > 18 || text[strspn(text, "0123456789")] != '\0')
        return false;
    for (; *text; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    *out = n;
    return true;
}

static int connected(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, len + 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&address, size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

void srv_notify_open(struct srv_notify *notify)
{
    *notify = (struct srv_notify){.fd = -1};
    const char *path = getenv("NOTIFY_SOCKET"), *pid_text = getenv("WATCHDOG_PID");
    uint64_t usec, pid;
    if (path)
        notify->fd = connected(path);
    if (notify->fd < 0 || !number(getenv("WATCHDOG_USEC"), &usec))
        return;
    if (pid_text && (!number(pid_text, &pid) || pid != (uint64_t)getpid()))
        return;
    uint64_t half_ms = usec / 2000; /* half of the time it may take, as recommended */
    notify->watchdog_ms = half_ms < 1 ? 1 : half_ms > 3600000 ? 3600000 : (uint32_t)half_ms;
}

void srv_notify_close(struct srv_notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void srv_notify_send(const struct srv_notify *notify, const char *text)
{
    if (notify->fd < 0)
        return;
    while (send(notify->fd, text, strlen(text), MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

void srv_notify_reloading(const struct srv_notify *notify)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)srv_mono_us());
    srv_notify_send(notify, text);
}

static bool is_listener(int fd)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return false;
    size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

bool srv_notify_listen_fd(int *fd, char *error, size_t error_size)
{
    uint64_t pid, count;
    *fd = -1;
    if (!number(getenv("LISTEN_PID"), &pid) || pid != (uint64_t)getpid() || !number(getenv("LISTEN_FDS"), &count) ||
        count == 0)
        return true;
    if (count > 1) {
        snprintf(error, error_size, "LISTEN_FDS: %llu sockets were handed over, one can be served",
                 (unsigned long long)count);
        return false;
    }
    if (!is_listener(FIRST_FD)) {
        snprintf(error, error_size, "LISTEN_FDS: what was handed over is no listening stream socket");
        return false;
    }
    int flags = fcntl(FIRST_FD, F_GETFL);
    fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK);
    fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC);
    *fd = FIRST_FD;
    return true;
}
