#include "metrics.h"
#include "json.h"
#include <string.h>

enum direction { RECEIVED = 1, SENT = 2, RARE = 4 /* shown only once it was counted */ };

static const struct {
    const char *name;
    int direction;
} events[SRV_EVENT_COUNT] = {
    [SRV_EVENT_OTHER] = {"other", RECEIVED | SENT},
    [SRV_EVENT_LEARNING] = {"agent:learning", RECEIVED},
    [SRV_EVENT_TUTOR] = {"agent:tutor", RECEIVED},
    [SRV_EVENT_SPEECH] = {"agent:speech", RECEIVED},
    [SRV_EVENT_QUALITY_PING] = {"quality_ping", RECEIVED},
    [SRV_EVENT_MESSAGE] = {"message", RECEIVED | RARE},
    [SRV_EVENT_MESSAGE_WITH_ACK] = {"message-with-ack", RECEIVED | RARE},
    [SRV_EVENT_BENCH_BROADCAST] = {"bench:broadcast", RECEIVED | RARE},
    [SRV_EVENT_CONNECTION_QUALITY] = {"connection:quality", SENT},
    [SRV_EVENT_QUALITY_PONG] = {"quality_pong", SENT},
    [SRV_EVENT_CONTENT_ADAPTED] = {"content:adapted", SENT},
    [SRV_EVENT_TUTOR_MESSAGE] = {"tutor:message", SENT},
    [SRV_EVENT_BREAK_SUGGESTED] = {"break:suggested", SENT},
    [SRV_EVENT_AUTH] = {"auth", SENT | RARE},
    [SRV_EVENT_MESSAGE_BACK] = {"message-back", SENT | RARE},
    [SRV_EVENT_BENCH_EVENT] = {"bench:event", SENT | RARE},
    [SRV_EVENT_SERVER_DRAINING] = {"server:draining", SENT | RARE},
    [SRV_EVENT_SESSION_EXPIRED] = {"session:expired", SENT | RARE},
};

static const char *const error_names[SRV_ERROR_COUNT] = {
    [SRV_ERROR_RATE_LIMIT] = "rate_limit",       [SRV_ERROR_UNKNOWN_ACTION] = "unknown_action",
    [SRV_ERROR_NO_SESSION] = "no_session",       [SRV_ERROR_AGENT_ERROR] = "agent_error",
    [SRV_ERROR_SOCKET_ERROR] = "socket_error",   [SRV_ERROR_AUTH] = "auth",
    [SRV_ERROR_BAD_PACKET] = "bad_packet",       [SRV_ERROR_PAYLOAD_TOO_LARGE] = "payload_too_large",
    [SRV_ERROR_SLOW_CONSUMER] = "slow_consumer", [SRV_ERROR_REDIS] = "redis",
};

static const char *const reason_names[SRV_REASON_COUNT] = {
    [SRV_REASON_TRANSPORT_CLOSE] = "transport close",
    [SRV_REASON_TRANSPORT_ERROR] = "transport error",
    [SRV_REASON_PING_TIMEOUT] = "ping timeout",
    [SRV_REASON_CLIENT_NAMESPACE_DISCONNECT] = "client namespace disconnect",
    [SRV_REASON_SERVER_NAMESPACE_DISCONNECT] = "server namespace disconnect",
    [SRV_REASON_SERVER_SHUTTING_DOWN] = "server shutting down",
    [SRV_REASON_PARSE_ERROR] = "parse error",
    [SRV_REASON_FORCED_CLOSE] = "forced close",
};

static const uint32_t bucket_ms[SRV_METRICS_BUCKETS - 1] = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000};

const char *srv_event_name(enum srv_event event)
{
    return events[event].name;
}

bool srv_event_is_volatile(enum srv_event event)
{
    return event == SRV_EVENT_QUALITY_PONG || event == SRV_EVENT_CONNECTION_QUALITY;
}

const char *srv_error_name(enum srv_error_type type)
{
    return error_names[type];
}

const char *srv_reason_name(enum srv_reason reason)
{
    return reason_names[reason];
}

