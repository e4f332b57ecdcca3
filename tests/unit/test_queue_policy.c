/* What a message may be told, and what a queue does when it is full: order keys, priorities, collapse keys, named
 * queues, bounds, dead letters, ids, asynchronous sends, the window. */
#include "queue_bench.h"

#include "queue_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OK_ANSWER    "[{\"success\":true}]"
#define ERROR_ANSWER "[{\"error\":\"no\"}]"

static enum aivo_status try_send(struct bench *b, const char *args, const struct aivo_send *how)
{
    struct aivo_error err;
    enum aivo_status status = aivo_queue_send_ex(b->q, "event", args, how, NULL, &err);
    if (status != AIVO_OK)
        assert_int_equal(err.status, status);
    return status;
}

static void put(struct bench *b, const char *args, int priority, const char *order_key, const char *collapse_key)
{
    struct aivo_send how;
    aivo_send_init(&how);
    how.priority = priority;
    how.order_key = order_key;
    how.collapse_key = collapse_key;
    assert_int_equal(try_send(b, args, &how), AIVO_OK);
}

static void expect_sent(struct bench *b, size_t index, const char *args)
{
    bench_run_until(b, &b->sent_count, index + 1);
    assert_string_equal(b->sent[index].args, args);
}

static void expect_told(struct bench *b, size_t index, const char *args, enum aivo_fate fate)
{
    bench_run_until(b, &b->told_count, index + 1);
    assert_string_equal(b->told[index].args, args);
    assert_string_equal(aivo_fate_name(b->told[index].fate), aivo_fate_name(fate));
}

/* Two keys and one without: one of each key is in flight, the others pass by; the next of a key goes when the one
 * before is acknowledged. */
static void test_order_key(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    put(b, "[\"a1\"]", 0, "a", NULL);
    put(b, "[\"a2\"]", 0, "a", NULL);
    put(b, "[\"b1\"]", 0, "b", NULL);
    put(b, "[\"free\"]", 0, NULL, NULL);
    put(b, "[\"a3\"]", 9, "a", NULL); /* more important, and yet in its order */
    bench_connect(b);
    expect_sent(b, 0, "[\"a1\"]");
    expect_sent(b, 1, "[\"b1\"]");
    expect_sent(b, 2, "[\"free\"]");
    bench_settle(b);
    assert_int_equal(b->sent_count, 3);
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    expect_sent(b, 3, "[\"a2\"]");
    bench_settle(b);
    assert_int_equal(b->sent_count, 4);
    bench_answer(b, b->sent[3].ticket, OK_ANSWER);
    expect_sent(b, 4, "[\"a3\"]");
}

/* A message of a key fails again and again: its key waits, others go; when it is dead, the next of its key goes. The
 * same across a restart in the middle. */
static void test_failing_key(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    put(b, "[\"a1\"]", 0, "a", NULL);
    put(b, "[\"a2\"]", 0, "a", NULL);
    bench_connect(b);
    expect_sent(b, 0, "[\"a1\"]");
    bench_answer(b, b->sent[0].ticket, ERROR_ANSWER);
    put(b, "[\"other\"]", 0, NULL, NULL);
    bench_run_until(b, &b->sent_count, 3);
    bench_close(b);
    bench_open(b);
    bench_connect(b);
    for (size_t i = 3, tries = 0; tries < 2; i++) {
        bench_run_until(b, &b->sent_count, i + 1);
        assert_string_not_equal(b->sent[i].args, "[\"a2\"]");
        if (strcmp(b->sent[i].args, "[\"a1\"]") == 0) {
            bench_timeout(b, b->sent[i].ticket);
            tries++;
        }
    }
    expect_told(b, 0, "[\"a1\"]", AIVO_FATE_DEAD);
    for (size_t i = b->sent_count;; i++) {
        bench_run_until(b, &b->sent_count, i + 1);
        if (strcmp(b->sent[i].args, "[\"a2\"]") == 0)
            break;
    }
}

