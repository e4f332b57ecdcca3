/*
 * The eight metrics. One thread: every count is a plain add into an array. Label sets are fixed here, so that no peer
 * can grow them. Fields may be read and written directly; the inline functions below are the usual way.
 */
#ifndef SRV_METRICS_H
#define SRV_METRICS_H

#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

/* Every event this server knows, either way; a name it does not know is SRV_EVENT_OTHER. */
enum srv_event {
    SRV_EVENT_OTHER = 0,
    /* received */
    SRV_EVENT_LEARNING, /* agent:learning */
    SRV_EVENT_TUTOR,    /* agent:tutor */
    SRV_EVENT_SPEECH,   /* agent:speech */
    SRV_EVENT_QUALITY_PING,
    SRV_EVENT_MESSAGE,          /* conformance */
    SRV_EVENT_MESSAGE_WITH_ACK, /* conformance */
    SRV_EVENT_BENCH_BROADCAST,
    /* sent */
    SRV_EVENT_CONNECTION_QUALITY,
    SRV_EVENT_QUALITY_PONG,
    SRV_EVENT_CONTENT_ADAPTED,
    SRV_EVENT_TUTOR_MESSAGE,
    SRV_EVENT_BREAK_SUGGESTED,
    SRV_EVENT_AUTH,         /* conformance */
    SRV_EVENT_MESSAGE_BACK, /* conformance */
    SRV_EVENT_BENCH_EVENT,
    SRV_EVENT_SERVER_DRAINING,
    SRV_EVENT_SESSION_EXPIRED,
    SRV_EVENT_COUNT
};
enum srv_event srv_event_find(const char *name, size_t len);
bool srv_event_is_volatile(enum srv_event event); /* of use only while it is fresh */
const char *srv_event_name(enum srv_event event); /* "other" for SRV_EVENT_OTHER */

enum srv_error_type {
    SRV_ERROR_NONE = -1,
    SRV_ERROR_RATE_LIMIT = 0,
    SRV_ERROR_UNKNOWN_ACTION,
    SRV_ERROR_NO_SESSION,
    SRV_ERROR_AGENT_ERROR,
    SRV_ERROR_SOCKET_ERROR,
    SRV_ERROR_AUTH,
    SRV_ERROR_BAD_PACKET,
    SRV_ERROR_PAYLOAD_TOO_LARGE,
    SRV_ERROR_SLOW_CONSUMER,
    SRV_ERROR_REDIS,
    SRV_ERROR_COUNT
};
const char *srv_error_name(enum srv_error_type type); /* "rate_limit", ... */

enum srv_reason {
    SRV_REASON_TRANSPORT_CLOSE = 0,
    SRV_REASON_TRANSPORT_ERROR,
    SRV_REASON_PING_TIMEOUT,
    SRV_REASON_CLIENT_NAMESPACE_DISCONNECT,
    SRV_REASON_SERVER_NAMESPACE_DISCONNECT,
    SRV_REASON_SERVER_SHUTTING_DOWN,
    SRV_REASON_PARSE_ERROR,
    SRV_REASON_FORCED_CLOSE,
    SRV_REASON_COUNT
};
const char *srv_reason_name(enum srv_reason reason); /* "transport close", ... */

#define SRV_METRICS_BUCKETS 12 /* 1 5 10 25 50 100 250 500 1000 2500 5000 +Inf ms */

struct srv_metrics_histogram {
    uint64_t buckets[SRV_METRICS_BUCKETS]; /* not cumulative; the exposition sums them up */
    uint64_t sum_us;
};

struct srv_metrics_redis {
    bool wanted; /* shown at all */
    bool connected;
    uint64_t connections; /* how often it became so */
    uint64_t published, received, dropped;
};

struct srv_metrics_agent {
    bool wanted;                             /* shown at all: there is an AGENT_URL */
    uint64_t calls_in_flight, calls_waiting; /* now */
};

struct srv_metrics_certificate {
    bool wanted;         /* shown at all: there is TLS */
    int64_t not_after_s; /* when it, or one of its chain, ends: Unix time */
};

struct srv_metrics {
    uint64_t connections_active; /* websocket_connections_total: Socket.IO sockets connected now */
    uint64_t connections;        /* websocket_connections_count: ever */
    uint64_t disconnections[SRV_REASON_COUNT];
    uint64_t sent[SRV_EVENT_COUNT];     /* events emitted to a socket, one for each receiver; acks are not counted */
    uint64_t received[SRV_EVENT_COUNT]; /* refused ones too */
    uint64_t errors[SRV_ERROR_COUNT];
    uint64_t volatile_dropped; /* websocket_volatile_dropped_total: left out for connections that do not read */
    uint64_t active_sessions;  /* agent sessions that are open */
    struct srv_metrics_redis redis;
    struct srv_metrics_agent agent;
    struct srv_metrics_certificate certificate;
    struct srv_metrics_histogram latency[SRV_EVENT_COUNT]; /* from the event's receipt to its handler's answer */
};

#define SRV_METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define SRV_METRICS_JSON_TYPE "application/json; charset=utf-8"

void srv_metrics_init(struct srv_metrics *m);

static inline void srv_metrics_connected(struct srv_metrics *m)
{
    m->connections_active++;
    m->connections++;
}
static inline void srv_metrics_disconnected(struct srv_metrics *m, enum srv_reason reason)
{
    m->connections_active--;
    m->disconnections[reason]++;
}
/* SRV_ERROR_NONE is fine and counts nothing. */
static inline void srv_metrics_error(struct srv_metrics *m, enum srv_error_type type)
{
    if (type != SRV_ERROR_NONE)
        m->errors[type]++;
}
/* One handled event that took so many microseconds. */
void srv_metrics_latency(struct srv_metrics *m, enum srv_event event, uint64_t micros);

/* The text exposition format for /metrics/prometheus (SRV_METRICS_TEXT_TYPE). */
void srv_metrics_text(const struct srv_metrics *m, struct aivo_buf *out);
/* The same figures as one JSON object for /metrics (SRV_METRICS_JSON_TYPE). now_ms is Unix time. */
void srv_metrics_json(const struct srv_metrics *m, uint64_t uptime_ms, uint64_t now_ms, struct aivo_buf *out);

#endif
