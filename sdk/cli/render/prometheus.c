/* Reports in Prometheus' text format 0.0.4: for each metric its help and type, then every target's sample. */
#include "render.h"
#include <aivo/aivo.h>
#include <math.h>
#include <string.h>

typedef double (*figure_fn)(const struct aivo_diagnose_report *report);

static double success(const struct aivo_diagnose_report *r)
{
    return r->verdict <= AIVO_DIAGNOSE_DEGRADED ? 1 : 0;
}

static double verdict(const struct aivo_diagnose_report *r)
{
    return r->exit_code;
}

static double duration(const struct aivo_diagnose_report *r)
{
    return r->duration_ms / 1000;
}

static double began(const struct aivo_diagnose_report *r)
{
    return (double)r->time_ms / 1000;
}

#define OF_QUALITY(name, expression)                                                                                   \
    static double name(const struct aivo_diagnose_report *r)                                                           \
    {                                                                                                                  \
        const struct aivo_quality *q = &r->quality;                                                                    \
        return r->has_quality ? (double)(expression) : (double)NAN;                                                    \
    }

OF_QUALITY(score, q->score)
OF_QUALITY(level, q->level)
OF_QUALITY(samples, q->samples)
OF_QUALITY(rtt_mean, q->avg_latency_ms / 1000)
OF_QUALITY(rtt_min, q->min_latency_ms / 1000)
OF_QUALITY(rtt_p50, q->p50_ms / 1000)
OF_QUALITY(rtt_p95, q->p95_ms / 1000)
OF_QUALITY(rtt_p99, q->p99_ms / 1000)
OF_QUALITY(jitter, q->samples >= 2 && q->stable_known ? q->jitter_ms / 1000 : (double)NAN)
OF_QUALITY(loss, q->loss_pct / 100)
OF_QUALITY(loss_low, q->loss_low_pct / 100)
OF_QUALITY(loss_high, q->loss_high_pct / 100)
OF_QUALITY(uplink_loss, q->uplink_loss_pct / 100)
OF_QUALITY(downlink_loss, q->downlink_loss_pct / 100)
OF_QUALITY(network, q->network_ms / 1000)
OF_QUALITY(edge, q->edge_ms / 1000)
OF_QUALITY(handler, q->handler_ms / 1000)
OF_QUALITY(clock_offset, q->clock_offset_ms / 1000)

static double fact_of(const struct aivo_diagnose_report *r, enum aivo_diagnose_stage stage, const char *key)
{
    if (r->stage_count <= (size_t)stage) {
        return NAN;
    }
    const struct aivo_diagnose_result *result = &r->stages[stage];
    for (size_t i = 0; i < result->fact_count; i++) {
        const struct aivo_diagnose_fact *fact = &result->facts[i];
        if (!fact->list && fact->type == AIVO_DIAGNOSE_NUMBER && strcmp(fact->key, key) == 0) {
            return fact->number;
        }
    }
    return NAN;
}

static double certificate(const struct aivo_diagnose_report *r)
{
    return fact_of(r, AIVO_DIAGNOSE_TLS, "days_left") * 86400;
}

