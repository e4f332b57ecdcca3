/*
 * What systemd wants to know of a service (Type=notify), and the sockets it hands over: both are environment variables
 * and a datagram, so that no library is needed. Without these variables everything here does nothing.
 */
#ifndef SRV_NOTIFY_H
#define SRV_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct srv_notify {
    int fd;               /* -1: nobody asked */
    uint32_t watchdog_ms; /* how often to say that we live; 0: nobody asked */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void srv_notify_open(struct srv_notify *notify);
void srv_notify_close(struct srv_notify *notify);
/* One datagram, "READY=1\nSTATUS=..."; what cannot be sent at once is lost. */
void srv_notify_send(const struct srv_notify *notify, const char *text);
/* RELOADING=1 with the time, which the service manager compares with its own. */
void srv_notify_reloading(const struct srv_notify *notify);

/* The listening socket that was handed over (LISTEN_PID, LISTEN_FDS); -1: none. false: there is something wrong with
 * it, and error says what. */
bool srv_notify_listen_fd(int *fd, char *error, size_t error_size);

#endif
