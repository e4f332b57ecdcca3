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

static void send_numbers(struct bench *b, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char args[32];
        snprintf(args, sizeof args, "[%d]", i);
        bench_send(b, args);
    }
}

static void expect_told(const struct bench *b, size_t index, const char *args, enum aivo_fate fate)
{
    assert_true(index < b->told_count);
    assert_string_equal(b->told[index].args, args);
    assert_string_equal(aivo_fate_name(b->told[index].fate), aivo_fate_name(fate));
}

/* Three messages are accepted, survive a restart, are sent in order and acknowledged; then the file is empty. */
static void test_round_trip(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    struct aivo_message_id id;
    assert_int_equal(aivo_queue_send(b->q, "first", "[1]", &id, NULL), AIVO_OK);
    bench_send(b, "[2]");
    bench_send(b, NULL);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 3);
    bench_step(b);
    assert_int_equal(b->sent_count, 0);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 3);
    assert_string_equal(b->sent[0].event, "first");
    assert_string_equal(b->sent[0].id, id.text);
    assert_string_equal(b->sent[0].args, "[1]");
    assert_string_equal(b->sent[1].args, "[2]");
    assert_string_equal(b->sent[2].args, "[]");
    for (int i = 2; i >= 0; i--)
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    bench_step(b);
    assert_int_equal(b->told_count, 3);
    expect_told(b, 0, "[]", AIVO_FATE_ACKNOWLEDGED);
    assert_string_equal(b->told[0].answer, OK_ANSWER);
    assert_int_equal(bench_pending(b), 0);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
}

/* The figures: pending, in flight, bytes and the oldest, from acceptance to acknowledgement. */
static void test_stats(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_stats stats;
    bench_open(b);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.size, sizeof stats);
    assert_int_equal(stats.pending + stats.in_flight + stats.dead + stats.bytes, 0);
    assert_int_equal(stats.oldest_ms, 0);
    int64_t before_ms = bench_now(b).unix_ms;
    bench_send(b, "[1]");
    bench_send(b, "[22]");
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.pending, 2);
    assert_int_equal(stats.bytes, strlen("event[1]event[22]"));
    assert_in_range(stats.oldest_ms, before_ms, bench_now(b).unix_ms);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.in_flight, 2);
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.pending, 1);
    assert_int_equal(stats.in_flight, 1);
    assert_int_equal(stats.bytes, strlen("event[22]"));
}

/* At most window messages are in flight; each answer lets one more go. */
static void test_window(void **state)
{
    struct bench *b = *state;
    b->options.window = 3;
    bench_open(b);
    send_numbers(b, 1, 10);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 3);
    bench_settle(b);
    assert_int_equal(b->sent_count, 3);
    bench_answer(b, b->sent[1].ticket, OK_ANSWER);
    bench_settle(b);
    assert_int_equal(b->sent_count, 4);
    assert_string_equal(b->sent[3].args, "[4]");
    assert_int_equal(b->told_count, 1);
    expect_told(b, 0, "[2]", AIVO_FATE_ACKNOWLEDGED);
}

/* 3,000 rows, of which only the window and a prefetch are in memory at any time, arrive in order. */
static void test_many_rows(void **state)
{
    struct bench *b = *state;
    b->options.window = 16;
    bench_open(b);
    send_numbers(b, 1, 3000);
    bench_settle(b);
    assert_true(b->q->held_bytes <= (16 + 64) * strlen("event[1234]"));
    bench_connect(b);
    for (size_t i = 0; i < 3000; i++) {
        bench_run_until(b, &b->sent_count, i + 1);
        char args[32];
        snprintf(args, sizeof args, "[%zu]", i + 1);
        assert_string_equal(b->sent[i].args, args);
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    }
    bench_run_until(b, &b->told_count, 3000);
    bench_settle(b);
    assert_int_equal(b->sent_count, 3000);
    assert_int_equal(b->q->held_bytes, 0);
    assert_int_equal(b->q->backlog, 0);
}

