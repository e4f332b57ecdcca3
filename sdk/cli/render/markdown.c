/* The report to paste into an issue or a chat: a table, what to do, and the facts folded away. */
#include "render.h"
#include <aivo/aivo.h>
#include <math.h>
#include <string.h>

/* Whether a word may end or begin between these two. */
static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           ((unsigned char)c & 0x80);
}

/* Does a value of a personal fact stand here, as a word of its own? Its length, or 0. */
static size_t personal_len(const struct aivo_diagnose_report *report, const char *text, char before)
{
    for (size_t i = 0; !is_word_char(before) && i < report->stage_count; i++) {
        for (size_t f = 0; f < report->stages[i].fact_count; f++) {
            const struct aivo_diagnose_fact *fact = &report->stages[i].facts[f];
            size_t len = fact->text && aivo_render_is_personal(fact->key) ? strlen(fact->text) : 0;
            if (len > 0 && strncmp(text, fact->text, len) == 0 && !is_word_char(text[len])) {
                return len;
            }
        }
    }
    return 0;
}

/* The text without credentials, and without the names that personal facts have. */
static void clean_of(const struct aivo_diagnose_report *report, const char *text, char out[AIVO_RENDER_TEXT_MAX])
{
    static const char removed[] = "[removed]";
    char clean[AIVO_RENDER_TEXT_MAX];
    size_t used = 0;
    aivo_render_clean(text, clean, sizeof(clean));
    for (const char *c = clean; *c && used + sizeof(removed) < AIVO_RENDER_TEXT_MAX;) {
        size_t len = personal_len(report, c, c > clean ? c[-1] : ' ');
        if (len > 0) {
            memcpy(out + used, removed, sizeof(removed) - 1);
            used += sizeof(removed) - 1;
            c += len;
        } else {
            out[used++] = *c++;
        }
    }
    out[used] = '\0';
}

/* Text in which nothing is markup: neither a link, a mention, a cell's end nor HTML. */
static void put_text(FILE *out, const struct aivo_diagnose_report *report, const char *text)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    clean_of(report, text, clean);
    for (const char *c = clean; *c; c++) {
        if (*c == '<') {
            fputs("&lt;", out);
        } else if (*c == '&') {
            fputs("&amp;", out);
        } else if (*c == '@') {
            fputs("&#64;", out);
        } else {
            if (strchr("\\`*_[]#|~!", *c)) {
                fputc('\\', out);
            }
            fputc(*c, out);
        }
    }
}

/* Inside a fence, where only the fence itself could end it. */
static void put_fenced(FILE *out, const struct aivo_diagnose_report *report, const char *text)
{
    char clean[AIVO_RENDER_TEXT_MAX];
    clean_of(report, text, clean);
    for (const char *c = clean; *c; c++) {
        fputc(*c == '`' ? '\'' : *c, out);
    }
}

static const char *mark_of(enum aivo_diagnose_status status)
{
    switch (status) {
    case AIVO_DIAGNOSE_OK:
        return "✅ ok";
    case AIVO_DIAGNOSE_WARN:
        return "⚠️ warn";
    case AIVO_DIAGNOSE_FAIL:
        return "❌ **fail**";
    case AIVO_DIAGNOSE_SKIP:
        break;
    }
    return "skip";
}

static void put_findings(FILE *out, const struct aivo_diagnose_report *report,
                         const struct aivo_diagnose_result *result)
{
    if (*result->fix) {
        fputs("<br>→ ", out);
        put_text(out, report, result->fix);
    }
    for (size_t i = 1; i < result->finding_count; i++) {
        fprintf(out, "<br>%s: ", aivo_diagnose_status_name(result->findings[i].status));
        put_text(out, report, result->findings[i].reason);
        if (*result->findings[i].fix) {
            fputs("<br>→ ", out);
            put_text(out, report, result->findings[i].fix);
        }
    }
}