enum srv_event srv_event_find(const char *name, size_t len)
{
    /* The first byte and the length sort out nearly everything: this runs for each message. */
    for (int i = SRV_EVENT_OTHER + 1; i < SRV_EVENT_COUNT; i++) {
        const char *known = events[i].name;
        if (len > 0 && known[0] == name[0] && strlen(known) == len && memcmp(known, name, len) == 0)
            return (enum srv_event)i;
    }
    return SRV_EVENT_OTHER;
}

void srv_metrics_init(struct srv_metrics *m)
{
    memset(m, 0, sizeof *m);
}

void srv_metrics_latency(struct srv_metrics *m, enum srv_event event, uint64_t micros)
{
    struct srv_metrics_histogram *h = &m->latency[event];
    unsigned i = 0;
    while (i < SRV_METRICS_BUCKETS - 1 && micros > (uint64_t)bucket_ms[i] * 1000)
        i++;
    h->buckets[i]++;
    h->sum_us += micros;
}

static bool event_shown(enum srv_event event, int direction, uint64_t count)
{
    int d = events[event].direction;
    return (d & direction) != 0 && ((d & RARE) == 0 || count > 0);
}

static uint64_t histogram_count(const struct srv_metrics_histogram *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < SRV_METRICS_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}

/* Microseconds as milliseconds with three decimals. */
static void add_ms(struct aivo_buf *out, uint64_t us)
{
    char digits[5] = {'.', (char)('0' + us % 1000 / 100), (char)('0' + us % 100 / 10), (char)('0' + us % 10), '\0'};
    aivo_buf_u64(out, us / 1000);
    aivo_buf_str(out, digits);
}

static void head(struct aivo_buf *out, const char *name, const char *type, const char *help)
{
    aivo_buf_str(out, "# HELP ");
    aivo_buf_str(out, name);
    aivo_buf_char(out, ' ');
    aivo_buf_str(out, help);
    aivo_buf_str(out, "\n# TYPE ");
    aivo_buf_str(out, name);
    aivo_buf_char(out, ' ');
    aivo_buf_str(out, type);
    aivo_buf_char(out, '\n');
}

static void plain(struct aivo_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    aivo_buf_str(out, name);
    aivo_buf_char(out, ' ');
    aivo_buf_u64(out, value);
    aivo_buf_char(out, '\n');
}

/* Label values are our own constants, without a character that would need escaping. */
static void labelled(struct aivo_buf *out, const char *name, const char *label, const char *label_value, uint64_t value)
{
    aivo_buf_str(out, name);
    aivo_buf_char(out, '{');
    aivo_buf_str(out, label);
    aivo_buf_str(out, "=\"");
    aivo_buf_str(out, label_value);
    aivo_buf_str(out, "\"} ");
    aivo_buf_u64(out, value);
    aivo_buf_char(out, '\n');
}

static void text_events(struct aivo_buf *out, const char *name, const char *help, int direction,
                        const uint64_t counts[SRV_EVENT_COUNT])
{
    head(out, name, "counter", help);
    for (int i = 0; i < SRV_EVENT_COUNT; i++) {
        if (event_shown((enum srv_event)i, direction, counts[i]))
            labelled(out, name, "event", events[i].name, counts[i]);
    }
}

static void text_histogram(struct aivo_buf *out, const char *event, const struct srv_metrics_histogram *h)
{
    static const char name[] = "websocket_message_latency_ms";
    uint64_t sum = 0;
    for (unsigned i = 0; i < SRV_METRICS_BUCKETS; i++) {
        sum += h->buckets[i];
        aivo_buf_str(out, name);
        aivo_buf_str(out, "_bucket{event=\"");
        aivo_buf_str(out, event);
        aivo_buf_str(out, "\",le=\"");
        if (i < SRV_METRICS_BUCKETS - 1)
            aivo_buf_u64(out, bucket_ms[i]);
        else
            aivo_buf_str(out, "+Inf");
        aivo_buf_str(out, "\"} ");
        aivo_buf_u64(out, sum);
        aivo_buf_char(out, '\n');
    }
    aivo_buf_str(out, name);
    aivo_buf_str(out, "_sum{event=\"");
    aivo_buf_str(out, event);
    aivo_buf_str(out, "\"} ");
    add_ms(out, h->sum_us);
    aivo_buf_char(out, '\n');
    labelled(out, "websocket_message_latency_ms_count", "event", event, sum);
}

