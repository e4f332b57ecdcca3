#include "chart_text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DOT " \xc2\xb7 "

static double loss_of(const struct agk_bin *bin)
{
    return bin->observed > 0 ? 100.0 * (double)bin->lost / (double)bin->observed : NAN;
}

void agk_readout_text(const struct agk_bin *bin, const char *when, char out[AGK_SPEECH])
{
    char p50[AGK_TEXT], low[AGK_TEXT], high[AGK_TEXT], loss[AGK_TEXT], range[3 * AGK_TEXT] = "";
    agk_format_ms(bin->p50_ms, p50);
    if (bin->samples > 1 && isfinite(bin->min_ms) && isfinite(bin->p95_ms)) {
        agk_format_ms(bin->min_ms, low);
        agk_format_ms(bin->p95_ms, high);
        char *unit = strstr(low, AGK_NBSP); /* once is enough */
        if (unit) {
            *unit = '\0';
        }
        snprintf(range, sizeof(range), " (%s" AGK_DASH "%s)", low, high);
    }
    agk_format_percent(loss_of(bin), loss);
    snprintf(out, AGK_SPEECH, "%.60s" DOT "%s%s" DOT "loss %s" DOT "%s", when, p50, range, loss,
             aivo_level_name(bin->worst));
}

void agk_readout_speech(const struct agk_bin *bin, const char *when, char out[AGK_SPEECH])
{
    char p50[AGK_TEXT], low[AGK_TEXT], high[AGK_TEXT], loss[AGK_TEXT], range[3 * AGK_TEXT] = "";
    agk_speak_ms(bin->p50_ms, p50);
    if (bin->samples > 1 && isfinite(bin->min_ms) && isfinite(bin->p95_ms)) {
        agk_speak_ms(bin->min_ms, low);
        agk_speak_ms(bin->p95_ms, high);
        snprintf(range, sizeof(range), ", from %s to %s", low, high);
    }
    agk_speak_percent(loss_of(bin), loss);
    snprintf(out, AGK_SPEECH, "%.60s: latency %s%s, loss %s, %s", when, p50, range, loss, aivo_level_name(bin->worst));
}

void agk_summary_speech(const struct agk_total *total, char out[AGK_SPEECH])
{
    char p50[AGK_TEXT], p95[AGK_TEXT], max[AGK_TEXT], loss[AGK_TEXT], gaps[AGK_TEXT] = "";
    if (total->samples == 0) {
        snprintf(out, AGK_SPEECH, "No data");
        return;
    }
    agk_speak_ms(total->p50_ms, p50);
    agk_speak_ms(total->p95_ms, p95);
    agk_speak_ms(total->max_ms, max);
    agk_speak_percent(total->loss_pct, loss);
    if (total->gaps > 0) {
        snprintf(gaps, sizeof(gaps), " %u %s.", total->gaps, total->gaps == 1 ? "gap" : "gaps");
    }
    snprintf(out, AGK_SPEECH, "Median %s, 95 of 100 within %s, at most %s. Loss %s. Worst level %s.%s", p50, p95, max,
             loss, aivo_level_name(total->worst), gaps);
}

void agk_summary_text(const struct agk_total *total, char out[AGK_SPEECH])
{
    char p50[AGK_TEXT], p95[AGK_TEXT], max[AGK_TEXT], loss[AGK_TEXT], gaps[AGK_TEXT] = "";
    if (total->samples == 0) {
        snprintf(out, AGK_SPEECH, "No data");
        return;
    }
    agk_format_ms(total->p50_ms, p50);
    agk_format_ms(total->p95_ms, p95);
    agk_format_ms(total->max_ms, max);
    agk_format_percent(total->loss_pct, loss);
    if (total->gaps > 0) {
        snprintf(gaps, sizeof(gaps), DOT "%u %s", total->gaps, total->gaps == 1 ? "gap" : "gaps");
    }
    snprintf(out, AGK_SPEECH,
             "Median %s" DOT "95" AGK_NBSP "%% within %s" DOT "at most %s" DOT "loss %s" DOT "worst %s%s", p50, p95,
             max, loss, aivo_level_name(total->worst), gaps);
}
