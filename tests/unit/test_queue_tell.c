/* What the queue does until a fate was told: clients that tell it later, or not at all. */
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

/* The program learns of the fates from here on. */
static void tell_from(struct bench *b, size_t first)
{
    for (size_t i = first; i < b->told_count; i++)
        aivo_queue_told(b->q, b->told[i].receipt);
}

/* A client that keeps fates: the row stays as a fate until it was told; a restart before tells it again, and sends
 * nothing again. */
static void test_kept(void **state)
{
    struct bench *b = *state;
    b->keeps = true;
    b->auto_answer = OK_ANSWER;
    bench_open(b);
    for (int i = 0; i < 10; i++)
        bench_send(b, "[]");
    bench_connect(b);
    bench_run_until(b, &b->told_count, 10);
    bench_settle(b);
    assert_int_equal(stats_of(b).pending, 0);
    assert_int_equal(stats_of(b).untold, 10);
    assert_string_equal(b->told[9].answer, OK_ANSWER);
    aivo_queue_told(b->q, b->told[1].receipt); /* in any order */
    aivo_queue_told(b->q, b->told[0].receipt);
    aivo_queue_told(b->q, b->told[9].receipt);
    bench_settle(b);
    assert_int_equal(stats_of(b).untold, 7);
    bench_close(b);
    bench_open(b);
    bench_connect(b);
    bench_run_until(b, &b->told_count, 17);
    bench_settle(b);
    assert_int_equal(b->sent_count, 10);
    assert_int_equal(b->told_count, 17);
    tell_from(b, 10);
    bench_settle(b);
    assert_int_equal(stats_of(b).untold, 0);
}

/* Fates on disk are read and told while others are kept in memory: each one once. */
static void test_kept_beside_the_disk(void **state)
{
    struct bench *b = *state;
    b->keeps = true;
    b->options.max_messages = 50;
    bench_open(b);
    for (int i = 0; i < 50; i++)
        bench_send(b, "[]");
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 50);
    for (int i = 0; i < 20; i++)
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    bench_run_until(b, &b->told_count, 20);
    bench_disconnect(b);
    for (int i = 0; i < 320; i++) /* 300 are evicted: more than are read at once */
        bench_send(b, "[1]");
    size_t told = 20; /* those 20 stay untold */
    while (b->told_count < 320) {
        size_t upto = b->told_count;
        while (told < upto)
            aivo_queue_told(b->q, b->told[told++].receipt);
        bench_run_until(b, &b->told_count, upto + 1);
        bench_settle(b);
        assert_in_range(b->told_count - told, 1, AIVO_QUEUE_CHUNK);
    }
    assert_int_equal(b->told_count, 320);
    for (size_t i = 0; i < 320; i++)
        assert_int_equal(b->told[i].fate, i < 20 ? AIVO_FATE_ACKNOWLEDGED : AIVO_FATE_EVICTED);
    while (told < 320)
        aivo_queue_told(b->q, b->told[told++].receipt);
    bench_settle(b);
    assert_int_equal(stats_of(b).untold, 20);
}

/* As many bytes of fates as may wait in memory wait: nothing more is sent until some were told. */
static void test_kept_holds_back(void **state)
{
    struct bench *b = *state;
    enum { EACH = 1 << 20, COUNT = 24 };
    char *args = malloc(EACH + 1);
    assert_non_null(args);
    memset(args, ' ', EACH);
    args[0] = '[';
    args[EACH - 1] = ']';
    args[EACH] = '\0';
    b->keeps = true;
    b->options.window = 2;
    b->auto_answer = OK_ANSWER;
    bench_open(b);
    for (int i = 0; i < COUNT; i++)
        bench_send(b, args);
    free(args);
    bench_connect(b);
    bench_run_until(b, &b->told_count, AIVO_QUEUE_KEPT_BYTES / EACH);
    bench_settle(b);
    size_t sent = b->sent_count;
    assert_in_range(sent, AIVO_QUEUE_KEPT_BYTES / EACH, AIVO_QUEUE_KEPT_BYTES / EACH + 2);
    assert_true(b->q->kept_bytes <= AIVO_QUEUE_KEPT_BYTES + 3 * EACH);
    for (size_t told = 0; b->told_count < COUNT;) {
        size_t upto = b->told_count;
        while (told < upto)
            aivo_queue_told(b->q, b->told[told++].receipt);
        bench_run_until(b, &b->told_count, upto + 1);
    }
    assert_int_equal(b->told_count, COUNT);
}

/* A client that is being destroyed tells nothing any more: each fate, that of a dead message with its reason, is told
 * by the next one. */
static void test_not_told(void **state)
{
    struct bench *b = *state;
    b->options.max_retries = 1;
    b->options.max_dead = 10;
    bench_open(b);
    bench_send(b, "[1]");
    bench_send(b, "[2]");
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    bench_answer(b, b->sent[1].ticket, "[{\"error\":\"broken\"}]");
    b->deaf = true;
    bench_step(b);
    bench_close(b);
    assert_int_equal(b->told_count, 0);
    b->deaf = false;
    bench_open(b);
    bench_connect(b);
    bench_run_until(b, &b->told_count, 2);
    bench_settle(b);
    assert_int_equal(b->sent_count, 2);
    assert_int_equal(b->told_count, 2);
    assert_int_equal(b->told[0].fate, AIVO_FATE_ACKNOWLEDGED);
    assert_int_equal(b->told[1].fate, AIVO_FATE_DEAD);
    assert_string_equal(b->told[1].reason, "broken");
    assert_int_equal(stats_of(b).dead, 1);
}

/* Without a file, fates that nobody hears are bounded by their bytes: sends are refused, and accepted again when some
 * were told. */
static void test_untold_bytes(void **state)
{
    struct bench *b = *state;
    enum { EACH = 100000 };
    char *args = malloc(EACH + 1);
    struct aivo_error err = {.message = ""};
    assert_non_null(args);
    memset(args, ' ', EACH);
    args[0] = '[';
    args[EACH - 1] = ']';
    args[EACH] = '\0';
    b->options.memory_only = true;
    b->options.max_messages = 1;
    bench_open(b);
    int accepted = 0;
    enum aivo_status status = AIVO_OK;
    while (accepted < 1000 && (status = aivo_queue_send(b->q, "e", args, NULL, &err)) == AIVO_OK)
        accepted++;
    assert_int_equal(status, AIVO_E_FULL);
    assert_non_null(strstr(err.message, "wait to be told"));
    assert_in_range(accepted, AIVO_QUEUE_DEPARTED_MEMORY / EACH, AIVO_QUEUE_DEPARTED_MEMORY / EACH + 3);
    bench_run_until(b, &b->told_count, (size_t)accepted - 1);
    bench_settle(b);
    assert_int_equal(b->q->departed_bytes, 0);
    assert_int_equal(aivo_queue_send(b->q, "e", args, NULL, &err), AIVO_OK);
    free(args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_kept_beside_the_disk, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_kept_holds_back, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_not_told, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_untold_bytes, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