static void text_redis(struct aivo_buf *out, const struct srv_metrics_redis *r)
{
    plain(out, "aivo_redis_connected", "gauge", "1 while Redis is there and all subscriptions are confirmed.",
          r->connected);
    plain(out, "aivo_redis_connections_total", "counter", "How often it became connected.", r->connections);
    plain(out, "aivo_redis_published_total", "counter", "Messages published to other instances.", r->published);
    plain(out, "aivo_redis_received_total", "counter", "Messages received from Redis, own ones included.", r->received);
    plain(out, "aivo_redis_dropped_total", "counter", "Messages not published: too many waited already.", r->dropped);
}

static void text_agent(struct aivo_buf *out, const struct srv_metrics_agent *a)
{
    plain(out, "aivo_agent_calls_in_flight", "gauge",
          "Events that are with the outside agent, or about to be tried again.", a->calls_in_flight);
    plain(out, "aivo_agent_calls_waiting", "gauge", "Events in line behind them.", a->calls_waiting);
}

static uint64_t not_after(const struct srv_metrics *m)
{
    return m->certificate.not_after_s > 0 ? (uint64_t)m->certificate.not_after_s : 0;
}

void srv_metrics_text(const struct srv_metrics *m, struct aivo_buf *out)
{
    plain(out, "websocket_connections_total", "gauge", "Connections that are open now.", m->connections_active);
    plain(out, "websocket_connections_count", "counter", "Connections accepted since the start.", m->connections);
    head(out, "websocket_disconnections_total", "counter", "Connections that ended, by reason.");
    for (int i = 0; i < SRV_REASON_COUNT; i++)
        labelled(out, "websocket_disconnections_total", "reason", reason_names[i], m->disconnections[i]);
    text_events(out, "websocket_messages_sent_total", "Events sent to clients, one for each receiver.", SENT, m->sent);
    text_events(out, "websocket_messages_received_total", "Events received from clients, refused ones included.",
                RECEIVED, m->received);
    head(out, "websocket_message_latency_ms", "histogram",
         "Milliseconds from an event's receipt to the end of its handling.");
    for (int i = 0; i < SRV_EVENT_COUNT; i++) {
        if (event_shown((enum srv_event)i, RECEIVED, histogram_count(&m->latency[i])))
            text_histogram(out, events[i].name, &m->latency[i]);
    }
    head(out, "websocket_errors_total", "counter", "Errors, by type.");
    for (int i = 0; i < SRV_ERROR_COUNT; i++)
        labelled(out, "websocket_errors_total", "type", error_names[i], m->errors[i]);
    plain(out, "websocket_volatile_dropped_total", "counter",
          "Volatile events left out for connections that do not read.", m->volatile_dropped);
    plain(out, "websocket_active_sessions", "gauge", "Agent sessions that are open now.", m->active_sessions);
    if (m->redis.wanted)
        text_redis(out, &m->redis);
    if (m->agent.wanted)
        text_agent(out, &m->agent);
    if (m->certificate.wanted)
        plain(out, "aivo_tls_certificate_not_after_seconds", "gauge",
              "When the certificate, or one of its chain, ends: seconds of Unix time.", not_after(m));
}

static void json_member(struct aivo_buf *out, const char *name, bool *first)
{
    if (!*first)
        aivo_buf_char(out, ',');
    *first = false;
    aivo_json_write_string(out, name, strlen(name));
    aivo_buf_char(out, ':');
}

static void json_u64(struct aivo_buf *out, const char *name, uint64_t value, bool *first)
{
    json_member(out, name, first);
    aivo_buf_u64(out, value);
}

static void json_events(struct aivo_buf *out, int direction, const uint64_t counts[SRV_EVENT_COUNT])
{
    bool first = true;
    aivo_buf_char(out, '{');
    for (int i = 0; i < SRV_EVENT_COUNT; i++) {
        if (event_shown((enum srv_event)i, direction, counts[i]))
            json_u64(out, events[i].name, counts[i], &first);
    }
    aivo_buf_char(out, '}');
}

