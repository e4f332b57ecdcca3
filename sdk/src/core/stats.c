#include "stats.h"

#include <math.h>
#include <stdlib.h>

#define MEDIAN_MAX 64

double aivo_stats_sqrt(double x)
{
    if (!(x > 0))
        return 0;
    /* Newton from above falls until rounding stops it. */
    double root = x > 1 ? x : 1;
    for (;;) {
        double next = (root + x / root) / 2;
        if (!(next < root))
            return root;
        root = next;
    }
}

double aivo_stats_mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n ? sum / (double)n : (double)NAN;
}

double aivo_stats_min(const double *values, size_t n)
{
    double least = n ? values[0] : (double)NAN;
    for (size_t i = 1; i < n; i++)
        if (values[i] < least)
            least = values[i];
    return least;
}

double aivo_stats_stddev(const double *values, size_t n)
{
    double mean = aivo_stats_mean(values, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return n ? aivo_stats_sqrt(sum / (double)n) : (double)NAN;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void aivo_stats_sort(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
}

double aivo_stats_quantile(const double *sorted, size_t n, double p)
{
    if (!n)
        return (double)NAN;
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

double aivo_stats_median(const double *values, size_t n)
{
    double sorted[MEDIAN_MAX];
    if (n > MEDIAN_MAX)
        n = MEDIAN_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = values[i];
    }
    return aivo_stats_quantile(sorted, n, 0.5);
}

void aivo_stats_wilson(double hits, double n, double z, double *low, double *high)
{
    *low = 0;
    *high = 1;
    if (!(n > 0))
        return;
    double count = n, p = hits / n, z2 = z * z;
    double middle = p + z2 / (2 * count);
    double half = z * aivo_stats_sqrt(p * (1 - p) / count + z2 / (4 * count * count));
    double scale = 1 + z2 / count;
    /* The ends are 0 and 1 exactly where no hit or only hits were seen; rounding would miss them. */
    if (hits > 0)
        *low = (middle - half) / scale;
    if (hits < n)
        *high = (middle + half) / scale;
}
