#include "report.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include <time.h>

const char *cli_figure_csv(double value, char out[AIVO_RENDER_FIGURE_MAX])
{
    return isfinite(value) ? aivo_render_json_figure(value, out) : "";
}

/* Adds a figure; what is not known is null. */
static void add_figure(cJSON *object, const char *key, double value)
{
    char text[AIVO_RENDER_FIGURE_MAX];
    cJSON_AddRawToObject(object, key, aivo_render_json_figure(value, text));
}

static void add_count(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    cJSON_AddRawToObject(object, key, text);
}

static void add_queue(cJSON *object, const struct aivo_quality *q)
{
    cJSON *queue = cJSON_AddObjectToObject(object, "queue");
    if (!q->queue_known) {
        cJSON_AddNullToObject(queue, "pending");
        cJSON_AddNullToObject(queue, "in_flight");
        cJSON_AddNullToObject(queue, "dead");
        return;
    }
    add_count(queue, "pending", q->queue_pending);
    add_count(queue, "in_flight", q->queue_in_flight);
    add_count(queue, "dead", q->queue_dead);
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
    char time[AIVO_RENDER_TIME_MAX];
    aivo_render_time(q->time_ms, time);
    cJSON_AddStringToObject(object, "time", time);
    cJSON_AddStringToObject(object, "url", snapshot->url);
    cJSON_AddStringToObject(object, "state", state_name(snapshot));
    cJSON_AddStringToObject(object, "level", aivo_level_name(q->level));
    add_figure(object, "score", q->score);
    add_latencies(object, q);
    add_count(object, "samples", q->samples);
    add_causes(object, snapshot);
    add_queue(object, q);
    add_count(object, "reconnects", q->reconnects);
    char *text = cJSON_PrintUnformatted(object); /* NULL too where an allocation above failed for good */
    cJSON_Delete(object);
    return text;
}

static void put_loss(struct cli_text *text, const struct aivo_quality *q)
{
    if (!isfinite(q->loss_pct)) {
        cli_put(text, "loss -");
        return;
    }
    cli_put(text, "loss %.1f%%", q->loss_pct);
    if (isfinite(q->loss_low_pct) && isfinite(q->loss_high_pct)) {
        cli_put(text, " (%.1f-%.1f)", q->loss_low_pct, q->loss_high_pct);
    }
}

static void put_percentiles(struct cli_text *text, const struct aivo_quality *q)
{
    char a[AIVO_RENDER_FIGURE_MAX], b[AIVO_RENDER_FIGURE_MAX], c[AIVO_RENDER_FIGURE_MAX];
    cli_put(text, "p50 %s p95 %s p99 %s", aivo_render_figure(q->p50_ms, a), aivo_render_figure(q->p95_ms, b),
            aivo_render_figure(q->p99_ms, c));
}

const char *cli_stability(const struct aivo_quality *q)
{
    return !q->stable_known ? "stability -" : q->stable ? "stable" : "unstable";
}

void cli_put_latency(struct cli_text *text, const struct aivo_quality *q)
{
    char a[AIVO_RENDER_FIGURE_MAX];
    cli_put(text, "%s ms", aivo_render_figure(q->latency_ms, a));
}

/* What cost most, where it cost a whole point. */
void cli_put_cause(struct cli_text *text, const struct cli_snapshot *snapshot)
{
    const struct aivo_quality *q = &snapshot->quality;
    if (snapshot->state == AIVO_STATE_CONNECTED && q->suspect) {
        cli_put(text, "  suspect");
    }
    if (q->cause_count > 0 && q->causes[0].points >= 1) {
        cli_put(text, "  %s -%.0f", aivo_cause_name(q->causes[0].cause), q->causes[0].points);
    }
}

const char cli_snapshot_csv_names[] =
    "time,url,state,level,score,latency_ms,avg_latency_ms,min_latency_ms,p50_ms,p95_ms,p99_ms,jitter_ms,loss_pct,"
    "loss_low_pct,loss_high_pct,uplink_loss_pct,downlink_loss_pct,stable,network_ms,edge_ms,handler_ms,samples,causes,"
    "pending,in_flight,dead,reconnects";