static void json_histogram(struct aivo_buf *out, const struct srv_metrics_histogram *h)
{
    uint64_t count = histogram_count(h);
    bool first = true;
    aivo_buf_char(out, '{');
    json_u64(out, "count", count, &first);
    json_member(out, "sum", &first);
    add_ms(out, h->sum_us);
    json_member(out, "mean", &first);
    if (count > 0)
        add_ms(out, h->sum_us / count);
    else
        aivo_buf_str(out, "null");
    json_member(out, "buckets", &first);
    aivo_buf_char(out, '{');
    first = true;
    uint64_t sum = 0;
    for (unsigned i = 0; i < SRV_METRICS_BUCKETS; i++) {
        sum += h->buckets[i];
        if (i == SRV_METRICS_BUCKETS - 1) {
            json_u64(out, "+Inf", sum, &first);
            break;
        }
        aivo_buf_str(out, first ? "\"" : ",\"");
        first = false;
        aivo_buf_u64(out, bucket_ms[i]);
        aivo_buf_str(out, "\":");
        aivo_buf_u64(out, sum);
    }
    aivo_buf_str(out, "}}");
}

static void json_names(struct aivo_buf *out, const char *const *names, const uint64_t *counts, int count)
{
    bool first = true;
    aivo_buf_char(out, '{');
    for (int i = 0; i < count; i++)
        json_u64(out, names[i], counts[i], &first);
    aivo_buf_char(out, '}');
}

static void json_redis(struct aivo_buf *out, const struct srv_metrics_redis *r, bool *first_member)
{
    bool first = true;
    json_member(out, "redis", first_member);
    aivo_buf_char(out, '{');
    json_member(out, "connected", &first);
    aivo_buf_str(out, r->connected ? "true" : "false");
    json_u64(out, "connections", r->connections, &first);
    json_u64(out, "published", r->published, &first);
    json_u64(out, "received", r->received, &first);
    json_u64(out, "dropped", r->dropped, &first);
    aivo_buf_char(out, '}');
}

void srv_metrics_json(const struct srv_metrics *m, uint64_t uptime_ms, uint64_t now_ms, struct aivo_buf *out)
{
    bool first = true;
    aivo_buf_char(out, '{');
    json_u64(out, "timestamp", now_ms, &first);
    json_u64(out, "uptimeMs", uptime_ms, &first);
    json_member(out, "connections", &first);
    aivo_buf_str(out, "{\"active\":");
    aivo_buf_u64(out, m->connections_active);
    aivo_buf_str(out, ",\"total\":");
    aivo_buf_u64(out, m->connections);
    aivo_buf_char(out, '}');
    json_member(out, "disconnections", &first);
    json_names(out, reason_names, m->disconnections, SRV_REASON_COUNT);
    json_member(out, "messages", &first);
    aivo_buf_str(out, "{\"sent\":");
    json_events(out, SENT, m->sent);
    aivo_buf_str(out, ",\"received\":");
    json_events(out, RECEIVED, m->received);
    aivo_buf_char(out, '}');
    json_member(out, "latencyMs", &first);
    aivo_buf_char(out, '{');
    bool first_event = true;
    for (int i = 0; i < SRV_EVENT_COUNT; i++) {
        if (!event_shown((enum srv_event)i, RECEIVED, histogram_count(&m->latency[i])))
            continue;
        json_member(out, events[i].name, &first_event);
        json_histogram(out, &m->latency[i]);
    }
    aivo_buf_char(out, '}');
    json_member(out, "errors", &first);
    json_names(out, error_names, m->errors, SRV_ERROR_COUNT);
    json_u64(out, "volatileDropped", m->volatile_dropped, &first);
    json_u64(out, "activeSessions", m->active_sessions, &first);
    if (m->redis.wanted)
        json_redis(out, &m->redis, &first);
    if (m->agent.wanted) {
        bool first_call = true;
        json_member(out, "agentCalls", &first);
        aivo_buf_char(out, '{');
        json_u64(out, "inFlight", m->agent.calls_in_flight, &first_call);
        json_u64(out, "waiting", m->agent.calls_waiting, &first_call);
        aivo_buf_char(out, '}');
    }
    if (m->certificate.wanted)
        json_u64(out, "certificateNotAfter", not_after(m) * 1000, &first);
    aivo_buf_char(out, '}');
}