/* Messages of 3 MB: few of them are in memory at once, and all arrive. One beyond the bound is refused. */
static void test_large_messages(void **state)
{
    struct bench *b = *state;
    size_t len = 3000000;
    char *args = malloc(AIVO_STORE_ARGS_MAX + 8);
    assert_non_null(args);
    memset(args, 'x', AIVO_STORE_ARGS_MAX + 8);
    args[AIVO_STORE_ARGS_MAX + 7] = '\0';
    bench_open(b);
    assert_int_equal(aivo_queue_send(b->q, "event", args, NULL, NULL), AIVO_E_TOO_LARGE);
    memcpy(args, "[\"", 2);
    memcpy(args + len - 2, "\"]", 3);
    for (int i = 0; i < 7; i++)
        bench_send(b, args);
    free(args);
    bench_settle(b);
    assert_in_range(b->q->held_bytes, 1, AIVO_QUEUE_HELD_BYTES);
    bench_connect(b);
    for (size_t i = 0; i < 7; i++) {
        bench_run_until(b, &b->sent_count, i + 1);
        assert_in_range(b->q->held_bytes, 1, AIVO_QUEUE_HELD_BYTES);
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    }
    bench_run_until(b, &b->told_count, 7);
}

/* The connection is lost with messages in flight: they are sent again first, cost no attempt, and an answer to what was
 * sent before is ignored. */
static void test_disconnect(void **state)
{
    struct bench *b = *state;
    b->options.max_retries = 1;
    bench_open(b);
    send_numbers(b, 1, 2);
    for (size_t i = 1; i <= 5; i++) {
        bench_connect(b);
        bench_run_until(b, &b->sent_count, 2 * i);
        assert_int_equal(b->sent[b->sent_count - 1].attempts, 0);
        bench_disconnect(b);
        bench_answer(b, b->sent[b->sent_count - 1].ticket, "[{\"error\":\"too late\"}]");
    }
    assert_int_equal(b->told_count, 0);
    assert_int_equal(bench_pending(b), 2);
    assert_string_equal(b->sent[8].args, "[1]");
    assert_string_equal(b->sent[9].args, "[2]");
}

/* Attempts that fail count across a restart, with their reason, and the third is the last. */
static void test_death_across_restart(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    bench_send(b, "[1]");
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 1);
    bench_answer(b, b->sent[0].ticket, "[{\"error\":\"out of order\"}]");
    bench_run_until(b, &b->sent_count, 2);
    bench_timeout(b, b->sent[1].ticket);
    bench_close(b);
    bench_open(b);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 3);
    assert_int_equal(b->sent[2].attempts, 2);
    assert_string_equal(b->sent[2].id, b->sent[0].id);
    bench_disconnect(b);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 4);
    assert_int_equal(b->told_count, 0);
    bench_answer(b, b->sent[3].ticket, "[{\"error\":\"still out of order\"}]");
    bench_run_until(b, &b->told_count, 1);
    expect_told(b, 0, "[1]", AIVO_FATE_DEAD);
    assert_string_equal(b->told[0].reason, "still out of order");
    assert_int_equal(bench_pending(b), 0);
}

/* The reason of the last attempt is read back from the file. */
static void test_reason_kept(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    bench_send(b, "[1]");
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 1);
    bench_timeout(b, b->sent[0].ticket);
    bench_close(b);
    b->options.max_messages = 1;
    bench_open(b);
    bench_send(b, "[2]");
    bench_run_until(b, &b->told_count, 1);
    expect_told(b, 0, "[1]", AIVO_FATE_EVICTED);
    assert_string_equal(b->told[0].reason, "no acknowledgement in time");
}

/* rateLimited keeps the message, pauses all, costs no attempt. */
static void test_rate_limit(void **state)
{
    struct bench *b = *state;
    b->options.max_retries = 1;
    bench_open(b);
    send_numbers(b, 1, 2);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    bench_answer(b, b->sent[0].ticket, "[{\"error\":\"slow\",\"rateLimited\":true,\"retryAfterMs\":60000}]");
    bench_answer(b, b->sent[1].ticket, OK_ANSWER);
    send_numbers(b, 3, 3);
    bench_settle(b);
    assert_int_equal(b->sent_count, 2);
    assert_in_range(aivo_queue_deadline(b->q) - bench_now(b).now_us, 50000000, 60000000);
    b->ahead_us = 60000000;
    bench_settle(b);
    assert_string_equal(b->sent[2].args, "[1]");
    assert_int_equal(b->sent[2].attempts, 0);
    assert_int_equal(b->told_count, 1);
}

