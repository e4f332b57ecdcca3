#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 32768

struct report {
    bool full, failed;
    double lossless_rtt, lossless_bias; /* of the first trial without loss: ms, % */
    char rows[TEXT_MAX], targets[TEXT_MAX];
};

static void put(char text[TEXT_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(char text[TEXT_MAX], const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, TEXT_MAX - used, format, args);
    va_end(args);
}

struct report *report_create(bool full)
{
    struct report *r = calloc(1, sizeof *r);
    if (r)
        r->full = full;
    return r;
}

/* One figure of every run. */
struct figures {
    double value[TRIAL_RUNS];
    int count;
};

static void add(struct figures *f, double value)
{
    if (f->count < TRIAL_RUNS)
        f->value[f->count++] = value;
}

static double mean_of(const struct figures *f)
{
    double sum = 0;
    for (int i = 0; i < f->count; i++)
        sum += f->value[i];
    return f->count ? sum / f->count : (double)NAN;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The 95th percentile over the runs of what it is off, nearest rank. */
static double p95_off(const struct figures *f)
{
    double off[TRIAL_RUNS];
    for (int i = 0; i < f->count; i++)
        off[i] = fabs(f->value[i]);
    qsort(off, (size_t)f->count, sizeof off[0], ascending);
    return f->count ? off[(int)ceil(0.95 * f->count) - 1] : (double)NAN;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

struct losses {
    struct figures true_rt, rt, up, down; /* of the last three: what was said minus what was counted, points */
};

static void compare(struct losses *l, const struct trial_mark *m)
{
    double up = share(m->up.data_dropped, m->up.data), down = share(m->down.first_dropped, m->down.first);
    double rt = 1 - (1 - share(m->up.first_dropped, m->up.first)) * (1 - down);
    add(&l->true_rt, 100 * rt);
    add(&l->rt, m->said.loss_pct - 100 * rt);
    add(&l->up, m->said.uplink_loss_pct - 100 * up);
    add(&l->down, m->said.downlink_loss_pct - 100 * down);
}

static void target(struct report *r, const struct trial *t, const char *figure, double value, const char *unit,
                   double bound, const char *ping)
{
    bool met = value <= bound; /* NAN is not */
    r->failed = r->failed || !met;
    put(r->targets, "| %s | %s | %.2f%s | <= %.2f%s | %s | %s |\n", t->plan.name, figure, value, unit, bound, unit,
        ping, met ? "met" : "**not met**");
    printf("  %s %s: %.2f%s, bound %.2f\n", met ? "ok  " : "FAIL", figure, value, unit, bound);
}

static double rtt_of(const struct trial_plan *p)
{
    double wire = 0;
    if (p->up.rate_bps > 0) /* about 80 bytes each way */
        wire = 80 * 8e3 / p->up.rate_bps + 80 * 8e3 / p->down.rate_bps;
    return p->up.delay_ms + p->down.delay_ms + wire;
}

static bool loses(const struct link_way *w)
{
    return w->loss > 0 || w->burst_begin > 0;
}

static void report_latency(struct report *r, const struct trial *t, struct figures *bias, struct figures *ping)
{
    double rtt = rtt_of(&t->plan);
    struct figures median = {.count = 0};
    for (int i = 0; i < t->plan.runs; i++) {
        const struct trial_run *run = &t->runs[i];
        if (!run->marks[1].probes)
            continue;
        add(&median, run->marks[1].said.p50_ms - rtt);
        add(bias, 100 * (run->mean_sum / run->mean_count / rtt - 1));
        add(ping, 100 * (run->latency_sum / run->samples / rtt - 1));
    }
    char text[64];
    snprintf(text, sizeof text, "mean %+.0f %%", mean_of(ping));
    if (!loses(&t->plan.up) && !loses(&t->plan.down) && t->plan.up.jitter_ms == 0 && !t->plan.cut)
        target(r, t, "median RTT error, 95th percentile", p95_off(&median), " ms", fmax(1, 0.02 * rtt), text);
    if (r->lossless_rtt == 0 && !loses(&t->plan.up) && !loses(&t->plan.down) && !t->plan.cut) {
        r->lossless_rtt = rtt;
        r->lossless_bias = mean_of(bias);
    }
    if (t->plan.up.loss < 0.05 || t->plan.down.loss < 0.05 || t->plan.up.jitter_ms > 0 || t->plan.up.rate_bps > 0)
        return;
    if (!r->full && r->lossless_rtt == rtt) /* a busy machine is late without any loss as well */
        target(r, t, "mean RTT bias beyond the lossless one", fabs(mean_of(bias) - r->lossless_bias), " %", 3, text);
    else
        target(r, t, "mean RTT bias", fabs(mean_of(bias)), " %", 3, text);
}

static void report_losses(struct report *r, const struct trial *t, int mark, struct losses *l)
{
    for (int i = 0; i < t->plan.runs; i++)
        if (t->runs[i].marks[mark].probes)
            compare(l, &t->runs[i].marks[mark]);
    if (!l->rt.count || (!loses(&t->plan.up) && !loses(&t->plan.down)))
        return;
    int probes = t->runs[0].marks[mark].probes;
    bool plain = t->plan.up.burst_begin == 0 && t->plan.up.reorder == 0;
    char name[64];
    if (!r->full) { /* few probes: of the mean over the runs, which a wrong direction would move by points */
        target(r, t, "round-trip loss, mean error", fabs(mean_of(&l->rt)), " points", 1, "always 0");
        target(r, t, "uplink loss, mean error", fabs(mean_of(&l->up)), " points", 1, "unknown");
        target(r, t, "downlink loss, mean error", fabs(mean_of(&l->down)), " points", 1.5, "unknown");
        return;
    }
    if (!plain) /* shown in the table, without a target */
        return;
    if (probes < 300)
        return;
    snprintf(name, sizeof name, "round-trip loss error at %d probes, 95th percentile", probes);
    target(r, t, name, p95_off(&l->rt), " points", probes >= 3000 ? 0.5 : 1.5, "always 0");
    if (probes < 3000)
        return;
    target(r, t, "uplink loss error at 3000 probes, 95th percentile", p95_off(&l->up), " points", 0.5, "unknown");
    target(r, t, "downlink loss error at 3000 probes, 95th percentile", p95_off(&l->down), " points", 0.5, "unknown");
}

static void report_cut(struct report *r, const struct trial *t)
{
    double worst = 0;
    for (int i = 0; i < t->plan.runs; i++) {
        const struct trial_run *run = &t->runs[i];
        int64_t from = link_hole_us(t->link, t->conditions, run->flow);
        double s = run->ended_us && from ? (double)(run->ended_us - from) / 1e6 : (double)NAN;
        worst = s > worst || isnan(s) ? s : worst;
    }
    target(r, t, "verdict after the first unanswered byte, worst", worst, " s", 3.5, "20..85 s");
}

static void report_handler(struct report *r, const struct trial *t)
{
    struct figures off = {.count = 0};
    for (int i = 0; i < t->plan.runs; i++)
        add(&off, t->runs[i].marks[1].said.handler_ms - 300);
    target(r, t, "handler of 300 ms, error", p95_off(&off), " ms", 10, "not at all");
}

void report_trial(struct report *r, const struct trial *t)
{
    struct figures bias = {.count = 0}, ping = {.count = 0};
    struct losses early = {.rt = {.count = 0}}, late = {.rt = {.count = 0}};
    printf("%s (%d runs of %d probes)\n", t->plan.name, t->plan.runs, t->plan.probes);
    if (t->plan.cut) {
        report_cut(r, t);
        return;
    }
    report_latency(r, t, &bias, &ping);
    if (t->plan.probes > 300)
        report_losses(r, t, 0, &early);
    report_losses(r, t, 1, &late);
    if (t->plan.port == 4002)
        report_handler(r, t);
    put(r->rows, "| %s | %d x %d | %+.1f %% | %+.1f %% | %.2f | %+.2f, %.2f | %+.2f, %.2f | %+.2f, %.2f |\n",
        t->plan.name, t->plan.runs, t->plan.probes, mean_of(&bias), mean_of(&ping), mean_of(&late.true_rt),
        mean_of(&late.rt), p95_off(&late.rt), mean_of(&late.up), p95_off(&late.up), mean_of(&late.down),
        p95_off(&late.down));
    int deaths = 0;
    for (int i = 0; i < t->plan.runs; i++)
        deaths += t->runs[i].early_end;
    if (deaths)
        printf("  %d of the runs had a verdict of dead\n", deaths);
    printf(
        "  true round-trip loss %.2f %%; error mean and 95th: rt %+.2f %.2f, up %+.2f %.2f, down %+.2f %.2f; mean RTT "
        "%+.1f %%, plain ping %+.1f %%\n",
        mean_of(&late.true_rt), mean_of(&late.rt), p95_off(&late.rt), mean_of(&late.up), p95_off(&late.up),
        mean_of(&late.down), p95_off(&late.down), mean_of(&bias), mean_of(&ping));
}

bool report_end(struct report *r, const char *path)
{
    if (!r)
        return false;
    bool ok = !r->failed;
    FILE *out = path ? fopen(path, "w") : NULL;
    if (path && !out)
        perror(path);
    if (out)
        fprintf(
            out,
            "# Accuracy\n\nWritten by `tests/netlab/run.sh --full`: clients of libaivo against aivo-server over a "
            "link\n"
            "that counts every packet and every drop (`tests/netlab/`). The plain ping is the mean of ten raw\n"
            "application pings on the same packets, as most clients show it. What is counted as lost are segments\n"
            "with data; a round trip is lost where one of its two was lost when first sent: 1 - (1 - up) (1 - "
            "down).\n\n"
            "## Targets\n\n| conditions | figure | reached | target | plain ping | |\n|---|---|---|---|---|---|\n%s\n"
            "Where downlink is not met: it is not counted but derived of the other two, and where one direction loses "
            "a\n"
            "tenth, the retransmits' own losses (uplink's share is of all segments, the round trip's of first ones) "
            "add\n"
            "0.2 points of chance at 3,000 probes. A run that was given up as dead in bursts was cut for seconds.\n\n"
            "Flaps, step response and false verdicts are measured in simulated time, by `test_quality_day`.\n\n"
            "## All conditions\n\nErrors in percentage points: the mean over the runs, and the 95th percentile of what "
            "a run was\n"
            "off. Bias is of the mean latency against the link's true round trip.\n\n"
            "| conditions | runs x probes | RTT bias | plain ping's | true loss %% | round trip | uplink | downlink "
            "|\n|---|---|---|---|---|---|---|---|\n%s",
            r->targets, r->rows);
    ok = (!out || fclose(out) == 0) && (out || !path) && ok;
    free(r);
    return ok;
}
