#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include "metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aivo_buf out;

static void has(const char *text)
{
    if (strstr(out.data, text) == NULL)
        fail_msg("no '%s' in:\n%s", text, out.data);
}

static void text_of(const struct srv_metrics *m)
{
    aivo_buf_clear(&out);
    srv_metrics_text(m, &out);
    assert_false(out.failed);
}

/* A name is found exactly, never by a part of it, and comes back from its number. */
static void test_event_names(void **state)
{
    (void)state;
    for (int i = SRV_EVENT_OTHER + 1; i < SRV_EVENT_COUNT; i++) {
        const char *name = srv_event_name((enum srv_event)i);
        assert_int_equal(srv_event_find(name, strlen(name)), i);
        assert_int_equal(srv_event_find(name, strlen(name) - 1), SRV_EVENT_OTHER);
    }
    assert_int_equal(srv_event_find("agent:learningx", 15), SRV_EVENT_OTHER);
    assert_int_equal(srv_event_find("other", 5), SRV_EVENT_OTHER);
    assert_int_equal(srv_event_find("", 0), SRV_EVENT_OTHER);
    assert_int_equal(srv_event_find("nonsense{event=\"x\"}", 19), SRV_EVENT_OTHER);
}

/* A server that has just started shows all eight metrics with their types, at zero. */
static void test_text_at_start(void **state)
{
    (void)state;
    struct srv_metrics m;
    srv_metrics_init(&m);
    text_of(&m);
    has("# TYPE websocket_connections_total gauge\nwebsocket_connections_total 0\n");
    has("# TYPE websocket_connections_count counter\nwebsocket_connections_count 0\n");
    has("# TYPE websocket_disconnections_total counter\nwebsocket_disconnections_total{reason=\"transport close\"} "
        "0\n");
    has("websocket_disconnections_total{reason=\"client namespace disconnect\"} 0\n");
    has("# TYPE websocket_messages_sent_total counter\n");
    has("websocket_messages_sent_total{event=\"tutor:message\"} 0\n");
    has("# TYPE websocket_messages_received_total counter\nwebsocket_messages_received_total{event=\"other\"} 0\n");
    has("websocket_messages_received_total{event=\"agent:learning\"} 0\n");
    has("# TYPE websocket_message_latency_ms histogram\n");
    has("websocket_message_latency_ms_bucket{event=\"agent:learning\",le=\"+Inf\"} 0\n");
    has("# TYPE websocket_errors_total counter\nwebsocket_errors_total{type=\"rate_limit\"} 0\n");
    has("websocket_errors_total{type=\"slow_consumer\"} 0\n");
    has("# TYPE websocket_active_sessions gauge\nwebsocket_active_sessions 0\n");
    /* what only tests use is not shown before it is used */
    assert_null(strstr(out.data, "bench"));
    assert_null(strstr(out.data, "message-back"));
    int helps = 0;
    for (const char *at = out.data; (at = strstr(at, "# HELP ")) != NULL; at++)
        helps++;
    assert_int_equal(helps, 9);
}

/* Counts appear where they were counted. */
static void test_counts(void **state)
{
    (void)state;
    struct srv_metrics m;
    srv_metrics_init(&m);
    for (int i = 0; i < 3; i++)
        srv_metrics_connected(&m);
    srv_metrics_disconnected(&m, SRV_REASON_PING_TIMEOUT);
    m.received[SRV_EVENT_LEARNING] += 150;
    m.received[srv_event_find("x", 1)]++;
    m.sent[SRV_EVENT_QUALITY_PONG]++;
    m.sent[SRV_EVENT_BENCH_EVENT] += 7;
    srv_metrics_error(&m, SRV_ERROR_RATE_LIMIT);
    srv_metrics_error(&m, SRV_ERROR_NONE);
    m.active_sessions = 2;
    text_of(&m);
    has("websocket_connections_total 2\n");
    has("websocket_connections_count 3\n");
    has("{reason=\"ping timeout\"} 1\n");
    has("websocket_messages_received_total{event=\"agent:learning\"} 150\n");
    has("websocket_messages_received_total{event=\"other\"} 1\n");
    has("websocket_messages_sent_total{event=\"quality_pong\"} 1\n");
    has("websocket_messages_sent_total{event=\"bench:event\"} 7\n");
    has("websocket_errors_total{type=\"rate_limit\"} 1\n");
    has("websocket_errors_total{type=\"auth\"} 0\n");
    has("websocket_active_sessions 2\n");
}

/* Latencies on, just over and far over the buckets' bounds: le is inclusive, buckets are cumulative, the sum is in ms.
 */
