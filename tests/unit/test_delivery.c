#include "delivery.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000)
#define S  (1000 * MS)

static const struct aivo_delivery_options plain = {
    .capacity = 8, .window = 4, .max_retries = 3, .retry = {.floor_ms = 0, .base_ms = 1000, .cap_ms = 30000}};

static struct aivo_delivery *make(const struct aivo_delivery_options *options)
{
    struct aivo_delivery *d = aivo_delivery_create(options);
    assert_non_null(d);
    return d;
}

static void add(struct aivo_delivery *d, int64_t seq, int64_t expires_ms)
{
    struct aivo_delivery_item item = {.seq = seq, .expires_ms = expires_ms};
    assert_true(aivo_delivery_add(d, &item));
}

static uint64_t expect_send(struct aivo_delivery *d, int64_t now_us, int64_t seq)
{
    struct aivo_delivery_item item;
    uint64_t ticket = 0;
    assert_int_equal(aivo_delivery_next(d, now_us, 0, false, &item, &ticket), AIVO_DELIVERY_SEND);
    assert_int_equal(item.seq, seq);
    return ticket;
}

static void expect_nothing(struct aivo_delivery *d, int64_t now_us)
{
    struct aivo_delivery_item item;
    uint64_t ticket;
    assert_int_equal(aivo_delivery_next(d, now_us, 0, false, &item, &ticket), AIVO_DELIVERY_NOTHING);
}

static struct aivo_judgement judge(const char *text)
{
    struct aivo_json json = aivo_json_parse(text, strlen(text), NULL);
    assert_int_equal(json.type, AIVO_JSON_ARRAY);
    struct aivo_judgement j;
    aivo_delivery_judge(&json, &j);
    return j;
}

static enum aivo_delivery_result answered(struct aivo_delivery *d, int64_t now_us, uint64_t ticket, const char *text)
{
    struct aivo_judgement j = judge(text);
    struct aivo_instant at = {.now_us = now_us, .random = UINT64_MAX};
    struct aivo_delivery_item item;
    return aivo_delivery_answered(d, &at, ticket, &j, &item);
}

static enum aivo_delivery_result cut(struct aivo_delivery *d, int64_t now_us, bool by_peer)
{
    struct aivo_instant at = {.now_us = now_us, .random = UINT64_MAX};
    struct aivo_delivery_item item;
    return aivo_delivery_disconnected(d, &at, by_peer, &item);
}

/* Answers of every shape: acknowledged unless it says rateLimited:true or has an error that is neither null nor false.
 */
static void test_judge(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum aivo_verdict verdict;
        int64_t retry_after_ms;
        const char *reason;
    } cases[] = {
        {"[]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[null,{\"error\":\"second\"}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[\"error\"]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"success\":true}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"error\":null}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"error\":false}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"rateLimited\":false}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"rateLimited\":1}]", AIVO_VERDICT_ACKNOWLEDGED, -1, ""},
        {"[{\"error\":\"no \\u00e9 such\\nthing\"}]", AIVO_VERDICT_FAILED, -1, "no \xc3\xa9 such thing"},
        {"[{\"error\":{\"code\":7}}]", AIVO_VERDICT_FAILED, -1, "{\"code\":7}"},
        {"[{\"error\":true}]", AIVO_VERDICT_FAILED, -1, "true"},
        {"[{\"error\":0}]", AIVO_VERDICT_FAILED, -1, "0"},
        {"[{\"error\":\"\"}]", AIVO_VERDICT_FAILED, -1, "the server answered with an error without a text"},
        {"[{\"error\":\"slow down\",\"rateLimited\":true,\"retryAfterMs\":1500.7}]", AIVO_VERDICT_LIMITED, 1500, ""},
        {"[{\"rateLimited\":true}]", AIVO_VERDICT_LIMITED, -1, ""},
        {"[{\"rateLimited\":true,\"retryAfterMs\":-5}]", AIVO_VERDICT_LIMITED, -1, ""},
        {"[{\"rateLimited\":true,\"retryAfterMs\":\"5\"}]", AIVO_VERDICT_LIMITED, -1, ""},
        {"[{\"rateLimited\":true,\"retryAfterMs\":1e300}]", AIVO_VERDICT_LIMITED, 1000000000000, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aivo_judgement j = judge(cases[i].text);
        assert_int_equal(j.verdict, cases[i].verdict);
        assert_int_equal(j.retry_after_ms, cases[i].retry_after_ms);
        assert_string_equal(j.reason, cases[i].reason);
    }
    struct aivo_judgement none;
    aivo_delivery_judge(NULL, &none);
    assert_int_equal(none.verdict, AIVO_VERDICT_ACKNOWLEDGED);
}

