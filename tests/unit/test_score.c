#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "score.h"
#include <cmocka.h>
#include <math.h>
#include <string.h>

static const struct aivo_quality_thresholds usual = {100, 250, 500};

static void assert_near(double a, double b, double by)
{
    if (!(fabs(a - b) <= by))
        fail_msg("%.9g rather than %.9g", a, b);
}

/* The curve of the round trip through its given points; thresholds of one's own move them. */
static void test_rtt(void **state)
{
    (void)state;
    static const double curve[][2] = {{0, 100},  {50, 90},  {100, 80},  {175, 70},    {250, 60}, {375, 50},
                                      {500, 40}, {750, 30}, {1000, 20}, {2000, 12.5}, {3000, 5}, {9999, 5}};
    for (size_t i = 0; i < sizeof(curve) / sizeof(curve[0]); i++)
        assert_near(aivo_score_rtt(curve[i][0], &usual), curve[i][1], 1e-9);
    const struct aivo_quality_thresholds own = {10, 20, 30};
    assert_near(aivo_score_rtt(10, &own), 80, 1e-9);
    assert_near(aivo_score_rtt(20, &own), 60, 1e-9);
    assert_near(aivo_score_rtt(30, &own), 40, 1e-9);
    assert_near(aivo_score_rtt(60, &own), 20, 1e-9);
    assert_near(aivo_score_rtt(180, &own), 5, 1e-9);
}

/* What loss and jitter cost, and what is free. */
static void test_points(void **state)
{
    (void)state;
    static const double loss[][2] = {{0, 0}, {0.5, 0}, {1.5, 4}, {5.5, 20}, {10.5, 40}, {80, 40}};
    for (size_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++)
        assert_near(aivo_score_loss_points(loss[i][0]), loss[i][1], 1e-9);
    static const double jitter[][3] = {{100, 29.9, 0},
                                       {100, 30, 0},
                                       {100, 65, 7.5},
                                       {100, 100, 15},
                                       {100, 300, 15},
                                       {10, 10, 0},
                                       {20, 11, 15 * 0.25 / 0.7},
                                       {0, 50, 0}};
    for (size_t i = 0; i < sizeof(jitter) / sizeof(jitter[0]); i++)
        assert_near(aivo_score_jitter_points(jitter[i][0], jitter[i][1]), jitter[i][2], 1e-9);
    assert_true(aivo_score_loss_points((double)NAN) == 0);
}

/* Without loss and jitter the levels are exactly the thresholds, each bound on the worse side. */
static void test_levels_are_thresholds(void **state)
{
    (void)state;
    for (double ms = 0.25; ms < 1500; ms += 0.25) {
        const struct aivo_score_input in = {.mean_ms = ms};
        enum aivo_level level = aivo_score_level(aivo_score_raw(&in, &usual));
        assert_int_equal(level, aivo_score_classic_level(ms, &usual));
    }
    assert_int_equal(aivo_score_classic_level(99.999, &usual), AIVO_LEVEL_EXCELLENT);
    assert_int_equal(aivo_score_classic_level(100, &usual), AIVO_LEVEL_GOOD);
    assert_int_equal(aivo_score_classic_level(250, &usual), AIVO_LEVEL_FAIR);
    assert_int_equal(aivo_score_classic_level(500, &usual), AIVO_LEVEL_POOR);
}

/* Down quickly, up slowly, begun with the first; anew after a step. */
static void test_smoothing(void **state)
{
    (void)state;
    struct aivo_score s = {.begun = false};
    aivo_score_update(&s, 90, false);
    assert_near(s.smoothed, 90, 0);
    aivo_score_update(&s, 80, false);
    assert_near(s.smoothed, 83, 1e-9);
    aivo_score_update(&s, 93, false);
    assert_near(s.smoothed, 86, 1e-9);
    aivo_score_update(&s, 48, true);
    assert_near(s.smoothed, 48, 0);
    assert_int_equal(s.level, AIVO_LEVEL_FAIR);
}

/* A level changes three points past its boundary at once, nearer only with the twelfth evaluation there; one on the
 * near side begins the count anew. */
