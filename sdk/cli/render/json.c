/* The report as one JSON object: docs/diagnose.schema.json is its description. */
#include "render.h"
#include <aivo/aivo.h>
#include <math.h>
#include <string.h>

static void put_text(FILE *out, const char *text)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    fputc('"', out);
    for (const char *c = aivo_render_clean(text, clean, sizeof(clean)); *c; c++) {
        if (*c == '"' || *c == '\\') {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
    fputc('"', out);
}

/* "" is null. */
static void put_text_or_null(FILE *out, const char *text)
{
    if (text && *text) {
        put_text(out, text);
    } else {
        fputs("null", out);
    }
}

static void put_figure(FILE *out, double value)
{
    char figure[AIVO_RENDER_FIGURE_MAX];
    fputs(aivo_render_json_figure(value, figure), out);
}

static void put_fact(FILE *out, const struct aivo_diagnose_fact *fact)
{
    put_text(out, fact->key);
    fputc(':', out);
    switch (fact->type) {
    case AIVO_DIAGNOSE_TEXT:
        put_text(out, fact->text ? fact->text : "");
        return;
    case AIVO_DIAGNOSE_NUMBER:
        put_figure(out, fact->number);
        return;
    case AIVO_DIAGNOSE_BOOL:
        fputs(fact->truth ? "true" : "false", out);
        return;
    }
    fputs("null", out);
}

static bool same_list(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Was a list of this name begun by a fact before this one? */
static bool list_before(const struct aivo_diagnose_result *result, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_list(result->facts[i].list, result->facts[index].list)) {
            return true;
        }
    }
    return false;
}

static void put_list(FILE *out, const struct aivo_diagnose_result *result, const char *list)
{
    bool open = false;
    uint32_t item = 0;
    put_text(out, list);
    fputs(":[", out);
    for (size_t i = 0; i < result->fact_count; i++) {
        const struct aivo_diagnose_fact *fact = &result->facts[i];
        if (!same_list(fact->list, list)) {
            continue;
        }
        bool next = !open || fact->item != item;
        fputs(!open ? "{" : next ? "},{" : ",", out);
        put_fact(out, fact);
        open = true;
        item = fact->item;
    }
    fputs(open ? "}]" : "]", out);
}

static void put_facts(FILE *out, const struct aivo_diagnose_result *result)
{
    const char *comma = "";
    fputc('{', out);
    for (size_t i = 0; i < result->fact_count; i++) {
        const struct aivo_diagnose_fact *fact = &result->facts[i];
        if (fact->list && list_before(result, i)) {
            continue;
        }
        fputs(comma, out);
        comma = ",";
        if (fact->list) {
            put_list(out, result, fact->list);
        } else {
            put_fact(out, fact);
        }
    }
    fputc('}', out);
}

static void put_stage(FILE *out, const struct aivo_diagnose_result *result)
{
    fprintf(out,
            "{\"stage\":\"%s\",\"title\":\"%s\",\"status\":\"%s\",\"code\":", aivo_diagnose_stage_name(result->stage),
            aivo_diagnose_stage_title(result->stage), aivo_diagnose_status_name(result->status));
    put_text_or_null(out, result->code);
    fputs(",\"reason\":", out);
    put_text(out, result->reason);
    fputs(",\"fix\":", out);
    put_text_or_null(out, result->fix);
    fputs(",\"start_ms\":", out);
    put_figure(out, result->start_ms);
    fputs(",\"time_ms\":", out);
    put_figure(out, result->time_ms);
    fputs(",\"findings\":[", out);
    for (size_t i = 0; i < result->finding_count; i++) {
        const struct aivo_diagnose_finding *finding = &result->findings[i];
        fprintf(out, "%s{\"status\":\"%s\",\"code\":", i ? "," : "", aivo_diagnose_status_name(finding->status));
        put_text(out, finding->code);
        fputs(",\"reason\":", out);
        put_text(out, finding->reason);
        fputs(",\"fix\":", out);
        put_text_or_null(out, finding->fix);
        fputc('}', out);
    }
    fputs("],\"facts\":", out);
    put_facts(out, result);
    fputc('}', out);
}

static void put_quality(FILE *out, const struct aivo_quality *q)
{
    struct aivo_render_measure measures[AIVO_RENDER_MEASURES];
    size_t count = aivo_render_measures(q, measures);
    fprintf(out, "{\"level\":\"%s\"", aivo_level_name(q->level));
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",\"%s\":", measures[i].name);
        put_figure(out, measures[i].value);
    }
    fprintf(out, ",\"stable\":%s,\"causes\":[", !q->stable_known ? "null" : q->stable ? "true" : "false");
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        fprintf(out, "%s{\"cause\":\"%s\",\"points\":", i ? "," : "", aivo_cause_name(q->causes[i].cause));
        put_figure(out, q->causes[i].points);
        fputc('}', out);
    }
    fputs("]}", out);
}

void aivo_render_json(FILE *out, const struct aivo_diagnose_report *report)
{
    char time[AIVO_RENDER_TIME_MAX];
    aivo_render_time(report->time_ms, time);
    fprintf(out, "{\"version\":%d,\"generator\":\"aivo %s\",\"time\":\"%s\",\"url\":", AIVO_RENDER_JSON_VERSION,
            aivo_version(), time);
    put_text(out, report->url);
    fputs(",\"duration_ms\":", out);
    put_figure(out, report->duration_ms);
    fprintf(out,
            ",\"cancelled\":%s,\"verdict\":\"%s\",\"exit_code\":%d,\"culprit\":", report->cancelled ? "true" : "false",
            aivo_diagnose_verdict_name(report->verdict), report->exit_code);
    put_text_or_null(out,
                     report->culprit < 0 ? NULL : aivo_diagnose_stage_name((enum aivo_diagnose_stage)report->culprit));
    fputs(",\"summary\":", out);
    put_text(out, report->summary);
    fputs(",\"fix\":", out);
    put_text_or_null(out, report->fix);
    fputs(",\"quality\":", out);
    if (report->has_quality) {
        put_quality(out, &report->quality);
    } else {
        fputs("null", out);
    }
    fputs(",\"stages\":[", out);
    for (size_t i = 0; i < report->stage_count; i++) {
        fputs(i ? "," : "", out);
        put_stage(out, &report->stages[i]);
    }
    fputs("]}", out);
}
