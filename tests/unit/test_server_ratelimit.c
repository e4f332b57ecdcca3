#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ratelimit.h"
#include <stdlib.h>
#include <string.h>

static const struct srv_ratelimit_policy usual = {.window_ms = 60000, .max_messages = 100};

/* A client emits 150 messages in a row under the default limit: exactly 100 pass and 50 are refused, and after the time
 * each refusal named, not a millisecond earlier, a message passes again. */
static void test_burst_of_150(void **state)
{
    (void)state;
    struct srv_ratelimit r = {0};
    int refused = 0;
    uint32_t retry = 0;
    for (uint64_t i = 0; i < 150; i++)
        refused += !srv_ratelimit_allow(&r, &usual, 1000 + i, &retry);
    assert_int_equal(refused, 50);
    assert_int_equal(retry, 1000 + 60000 - 1149);
    uint32_t again = 0;
    assert_false(srv_ratelimit_allow(&r, &usual, 1149 + retry - 1, &again));
    assert_int_equal(again, 1);
    assert_true(srv_ratelimit_allow(&r, &usual, 1149 + retry, &again));
    srv_ratelimit_free(&r);
}

/* With the limit off, everything passes and no memory is taken. */
static void test_no_limit(void **state)
{
    (void)state;
    const struct srv_ratelimit_policy none = {.window_ms = 60000, .max_messages = 0};
    struct srv_ratelimit r = {0};
    uint32_t retry = 77;
    for (int i = 0; i < 100000; i++)
        assert_true(srv_ratelimit_allow(&r, &none, 5, &retry));
    assert_null(r.runs);
    assert_int_equal(retry, 77);
}

/* An idle connection costs the struct and no more; a quiet one gives its ring back, a busy one keeps it. */
static void test_memory(void **state)
{
    (void)state;
    struct srv_ratelimit r = {0};
    uint32_t retry;
    assert_true(sizeof r <= 64);
    for (uint64_t t = 0; t < 100; t++)
        assert_true(srv_ratelimit_allow(&r, &usual, t * 10, &retry));
    assert_true(r.cap <= 100);
    srv_ratelimit_trim(&r, &usual, 60000 + 989);
    assert_non_null(r.runs);
    srv_ratelimit_trim(&r, &usual, 60000 + 990);
    assert_null(r.runs);
    assert_true(srv_ratelimit_allow(&r, &usual, 61000, &retry));
    srv_ratelimit_free(&r);
    srv_ratelimit_free(&r);
}

/* The largest limit with messages at every time: the ring stays within what its header promises. */
static void test_memory_of_large_limits(void **state)
{
    (void)state;
    const struct srv_ratelimit_policy large = {.window_ms = 86400000, .max_messages = 1000000000};
    struct srv_ratelimit r = {0};
    uint32_t retry;
    for (uint64_t t = 0; t < 3 * 86400000ULL; t += 997)
        assert_true(srv_ratelimit_allow(&r, &large, t, &retry));
    assert_true(r.cap <= SRV_RATELIMIT_EXACT + 2);
    srv_ratelimit_free(&r);
}

/* A clock that steps back neither opens the gate nor locks it; one that jumps 60 days (beyond 32 bits of ms) clears it.
 */
static void test_odd_clocks(void **state)
{
    (void)state;
    const struct srv_ratelimit_policy two = {.window_ms = 1000, .max_messages = 2};
    struct srv_ratelimit r = {0};
    uint32_t retry;
    assert_true(srv_ratelimit_allow(&r, &two, 10000, &retry));
    assert_true(srv_ratelimit_allow(&r, &two, 9000, &retry));
    assert_false(srv_ratelimit_allow(&r, &two, 8000, &retry));
    assert_int_equal(retry, 1000);
    assert_true(srv_ratelimit_allow(&r, &two, 11000, &retry));
    assert_true(srv_ratelimit_allow(&r, &two, 11000, &retry));
    /* 2^32 ms after the last message its stamp looks the same as now. */
    assert_true(srv_ratelimit_allow(&r, &two, 11000 + 4294967296ULL, &retry));
    assert_true(srv_ratelimit_allow(&r, &two, 11000 + 4294967296ULL, &retry));
    assert_false(srv_ratelimit_allow(&r, &two, 11000 + 4294967296ULL, &retry));
    srv_ratelimit_free(&r);
}