/* The client's buffer is full: the step stops there and goes on later. A message that can never be sent dies. */
static void test_sink_refuses(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    send_numbers(b, 1, 2);
    bench_connect(b);
    b->send_status = AIVO_E_FULL;
    bench_settle(b);
    int64_t due_us = aivo_queue_deadline(b->q);
    assert_true(due_us != AIVO_NEVER && due_us > bench_now(b).now_us - 20000);
    assert_int_equal(b->told_count, 0);
    b->send_status = AIVO_OK;
    bench_run_until(b, &b->sent_count, 2);
    bench_disconnect(b);
    bench_connect(b);
    b->send_status = AIVO_E_TOO_LARGE;
    bench_run_until(b, &b->told_count, 2);
    expect_told(b, 0, "[1]", AIVO_FATE_DEAD);
    assert_string_equal(b->told[0].reason, aivo_strerror(AIVO_E_TOO_LARGE));
    assert_int_equal(bench_pending(b), 0);
}

/* Never connected: the oldest are evicted beyond max_messages, and told at the next step. */
static void test_evict_offline(void **state)
{
    struct bench *b = *state;
    b->options.max_messages = 5;
    bench_open(b);
    send_numbers(b, 1, 8);
    assert_int_equal(bench_pending(b), 5);
    bench_run_until(b, &b->told_count, 3);
    bench_settle(b);
    assert_int_equal(b->told_count, 3);
    expect_told(b, 0, "[1]", AIVO_FATE_EVICTED);
    expect_told(b, 1, "[2]", AIVO_FATE_EVICTED);
    expect_told(b, 2, "[3]", AIVO_FATE_EVICTED);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 5);
    assert_string_equal(b->sent[0].args, "[4]");
}

/* Evictions that nobody was told of before the process ended are told after the next start, once. */
static void test_evictions_survive(void **state)
{
    struct bench *b = *state;
    b->options.max_messages = 300;
    bench_open(b);
    send_numbers(b, 1, 600);
    bench_close(b);
    b->options.max_messages = 100;
    bench_open(b);
    bench_run_until(b, &b->told_count, 500);
    bench_settle(b);
    assert_int_equal(b->told_count, 500);
    bool told[601] = {false};
    for (int i = 0; i < 500; i++) {
        int n = atoi(b->told[i].args + 1);
        assert_in_range(n, 1, 500);
        assert_false(told[n]);
        told[n] = true;
        assert_int_equal(b->told[i].fate, AIVO_FATE_EVICTED);
    }
    assert_int_equal(bench_pending(b), 100);
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    assert_int_equal(b->told_count, 500);
}

/* What is in flight is evicted last: before it what waits, but not what is just being accepted. */
static void test_evict_in_flight(void **state)
{
    struct bench *b = *state;
    b->options.max_messages = 3;
    b->options.window = 2;
    bench_open(b);
    send_numbers(b, 1, 3);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    send_numbers(b, 4, 4);
    bench_run_until(b, &b->told_count, 1);
    expect_told(b, 0, "[3]", AIVO_FATE_EVICTED);
    b->options.max_messages = 1;
    bench_close(b);
    bench_open(b);
    bench_run_until(b, &b->told_count, 3);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 3);
    send_numbers(b, 5, 5);
    bench_run_until(b, &b->told_count, 4);
    expect_told(b, 3, "[4]", AIVO_FATE_EVICTED);
    bench_answer(b, b->sent[2].ticket, OK_ANSWER); /* of the one that is gone */
    bench_run_until(b, &b->sent_count, 4);
    assert_string_equal(b->sent[3].args, "[5]");
    assert_int_equal(b->told_count, 4);
}

