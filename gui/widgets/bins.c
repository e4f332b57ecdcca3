#include "bins.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP_LEAST_MS 15000
#define GAP_LOOK     512 /* distances that are looked at */
#define STICKS_OUT   5.0 /* times the 95th percentile of what is shown */
#define ENOUGH_BINS  20

struct weighted {
    double value;
    double weight;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct weighted *)a)->value, y = ((const struct weighted *)b)->value;
    return (x > y) - (x < y);
}

/* The value of nearest rank; sorted, NAN if there is none. */
static double rank(const struct weighted *values, size_t count, double share)
{
    double total = 0, seen = 0;
    for (size_t i = 0; i < count; i++) {
        total += values[i].weight;
    }
    for (size_t i = 0; i < count; i++) {
        seen += values[i].weight;
        if (seen >= share * total * (1 - 1e-12)) {
            return values[i].value;
        }
    }
    return NAN;
}

/* Sorts a list of figures in place and gives the one of nearest rank. */
static double sorted_rank(struct weighted *values, size_t count, double share)
{
    if (count > 1) {
        qsort(values, count, sizeof(*values), by_value);
    }
    return rank(values, count, share);
}

static int by_distance(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t agk_bins_gap_ms(const struct agk_points *points, int64_t from_ms, int64_t to_ms, int64_t bin_ms)
{
    int64_t distance[GAP_LOOK];
    size_t count = 0, end = agk_points_find(points, to_ms), begin = agk_points_find(points, from_ms);
    size_t stride = (end - begin) / GAP_LOOK + 1; /* over all of it, not only its begin */
    for (size_t i = begin; i + 1 < end && count < GAP_LOOK; i += stride) {
        distance[count++] = points->data[i + 1].time_ms - points->data[i].time_ms;
    }
    int64_t usual = 0;
    if (count > 0) {
        qsort(distance, count, sizeof(*distance), by_distance);
        usual = distance[count / 2];
    }
    int64_t gap = 3 * usual;
    gap = gap > 2 * bin_ms ? gap : 2 * bin_ms;
    return gap > GAP_LEAST_MS ? gap : GAP_LEAST_MS;
}

/* A point's share in a column that it covers. */
static void join(struct agk_bin *bin, const AivoQualityPoint *point, bool first)
{
    if (bin->samples == 0) {
        bin->min_ms = bin->p50_ms = bin->p95_ms = bin->max_ms = NAN;
        bin->worst = point->worst;
    }
    bin->samples = bin->samples > UINT32_MAX - point->samples ? UINT32_MAX : bin->samples + point->samples;
    bin->min_ms = fmin(bin->min_ms, point->min_ms);
    bin->max_ms = fmax(bin->max_ms, point->max_ms);
    bin->worst = MIN(bin->worst, point->worst);
    if (first) {
        bin->lost += point->lost;
        bin->observed += point->observed;
    }
}

static void prepare(struct agk_bins *bins, int64_t from_ms, int64_t to_ms, int64_t bin_ms)
{
    int64_t first = from_ms / bin_ms, last = to_ms / bin_ms;
    if (last - first >= AGK_BINS_MAX) {
        first = last - AGK_BINS_MAX + 1;
    }
    bins->bin_ms = bin_ms;
    bins->from_ms = first * bin_ms;
    bins->count = last >= first ? (size_t)(last - first + 1) : 0;
    if (!bins->bin) {
        bins->bin = g_new(struct agk_bin, AGK_BINS_MAX + 1);
    }
    memset(bins->bin, 0, bins->count * sizeof(*bins->bin));
    for (size_t i = 0; i < bins->count; i++) {
        bins->bin[i].time_ms = bins->from_ms + (int64_t)i * bin_ms;
    }
}

static size_t bin_of(const struct agk_bins *bins, int64_t time_ms)
{
    return time_ms <= bins->from_ms ? 0 : (size_t)((time_ms - bins->from_ms) / bins->bin_ms);
}

/* The percentiles of column `index`: points begin..end - 1 begin in it. */
static void percentiles(struct agk_bin *bin, const struct agk_points *points, size_t begin, size_t end,
                        struct weighted *scratch)
{
    size_t count = 0;
    for (size_t i = begin; i < end; i++) {
        if (!isnan(points->data[i].p50_ms)) {
            scratch[count++] = (struct weighted){points->data[i].p50_ms, points->data[i].samples};
        }
    }
    double p50 = sorted_rank(scratch, count, 0.5);
    count = 0;
    for (size_t i = begin; i < end; i++) {
        if (!isnan(points->data[i].p95_ms)) {
            scratch[count++] = (struct weighted){points->data[i].p95_ms, points->data[i].samples};
        }
    }
    bin->p50_ms = p50;
    bin->p95_ms = sorted_rank(scratch, count, 0.95);
}

/* Where nothing begins, what reaches into it from before counts. */
static void reach_over(struct agk_bins *bins, const AivoQualityPoint *point)
{
    size_t last = bin_of(bins, point->time_ms + MAX(point->span_ms, 1) - 1);
    for (size_t i = bin_of(bins, point->time_ms); i <= last && i < bins->count; i++) {
        struct agk_bin *bin = &bins->bin[i];
        if (bin->samples == 0) {
            join(bin, point, false);
            bin->p50_ms = point->p50_ms;
            bin->p95_ms = point->p95_ms;
        }
    }
}

static void mark_joined(struct agk_bins *bins)
{
    long before = -1;
    for (size_t i = 0; i < bins->count; i++) {
        if (bins->bin[i].samples > 0) {
            bins->bin[i].joined = before >= 0 && bins->bin[i].time_ms - bins->bin[before].time_ms <= bins->gap_ms;
            before = (long)i;
        }
    }
}

void agk_bins_make(struct agk_bins *bins, const struct agk_points *points, int64_t from_ms, int64_t to_ms,
                   int64_t bin_ms)
{
    prepare(bins, from_ms, to_ms, bin_ms);
    if (bins->count == 0) {
        return;
    }
    int64_t end_ms = bins->from_ms + (int64_t)bins->count * bin_ms;
    size_t begin = agk_points_find(points, bins->from_ms), end = agk_points_find(points, end_ms);
    struct weighted *scratch = g_new(struct weighted, end - begin + 1);
    for (size_t i = begin; i < end;) {
        size_t index = bin_of(bins, points->data[i].time_ms), next = i;
        for (; next < end && bin_of(bins, points->data[next].time_ms) == index; next++) {
            join(&bins->bin[index], &points->data[next], true);
        }
        percentiles(&bins->bin[index], points, i, next, scratch);
        i = next;
    }
    for (size_t i = begin > 0 ? begin - 1 : begin; i < end; i++) {
        if (points->data[i].span_ms > 0 && points->data[i].time_ms + points->data[i].span_ms > bins->from_ms) {
            reach_over(bins, &points->data[i]);
        }
    }
    g_free(scratch);
    bins->gap_ms = agk_bins_gap_ms(points, bins->from_ms, end_ms, bin_ms);
    mark_joined(bins);
}

void agk_bins_free(struct agk_bins *bins)
{
    g_free(bins->bin);
    memset(bins, 0, sizeof(*bins));
}

double agk_bins_top(const struct agk_bins *bins, double floor_ms)
{
    struct weighted values[AGK_BINS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < bins->count && count < AGK_BINS_MAX; i++) {
        if (bins->bin[i].samples > 0 && !isnan(bins->bin[i].p95_ms)) {
            values[count++] = (struct weighted){bins->bin[i].p95_ms, 1};
        }
    }
    double usual = sorted_rank(values, count, 0.95);
    double top = count > 0 ? values[count - 1].value : 0;
    if (count >= ENOUGH_BINS && top > STICKS_OUT * usual && usual > 0) {
        top = usual * 1.5;
    }
    return agk_nice_above(fmax(top, floor_ms));
}

long agk_bins_near(const struct agk_bins *bins, int64_t time_ms)
{
    long best = -1;
    int64_t best_distance = INT64_MAX;
    for (size_t i = 0; i < bins->count; i++) {
        if (bins->bin[i].samples > 0) {
            int64_t distance = bins->bin[i].time_ms + bins->bin_ms / 2 - time_ms;
            distance = distance < 0 ? -distance : distance;
            if (distance < best_distance) {
                best = (long)i;
                best_distance = distance;
            }
        }
    }
    return best;
}

long agk_bins_step(const struct agk_bins *bins, long from, long by)
{
    long step = by < 0 ? -1 : 1, left = by < 0 ? -by : by, found = from;
    long at = from < 0 ? (by < 0 ? (long)bins->count : -1) : from;
    while (left > 0) {
        for (at += step; at >= 0 && at < (long)bins->count && bins->bin[at].samples == 0; at += step) {
        }
        if (at < 0 || at >= (long)bins->count) {
            break;
        }
        found = at;
        left--;
    }
    return found;
}

struct agk_total agk_bins_total(const struct agk_bins *bins)
{
    struct agk_total total = {.max_ms = NAN, .worst = AIVO_LEVEL_EXCELLENT};
    struct weighted p50[AGK_BINS_MAX], p95[AGK_BINS_MAX];
    size_t count = 0;
    uint64_t lost = 0, observed = 0;
    for (size_t i = 0; i < bins->count; i++) {
        const struct agk_bin *bin = &bins->bin[i];
        if (bin->samples == 0) {
            continue;
        }
        total.gaps += total.samples > 0 && !bin->joined;
        total.samples += bin->samples;
        total.worst = MIN(total.worst, bin->worst);
        total.max_ms = fmax(total.max_ms, bin->max_ms);
        lost += bin->lost;
        observed += bin->observed;
        if (!isnan(bin->p50_ms) && count < AGK_BINS_MAX) {
            p50[count] = (struct weighted){bin->p50_ms, bin->samples};
            p95[count++] = (struct weighted){bin->p95_ms, bin->samples};
        }
    }
    total.p50_ms = sorted_rank(p50, count, 0.5);
    total.p95_ms = sorted_rank(p95, count, 0.95);
    total.loss_pct = observed > 0 ? 100.0 * (double)MIN(lost, observed) / (double)observed : NAN;
    return total;
}
