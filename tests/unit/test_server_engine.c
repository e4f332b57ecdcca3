/* Engine.IO sessions without a socket: links are structs, time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include "engine.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_link {
    struct srv_link link; /* first */
    bool choked;          /* takes nothing */
    unsigned char out[65536];
    size_t len;
    char answer[65536]; /* of a poll */
    unsigned answers, closes, status;
};

static struct srv_engine engine;
static struct srv_metrics metrics;
static unsigned opened, closed_count, messages;
static enum srv_reason why;
static char last[256];
static bool last_binary;

static void fake_random(void *out, size_t len)
{
    static uint64_t counter; /* distinct, and the same in each run */
    uint64_t value = ++counter;
    for (size_t i = 0; i < len; i++, value /= 64)
        ((unsigned char *)out)[i] = (unsigned char)(value & 63);
}

static void fake_flush(struct srv_link *link, struct srv_outq *q)
{
    struct fake_link *f = (struct fake_link *)(void *)link;
    if (!f->choked)
        f->len += srv_outq_take(q, &engine.pool, f->out + f->len, sizeof f->out - f->len);
}

static void fake_send(struct srv_link *link, const char *payload, size_t len)
{
    struct fake_link *f = (struct fake_link *)(void *)link;
    struct srv_outq q = {0};
    assert_true(srv_outq_add(&q, &engine.pool, payload, len, false));
    fake_flush(link, &q);
    assert_true(f->len > 0);
}

static void fake_close(struct srv_link *link, unsigned status)
{
    struct fake_link *f = (struct fake_link *)(void *)link;
    f->closes++;
    f->status = status;
}

static void fake_answer(struct srv_link *link, const char *payload, size_t len)
{
    struct fake_link *f = (struct fake_link *)(void *)link;
    f->answers++;
    memcpy(f->answer, payload, len);
    f->answer[len] = '\0';
}

static const struct srv_link_ops fake_ops = {fake_flush, NULL, fake_send, fake_close, fake_answer};

static void on_open(struct srv_engine *e, struct srv_session *s, uint64_t now_ms)
{
    (void)e, (void)s, (void)now_ms;
    opened++;
}

static void on_message(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                       uint64_t now_ms)
{
    (void)e, (void)s, (void)now_ms;
    messages++;
    assert_true(len < sizeof last);
    memcpy(last, data, len);
    last[len] = '\0';
    last_binary = binary;
}

static void on_close(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    (void)e, (void)s;
    closed_count++;
    why = reason;
}

static const struct srv_session_hooks hooks = {on_open, on_message, on_close, NULL};

static struct fake_link *new_link(void)
{
    struct fake_link *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->link.ops = &fake_ops;
    return f;
}

static int setup(void **state)
{
    (void)state;
    const struct srv_engine_options options = {1000, 500, 10000, 1000000, 10000};
    opened = closed_count = messages = 0;
    srv_metrics_init(&metrics);
    assert_true(srv_engine_init(&engine, &options, &metrics, fake_random));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    srv_engine_free(&engine);
    return 0;
}

static void at(uint64_t now_ms)
{
    srv_timers_run(&engine.timers, now_ms);
    srv_engine_flush(&engine);
}

/* The text of the only frame in the link's output; forgets it. */
static const char *said(struct fake_link *f)
{
    static char text[65536];
    size_t header = f->out[1] < 126 ? 2 : 4;
    size_t len = f->out[1] < 126 ? f->out[1] : (size_t)f->out[2] << 8 | f->out[3];
    assert_int_equal(f->len, header + len);
    memcpy(text, f->out + header, len);
    text[len] = '\0';
    f->len = 0;
    return text;
}

static struct srv_session *open_ws(struct fake_link *f, uint64_t now_ms)
{
    struct srv_session *s = srv_session_open(&engine, &hooks, &f->link, now_ms);
    assert_non_null(s);
    srv_engine_flush(&engine);
    char expected[256];
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[],\"pingInterval\":1000,\"pingTimeout\":500,\"maxPayload\":1000000}",
             s->sid);
    assert_string_equal(said(f), expected);
    return s;
}

static void hear(struct fake_link *f, const char *text, uint64_t now_ms)
{
    srv_link_received(&engine, &f->link, text, strlen(text), false, now_ms);
}

