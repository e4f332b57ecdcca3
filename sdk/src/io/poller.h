/*
 * File descriptors, a wake-up and a deadline, waited for together. Made of libwebsockets (transport_lws.c); nothing
 * above it sees that library. All calls and events are on the loop's thread, but for aivo_poller_wake().
 */
#ifndef AIVO_IO_POLLER_H
#define AIVO_IO_POLLER_H

#include "list.h"
#include <aivo/error.h>
#include <stdbool.h>
#include <stdint.h>

struct aivo_poller;
struct aivo_watch;

enum { AIVO_READABLE = 1, AIVO_WRITABLE = 2, AIVO_HANGUP = 4 };

/* events: what is ready. After AIVO_HANGUP nothing more is reported: read what is left, then remove the watch. May add
 * and remove any watch, its own too. */
typedef void (*aivo_watch_fn)(void *user, unsigned events);

enum aivo_status aivo_poller_create(struct aivo_poller **out, struct aivo_error *err);
void aivo_poller_destroy(struct aivo_poller *poller); /* after all its watches are removed; NULL is allowed */

/* Waits until something is ready, the deadline (monotonic us) or a wake, then calls the functions of what is ready. */
void aivo_poller_wait(struct aivo_poller *poller, int64_t deadline_us);
/* From any thread: the wait under way, or else the next one, ends at once. */
void aivo_poller_wake(struct aivo_poller *poller);

/* Watches for reading. Takes fd over, also when it fails (NULL). */
struct aivo_watch *aivo_watch_add(struct aivo_poller *poller, int fd, aivo_watch_fn fn, void *user);
int aivo_watch_fd(const struct aivo_watch *watch);
void aivo_watch_read(struct aivo_watch *watch, bool on);
void aivo_watch_write(struct aivo_watch *watch);  /* AIVO_WRITABLE once */
void aivo_watch_remove(struct aivo_watch *watch); /* closes fd; NULL is allowed */

#endif
