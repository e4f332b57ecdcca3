/*
 * One connection to Redis on the server's libuv loop: resolves (in a worker), connects, authenticates, reads replies,
 * and comes back by itself, with a growing and spread delay, whatever ends it.
 *
 * Bounds: connecting, and every answer, SRV_REDIS_DEADLINE_MS; an unfinished reply and what waits to be written, as
 * the configuration says. What does not fit is refused, so that a slow Redis costs messages and never memory.
 */
#ifndef SRV_REDIS_LINK_H
#define SRV_REDIS_LINK_H

#include "resp.h"
#include <uv.h>

#define SRV_REDIS_DEADLINE_MS 5000
#define SRV_REDIS_IDLE_MS     5000 /* then it is asked whether it is still there */
#define SRV_REDIS_TICK_MS     500
#define SRV_REDIS_BACKOFF_MS  100 /* doubles with each failure */
#define SRV_REDIS_BACKOFF_MAX 5000

struct srv_redis_link;

struct srv_redis_hooks {
    /* Authenticated: commands may be sent. */
    void (*up)(struct srv_redis_link *link);
    /* It was up and is no more, or could not be reached (told each time). why is one line without secrets. */
    void (*down)(struct srv_redis_link *link, const char *why, bool was_up);
    /* Every reply after up. */
    void (*reply)(struct srv_redis_link *link, const struct srv_resp_reply *reply);
};

struct srv_redis_options {
    const char *host, *username, *password; /* username and password may be NULL; all outlive the link */
    uint16_t port;
    size_t max_reply_bytes, max_pending_bytes;
};

enum srv_redis_state {
    SRV_REDIS_WAITING,    /* for the next attempt; next: RESOLVING, CONNECTING */
    SRV_REDIS_RESOLVING,  /* next: CONNECTING, WAITING */
    SRV_REDIS_CONNECTING, /* next: GREETING, CLOSING */
    SRV_REDIS_GREETING,   /* AUTH or PING is out; next: UP, CLOSING */
    SRV_REDIS_UP,         /* next: CLOSING */
    SRV_REDIS_CLOSING,    /* libuv closes the socket; next: WAITING */
    SRV_REDIS_STOPPED,
};

struct srv_redis_link {
    const struct srv_redis_hooks *hooks;
    void *user;
    const struct srv_redis_options *options;
    void (*random)(void *out, size_t len);
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    enum srv_redis_state state;
    bool tcp_open, timer_open, is_writing;
    unsigned failures;   /* in a row */
    uint64_t at_ms;      /* WAITING: the next attempt; CONNECTING, GREETING: the deadline */
    uint64_t heard_ms;   /* when something arrived last */
    uint64_t unanswered; /* commands */
    uint64_t asked_ms;   /* since when something is unanswered */
    bool resolving;      /* a worker has the request still */
    bool pinged;         /* the oldest of the unanswered is our own PING */
    struct aivo_buf out; /* to be written by the next flush */
    struct aivo_buf writing;
    struct srv_resp_reader *reader;
    char in[65536];
};

/* false: no memory. */
bool srv_redis_link_start(struct srv_redis_link *link, uv_loop_t *loop, const struct srv_redis_options *options,
                          const struct srv_redis_hooks *hooks, void (*random)(void *out, size_t len), void *user);
/* Its handles are closed by the loop's next runs; the struct must stay until then. */
void srv_redis_link_stop(struct srv_redis_link *link);
void srv_redis_link_free(struct srv_redis_link *link);

/* Queues a command that has so many replies. false: not up, or too much waits: nothing was queued. */
bool srv_redis_link_send(struct srv_redis_link *link, const struct aivo_bytes *words, size_t count, unsigned replies);
/* A reply was one that a command waited for (messages of a subscription are not). */
void srv_redis_link_answered(struct srv_redis_link *link);
/* Writes what is queued. Once a turn. */
void srv_redis_link_flush(struct srv_redis_link *link);
/* The peer talks nonsense: start over. */
void srv_redis_link_fail(struct srv_redis_link *link, const char *why);

#endif
