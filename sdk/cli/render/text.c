/* The report for a terminal, or for a pipe that a person reads. */
#include "render.h"
#include <math.h>
#include <string.h>

#define TITLE_COLUMNS 25 /* "Namespace and credentials" */
#define REASON_MIN    26 /* columns beside the stage; with fewer the reason stands below it */
#define QUALITY_AT    18
#define INDENT        8 /* of reasons and fixes that stand below their stage */

static const char *colour_of(enum aivo_diagnose_status status)
{
    switch (status) {
    case AIVO_DIAGNOSE_OK:
        return "\033[32m";
    case AIVO_DIAGNOSE_WARN:
        return "\033[33m";
    case AIVO_DIAGNOSE_FAIL:
        return "\033[1;31m";
    case AIVO_DIAGNOSE_SKIP:
        break;
    }
    return "\033[2m";
}

static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++) {
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return columns;
}

/* Words, broken before the last column; further lines are indented. The first begins at column at. */
static void put_words(FILE *out, const char *text, size_t at, size_t indent, size_t columns)
{
    bool first = true;
    while (*text) {
        size_t bytes = strcspn(text, " ");
        size_t wide = columns_of(text, bytes);
        if (!first && columns > 0 && at + 1 + wide >= columns && indent + wide < columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, bytes, out);
        at += wide;
        text += bytes;
        text += strspn(text, " ");
        first = false;
    }
    fputc('\n', out);
}

static void put_clean(FILE *out, const char *text, size_t at, size_t indent, const struct aivo_render_look *look)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    put_words(out, aivo_render_clean(text, clean, sizeof(clean)), at, indent, look->columns);
}

static void put_fix(FILE *out, const char *fix, const struct aivo_render_look *look)
{
    if (fix && *fix) {
        fprintf(out, "%*s%s ", INDENT, "", look->unicode ? "→" : "->");
        put_clean(out, fix, INDENT + (look->unicode ? 2 : 3), INDENT + 2, look);
    }
}

static void fact_value(const struct aivo_diagnose_fact *fact, char *out, size_t size)
{
    char figure[AIVO_RENDER_FIGURE_MAX];
    switch (fact->type) {
    case AIVO_DIAGNOSE_TEXT:
        aivo_render_clean(fact->text ? fact->text : "", out, size);
        return;
    case AIVO_DIAGNOSE_NUMBER:
        snprintf(out, size, "%s", isfinite(fact->number) ? aivo_render_json_figure(fact->number, figure) : "-");
        return;
    case AIVO_DIAGNOSE_BOOL:
        snprintf(out, size, "%s", fact->truth ? "yes" : "no");
        return;
    }
    snprintf(out, size, "-");
}

/* "addresses 2: address 127.0.0.1": every fact, and where it is from. */
static void put_facts(FILE *out, const struct aivo_diagnose_result *result, const struct aivo_render_look *look)
{
    for (size_t i = 0; i < result->fact_count; i++) {
        const struct aivo_diagnose_fact *fact = &result->facts[i];
        char value[AIVO_RENDER_TEXT_MAX], line[AIVO_RENDER_TEXT_MAX + 128];
        fact_value(fact, value, sizeof(value));
        if (fact->list) {
            snprintf(line, sizeof(line), "%s %u %s: %s", fact->list, fact->item + 1, fact->key, value);
        } else {
            snprintf(line, sizeof(line), "%s: %s", fact->key, value);
        }
        fprintf(out, "%*s", INDENT, "");
        put_words(out, line, INDENT, INDENT + 4, look->columns);
        const char *why = aivo_diagnose_fact_explain(result->stage, fact->list, fact->key);
        if (*why && (!fact->list || fact->item == 0)) {
            fprintf(out, "%*s", INDENT + 4, "");
            put_words(out, why, INDENT + 4, INDENT + 4, look->columns);
        }
    }
}

void aivo_render_text_stage(FILE *out, const struct aivo_diagnose_result *result, const struct aivo_render_look *look)
{
    char time[AIVO_RENDER_FIGURE_MAX], took[AIVO_RENDER_FIGURE_MAX + 4] = "";
    if (isfinite(result->time_ms)) {
        snprintf(took, sizeof(took), "%s ms", aivo_render_figure(result->time_ms, time));
    }
    size_t at = 2 + 4 + 2 + TITLE_COLUMNS + 1 + 10 + 2;
    bool below = look->columns > 0 && look->columns < at + REASON_MIN;
    if (below && look->columns < at) { /* nor does the time fit beside every title */
        const char *title = aivo_diagnose_stage_title(result->stage);
        bool fits = 2 + 4 + 2 + strlen(title) + 1 + strlen(took) < look->columns;
        fprintf(out, "  %s%-4s%s  %s%s%s", look->colour ? colour_of(result->status) : "",
                aivo_diagnose_status_name(result->status), look->colour ? "\033[0m" : "", title,
                *took && fits ? " " : "", fits ? took : "");
    } else {
        fprintf(out, "  %s%-4s%s  %-*s %10s%s", look->colour ? colour_of(result->status) : "",
                aivo_diagnose_status_name(result->status), look->colour ? "\033[0m" : "", TITLE_COLUMNS,
                aivo_diagnose_stage_title(result->stage), took, below ? "" : "  ");
    }
    if (!below) {
        put_clean(out, result->reason, at, at, look);
    } else { /* below it */
        fprintf(out, "\n%*s", INDENT, "");
        put_clean(out, result->reason, INDENT, INDENT, look);
    }
    put_fix(out, result->fix, look);
    for (size_t i = 1; i < result->finding_count; i++) { /* the first is the reason */
        fprintf(out, "%*s%s: ", INDENT, "", aivo_diagnose_status_name(result->findings[i].status));
        put_clean(out, result->findings[i].reason, INDENT + 6, INDENT + 2, look);
        put_fix(out, result->findings[i].fix, look);
    }
    if (look->explain) {
        put_facts(out, result, look);
    }
}

