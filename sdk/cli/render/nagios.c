/* The report as Nagios and its kin read it: one line, performance data behind a bar, a code of their own. */
#include "render.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, WARNING = 1, CRITICAL = 2 };

void aivo_render_limits_init(struct aivo_render_limits *limits)
{
    *limits = (struct aivo_render_limits){NAN, NAN, NAN, NAN, NAN, NAN};
}

static double *limit_named(struct aivo_render_limits *limits, const char *name, size_t len)
{
    const struct {
        const char *name;
        double *limit;
    } known[] = {{"rtt", &limits->rtt_ms},    {"p95", &limits->p95_ms},  {"jitter", &limits->jitter_ms},
                 {"loss", &limits->loss_pct}, {"score", &limits->score}, {"cert", &limits->cert_days}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0) {
            return known[i].limit;
        }
    }
    return NULL;
}

/* Digits with at most one point: strtod() would follow the locale and take "inf". */
static bool number_of(const char *text, size_t len, double *out)
{
    double value = 0, scale = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && scale == 0 && i > 0) {
            scale = 1;
        } else if (text[i] >= '0' && text[i] <= '9') {
            value = value * 10 + (text[i] - '0');
            scale *= 10;
        } else {
            return false;
        }
    }
    *out = scale > 0 ? value / scale : value;
    return len > 0 && len <= 12;
}

