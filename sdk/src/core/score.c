#include "score.h"

#include <math.h>
#include <string.h>

#define LOSS_FREE_PCT     0.5 /* so much costs nothing */
#define LOSS_POINTS       4.0 /* for each percent beyond it */
#define LOSS_POINTS_MAX   40.0
#define JITTER_FROM       0.3  /* stddev / mean */
#define JITTER_FREE_MS    10.0 /* a deviation that nobody notices */
#define JITTER_POINTS_MAX 15.0
#define DOWN_WEIGHT       0.7 /* of a worse evaluation */
#define UP_WEIGHT         0.3 /* of a better one */
#define HYSTERESIS        3.0 /* points past a boundary */
#define FAR_EVALUATIONS   12  /* or so many evaluations past it at all */
#define SLOW_HANDLER_MS   100.0

double aivo_score_rtt(double mean_ms, const struct aivo_quality_thresholds *t)
{
    const struct {
        double ms, score;
    } points[] = {{0, 100},         {t->excellent_ms, 80}, {t->good_ms, 60},
                  {t->fair_ms, 40}, {2 * t->fair_ms, 20},  {6 * t->fair_ms, 5}};
    const size_t last = sizeof(points) / sizeof(points[0]) - 1;
    for (size_t i = 0; i < last; i++) {
        double width = points[i + 1].ms - points[i].ms, drop = points[i].score - points[i + 1].score;
        if (mean_ms < points[i + 1].ms)
            return points[i].score - drop * (mean_ms - points[i].ms) / width;
    }
    return points[last].score;
}

double aivo_score_loss_points(double loss_bound_pct)
{
    double points = LOSS_POINTS * (loss_bound_pct - LOSS_FREE_PCT);
    return !(points > 0) ? 0 : points > LOSS_POINTS_MAX ? LOSS_POINTS_MAX : points;
}

double aivo_score_jitter_points(double mean_ms, double stddev_ms)
{
    if (!(mean_ms > 0) || !(stddev_ms > JITTER_FREE_MS) || stddev_ms / mean_ms < JITTER_FROM)
        return 0;
    double points = JITTER_POINTS_MAX * (stddev_ms / mean_ms - JITTER_FROM) / (1 - JITTER_FROM);
    return points > JITTER_POINTS_MAX ? JITTER_POINTS_MAX : points;
}

double aivo_score_raw(const struct aivo_score_input *in, const struct aivo_quality_thresholds *t)
{
    double score = aivo_score_rtt(in->mean_ms, t) - aivo_score_loss_points(in->loss_bound_pct) -
                   aivo_score_jitter_points(in->mean_ms, in->stddev_ms);
    return score < 1 ? 1 : score > 100 ? 100 : score;
}

static const double level_floor[] = {[AIVO_LEVEL_OFFLINE] = 0,
                                     [AIVO_LEVEL_POOR] = 0,
                                     [AIVO_LEVEL_FAIR] = 40,
                                     [AIVO_LEVEL_GOOD] = 60,
                                     [AIVO_LEVEL_EXCELLENT] = 80};

enum aivo_level aivo_score_level(double score)
{
    enum aivo_level level = AIVO_LEVEL_EXCELLENT;
    while (level > AIVO_LEVEL_POOR && !(score > level_floor[level]))
        level--;
    return level;
}

enum aivo_level aivo_score_classic_level(double mean_ms, const struct aivo_quality_thresholds *t)
{
    if (mean_ms < t->excellent_ms)
        return AIVO_LEVEL_EXCELLENT;
    if (mean_ms < t->good_ms)
        return AIVO_LEVEL_GOOD;
    return mean_ms < t->fair_ms ? AIVO_LEVEL_FAIR : AIVO_LEVEL_POOR;
}

static bool is_well_past(const struct aivo_score *s)
{
    if (s->smoothed <= level_floor[s->level])
        return s->smoothed <= level_floor[s->level] - HYSTERESIS;
    return s->level < AIVO_LEVEL_EXCELLENT && s->smoothed > level_floor[s->level + 1] + HYSTERESIS;
}

void aivo_score_update(struct aivo_score *s, double raw, bool anew)
{
    if (!s->begun || anew) {
        *s = (struct aivo_score){.begun = true, .smoothed = raw, .level = aivo_score_level(raw)};
        return;
    }
    s->smoothed += (raw < s->smoothed ? DOWN_WEIGHT : UP_WEIGHT) * (raw - s->smoothed);
    enum aivo_level level = aivo_score_level(s->smoothed);
    if (level == s->level) {
        s->far = 0;
    } else if (++s->far >= FAR_EVALUATIONS || is_well_past(s)) {
        s->level = level;
        s->far = 0;
    }
}

static void add_cause(struct aivo_quality_cause *out, size_t *count, enum aivo_cause cause, double points)
{
    size_t at = (*count)++;
    while (at > 0 && out[at - 1].points < points) {
        out[at] = out[at - 1];
        at--;
    }
    out[at] = (struct aivo_quality_cause){cause, points};
}

static void add_loss(struct aivo_quality_cause *out, size_t *count, double points, const struct aivo_score_shares *by)
{
    double sum = by->up_pct + by->down_pct;
    if (!(sum > 0)) { /* NAN: the directions are not known */
        add_cause(out, count, AIVO_CAUSE_LOSS, points);
        return;
    }
    if (by->up_pct > 0)
        add_cause(out, count, AIVO_CAUSE_UPLINK_LOSS, points * by->up_pct / sum);
    if (by->down_pct > 0)
        add_cause(out, count, AIVO_CAUSE_DOWNLINK_LOSS, points * by->down_pct / sum);
}

size_t aivo_score_causes(const struct aivo_score_input *in, const struct aivo_quality_thresholds *t, double score,
                         const struct aivo_score_shares *shares, struct aivo_quality_cause *out)
{
    double rtt = 100 - aivo_score_rtt(in->mean_ms, t), loss = aivo_score_loss_points(in->loss_bound_pct);
    double jitter = aivo_score_jitter_points(in->mean_ms, in->stddev_ms), sum = rtt + loss + jitter;
    double scale = sum > 0 ? (100 - score) / sum : 0; /* smoothing and the ends of the range come between */
    double edge = shares->edge_ms > 0 && in->mean_ms > 0 ? shares->edge_ms / in->mean_ms : 0;
    if (edge > 1)
        edge = 1;
    size_t count = 0;
    if (scale > 0) {
        if (rtt * (1 - edge) > 0)
            add_cause(out, &count, AIVO_CAUSE_NETWORK_LATENCY, scale * rtt * (1 - edge));
        if (rtt * edge > 0)
            add_cause(out, &count, AIVO_CAUSE_EDGE, scale * rtt * edge);
        if (loss > 0)
            add_loss(out, &count, scale * loss, shares);
        if (jitter > 0)
            add_cause(out, &count, AIVO_CAUSE_JITTER, scale * jitter);
    }
    if (shares->handler_ms >= SLOW_HANDLER_MS)
        add_cause(out, &count, AIVO_CAUSE_SERVER_HANDLER, 0);
    if (shares->stalled)
        add_cause(out, &count, AIVO_CAUSE_LOCAL_STALL, 0);
    return count;
}

const char *aivo_cause_name(enum aivo_cause cause)
{
    static const char *const names[] = {"network-latency", "uplink-loss", "downlink-loss", "loss", "jitter", "edge",
                                        "server-handler",  "local-stall", "dead"};
    return (size_t)cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "unknown";
}
