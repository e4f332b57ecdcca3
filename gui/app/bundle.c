#include "bundle.h"
#include "json-text.h"
#include "tar-file.h"
#include <aivo/aivo.h>
#include <glib/gi18n.h>
#include <gtk/gtk.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>

char *aivo_bundle_dup_file_name(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    return g_date_time_format(now, "aivo-support-%Y%m%d-%H%M%S.tar.gz");
}

/* ------------------------------------------------------------------ report */

/* Texts that were typed or came from outside may hold a token in a URL's query or a path; those parts are not written:
 * the URL goes without its query, the learner, files and proxies only as "set" or not. */
static void add_profile(GString *out, const AivoProfile *p)
{
    static const char *const auth[] = {"none", "token", "signed"};
    g_autofree char *url = aivo_profile_public_url(p);
    g_string_append(out, "  \"profile\": {\"url\": ");
    aivo_json_append_string(out, url);
    g_string_append_printf(out,
                           ", \"protocol\": \"%s\", \"namespace\": ", p->plain_websocket ? "websocket" : "socketio");
    aivo_json_append_string(out, *p->nsp ? p->nsp : "/");
    g_string_append(out, ", \"path\": ");
    aivo_json_append_string(out, *p->path ? p->path : NULL);
    g_string_append_printf(out,
                           ", \"auth\": \"%s\", \"learner_set\": %s, \"own_ca\": %s, \"client_certificate\": %s, "
                           "\"pinned\": %s, \"insecure\": %s, \"proxy\": %s, \"paused\": %s},\n",
                           auth[p->auth], *p->user ? "true" : "false", *p->ca_file ? "true" : "false",
                           *p->cert_file ? "true" : "false", *p->pin ? "true" : "false", p->insecure ? "true" : "false",
                           *p->proxy ? "true" : "false", p->paused ? "true" : "false");
}

static void add_number(GString *out, const char *name, double number)
{
    g_string_append_printf(out, ", \"%s\": ", name);
    aivo_json_append_number(out, number, 3);
}

static void add_quality(GString *out, const struct aivo_quality *q)
{
    if (!q) {
        g_string_append(out, "  \"quality\": null,\n");
        return;
    }
    g_string_append(out, "  \"quality\": {\"time\": ");
    aivo_json_append_time(out, q->time_ms);
    g_string_append_printf(out, ", \"level\": \"%s\", \"score\": %d", aivo_level_name(q->level), q->score);
    add_number(out, "latency_ms", q->latency_ms);
    add_number(out, "avg_latency_ms", q->avg_latency_ms);
    add_number(out, "min_latency_ms", q->min_latency_ms);
    add_number(out, "p50_ms", q->p50_ms);
    add_number(out, "p95_ms", q->p95_ms);
    add_number(out, "p99_ms", q->p99_ms);
    add_number(out, "jitter_ms", q->jitter_ms);
    add_number(out, "loss_pct", q->loss_pct);
    add_number(out, "loss_low_pct", q->loss_low_pct);
    add_number(out, "loss_high_pct", q->loss_high_pct);
    add_number(out, "uplink_loss_pct", q->uplink_loss_pct);
    add_number(out, "downlink_loss_pct", q->downlink_loss_pct);
    add_number(out, "network_ms", q->network_ms);
    add_number(out, "edge_ms", q->edge_ms);
    add_number(out, "handler_ms", q->handler_ms);
    g_string_append_printf(out,
                           ", \"stable\": %s, \"samples\": %" PRIu64 ", \"reconnects\": %" PRIu64 ", \"causes\": [",
                           !q->stable_known ? "null"
                           : q->stable      ? "true"
                                            : "false",
                           q->samples, q->reconnects);
    for (size_t i = 0; i < q->cause_count && i < AIVO_QUALITY_CAUSES; i++) {
        g_string_append_printf(out, "%s{\"cause\": \"%s\"", i ? ", " : "", aivo_cause_name(q->causes[i].cause));
        add_number(out, "points", q->causes[i].points);
        g_string_append_c(out, '}');
    }
    g_string_append(out, "]},\n");
}

