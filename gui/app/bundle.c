#include "bundle.h"
#include "report.h"
#include "tar-file.h"
#include <aivo/aivo.h>
#include <cjson/cJSON.h>
#include <gtk/gtk.h>
#include <string.h>
#include <sys/utsname.h>

char *aivo_bundle_dup_file_name(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    return g_date_time_format(now, "aivo-support-%Y%m%d-%H%M%S.tar.gz");
}

/* ------------------------------------------------------------------ report */

/* cJSON leaves out what it has no memory for; GLib, which the rest of this is made with, ends the process then. */
static void add_text(cJSON *object, const char *name, const char *text)
{
    g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;
    cJSON_AddItemToObject(object, name, valid ? cJSON_CreateString(valid) : cJSON_CreateNull());
}

static void add_time(cJSON *object, const char *name, gint64 time_ms)
{
    char text[AIVO_RENDER_TIME_MAX];
    aivo_render_time(time_ms, text);
    add_text(object, name, time_ms ? text : NULL);
}

static void add_versions(cJSON *report)
{
    cJSON *versions = cJSON_AddObjectToObject(report, "versions");
    g_autofree char *gtk =
        g_strdup_printf("%u.%u.%u", gtk_get_major_version(), gtk_get_minor_version(), gtk_get_micro_version());
    g_autofree char *glib = g_strdup_printf("%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
    struct utsname system;
    add_text(versions, "aivo", aivo_version());
    add_text(versions, "gtk", gtk);
    add_text(versions, "glib", glib);
    if (uname(&system) == 0) {
        add_text(versions, "system", system.sysname);
        add_text(versions, "release", system.release);
    }
}

/* Texts that were typed or came from outside may hold a token in a URL's query or a path; those parts are not written:
 * the URL goes without its query, the learner, files and proxies only as "set" or not. */
static void add_profile(cJSON *report, const AivoProfile *p)
{
    static const char *const auth[] = {"none", "token", "signed"};
    cJSON *profile = cJSON_AddObjectToObject(report, "profile");
    g_autofree char *url = aivo_profile_public_url(p);
    add_text(profile, "url", url);
    add_text(profile, "protocol", p->plain_websocket ? "websocket" : "socketio");
    add_text(profile, "namespace", *p->nsp ? p->nsp : "/");
    add_text(profile, "path", *p->path ? p->path : NULL);
    add_text(profile, "auth", auth[p->auth]);
    cJSON_AddBoolToObject(profile, "learner_set", *p->user != '\0');
    cJSON_AddBoolToObject(profile, "own_ca", *p->ca_file != '\0');
    cJSON_AddBoolToObject(profile, "client_certificate", *p->cert_file != '\0');
    cJSON_AddBoolToObject(profile, "pinned", *p->pin != '\0');
    cJSON_AddBoolToObject(profile, "insecure", p->insecure);
    cJSON_AddBoolToObject(profile, "proxy", *p->proxy != '\0');
    cJSON_AddBoolToObject(profile, "paused", p->paused);
}

/* The snapshot as every program of ours writes it. The latest one may be from before the connection went: what it is
 * worth now, the connection says. */
static void add_quality(cJSON *report, AivoConnection *connection)
{
    const struct aivo_quality *quality = aivo_connection_get_quality(connection);
    if (!quality) {
        cJSON_AddNullToObject(report, "quality");
        return;
    }
    g_autofree char *url = aivo_profile_public_url(aivo_connection_get_profile(connection));
    struct cli_snapshot snapshot = {.quality = *quality, .url = url};
    snapshot.state = (enum aivo_state)aivo_connection_get_state(connection);
    if (snapshot.state != AIVO_STATE_CONNECTED) {
        snapshot.quality.level = AIVO_LEVEL_OFFLINE;
        snapshot.quality.score = 0;
        snapshot.quality.cause_count = 0;
    }
    char *text = cli_snapshot_json(&snapshot);
    cJSON_AddRawToObject(report, "quality", text);
    cJSON_free(text);
}

static void add_queue(cJSON *report, const AivoQueueFigures *queue)
{
    const struct {
        const char *name;
        guint64 count;
    } figures[] = {
        {"pending", queue->pending}, {"in_flight", queue->in_flight}, {"dead", queue->dead}, {"bytes", queue->bytes}};
    cJSON *object = cJSON_AddObjectToObject(report, "queue");
    for (size_t i = 0; i < G_N_ELEMENTS(figures); i++)
        cJSON_AddItemToObject(object, figures[i].name,
                              queue->known ? cJSON_CreateNumber((double)figures[i].count) : cJSON_CreateNull());
}

char *aivo_bundle_dup_report(AivoConnection *connection)
{
    cJSON *report = cJSON_CreateObject();
    add_time(report, "time", g_get_real_time() / 1000);
    add_versions(report);
    add_profile(report, aivo_connection_get_profile(connection));
    add_text(report, "state", aivo_state_name((enum aivo_state)aivo_connection_get_state(connection)));
    add_time(report, "since", aivo_connection_get_since(connection));
    add_text(report, "reason", aivo_connection_get_reason(connection));
    add_quality(report, connection);
    add_queue(report, aivo_connection_get_queue(connection));
    char *text = cJSON_Print(report);
    cJSON_Delete(report);
    if (!text)
        g_error("out of memory");
    return text; /* malloc()'s memory, which is g_malloc()'s as well */
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
    char text[AIVO_RENDER_TIME_MAX];
    aivo_render_time(time_ms, text);
    g_string_append(out, text);
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
    char text[AIVO_RENDER_FIGURE_MAX];
    g_string_append_printf(out, ",%s", cli_figure_csv(number, text));
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