/* 300 messages whose attempts fail wait for a long time; a newer one still goes at once (the loaded set holds 128). */
static void test_waiting_for_retry_holds_nobody_back(void **state)
{
    struct bench *b = *state;
    b->options.retry_base_ms = b->options.retry_cap_ms = 3600000;
    bench_open(b);
    for (int i = 0; i < 300; i++)
        put(b, "[\"bad\"]", 0, NULL, NULL);
    b->auto_answer = ERROR_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 300);
    bench_settle(b);
    put(b, "[\"good\"]", 0, NULL, NULL);
    b->auto_answer = OK_ANSWER;
    expect_sent(b, 300, "[\"good\"]");
    expect_told(b, 0, "[\"good\"]", AIVO_FATE_ACKNOWLEDGED);
    assert_int_equal(bench_pending(b), 300);
    bench_settle(b);
    /* What was put back on the disk waits there as long, over a restart too; then it goes out again. */
    bench_close(b);
    bench_open(b);
    bench_connect(b);
    b->ahead_us = INT64_C(7300) * 1000000;
    bench_run_until(b, &b->told_count, 301);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 0);
}

/* The more important goes first, also before 500 others of which the memory is full. */
static void test_priority(void **state)
{
    struct bench *b = *state;
    b->options.window = 1;
    bench_open(b);
    for (int i = 0; i < 500; i++)
        put(b, "[\"low\"]", i % 3 - 9, NULL, NULL);
    bench_settle(b);
    put(b, "[\"high 1\"]", 5, NULL, NULL);
    put(b, "[\"high 2\"]", 5, NULL, NULL);
    put(b, "[\"highest\"]", 9, NULL, NULL);
    bench_settle(b);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    expect_sent(b, 0, "[\"highest\"]");
    expect_sent(b, 1, "[\"high 1\"]");
    expect_sent(b, 2, "[\"high 2\"]");
    bench_run_until(b, &b->told_count, 503);
    assert_int_equal(bench_pending(b), 0);
}

/* A message's own TTL, shorter or longer than the queue's, and none. */
static void test_ttl(void **state)
{
    struct bench *b = *state;
    struct aivo_send how;
    b->options.ttl_s = 100;
    bench_open(b);
    aivo_send_init(&how);
    assert_int_equal(try_send(b, "[\"queue's\"]", &how), AIVO_OK);
    how.ttl_s = 10;
    assert_int_equal(try_send(b, "[\"short\"]", &how), AIVO_OK);
    how.ttl_s = 1000;
    assert_int_equal(try_send(b, "[\"long\"]", &how), AIVO_OK);
    how.ttl_s = 0;
    assert_int_equal(try_send(b, "[\"for ever\"]", &how), AIVO_OK);
    b->ahead_us = 11000000;
    expect_told(b, 0, "[\"short\"]", AIVO_FATE_EXPIRED);
    b->ahead_us = 101000000;
    expect_told(b, 1, "[\"queue's\"]", AIVO_FATE_EXPIRED);
    b->ahead_us = 1001000000;
    expect_told(b, 2, "[\"long\"]", AIVO_FATE_EXPIRED);
    b->ahead_us = INT64_C(100000000000000);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 1);
}

/* Beyond the bound the sender is told, and nothing that waits is touched. */
static void test_reject(void **state)
{
    struct bench *b = *state;
    b->options.overflow = AIVO_OVERFLOW_REJECT;
    b->options.max_messages = 2;
    bench_open(b);
    put(b, "[1]", 0, NULL, NULL);
    put(b, "[2]", 0, NULL, "same");
    assert_int_equal(try_send(b, "[3]", NULL), AIVO_E_FULL);
    put(b, "[4]", 0, NULL, "same"); /* it replaces one: there is room */
    assert_int_equal(try_send(b, "[5]", NULL), AIVO_E_FULL);
    expect_told(b, 0, "[2]", AIVO_FATE_REPLACED);
    bench_connect(b);
    expect_sent(b, 0, "[1]");
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    put(b, "[6]", 0, NULL, NULL);
    b->options.max_messages = 1;
    bench_close(b);
    bench_open(b);
    bench_settle(b);
    assert_int_equal(bench_pending(b), 2); /* a lowered bound drops nothing either */
}