/* ---- against a model that keeps every time ---- */

static uint32_t seed = 12345;
static uint32_t chance(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

#define MODEL_MAX 200000
static uint64_t model[MODEL_MAX];
static size_t model_count;

static size_t model_in_window(uint64_t now, uint32_t window)
{
    size_t n = 0;
    while (n < model_count && now - model[model_count - 1 - n] < window)
        n++;
    return n;
}

/* Random limits, windows and gaps: up to SRV_RATELIMIT_EXACT the answer is the model's, every time, and so is the
 * time to wait. */
static void test_exact_against_model(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        const struct srv_ratelimit_policy p = {.window_ms = 1 + chance(5000),
                                               .max_messages = 1 + chance(round % 3 == 0 ? 1024 : 40)};
        struct srv_ratelimit r = {0};
        uint64_t now = chance(1000000);
        model_count = 0;
        for (int i = 0; i < 3000; i++) {
            now += chance(3) == 0 ? chance(p.window_ms) : chance(4);
            uint32_t retry = 0;
            size_t in = model_in_window(now, p.window_ms);
            bool expected = in < p.max_messages;
            assert_int_equal(srv_ratelimit_allow(&r, &p, now, &retry), expected);
            if (expected)
                model[model_count++] = now;
            else
                assert_int_equal(retry, model[model_count - in] + p.window_ms - now);
            assert_true(r.cap <= p.max_messages);
        }
        srv_ratelimit_free(&r);
    }
}

/* Beyond it: never more than the limit in any window, a refusal only where the window lengthened by a grain is full,
 * and the promised time holds. */
static void test_grains_against_model(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        const struct srv_ratelimit_policy p = {.window_ms = 1 + chance(20000),
                                               .max_messages = SRV_RATELIMIT_EXACT + 1 + chance(3000)};
        uint32_t grain = p.window_ms / SRV_RATELIMIT_EXACT + 1;
        struct srv_ratelimit r = {0};
        uint64_t now = 0;
        model_count = 0;
        for (int i = 0; i < 12000; i++) {
            now += chance(40) == 0 ? chance(p.window_ms / 4 + 1) : chance(3) / 2;
            uint32_t retry = 0;
            bool allowed = srv_ratelimit_allow(&r, &p, now, &retry);
            if (allowed) {
                assert_true(model_in_window(now, p.window_ms) < p.max_messages);
                model[model_count++] = now;
                continue;
            }
            assert_true(model_in_window(now, p.window_ms + grain) >= p.max_messages);
            assert_true(retry >= 1 && retry <= p.window_ms + grain);
            if (chance(20) == 0) {
                now += retry;
                assert_true(srv_ratelimit_allow(&r, &p, now, &retry));
                model[model_count++] = now;
            }
        }
        assert_true(r.cap <= SRV_RATELIMIT_EXACT + 2);
        srv_ratelimit_free(&r);
    }
}

/* quality_ping has five a second of its own, in any second, and takes nothing from the messages. */
static void test_pings(void **state)
{
    (void)state;
    struct srv_ratelimit r = {0};
    uint32_t retry = 0;
    model_count = 0;
    uint64_t now = 4294967000ULL; /* the 32-bit stamps wrap on the way */
    for (int i = 0; i < 5000; i++) {
        now += chance(400);
        size_t in = model_in_window(now, 1000);
        bool allowed = srv_ratelimit_allow_ping(&r, now, &retry);
        assert_int_equal(allowed, in < 5);
        if (allowed)
            model[model_count++] = now;
        else
            assert_int_equal(retry, model[model_count - 5] + 1000 - now);
    }
    assert_null(r.runs);
    assert_int_equal(r.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_of_150),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_of_large_limits),
        cmocka_unit_test(test_odd_clocks),
        cmocka_unit_test(test_exact_against_model),
        cmocka_unit_test(test_grains_against_model),
        cmocka_unit_test(test_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
