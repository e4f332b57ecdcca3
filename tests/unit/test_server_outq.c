/* The outgoing queue, the deadline lists and the memory of message ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include "dedup.h"
#include "outq.h"
#include "timer.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The three forms of a frame's length, at their edges. */
static void frame_headers(void **state)
{
    (void)state;
    unsigned char h[SRV_FRAME_HEADER];
    assert_int_equal(srv_frame_header(h, 125, false), 2);
    assert_memory_equal(h, "\x81\x7d", 2);
    assert_int_equal(srv_frame_header(h, 126, true), 4);
    assert_memory_equal(h, "\x82\x7e\x00\x7e", 4);
    assert_int_equal(srv_frame_header(h, 65535, false), 4);
    assert_int_equal(srv_frame_header(h, 65536, false), 10);
    assert_memory_equal(h, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

/* Frames of all sizes come out as they went in, whatever the size of each bite. */
static void bites(void **state)
{
    (void)state;
    struct srv_pool pool;
    srv_pool_init(&pool);
    static unsigned char expected[400000], got[400000], payload[70000];
    for (size_t bite = 1; bite < 100000; bite = bite * 7 + 1) {
        struct srv_outq q = {0};
        size_t len = 0, taken = 0;
        for (size_t i = 0; i < 60; i++) {
            size_t n = i == 30 ? 70000 : (i * i * 13) % 9000;
            memset(payload, (int)i, n);
            struct srv_frame *shared = i % 3 ? NULL : srv_frame_new(payload, n, true);
            assert_true(shared ? srv_outq_add_shared(&q, &pool, shared) : srv_outq_add(&q, &pool, payload, n, true));
            srv_frame_release(shared);
            len += srv_frame_header(expected + len, n, true);
            memcpy(expected + len, payload, n);
            len += n;
            assert_int_equal(q.bytes, len);
        }
        while (q.bytes)
            taken += srv_outq_take(&q, &pool, got + taken, bite);
        assert_int_equal(taken, len);
        assert_memory_equal(got, expected, len);
        assert_null(q.head);
        if (bite > 1000)
            assert_true(pool.kept_bytes <= SRV_POOL_KEEP_BYTES);
    }
    srv_pool_free(&pool);
}

/* What is dropped ends at a frame's boundary: of a frame whose beginning was taken the rest stays, of none nothing. */
static void begun(void **state)
{
    (void)state;
    static unsigned char payload[9000], got[20000];
    struct srv_pool pool;
    srv_pool_init(&pool);
    for (int shared = 0; shared < 2; shared++)
        for (size_t bite = 0; bite < 16000; bite += 97) {
            struct srv_outq q = {0};
            static const size_t sizes[] = {3, 200, 9000, 0, 2100, 300};
            size_t ends[6], len = 0;
            for (size_t i = 0; i < 6; i++) {
                struct srv_frame *frame = shared ? srv_frame_new(payload, sizes[i], false) : NULL;
                assert_true(shared ? srv_outq_add_shared(&q, &pool, frame)
                                   : srv_outq_add(&q, &pool, payload, sizes[i], false));
                srv_frame_release(frame);
                ends[i] = len = q.bytes;
            }
            size_t taken = srv_outq_take(&q, &pool, got, bite), end = 0;
            for (size_t i = 0; i < 6 && end < taken; i++)
                end = ends[i];
            srv_outq_keep_begun(&q, &pool);
            assert_int_equal(q.bytes, end - taken);
            assert_int_equal(srv_outq_take(&q, &pool, got, sizeof got), end - taken);
            assert_null(q.head);
            assert_null(q.tail);
            assert_true(len == ends[5]);
        }
    srv_pool_free(&pool);
}

/* A poll's payload is made of the same frames: text as it is, binary in base64, separators between. */
static void payload(void **state)
{
    (void)state;
    struct srv_pool pool;
    struct srv_outq q = {0};
    struct aivo_buf out;
    srv_pool_init(&pool);
    aivo_buf_init(&out);
    static char large[70000];
    memset(large, '4', sizeof large);
    srv_outq_add(&q, &pool, "4a", 2, false);
    srv_outq_add(&q, &pool, "\x01\x02\x03\x04", 4, true);
    srv_outq_add(&q, &pool, "", 0, true);
    srv_outq_add(&q, &pool, large, sizeof large, false);
    assert_true(srv_outq_take_payload(&q, &pool, &out));
    assert_memory_equal(out.data,
                        "4a\x1e"
                        "bAQIDBA==\x1e"
                        "b\x1e"
                        "4444",
                        18);
    assert_int_equal(out.len, 2 + 1 + 9 + 1 + 1 + 1 + sizeof large);
    assert_int_equal(q.bytes, 0);
    aivo_buf_free(&out);
    srv_pool_free(&pool);
}

static unsigned fired;
static struct srv_timer *fired_last;
static struct srv_timer_list *again_list;

static void fire(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)context;
    fired++;
    fired_last = timer;
    if (again_list)
        srv_timer_start(again_list, timer, now_ms);
}

/* Timers fire in order when due, can be stopped, started anew, and start themselves again. */
static void timers(void **state)
{
    (void)state;
    struct srv_timers all = {0};
    struct srv_timer_list slow, fast;
    struct srv_timer a = {0}, b = {0}, c = {0};
    srv_timers_add(&all, &slow, 100, fire, NULL);
    srv_timers_add(&all, &fast, 10, fire, NULL);
    assert_int_equal(srv_timers_next(&all), SRV_TIMER_NEVER);
    srv_timer_start(&slow, &a, 0);
    srv_timer_start(&fast, &b, 5);
    srv_timer_start(&slow, &c, 20);
    assert_int_equal(srv_timers_next(&all), 15);
    srv_timers_run(&all, 14);
    assert_int_equal(fired, 0);
    srv_timers_run(&all, 15);
    assert_ptr_equal(fired_last, &b);
    assert_false(srv_timer_running(&b));
    srv_timer_start(&slow, &a, 50); /* now behind c */
    srv_timers_run(&all, 120);
    assert_ptr_equal(fired_last, &c);
    srv_timer_stop(&a);
    srv_timer_stop(&a);
    assert_int_equal(srv_timers_next(&all), SRV_TIMER_NEVER);
    again_list = &fast;
    srv_timer_start(&fast, &b, 200);
    srv_timers_run(&all, 210);
    assert_int_equal(fired, 3);
    assert_int_equal(srv_timers_next(&all), 220);
    srv_timer_stop(&b);
    again_list = NULL;
}

static struct {
    void *who;
    uint64_t id;
} told[32];
static unsigned told_count;

static void tell(void *context, void *waiter, uint64_t ack_id)
{
    (void)context;
    told[told_count].who = waiter;
    told[told_count++].id = ack_id;
}

static enum srv_dedup_verdict begin(struct srv_dedup *d, const char *user, const char *id, uint64_t now_ms,
                                    struct srv_dedup_entry **entry, const char **ack)
{
    size_t len = 0;
    return srv_dedup_begin(d, user, id, strlen(id), now_ms, entry, ack, &len);
}

/* The first is handled, a repeat meanwhile waits, a later one gets the stored ack; users do not share ids. */
static void repeats(void **state)
{
    (void)state;
    struct srv_dedup d;
    struct srv_dedup_entry *e, *other;
    const char *ack = NULL;
    int x, y;
    srv_dedup_init(&d, 42);
    assert_int_equal(begin(&d, "ann", "m1", 0, &e, &ack), SRV_DEDUP_NEW);
    assert_int_equal(begin(&d, "bob", "m1", 0, &other, &ack), SRV_DEDUP_NEW);
    assert_int_equal(begin(&d, "ann", "m1", 1, &other, &ack), SRV_DEDUP_PENDING);
    assert_ptr_equal(other, e);
    assert_true(srv_dedup_wait(e, &x, 7));
    assert_true(srv_dedup_wait(e, &y, 8));
    assert_true(srv_dedup_wait(e, &x, 9));
    srv_dedup_unwait(e, &y);
    told_count = 0;
    srv_dedup_done(&d, e, "[1]", 3, tell, NULL);
    assert_int_equal(told_count, 2);
    assert_ptr_equal(told[0].who, &x);
    assert_int_equal(told[0].id, 7);
    assert_int_equal(told[1].id, 9);
    assert_int_equal(begin(&d, "ann", "m1", SRV_DEDUP_TTL_MS - 1, &e, &ack), SRV_DEDUP_REPEAT);
    assert_string_equal(ack, "[1]");
    srv_dedup_free(&d);
}

/* After ten minutes a message is new again; one that was not handled is new at once. */
static void forgetting(void **state)
{
    (void)state;
    struct srv_dedup d;
    struct srv_dedup_entry *e;
    const char *ack;
    srv_dedup_init(&d, 1);
    begin(&d, "ann", "m1", 0, &e, &ack);
    srv_dedup_done(&d, e, "[]", 2, tell, NULL);
    assert_int_equal(begin(&d, "ann", "m1", SRV_DEDUP_TTL_MS, &e, &ack), SRV_DEDUP_NEW);
    srv_dedup_forget(&d, e, tell, NULL);
    assert_int_equal(begin(&d, "ann", "m1", SRV_DEDUP_TTL_MS, &e, &ack), SRV_DEDUP_NEW);
    srv_dedup_done(&d, e, "[]", 2, tell, NULL);
    char longest[SRV_DEDUP_MAX_ID + 2];
    memset(longest, 'x', sizeof longest);
    longest[SRV_DEDUP_MAX_ID + 1] = '\0';
    assert_int_equal(begin(&d, "ann", longest, 0, &e, &ack), SRV_DEDUP_UNKNOWN);
    assert_int_equal(begin(&d, "ann", "", 0, &e, &ack), SRV_DEDUP_UNKNOWN);
    srv_dedup_free(&d);
}

/* Beyond the bounds the oldest go first, even one that is still in work: it is finished without being remembered. */
static void bounds(void **state)
{
    (void)state;
    struct srv_dedup d;
    struct srv_dedup_entry *first, *e;
    const char *ack;
    char id[32];
    static char large[SRV_DEDUP_MAX_ACK];
    srv_dedup_init(&d, 1);
    begin(&d, "ann", "first", 0, &first, &ack);
    for (int i = 0; i < SRV_DEDUP_MAX_ENTRIES; i++) {
        snprintf(id, sizeof id, "m%d", i);
        assert_int_equal(begin(&d, "ann", id, 1, &e, &ack), SRV_DEDUP_NEW);
        srv_dedup_done(&d, e, "[]", 2, tell, NULL);
    }
    assert_int_equal(srv_dedup_size(&d), SRV_DEDUP_MAX_ENTRIES);
    srv_dedup_done(&d, first, "[]", 2, tell, NULL);
    assert_int_equal(begin(&d, "ann", "m0", 2, &e, &ack), SRV_DEDUP_REPEAT);
    for (int i = 0; i < 1200; i++) {
        snprintf(id, sizeof id, "big%d", i);
        begin(&d, "ann", id, 3, &e, &ack);
        srv_dedup_done(&d, e, large, sizeof large, tell, NULL);
    }
    assert_true(d.bytes <= SRV_DEDUP_MAX_BYTES + sizeof large);
    assert_int_equal(begin(&d, "ann", "m0", 4, &e, &ack), SRV_DEDUP_NEW);
    srv_dedup_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_headers), cmocka_unit_test(bites),  cmocka_unit_test(begun),
        cmocka_unit_test(payload),       cmocka_unit_test(timers), cmocka_unit_test(repeats),
        cmocka_unit_test(forgetting),    cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