/* An hour later everything is too old, what is in memory and what is only on disk, though nobody ever connected. */
static void test_expiry(void **state)
{
    struct bench *b = *state;
    b->options.ttl_s = 3600;
    b->options.window = 1;
    bench_open(b);
    send_numbers(b, 1, 200);
    bench_settle(b);
    assert_int_equal(b->told_count, 0);
    b->ahead_us = INT64_C(3601) * 1000000;
    bench_run_until(b, &b->told_count, 200);
    bench_settle(b);
    assert_int_equal(b->told_count, 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(b->told[i].fate, AIVO_FATE_EXPIRED);
    assert_int_equal(bench_pending(b), 0);
    bench_close(b);
    b->options.ttl_s = 0;
    bench_open(b);
    bench_settle(b);
    assert_int_equal(b->told_count, 200);
    send_numbers(b, 1, 1);
    b->ahead_us *= 1000000;
    bench_settle(b);
    assert_int_equal(bench_pending(b), 1); /* 0: never */
}

/* It was answered and the process ends before the fate was told: it is not sent again, and told after the next start.
 */
static void test_answered_then_closed(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    send_numbers(b, 1, 2);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    bench_close(b);
    bench_open(b);
    bench_connect(b);
    bench_run_until(b, &b->told_count, 1);
    bench_run_until(b, &b->sent_count, 3);
    expect_told(b, 0, "[1]", AIVO_FATE_ACKNOWLEDGED);
    assert_string_equal(b->sent[2].args, "[2]");
    bench_settle(b);
    assert_int_equal(b->sent_count, 3);
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    assert_int_equal(b->told_count, 1);
}

struct writer {
    struct bench *b;
    pthread_t thread;
    int number;
};

#define WRITERS 16
#define EACH    150

static void *write_many(void *user)
{
    struct writer *w = user;
    for (int i = 0; i < EACH; i++) {
        char args[32];
        struct aivo_message_id id;
        snprintf(args, sizeof args, "[%d,%d]", w->number, i);
        if (aivo_queue_send(w->b->q, "event", args, &id, NULL) != AIVO_OK)
            return "failed";
    }
    return NULL;
}

/* Sixteen threads send while the queue is drained: each message arrives once, those of one thread in their order. */
static void test_sixteen_threads(void **state)
{
    struct bench *b = *state;
    struct writer writers[WRITERS];
    int next[WRITERS] = {0};
    bench_open(b);
    bench_connect(b);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.b = b, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS * EACH; i++) {
        bench_run_until(b, &b->sent_count, i + 1);
        int who = -1, what = -1;
        assert_int_equal(sscanf(b->sent[i].args, "[%d,%d]", &who, &what), 2);
        assert_in_range(who, 0, WRITERS - 1);
        assert_int_equal(what, next[who]++);
        bench_answer(b, b->sent[i].ticket, OK_ANSWER);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(writers[i].thread, &result);
        assert_null(result);
    }
    bench_run_until(b, &b->told_count, WRITERS * EACH);
    assert_int_equal(bench_pending(b), 0);
}

/* The same with a bound far too small: evictions race with sending and answering; every message has exactly one fate.
 */
static void test_threads_and_evictions(void **state)
{
    struct bench *b = *state;
    struct writer writers[WRITERS];
    b->options.max_messages = 7;
    bench_open(b);
    bench_connect(b);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.b = b, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
    }
    b->auto_answer = OK_ANSWER;
    bench_run_until(b, &b->told_count, WRITERS * EACH);
    for (int i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(writers[i].thread, &result);
        assert_null(result);
    }
    bench_settle(b);
    assert_int_equal(b->told_count, WRITERS * EACH);
    bool told[WRITERS][EACH] = {{false}};
    for (size_t i = 0; i < b->told_count; i++) {
        int who = -1, what = -1;
        assert_int_equal(sscanf(b->told[i].args, "[%d,%d]", &who, &what), 2);
        assert_false(told[who][what]);
        told[who][what] = true;
    }
    assert_int_equal(bench_pending(b), 0);
}

