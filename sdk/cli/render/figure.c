/* Figures and points in time as text. */
#include "render.h"
#include <math.h>
#include <string.h>
#include <time.h>

void aivo_render_time(int64_t unix_ms, char out[AIVO_RENDER_TIME_MAX])
{
    int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        memset(&tm, 0, sizeof(tm));
        tm.tm_year = 70;
        tm.tm_mday = 1;
    }
    size_t used = strftime(out, AIVO_RENDER_TIME_MAX - 6, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + used, AIVO_RENDER_TIME_MAX - used, ".%03dZ", (int)ms);
}

/* A desktop's locale may write a comma, or something of several bytes: whatever stands between the digits is a point.
 */
static void point(char *text)
{
    char *at = text + strspn(text, "-0123456789");
    size_t len = strcspn(at, "0123456789e");
    if (len > 0) {
        *at = '.';
        memmove(at + 1, at + len, strlen(at + len) + 1);
    }
}

const char *aivo_render_json_figure(double value, char out[AIVO_RENDER_FIGURE_MAX])
{
    if (!isfinite(value)) {
        return "null";
    }
    if (fabs(value) >= 1e15) {
        snprintf(out, AIVO_RENDER_FIGURE_MAX, "%.15g", value);
        point(out);
        return out;
    }
    snprintf(out, AIVO_RENDER_FIGURE_MAX, "%.3f", value);
    point(out);
    size_t end = strlen(out);
    while (out[end - 1] == '0') {
        end--;
    }
    out[out[end - 1] == '.' ? end - 1 : end] = '\0';
    return strcmp(out, "-0") == 0 ? "0" : out;
}

const char *aivo_render_figure(double value, char out[AIVO_RENDER_FIGURE_MAX])
{
    if (!isfinite(value)) {
        return "-";
    }
    snprintf(out, AIVO_RENDER_FIGURE_MAX, "%.*f", fabs(value) < 10 ? 2 : fabs(value) < 100 ? 1 : 0, value);
    return out;
}

size_t aivo_render_measures(const struct aivo_quality *q, struct aivo_render_measure out[AIVO_RENDER_MEASURES])
{
    const struct aivo_render_measure all[] = {
        {"score", "score", "", q->level > AIVO_LEVEL_OFFLINE ? q->score : (double)NAN},
        {"latency_ms", "latest round trip", "ms", q->latency_ms},
        {"avg_latency_ms", "mean of the last 10", "ms", q->avg_latency_ms},
        {"min_latency_ms", "least of the last 10", "ms", q->min_latency_ms},
        {"p50_ms", "median", "ms", q->p50_ms},
        {"p95_ms", "95th percentile", "ms", q->p95_ms},
        {"p99_ms", "99th percentile", "ms", q->p99_ms},
        {"jitter_ms", "jitter", "ms", q->samples >= 2 && q->stable_known ? q->jitter_ms : (double)NAN},
        {"loss_pct", "loss", "%", q->loss_pct},
        {"loss_low_pct", "loss, at least", "%", q->loss_low_pct},
        {"loss_high_pct", "loss, at most", "%", q->loss_high_pct},
        {"uplink_loss_pct", "loss on the way there", "%", q->uplink_loss_pct},
        {"downlink_loss_pct", "loss on the way back", "%", q->downlink_loss_pct},
        {"network_ms", "network", "ms", q->network_ms},
        {"edge_ms", "edge", "ms", q->edge_ms},
        {"handler_ms", "handler", "ms", q->handler_ms},
        {"clock_offset_ms", "server's clock minus ours", "ms", q->clock_offset_ms},
        {"samples", "answered probes", "", (double)q->samples},
        {"lost", "lost", "", (double)q->lost},
        {"loss_samples", "round trips observed for loss", "", (double)q->loss_samples},
    };
    _Static_assert(sizeof(all) / sizeof(all[0]) <= AIVO_RENDER_MEASURES, "the caller's array has room for all");
    memcpy(out, all, sizeof(all));
    return sizeof(all) / sizeof(all[0]);
}
