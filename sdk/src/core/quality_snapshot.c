/* The figures and the level that the samples come to. */
#include "quality_impl.h"
#include "stats.h"
#include <math.h>
#include <string.h>

#define STABLE_BELOW 0.3 /* stddev / mean */
#define DELACK_MS    40  /* a peer that does not answer at once acknowledges this late: Linux' delayed ACK */

const char *aivo_level_name(enum aivo_level level)
{
    static const char *const names[] = {"Offline", "Poor", "Fair", "Good", "Excellent"};
    return (size_t)level < sizeof(names) / sizeof(names[0]) ? names[level] : names[0];
}

static bool is_classic(const struct aivo_quality_core *q)
{
    return q->options.profile == AIVO_PROFILE_CLASSIC;
}

static struct aivo_score_input input_of(const struct aivo_quality_core *q, const struct aivo_window *w, int64_t now_us)
{
    struct aivo_score_input in = {.mean_ms = aivo_stats_mean(w->values, w->len)};
    if (!is_classic(q)) {
        in.stddev_ms = aivo_stats_stddev(w->values, w->len);
        in.loss_bound_pct = aivo_loss_bound(&q->loss, now_us);
    }
    return in;
}

static void evaluate(const struct aivo_quality_core *q, const struct aivo_score_input *in, bool anew,
                     struct aivo_score *score)
{
    aivo_score_update(score, aivo_score_raw(in, &q->options.thresholds), anew || is_classic(q));
    if (is_classic(q))
        score->level = aivo_score_classic_level(in->mean_ms, &q->options.thresholds);
}

void aivo_quality_evaluate(struct aivo_quality_core *q, int64_t now_us, bool anew)
{
    if (!q->window.len)
        return;
    struct aivo_score_input in = input_of(q, &q->window, now_us);
    evaluate(q, &in, anew, &q->score);
}

bool aivo_quality_view(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_view *out)
{
    if (!q->connected || q->dead || !q->window.len)
        return false;
    out->window = q->window;
    out->score = q->score;
    double age_ms = q->hanging && now_us > q->hang_since_us ? (double)(now_us - q->hang_since_us) / 1000.0 : 0;
    out->provisional = age_ms > aivo_stats_mean(q->window.values, q->window.len);
    if (out->provisional)
        aivo_window_push(&out->window, age_ms);
    out->input = input_of(q, &out->window, now_us);
    if (out->provisional && aivo_score_raw(&out->input, &q->options.thresholds) < out->score.smoothed)
        evaluate(q, &out->input, false, &out->score);
    return true;
}

enum aivo_level aivo_quality_level(const struct aivo_quality_core *q, int64_t now_us)
{
    struct aivo_quality_view view;
    return aivo_quality_view(q, now_us, &view) ? view.score.level : AIVO_LEVEL_OFFLINE;
}

static void fill_window(const struct aivo_window *w, struct aivo_quality *out)
{
    out->avg_latency_ms = aivo_stats_mean(w->values, w->len);
    out->min_latency_ms = aivo_stats_min(w->values, w->len);
    out->jitter_ms = aivo_stats_stddev(w->values, w->len);
    out->stable_known = w->len >= 2;
    /* not a quotient: a mean of 0 is stable as well */
    out->stable = out->stable_known && (out->jitter_ms < STABLE_BELOW * out->avg_latency_ms || out->jitter_ms == 0);
}

static void fill_percentiles(const struct aivo_quality_core *q, struct aivo_quality *out)
{
    double sorted[AIVO_QUALITY_RING];
    memcpy(sorted, q->ring, q->ring_len * sizeof(sorted[0]));
    aivo_stats_sort(sorted, q->ring_len);
    out->p50_ms = aivo_stats_quantile(sorted, q->ring_len, 0.50);
    out->p95_ms = aivo_stats_quantile(sorted, q->ring_len, 0.95);
    out->p99_ms = aivo_stats_quantile(sorted, q->ring_len, 0.99);
}

static void fill_loss(const struct aivo_quality_core *q, struct aivo_quality *out)
{
    struct aivo_loss_figures f;
    aivo_loss_figures(&q->loss, &f);
    out->loss_pct = f.rt;
    out->loss_low_pct = f.rt_low;
    out->loss_high_pct = f.rt_high;
    out->uplink_loss_pct = f.up;
    out->uplink_low_pct = f.up_low;
    out->uplink_high_pct = f.up_high;
    out->downlink_loss_pct = f.down;
    out->downlink_low_pct = f.down_low;
    out->downlink_high_pct = f.down_high;
    out->lost = q->loss.lost;
    out->loss_samples = q->loss.observations;
    out->loss_source = !q->loss.observations ? AIVO_LOSS_NONE : q->path_known ? AIVO_LOSS_TCP : AIVO_LOSS_PROBES;
}

/* The least round trip is the network without any queue, but may be minutes old. The smoothed one is of now, and at
 * most a delayed ACK above it is the server's. */
static void fill_layers(const struct aivo_quality_core *q, struct aivo_quality *out)
{
    struct aivo_layers_figures f;
    aivo_layers_figures(&q->layers, &f);
    out->handler_ms = f.handler;
    out->clock_offset_ms = f.clock_offset;
    out->uplink_queue_ms = f.up_queue;
    out->downlink_queue_ms = f.down_queue;
    out->network_ms = out->edge_ms = (double)NAN;
    if (!q->connected || !q->path_known || !q->window.len || !q->path.rtt_us)
        return;
    double mean = aivo_stats_mean(q->window.values, q->window.len), network = q->path.rtt_us / 1000.0 - DELACK_MS;
    double least = q->path.min_rtt_us && q->path.min_rtt_us < UINT32_MAX ? q->path.min_rtt_us / 1000.0 : 0;
    if (network < least)
        network = least;
    out->network_ms = network < mean ? network : mean;
    out->edge_ms = mean - out->network_ms;
}

static void fill_causes(const struct aivo_quality_core *q, const struct aivo_quality_view *view,
                        struct aivo_quality *out)
{
    struct aivo_score_shares shares = {.edge_ms = out->edge_ms,
                                       .up_pct = out->uplink_loss_pct,
                                       .down_pct = out->downlink_loss_pct,
                                       .handler_ms = out->handler_ms,
                                       .stalled = q->stalled};
    out->cause_count =
        aivo_score_causes(&view->input, &q->options.thresholds, view->score.smoothed, &shares, out->causes);
}

void aivo_quality_snapshot(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality *out)
{
    int64_t time_ms = out->time_ms;
    memset(out, 0, sizeof(*out));
    out->size = sizeof(*out);
    out->time_ms = time_ms;
    out->latency_ms = q->latest_ms;
    fill_percentiles(q, out);
    fill_loss(q, out);
    fill_layers(q, out);
    out->samples = q->answered;
    out->reconnects = q->connections ? q->connections - 1 : 0;
    out->local_stalls = q->local_stalls;
    out->suspect = q->connected && q->suspect;
    struct aivo_quality_view view;
    if (aivo_quality_view(q, now_us, &view)) {
        fill_window(&view.window, out);
        out->level = view.score.level;
        out->score = (int)(view.score.smoothed + 0.5);
        fill_causes(q, &view, out);
        return;
    }
    fill_window(&(struct aivo_window){.len = 0}, out);
    if (q->dead) {
        out->causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_DEAD, 100};
        out->cause_count = 1;
    }
}
