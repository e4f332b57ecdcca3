/*
 * The application under a day's load: how long until a week of history is on the screen, and whether memory stays flat
 * over many samples. Both are those of the real application, with its window, on a display; what is measured is printed
 * beside its aim.
 *   tests/gui/xvfb.sh build/dev/tests/gui/app_load [--full]     --full: 10,000 samples; otherwise 2,500
 */
#include "application.h"
#include "narrator.h"
#include "settings.h"
#include <aivo-gtk/chart.h>
#include <aivo/history.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define INTERVAL_MS 10000 /* the default */
#define WEEK        (7 * 24 * 3600 * 1000 / INTERVAL_MS)
#define TRACE_LINE  431  /* bytes of trace a probe: 64 MiB are 18 days */
#define WARM        1000 /* what is bounded is at its bound, texts have been drawn */
/* Aims. Time is told, not judged: the machine may be busy. */
#define OPEN_MS      1000
#define GROWTH_MAX   (200 * 1024) /* of 2,500 samples or of 10,000: a leak of one text a sample is more */
#define POINTS_LEAST (7 * 1440)
#define POINTS_MOST  (7 * 1440 + 2 * 360 + 60) /* minutes, and two hours of single samples */

static const char ident[] = "11111111-2222-4333-8444-555555555555";

