#include "quality.h"

#include "stats.h"
#include <math.h>
#include <string.h>

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_TIMEOUT_MS  5000
#define Z_95                1.960 /* two-sided 95 % */
#define STABLE_BELOW        0.3   /* stddev / mean */

const char *aivo_level_name(enum aivo_level level)
{
    switch (level) {
    case AIVO_LEVEL_OFFLINE:
        return "Offline";
    case AIVO_LEVEL_POOR:
        return "Poor";
    case AIVO_LEVEL_FAIR:
        return "Fair";
    case AIVO_LEVEL_GOOD:
        return "Good";
    case AIVO_LEVEL_EXCELLENT:
        return "Excellent";
    }
    return "Offline";
}

static int64_t interval_us(const struct aivo_quality_core *q)
{
    return (int64_t)q->options.interval_ms * 1000;
}

static int64_t timeout_us(const struct aivo_quality_core *q)
{
    return (int64_t)q->options.timeout_ms * 1000;
}

static double ms_between(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? (double)(to_us - from_us) / 1000.0 : 0;
}

static void push(double *ring, size_t cap, size_t *len, size_t *next, double value)
{
    ring[*next] = value;
    *next = (*next + 1) % cap;
    if (*len < cap)
        ++*len;
}

/* ---- What the samples say ---- */

/* The window that counts now, oldest first. */
struct window {
    double values[AIVO_QUALITY_WINDOW];
    size_t len;
};

static struct window own_window(const struct aivo_quality_core *q)
{
    struct window w = {.len = q->window_len};
    size_t first = q->window_len < AIVO_QUALITY_WINDOW ? 0 : q->window_next;
    for (size_t i = 0; i < w.len; i++)
        w.values[i] = q->window[(first + i) % AIVO_QUALITY_WINDOW];
    return w;
}

/* While a probe hangs for longer than the mean, its age stands where its sample will: a full window's oldest sample
 * makes room. So a hung link cannot keep its last level. */
static struct window effective_window(const struct aivo_quality_core *q, int64_t now_us)
{
    struct window w = own_window(q);
    if (!q->hanging || !w.len)
        return w;
    double age_ms = ms_between(q->hang_since_us, now_us);
    if (!(age_ms > aivo_stats_mean(w.values, w.len)))
        return w;
    if (w.len == AIVO_QUALITY_WINDOW)
        memmove(w.values, w.values + 1, --w.len * sizeof(w.values[0]));
    w.values[w.len++] = age_ms;
    return w;
}

/* 100 at 0 ms, then through these points; beyond the last it stays there. */
static double rtt_score(double mean_ms)
{
    static const struct {
        double ms, score;
    } points[] = {{0, 100}, {100, 80}, {250, 60}, {500, 40}, {1000, 20}, {3000, 5}};
    const size_t last = sizeof(points) / sizeof(points[0]) - 1;
    for (size_t i = 0; i < last; i++) {
        double width = points[i + 1].ms - points[i].ms, drop = points[i].score - points[i + 1].score;
        if (mean_ms < points[i + 1].ms)
            return points[i].score - drop * (mean_ms - points[i].ms) / width;
    }
    return points[last].score;
}

static int score_of(const struct window *w)
{
    int score = (int)(rtt_score(aivo_stats_mean(w->values, w->len)) + 0.5);
    return score < 1 ? 1 : score > 100 ? 100 : score;
}

static enum aivo_level level_of(const struct window *w, const struct aivo_quality_thresholds *t)
{
    double mean_ms = aivo_stats_mean(w->values, w->len);
    if (mean_ms < t->excellent_ms)
        return AIVO_LEVEL_EXCELLENT;
    if (mean_ms < t->good_ms)
        return AIVO_LEVEL_GOOD;
    return mean_ms < t->fair_ms ? AIVO_LEVEL_FAIR : AIVO_LEVEL_POOR;
}

static bool offline(const struct aivo_quality_core *q)
{
    return !q->connected || !q->window_len;
}

enum aivo_level aivo_quality_level(const struct aivo_quality_core *q, int64_t now_us)
{
    if (offline(q))
        return AIVO_LEVEL_OFFLINE;
    struct window w = effective_window(q, now_us);
    return level_of(&w, &q->options.thresholds);
}

/* ---- Probing ---- */