/* An error text longer than a reason may be is cut between two characters. */
static void test_long_reason(void **state)
{
    (void)state;
    char text[1000] = "[{\"error\":\"x";
    for (int i = 0; i < 300; i++)
        strcat(text, "\xc3\xa9");
    strcat(text, "\"}]");
    struct aivo_judgement j = judge(text);
    assert_int_equal(strlen(j.reason), AIVO_DELIVERY_REASON_MAX - 1);
    assert_true(aivo_utf8_valid(j.reason, strlen(j.reason)));
    char even[1000] = "[{\"error\":\"";
    strcat(even, text + 12);
    j = judge(even); /* 120 characters do not fit into 239 bytes: 119 do */
    assert_int_equal(strlen(j.reason), AIVO_DELIVERY_REASON_MAX - 2);
    assert_true(aivo_utf8_valid(j.reason, strlen(j.reason)));
}

/* Messages go out in order, as many as the window holds, each answer makes room for the next; a late answer is unknown.
 */
static void test_window(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    for (int64_t seq = 6; seq >= 1; seq--)
        add(d, seq, 0);
    expect_nothing(d, 0);
    assert_int_equal(aivo_delivery_deadline(d), AIVO_NEVER);
    aivo_delivery_connected(d, 0);
    assert_int_equal(aivo_delivery_deadline(d), 0);
    uint64_t tickets[6];
    for (int64_t seq = 1; seq <= 4; seq++)
        tickets[seq - 1] = expect_send(d, 0, seq);
    expect_nothing(d, 0);
    assert_int_equal(aivo_delivery_deadline(d), AIVO_NEVER);
    assert_int_equal(aivo_delivery_in_flight(d), 4);
    assert_int_equal(answered(d, 0, tickets[2], "[]"), AIVO_DELIVERY_GONE);
    assert_int_equal(answered(d, 0, tickets[2], "[]"), AIVO_DELIVERY_UNKNOWN);
    expect_send(d, 0, 5);
    expect_nothing(d, 0);
    assert_int_equal(aivo_delivery_room(d), 3);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* A lost connection: what was in flight is sent again first, in order, with no attempt lost, and its old tickets are
 * void. */
static void test_disconnect(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    for (int64_t seq = 1; seq <= 5; seq++)
        add(d, seq, 0);
    aivo_delivery_connected(d, 0);
    uint64_t first = expect_send(d, 0, 1);
    expect_send(d, 0, 2);
    cut(d, 0, false);
    expect_nothing(d, 0);
    assert_int_equal(aivo_delivery_in_flight(d), 0);
    aivo_delivery_connected(d, 0);
    assert_int_equal(answered(d, 0, first, "[{\"error\":\"late\"}]"), AIVO_DELIVERY_UNKNOWN);
    uint64_t again = expect_send(d, 0, 1);
    assert_int_not_equal(first, again);
    expect_send(d, 0, 2);
    expect_send(d, 0, 3);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* A message that fails is tried again after its backoff, holding nobody back meanwhile, and is dead after three. */
static void test_retry_and_death(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    add(d, 1, 0);
    aivo_delivery_connected(d, 0);
    int64_t now_us = 5 * S;
    for (int attempt = 1; attempt <= 3; attempt++) {
        uint64_t ticket = expect_send(d, now_us, 1);
        if (attempt == 1) {
            add(d, 2, 0);
            expect_send(d, now_us, 2);
        }
        enum aivo_delivery_result result = answered(d, now_us, ticket, "[{\"error\":\"no\"}]");
        assert_int_equal(result, attempt < 3 ? AIVO_DELIVERY_RETRY : AIVO_DELIVERY_DEAD);
        if (attempt == 3)
            break;
        int64_t due_us = aivo_delivery_deadline(d);
        assert_in_range(due_us - now_us, 1, 1000 * MS * attempt);
        expect_nothing(d, due_us - 1);
        now_us = due_us;
    }
    assert_int_equal(aivo_delivery_room(d), plain.capacity - 1);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* rateLimited pauses everything: as long as the server says (within 10 ms and an hour), else 1 s, doubling up to 60 s,
 * and a whole window refused at once counts as one refusal. No attempt is lost. Then it begins with one at a time. */
static void test_rate_limit(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    for (int64_t seq = 1; seq <= 6; seq++)
        add(d, seq, 0);
    aivo_delivery_connected(d, 0);
    int64_t now_us = 100 * S;
    uint64_t tickets[4];
    for (int i = 0; i < 4; i++)
        tickets[i] = expect_send(d, now_us, i + 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(answered(d, now_us + i, tickets[i], "[{\"rateLimited\":true}]"), AIVO_DELIVERY_KEPT);
    for (int64_t wait_us = 1 * S; wait_us <= 240 * S; wait_us *= 2) {
        int64_t until_us = aivo_delivery_deadline(d);
        assert_int_equal(until_us - now_us, wait_us > 60 * S ? 60 * S : wait_us);
        expect_nothing(d, until_us - 1);
        now_us = until_us;
        uint64_t ticket = expect_send(d, now_us, 1);
        expect_nothing(d, now_us); /* one at a time now */
        assert_int_equal(answered(d, now_us, ticket, "[{\"rateLimited\":true}]"), AIVO_DELIVERY_KEPT);
    }
    now_us = aivo_delivery_deadline(d);
    uint64_t ticket = expect_send(d, now_us, 1);
    assert_int_equal(answered(d, now_us, ticket, "[{\"rateLimited\":true,\"retryAfterMs\":2500}]"), AIVO_DELIVERY_KEPT);
    assert_int_equal(aivo_delivery_deadline(d) - now_us, 2500 * MS);
    now_us = aivo_delivery_deadline(d);
    ticket = expect_send(d, now_us, 1);
    assert_int_equal(answered(d, now_us, ticket, "[{\"rateLimited\":true,\"retryAfterMs\":0}]"), AIVO_DELIVERY_KEPT);
    assert_int_equal(aivo_delivery_deadline(d) - now_us, 10 * MS);
    now_us = aivo_delivery_deadline(d);
    ticket = expect_send(d, now_us, 1);
    assert_int_equal(answered(d, now_us, ticket, "[{\"rateLimited\":true,\"retryAfterMs\":1e18}]"), AIVO_DELIVERY_KEPT);
    assert_int_equal(aivo_delivery_deadline(d) - now_us, 3600 * S);
    now_us = aivo_delivery_deadline(d);
    ticket = expect_send(d, now_us, 1);
    assert_int_equal(answered(d, now_us, ticket, "[]"), AIVO_DELIVERY_GONE);
    uint64_t second =
        expect_send(d, now_us, 2); /* acknowledged: two at a time, and so on; the next pause is 1 s again */
    expect_send(d, now_us, 3);
    expect_nothing(d, now_us);
    now_us += 1;
    assert_int_equal(answered(d, now_us, second, "[{\"rateLimited\":true}]"), AIVO_DELIVERY_KEPT);
    cut(d, 0, false);
    aivo_delivery_connected(d, 0);
    assert_int_equal(aivo_delivery_deadline(d) - now_us, 1 * S); /* a new connection does not end the pause */
    aivo_delivery_destroy(d, NULL, NULL);
}

/* A message whose time is over leaves if it waits; one in flight gets its answer first, and leaves when it fails. */
static void test_expiry(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    struct aivo_delivery_item item;
    uint64_t ticket, none;
    add(d, 1, 1000);
    add(d, 2, 2000);
    add(d, 3, 0);
    assert_int_equal(aivo_delivery_expiry(d), 1000);
    aivo_delivery_connected(d, 0);
    ticket = expect_send(d, 0, 1);
    cut(d, 0, false);
    aivo_delivery_connected(d, 0);
    ticket = expect_send(d, 0, 1);
    assert_int_equal(aivo_delivery_next(d, 0, 2000, true, &item, &none), AIVO_DELIVERY_EXPIRE);
    assert_int_equal(item.seq, 2);
    assert_int_equal(aivo_delivery_next(d, 0, 2000, true, &item, &none), AIVO_DELIVERY_NOTHING);
    assert_int_equal(aivo_delivery_expiry(d), AIVO_NEVER); /* or the loop would spin while 1 is in flight */
    assert_int_equal(answered(d, 0, ticket, "[{\"error\":\"no\"}]"), AIVO_DELIVERY_RETRY);
    assert_int_equal(aivo_delivery_expiry(d), 1000);
    assert_int_equal(aivo_delivery_next(d, 0, 2000, true, &item, &none), AIVO_DELIVERY_EXPIRE);
    assert_int_equal(item.seq, 1);
    assert_int_equal(item.attempts, 1);
    assert_int_equal(aivo_delivery_next(d, 0, INT64_MAX - 1, true, &item, &none), AIVO_DELIVERY_NOTHING);
    assert_int_equal(aivo_delivery_waiting(d), 1);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* The oldest that waits is evicted; those in flight only when asked for; an evicted one's answer is unknown. */
static void test_evict(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    struct aivo_delivery_item item;
    for (int64_t seq = 1; seq <= 5; seq++)
        add(d, seq, 0);
    aivo_delivery_connected(d, 0);
    uint64_t first = expect_send(d, 0, 1);
    uint64_t second = expect_send(d, 0, 2);
    assert_int_equal(answered(d, 0, second, "[{\"error\":\"no\"}]"), AIVO_DELIVERY_RETRY);
    for (int64_t seq = 2; seq <= 5; seq++) {
        assert_true(aivo_delivery_evict(d, false, &item));
        assert_int_equal(item.seq, seq);
    }
    assert_false(aivo_delivery_evict(d, false, &item));
    assert_true(aivo_delivery_evict(d, true, &item));
    assert_int_equal(item.seq, 1);
    assert_int_equal(answered(d, 0, first, "[]"), AIVO_DELIVERY_UNKNOWN);
    assert_int_equal(aivo_delivery_room(d), plain.capacity);
    assert_true(aivo_delivery_add(d, &item)); /* given back after a rollback */
    expect_send(d, 0, 1);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* What the client could not send waits anew at no cost; what it can never send leaves. Forged tickets do nothing. */
static void test_unsent_and_refused(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(&plain);
    struct aivo_delivery_item item;
    add(d, 1, 0);
    aivo_delivery_connected(d, 0);
    uint64_t ticket = expect_send(d, 0, 1);
    aivo_delivery_unsent(d, ticket ^ 1);
    aivo_delivery_unsent(d, UINT64_MAX);
    assert_int_equal(aivo_delivery_in_flight(d), 1);
    aivo_delivery_unsent(d, ticket);
    assert_int_equal(aivo_delivery_in_flight(d), 0);
    assert_false(aivo_delivery_refused(d, ticket, &item));
    ticket = expect_send(d, 0, 1);
    assert_true(aivo_delivery_refused(d, ticket, &item));
    assert_int_equal(item.attempts, 0);
    assert_int_equal(aivo_delivery_room(d), plain.capacity);
    aivo_delivery_destroy(d, NULL, NULL);
}

static struct aivo_instant at(int64_t now_us, int64_t unix_ms)
{
    return (struct aivo_instant){.now_us = now_us, .unix_ms = unix_ms};
}

/* The wall clock is set back an hour and put right again: the queue's clock runs on evenly. It jumps ahead (suspend):
 * the queue's clock follows. An older instant changes nothing. */
static void test_clock_running(void **state)
{
    (void)state;
    const int64_t t = 1700000000000, hour = 3600000;
    struct aivo_queue_clock c = {0};
    struct aivo_instant i = at(0, t);
    aivo_queue_clock_start(&c, &i, 0, 0, 0);
    i = at(10 * S, t + 10000);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + 10000);
    i = at(20 * S, t - hour + 20000);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + 20000);
    i = at(50 * S, t - hour + 50000);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + 50000);
    i = at(60 * S, t + 60000);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + 60000);
    i = at(61 * S, t + hour);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + hour);
    i = at(30 * S, t);
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + hour);
}