/* The least important, oldest first; a new one that is less important than all is refused. */
static void test_drop_priority(void **state)
{
    struct bench *b = *state;
    b->options.overflow = AIVO_OVERFLOW_DROP_PRIORITY;
    b->options.max_messages = 3;
    bench_open(b);
    put(b, "[\"0 a\"]", 0, NULL, NULL);
    put(b, "[\"-1\"]", -1, NULL, NULL);
    put(b, "[\"0 b\"]", 0, NULL, NULL);
    put(b, "[\"5\"]", 5, NULL, NULL);
    expect_told(b, 0, "[\"-1\"]", AIVO_FATE_EVICTED);
    put(b, "[\"0 c\"]", 0, NULL, NULL);
    expect_told(b, 1, "[\"0 a\"]", AIVO_FATE_EVICTED);
    struct aivo_send how;
    aivo_send_init(&how);
    how.priority = -3;
    assert_int_equal(try_send(b, "[\"-3\"]", &how), AIVO_E_FULL);
    bench_settle(b);
    assert_int_equal(b->told_count, 2);
    bench_connect(b);
    expect_sent(b, 0, "[\"5\"]");
    expect_sent(b, 1, "[\"0 b\"]");
    expect_sent(b, 2, "[\"0 c\"]");
    /* All are in flight: the oldest of the lowest priority leaves, and none for one that is less important. */
    assert_int_equal(try_send(b, "[\"-3\"]", &how), AIVO_E_FULL);
    put(b, "[\"late\"]", 0, NULL, NULL);
    expect_told(b, 2, "[\"0 b\"]", AIVO_FATE_EVICTED);
}

/* By bytes: as many of the oldest leave as the new one needs room; one that can never fit is refused. */
static void test_bytes(void **state)
{
    struct bench *b = *state;
    b->options.max_bytes = 40;
    bench_open(b);
    put(b, "[\"first\"]", 0, NULL, NULL);  /* 9 + 5 */
    put(b, "[\"second\"]", 0, NULL, NULL); /* 10 + 5 */
    put(b, "[\"third\"]", 0, NULL, NULL);
    expect_told(b, 0, "[\"first\"]", AIVO_FATE_EVICTED);
    put(b, "[\"twenty-five bytes long\"]", 0, NULL, NULL);
    expect_told(b, 1, "[\"second\"]", AIVO_FATE_EVICTED);
    expect_told(b, 2, "[\"third\"]", AIVO_FATE_EVICTED);
    assert_int_equal(try_send(b, "[\"this is much longer than forty bytes are\"]", NULL), AIVO_E_TOO_LARGE);
    struct aivo_queue_stats stats;
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.pending, 1);
    assert_true(stats.bytes <= 40);
    assert_int_equal(stats.evicted, 3);
}

/* The newer takes the place of the one that waits; one in flight stays; the key is per queue. */
static void test_collapse(void **state)
{
    struct bench *b = *state;
    bench_open(b);
    put(b, "[\"old\"]", 0, NULL, "temperature");
    put(b, "[\"other\"]", 0, NULL, "pressure");
    put(b, "[\"new\"]", 0, NULL, "temperature");
    expect_told(b, 0, "[\"old\"]", AIVO_FATE_REPLACED);
    bench_connect(b);
    expect_sent(b, 0, "[\"other\"]");
    expect_sent(b, 1, "[\"new\"]");
    put(b, "[\"newer\"]", 0, NULL, "temperature");
    put(b, "[\"newest\"]", 0, NULL, "temperature");
    bench_settle(b);
    assert_int_equal(bench_pending(b) + b->told_count, 5);
    bench_answer(b, b->sent[1].ticket, OK_ANSWER);
    bench_settle(b);
    assert_string_equal(b->sent[b->sent_count - 1].args, "[\"newest\"]");
}

/* A named queue has its own bound and window in the same file; a name that is not configured any more is still served;
 * an unknown one is refused. */
