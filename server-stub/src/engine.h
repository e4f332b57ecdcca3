/*
 * Engine.IO v4 sessions: handshake, heartbeat, polling, WebSocket, upgrade, close. Knows no socket and no library:
 * connections are links that it is told about and that it calls back through srv_link_ops; time is an argument
 * (monotonic milliseconds). Single-threaded.
 *
 * Nothing is written at once: what is sent waits in the session's queue, and srv_engine_flush(), called once a turn of
 * the loop, hands each queue to its link as a whole. Nor is a session freed at once: it stays valid until
 * srv_engine_flush() returns, so that whoever is on the stack may still look at it.
 *
 * Bounds: a session's queue holds at most options.max_queue_bytes; a session that would hold more is closed ("slow
 * consumer"). An upgrade has options.upgrade_timeout_ms; a closed polling session waits SRV_ENGINE_CLOSING_MS for the
 * request that fetches its last words.
 */
#ifndef SRV_ENGINE_H
#define SRV_ENGINE_H

#include "address.h"
#include "metrics.h"
#include "outq.h"
#include "timer.h"

#define SRV_SID_LEN           20
#define SRV_ENGINE_CLOSING_MS 30000
#define SRV_ENGINE_LATE_MS    5   /* a timer this late is a stall */
#define SRV_ENGINE_NOOP_MS    100 /* while a client upgrades, a waiting poll is freed this often */

/* RFC 6455 status codes a session is closed with. */
#define SRV_WS_NORMAL       1000
#define SRV_WS_GOING_AWAY   1001
#define SRV_WS_NO_STATUS    1005 /* a close frame without one */
#define SRV_WS_INVALID_DATA 1007
#define SRV_WS_POLICY       1008
#define SRV_WS_TOO_BIG      1009

struct srv_bucket;
struct srv_engine;
struct srv_session;
struct srv_link;
struct srv_polling;

struct srv_link_ops {
    /* WebSocket: write from the queue as much as the connection takes. Call srv_session_writable() when it takes more
     * again. A connection found dead is reported later, by srv_link_lost(). */
    void (*flush)(struct srv_link *link, struct srv_outq *q);
    /* WebSocket: write all of the queue, whether the connection takes it or not: the rest of one frame. NULL: none. */
    void (*finish)(struct srv_link *link, struct srv_outq *q);
    /* WebSocket: one more frame right now (probe answers). */
    void (*send)(struct srv_link *link, const char *payload, size_t len);
    /* WebSocket: hang up with this status, after what was flushed. The session is gone. */
    void (*close)(struct srv_link *link, unsigned ws_status);
    /* Polling: answer the waiting GET. The session forgets the link. */
    void (*answer)(struct srv_link *link, const char *payload, size_t len);
};

/* One connection, embedded in the transport's own structure. */
struct srv_link {
    const struct srv_link_ops *ops;
    struct srv_session *session; /* NULL: none (any more) */
    const char *farewell;        /* the reason in its close frame; NULL: none. Static. */
};

struct srv_session_hooks {
    void (*open)(struct srv_engine *e, struct srv_session *s, uint64_t now_ms);
    /* A message; text is not checked to be UTF-8. */
    void (*message)(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                    uint64_t now_ms);
    /* Once for each session that was opened. */
    void (*close)(struct srv_engine *e, struct srv_session *s, enum srv_reason reason);
    /* Once a heartbeat, for housekeeping; NULL: nothing to do. */
    void (*beat)(struct srv_engine *e, struct srv_session *s, uint64_t now_ms);
};

/* Whoever wants to know of all sessions, whatever their hooks; both may be NULL. */
struct srv_session_watch {
    void *context;
    /* It has left, for whatever reason. */
    void (*left)(void *context, struct srv_session *s);
    /* Its peer did what it must not: this was counted. */
    void (*fault)(void *context, struct srv_session *s, enum srv_error_type type);
};

struct srv_engine_options {
    uint32_t ping_interval_ms, ping_timeout_ms, upgrade_timeout_ms, max_payload_bytes;
    size_t max_queue_bytes;
};

enum srv_session_state {
    SRV_SESSION_OPEN,    /* next: CLOSING, CLOSED */
    SRV_SESSION_CLOSING, /* closed for its owner, but a poll may still fetch what waits; next: CLOSED */
    SRV_SESSION_CLOSED,  /* freed by the next flush */
};