/* A line of the quality: its name, and words that are broken below one another. */
static void put_line(FILE *out, const char *name, const char *words, const struct aivo_render_look *look)
{
    if (*words) {
        fprintf(out, "  %-15s ", name);
        put_words(out, words, QUALITY_AT, QUALITY_AT, look->columns);
    }
}

static void put_loss(FILE *out, const struct aivo_quality *q, const struct aivo_render_look *look)
{
    char interval[64] = "", up[48] = "", down[48] = "", line[256] = "";
    if (isfinite(q->loss_low_pct) && isfinite(q->loss_high_pct)) {
        snprintf(interval, sizeof(interval), " (95 %% sure: %.1f%s%.1f)", q->loss_low_pct, look->unicode ? "–" : "-",
                 q->loss_high_pct);
    }
    if (isfinite(q->uplink_loss_pct)) {
        snprintf(up, sizeof(up), ", there %.1f%%", q->uplink_loss_pct);
    }
    if (isfinite(q->downlink_loss_pct)) {
        snprintf(down, sizeof(down), ", back %.1f%%", q->downlink_loss_pct);
    }
    if (isfinite(q->loss_pct)) {
        snprintf(line, sizeof(line), "%.1f%%%s%s%s%s", q->loss_pct, interval, up, down,
                 q->loss_source == AIVO_LOSS_PROBES ? " (unanswered probes: this system does not count packets)" : "");
    }
    put_line(out, "loss", line, look);
}

static void put_layers(FILE *out, const struct aivo_quality *q, const struct aivo_render_look *look)
{
    const struct {
        const char *name;
        double ms;
    } layers[] = {{"network", q->network_ms}, {"edge", q->edge_ms}, {"handler", q->handler_ms}};
    char line[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        char figure[AIVO_RENDER_FIGURE_MAX];
        if (isfinite(layers[i].ms)) {
            int wrote = snprintf(line + used, sizeof(line) - used, "%s%s %s ms", used ? ", " : "", layers[i].name,
                                 aivo_render_figure(layers[i].ms, figure));
            used += wrote > 0 && (size_t)wrote < sizeof(line) - used ? (size_t)wrote : 0;
        }
    }
    put_line(out, "where it goes", line, look);
}

static void put_causes(FILE *out, const struct aivo_quality *q, const struct aivo_render_look *look)
{
    char line[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        if (q->causes[i].points >= 0.5) {
            int wrote = snprintf(line + used, sizeof(line) - used, "%s%s %.0f", used ? ", " : "",
                                 aivo_cause_name(q->causes[i].cause), q->causes[i].points);
            used += wrote > 0 && (size_t)wrote < sizeof(line) - used ? (size_t)wrote : 0;
        }
    }
    put_line(out, "points off", line, look);
}

static void put_quality(FILE *out, const struct aivo_quality *q, const struct aivo_render_look *look)
{
    char a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX], d[AIVO_RENDER_FIGURE_MAX];
    char line[256];
    snprintf(line, sizeof(line), "%s, score %d", aivo_level_name(q->level), q->score);
    fputc('\n', out);
    put_line(out, "quality", line, look);
    snprintf(line, sizeof(line), "median %s ms, 95 %% below %s ms, 99 %% below %s ms, jitter %s ms",
             aivo_render_figure(q->p50_ms, a), aivo_render_figure(q->p95_ms, b), aivo_render_figure(q->p99_ms, c),
             aivo_render_figure(q->samples >= 2 && q->stable_known ? q->jitter_ms : (double)NAN, d));
    put_line(out, "round trip", line, look);
    put_loss(out, q, look);
    put_layers(out, q, look);
    put_causes(out, q, look);
}

static const char *verdict_colour(enum aivo_diagnose_verdict verdict)
{
    return verdict == AIVO_DIAGNOSE_GOOD       ? "\033[1;32m"
           : verdict == AIVO_DIAGNOSE_DEGRADED ? "\033[1;33m"
                                               : "\033[1;31m";
}

void aivo_render_text_end(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_look *look)
{
    char head[96];
    const struct aivo_quality *q = &report->quality;
    if (report->has_quality) {
        put_quality(out, q, look);
    }
    /* Where it is connected the summary says so; where not, the verdict says in which way. */
    snprintf(head, sizeof(head), "%s%s",
             report->verdict > AIVO_DIAGNOSE_DEGRADED ? aivo_diagnose_verdict_name(report->verdict) : "",
             report->verdict > AIVO_DIAGNOSE_DEGRADED ? ": " : "");
    fprintf(out, "\n%s%s", look->colour ? verdict_colour(report->verdict) : "", head);
    put_clean(out, report->summary, strlen(head), 2, look);
    fputs(look->colour ? "\033[0m" : "", out);
    if (*report->fix) {
        fputs("What to do first: ", out);
        put_clean(out, report->fix, 18, 2, look);
    }
    if (report->cancelled) {
        fputs("It was ended early: what was not known then is skipped.\n", out);
    }
}

void aivo_render_text(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_render_look *look)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    fprintf(out, "%s\n\n", aivo_render_clean(report->url, clean, sizeof(clean)));
    for (size_t i = 0; i < report->stage_count; i++) {
        aivo_render_text_stage(out, &report->stages[i], look);
    }
    aivo_render_text_end(out, report, look);
}
