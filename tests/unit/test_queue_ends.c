/* The queue when the server answers late, or ends the connection at a message: order keys, what waits on disk, several
 * queues on one connection. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK_ANSWER "[{\"success\":true}]"

static struct aivo_queue_stats stats_of(struct bench *b)
{
    struct aivo_queue_stats stats;
    aivo_queue_stats(b->q, &stats);
    return stats;
}

static void send_keyed(struct bench *b, const char *args, const char *key, const char *queue)
{
    struct aivo_send how;
    struct aivo_error err;
    aivo_send_init(&how);
    how.order_key = key;
    how.queue = queue;
    if (aivo_queue_send_ex(b->q, "event", args, &how, NULL, &err) != AIVO_OK)
        fail_msg("%s", err.message);
}

/* 300 messages time out, most of which then wait on disk for their next attempt; their answers come late: each is
 * acknowledged, once, whether it is in memory or not, none is sent again, and what is behind it in its order goes on.
 */
static void test_late_on_disk(void **state)
{
    struct bench *b = *state;
    enum { COUNT = 300 };
    b->options.window = 300;
    b->options.retry_base_ms = b->options.retry_cap_ms = 3600000;
    bench_open(b);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        send_keyed(b, "[1]", i < 20 ? key : NULL, NULL);
    }
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        send_keyed(b, "[2]", key, NULL); /* behind the first twenty */
    }
    bench_connect(b);
    bench_run_until(b, &b->sent_count, COUNT);
    for (int i = 0; i < COUNT; i++)
        bench_timeout(b, b->sent[i].ticket);
    bench_settle(b);
    size_t in_memory = aivo_delivery_waiting(b->q->lanes[0].delivery);
    assert_in_range(in_memory, 1, COUNT / 2 + 1);
    for (int i = 0; i < COUNT; i++)
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    bench_run_until(b, &b->told_count, COUNT);
    bench_settle(b);
    assert_int_equal(b->told_count, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(b->told[i].fate, AIVO_FATE_ACKNOWLEDGED);
    assert_int_equal(b->sent_count, COUNT + 20);
    for (int i = COUNT; i < COUNT + 20; i++)
        assert_string_equal(b->sent[i].args, "[2]");
    assert_int_equal(stats_of(b).pending, 20);
    assert_int_equal(stats_of(b).acknowledged, COUNT);
    assert_int_equal(stats_of(b).untold, 0);
    bench_close(b);
    bench_open(b);
    assert_int_equal(stats_of(b).pending, 20);
}

/* The late answer comes just when the message has been put on disk, before the disk says so: it counts. */
static void test_late_while_parked(void **state)
{
    struct bench *b = *state;
    b->options.retry_base_ms = b->options.retry_cap_ms = 3600000;
    bench_open(b);
    for (int i = 0; i < 64; i++)
        bench_send(b, "[1]");
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 64);
    for (int i = 0; i < 64; i++)
        bench_timeout(b, b->sent[i].ticket);
    for (int i = 0; i < 64; i++)
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    bench_run_until(b, &b->told_count, 64);
    bench_settle(b);
    assert_int_equal(b->told_count, 64);
    assert_int_equal(stats_of(b).pending, 0);
    assert_int_equal(b->sent_count, 64);
}

/* A server that ends the connection at the message [0]: the first of its key, in one of two queues. All that is not
 * behind it in its order is acknowledged; it dies with the reason; then what is behind it follows, in order. */
static void test_poison(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy policy = {
        .size = sizeof policy, .name = "other", .max_messages = 1000, .ttl_s = 3600, .max_retries = 3, .window = 8};
    enum { EACH = 100 };
    b->options.window = 8;
    b->options.queues = &policy;
    b->options.queue_count = 1;
    bench_open(b);
    send_keyed(b, "[0]", "k", NULL);
    send_keyed(b, "[\"behind\"]", "k", NULL);
    for (int i = 1; i <= EACH; i++) {
        send_keyed(b, "[1]", NULL, NULL);
        send_keyed(b, "[2]", i % 2 ? "k" : NULL, "other"); /* keys are each queue's own */
    }
    size_t connections = 0, seen = 0, poisoned = 0, poisoned_at = 0, behind_at = 0;
    while (stats_of(b).pending + stats_of(b).untold > 0) {
        bool cut = false;
        assert_true(++connections < 100);
        bench_connect(b);
        while (!cut && stats_of(b).pending + stats_of(b).untold > 0) {
            bench_step(b);
            for (; seen < b->sent_count && !cut; seen++) {
                cut = strcmp(b->sent[seen].args, "[0]") == 0;
                poisoned += cut;
                poisoned_at = cut ? seen : poisoned_at;
                if (strcmp(b->sent[seen].args, "[\"behind\"]") == 0)
                    behind_at = seen;
                if (!cut)
                    bench_answer(b, b->sent[seen].ticket, OK_ANSWER);
            }
            b->ahead_us += 1000;
        }
        seen = b->sent_count;
        if (cut)
            bench_cut(b);
    }
    bench_step(b); /* the last of them may be in memory, to be told */
    assert_int_equal(b->told_count, 2 * EACH + 2);
    size_t dead = 0;
    for (size_t i = 0; i < b->told_count; i++) {
        bool bad = strcmp(b->told[i].args, "[0]") == 0;
        assert_int_equal(b->told[i].fate, bad ? AIVO_FATE_DEAD : AIVO_FATE_ACKNOWLEDGED);
        if (bad)
            assert_string_equal(b->told[i].reason, "the connection ended each time it was sent");
        dead += bad;
    }
    assert_int_equal(dead, 1);
    assert_true(behind_at > poisoned_at);
    assert_in_range(poisoned, AIVO_DELIVERY_ENDS_FREE + 3, AIVO_DELIVERY_ENDS_FREE + 3 + AIVO_DELIVERY_ENDS_SUSPECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_late_on_disk, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_late_while_parked, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_poison, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