void aivo_quality_init(struct aivo_quality_core *q, const struct aivo_quality_options *options)
{
    memset(q, 0, sizeof(*q));
    q->options = *options;
    if (!q->options.interval_ms)
        q->options.interval_ms = DEFAULT_INTERVAL_MS;
    if (!q->options.timeout_ms)
        q->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    q->latest_ms = (double)NAN;
}

static void forget_connection(struct aivo_quality_core *q)
{
    q->probe = AIVO_QUALITY_IDLE;
    q->hanging = false;
    q->handler_waiting = false;
    q->handler_unanswered = 0;
    q->handler_len = q->handler_next = 0;
    q->pong_id = q->early_id = 0;
    q->window_len = q->window_next = 0;
    q->latest_ms = (double)NAN;
}

void aivo_quality_connected(struct aivo_quality_core *q, int64_t now_us)
{
    forget_connection(q);
    q->connected = true;
    q->connections++;
    q->probe_due_us = now_us;
}

void aivo_quality_disconnected(struct aivo_quality_core *q, int64_t now_us)
{
    (void)now_us;
    forget_connection(q);
    q->connected = false;
}

/* What was to be answered by now. */
static void expire(struct aivo_quality_core *q, int64_t now_us)
{
    if (q->probe == AIVO_QUALITY_SENT && now_us - q->probe_sent_us >= timeout_us(q)) {
        q->probe = AIVO_QUALITY_IDLE;
        q->lost++;
        q->events |= AIVO_QUALITY_LOST;
    }
    if (q->handler_waiting && now_us - q->handler_sent_us >= timeout_us(q)) {
        q->handler_waiting = false;
        q->handler_unanswered++;
    }
}

static void begin_hanging(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    if (q->hanging && q->hang_id != id)
        return;
    q->hanging = true;
    q->hang_id = id;
    q->hang_since_us = now_us;
}

static bool may_ask_handler(const struct aivo_quality_core *q, uint64_t id)
{
    return q->options.quality_ping && id % AIVO_QUALITY_HANDLER_EVERY == 0 && !q->handler_waiting &&
           q->handler_unanswered < AIVO_QUALITY_HANDLER_TRIES;
}

bool aivo_quality_next_probe(struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_probe *out)
{
    expire(q, now_us);
    if (!q->options.enabled || !q->connected || q->probe != AIVO_QUALITY_IDLE || now_us < q->probe_due_us)
        return false;
    q->probe = AIVO_QUALITY_QUEUED;
    q->probe_id = ++q->probes;
    begin_hanging(q, now_us, q->probe_id);
    *out = (struct aivo_quality_probe){q->probe_id, may_ask_handler(q, q->probe_id)};
    return true;
}

void aivo_quality_probe_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    if (q->probe != AIVO_QUALITY_QUEUED || id != q->probe_id)
        return;
    q->probe = AIVO_QUALITY_SENT;
    q->probe_sent_us = now_us;
    q->probe_due_us = now_us + interval_us(q);
    begin_hanging(q, now_us, id);
}

static void add_handler_extra(struct aivo_quality_core *q, double handler_ms, double ping_ms)
{
    double extra = handler_ms > ping_ms ? handler_ms - ping_ms : 0;
    push(q->handler_extra, AIVO_QUALITY_HANDLER, &q->handler_len, &q->handler_next, extra);
}

bool aivo_quality_pong(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    expire(q, now_us);
    if (q->probe != AIVO_QUALITY_SENT || id != q->probe_id)
        return false;
    double rtt_ms = ms_between(q->probe_sent_us, now_us);
    q->probe = AIVO_QUALITY_IDLE;
    q->hanging = false;
    q->answered++;
    q->latest_ms = rtt_ms;
    push(q->window, AIVO_QUALITY_WINDOW, &q->window_len, &q->window_next, rtt_ms);
    push(q->ring, AIVO_QUALITY_RING, &q->ring_len, &q->ring_next, rtt_ms);
    q->pong_id = id;
    q->pong_ms = rtt_ms;
    if (q->early_id == id)
        add_handler_extra(q, q->early_ms, rtt_ms);
    return true;
}

void aivo_quality_handler_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    if (!q->connected || q->handler_waiting)
        return;
    q->handler_waiting = true;
    q->handler_id = id;
    q->handler_sent_us = now_us;
}