/* The server pings each interval; a pong starts the next one; without a pong the session ends. */
static void heartbeat(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    open_ws(f, 0);
    assert_int_equal(srv_timers_next(&engine.timers), 1000);
    at(999);
    assert_int_equal(f->len, 0);
    at(1000);
    assert_string_equal(said(f), "2");
    hear(f, "3", 1200);
    assert_int_equal(srv_timers_next(&engine.timers), 2200);
    at(2200);
    assert_string_equal(said(f), "2");
    at(2699);
    assert_int_equal(closed_count, 0);
    at(2700);
    assert_int_equal(closed_count, 1);
    assert_int_equal(why, SRV_REASON_PING_TIMEOUT);
    assert_int_equal(f->closes, 1);
    assert_null(f->link.session);
    free(f);
}

/* While a pong is awaited, another packet buys the time-out anew, once. */
static void pong_extended_once(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    open_ws(f, 0);
    at(1000);
    hear(f, "4a", 1400);
    hear(f, "4b", 1800);
    at(1899);
    assert_int_equal(closed_count, 0);
    at(1900);
    assert_int_equal(closed_count, 1);
    free(f);
}

/* A loop that stalled does not count against the peer: its pong is due a time-out after the ping was really sent. */
static void stall_is_forgiven(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    open_ws(f, 0);
    at(9000);
    assert_string_equal(said(f), "2");
    assert_int_equal(srv_timers_next(&engine.timers), 9500);
    hear(f, "3", 9100);
    at(9500);
    assert_int_equal(closed_count, 0);
    srv_session_fail(&engine, f->link.session, SRV_REASON_FORCED_CLOSE);
    free(f);
}

/* All that is sent in a turn reaches the link in one flush, in order. */
static void one_flush_a_turn(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    struct srv_session *s = open_ws(f, 0);
    srv_session_send(&engine, s, "4a", 2, false);
    srv_session_send(&engine, s, "\x01", 1, true);
    srv_session_send(&engine, s, "4b", 2, false);
    assert_int_equal(f->len, 0);
    srv_engine_flush(&engine);
    assert_memory_equal(f->out,
                        "\x81\x02"
                        "4a"
                        "\x82\x01\x01"
                        "\x81\x02"
                        "4b",
                        11);
    assert_int_equal(f->len, 11);
    srv_session_fail(&engine, s, SRV_REASON_FORCED_CLOSE);
    free(f);
}

/* A peer that reads nothing is cut off at the queue's bound, by the next flush and not inside the send. */
static void slow_consumer(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    struct srv_session *s = open_ws(f, 0);
    static char kilobyte[1000] = "4";
    f->choked = true;
    for (int i = 0; i < 9; i++)
        srv_session_send(&engine, s, kilobyte, sizeof kilobyte, false);
    srv_engine_flush(&engine);
    assert_int_equal(closed_count, 0);
    for (int i = 0; i < 3; i++)
        srv_session_send(&engine, s, kilobyte, sizeof kilobyte, false);
    assert_int_equal(closed_count, 0);
    srv_engine_flush(&engine);
    assert_int_equal(closed_count, 1);
    assert_int_equal(metrics.errors[SRV_ERROR_SLOW_CONSUMER], 1);
    assert_int_equal(why, SRV_REASON_FORCED_CLOSE);
    assert_int_equal(f->status, SRV_WS_POLICY);
    free(f);
}

/* What is shared by two sessions reaches both, small (copied) or large (by reference). */
static void shared_frames(void **state)
{
    (void)state;
    struct fake_link *f = new_link(), *g = new_link();
    struct srv_session *s = open_ws(f, 0), *t = open_ws(g, 0);
    static char large[5000];
    memset(large, '4', sizeof large);
    size_t sizes[] = {10, sizeof large};
    for (int i = 0; i < 2; i++) {
        struct srv_frame *frame = srv_frame_new(large, sizes[i], false);
        srv_session_send_shared(&engine, s, frame);
        srv_session_send_shared(&engine, t, frame);
        srv_frame_release(frame);
        srv_engine_flush(&engine);
        assert_int_equal(strlen(said(f)), sizes[i]);
        assert_int_equal(strlen(said(g)), sizes[i]);
    }
    srv_session_fail(&engine, s, SRV_REASON_FORCED_CLOSE);
    srv_session_fail(&engine, t, SRV_REASON_FORCED_CLOSE);
    free(f);
    free(g);
}