/* Restarts: after a boot without a clock (1970) nothing is earlier than the newest message; time away counts as far as
 * the wall clock tells; a message accepted in a wrong future is still kept only for its TTL. */
static void test_clock_restarts(void **state)
{
    (void)state;
    const int64_t t = 1700000000000, day = 86400000, year = 365 * day;
    struct aivo_queue_clock c = {0};
    struct aivo_instant i = at(0, 1000);
    aivo_queue_clock_start(&c, &i, t, 0, 0);
    assert_int_equal(aivo_queue_clock_ms(&c), t);
    i = at(5 * S, t + 6000); /* network time arrives: no jump of half a century */
    assert_int_equal(aivo_queue_clock_advance(&c, &i), t + 6000);
    /* It ran a year ahead when it was stored, and the wall clock has been right since: a day passes as a day. */
    i = at(0, t + day);
    aivo_queue_clock_start(&c, &i, t + year, t + year, t);
    assert_int_equal(aivo_queue_clock_ms(&c), t + year + day);
    /* It was ten days behind when it was stored, and was put right while nobody ran: nobody was away for ten days. */
    i = at(0, t + 60000);
    aivo_queue_clock_start(&c, &i, t, t, t - 10 * day);
    assert_int_equal(aivo_queue_clock_ms(&c), t + 60000);
    /* Still behind: what passed by it is what passed. */
    i = at(0, t - 9 * day);
    aivo_queue_clock_start(&c, &i, t, t, t - 10 * day);
    assert_int_equal(aivo_queue_clock_ms(&c), t + day);
    /* The wall clock went back while nobody ran: it tells nothing, time stands. */
    i = at(0, t - day);
    aivo_queue_clock_start(&c, &i, t, t + 5000, t);
    assert_int_equal(aivo_queue_clock_ms(&c), t + 5000);
    i = at(0, t);
    aivo_queue_clock_start(&c, &i, 0, 0, 0);
    assert_int_equal(aivo_queue_clock_ms(&c), t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_long_reason),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_disconnect),
        cmocka_unit_test(test_retry_and_death),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_evict),
        cmocka_unit_test(test_unsent_and_refused),
        cmocka_unit_test(test_clock_running),
        cmocka_unit_test(test_clock_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