char *aivo_bundle_dup_report(AivoConnection *connection)
{
    GString *out = g_string_new("{\n  \"time\": ");
    const AivoQueueFigures *queue = aivo_connection_get_queue(connection);
    struct utsname system;
    aivo_json_append_time(out, g_get_real_time() / 1000);
    g_string_append_printf(out, ",\n  \"versions\": {\"aivo\": \"%s\", \"gtk\": \"%u.%u.%u\", \"glib\": \"%u.%u.%u\"",
                           aivo_version(), gtk_get_major_version(), gtk_get_minor_version(), gtk_get_micro_version(),
                           glib_major_version, glib_minor_version, glib_micro_version);
    if (uname(&system) == 0) {
        g_string_append(out, ", \"system\": ");
        aivo_json_append_string(out, system.sysname);
        g_string_append(out, ", \"release\": ");
        aivo_json_append_string(out, system.release);
    }
    g_string_append(out, "},\n");
    add_profile(out, aivo_connection_get_profile(connection));
    g_autoptr(GEnumClass) states = g_type_class_ref(AIVO_TYPE_LINK_STATE);
    const GEnumValue *state = g_enum_get_value(states, aivo_connection_get_state(connection));
    g_string_append_printf(out, "  \"state\": \"%s\", \"since\": ", state ? state->value_nick : "unknown");
    aivo_json_append_time(out, aivo_connection_get_since(connection));
    g_string_append(out, ", \"reason\": ");
    aivo_json_append_string(out, aivo_connection_get_reason(connection));
    g_string_append(out, ",\n");
    add_quality(out, aivo_connection_get_quality(connection));
    g_string_append_printf(out,
                           "  \"queue\": {\"pending\": %" G_GUINT64_FORMAT ", \"in_flight\": %" G_GUINT64_FORMAT
                           ", \"dead\": %" G_GUINT64_FORMAT ", \"bytes\": %" G_GUINT64_FORMAT "}\n}\n",
                           queue->pending, queue->in_flight, queue->dead, queue->bytes);
    return g_string_free(out, FALSE);
}

/* --------------------------------------------------------------------- csv */

/* RFC 4180; a field that a spreadsheet might take for a formula is made text. */
static void csv_text(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    if (*text && strchr("=+-@\t\r", *text))
        g_string_append_c(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            g_string_append_c(out, '"');
        g_string_append_c(out, *p == '\n' || *p == '\r' ? ' ' : *p);
    }
    g_string_append_c(out, '"');
}

static void csv_time(GString *out, gint64 time_ms)
{
    g_autoptr(GString) quoted = g_string_new(NULL);
    aivo_json_append_time(quoted, time_ms);
    g_string_append_len(out, quoted->str + 1, (gssize)quoted->len - 2);
}

char *aivo_bundle_dup_events(AivoConnection *connection)
{
    static const char *const tones[] = {"neutral", "good", "warning", "bad"};
    GString *out = g_string_new("time,kind,tone,title,detail,count\r\n");
    GListModel *log = G_LIST_MODEL(aivo_connection_get_log(connection));
    for (guint i = 0; i < g_list_model_get_n_items(log); i++) {
        g_autoptr(AivoEvent) event = g_list_model_get_item(log, i);
        csv_time(out, aivo_event_get_time(event));
        g_string_append_printf(out, ",%s,%s,", aivo_event_kind_name(aivo_event_get_kind(event)),
                               tones[aivo_event_get_tone(event)]);
        csv_text(out, aivo_event_get_title(event));
        g_string_append_c(out, ',');
        csv_text(out, aivo_event_get_detail(event));
        g_string_append_printf(out, ",%u\r\n", aivo_event_get_count(event));
    }
    return g_string_free(out, FALSE);
}

