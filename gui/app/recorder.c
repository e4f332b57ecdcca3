#include "recorder.h"
#include "profile-store.h"
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define MINUTE_MS  (G_GINT64_CONSTANT(60) * 1000)
#define DAY_MS     (24 * 60 * MINUTE_MS)
#define WEEK_MS    (7 * DAY_MS)
#define SAMPLES_MS (120 * MINUTE_MS)
#define POINTS_MAX 16000 /* a series' capacity, and no more is ever read */

struct _AivoRecorder {
    gatomicrefcount refs;
    GMutex lock;
    char *path;
    struct aivo_history *history;
    gboolean tried;
};

AivoRecorder *aivo_recorder_new(const char *path)
{
    AivoRecorder *recorder = g_new0(AivoRecorder, 1);
    g_atomic_ref_count_init(&recorder->refs);
    g_mutex_init(&recorder->lock);
    recorder->path = g_strdup(path);
    return recorder;
}

AivoRecorder *aivo_recorder_ref(AivoRecorder *recorder)
{
    g_atomic_ref_count_inc(&recorder->refs);
    return recorder;
}

static void close_now(AivoRecorder *recorder)
{
    aivo_history_close(recorder->history);
    g_mutex_clear(&recorder->lock);
    g_free(recorder->path);
    g_free(recorder);
}

static void close_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    close_now(data);
    g_task_return_boolean(task, TRUE);
}

void aivo_recorder_unref_in_worker(AivoRecorder *recorder)
{
    if (recorder && g_atomic_ref_count_dec(&recorder->refs))
        close_now(recorder);
}

void aivo_recorder_unref(AivoRecorder *recorder)
{
    if (!recorder || !g_atomic_ref_count_dec(&recorder->refs))
        return;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
    g_task_set_task_data(task, recorder, NULL);
    g_task_run_in_thread(task, close_thread);
}

static void open_locked(AivoRecorder *recorder, char **notice)
{
    struct aivo_error error = {0};
    g_autofree char *dir = g_path_get_dirname(recorder->path);
    g_mkdir_with_parents(dir, 0700);
    enum aivo_status status = aivo_history_open(recorder->path, &recorder->history, &error);
    if (status == AIVO_OK)
        return;
    g_autofree char *aside = NULL;
    if (status == AIVO_E_STORE || status == AIVO_E_CORRUPT)
        aside = aivo_put_aside(recorder->path);
    if (aside && aivo_history_open(recorder->path, &recorder->history, NULL) == AIVO_OK)
        *notice = g_strdup_printf(_("The history was damaged: it was put aside as %s, and a new one begins (%s)"),
                                  aside, error.message);
    else
        *notice = g_strdup_printf(_("No history is kept: %s"), error.message);
    if (aside && !recorder->history) /* it was not the file: the disk is full, or the like */
        g_rename(aside, recorder->path);
}

struct aivo_history *aivo_recorder_open(AivoRecorder *recorder, char **notice)
{
    g_mutex_lock(&recorder->lock);
    if (!recorder->tried) {
        recorder->tried = TRUE;
        open_locked(recorder, notice);
    }
    g_mutex_unlock(&recorder->lock);
    return recorder->history;
}

/* ---------------------------------------------------------------- reading */

struct reading {
    GArray *points;
    gint64 span_ms;
};

static bool add_row(void *user, const struct aivo_history_row *row)
{
    struct reading *reading = user;
    AivoQualityPoint point = {.time_ms = row->time_ms,
                              .span_ms = reading->span_ms,
                              .min_ms = row->min_ms,
                              .p50_ms = row->p50_ms,
                              .p95_ms = row->p95_ms,
                              .max_ms = row->max_ms,
                              .lost = row->lost,
                              .observed = row->loss_samples,
                              .samples = MAX(row->samples, 1),
                              .worst = row->worst};
    g_array_append_val(reading->points, point);
    return reading->points->len < POINTS_MAX;
}

GArray *aivo_recorder_read_week(AivoRecorder *recorder, guint days, gint64 now_ms)
{
    if (!recorder->history)
        return NULL;
    struct reading reading = {.points = g_array_new(FALSE, FALSE, sizeof(AivoQualityPoint)), .span_ms = MINUTE_MS};
    gint64 border = (now_ms - SAMPLES_MS) / MINUTE_MS * MINUTE_MS;
    gint64 from = MAX(now_ms - WEEK_MS, aivo_recorder_border(days, now_ms));
    aivo_history_read(recorder->history, AIVO_HISTORY_MINUTES, from, border, add_row, &reading, NULL);
    reading.span_ms = 0;
    aivo_history_read(recorder->history, AIVO_HISTORY_SAMPLES, border, now_ms + 1, add_row, &reading, NULL);
    return reading.points;
}

/* ---------------------------------------------------------------- pruning */

gint64 aivo_recorder_border(guint days, gint64 now_ms)
{
    return days ? now_ms - days * DAY_MS : G_MAXINT64;
}

struct pruning {
    AivoRecorder *recorder; /* a reference */
    guint days;
};

static void prune_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    (void)source;
    (void)cancellable;
    struct pruning *pruning = data;
    struct aivo_error error = {0};
    g_autofree char *notice = NULL;
    AivoRecorder *recorder = g_steal_pointer(&pruning->recorder);
    enum aivo_status status = AIVO_OK;
    if (g_file_test(recorder->path, G_FILE_TEST_EXISTS)) {
        struct aivo_history *history = aivo_recorder_open(recorder, &notice);
        if (history)
            status = aivo_history_prune(history, aivo_recorder_border(pruning->days, g_get_real_time() / 1000), NULL,
                                        &error);
    }
    aivo_recorder_unref_in_worker(recorder);
    if (notice || status != AIVO_OK)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", notice ? notice : error.message);
    else
        g_task_return_boolean(task, TRUE);
}

void aivo_recorder_prune_async(AivoRecorder *recorder, guint days, GAsyncReadyCallback done, gpointer user)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, user);
    struct pruning *pruning = g_new0(struct pruning, 1);
    pruning->recorder = aivo_recorder_ref(recorder);
    pruning->days = days;
    g_task_set_task_data(task, pruning, g_free);
    g_task_run_in_thread(task, prune_thread);
}

gboolean aivo_recorder_prune_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