struct srv_session {
    struct srv_link *link;       /* the WebSocket, or NULL while polling */
    struct srv_polling *polling; /* NULL once the WebSocket is all there is */
    struct srv_outq out;
    void *user; /* the hooks' own */
    const struct srv_session_hooks *hooks;
    struct srv_address address;                 /* of the client; with the next two set by its transport */
    struct srv_bucket *origin;                  /* NULL: none */
    const char *farewell;                       /* why it is closed, for the close frame; NULL: no reason. Static. */
    struct srv_session *prev, *next;            /* all open sessions */
    struct srv_session *ready_next, *hash_next; /* to be flushed; same hash */
    struct srv_timer heartbeat;
    uint8_t state;
    bool ready;         /* is in the list of those to be flushed */
    bool awaits_pong;   /* heartbeat is in the pong list, else in the ping list */
    bool pong_extended; /* the pong's deadline was extended once, because something else arrived */
    bool overflowed;    /* the queue's bound was hit: closed by the next flush */
    bool counted;       /* its origin counts it as a connection */
    char sid[SRV_SID_LEN + 1];
};

struct srv_engine {
    struct srv_engine_options options;
    struct srv_metrics *metrics;
    struct srv_session_watch watch;
    void *user; /* the hooks' own */
    void (*random)(void *out, size_t len);
    struct srv_pool pool;
    struct srv_timers timers; /* others may add lists of their own */
    struct srv_timer_list ping_list, pong_list, upgrade_list, noop_list, closing_list;
    struct srv_session sessions; /* a ring */
    struct srv_session *ready, **ready_end;
    struct srv_session *dead;
    struct srv_session **table; /* sid -> session */
    size_t table_size, count;
    uint64_t now_ms;         /* of the latest call that said it */
    uint64_t turn;           /* how often it was flushed */
    struct aivo_buf payload; /* of polls */
    struct aivo_buf scratch;
};

/* random fills a buffer with unpredictable bytes. false: no memory. */
bool srv_engine_init(struct srv_engine *e, const struct srv_engine_options *options, struct srv_metrics *metrics,
                     void (*random)(void *out, size_t len));
/* All sessions must be closed. */
void srv_engine_free(struct srv_engine *e);
/* An id of SRV_SID_LEN url-safe characters. */
void srv_engine_new_id(struct srv_engine *e, char out[SRV_SID_LEN + 1]);
/* Counts what the session's peer did wrong, and tells the watch. */
void srv_engine_fault(struct srv_engine *e, struct srv_session *s, enum srv_error_type type);
/* Writes what waits, closes who overflowed, frees who is closed. Once a turn. */
void srv_engine_flush(struct srv_engine *e);

/* A new session. link is the WebSocket, NULL for polling. NULL: no memory. The open packet is queued first. */
struct srv_session *srv_session_open(struct srv_engine *e, const struct srv_session_hooks *hooks, struct srv_link *link,
                                     uint64_t now_ms);
/* NULL: unknown. Sessions that are closing are found too: a poll may fetch their last words. */
struct srv_session *srv_session_find(struct srv_engine *e, const char *sid);
bool srv_session_is_polling(const struct srv_session *s);

/* Sends one message: text with its Engine.IO type byte '4' in front, or bytes. Does nothing unless open. */
void srv_session_send(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary);
void srv_session_send_shared(struct srv_engine *e, struct srv_session *s, struct srv_frame *frame);
/* Closes it orderly: what waits is still written, and a poll gets a close packet. */
void srv_session_close(struct srv_engine *e, struct srv_session *s, enum srv_reason reason, unsigned ws_status);
/* Ends it at once, whatever waits. */
void srv_session_fail(struct srv_engine *e, struct srv_session *s, enum srv_reason reason);

/* --- what transports call --- */

/* A whole WebSocket message arrived on the link (session's own, or a probe). */
void srv_link_received(struct srv_engine *e, struct srv_link *link, const char *data, size_t len, bool binary,
                       uint64_t now_ms);
/* The connection takes bytes again. */
void srv_link_writable(struct srv_engine *e, struct srv_link *link);
/* The connection is gone, or its request was. reason: transport close, or transport error. */
void srv_link_lost(struct srv_engine *e, struct srv_link *link, enum srv_reason reason);
/* A WebSocket for a session that is polling: begins the upgrade. false: close it (the session is upgrading, or has). */
bool srv_session_probe(struct srv_engine *e, struct srv_session *s, struct srv_link *link, uint64_t now_ms);

/* A GET. true: it is held until ops->answer. false: answer 400 (another one is held: the session was closed). */
bool srv_session_poll(struct srv_engine *e, struct srv_session *s, struct srv_link *link, uint64_t now_ms);
/* A POST begins. false: answer 400 (another one is under way: the session was closed). */
bool srv_session_post_begin(struct srv_engine *e, struct srv_session *s, struct srv_link *link);
/* Its body is here. false: answer 400 (the session had ended before). */
bool srv_session_post(struct srv_engine *e, struct srv_link *link, const char *body, size_t len, uint64_t now_ms);

#endif
