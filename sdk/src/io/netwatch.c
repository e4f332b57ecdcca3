#include "netwatch.h"

#include "error_internal.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 250 /* changes come in flocks: one notice for those within this time */

struct aivo_netwatch {
    void (*changed)(void *user);
    void *user;
    int netlink, quit;
    pthread_t thread;
};

/* Takes everything that waits. true if something was there: an overflow (ENOBUFS) is a change as well. */
static bool drain(int fd)
{
    char buffer[8192];
    bool any = false;
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0 || (n < 0 && errno == ENOBUFS))
            any = true;
        else if (n < 0 && errno == EINTR)
            continue;
        else
            return any;
    }
}

static void *watch(void *arg)
{
    struct aivo_netwatch *w = arg;
    struct pollfd fds[2] = {{.fd = w->quit, .events = POLLIN}, {.fd = w->netlink, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        if (!drain(w->netlink))
            continue;
        /* Wait for the flock to pass, so that the retry meets a network that has settled. */
        if (poll(fds, 1, QUIET_MS) > 0)
            return NULL;
        drain(w->netlink);
        w->changed(w->user);
    }
}

static int open_netlink(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int start_thread(struct aivo_netwatch *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&w->thread, NULL, watch, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

enum aivo_status aivo_netwatch_open(void (*changed)(void *user), void *user, struct aivo_netwatch **out,
                                    struct aivo_error *err)
{
    struct aivo_netwatch *w = malloc(sizeof *w);
    if (!w)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory to watch the network");
    *w = (struct aivo_netwatch){.changed = changed, .user = user, .netlink = open_netlink(), .quit = -1};
    int failed = w->netlink < 0 ? errno : 0;
    if (!failed && (w->quit = eventfd(0, EFD_CLOEXEC)) < 0)
        failed = errno;
    if (!failed)
        failed = start_thread(w);
    if (failed) {
        if (w->netlink >= 0)
            close(w->netlink);
        if (w->quit >= 0)
            close(w->quit);
        free(w);
        return aivo_error_set(err, AIVO_E_SYSTEM, failed, "network changes cannot be watched: %s", strerror(failed));
    }
    *out = w;
    return AIVO_OK;
}

void aivo_netwatch_close(struct aivo_netwatch *w)
{
    if (!w)
        return;
    uint64_t one = 1;
    while (write(w->quit, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(w->thread, NULL);
    close(w->netlink);
    close(w->quit);
    free(w);
}