static enum aivo_status insert_unless_poison(struct aivo_store_db *db, const struct aivo_store_row *row,
                                             struct aivo_error *err)
{
    if (strstr(row->args, "poison")) {
        *err = (struct aivo_error){.status = AIVO_E_CORRUPT, .code = 11, .message = "poison"};
        return AIVO_E_CORRUPT;
    }
    return aivo_store_sqlite.insert(db, row, err);
}

static void *write_some_poison(void *user)
{
    struct writer *w = user;
    for (int i = 0; i < EACH; i++) {
        bool poison = (w->number + i) % 11 == 0;
        char args[32];
        struct aivo_error err;
        snprintf(args, sizeof args, poison ? "[\"poison\"]" : "[%d,%d]", w->number, i);
        enum aivo_status status = aivo_queue_send(w->b->q, "event", args, NULL, &err);
        if (status != (poison ? AIVO_E_STORE : AIVO_OK) || (poison && strcmp(err.message, "poison") != 0))
            return "wrong result";
    }
    return NULL;
}

/* Some messages cannot be stored, and they are in one batch with others: each sender gets its own right result, and
 * what was accepted is there, in order. */
static void test_bad_ones_in_a_batch(void **state)
{
    struct bench *b = *state;
    struct aivo_store store = aivo_store_sqlite;
    struct writer writers[WRITERS];
    store.insert = insert_unless_poison;
    b->store = &store;
    bench_open(b);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.b = b, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some_poison, &writers[i]), 0);
    }
    size_t accepted = 0;
    for (int i = 0; i < WRITERS; i++) {
        void *result;
        pthread_join(writers[i].thread, &result);
        assert_null(result);
        for (int k = 0; k < EACH; k++)
            accepted += (i + k) % 11 != 0;
    }
    assert_int_equal(bench_pending(b), accepted);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, accepted);
    int last[WRITERS];
    memset(last, -1, sizeof last);
    for (size_t i = 0; i < accepted; i++) {
        int who = -1, what = -1;
        assert_int_equal(sscanf(b->sent[i].args, "[%d,%d]", &who, &what), 2);
        assert_true(what > last[who]);
        last[who] = what;
    }
    bench_close(b); /* before the store on this stack goes */
}

static bool unreadable_now;

static enum aivo_status load_if_readable(struct aivo_store_db *db, uint32_t lane, aivo_store_ref_fn choose,
                                         aivo_store_row_fn fn, void *user, struct aivo_error *err)
{
    if (__atomic_load_n(&unreadable_now, __ATOMIC_RELAXED)) {
        *err = (struct aivo_error){.status = AIVO_E_STORE, .code = 10, .message = "cannot read"};
        return AIVO_E_STORE;
    }
    return aivo_store_sqlite.load(db, lane, choose, fn, user, err);
}

/* The file cannot be read for a while: reported, and the messages go out when it can be again. */
static void test_read_failure(void **state)
{
    struct bench *b = *state;
    struct aivo_store store = aivo_store_sqlite;
    store.load = load_if_readable;
    b->store = &store;
    __atomic_store_n(&unreadable_now, true, __ATOMIC_RELAXED);
    bench_open(b);
    bench_connect(b);
    send_numbers(b, 1, 2);
    bench_run_until(b, &b->notice_count, 1);
    send_numbers(b, 3, 3);
    assert_string_equal(b->notices[0].message, "cannot read");
    assert_int_equal(bench_pending(b), 3);
    __atomic_store_n(&unreadable_now, false, __ATOMIC_RELAXED);
    bench_run_until(b, &b->sent_count, 3);
    assert_string_equal(b->sent[0].args, "[1]");
    bench_close(b);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_stats),
        TEST(test_window),
        TEST(test_many_rows),
        TEST(test_large_messages),
        TEST(test_disconnect),
        TEST(test_death_across_restart),
        TEST(test_reason_kept),
        TEST(test_rate_limit),
        TEST(test_sink_refuses),
        TEST(test_evict_offline),
        TEST(test_evictions_survive),
        TEST(test_evict_in_flight),
        TEST(test_expiry),
        TEST(test_answered_then_closed),
        TEST(test_sixteen_threads),
        TEST(test_threads_and_evictions),
        TEST(test_bad_ones_in_a_batch),
        TEST(test_read_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
