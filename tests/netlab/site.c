#include "site.h"

#include "certs.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct certs certs;

static int open_tun(void)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, "lab0");
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        perror("netlab: /dev/net/tun");
    return fd;
}

/* ip(8), with what is to be said to it. */
static bool ip(const char *line)
{
    char command[256];
    snprintf(command, sizeof command, "ip %s", line);
    return system(command) == 0;
}

static bool send_fd(int socket, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &message, 0) == 1;
}

static int receive_fd(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/* A server in the namespace that this process is in; it ends with the process that started it. */
static pid_t start_server(const char *path, const char *dir, const char *port, bool slow, bool tls, int ready)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || chdir(dir) != 0)
        _exit(127);
    setenv("HOST", "0.0.0.0", 1);
    setenv("PORT", port, 1);
    setenv("NEXTAUTH_SECRET", "netlab-secret-netlab-secret-netlab-secret", 1);
    setenv("RATE_LIMIT_MAX_MESSAGES", "0", 1);
    setenv("LOG_LEVEL", "error", 1);
    if (slow)
        setenv("TEST_HANDLER_DELAY_MS", "300", 1);
    if (tls) {
        setenv("SSL_ENABLED", "true", 1);
        setenv("SSL_KEY_PATH", certs.key, 1);
        setenv("SSL_CERT_PATH", certs.server, 1);
    }
    dup2(ready, 1);
    execl(path, path, "--conformance", (char *)NULL);
    _exit(127);
}

static bool wait_ready(int fd)
{
    char text[512];
    size_t len = 0;
    int lines = 0;
    while (lines < 3 && len < sizeof text) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 10000) <= 0)
            return false;
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++)
            lines += text[len + (size_t)i] == '\n';
        len += (size_t)n;
    }
    return true;
}

/* The far side's process: makes the namespace, hands over the device, starts the servers, and waits for its end. */
static void far_side(int socket, const char *server, const char *dir)
{
    int tun, ready[2];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (unshare(CLONE_NEWNET) != 0 || (tun = open_tun()) < 0 || !ip("link set lo up") || !ip("link set lab0 up") ||
        !ip("addr add 10.77.254.2/32 dev lab0") || !ip("route add 10.77.254.1/32 dev lab0") ||
        !ip("route add local 10.77.0.0/17 dev lo") || pipe(ready) != 0)
        _exit(1);
    pid_t pids[3] = {start_server(server, dir, "4001", false, false, ready[1]),
                     start_server(server, dir, "4002", true, false, ready[1]),
                     start_server(server, dir, "4003", false, true, ready[1])};
    close(ready[1]);
    if (!wait_ready(ready[0]) || !send_fd(socket, tun))
        _exit(1);
    close(tun);
    char byte;
    while (read(socket, &byte, 1) > 0) {
    }
    for (int i = 0; i < 3; i++)
        kill(pids[i], SIGTERM);
    for (int i = 0; i < 3; i++)
        waitpid(pids[i], NULL, 0);
    _exit(0);
}

static int far_socket = -1;

bool site_open(struct site *site, const char *server)
{
    int pair[2];
    *site = (struct site){.near = -1, .far = -1};
    strcpy(site->dir, "/tmp/aivo-netlab-XXXXXX");
    if (!mkdtemp(site->dir) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    certs_make(&certs);
    site->near = open_tun();
    if (site->near < 0 || !ip("link set lo up") || !ip("link set lab0 up") || !ip("addr add 10.77.254.1/32 dev lab0") ||
        !ip("route add 10.77.0.0/17 dev lab0"))
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        close(site->near);
        far_side(pair[1], server, site->dir);
    }
    close(pair[1]);
    site->servers[0] = pid;
    far_socket = pair[0];
    site->far = receive_fd(pair[0]);
    if (site->far < 0)
        fprintf(stderr, "netlab: the far side did not come up\n");
    return site->far >= 0;
}

void site_close(struct site *site)
{
    if (far_socket >= 0)
        close(far_socket);
    if (site->servers[0] > 0)
        waitpid(site->servers[0], NULL, 0);
    certs_free(&certs);
    rmdir(site->dir);
}