bool aivo_quality_handler_answer(struct aivo_quality_core *q, int64_t now_us, uint64_t id)
{
    expire(q, now_us);
    if (!q->handler_waiting || id != q->handler_id)
        return false;
    double rtt_ms = ms_between(q->handler_sent_us, now_us);
    q->handler_waiting = false;
    q->handler_unanswered = 0;
    if (q->pong_id == id) {
        add_handler_extra(q, rtt_ms, q->pong_ms);
    } else {
        q->early_id = id;
        q->early_ms = rtt_ms;
    }
    return true;
}

unsigned aivo_quality_tick(struct aivo_quality_core *q, int64_t now_us)
{
    expire(q, now_us);
    enum aivo_level level = aivo_quality_level(q, now_us);
    unsigned events = q->events;
    if (level != q->level)
        events |= AIVO_QUALITY_LEVEL;
    q->level = level;
    q->events = 0;
    return events;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the hanging probe's growing age will next make the level worse; at most a few moments too early. */
static int64_t level_deadline(const struct aivo_quality_core *q, int64_t now_us)
{
    const struct aivo_quality_thresholds *t = &q->options.thresholds;
    const double bounds[] = {t->excellent_ms, t->good_ms, t->fair_ms};
    int64_t deadline = AIVO_QUALITY_NEVER;
    if (!q->hanging || offline(q))
        return deadline;
    struct window w = own_window(q);
    double mean_ms = aivo_stats_mean(w.values, w.len), sum_ms = mean_ms * (double)w.len, len = (double)w.len + 1;
    if (w.len == AIVO_QUALITY_WINDOW) {
        sum_ms -= w.values[0];
        len--;
    }
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        double age_ms = bounds[i] * len - sum_ms; /* the age at which the window's mean is the bound */
        if (age_ms < mean_ms)
            age_ms = mean_ms;
        if (!(age_ms < 1e12))
            continue;
        int64_t at = q->hang_since_us + (int64_t)(age_ms * 1000) + 1;
        if (at > now_us)
            deadline = sooner(deadline, at);
    }
    return deadline;
}

int64_t aivo_quality_deadline(const struct aivo_quality_core *q, int64_t now_us)
{
    if (q->events || q->level != aivo_quality_level(q, now_us))
        return now_us;
    int64_t deadline = level_deadline(q, now_us);
    if (q->probe == AIVO_QUALITY_SENT)
        deadline = sooner(deadline, q->probe_sent_us + timeout_us(q));
    else if (q->probe == AIVO_QUALITY_IDLE && q->connected && q->options.enabled)
        deadline = sooner(deadline, q->probe_due_us);
    if (q->handler_waiting)
        deadline = sooner(deadline, q->handler_sent_us + timeout_us(q));
    return deadline;
}

/* ---- The snapshot ---- */

static void fill_window(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality *out)
{
    struct window w = effective_window(q, now_us);
    out->latency_ms = q->latest_ms;
    out->avg_latency_ms = aivo_stats_mean(w.values, w.len);
    out->min_latency_ms = aivo_stats_min(w.values, w.len);
    out->jitter_ms = aivo_stats_stddev(w.values, w.len);
    out->stable_known = w.len >= 2;
    /* not a quotient: a mean of 0 is stable as well */
    out->stable = out->stable_known && (out->jitter_ms < STABLE_BELOW * out->avg_latency_ms || out->jitter_ms == 0);
    out->level = aivo_quality_level(q, now_us);
    out->score = out->level == AIVO_LEVEL_OFFLINE ? 0 : score_of(&w);
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
    uint64_t probes = q->answered + q->lost;
    out->samples = q->answered;
    out->lost = q->lost;
    out->loss_pct = out->loss_low_pct = out->loss_high_pct = (double)NAN;
    if (!probes)
        return;
    aivo_stats_wilson(q->lost, probes, Z_95, &out->loss_low_pct, &out->loss_high_pct);
    out->loss_pct = 100 * (double)q->lost / (double)probes;
    out->loss_low_pct *= 100;
    out->loss_high_pct *= 100;
}

void aivo_quality_snapshot(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality *out)
{
    out->size = sizeof(*out);
    fill_window(q, now_us, out);
    fill_percentiles(q, out);
    fill_loss(q, out);
    out->uplink_loss_pct = out->downlink_loss_pct = (double)NAN;
    out->network_ms = out->edge_ms = (double)NAN;
    out->handler_ms = aivo_stats_min(q->handler_extra, q->handler_len);
    out->reconnects = q->connections ? q->connections - 1 : 0;
}