static void test_named_queues(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy bulk;
    struct aivo_send how;
    aivo_queue_policy_init(&bulk);
    bulk.name = "bulk";
    bulk.max_messages = 2;
    bulk.window = 1;
    b->options.queues = &bulk;
    b->options.queue_count = 1;
    bench_open(b);
    aivo_send_init(&how);
    how.queue = "nowhere";
    assert_int_equal(try_send(b, "[0]", &how), AIVO_E_INVALID);
    how.queue = "bulk";
    assert_int_equal(try_send(b, "[\"bulk 1\"]", &how), AIVO_OK);
    assert_int_equal(try_send(b, "[\"bulk 2\"]", &how), AIVO_OK);
    put(b, "[\"plain\"]", 0, NULL, NULL);
    assert_int_equal(try_send(b, "[\"bulk 3\"]", &how), AIVO_OK);
    expect_told(b, 0, "[\"bulk 1\"]", AIVO_FATE_EVICTED);
    bench_close(b);
    b->options.queue_count = 0;
    bench_open(b);
    assert_int_equal(bench_pending(b), 3);
    bench_connect(b);
    b->auto_answer = OK_ANSWER;
    bench_run_until(b, &b->told_count, 4);
    assert_int_equal(bench_pending(b), 0);
}

/* Two named queues, of which the second alone is used: it is there after a restart, and the first can be used then. */
static void test_second_name_first(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy two[2];
    struct aivo_send how;
    for (int i = 0; i < 2; i++)
        aivo_queue_policy_init(&two[i]);
    two[0].name = "first";
    two[1].name = "second";
    b->options.queues = two;
    b->options.queue_count = 2;
    aivo_send_init(&how);
    for (int round = 1; round <= 3; round++) {
        bench_open(b);
        bench_settle(b);
        assert_int_equal(b->notice_count, 0);
        how.queue = round == 2 ? "first" : "second";
        assert_int_equal(try_send(b, "[1]", &how), AIVO_OK);
        assert_int_equal(bench_pending(b), round);
        bench_close(b);
    }
    b->options.queue_count = 1; /* the file knows both */
    b->options.queues = &two[1];
    bench_open(b);
    assert_int_equal(aivo_queue_lane(b->q, "first"), 1);
    assert_int_equal(aivo_queue_lane(b->q, "second"), 2);
}

/* A new name with each start, 40 times: those that stand for nothing any more give up their place. One that still holds
 * a message, or a dead letter, never does; when all do the next is refused. */
static void test_names_pile_up(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy one;
    struct aivo_send how;
    struct aivo_error err;
    char name[16];
    aivo_queue_policy_init(&one);
    aivo_send_init(&how);
    one.name = how.queue = name;
    one.max_retries = 1;
    b->options.max_dead = 10;
    b->options.queues = &one;
    b->options.queue_count = 1;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "name %d", i);
        bench_open(b);
        assert_int_equal(try_send(b, i == 3 ? "[\"kept\"]" : "[\"gone\"]", &how), AIVO_OK);
        if (i == 5) {
            bench_connect(b);
            bench_settle(b);
            for (size_t k = 0; k < b->sent_count; k++) {
                if (strstr(b->sent[k].args, "gone"))
                    bench_answer(b, b->sent[k].ticket, "[{\"error\":\"no\"}]");
            }
            bench_settle(b);
            bench_disconnect(b);
        } else if (i != 3) {
            const struct aivo_queue_where where = {.lane = aivo_queue_lane(b->q, name)};
            assert_int_equal(aivo_queue_purge_where(b->q, true, &where, NULL, &err), AIVO_OK);
        }
        bench_close(b);
    }
    struct aivo_queue_stats stats;
    snprintf(name, sizeof name, "name 3");
    bench_open(b);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.pending, 1);
    assert_int_equal(stats.dead, 1);
    assert_true(aivo_queue_lane(b->q, "name 3") > 0 && aivo_queue_lane(b->q, "name 5") > 0);
    assert_true(aivo_queue_lane(b->q, "name 39") > 0 && aivo_queue_lane(b->q, "name 38") < 0);
    bench_close(b);
    for (int i = 100; i < 120; i++) {
        snprintf(name, sizeof name, "name %d", i);
        enum aivo_status status = bench_try_open(b, &err);
        if (i < 113) {
            assert_int_equal(status, AIVO_OK);
            assert_int_equal(try_send(b, "[1]", &how), AIVO_OK);
            bench_close(b);
        } else {
            assert_int_equal(status, AIVO_E_INVALID);
        }
    }
}