bool aivo_render_limits_parse(const char *text, struct aivo_render_limits *limits, const char **error)
{
    aivo_render_limits_init(limits);
    for (;;) {
        size_t len = strcspn(text, ","), name = strcspn(text, "=,");
        const char *value = name < len ? text + name + 1 : text;
        size_t value_len = len - (size_t)(value - text);
        bool percent = value_len > 0 && value[value_len - 1] == '%';
        value_len -= percent;
        double *limit = name < len ? limit_named(limits, text, name) : percent ? &limits->loss_pct : &limits->rtt_ms;
        if (!limit) {
            *error = "the limits are rtt, p95, jitter, loss, score and cert";
            return false;
        }
        if (!number_of(value, value_len, limit) || (percent && limit != &limits->loss_pct)) {
            *error = "a limit is a number like 100, 5% or p95=250";
            return false;
        }
        if (limit == &limits->loss_pct && *limit > 100) {
            *error = "loss is at most 100 %";
            return false;
        }
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

/* A figure with its limits. */
struct measure {
    const char *label, *unit, *what;
    double value, warn, crit;
    bool low_is_bad;
    const char *bounds; /* least and greatest, as performance data has them */
};

#define MEASURES 8

static double cert_days(const struct aivo_diagnose_report *report)
{
    if (report->stage_count <= AIVO_DIAGNOSE_TLS) {
        return NAN;
    }
    const struct aivo_diagnose_result *tls = &report->stages[AIVO_DIAGNOSE_TLS];
    for (size_t i = 0; i < tls->fact_count; i++) {
        if (!tls->facts[i].list && strcmp(tls->facts[i].key, "days_left") == 0) {
            return tls->facts[i].number;
        }
    }
    return NAN;
}

static void measures_of(const struct aivo_diagnose_report *report, const struct aivo_render_limits *warn,
                        const struct aivo_render_limits *crit, struct measure out[MEASURES])
{
    const struct aivo_quality *q = &report->quality;
    bool has = report->has_quality;
    const struct measure all[MEASURES] = {
        {"rtt_p50", "ms", "round trip", has ? q->p50_ms : (double)NAN, warn->rtt_ms, crit->rtt_ms, false, "0;"},
        {"rtt_p95", "ms", "95th percentile", has ? q->p95_ms : (double)NAN, warn->p95_ms, crit->p95_ms, false, "0;"},
        {"rtt_p99", "ms", "99th percentile", has ? q->p99_ms : (double)NAN, NAN, NAN, false, "0;"},
        {"jitter", "ms", "jitter", has && q->stable_known ? q->jitter_ms : (double)NAN, warn->jitter_ms,
         crit->jitter_ms, false, "0;"},
        {"loss", "%", "loss", has ? q->loss_pct : (double)NAN, warn->loss_pct, crit->loss_pct, false, "0;100"},
        {"score", "", "score", has ? q->score : (double)NAN, warn->score, crit->score, true, "0;100"},
        {"cert_days", "", "days of the certificate", cert_days(report), warn->cert_days, crit->cert_days, true, ";"},
        {"time", "ms", "time", report->duration_ms, NAN, NAN, false, "0;"},
    };
    memcpy(out, all, sizeof(all));
}

static bool beyond(const struct measure *m, double limit)
{
    return isfinite(m->value) && isfinite(limit) && (m->low_is_bad ? m->value <= limit : m->value >= limit);
}

static void put_limit(FILE *out, const struct measure *m, double limit)
{
    char figure[AIVO_RENDER_FIGURE_MAX];
    if (isfinite(limit)) {
        fprintf(out, "%s%s", aivo_render_json_figure(limit, figure), m->low_is_bad ? ":" : "");
    }
}

static void put_performance(FILE *out, const struct measure measures[MEASURES])
{
    const char *before = " | ";
    for (size_t i = 0; i < MEASURES; i++) {
        char figure[AIVO_RENDER_FIGURE_MAX];
        if (!isfinite(measures[i].value)) {
            continue;
        }
        fprintf(out, "%s%s=%s%s;", before, measures[i].label, aivo_render_json_figure(measures[i].value, figure),
                measures[i].unit);
        put_limit(out, &measures[i], measures[i].warn);
        fputc(';', out);
        put_limit(out, &measures[i], measures[i].crit);
        fprintf(out, ";%s", measures[i].bounds);
        before = " ";
    }
}

/* A bar would begin the performance data. */
static void put_text(FILE *out, const char *text)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    for (const char *c = aivo_render_clean(text, clean, sizeof(clean)); *c; c++) {
        fputc(*c == '|' ? '/' : *c, out);
    }
}

/* The first stage that has something to say and does not prevent a connection. Where there are limits, they judge the
 * round trips. */
static const struct aivo_diagnose_result *warning_of(const struct aivo_diagnose_report *report, bool limited)
{
    for (size_t i = 0; i < report->stage_count; i++) {
        if (limited && i == AIVO_DIAGNOSE_PROBES) {
            continue;
        }
        if (report->stages[i].status == AIVO_DIAGNOSE_WARN || report->stages[i].status == AIVO_DIAGNOSE_FAIL) {
            return &report->stages[i];
        }
    }
    return NULL;
}

static bool any_limit(const struct aivo_render_limits *limits)
{
    return isfinite(limits->rtt_ms) || isfinite(limits->p95_ms) || isfinite(limits->jitter_ms) ||
           isfinite(limits->loss_pct) || isfinite(limits->score);
}

static int code_of(const struct aivo_diagnose_report *report, const struct measure measures[MEASURES], bool limited)
{
    if (report->verdict >= AIVO_DIAGNOSE_NO_CONNECTION) {
        return CRITICAL;
    }
    int code = warning_of(report, limited) || (report->verdict == AIVO_DIAGNOSE_DEGRADED && !limited) ? WARNING : OK;
    for (size_t i = 0; i < MEASURES; i++) {
        int reached = beyond(&measures[i], measures[i].crit)   ? CRITICAL
                      : beyond(&measures[i], measures[i].warn) ? WARNING
                                                               : OK;
        code = reached > code ? reached : code;
    }
    return code;
}

/* The limits that were reached: "; loss 7.1 %". */
static void put_reached(FILE *out, const struct measure measures[MEASURES])
{
    for (size_t i = 0; i < MEASURES; i++) {
        char figure[AIVO_RENDER_FIGURE_MAX];
        bool crit = beyond(&measures[i], measures[i].crit);
        if (crit || beyond(&measures[i], measures[i].warn)) {
            fprintf(out, "; %s %s%s%s %s", measures[i].what, aivo_render_figure(measures[i].value, figure),
                    *measures[i].unit ? " " : "", measures[i].unit, crit ? "is critical" : "deserves a warning");
        }
    }
}

int aivo_render_nagios(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_limits *warn,
                       const struct aivo_render_limits *crit)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL"};
    struct measure measures[MEASURES];
    const struct aivo_quality *q = &report->quality;
    measures_of(report, warn, crit, measures);
    bool limited = any_limit(warn) || any_limit(crit);
    int code = code_of(report, measures, limited);
    const struct aivo_diagnose_result *warning = warning_of(report, limited);
    fprintf(out, "AIVO %s - ", names[code]);
    if (report->has_quality && report->verdict <= AIVO_DIAGNOSE_DEGRADED) {
        char rtt[AIVO_RENDER_FIGURE_MAX], loss[AIVO_RENDER_FIGURE_MAX];
        fprintf(out, "%s, score %d, round trip %s ms, loss %s %%", aivo_level_name(q->level), q->score,
                aivo_render_figure(q->p50_ms, rtt),
                isfinite(q->loss_pct) ? aivo_render_json_figure(q->loss_pct, loss) : "-");
    } else {
        put_text(out, report->summary);
    }
    put_reached(out, measures);
    if (warning && report->verdict <= AIVO_DIAGNOSE_DEGRADED) {
        fputs("; ", out);
        put_text(out, warning->reason);
    }
    put_performance(out, measures);
    fputc('\n', out);
    return code;
}
