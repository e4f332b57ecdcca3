#include "report.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

void cli_time_text(int64_t unix_ms, char out[CLI_TIME_MAX])
{
    int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        memset(&tm, 0, sizeof(tm));
        tm.tm_year = 70;
        tm.tm_mday = 1;
    }
    size_t used = strftime(out, CLI_TIME_MAX - 6, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + used, CLI_TIME_MAX - used, ".%03dZ", (int)ms);
}

/* Adds a figure with three decimals (microseconds of a millisecond); what is not known is null. */
static void add_figure(cJSON *object, const char *key, double value)
{
    if (!isfinite(value)) {
        cJSON_AddNullToObject(object, key);
        return;
    }
    char text[48];
    if (fabs(value) >= 1e15) {
        snprintf(text, sizeof(text), "%.15g", value);
    } else {
        snprintf(text, sizeof(text), "%.3f", value);
        size_t end = strlen(text);
        while (text[end - 1] == '0') {
            end--;
        }
        text[text[end - 1] == '.' ? end - 1 : end] = '\0';
    }
    cJSON_AddRawToObject(object, key, strcmp(text, "-0") == 0 ? "0" : text);
}

static void add_count(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    cJSON_AddRawToObject(object, key, text);
}

static void add_queue(cJSON *object, const struct aivo_queue_stats *stats)
{
    cJSON *queue = cJSON_AddObjectToObject(object, "queue");
    if (!stats) {
        cJSON_AddNullToObject(queue, "pending");
        cJSON_AddNullToObject(queue, "in_flight");
        cJSON_AddNullToObject(queue, "dead");
        return;
    }
    add_count(queue, "pending", stats->pending);
    add_count(queue, "in_flight", stats->in_flight);
    add_count(queue, "dead", stats->dead);
}

static void add_latencies(cJSON *object, const struct aivo_quality *q)
{
    add_figure(object, "latency_ms", q->latency_ms);
    add_figure(object, "avg_latency_ms", q->avg_latency_ms);
    add_figure(object, "min_latency_ms", q->min_latency_ms);
    add_figure(object, "p50_ms", q->p50_ms);
    add_figure(object, "p95_ms", q->p95_ms);
    add_figure(object, "p99_ms", q->p99_ms);
    add_figure(object, "jitter_ms", q->samples >= 2 && q->stable_known ? q->jitter_ms : NAN); /* one does not vary */
    add_figure(object, "loss_pct", q->loss_pct);
    add_figure(object, "loss_low_pct", q->loss_low_pct);
    add_figure(object, "loss_high_pct", q->loss_high_pct);
    add_figure(object, "uplink_loss_pct", q->uplink_loss_pct);
    add_figure(object, "downlink_loss_pct", q->downlink_loss_pct);
    if (q->stable_known) {
        cJSON_AddBoolToObject(object, "stable", q->stable);
    } else {
        cJSON_AddNullToObject(object, "stable");
    }
    add_figure(object, "network_ms", q->network_ms);
    add_figure(object, "edge_ms", q->edge_ms);
    add_figure(object, "handler_ms", q->handler_ms);
}

/* Without a connection there is no score that anything could take points off, unless that is why it went. */
static void add_causes(cJSON *object, const struct cli_snapshot *snapshot)
{
    const struct aivo_quality *q = &snapshot->quality;
    if (snapshot->state != AIVO_STATE_CONNECTED && q->cause_count == 0) {
        cJSON_AddNullToObject(object, "causes");
        return;
    }
    cJSON *causes = cJSON_AddArrayToObject(object, "causes");
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        cJSON *cause = cJSON_CreateObject();
        cJSON_AddStringToObject(cause, "cause", aivo_cause_name(q->causes[i].cause));
        add_figure(cause, "points", q->causes[i].points);
        cJSON_AddItemToArray(causes, cause);
    }
}

/* While connected a connection may be in doubt. */
static const char *state_name(const struct cli_snapshot *snapshot)
{
    bool suspect = snapshot->state == AIVO_STATE_CONNECTED && snapshot->quality.suspect;
    return suspect ? "suspect" : aivo_state_name(snapshot->state);
}

char *cli_snapshot_json(const struct cli_snapshot *snapshot)
{
    const struct aivo_quality *q = &snapshot->quality;
    cJSON *object = cJSON_CreateObject();
    char time[CLI_TIME_MAX];
    cli_time_text(q->time_ms, time);
    cJSON_AddStringToObject(object, "time", time);
    cJSON_AddStringToObject(object, "url", snapshot->url);
    cJSON_AddStringToObject(object, "state", state_name(snapshot));
    cJSON_AddStringToObject(object, "level", aivo_level_name(q->level));
    add_figure(object, "score", q->score);
    add_latencies(object, q);
    add_count(object, "samples", q->samples);
    add_causes(object, snapshot);
    add_queue(object, snapshot->queue);
    add_count(object, "reconnects", q->reconnects);
    char *text = cJSON_PrintUnformatted(object); /* NULL too where an allocation above failed for good */
    cJSON_Delete(object);
    return text;
}