static struct {
    AivoApplication *app;
    gboolean failed;
    int samples;
    gint64 began_us;
} run;

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* its header comes with Clang only */
static size_t heap(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

static void judge(gboolean fine, const char *what)
{
    printf("%s %s\n", fine ? "ok" : "not ok", what);
    run.failed |= !fine;
}

/* ------------------------------------------------------------------- week */

static bool no_row(void *user, const struct aivo_history_row *row)
{
    (void)user;
    (void)row;
    return false;
}

static void record_week(const char *path)
{
    struct aivo_history *history;
    const gint64 now = g_get_real_time() / 1000;
    if (aivo_history_open(path, &history, NULL) != AIVO_OK)
        g_error("no history can be made");
    for (int i = 0; i < WEEK; i++) {
        const struct aivo_quality quality = {.size = sizeof quality,
                                             .time_ms = now - (gint64)(WEEK - i) * INTERVAL_MS,
                                             .latency_ms = 20 + i % 37,
                                             .samples = (uint64_t)i + 1,
                                             .loss_samples = (uint64_t)i + 1,
                                             .level = AIVO_LEVEL_EXCELLENT};
        aivo_history_add(history, &quality);
        if (i % 4000 == 3999) /* it writes what waits */
            aivo_history_read(history, AIVO_HISTORY_HOURS, 0, 1, no_row, NULL, NULL);
    }
    aivo_history_close(history);
}

/* The trace is not shown, but it is in the file of whoever measured for a week. */
static void add_trace(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    g_autofree char *line = g_strnfill(TRACE_LINE, 'x');
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO trace (time, text) VALUES (?, ?)", -1, &statement, NULL) != SQLITE_OK)
        g_error("no trace can be made");
    for (int i = 0; i < WEEK; i++) {
        sqlite3_bind_int64(statement, 1, g_get_real_time() / 1000);
        sqlite3_bind_text(statement, 2, line, TRACE_LINE, SQLITE_STATIC);
        sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
}

static void make_week(void)
{
    g_autofree char *dir = g_build_filename(g_get_user_data_dir(), "aivo-monitor", ident, NULL);
    g_autofree char *path = g_build_filename(dir, "history.db", NULL);
    g_autofree char *config = g_build_filename(g_get_user_config_dir(), "aivo-monitor", NULL);
    g_autofree char *connections = g_build_filename(config, "connections.conf", NULL);
    /* Paused: it has its history, and no client that would add to it. */
    g_autofree char *text = g_strdup_printf("[connection %s]\nname=Week\nurl=http://127.0.0.1:1\npaused=true\n", ident);
    g_mkdir_with_parents(dir, 0700);
    g_mkdir_with_parents(config, 0700);
    record_week(path);
    add_trace(path);
    GStatBuf at;
    g_stat(path, &at);
    g_file_set_contents(connections, text, -1, NULL);
    printf("a week of history: %d samples, %.1f MB\n", WEEK, (double)at.st_size / 1e6);
}

/* ------------------------------------------------------------------ screen */

static void painted(gpointer clock, guint *frames)
{
    (void)clock;
    ++*frames;
}

/* Until so many frames were drawn; something asks for them. */
static void wait_frames(guint n)
{
    GtkWidget *window = GTK_WIDGET(gtk_application_get_active_window(GTK_APPLICATION(run.app)));
    GdkFrameClock *clock = gtk_widget_get_frame_clock(window);
    guint frames = 0;
    gulong handler = g_signal_connect(clock, "after-paint", G_CALLBACK(painted), &frames);
    while (frames < n) {
        gtk_widget_queue_draw(window);
        g_main_context_iteration(NULL, TRUE);
    }
    g_signal_handler_disconnect(clock, handler);
}

static guint points_of(AivoConnection *connection)
{
    guint n = 0;
    g_object_get(aivo_connection_get_series(connection), "n-points", &n, NULL);
    return n;
}

static AivoConnection *open_week(void)
{
    AivoConnection *connection = NULL;
    guint points = 0;
    const double window_ms = (double)(g_get_monotonic_time() - run.began_us) / 1e3;
    while (!points) {
        g_main_context_iteration(NULL, TRUE);
        connection = aivo_connection_list_find(aivo_application_get_list(run.app), ident);
        points = connection ? points_of(connection) : 0;
    }
    const double read_ms = (double)(g_get_monotonic_time() - run.began_us) / 1e3;
    wait_frames(1);
    const double ms = (double)(g_get_monotonic_time() - run.began_us) / 1e3;
    printf("from the application's start to the week on the screen: %.0f ms, %.2f x the aim of %d ms\n", ms,
           ms / OPEN_MS, OPEN_MS);
    printf("    of these until the window is made %.0f ms, until the history is read %.0f ms\n", window_ms, read_ms);
    printf("points read: %u\n", points);
    judge(points >= POINTS_LEAST && points <= POINTS_MOST, "a week is minutes, and single samples for two hours only");
    return connection;
}

/* ------------------------------------------------------------------ memory */

/* As a client tells of it. The level moves now and then, which the log has to bear as well. */
static void feed(AivoConnection *connection, int count)
{
    static gint64 time_ms;
    static uint64_t samples;
    time_ms = time_ms ? time_ms : g_get_real_time() / 1000;
    for (int i = 0; i < count; i++, samples++) {
        const enum aivo_level level = samples % 20 < 10 ? AIVO_LEVEL_EXCELLENT : AIVO_LEVEL_FAIR;
        const struct aivo_quality quality = {.size = sizeof quality,
                                             .time_ms = time_ms += INTERVAL_MS,
                                             .level = level,
                                             .score = 70,
                                             .latency_ms = 20 + (double)(samples % 400),
                                             .avg_latency_ms = 20 + (double)(samples % 50),
                                             .samples = samples + 1,
                                             .loss_samples = samples + 1};
        aivo_connection_set_quality(connection, &quality);
        if (samples % 10 == 0)
            aivo_narrate_level(connection, level == AIVO_LEVEL_FAIR ? AIVO_LEVEL_EXCELLENT : AIVO_LEVEL_FAIR, &quality);
        if (i % 100 == 99)
            wait_frames(1);
    }
}

static GtkWidget *find_chart(GtkWidget *widget)
{
    if (AIVO_IS_QUALITY_CHART(widget))
        return widget;
    GtkWidget *found = NULL;
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child && !found;
         child = gtk_widget_get_next_sibling(child))
        found = find_chart(child);
    return found;
}

static void measure_memory(AivoConnection *connection)
{
    GtkWidget *chart = find_chart(GTK_WIDGET(gtk_application_get_active_window(GTK_APPLICATION(run.app))));
    aivo_quality_chart_set_span(AIVO_QUALITY_CHART(chart), 900); /* as most of the time */
    /* What is bounded is brought to its bound first. */
    for (int i = 0; i < AIVO_EVENT_LOG_MAX; i++) {
        g_autofree char *detail = g_strdup_printf("number %d, with some words as they come", i);
        aivo_connection_log(connection, AIVO_EVENT_NOTICE, AIVO_TONE_NEUTRAL, "Before", detail);
    }
    aivo_connection_set_state(connection, AIVO_LINK_CONNECTED, NULL);
    feed(connection, WARM);
    malloc_trim(0);
    const size_t before = heap();
    const gint64 began = g_get_monotonic_time();
    feed(connection, run.samples);
    malloc_trim(0);
    const gint64 growth = (gint64)heap() - (gint64)before;
    printf("live heap: %.2f MB, after %d samples more %+.1f KB (aim: %d at most); %.0f us a sample\n",
           (double)before / 1e6, run.samples, (double)growth / 1e3, GROWTH_MAX / 1000,
           (double)(g_get_monotonic_time() - began) / run.samples);
    judge(growth <= GROWTH_MAX, "memory is flat over many samples");
}

static gboolean work(gpointer user)
{
    (void)user;
    AivoConnection *connection = open_week();
    measure_memory(connection);
    aivo_application_quit(run.app);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
    run.samples = argc > 1 && strcmp(argv[1], "--full") == 0 ? 10000 : 2500;
    setvbuf(stdout, NULL, _IOLBF, 0);
    g_setenv("GSETTINGS_SCHEMA_DIR", AIVO_SCHEMA_DIR, TRUE);
    make_week();
    g_autoptr(GSettings) settings = aivo_settings_open();
    g_settings_set_uint(settings, "chart-span", 7 * 24 * 3600);
    g_settings_set_boolean(settings, "background", FALSE);
    run.began_us = g_get_monotonic_time();
    g_autoptr(AivoApplication) app = aivo_application_new(settings);
    run.app = app;
    g_timeout_add(0, work, NULL);
    int status = g_application_run(G_APPLICATION(app), 1, argv);
    return status || run.failed ? 1 : 0;
}
