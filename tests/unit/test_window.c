#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "stats.h"
#include "window.h"
#include <cmocka.h>
#include <math.h>

static struct aivo_window filled(double value)
{
    struct aivo_window w;
    aivo_window_init(&w, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(aivo_window_add(&w, value, true), AIVO_WINDOW_ADDED);
    return w;
}

static double mean(const struct aivo_window *w)
{
    return aivo_stats_mean(w->values, w->len);
}

/* Sizes: the default, one's own, and no more than there is room for. */
static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{0, 10}, {3, 3}, {60, 60}, {1000, 60}};
    for (size_t i = 0; i < 4; i++) {
        struct aivo_window w;
        aivo_window_init(&w, sizes[i][0]);
        assert_true(isnan(aivo_window_median(&w)));
        for (int k = 0; k < 100; k++)
            aivo_window_push(&w, k);
        assert_int_equal(w.len, sizes[i][1]);
        assert_true(w.values[w.len - 1] == 99 && w.values[0] == (double)(100 - w.len));
    }
}

/* A single spike is held back for one sample and then enters beside it. */
static void test_spike(void **state)
{
    (void)state;
    struct aivo_window w = filled(50);
    assert_int_equal(aivo_window_add(&w, 240, true), AIVO_WINDOW_HELD);
    assert_true(mean(&w) == 50);
    assert_int_equal(aivo_window_add(&w, 51, true), AIVO_WINDOW_ADDED);
    assert_true(w.values[9] == 51 && w.values[8] == 240 && w.held_len == 0 && w.dropped == 0);
}

/* A spike as high as an answer that was sent again stays out, and is told; while it is rare. The first samples are
 * protected as well. */
static void test_resent(void **state)
{
    (void)state;
    struct aivo_window w = filled(50);
    for (int i = 0; i < 30; i++) {
        aivo_window_add(&w, i % 5 ? 50 : 300, true);
        assert_int_equal(w.dropped, i % 5 == 1);
    }
    assert_true(mean(&w) == 50);
    aivo_window_clear(&w);
    aivo_window_add(&w, 50, true);
    aivo_window_add(&w, 50, true);
    assert_int_equal(aivo_window_add(&w, 300, true), AIVO_WINDOW_HELD);
    assert_int_equal(aivo_window_add(&w, 310, true), AIVO_WINDOW_HELD);
    aivo_window_add(&w, 52, true);
    assert_int_equal(w.dropped, 2);
    assert_int_equal(w.len, 3);
}

/* Three in a row on the same side replace the window. */
static void test_step(void **state)
{
    (void)state;
    struct aivo_window w = filled(50);
    assert_int_equal(aivo_window_add(&w, 400, true), AIVO_WINDOW_HELD);
    assert_int_equal(aivo_window_add(&w, 410, true), AIVO_WINDOW_HELD);
    assert_int_equal(aivo_window_add(&w, 420, true), AIVO_WINDOW_STEPPED);
    assert_int_equal(w.len, 3);
    assert_true(mean(&w) == 410);
    for (int i = 0; i < 7; i++)
        aivo_window_add(&w, 410, true);
    aivo_window_add(&w, 100, true);
    aivo_window_add(&w, 90, true);
    assert_int_equal(aivo_window_add(&w, 80, true), AIVO_WINDOW_STEPPED); /* downwards as well */
    assert_true(mean(&w) == 90);
}

/* One above and one below are no step: the first enters, the second is held in its turn. */
static void test_other_side(void **state)
{
    (void)state;
    struct aivo_window w = filled(200);
    aivo_window_add(&w, 380, true);
    assert_int_equal(aivo_window_add(&w, 20, true), AIVO_WINDOW_HELD);
    assert_true(w.held_len == 1 && !w.held_above && w.values[9] == 380);
}

/* A link that alternates between 50 and 400 ms is not called stable: both soon make up the window. */
static void test_alternating(void **state)
{
    (void)state;
    struct aivo_window w = filled(50);
    for (int i = 0; i < 20; i++)
        aivo_window_add(&w, i % 2 ? 50 : 400, true);
    double deviation = aivo_stats_stddev(w.values, w.len);
    assert_true(deviation / mean(&w) > 0.3);
}

/* What is no outlier: the first four samples, and whatever is within 10 ms, a fifth of the median, or 4 deviations. */
static void test_bounds(void **state)
{
    (void)state;
    struct aivo_window w;
    aivo_window_init(&w, 0);
    static const double first[] = {5, 150, 5, 150, 5};
    for (int i = 0; i < 5; i++)
        assert_int_equal(aivo_window_add(&w, first[i], true), AIVO_WINDOW_ADDED);
    static const double cases[][3] = {{1, 11, 0}, {1, 11.1, 1}, {100, 120, 0}, {100, 120.1, 1}, {100, 79.9, 1}};
    for (size_t i = 0; i < 5; i++) {
        w = filled(cases[i][0]);
        assert_int_equal(aivo_window_add(&w, cases[i][1], true),
                         cases[i][2] > 0 ? AIVO_WINDOW_HELD : AIVO_WINDOW_ADDED);
        w = filled(cases[i][0]);
        assert_int_equal(aivo_window_add(&w, cases[i][1], false), AIVO_WINDOW_ADDED);
    }
    w = filled(100);
    for (int i = 0; i < 10; i++)
        aivo_window_push(&w, i % 2 ? 80 : 120); /* MAD 20: up to 118.6 off */
    assert_int_equal(aivo_window_add(&w, 218, true), AIVO_WINDOW_ADDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_spike),      cmocka_unit_test(test_resent),
        cmocka_unit_test(test_step),   cmocka_unit_test(test_other_side), cmocka_unit_test(test_alternating),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