/* A bounded text that is appended to; what does not fit is left out. */
struct text {
    char *data;
    size_t size, used;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(text->data + text->used, text->size - text->used, format, args);
    va_end(args);
    if (wrote > 0 && (size_t)wrote < text->size - text->used) {
        text->used += (size_t)wrote;
    } else {
        text->data[text->used] = '\0';
    }
}

/* A figure with as many digits as it deserves, in out; "-" when unknown. */
static const char *figure(double value, char out[24])
{
    if (!isfinite(value)) {
        return "-";
    }
    snprintf(out, 24, "%.*f", value < 10 ? 2 : value < 100 ? 1 : 0, value);
    return out;
}

static void put_loss(struct text *text, const struct aivo_quality *q)
{
    if (!isfinite(q->loss_pct)) {
        put(text, "loss -");
        return;
    }
    put(text, "loss %.1f%%", q->loss_pct);
    if (isfinite(q->loss_low_pct) && isfinite(q->loss_high_pct)) {
        put(text, " (%.1f-%.1f)", q->loss_low_pct, q->loss_high_pct);
    }
}

/* For the live line, where every column counts: a digit less. */
static const char *short_figure(double value, char out[24])
{
    if (!isfinite(value)) {
        return "-";
    }
    snprintf(out, 24, "%.*f", value < 9.95 ? 1 : 0, value);
    return out;
}

static void put_short_percentiles(struct text *text, const struct aivo_quality *q)
{
    char a[24], b[24], c[24];
    put(text, "p50/95/99 %s/%s/%s", short_figure(q->p50_ms, a), short_figure(q->p95_ms, b), short_figure(q->p99_ms, c));
}

static void put_short_loss(struct text *text, const struct aivo_quality *q, bool unicode)
{
    char a[24], b[24], c[24];
    put(text, "loss %s%% (%s%s%s)", short_figure(q->loss_pct, a), short_figure(q->loss_low_pct, b), unicode ? "–" : "-",
        short_figure(q->loss_high_pct, c));
}

static void put_percentiles(struct text *text, const struct aivo_quality *q)
{
    char a[24], b[24], c[24];
    put(text, "p50 %s p95 %s p99 %s", figure(q->p50_ms, a), figure(q->p95_ms, b), figure(q->p99_ms, c));
}

static const char *stability(const struct aivo_quality *q)
{
    return !q->stable_known ? "stability -" : q->stable ? "stable" : "unstable";
}

static void put_latency(struct text *text, const struct aivo_quality *q)
{
    char a[24];
    put(text, "%s ms", figure(q->latency_ms, a));
}

/* What cost most, where it cost a whole point. */
static void put_cause(struct text *text, const struct cli_snapshot *snapshot)
{
    const struct aivo_quality *q = &snapshot->quality;
    if (snapshot->state == AIVO_STATE_CONNECTED && q->suspect) {
        put(text, "  suspect");
    }
    if (q->cause_count > 0 && q->causes[0].points >= 1) {
        put(text, "  %s -%.0f", aivo_cause_name(q->causes[0].cause), q->causes[0].points);
    }
}

void cli_snapshot_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct text text = {.data = out, .size = CLI_LINE_MAX};
    char time[CLI_TIME_MAX];
    cli_time_text(q->time_ms, time);
    put(&text, "%s %-9s %3d  ", time, aivo_level_name(q->level), q->score);
    if (snapshot->state != AIVO_STATE_CONNECTED) {
        put(&text, "%s%s%s", aivo_state_name(snapshot->state), snapshot->why ? ": " : "",
            snapshot->why ? snapshot->why : "");
        return;
    }
    put_latency(&text, q);
    put(&text, "  ");
    put_percentiles(&text, q);
    put(&text, "  ");
    put_loss(&text, q);
    put(&text, "  %s", stability(q));
    put_cause(&text, snapshot);
}

void cli_summary_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct text text = {.data = out, .size = CLI_LINE_MAX};
    put(&text, "%s: %llu answered, %llu lost, ", snapshot->url, (unsigned long long)q->samples,
        (unsigned long long)q->lost);
    put_loss(&text, q);
    put(&text, ", ");
    put_percentiles(&text, q);
    put(&text, " ms, %llu reconnect%s, last %s", (unsigned long long)q->reconnects, q->reconnects == 1 ? "" : "s",
        aivo_level_name(q->level));
}

