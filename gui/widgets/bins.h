/*
 * What a chart draws: the points of a span of time, in columns of equal length. Pure but for malloc.
 *
 * Columns begin at multiples of their length since 1970, so that a moving chart shows the same columns shifted, not
 * other ones each time.
 */
#ifndef AGK_BINS_H
#define AGK_BINS_H

#include "points.h"
#include "scale.h"

struct agk_bin {
    int64_t time_ms;                       /* its begin */
    uint32_t samples;                      /* 0: there is nothing, and nothing else is set */
    double min_ms, p50_ms, p95_ms, max_ms; /* NAN: no sample had a latency */
    uint64_t lost, observed;
    enum aivo_level worst;
    bool joined; /* the nearest one before that has something is near enough for a line */
};

struct agk_bins {
    struct agk_bin *bin;
    size_t count;
    int64_t from_ms, bin_ms; /* of the first; of each */
    int64_t gap_ms;          /* further apart than this is a gap */
};

/* The whole of what is shown. */
struct agk_total {
    double p50_ms, p95_ms, max_ms, loss_pct; /* NAN: not known */
    uint64_t samples;
    unsigned gaps; /* between the first and the last figure */
    enum aivo_level worst;
};

/* Columns of bin_ms that cover from_ms..to_ms, at most AGK_BINS_MAX (what is older is left out). Percentiles are of
 * nearest rank over the samples of a column; of points that stand for many samples, over those points by weight. A
 * point with a span is in all the columns that it covers, its losses in the first. Reuses what bins had. */
void agk_bins_make(struct agk_bins *bins, const struct agk_points *points, int64_t from_ms, int64_t to_ms,
                   int64_t bin_ms);
void agk_bins_free(struct agk_bins *bins);

/* Above this distance two figures have a gap between them: three times the usual distance, at least two columns and 15
 * s. */
int64_t agk_bins_gap_ms(const struct agk_points *points, int64_t from_ms, int64_t to_ms, int64_t bin_ms);

/* The top of the latency axis: a nice number above the 95th percentiles, at least floor_ms. A few that stick out by far
 * do not count where there are 20 or more: they are drawn as cut off. */
double agk_bins_top(const struct agk_bins *bins, double floor_ms);

/* Index of the column with something nearest to time_ms; -1: none has. */
long agk_bins_near(const struct agk_bins *bins, int64_t time_ms);
/* The next with something, `by` of them further (negative: back), stopping at the last; from -1: the last or first. */
long agk_bins_step(const struct agk_bins *bins, long from, long by);

struct agk_total agk_bins_total(const struct agk_bins *bins);

#endif