static void put_stages(FILE *out, const struct aivo_diagnose_report *report)
{
    fputs("| | Stage | Time | Found |\n|---|---|---:|---|\n", out);
    for (size_t i = 0; i < report->stage_count; i++) {
        const struct aivo_diagnose_result *result = &report->stages[i];
        char time[AIVO_RENDER_FIGURE_MAX];
        fprintf(out, "| %s | %s | ", mark_of(result->status), aivo_diagnose_stage_title(result->stage));
        if (isfinite(result->time_ms)) {
            fprintf(out, "%s ms", aivo_render_figure(result->time_ms, time));
        }
        fputs(" | ", out);
        put_text(out, report, result->reason);
        put_findings(out, report, result);
        fputs(" |\n", out);
    }
}

static void put_quality(FILE *out, const struct aivo_quality *q)
{
    struct aivo_render_measure measures[AIVO_RENDER_MEASURES];
    size_t count = aivo_render_measures(q, measures);
    fprintf(out, "\n**Quality: %s**\n\n| Figure | |\n|---|---:|\n", aivo_level_name(q->level));
    for (size_t i = 0; i < count; i++) {
        char figure[AIVO_RENDER_FIGURE_MAX];
        if (isfinite(measures[i].value)) {
            fprintf(out, "| %s | %s%s%s |\n", measures[i].title, aivo_render_json_figure(measures[i].value, figure),
                    *measures[i].unit ? " " : "", measures[i].unit);
        }
    }
}

static void put_fact(FILE *out, const struct aivo_diagnose_report *report, const struct aivo_diagnose_fact *fact)
{
    char figure[AIVO_RENDER_FIGURE_MAX];
    if (fact->list) {
        fprintf(out, "  %s[%u].", fact->list, fact->item);
    } else {
        fputs("  ", out);
    }
    fprintf(out, "%s: ", fact->key);
    if (aivo_render_is_personal(fact->key)) {
        fputs("[removed]", out);
    } else if (fact->type == AIVO_DIAGNOSE_TEXT) {
        put_fenced(out, report, fact->text ? fact->text : "");
    } else if (fact->type == AIVO_DIAGNOSE_BOOL) {
        fputs(fact->truth ? "yes" : "no", out);
    } else {
        fputs(isfinite(fact->number) ? aivo_render_json_figure(fact->number, figure) : "-", out);
    }
    fputc('\n', out);
}

static void put_facts(FILE *out, const struct aivo_diagnose_report *report)
{
    fputs("\n<details><summary>Every fact</summary>\n\n```text\n", out);
    for (size_t i = 0; i < report->stage_count; i++) {
        const struct aivo_diagnose_result *result = &report->stages[i];
        if (result->fact_count == 0) {
            continue;
        }
        fprintf(out, "%s\n", aivo_diagnose_stage_name(result->stage));
        for (size_t f = 0; f < result->fact_count; f++) {
            put_fact(out, report, &result->facts[f]);
        }
    }
    fputs("```\n\n</details>\n", out);
}

void aivo_render_markdown(FILE *out, const struct aivo_diagnose_report *report)
{
    char time[AIVO_RENDER_TIME_MAX];
    aivo_render_time(report->time_ms, time);
    fputs("### Connection diagnosis: ", out);
    put_text(out, report, report->url);
    fprintf(out, "\n\n**%s**: ", aivo_diagnose_verdict_name(report->verdict));
    put_text(out, report, report->summary);
    fputc('\n', out);
    if (*report->fix) {
        fputs("\n**What to do first:** ", out);
        put_text(out, report, report->fix);
        fputc('\n', out);
    }
    fputc('\n', out);
    put_stages(out, report);
    if (report->has_quality) {
        put_quality(out, &report->quality);
    }
    put_facts(out, report);
    fprintf(out, "\n<sub>aivo %s, %s, %.1f s%s. Credentials and who they are of were left out.</sub>\n", aivo_version(),
            time, report->duration_ms / 1000, report->cancelled ? ", ended early" : "");
}