void cli_history_add(struct cli_history *history, double latency_ms)
{
    history->value[history->next] = latency_ms;
    history->next = (history->next + 1) % CLI_HISTORY_MAX;
    if (history->count < CLI_HISTORY_MAX) {
        history->count++;
    }
}

/* The value index steps from the oldest of the last count. */
static double history_at(const struct cli_history *history, size_t count, size_t index)
{
    return history->value[(history->next + CLI_HISTORY_MAX - count + index) % CLI_HISTORY_MAX];
}

size_t cli_sparkline(const struct cli_history *history, size_t width, bool unicode, char *out, size_t size)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {"_", ".", ",", "-", "=", "+", "*", "#"};
    size_t count = history->count < width ? history->count : width;
    double least = INFINITY, greatest = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        double value = history_at(history, count, i);
        if (isfinite(value)) {
            least = fmin(least, value);
            greatest = fmax(greatest, value);
        }
    }
    struct text text = {.data = out, .size = size};
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        double value = history_at(history, count, i);
        const char *mark = unicode ? "×" : "x";
        if (isfinite(value)) {
            double share = greatest > least ? (value - least) / (greatest - least) : 0;
            mark = (unicode ? blocks : ascii)[(size_t)(share * 7.0 + 0.5)];
        }
        if (strlen(mark) >= text.size - text.used) {
            return i;
        }
        put(&text, "%s", mark);
    }
    return count;
}

static const char *level_colour(enum aivo_level level)
{
    switch (level) {
    case AIVO_LEVEL_EXCELLENT:
        return "\033[1;32m";
    case AIVO_LEVEL_GOOD:
        return "\033[32m";
    case AIVO_LEVEL_FAIR:
        return "\033[33m";
    case AIVO_LEVEL_POOR:
        return "\033[31m";
    case AIVO_LEVEL_OFFLINE:
        break;
    }
    return "\033[1;31m";
}

/* Columns of UTF-8 text whose every character is one wide: all that is drawn here is. */
static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (; *text; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

/* Appends a segment after two spaces if it fits into what is left. */
static void put_segment(struct text *line, size_t *left, const char *segment)
{
    size_t columns = columns_of(segment) + 2;
    if (columns <= *left && strlen(segment) + 2 < line->size - line->used) {
        put(line, "  %s", segment);
        *left -= columns;
    } else {
        *left = 0; /* what comes after is less important: it shall not jump the queue */
    }
}

static void put_figures(struct text *line, size_t *left, const struct cli_snapshot *snapshot, bool unicode)
{
    const struct aivo_quality *q = &snapshot->quality;
    char segment[160];
    struct text text = {.data = segment, .size = sizeof(segment)};
    put_latency(&text, q);
    put_segment(line, left, segment);
    text.used = 0;
    put_short_percentiles(&text, q);
    put_segment(line, left, segment);
    text.used = 0;
    put_short_loss(&text, q, unicode);
    put_segment(line, left, segment);
    put_segment(line, left, stability(q));
    text.used = 0;
    segment[0] = '\0';
    put_cause(&text, snapshot);
    if (text.used > 2) {
        put_segment(line, left, segment + 2); /* put_segment puts the two spaces itself */
    }
}

void cli_live_line(const struct cli_snapshot *snapshot, const struct cli_history *history, const struct cli_look *look,
                   char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct text line = {.data = out, .size = CLI_LINE_MAX};
    size_t left = look->columns > 1 ? look->columns - 1 : 0;
    char head[32];
    snprintf(head, sizeof(head), "%s %d", aivo_level_name(q->level), q->score);
    out[0] = '\0';
    if (columns_of(head) > left) {
        return;
    }
    put(&line, "%s%s%s", look->colour ? level_colour(q->level) : "", head, look->colour ? "\033[0m" : "");
    left -= columns_of(head);
    if (snapshot->state == AIVO_STATE_CONNECTED) {
        put_figures(&line, &left, snapshot, look->unicode);
    } else {
        put_segment(&line, &left, aivo_state_name(snapshot->state));
    }
    size_t width = left > 2 + 4 ? left - 2 : 0; /* fewer than four columns show nothing */
    if (width > 0 && history->count > 0) {
        char spark[CLI_HISTORY_MAX * 3 + 1];
        cli_sparkline(history, width < CLI_HISTORY_MAX ? width : CLI_HISTORY_MAX, look->unicode, spark, sizeof(spark));
        put_segment(&line, &left, spark);
    }
}
