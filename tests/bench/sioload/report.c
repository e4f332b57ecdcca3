/* Figures, as text and as one line of JSON. */
#include "sioload.h"

#include <stdarg.h>
#include <stdio.h>

char js[8192];
static size_t jn;
FILE *hum;

void jadd(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int k = vsnprintf(js + jn, sizeof js - jn, fmt, ap);
    va_end(ap);
    if (k > 0 && jn + (size_t)k < sizeof js)
        jn += (size_t)k;
}

void rnum(const char *name, double v, const char *unit)
{
    fprintf(hum, "  %-22s %14.3f %s\n", name, v, unit);
    jadd(",\"%s\":%.6g", name, v);
}

void report_latency(const char *prefix)
{
    static const struct {
        const char *n;
        double q;
    } qs[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    char k[64];
    for (unsigned i = 0; i < sizeof qs / sizeof *qs; i++) {
        snprintf(k, sizeof k, "%s_%s_us", prefix, qs[i].n);
        rnum(k, hist_us(qs[i].q), "us");
    }
    snprintf(k, sizeof k, "%s_max_us", prefix);
    rnum(k, (double)hist_max / 1e3, "us");
    snprintf(k, sizeof k, "%s_mean_us", prefix);
    rnum(k, hist_n ? (double)(hist_sum / hist_n) / 1e3 : 0, "us");
}

void report_cpu(const struct snap *a, const struct snap *b, double units, const char *unit)
{
    double wall = (double)(b->t - a->t) / 1e9, cpu = b->srv_all - a->srv_all;
    double self = b->self - a->self - (b->spin_idle - a->spin_idle);
    char k[64];
    if (opt.npids) {
        rnum("cpu_s", cpu, "s (server, user+system)");
        for (int i = 0; opt.npids > 1 && i < opt.npids; i++) {
            snprintf(k, sizeof k, "cpu_s_%d", i);
            rnum(k, b->srv[i] - a->srv[i], "s");
        }
        rnum("server_cpu_pct", 100 * cpu / wall, "%");
        snprintf(k, sizeof k, "%s_per_cpu_s", unit);
        rnum(k, cpu > 0 ? units / cpu : 0, "");
        snprintf(k, sizeof k, "cpu_us_per_%s", unit);
        rnum(k, units > 0 ? cpu * 1e6 / units : 0, "us");
    }
    rnum("load_cpu_s", self, "s (load generator)");
    rnum("load_cpu_pct", 100 * self / wall, "%");
    double other = b->busy_all - a->busy_all - cpu - (b->self - a->self);
    if (opt.npids)
        rnum("other_cpu_s", other > 0 ? other : 0, "s (everything else on the machine)");
    rnum("steal_s", b->steal - a->steal, "s (taken by the hypervisor)");
    if (self / wall > 0.95)
        fputs("  WARNING: the load generator itself is saturated\n", hum);
    if (opt.npids && cpu > 0 && self > cpu)
        fputs("  NOTE: the load generator used more CPU than the server\n", hum);
}
