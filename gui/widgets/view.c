#include "view.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *agk_kind_name(enum agk_kind kind)
{
    static const char *const names[AGK_KINDS] = {"offline", "poor", "fair", "good", "excellent", "busy", "unknown"};
    return (unsigned)kind < AGK_KINDS ? names[kind] : "unknown";
}

/* Appends whole texts only; what does not fit is left out. */
static void add(char out[AGK_SPEECH], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char out[AGK_SPEECH], const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(out + used, AGK_SPEECH - used, format, args);
    va_end(args);
    if (wrote < 0 || (size_t)wrote >= AGK_SPEECH - used) {
        out[used] = '\0';
    }
}

static bool has_samples(const struct aivo_quality *q)
{
    return q && q->samples > 0 && q->level != AIVO_LEVEL_OFFLINE;
}

/* Kind and word of the level alone. */
static void from_level(struct agk_view *view, const struct aivo_quality *q)
{
    view->kind = (unsigned)q->level <= AIVO_LEVEL_EXCELLENT ? (enum agk_kind)q->level : AGK_UNKNOWN;
    view->word = view->kind == AGK_UNKNOWN ? "Unknown" : aivo_level_name(q->level);
    view->connected = view->kind != AGK_OFFLINE;
    view->suspect = view->connected && q->suspect;
}

static void classify(struct agk_view *view, const struct aivo_quality *q, enum agk_link link)
{
    view->kind = AGK_OFFLINE;
    view->word = "Offline";
    switch (link) {
    case AGK_LINK_CONNECTING:
        view->kind = AGK_BUSY;
        view->word = "Connecting" AGK_ELLIPSIS;
        return;
    case AGK_LINK_RECONNECTING:
        view->alarm = true;
        view->status = "Trying again";
        return;
    case AGK_LINK_UP:
        if (has_samples(q)) {
            from_level(view, q);
        } else {
            view->kind = AGK_BUSY;
            view->word = "Measuring" AGK_ELLIPSIS;
        }
        return;
    case AGK_LINK_UNKNOWN:
        if (q) {
            from_level(view, q);
            view->alarm = view->kind == AGK_OFFLINE;
        } else {
            view->kind = AGK_UNKNOWN;
            view->word = "No data";
        }
        return;
    case AGK_LINK_FAILED:
        view->alarm = true;
        view->status = "Given up";
        return;
    case AGK_LINK_DOWN: /* somebody wanted it so */
    case AGK_LINK_CLOSING:
        return;
    }
}

/* "Unstable" alone beside a good level would be a riddle: by how much says whether it matters. */
static void stability(struct agk_view *view, double spread_ms)
{
    char spread[AGK_TEXT];
    const char *word = view->stable < 0 ? "Stability unknown" : view->stable ? "Stable" : "Unstable";
    bool told = view->stable == 0 && isfinite(spread_ms);
    agk_format_ms(spread_ms, spread);
    snprintf(view->stability, sizeof(view->stability), told ? "%s, \xc2\xb1" AGK_NBSP "%s" : "%s", word, spread);
    agk_speak_ms(spread_ms, spread);
    snprintf(view->spoken_stability, sizeof(view->spoken_stability), told ? "%s, plus or minus %s" : "%s", word,
             spread);
}

static void figures(struct agk_view *view, const struct aivo_quality *q)
{
    double now = NAN, average = NAN, loss = NAN, low = NAN, high = NAN;
    view->stable = -1;
    snprintf(view->score, sizeof(view->score), AGK_DASH);
    if (q && view->connected) {
        now = q->latency_ms;
        average = q->avg_latency_ms;
        if (q->score > 0) {
            snprintf(view->score, sizeof(view->score), "%d", q->score > 100 ? 100 : q->score);
        }
        view->stable = q->stable_known ? q->stable : -1;
    }
    if (q && view->kind != AGK_BUSY) { /* since start: as true after the end */
        loss = q->loss_pct;
        low = q->loss_low_pct;
        high = q->loss_high_pct;
    }
    agk_format_ms(now, view->now);
    agk_format_ms(average, view->average);
    agk_format_percent(loss, view->loss);
    agk_format_interval(low, high, view->interval);
    agk_speak_ms(now, view->spoken_now);
    agk_speak_ms(average, view->spoken_average);
    agk_speak_percent(loss, view->spoken_loss);
    agk_speak_interval(low, high, view->spoken_interval);
    stability(view, q ? q->jitter_ms : NAN);
}

static void speak_causes(struct agk_view *view, const struct aivo_quality *q)
{
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        double points = q->causes[i].points;
        if (!agk_cause_counts(&q->causes[i])) {
            continue;
        }
        if (points >= 0.5) {
            add(view->description, " %s: %.0f points.", agk_cause_words(q->causes[i].cause), fmin(points, 100));
        } else {
            add(view->description, " %s.", agk_cause_words(q->causes[i].cause));
        }
    }
}

static void speak_all(struct agk_view *view, const struct aivo_quality *q, const char *title, const char *reason)
{
    char mean[AGK_TEXT];
    view->label[0] = view->description[0] = '\0';
    if (title && *title) {
        add(view->label, "%.200s: ", title);
    }
    /* An ellipsis is for the eye. */
    add(view->label, "%.*s", (int)strcspn(view->word, AGK_ELLIPSIS), view->word);
    if (view->connected && q) {
        agk_speak_ms(isfinite(q->avg_latency_ms) ? q->avg_latency_ms : q->latency_ms, mean);
        add(view->label, ", %s", mean);
        if (view->suspect) {
            add(view->label, ", an answer is overdue");
        }
        add(view->description, "Score %s of 100. Latency %s now, %s on average. Loss %s, %s. %s.",
            strcmp(view->score, AGK_DASH) == 0 ? "unknown" : view->score, view->spoken_now, view->spoken_average,
            view->spoken_loss, view->spoken_interval, view->spoken_stability);
        speak_causes(view, q);
    } else {
        if (view->status) {
            add(view->description, "%s.", view->status);
        }
        if (reason && *reason) {
            add(view->description, view->status ? " %.400s" : "%.400s", reason);
        }
    }
}

void agk_view_make(struct agk_view *view, const struct aivo_quality *quality, enum agk_link link, const char *title,
                   const char *reason)
{
    memset(view, 0, sizeof(*view));
    classify(view, quality, link);
    figures(view, quality);
    if (view->connected && quality) {
        agk_format_ms(isfinite(quality->avg_latency_ms) ? quality->avg_latency_ms : quality->latency_ms, view->text);
    } else {
        snprintf(view->text, sizeof(view->text), "%s", view->word);
    }
    speak_all(view, quality, title, reason);
}