/* In quotes where a comma, quote or line break in it asks for that. */
static void put_csv_text(struct cli_text *text, const char *value)
{
    if (!strpbrk(value, ",\"\r\n")) {
        cli_put(text, "%s", value);
        return;
    }
    cli_put(text, "\"");
    for (; *value; value++) {
        cli_put(text, "%s%c", *value == '"' ? "\"" : "", *value);
    }
    cli_put(text, "\"");
}

static void put_csv_causes(struct cli_text *text, const struct aivo_quality *q)
{
    cli_put(text, ",");
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        char a[AIVO_RENDER_FIGURE_MAX];
        cli_put(text, "%s%s:%s", i ? " " : "", aivo_cause_name(q->causes[i].cause),
                cli_figure_csv(q->causes[i].points, a));
    }
}

void cli_snapshot_csv(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct cli_text text = {.data = out, .size = CLI_LINE_MAX};
    char time[AIVO_RENDER_TIME_MAX], a[AIVO_RENDER_FIGURE_MAX];
    const double before[] = {q->latency_ms,
                             q->avg_latency_ms,
                             q->min_latency_ms,
                             q->p50_ms,
                             q->p95_ms,
                             q->p99_ms,
                             q->samples >= 2 && q->stable_known ? q->jitter_ms : (double)NAN,
                             q->loss_pct,
                             q->loss_low_pct,
                             q->loss_high_pct,
                             q->uplink_loss_pct,
                             q->downlink_loss_pct};
    const double after[] = {q->network_ms, q->edge_ms, q->handler_ms};
    aivo_render_time(q->time_ms, time);
    cli_put(&text, "%s,", time);
    put_csv_text(&text, snapshot->url);
    cli_put(&text, ",%s,%s,%d", state_name(snapshot), aivo_level_name(q->level), q->score);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        cli_put(&text, ",%s", cli_figure_csv(before[i], a));
    }
    cli_put(&text, ",%s", !q->stable_known ? "" : q->stable ? "true" : "false");
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        cli_put(&text, ",%s", cli_figure_csv(after[i], a));
    }
    cli_put(&text, ",%llu", (unsigned long long)q->samples);
    put_csv_causes(&text, q);
    if (q->queue_known) {
        cli_put(&text, ",%llu,%llu,%llu", (unsigned long long)q->queue_pending, (unsigned long long)q->queue_in_flight,
                (unsigned long long)q->queue_dead);
    } else {
        cli_put(&text, ",,,");
    }
    cli_put(&text, ",%llu", (unsigned long long)q->reconnects);
}

void cli_snapshot_text(const struct cli_snapshot *snapshot, bool with_url, char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct cli_text text = {.data = out, .size = CLI_LINE_MAX};
    char time[AIVO_RENDER_TIME_MAX];
    aivo_render_time(q->time_ms, time);
    cli_put(&text, "%s %s%s%-9s %3d  ", time, with_url ? snapshot->url : "", with_url ? " " : "",
            aivo_level_name(q->level), q->score);
    if (snapshot->state != AIVO_STATE_CONNECTED) {
        cli_put(&text, "%s%s%s", aivo_state_name(snapshot->state), snapshot->why ? ": " : "",
                snapshot->why ? snapshot->why : "");
        return;
    }
    cli_put_latency(&text, q);
    cli_put(&text, "  ");
    put_percentiles(&text, q);
    cli_put(&text, "  ");
    put_loss(&text, q);
    cli_put(&text, "  %s", cli_stability(q));
    cli_put_cause(&text, snapshot);
}

void cli_summary_text(const struct cli_snapshot *snapshot, char out[CLI_LINE_MAX])
{
    const struct aivo_quality *q = &snapshot->quality;
    struct cli_text text = {.data = out, .size = CLI_LINE_MAX};
    cli_put(&text, "%s: %llu answered, %llu lost, ", snapshot->url, (unsigned long long)q->samples,
            (unsigned long long)q->lost);
    put_loss(&text, q);
    cli_put(&text, ", ");
    put_percentiles(&text, q);
    cli_put(&text, " ms, %llu reconnect%s, last %s", (unsigned long long)q->reconnects, q->reconnects == 1 ? "" : "s",
            aivo_level_name(q->level));
}
