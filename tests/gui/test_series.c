/* Points, what is made of them in columns, and the words for it. */
#include "bins.h"
#include "chart_text.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define START INT64_C(1767225600000)

static AivoQualityPoint sample(int64_t time_ms, double latency_ms)
{
    return (AivoQualityPoint){.time_ms = time_ms,
                              .min_ms = latency_ms,
                              .p50_ms = latency_ms,
                              .p95_ms = latency_ms,
                              .max_ms = latency_ms,
                              .observed = 1,
                              .samples = 1,
                              .worst = AIVO_LEVEL_EXCELLENT};
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

/* A time that is not after the last one is refused and changes nothing; what makes no sense in a point is put in order.
 */
static void test_order(void **state)
{
    (void)state;
    struct agk_points points;
    agk_points_init(&points, 100);
    AivoQualityPoint p = sample(START, 20);
    assert_true(agk_points_add(&points, &p));
    assert_false(agk_points_add(&points, &p));
    p.time_ms = START - 1;
    assert_false(agk_points_add(&points, &p));
    p.time_ms = 0;
    assert_false(agk_points_add(&points, &p));
    p.time_ms = INT64_MAX;
    assert_false(agk_points_add(&points, &p));
    assert_int_equal(points.count, 1);
    p = (AivoQualityPoint){.time_ms = START + 5,
                           .span_ms = -4,
                           .min_ms = -1,
                           .p50_ms = INFINITY,
                           .p95_ms = NAN,
                           .max_ms = 3,
                           .lost = 9,
                           .observed = 4,
                           .samples = 0,
                           .worst = (enum aivo_level)77};
    assert_true(agk_points_add(&points, &p));
    const AivoQualityPoint *kept = &points.data[1];
    assert_true(isnan(kept->min_ms) && isnan(kept->p50_ms) && near(kept->max_ms, 3));
    assert_int_equal(kept->lost, 4);
    assert_int_equal(kept->samples, 1);
    assert_int_equal(kept->span_ms, 0);
    assert_int_equal(kept->worst, AIVO_LEVEL_OFFLINE);
    agk_points_free(&points);
}

/* A million samples in a history of 1,000 points: it stays within its bound, times rise, no sample, loss, least, most
 * or level gets lost, and the newest half is as it was added. */
static void test_bounded(void **state)
{
    (void)state;
    struct agk_points points;
    agk_points_init(&points, 1000);
    uint64_t samples = 0, lost = 0;
    for (int64_t i = 0; i < 1000000; i++) {
        AivoQualityPoint p = sample(START + i * 2000, i == 77777 ? 9999 : 20 + (double)(i % 7));
        p.lost = i % 10 == 0;
        p.worst = i == 123456 ? AIVO_LEVEL_POOR : AIVO_LEVEL_EXCELLENT;
        assert_true(agk_points_add(&points, &p));
        assert_true(points.count <= 1000 && points.room <= 1000);
    }
    double most = 0, least = 1e9;
    enum aivo_level worst = AIVO_LEVEL_EXCELLENT;
    for (size_t i = 0; i < points.count; i++) {
        const AivoQualityPoint *p = &points.data[i];
        assert_true(i == 0 || p->time_ms >= p[-1].time_ms + p[-1].span_ms);
        samples += p->samples;
        lost += p->lost;
        most = fmax(most, p->max_ms);
        least = fmin(least, p->min_ms);
        worst = MIN(worst, p->worst);
        assert_true(p->p50_ms >= p->min_ms && p->p50_ms <= p->p95_ms && p->p95_ms <= p->max_ms);
    }
    assert_int_equal(samples, 1000000);
    assert_int_equal(lost, 100000);
    assert_true(near(most, 9999) && near(least, 20));
    assert_int_equal(worst, AIVO_LEVEL_POOR);
    assert_int_equal(points.data[0].time_ms, START); /* nothing is cut off at the old end */
    assert_true(points.count >= 500);
    for (size_t i = points.count - 250; i < points.count; i++) {
        assert_int_equal(points.data[i].samples, 1);
    }
    agk_points_free(&points);
}

/* An outage of an hour among the oldest points is still one after they were merged. */
static void test_gap_survives_merging(void **state)
{
    (void)state;
    struct agk_points points;
    agk_points_init(&points, 200);
    int64_t at = START, gap_from = 0, gap_to = 0;
    for (int i = 0; i < 2000; i++) {
        at += 10000;
        if (i == 40) {
            gap_from = at - 10000;
            at += 3600000;
            gap_to = at;
        }
        AivoQualityPoint p = sample(at, 20);
        assert_true(agk_points_add(&points, &p));
        if (i > 500) {
            continue;
        }
        for (size_t k = 0; k < points.count; k++) { /* no point covers the middle of it */
            int64_t end = points.data[k].time_ms + points.data[k].span_ms;
            assert_false(gap_from > 0 && points.data[k].time_ms <= gap_from && end >= gap_to);
        }
    }
    agk_points_free(&points);
}

/* Points that are all far apart: they are merged all the same, because the bound holds before anything else. */
static void test_bound_before_gaps(void **state)
{
    (void)state;
    struct agk_points points;
    agk_points_init(&points, 64);
    for (int64_t i = 0; i < 5000; i++) {
        AivoQualityPoint p = sample(START + i * 86400000, 20);
        assert_true(agk_points_add(&points, &p));
        assert_true(points.count <= 64);
    }
    agk_points_free(&points);
}

/* Twenty samples in each of three columns: least, nearest rank, most and losses are exact; the column between is empty.
 */
static void test_columns(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    agk_points_init(&points, 1000);
    for (int64_t column = 0; column < 4; column++) {
        for (int64_t i = 0; i < 20 && column != 2; i++) {
            AivoQualityPoint p =
                sample(START + column * 60000 + i * 3000, 100 * (double)(column + 1) + (double)((i * 7) % 20));
            p.lost = i == 3;
            p.worst = i == 5 ? AIVO_LEVEL_GOOD : AIVO_LEVEL_EXCELLENT;
            agk_points_add(&points, &p);
        }
    }
    agk_bins_make(&bins, &points, START, START + 4 * 60000 - 1, 60000);
    assert_int_equal(bins.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(bins.bin[i].time_ms, START + (int64_t)i * 60000);
        assert_int_equal(bins.bin[i].samples, i == 2 ? 0 : 20);
        if (i != 2) {
            double base = 100 * (double)(i + 1);
            assert_true(near(bins.bin[i].min_ms, base) && near(bins.bin[i].max_ms, base + 19));
            assert_true(near(bins.bin[i].p50_ms, base + 9) && near(bins.bin[i].p95_ms, base + 18));
            assert_int_equal(bins.bin[i].lost, 1);
            assert_int_equal(bins.bin[i].observed, 20);
            assert_int_equal(bins.bin[i].worst, AIVO_LEVEL_GOOD);
        }
    }
    agk_bins_free(&bins);
    agk_points_free(&points);
}

/* A sample each ten seconds with an outage of a minute: the figures on both sides are not joined, the others are,
 * though most columns are empty; and the last column with something stays findable. */
static void test_gaps(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    agk_points_init(&points, 1000);
    for (int64_t i = 0; i < 30; i++) {
        if (i < 12 || i >= 18) {
            AivoQualityPoint p = sample(START + i * 10000, 20);
            agk_points_add(&points, &p);
        }
    }
    agk_bins_make(&bins, &points, START, START + 300000 - 1, 1000);
    assert_int_equal(bins.gap_ms, 30000);
    unsigned apart = 0;
    for (size_t i = 1; i < bins.count; i++) {
        if (bins.bin[i].samples > 0 && !bins.bin[i].joined) {
            assert_int_equal(bins.bin[i].time_ms, START + 180000);
            apart++;
        }
    }
    assert_int_equal(apart, 1);
    assert_int_equal(agk_bins_total(&bins).gaps, 1);
    assert_int_equal(agk_bins_near(&bins, START + 299999), 290);
    assert_int_equal(agk_bins_near(&bins, START + 3000), 0);
    agk_bins_free(&bins);
    agk_points_free(&points);
}

/* Minutes of a history in columns of twenty seconds: each covers three, its losses are counted once. */
static void test_spans(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    agk_points_init(&points, 1000);
    for (int64_t i = 0; i < 5; i++) {
        AivoQualityPoint p = sample(START + i * 60000, 40);
        p.span_ms = 60000;
        p.samples = 6;
        p.lost = 2;
        p.observed = 6;
        agk_points_add(&points, &p);
    }
    agk_bins_make(&bins, &points, START + 20000, START + 300000 - 1, 20000);
    uint64_t lost = 0;
    for (size_t i = 0; i < bins.count; i++) {
        assert_true(bins.bin[i].samples > 0 && near(bins.bin[i].p50_ms, 40));
        lost += bins.bin[i].lost;
    }
    assert_int_equal(lost, 8); /* the first minute began before */
    assert_int_equal(agk_bins_total(&bins).gaps, 0);
    agk_bins_free(&bins);
    agk_points_free(&points);
}

/* A spike of twelve seconds among two hundred figures of 30 ms does not flatten them; among five it is shown. */
static void test_top(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    for (int count = 5; count <= 200; count += 195) {
        agk_points_init(&points, 1000);
        for (int64_t i = 0; i < count; i++) {
            AivoQualityPoint p = sample(START + i * 1000, i == 3 ? 12345 : 30);
            agk_points_add(&points, &p);
        }
        agk_bins_make(&bins, &points, START, START + count * 1000 - 1, 1000);
        assert_true(near(agk_bins_top(&bins, 10), count == 5 ? 20000 : 50));
        agk_points_free(&points);
    }
    agk_points_init(&points, 100);
    agk_bins_make(&bins, &points, START, START + 1000, 1000);
    assert_true(near(agk_bins_top(&bins, 10), 10)); /* nothing at all */
    assert_int_equal(agk_bins_near(&bins, START), -1);
    assert_int_equal(agk_bins_step(&bins, -1, 1), -1);
    agk_bins_free(&bins);
}

/* The keys: one step, ten steps, to the ends and no further, over empty columns. */
static void test_steps(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    agk_points_init(&points, 1000);
    for (int64_t i = 0; i < 30; i++) {
        AivoQualityPoint p = sample(START + 5000 + i * 3000, 20);
        agk_points_add(&points, &p);
    }
    agk_bins_make(&bins, &points, START, START + 99999, 1000);
    assert_int_equal(agk_bins_step(&bins, -1, 1), 5);
    assert_int_equal(agk_bins_step(&bins, -1, -1), 92);
    assert_int_equal(agk_bins_step(&bins, 5, 1), 8);
    assert_int_equal(agk_bins_step(&bins, 5, -1), 5);
    assert_int_equal(agk_bins_step(&bins, 92, 1), 92);
    assert_int_equal(agk_bins_step(&bins, 92, -10), 62);
    assert_int_equal(agk_bins_step(&bins, 62, 1000), 92);
    agk_bins_free(&bins);
    agk_points_free(&points);
}

/* As time goes on a moving chart shows the same columns, only shifted. */
static void test_columns_do_not_shimmer(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins one = {0}, other = {0};
    agk_points_init(&points, 10000);
    for (int64_t i = 0; i < 3000; i++) {
        AivoQualityPoint p = sample(START + i * 1700, 20 + (double)((i * 31) % 97));
        agk_points_add(&points, &p);
    }
    agk_bins_make(&one, &points, START + 600000, START + 900000 - 1, 5000);
    agk_bins_make(&other, &points, START + 620000, START + 920000 - 1, 5000);
    for (size_t i = 4; i < one.count; i++) {
        assert_int_equal(one.bin[i].time_ms, other.bin[i - 4].time_ms);
        assert_true(near(one.bin[i].p50_ms, other.bin[i - 4].p50_ms));
        assert_int_equal(one.bin[i].samples, other.bin[i - 4].samples);
    }
    agk_bins_free(&one);
    agk_bins_free(&other);
    agk_points_free(&points);
}

/* However long the time and short the column, there are no more than AGK_BINS_MAX, the newest. */
static void test_columns_are_bounded(void **state)
{
    (void)state;
    struct agk_points points;
    struct agk_bins bins = {0};
    agk_points_init(&points, 100);
    AivoQualityPoint p = sample(START + 86399000, 33);
    agk_points_add(&points, &p);
    agk_bins_make(&bins, &points, START, START + 86400000 - 1, 1000);
    assert_int_equal(bins.count, AGK_BINS_MAX);
    assert_int_equal(bins.bin[AGK_BINS_MAX - 1].samples, 1);
    agk_bins_make(&bins, &points, START + 10, START, 1000);
    assert_true(bins.count <= 1);
    agk_bins_free(&bins);
    agk_points_free(&points);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Random histories, with gaps, spans, unknown latencies and losses, in random columns: every sample that begins within
 * is counted in its column, figures are in order, nothing is joined over a gap, and steps find what there is. */
static void test_random(void **state)
{
    (void)state;
    uint32_t seed = 4711;
    struct agk_bins bins = {0};
    for (int round = 0; round < 300; round++) {
        struct agk_points points;
        agk_points_init(&points, 64 + next(&seed) % 500);
        bool spans = round % 3 == 0;
        int64_t at = START;
        for (uint32_t i = next(&seed) % 900; i > 0; i--) {
            at += 1 + next(&seed) % (next(&seed) % 20 == 0 ? 400000 : 4000);
            AivoQualityPoint p = sample(at, next(&seed) % 10 == 0 ? (double)NAN : next(&seed) % 2000 / 7.0);
            p.span_ms = spans ? next(&seed) % 1000 : 0;
            p.lost = next(&seed) % 2;
            p.worst = (enum aivo_level)(next(&seed) % 5);
            at += p.span_ms;
            assert_true(agk_points_add(&points, &p));
        }
        int64_t from = START + next(&seed) % 200000, to = from + next(&seed) % 900000;
        agk_bins_make(&bins, &points, from, to, 1000 * (1 + next(&seed) % 30));
        uint64_t counted = 0, expected = 0, lost = 0, expected_lost = 0;
        for (size_t i = 0; i < bins.count; i++) {
            const struct agk_bin *bin = &bins.bin[i];
            counted += bin->samples;
            lost += bin->lost;
            if (bin->samples > 0 && !isnan(bin->p50_ms)) {
                assert_true(bin->min_ms <= bin->p50_ms && bin->p50_ms <= bin->p95_ms && bin->p95_ms <= bin->max_ms);
            }
        }
        int64_t end = bins.from_ms + (int64_t)bins.count * bins.bin_ms;
        for (size_t i = 0; i < points.count; i++) {
            if (points.data[i].time_ms >= bins.from_ms && points.data[i].time_ms < end) {
                expected += points.data[i].samples;
                expected_lost += points.data[i].lost;
            }
        }
        assert_int_equal(lost, expected_lost);
        assert_true(counted >= expected);
        long first = agk_bins_step(&bins, -1, 1), last = agk_bins_step(&bins, -1, -1);
        assert_int_equal(first < 0, counted == 0);
        assert_int_equal(agk_bins_step(&bins, first, 1000000), last);
        assert_true(agk_bins_top(&bins, 10) >= 10);
        agk_points_free(&points);
    }
    agk_bins_free(&bins);
}

/* What the cursor and the summary say; what is not known is called unknown, never 0. */
static void test_words(void **state)
{
    (void)state;
    char text[AGK_SPEECH];
    struct agk_bin bin = {.samples = 3,
                          .min_ms = 20,
                          .p50_ms = 23.4,
                          .p95_ms = 12345,
                          .max_ms = 12345,
                          .lost = 1,
                          .observed = 7,
                          .worst = AIVO_LEVEL_FAIR};
    agk_readout_text(&bin, "12:00:00", text);
    assert_string_equal(text, "12:00:00 \xc2\xb7 23" AGK_NBSP "ms (20" AGK_DASH "12,345" AGK_NBSP
                              "ms) \xc2\xb7 loss 14" AGK_NBSP "% \xc2\xb7 Fair");
    agk_readout_speech(&bin, "12:00:00", text);
    assert_string_equal(
        text, "12:00:00: latency 23 milliseconds, from 20 milliseconds to 12,345 milliseconds, loss 14 percent, Fair");
    bin = (struct agk_bin){.samples = 1, .min_ms = NAN, .p50_ms = NAN, .p95_ms = NAN, .max_ms = NAN};
    agk_readout_text(&bin, "12:00:00", text);
    assert_string_equal(text, "12:00:00 \xc2\xb7 " AGK_DASH " \xc2\xb7 loss " AGK_DASH " \xc2\xb7 Offline");
    agk_readout_speech(&bin, "12:00:00", text);
    assert_string_equal(text, "12:00:00: latency unknown, loss unknown, Offline");
    struct agk_total total = {
        .samples = 10, .p50_ms = 23, .p95_ms = 40, .max_ms = 80, .loss_pct = 0.4, .gaps = 1, .worst = AIVO_LEVEL_GOOD};
    agk_summary_text(&total, text);
    assert_string_equal(text, "Median 23" AGK_NBSP "ms \xc2\xb7 95" AGK_NBSP "% within 40" AGK_NBSP
                              "ms \xc2\xb7 at most 80" AGK_NBSP "ms \xc2\xb7 loss 0.4" AGK_NBSP
                              "% \xc2\xb7 worst Good \xc2\xb7 1 gap");
    agk_summary_speech(&total, text);
    assert_string_equal(text, "Median 23 milliseconds, 95 of 100 within 40 milliseconds, at most 80 milliseconds. "
                              "Loss 0.4 percent. Worst level Good. 1 gap.");
    agk_summary_speech(&(struct agk_total){0}, text);
    assert_string_equal(text, "No data");
    agk_summary_text(&(struct agk_total){0}, text);
    assert_string_equal(text, "No data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_bounded),
                                       cmocka_unit_test(test_gap_survives_merging),
                                       cmocka_unit_test(test_bound_before_gaps),
                                       cmocka_unit_test(test_columns),
                                       cmocka_unit_test(test_gaps),
                                       cmocka_unit_test(test_spans),
                                       cmocka_unit_test(test_top),
                                       cmocka_unit_test(test_steps),
                                       cmocka_unit_test(test_columns_do_not_shimmer),
                                       cmocka_unit_test(test_columns_are_bounded),
                                       cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
