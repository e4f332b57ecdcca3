/* Small statistics over a few hundred values at most. No libm: the core links no library. */
#ifndef AIVO_CORE_STATS_H
#define AIVO_CORE_STATS_H

#include <stddef.h>

double aivo_stats_sqrt(double x); /* 0 for x <= 0 */
/* All three NAN if n is 0. */
double aivo_stats_mean(const double *values, size_t n);
double aivo_stats_min(const double *values, size_t n);
double aivo_stats_stddev(const double *values, size_t n); /* of the population: divided by n */

/* Sorts ascending. */
void aivo_stats_sort(double *values, size_t n);
/* The p-quantile, p in 0..1, of sorted values, interpolated between the two nearest ranks; NAN if n is 0. */
double aivo_stats_quantile(const double *sorted, size_t n, double p);
/* The median of up to 64 values in any order; NAN if n is 0. */
double aivo_stats_median(const double *values, size_t n);

/* The two-sided Wilson score interval of hits out of n, as shares of 1; 0..1 if n is 0. hits <= n; an
 * estimated number of hits need not be whole. */
void aivo_stats_wilson(double hits, double n, double z, double *low, double *high);

#endif