static void test_histogram(void **state)
{
    (void)state;
    static const uint64_t micros[] = {0, 1000, 1001, 5000, 99999, 100000, 100001, 5000000, 5000001, 60000000};
    struct srv_metrics m;
    srv_metrics_init(&m);
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof micros / sizeof micros[0]; i++) {
        srv_metrics_latency(&m, SRV_EVENT_TUTOR, micros[i]);
        sum += micros[i];
    }
    text_of(&m);
    static const struct {
        const char *le;
        int count;
    } expected[] = {{"1", 2},   {"5", 4},   {"10", 4},   {"25", 4},   {"50", 4},   {"100", 6},
                    {"250", 7}, {"500", 7}, {"1000", 7}, {"2500", 7}, {"5000", 8}, {"+Inf", 10}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char want[128];
        snprintf(want, sizeof want, "websocket_message_latency_ms_bucket{event=\"agent:tutor\",le=\"%s\"} %d\n",
                 expected[i].le, expected[i].count);
        has(want);
    }
    char want[128];
    snprintf(want, sizeof want, "websocket_message_latency_ms_sum{event=\"agent:tutor\"} %llu.%03llu\n",
             (unsigned long long)(sum / 1000), (unsigned long long)(sum % 1000));
    has(want);
    has("websocket_message_latency_ms_count{event=\"agent:tutor\"} 10\n");
}

static uint64_t number_at(const struct aivo_json *object, const char *a, const char *b, const char *c)
{
    uint64_t value = UINT64_MAX;
    struct aivo_json at = aivo_json_get(object, a);
    if (b != NULL)
        at = aivo_json_get(&at, b);
    if (c != NULL)
        at = aivo_json_get(&at, c);
    if (!aivo_json_u64(&at, &value))
        fail_msg("no %s %s %s", a, b, c);
    return value;
}

/* /metrics is one valid JSON object with the same figures. */
static void test_json(void **state)
{
    (void)state;
    struct srv_metrics m;
    srv_metrics_init(&m);
    srv_metrics_connected(&m);
    srv_metrics_connected(&m);
    srv_metrics_disconnected(&m, SRV_REASON_TRANSPORT_CLOSE);
    m.received[SRV_EVENT_SPEECH] = 5;
    m.sent[SRV_EVENT_CONNECTION_QUALITY] = 2;
    m.errors[SRV_ERROR_NO_SESSION] = 4;
    m.active_sessions = 1;
    srv_metrics_latency(&m, SRV_EVENT_SPEECH, 1500);
    srv_metrics_latency(&m, SRV_EVENT_SPEECH, 2501);
    aivo_buf_clear(&out);
    srv_metrics_json(&m, 1234, 1709210096789, &out);
    size_t bad = 0;
    struct aivo_json json = aivo_json_parse(out.data, out.len, &bad);
    if (json.type != AIVO_JSON_OBJECT)
        fail_msg("byte %zu of %s", bad, out.data);
    assert_int_equal(number_at(&json, "timestamp", NULL, NULL), 1709210096789);
    assert_int_equal(number_at(&json, "uptimeMs", NULL, NULL), 1234);
    assert_int_equal(number_at(&json, "connections", "active", NULL), 1);
    assert_int_equal(number_at(&json, "connections", "total", NULL), 2);
    assert_int_equal(number_at(&json, "disconnections", "transport close", NULL), 1);
    assert_int_equal(number_at(&json, "messages", "received", "agent:speech"), 5);
    assert_int_equal(number_at(&json, "messages", "sent", "connection:quality"), 2);
    assert_int_equal(number_at(&json, "errors", "no_session", NULL), 4);
    assert_int_equal(number_at(&json, "activeSessions", NULL, NULL), 1);
    assert_int_equal(number_at(&json, "latencyMs", "agent:speech", "count"), 2);
    struct aivo_json speech = aivo_json_get(&json, "latencyMs");
    speech = aivo_json_get(&speech, "agent:speech");
    struct aivo_json value = aivo_json_get(&speech, "mean");
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.text, "2.000", 5);
    assert_int_equal(number_at(&speech, "buckets", "5", NULL), 2);
    assert_int_equal(number_at(&speech, "buckets", "1", NULL), 0);
    struct aivo_json idle = aivo_json_get(&json, "latencyMs");
    idle = aivo_json_get(&idle, "agent:tutor");
    idle = aivo_json_get(&idle, "mean");
    assert_int_equal(idle.type, AIVO_JSON_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_names), cmocka_unit_test(test_text_at_start), cmocka_unit_test(test_counts),
        cmocka_unit_test(test_histogram),   cmocka_unit_test(test_json),
    };
    aivo_buf_init(&out);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    aivo_buf_free(&out);
    return failures;
}
