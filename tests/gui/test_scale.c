/* Scales and their ticks. */
#include "scale.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Places and values go into one another, upwards too; an empty range is a place, not a division by zero. */
static void test_places(void **state)
{
    (void)state;
    const struct agk_scale x = {1000, 2000, 40, 200}, y = {0, 500, 130, -100}, none = {5, 5, 7, 100},
                           flat = {0, 1, 3, 0};
    assert_true(fabs(agk_scale_place(&x, 1500) - 140) < 1e-9);
    assert_true(fabs(agk_scale_place(&x, 500) + 60) < 1e-9);
    assert_true(fabs(agk_scale_place(&y, 500) - 30) < 1e-9);
    for (double value = -100; value < 700; value += 37) {
        assert_true(fabs(agk_scale_value(&y, agk_scale_place(&y, value)) - value) < 1e-9);
    }
    assert_true(fabs(agk_scale_place(&none, 5) - 7) < 1e-9);
    assert_true(fabs(agk_scale_place(&none, 50) - 7) < 1e-9);
    assert_true(fabs(agk_scale_value(&flat, 9)) < 1e-9);
}

/* A top is 1, 2, 2.5 or 5 times a power of ten, not below the value and less than 2.5 times it. */
static void test_nice(void **state)
{
    (void)state;
    assert_true(fabs(agk_nice_above(21) - 25) < 1e-9);
    assert_true(fabs(agk_nice_above(25) - 25) < 1e-9);
    assert_true(fabs(agk_nice_above(0.31) - 0.5) < 1e-9);
    assert_true(fabs(agk_nice_above(12345) - 20000) < 1e-6);
    for (double value = 1e-6; value < 1e12; value *= 1.37) {
        double nice = agk_nice_above(value);
        assert_true(nice >= value * (1 - 1e-6) && nice <= value * 2.5 * (1 + 1e-6));
    }
    assert_true(fabs(agk_nice_above(0) - 1) < 1e-9);
    assert_true(fabs(agk_nice_above(-3) - 1) < 1e-9);
    assert_true(fabs(agk_nice_above(NAN) - 1) < 1e-9);
    assert_true(isfinite(agk_nice_above(INFINITY)));
    assert_true(isfinite(agk_nice_above(1e300)));
}

/* Ticks of values rise evenly from 0, none is above the top, there are never more than asked for nor than the array
 * has, and where there is room for two there are two. */
static void test_value_ticks(void **state)
{
    (void)state;
    double ticks[AGK_TICKS_MAX];
    assert_int_equal(agk_value_ticks(500, 6, ticks), 6);
    assert_true(fabs(ticks[5] - 500) < 1e-9);
    for (double top = 0.01; top < 1e9; top *= 1.7) {
        for (size_t most = 0; most < 50; most += 3) {
            size_t count = agk_value_ticks(top, most, ticks);
            assert_true(count <= most && count <= AGK_TICKS_MAX);
            assert_true(count >= (most >= 2 ? 2 : most));
            for (size_t i = 0; i < count; i++) {
                assert_true(ticks[i] <= top * (1 + 1e-6));
                assert_true(i < 2 || fabs(ticks[i] - ticks[i - 1] - ticks[1]) < ticks[1] * 1e-6);
            }
        }
    }
    assert_int_equal(agk_value_ticks(250, 2, ticks), 2);
    assert_true(fabs(ticks[1] - 250) < 1e-9);
    assert_int_equal(agk_value_ticks(NAN, 5, ticks), 1);
    assert_int_equal(agk_value_ticks(-1, 5, ticks), 1);
    assert_int_equal(agk_value_ticks(10, 0, ticks), 0);
}

/* Each span from a minute to a week, in each number of ticks: the step is one of a clock, and with it there are no more
 * ticks than asked for. */
static void test_time_steps(void **state)
{
    (void)state;
    int64_t ticks[AGK_TICKS_MAX];
    assert_int_equal(agk_time_step(MINUTE, 7), 10000);
    assert_int_equal(agk_time_step(HOUR, 5), 15 * MINUTE);
    assert_int_equal(agk_time_step(DAY, 5), 6 * HOUR);
    assert_int_equal(agk_time_step(7 * DAY, 8), DAY);
    assert_int_equal(agk_time_step(0, 5), 1000);
    for (int64_t span = MINUTE; span <= 7 * DAY; span = span * 5 / 4) {
        for (size_t most = 2; most <= 40; most += 2) {
            int64_t step = agk_time_step(span, most);
            const int64_t from = INT64_C(1767225600123);
            size_t count = agk_time_ticks(from, from + span, step, NULL, NULL, ticks);
            assert_true(count <= most && count <= AGK_TICKS_MAX);
            for (size_t i = 0; i < count; i++) {
                assert_true(ticks[i] >= from && ticks[i] <= from + span && ticks[i] % step == 0);
            }
        }
    }
    assert_int_equal(agk_time_ticks(0, 100, 0, NULL, NULL, ticks), 0);
    assert_int_equal(agk_time_ticks(100, 0, 10, NULL, NULL, ticks), 0);
    assert_int_equal(agk_time_ticks(0, DAY, 1000, NULL, NULL, ticks), AGK_TICKS_MAX); /* bounded, whoever asks */
}

/* A clock that is an hour ahead, and from a moment on two: summer time begins. */
static int64_t summer(int64_t time_ms, void *user)
{
    return time_ms < *(int64_t *)user ? HOUR : 2 * HOUR;
}

/* Ticks are where the local clock shows midnight, also after it was put forward. */
static void test_zone(void **state)
{
    (void)state;
    int64_t ticks[AGK_TICKS_MAX], change = 100 * DAY + HOUR;
    size_t count = agk_time_ticks(98 * DAY, 103 * DAY, DAY, summer, &change, ticks);
    assert_int_equal(count, 5);
    assert_int_equal(ticks[0], 99 * DAY - HOUR);
    assert_int_equal(ticks[1], 100 * DAY - HOUR);
    assert_int_equal(ticks[2], 101 * DAY - 2 * HOUR);
    assert_int_equal(ticks[4], 103 * DAY - 2 * HOUR);
    count = agk_time_ticks(100 * DAY - HOUR / 2, 100 * DAY + 3 * HOUR, HOUR, summer, &change, ticks);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal((ticks[i] + summer(ticks[i], &change)) % HOUR, 0);
        assert_true(i == 0 || ticks[i] > ticks[i - 1]);
    }
}

/* A column lasts a second or more, and a span never has more columns than asked for or than there may be. */
static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(agk_bin_ms(MINUTE, 200), 1000);
    assert_int_equal(agk_bin_ms(7 * DAY, 200), HOUR);
    for (int64_t span = MINUTE; span <= 7 * DAY; span = span * 9 / 8) {
        for (size_t columns = 1; columns < 5000; columns = columns * 2 + 1) {
            int64_t bin = agk_bin_ms(span, columns);
            assert_true(bin >= 1000);
            assert_true((span + bin - 1) / bin <= (int64_t)(columns < AGK_BINS_MAX ? columns : AGK_BINS_MAX));
        }
    }
    assert_int_equal(agk_bin_ms(0, 0), 1000);
    assert_true(agk_bin_ms(INT64_MAX / 4, 1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_places),      cmocka_unit_test(test_nice),
                                       cmocka_unit_test(test_value_ticks), cmocka_unit_test(test_time_steps),
                                       cmocka_unit_test(test_zone),        cmocka_unit_test(test_columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