static void test_hysteresis(void **state)
{
    (void)state;
    struct aivo_score s = {.begun = true, .smoothed = 80.5, .level = AIVO_LEVEL_EXCELLENT};
    s.smoothed = 78;
    for (int i = 1; i < 12; i++) {
        aivo_score_update(&s, 78, false);
        assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    }
    s.smoothed = 81;
    aivo_score_update(&s, 81, false);
    s.smoothed = 78;
    for (int i = 1; i < 12; i++) {
        aivo_score_update(&s, 78, false);
        assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    }
    aivo_score_update(&s, 78, false);
    assert_int_equal(s.level, AIVO_LEVEL_GOOD);
    s.smoothed = 82.9;
    aivo_score_update(&s, 82.9, false);
    assert_int_equal(s.level, AIVO_LEVEL_GOOD);
    s.smoothed = 83.1;
    aivo_score_update(&s, 83.1, false);
    assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    s.smoothed = 77;
    aivo_score_update(&s, 77, false);
    assert_int_equal(s.level, AIVO_LEVEL_GOOD);
    s.smoothed = 30; /* past two boundaries */
    aivo_score_update(&s, 30, false);
    assert_int_equal(s.level, AIVO_LEVEL_POOR);
}

/* Whatever the figures are: the score stays within 1..100, worse figures never make it better, and the causes' points
 * add up to what it lacks, sorted. */
static void test_properties(void **state)
{
    (void)state;
    struct prng r = {11};
    for (int i = 0; i < 20000; i++) {
        struct aivo_score_input in = {(double)prng_below(&r, 4000) / 2, (double)prng_below(&r, 2000) / 2,
                                      (double)prng_below(&r, 200) / 4};
        double score = aivo_score_raw(&in, &usual);
        assert_true(score >= 1 && score <= 100);
        struct aivo_score_input worse = in;
        worse.loss_bound_pct += 1;
        assert_true(aivo_score_raw(&worse, &usual) <= score);
        worse = in;
        worse.stddev_ms += 10;
        assert_true(aivo_score_raw(&worse, &usual) <= score);
        struct aivo_score_shares by = {.edge_ms = prng_below(&r, 2) ? (double)NAN : in.mean_ms / 3,
                                       .up_pct = prng_below(&r, 2) ? (double)NAN : 3,
                                       .down_pct = 1,
                                       .handler_ms = (double)prng_below(&r, 200),
                                       .stalled = prng_below(&r, 2)};
        struct aivo_quality_cause causes[AIVO_QUALITY_CAUSES];
        size_t n = aivo_score_causes(&in, &usual, score, &by, causes);
        double sum = 0;
        assert_true(n <= AIVO_QUALITY_CAUSES);
        for (size_t k = 0; k < n; k++) {
            sum += causes[k].points;
            assert_true(!k || causes[k].points <= causes[k - 1].points);
        }
        assert_near(sum, 100 - score, 1e-6);
    }
}

/* Each cause by its name, divided by what is known of it. */
static void test_causes(void **state)
{
    (void)state;
    const struct aivo_score_input in = {.mean_ms = 250, .stddev_ms = 0, .loss_bound_pct = 5.5};
    struct aivo_score_shares by = {.edge_ms = 50, .up_pct = 3, .down_pct = 1, .handler_ms = 300};
    struct aivo_quality_cause c[AIVO_QUALITY_CAUSES];
    size_t n = aivo_score_causes(&in, &usual, 40, &by, c);
    static const char *const names[] = {"network-latency", "uplink-loss", "edge", "downlink-loss", "server-handler"};
    static const double points[] = {32, 15, 8, 5, 0};
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(aivo_cause_name(c[i].cause), names[i]);
        assert_near(c[i].points, points[i], 1e-9);
    }
    by = (struct aivo_score_shares){(double)NAN, (double)NAN, (double)NAN, (double)NAN, true};
    n = aivo_score_causes(&in, &usual, 40, &by, c);
    assert_int_equal(n, 3);
    assert_int_equal(c[1].cause, AIVO_CAUSE_LOSS);
    assert_string_equal(aivo_cause_name(c[2].cause), "local-stall");
    assert_string_equal(aivo_cause_name((enum aivo_cause)99), "unknown");
    assert_string_equal(aivo_cause_name(AIVO_CAUSE_DEAD), "dead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtt),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_levels_are_thresholds),
        cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