static void csv_number(GString *out, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append_c(out, ',');
    if (isfinite(number))
        g_string_append(out, g_ascii_formatd(text, sizeof text, "%.3f", number));
}

char *aivo_bundle_dup_history(AivoConnection *connection)
{
    GString *out = g_string_new("time,span_ms,samples,min_ms,p50_ms,p95_ms,max_ms,lost,observed,worst\r\n");
    AivoQualitySeries *series = aivo_connection_get_series(connection);
    guint n = aivo_quality_series_get_n_points(series);
    for (guint i = 0; i < n; i++) {
        AivoQualityPoint point;
        if (!aivo_quality_series_get_point(series, i, &point))
            break;
        csv_time(out, point.time_ms);
        g_string_append_printf(out, ",%" G_GINT64_FORMAT ",%u", point.span_ms, point.samples);
        csv_number(out, point.min_ms);
        csv_number(out, point.p50_ms);
        csv_number(out, point.p95_ms);
        csv_number(out, point.max_ms);
        g_string_append_printf(out, ",%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT ",%s\r\n", point.lost, point.observed,
                               aivo_level_name(point.worst));
    }
    return g_string_free(out, FALSE);
}

/* -------------------------------------------------------------------- save */

static const char readme[] =
    "Support bundle of Aivo Monitor, about one connection.\n\n"
    "report.json  versions, how it connects, its state, its quality, its queue's figures\n"
    "events.csv   what happened, newest first\n"
    "history.csv  latency and loss over time, oldest first (times in UTC)\n"
    "chart.png    the chart as it was on the screen, where there was one\n\n"
    "Tokens, secrets, learners' names, queries of URLs and the content of messages are not in it.\n";

struct saving {
    GFile *file;
    char *report, *events, *history;
    GdkTexture *chart;
};

static void saving_free(struct saving *saving)
{
    g_object_unref(saving->file);
    g_free(saving->report);
    g_free(saving->events);
    g_free(saving->history);
    g_clear_object(&saving->chart);
    g_free(saving);
}

static void save_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    struct saving *saving = data;
    AivoTar *tar = aivo_tar_new();
    GError *error = NULL;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    aivo_tar_add(tar, "aivo-support/README.txt", readme, strlen(readme), now);
    aivo_tar_add(tar, "aivo-support/report.json", saving->report, strlen(saving->report), now);
    aivo_tar_add(tar, "aivo-support/events.csv", saving->events, strlen(saving->events), now);
    aivo_tar_add(tar, "aivo-support/history.csv", saving->history, strlen(saving->history), now);
    if (saving->chart) {
        g_autoptr(GBytes) png = gdk_texture_save_to_png_bytes(saving->chart);
        aivo_tar_add(tar, "aivo-support/chart.png", g_bytes_get_data(png, NULL), g_bytes_get_size(png), now);
    }
    g_autoptr(GBytes) bytes = aivo_tar_finish(tar, &error);
    if (bytes &&
        g_file_replace_contents(saving->file, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), NULL, FALSE,
                                G_FILE_CREATE_PRIVATE | G_FILE_CREATE_REPLACE_DESTINATION, NULL, cancellable, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void aivo_bundle_save_async(AivoConnection *connection, GdkTexture *chart, GFile *file, GAsyncReadyCallback done,
                            gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    struct saving *saving = g_new0(struct saving, 1);
    saving->file = g_object_ref(file);
    saving->report = aivo_bundle_dup_report(connection);
    saving->events = aivo_bundle_dup_events(connection);
    saving->history = aivo_bundle_dup_history(connection);
    saving->chart = chart ? g_object_ref(chart) : NULL;
    g_task_set_task_data(task, saving, (GDestroyNotify)saving_free);
    g_task_run_in_thread(task, save_thread);
}

gboolean aivo_bundle_save_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