/* A polling session that the server closes keeps its last words for the next poll, for a while. */
static void last_words(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    struct srv_session *s = srv_session_open(&engine, &hooks, NULL, 0);
    char sid[SRV_SID_LEN + 1];
    memcpy(sid, s->sid, sizeof sid);
    assert_true(srv_session_poll(&engine, s, &f->link, 0));
    srv_engine_flush(&engine);
    assert_int_equal(f->answers, 1);
    srv_session_send(&engine, s, "4bye", 4, false);
    srv_session_close(&engine, s, SRV_REASON_SERVER_SHUTTING_DOWN, SRV_WS_GOING_AWAY);
    assert_int_equal(closed_count, 1);
    srv_engine_flush(&engine);
    assert_ptr_equal(srv_session_find(&engine, sid), s);
    assert_true(srv_session_poll(&engine, s, &f->link, 10));
    srv_engine_flush(&engine);
    assert_string_equal(f->answer, "4bye\x1e"
                                   "1");
    assert_null(srv_session_find(&engine, sid));

    s = srv_session_open(&engine, &hooks, NULL, 20);
    memcpy(sid, s->sid, sizeof sid);
    srv_session_close(&engine, s, SRV_REASON_SERVER_SHUTTING_DOWN, SRV_WS_GOING_AWAY);
    at(20 + SRV_ENGINE_CLOSING_MS - 1);
    assert_non_null(srv_session_find(&engine, sid));
    at(20 + SRV_ENGINE_CLOSING_MS);
    assert_null(srv_session_find(&engine, sid));
    free(f);
}

/* A poll whose client goes away ends the session; so does a POST that breaks off. */
static void lost_requests(void **state)
{
    (void)state;
    struct fake_link *f = new_link();
    struct srv_session *s = srv_session_open(&engine, &hooks, NULL, 0);
    assert_true(srv_session_poll(&engine, s, &f->link, 0));
    srv_link_lost(&engine, &f->link, SRV_REASON_TRANSPORT_ERROR);
    assert_int_equal(closed_count, 1);
    s = srv_session_open(&engine, &hooks, NULL, 0);
    assert_true(srv_session_post_begin(&engine, s, &f->link));
    srv_link_lost(&engine, &f->link, SRV_REASON_TRANSPORT_ERROR);
    assert_int_equal(closed_count, 2);
    free(f);
}

/* An upgrade that is not finished in time costs the probe, not the session; messages that waited move over. */
static void upgrade(void **state)
{
    (void)state;
    struct fake_link *ws = new_link();
    struct srv_session *s = srv_session_open(&engine, &hooks, NULL, 0);
    assert_true(srv_session_probe(&engine, s, &ws->link, 0));
    assert_false(srv_session_probe(&engine, s, &ws->link, 0));
    hear(ws, "2probe", 10);
    assert_string_equal(said(ws), "3probe");
    srv_timer_stop(&s->heartbeat); /* not what this is about */
    at(10000);
    assert_int_equal(ws->closes, 1);
    assert_int_equal(s->state, SRV_SESSION_OPEN);

    uint64_t now_ms = 10000 + 1;
    assert_true(srv_session_probe(&engine, s, &ws->link, now_ms));
    hear(ws, "2probe", now_ms);
    ws->len = 0;
    srv_outq_clear(&s->out, &engine.pool);
    srv_session_send(&engine, s, "4moved", 6, false);
    hear(ws, "5", now_ms);
    srv_engine_flush(&engine);
    assert_string_equal(said(ws), "4moved");
    assert_false(srv_session_is_polling(s));
    srv_session_fail(&engine, s, SRV_REASON_FORCED_CLOSE);
    free(ws);
}

/* Ten thousand sessions are found by their sids, and gone when they end. */
static void many_sessions(void **state)
{
    (void)state;
    enum { N = 10000 };
    static struct srv_session *all[N];
    for (int i = 0; i < N; i++)
        all[i] = srv_session_open(&engine, &hooks, NULL, 0);
    assert_int_equal(opened, N);
    assert_int_equal(engine.count, N);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(srv_session_find(&engine, all[i]->sid), all[i]);
    for (int i = 0; i < N; i++)
        srv_session_fail(&engine, all[i], SRV_REASON_FORCED_CLOSE);
    assert_int_equal(engine.count, 0);
    srv_engine_flush(&engine);
    assert_int_equal(srv_timers_next(&engine.timers), SRV_TIMER_NEVER);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(heartbeat),     TEST(pong_extended_once), TEST(stall_is_forgiven), TEST(one_flush_a_turn),
        TEST(slow_consumer), TEST(shared_frames),      TEST(last_words),        TEST(lost_requests),
        TEST(upgrade),       TEST(many_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
