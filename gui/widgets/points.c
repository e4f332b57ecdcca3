#include "points.h"
#include <math.h>
#include <string.h>

#define GAP_MS 300000 /* neighbours further apart than this, and than three of their spans, are not one */

void agk_points_init(struct agk_points *points, size_t capacity)
{
    memset(points, 0, sizeof(*points));
    points->capacity = CLAMP(capacity, AGK_POINTS_MIN, AGK_POINTS_MAX);
}

void agk_points_clear(struct agk_points *points)
{
    points->count = 0;
}

void agk_points_free(struct agk_points *points)
{
    g_free(points->data);
    points->data = NULL;
    points->count = points->room = 0;
}

size_t agk_points_find(const struct agk_points *points, int64_t time_ms)
{
    size_t low = 0, high = points->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (points->data[middle].time_ms < time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void agk_points_cut(struct agk_points *points, int64_t time_ms)
{
    points->count = agk_points_find(points, time_ms);
}

/* fmin() and fmax() take the one that is known. */
static double mean(double a, double b, double weight_a, double weight_b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) ? b : a;
    }
    return (a * weight_a + b * weight_b) / (weight_a + weight_b);
}

AivoQualityPoint agk_points_merge(const AivoQualityPoint *a, const AivoQualityPoint *b)
{
    AivoQualityPoint sum = *a;
    sum.span_ms = b->time_ms + b->span_ms - a->time_ms;
    sum.min_ms = fmin(a->min_ms, b->min_ms);
    sum.p50_ms = mean(a->p50_ms, b->p50_ms, a->samples, b->samples);
    sum.p95_ms = fmax(a->p95_ms, b->p95_ms);
    sum.max_ms = fmax(a->max_ms, b->max_ms);
    sum.lost += b->lost;
    sum.observed += b->observed;
    sum.samples = a->samples > UINT32_MAX - b->samples ? UINT32_MAX : a->samples + b->samples;
    sum.worst = MIN(a->worst, b->worst);
    return sum;
}

static bool gap_between(const AivoQualityPoint *a, const AivoQualityPoint *b)
{
    int64_t gap = b->time_ms - (a->time_ms + a->span_ms);
    return gap > GAP_MS && gap > 3 * MAX(a->span_ms, b->span_ms);
}

/* Merges neighbours of the first half; returns how many places that freed. */
static size_t compact(struct agk_points *points, bool across_gaps)
{
    size_t half = points->count / 2, out = 0, in = 0;
    while (in < half) {
        const AivoQualityPoint *a = &points->data[in], *b = a + 1;
        if (in + 1 < half && (across_gaps || !gap_between(a, b))) {
            points->data[out++] = agk_points_merge(a, b);
            in += 2;
        } else {
            points->data[out++] = points->data[in++];
        }
    }
    memmove(points->data + out, points->data + half, (points->count - half) * sizeof(*points->data));
    points->count -= half - out;
    return half - out;
}

static double figure(double value)
{
    return isfinite(value) && value >= 0 ? value : NAN;
}

static AivoQualityPoint ordered(const AivoQualityPoint *point)
{
    AivoQualityPoint p = *point;
    p.span_ms = MAX(p.span_ms, 0);
    p.min_ms = figure(p.min_ms);
    p.p50_ms = figure(p.p50_ms);
    p.p95_ms = figure(p.p95_ms);
    p.max_ms = figure(p.max_ms);
    p.samples = MAX(p.samples, 1);
    p.lost = p.observed > 0 ? MIN(p.lost, p.observed) : p.lost;
    if ((unsigned)p.worst > AIVO_LEVEL_EXCELLENT) {
        p.worst = AIVO_LEVEL_OFFLINE;
    }
    return p;
}

bool agk_points_add(struct agk_points *points, const AivoQualityPoint *point)
{
    if (point->time_ms <= 0 || point->time_ms > G_MAXINT64 / 4 || point->span_ms > G_MAXINT64 / 4) {
        return false;
    }
    if (points->count > 0 && point->time_ms <= points->data[points->count - 1].time_ms) {
        return false;
    }
    if (points->count == points->capacity && compact(points, false) < points->capacity / 16) {
        compact(points, true);
    }
    if (points->count == points->room) {
        points->room = MIN(MAX(points->room * 2, AGK_POINTS_MIN), points->capacity);
        points->data = g_renew(AivoQualityPoint, points->data, points->room);
    }
    points->data[points->count++] = ordered(point);
    return true;
}
