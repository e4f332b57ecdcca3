/*
 * From figures to places and back, and which figures get a line. Pure.
 *
 * Ticks are 1, 2 or 5 times a power of ten, or what a clock has (1, 2, 5, 10, 15, 30 seconds and minutes, hours, days).
 * Never more than asked for, never more than AGK_TICKS_MAX.
 */
#ifndef AGK_SCALE_H
#define AGK_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGK_TICKS_MAX 32
#define AGK_BINS_MAX  1024 /* columns that a chart has at most, whatever its width */

/* A straight line: from..to is drawn at start..start + length (length may be negative: upwards). */
struct agk_scale {
    double from, to, start, length;
};

/* Where a value is; outside of the range it is outside of the place. An empty range is at start. */
double agk_scale_place(const struct agk_scale *scale, double value);
/* The value at a place. */
double agk_scale_value(const struct agk_scale *scale, double place);

/* The least of 1, 2, 2.5, 5 x 10^k that is not below value; 1 for what is no positive number. */
double agk_nice_above(double value);
/* Values from 0 to top, at most `most` of them; returns how many. */
size_t agk_value_ticks(double top, size_t most, double out[AGK_TICKS_MAX]);

/* How far a zone's clock is ahead of UTC at a time, ms. */
typedef int64_t (*agk_zone_fn)(int64_t time_ms, void *user);
/* The least clock step with which a span has at most `most` ticks, ms. */
int64_t agk_time_step(int64_t span_ms, size_t most);
/* Times of from..to at which the zone's clock shows a multiple of step; at most AGK_TICKS_MAX. zone NULL: UTC. */
size_t agk_time_ticks(int64_t from_ms, int64_t to_ms, int64_t step_ms, agk_zone_fn zone, void *user,
                      int64_t out[AGK_TICKS_MAX]);
/* How long a column lasts, so that a span has at most `columns` (1..AGK_BINS_MAX): 1 s or more, a clock step. */
int64_t agk_bin_ms(int64_t span_ms, size_t columns);

#endif
