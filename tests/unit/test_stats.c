#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "stats.h"
#include <cmocka.h>
#include <math.h>

static void assert_near(double a, double b, double within)
{
    if (!(fabs(a - b) <= within))
        fail_msg("%.17g rather than %.17g", a, b);
}

/* The square root is libm's, over many orders of magnitude. */
static void test_sqrt(void **state)
{
    (void)state;
    struct prng r = {1};
    assert_true(aivo_stats_sqrt(0) == 0 && aivo_stats_sqrt(-1) == 0 && aivo_stats_sqrt((double)NAN) == 0);
    assert_true(aivo_stats_sqrt(1) == 1 && aivo_stats_sqrt(4) == 2);
    for (int i = 0; i < 10000; i++) {
        double x = ldexp((double)(1 + prng_below(&r, 1000000)), (int)prng_below(&r, 200) - 100);
        assert_near(aivo_stats_sqrt(x) / sqrt(x), 1, 1e-15);
    }
}

/* Mean, least and deviation of known values; of nothing they are unknown. */
static void test_moments(void **state)
{
    (void)state;
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    assert_near(aivo_stats_mean(values, 8), 5, 0);
    assert_near(aivo_stats_min(values, 8), 2, 0);
    assert_near(aivo_stats_stddev(values, 8), 2, 1e-15);
    assert_near(aivo_stats_min(values + 4, 3), 5, 0);
    assert_near(aivo_stats_stddev(values, 1), 0, 0);
    assert_true(isnan(aivo_stats_mean(values, 0)) && isnan(aivo_stats_min(values, 0)));
    assert_true(isnan(aivo_stats_stddev(values, 0)) && isnan(aivo_stats_quantile(values, 0, 0.5)));
}

/* Quantiles interpolate between the ranks. */
static void test_quantiles(void **state)
{
    (void)state;
    double values[] = {40, 10, 30, 20};
    aivo_stats_sort(values, 4);
    assert_near(aivo_stats_quantile(values, 4, 0), 10, 0);
    assert_near(aivo_stats_quantile(values, 4, 0.5), 25, 1e-12);
    assert_near(aivo_stats_quantile(values, 4, 0.95), 38.5, 1e-12);
    assert_near(aivo_stats_quantile(values, 4, 1), 40, 0);
    assert_near(aivo_stats_quantile(values, 1, 0.99), 10, 0);
    assert_near(aivo_stats_quantile(values, 3, 0.5), 20, 0);
}

/* Intervals as published tables have them, and the ends. */
static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        double hits, n, low, high;
    } cases[] = {
        {0, 10, 0, 0.27753}, {10, 10, 0.72247, 1},         {5, 10, 0.23659, 0.76341},     {1, 10, 0.01787, 0.40416},
        {0, 1, 0, 0.79345},  {50, 1000, 0.03813, 0.06531}, {300, 3000, 0.08975, 0.11127}, {0, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double low, high;
        aivo_stats_wilson(cases[i].hits, cases[i].n, 1.960, &low, &high);
        assert_near(low, cases[i].low, 1e-4);
        assert_near(high, cases[i].high, 1e-4);
    }
    double low, high;
    aivo_stats_wilson(0, 12345, 1.960, &low, &high);
    assert_true(low == 0);
    aivo_stats_wilson(12345, 12345, 1.960, &low, &high);
    assert_true(high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqrt),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_wilson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