static const struct {
    const char *name, *help;
    figure_fn figure;
} metrics[] = {
    {"aivo_probe_success", "Whether a connection was made and could be used.", success},
    {"aivo_probe_verdict", "0 Excellent or Good, 1 Fair or Poor, 2 no connection, 3 refused.", verdict},
    {"aivo_probe_duration_seconds", "How long the whole diagnosis took.", duration},
    {"aivo_probe_time_seconds", "When the diagnosis began, Unix time.", began},
    {"aivo_probe_score", "Quality of the connection, 1 to 100.", score},
    {"aivo_probe_level", "0 Offline, 1 Poor, 2 Fair, 3 Good, 4 Excellent.", level},
    {"aivo_probe_samples", "Probes that were answered.", samples},
    {"aivo_probe_rtt_mean_seconds", "Mean round trip of the last ten probes.", rtt_mean},
    {"aivo_probe_rtt_min_seconds", "Least round trip of the last ten probes.", rtt_min},
    {"aivo_probe_rtt_p50_seconds", "Median round trip.", rtt_p50},
    {"aivo_probe_rtt_p95_seconds", "95th percentile of the round trips.", rtt_p95},
    {"aivo_probe_rtt_p99_seconds", "99th percentile of the round trips.", rtt_p99},
    {"aivo_probe_jitter_seconds", "Standard deviation of the last ten round trips.", jitter},
    {"aivo_probe_loss_ratio", "Share of round trips that lost a packet.", loss},
    {"aivo_probe_loss_low_ratio", "Lower end of the loss's 95 % interval.", loss_low},
    {"aivo_probe_loss_high_ratio", "Upper end of the loss's 95 % interval.", loss_high},
    {"aivo_probe_uplink_loss_ratio", "Share of packets lost on the way to the server.", uplink_loss},
    {"aivo_probe_downlink_loss_ratio", "Share of packets lost on the way back.", downlink_loss},
    {"aivo_probe_network_seconds", "Share of the round trip that the network has.", network},
    {"aivo_probe_edge_seconds", "Share of proxies and of the server's event loop.", edge},
    {"aivo_probe_handler_seconds", "What the server's handler adds.", handler},
    {"aivo_probe_clock_offset_seconds", "The server's clock minus this machine's.", clock_offset},
    {"aivo_probe_certificate_remaining_seconds", "Until the server's certificate expires; whole days.", certificate},
};

static void put_label(FILE *out, const char *value)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    for (const char *c = aivo_render_clean(value, clean, sizeof(clean)); *c; c++) {
        if (*c == '"' || *c == '\\') {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
}

static void put_value(FILE *out, double value)
{
    fprintf(out, "%.15g\n", value);
}

static void put_head(FILE *out, const char *name, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_metric(FILE *out, size_t metric, const struct aivo_diagnose_report *const *reports,
                       const char *const *targets, size_t count)
{
    bool headed = false;
    for (size_t i = 0; i < count; i++) {
        double value = reports[i] ? metrics[metric].figure(reports[i]) : metric == 0 ? 0 : (double)NAN;
        if (!isfinite(value)) {
            continue; /* not known: no sample is better than a wrong one */
        }
        if (!headed) {
            put_head(out, metrics[metric].name, metrics[metric].help);
            headed = true;
        }
        fprintf(out, "%s{target=\"", metrics[metric].name);
        put_label(out, targets[i]);
        fputs("\"} ", out);
        put_value(out, value);
    }
}

static double stage_time(const struct aivo_diagnose_result *result)
{
    return result->time_ms / 1000;
}

static double stage_status(const struct aivo_diagnose_result *result)
{
    return result->status == AIVO_DIAGNOSE_SKIP ? (double)NAN : (double)result->status;
}

static void put_stages(FILE *out, const char *name, const char *help,
                       double (*figure)(const struct aivo_diagnose_result *result),
                       const struct aivo_diagnose_report *const *reports, const char *const *targets, size_t count)
{
    bool headed = false;
    for (size_t i = 0; i < count; i++) {
        for (size_t s = 0; reports[i] && s < reports[i]->stage_count; s++) {
            double value = figure(&reports[i]->stages[s]);
            if (!isfinite(value)) {
                continue;
            }
            if (!headed) {
                put_head(out, name, help);
                headed = true;
            }
            fprintf(out, "%s{target=\"", name);
            put_label(out, targets[i]);
            fprintf(out, "\",stage=\"%s\"} ", aivo_diagnose_stage_name(reports[i]->stages[s].stage));
            put_value(out, value);
        }
    }
}

void aivo_render_prometheus(FILE *out, const struct aivo_diagnose_report *const *reports, const char *const *targets,
                            size_t count)
{
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        put_metric(out, i, reports, targets, count);
    }
    put_stages(out, "aivo_probe_stage_status", "How each stage ended: 0 ok, 1 warn, 2 fail; none if it was skipped.",
               stage_status, reports, targets, count);
    put_stages(out, "aivo_probe_stage_duration_seconds", "How long each stage took.", stage_time, reports, targets,
               count);
    put_head(out, "aivo_build_info", "The program that wrote this.");
    fprintf(out, "aivo_build_info{version=\"%s\"} 1\n", aivo_version());
}