/* No file at all. */
static void test_memory_only(void **state)
{
    struct bench *b = *state;
    b->options.memory_only = true;
    bench_open(b);
    put(b, "[1]", 0, "key", NULL);
    assert_int_not_equal(access(b->path, F_OK), 0);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    expect_told(b, 0, "[1]", AIVO_FATE_ACKNOWLEDGED);
    put(b, "[2]", 0, NULL, NULL);
    bench_close(b);
    bench_open(b);
    assert_int_equal(bench_pending(b), 0);
}

/* Dead letters are kept over a restart, at most max_dead of them, put back with their id and no attempts, or purged. */
static void test_dead_letters(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_stats stats;
    uint64_t count = 0;
    b->options.max_retries = 1;
    b->options.max_dead = 2;
    bench_open(b);
    for (int i = 1; i <= 3; i++) {
        char args[16];
        snprintf(args, sizeof args, "[%d]", i);
        put(b, args, 0, NULL, NULL);
    }
    b->auto_answer = ERROR_ANSWER;
    bench_connect(b);
    bench_run_until(b, &b->told_count, 3);
    bench_settle(b);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.dead, 2);
    assert_int_equal(stats.died, 3);
    bench_close(b);
    bench_open(b);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.dead, 2);
    assert_int_equal(aivo_queue_retry(b->q, b->sent[0].id, &count, NULL), AIVO_E_NOT_FOUND); /* it made room */
    assert_int_equal(aivo_queue_retry(b->q, b->sent[1].id, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    b->auto_answer = OK_ANSWER;
    bench_connect(b);
    expect_sent(b, 3, "[2]");
    assert_string_equal(b->sent[3].id, b->sent[1].id);
    assert_int_equal(b->sent[3].attempts, 0);
    expect_told(b, 3, "[2]", AIVO_FATE_ACKNOWLEDGED);
    assert_int_equal(aivo_queue_purge(b->q, NULL, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.dead, 0);
}

/* The id is in the arguments, the same on every attempt and after a restart; the sender's own is the id. */
static void test_message_id(void **state)
{
    struct bench *b = *state;
    struct aivo_message_id id, own;
    char expected[128];
    b->options.message_id_key = "messageId";
    bench_open(b);
    assert_int_equal(aivo_queue_send(b->q, "event", " [ {\"n\":1} ] ", &id, NULL), AIVO_OK);
    assert_int_equal(aivo_queue_send(b->q, "event", "[{\"messageId\":\"mine\"}]", &own, NULL), AIVO_OK);
    assert_string_equal(own.text, "mine");
    snprintf(expected, sizeof expected, "[ {\"messageId\":\"%s\",\"n\":1} ]", id.text);
    for (size_t round = 0; round < 2; round++) {
        bench_connect(b);
        expect_sent(b, 2 * round, expected);
        expect_sent(b, 2 * round + 1, "[{\"messageId\":\"mine\"}]");
        assert_string_equal(b->sent[2 * round].id, id.text);
        assert_string_equal(b->sent[2 * round + 1].id, "mine");
        bench_close(b);
        bench_open(b);
    }
}

/* Long arguments get their id as well (they do not fit on the sender's stack). */
static void test_message_id_long(void **state)
{
    struct bench *b = *state;
    struct aivo_message_id id;
    char args[5000], expected[64];
    memset(args, 'x', sizeof args);
    memcpy(args, "[{\"text\":\"", 10);
    memcpy(args + sizeof args - 4, "\"}]", 4);
    b->options.message_id_key = "messageId";
    bench_open(b);
    assert_int_equal(aivo_queue_send(b->q, "event", args, &id, NULL), AIVO_OK);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 1);
    snprintf(expected, sizeof expected, "[{\"messageId\":\"%s\",", id.text);
    assert_memory_equal(b->sent[0].args, expected, strlen(expected));
    struct aivo_queue_stats stats;
    aivo_queue_stats(b->q, &stats);
    assert_int_equal(stats.bytes, 5 + 4999 + strlen("\"messageId\":\"\",") + 36);
}

/* Poor: an eighth of the window is used; good again: each acknowledgement lets one more go. */
static void test_poor_quality(void **state)
{
    struct bench *b = *state;
    b->options.window = 16;
    bench_open(b);
    for (int i = 0; i < 60; i++)
        put(b, "[1]", 0, NULL, NULL);
    aivo_queue_quality(b->q, AIVO_LEVEL_POOR);
    bench_connect(b);
    bench_run_until(b, &b->sent_count, 2);
    bench_settle(b);
    assert_int_equal(b->sent_count, 2);
    bench_answer(b, b->sent[0].ticket, OK_ANSWER);
    bench_settle(b);
    assert_int_equal(b->sent_count, 3);
    aivo_queue_quality(b->q, AIVO_LEVEL_GOOD);
    bench_answer(b, b->sent[1].ticket, OK_ANSWER);
    bench_settle(b);
    assert_int_equal(b->sent_count, 5);
}

/* A rate limit met by one queue pauses all of them: it is the connection's. */
static void test_rate_limit_for_all(void **state)
{
    struct bench *b = *state;
    struct aivo_queue_policy second;
    struct aivo_send how;
    aivo_queue_policy_init(&second);
    second.name = "second";
    b->options.queues = &second;
    b->options.queue_count = 1;
    bench_open(b);
    put(b, "[1]", 0, NULL, NULL);
    bench_connect(b);
    expect_sent(b, 0, "[1]");
    bench_answer(b, b->sent[0].ticket, "[{\"rateLimited\":true,\"retryAfterMs\":60000}]");
    aivo_send_init(&how);
    how.queue = "second";
    assert_int_equal(try_send(b, "[2]", &how), AIVO_OK);
    bench_settle(b);
    assert_int_equal(b->sent_count, 1);
    b->ahead_us = 60000000;
    bench_run_until(b, &b->sent_count, 3);
}

static struct bench *racing;

/* The loop sends all and hears their answers, after they were chosen and before they are taken. */
static enum aivo_status matching_then_delivered(struct aivo_store_db *db, const struct aivo_store_match *match,
                                                aivo_store_ref_fn fn, void *user, struct aivo_error *err)
{
    enum aivo_status status = aivo_store_sqlite.matching(db, match, fn, user, err);
    racing->auto_answer = OK_ANSWER;
    bench_connect(racing);
    bench_step(racing);
    return status;
}

/* Messages that are purged are delivered at that moment: counted as delivered, not as purged as well. */
static void test_purge_races(void **state)
{
    struct bench *b = *state;
    struct aivo_store store = aivo_store_sqlite;
    const struct aivo_queue_where all = {.lane = -1};
    struct aivo_error err;
    uint64_t count = 99;
    store.matching = matching_then_delivered;
    b->store = &store;
    racing = b;
    bench_open(b);
    for (int i = 0; i < 3; i++)
        put(b, "[1]", 0, NULL, NULL);
    bench_settle(b);
    assert_int_equal(aivo_queue_purge_where(b->q, true, &all, &count, &err), AIVO_OK);
    bench_settle(b);
    assert_int_equal(b->told_count, 3);
    assert_int_equal(count, 0);
    assert_int_equal(bench_pending(b), 0);
    bench_close(b);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_key),
        TEST(test_failing_key),
        TEST(test_waiting_for_retry_holds_nobody_back),
        TEST(test_priority),
        TEST(test_ttl),
        TEST(test_reject),
        TEST(test_drop_priority),
        TEST(test_bytes),
        TEST(test_collapse),
        TEST(test_purge_races),
        TEST(test_named_queues),
        TEST(test_second_name_first),
        TEST(test_names_pile_up),
        TEST(test_memory_only),
        TEST(test_dead_letters),
        TEST(test_message_id),
        TEST(test_message_id_long),
        TEST(test_poor_quality),
        TEST(test_rate_limit_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
