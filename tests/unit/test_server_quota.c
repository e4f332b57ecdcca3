#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "prng.h"
#include "quota.h"
#include <stdio.h>
#include <string.h>

/* The textbook's bucket, in floating point. */
struct model {
    double tokens, at_ms;
};

/* Against a model that adds and takes tokens: on random policies and gaps the answers are the same, and after the time
 * that a refusal says (not a millisecond earlier) the next message passes. */
static void test_model(void **state)
{
    (void)state;
    struct prng prng = {4711};
    for (int round = 0; round < 200; round++) {
        struct srv_bucket_policy policy = {1 + (uint32_t)prng_below(&prng, 6000), 1 + (uint32_t)prng_below(&prng, 50)};
        struct srv_bucket bucket = {0};
        uint64_t now_ms = 1000 + prng_below(&prng, 100000);
        struct model model = {policy.burst, (double)now_ms};
        double per_ms = 1e3 / (double)(60000000 / policy.per_minute); /* whole microseconds a message */
        for (int i = 0; i < 300; i++) {
            now_ms += prng_below(&prng, 4) ? 0 : prng_below(&prng, 200);
            model.tokens += ((double)now_ms - model.at_ms) * per_ms;
            model.at_ms = (double)now_ms;
            if (model.tokens > policy.burst)
                model.tokens = policy.burst;
            uint32_t retry_ms = 0;
            bool may = srv_bucket_allows(&bucket, &policy, now_ms, &retry_ms);
            if (model.tokens < 1 - 1e-6 || model.tokens > 1 + 1e-6) /* else rounding decides */
                assert_int_equal(may, model.tokens >= 1);
            if (may) {
                srv_bucket_take(&bucket, &policy, now_ms);
                model.tokens -= 1;
                continue;
            }
            assert_true(retry_ms >= 1);
            uint32_t ignored;
            assert_true(srv_bucket_allows(&bucket, &policy, now_ms + retry_ms, &ignored));
            if (retry_ms > 1)
                assert_false(srv_bucket_allows(&bucket, &policy, now_ms + retry_ms - 1, &ignored));
        }
    }
}

/* Entries are found again, leave when they say nothing, and the table never has more than it may: the one released
 * first makes room, one that is held does not. */
static void test_table(void **state)
{
    (void)state;
    struct srv_buckets b;
    const struct srv_bucket_policy policy = {60, 1};
    assert_true(srv_buckets_init(&b, 42, 4));
    struct srv_bucket *held[4];
    for (uint64_t i = 0; i < 4; i++)
        held[i] = srv_buckets_hold(&b, 100 + i);
    assert_ptr_equal(srv_buckets_hold(&b, 102), held[2]);
    srv_buckets_release(&b, held[2]);
    assert_null(srv_buckets_hold(&b, 200)); /* full, and all are held */
    for (int i = 0; i < 4; i++)
        srv_bucket_take(held[i], &policy, 1000);
    srv_buckets_release(&b, held[1]);
    srv_buckets_release(&b, held[0]);
    srv_buckets_trim(&b, 1500); /* their buckets are not full yet: remembered */
    assert_int_equal(b.count, 4);
    assert_ptr_equal(srv_buckets_hold(&b, 101), held[1]);
    srv_buckets_release(&b, held[1]);
    struct srv_bucket *other = srv_buckets_hold(&b, 200);
    assert_non_null(other);
    assert_int_equal(b.count, 4); /* one was forgotten */
    srv_buckets_release(&b, other);
    assert_int_equal(b.count, 3); /* it never took anything */
    srv_buckets_trim(&b, 2001);
    assert_int_equal(b.count, 2); /* those that are held */
    srv_buckets_release(&b, held[2]);
    srv_buckets_release(&b, held[3]);
    srv_buckets_trim(&b, 2001);
    assert_int_equal(b.count, 0);
    srv_buckets_free(&b);
}

/* A flood of addresses: bounded memory, every answer right for the one who stays. */
static void test_flood(void **state)
{
    (void)state;
    struct srv_buckets b;
    const struct srv_bucket_policy policy = {60, 2};
    uint32_t retry_ms;
    assert_true(srv_buckets_init(&b, 7, 1000));
    struct srv_bucket *stays = srv_buckets_hold(&b, 1);
    srv_bucket_take(stays, &policy, 5);
    srv_bucket_take(stays, &policy, 5);
    for (uint64_t i = 0; i < 100000; i++) {
        struct srv_bucket *one = srv_buckets_hold(&b, 1000 + i);
        assert_non_null(one);
        srv_bucket_take(one, &policy, 5);
        srv_buckets_release(&b, one);
        assert_true(b.count <= 1000);
    }
    assert_false(srv_bucket_allows(stays, &policy, 5, &retry_ms));
    assert_ptr_equal(srv_buckets_hold(&b, 1), stays);
    srv_buckets_free(&b);
}

/* What one limit refuses takes nothing from the others. */
static void test_together(void **state)
{
    (void)state;
    struct srv_config config = {.rate_limit_window_ms = 1000,
                                .rate_limit_max_messages = 3,
                                .user_per_minute = 60,
                                .user_burst = 2,
                                .address_per_minute = 60,
                                .address_burst = 4};
    struct srv_limits limits;
    struct srv_ratelimit one = {0}, two = {0};
    uint32_t retry_ms;
    assert_true(srv_limits_init(&limits, &config, 1));
    struct srv_bucket *ann = srv_limits_user(&limits, "ann"), *bob = srv_limits_user(&limits, "bob");
    struct srv_bucket *address = srv_limits_address(&limits, 1);
    assert_non_null(address);
    assert_ptr_not_equal(ann, bob);
    assert_null(srv_limits_user(&limits, ""));
    assert_int_equal(srv_limits_allow(&limits, &one, ann, address, 1, &retry_ms), SRV_LIMIT_NONE);
    assert_int_equal(srv_limits_allow(&limits, &one, ann, address, 1, &retry_ms), SRV_LIMIT_NONE);
    assert_int_equal(srv_limits_allow(&limits, &one, ann, address, 1, &retry_ms), SRV_LIMIT_USER);
    assert_int_equal(retry_ms, 1000);
    assert_int_equal(srv_limits_allow(&limits, &one, bob, address, 1, &retry_ms), SRV_LIMIT_NONE);
    assert_int_equal(srv_limits_allow(&limits, &one, bob, address, 1, &retry_ms), SRV_LIMIT_CONNECTION);
    assert_int_equal(srv_limits_allow(&limits, &two, bob, address, 1, &retry_ms), SRV_LIMIT_NONE);
    assert_int_equal(srv_limits_allow(&limits, &two, NULL, address, 1, &retry_ms), SRV_LIMIT_ADDRESS);
    assert_string_equal(srv_limit_name(SRV_LIMIT_ADDRESS), "address");
    srv_ratelimit_free(&one);
    srv_ratelimit_free(&two);
    srv_limits_free(&limits);
    config = (struct srv_config){.rate_limit_window_ms = 1};
    assert_true(srv_limits_init(&limits, &config, 1)); /* no limits: nothing is kept */
    assert_null(srv_limits_user(&limits, "ann"));
    assert_null(srv_limits_address(&limits, 1));
    assert_int_equal(srv_limits_allow(&limits, &one, NULL, NULL, 1, &retry_ms), SRV_LIMIT_NONE);
    srv_limits_free(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
