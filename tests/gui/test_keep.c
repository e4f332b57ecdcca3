/* What aivo-monitor keeps on disk, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder.h"
#include <glib/gstdio.h>
#include <string.h>

static void remove_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

struct end {
    GMainLoop *loop;
    char *problem; /* NULL: none */
};

static void pruned(GObject *source, GAsyncResult *result, gpointer user)
{
    (void)source;
    struct end *end = user;
    g_autoptr(GError) error = NULL;
    if (!aivo_recorder_prune_finish(result, &error))
        end->problem = g_strdup(error->message);
    g_main_loop_quit(end->loop);
}

static void prune(AivoRecorder *recorder, guint days, char **problem)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    struct end end = {.loop = loop};
    aivo_recorder_prune_async(recorder, days, pruned, &end);
    g_main_loop_run(loop);
    *problem = end.problem;
}

static guint minutes_read(AivoRecorder *recorder, guint days)
{
    g_autoptr(GArray) points = aivo_recorder_read_week(recorder, days, g_get_real_time() / 1000);
    return points ? points->len : 0;
}

/* A history of three days, of which one is kept: so much is read before it is pruned as well, and afterwards there is
 * no more. Zero days are nothing. A file that is not there is not made, a damaged one is put aside, and said. */
static void test_history_kept(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "history.db", NULL);
    g_autofree char *problem = NULL, *notice = NULL, *damage = NULL;
    AivoRecorder *recorder = aivo_recorder_new(path);
    prune(recorder, 7, &problem);
    assert_null(problem);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    struct aivo_history *history = aivo_recorder_open(recorder, &notice);
    assert_non_null(history);
    gint64 now = g_get_real_time() / 60000000 * 60000;
    for (int hour = 0; hour < 72; hour++) { /* once an hour, so that every one is a minute of its own */
        const struct aivo_quality quality = {
            .size = sizeof quality, .time_ms = now - (72 - hour) * G_GINT64_CONSTANT(3600000), .samples = 1};
        aivo_history_add(history, &quality);
    }
    assert_int_equal(minutes_read(recorder, 30), 72); /* the last two are single samples */
    assert_in_range(minutes_read(recorder, 1), 23, 25);
    prune(recorder, 1, &problem);
    assert_null(problem);
    assert_in_range(minutes_read(recorder, 30), 23, 25);
    prune(recorder, 0, &problem);
    assert_null(problem);
    assert_int_equal(minutes_read(recorder, 30), 0);
    aivo_recorder_unref_in_worker(recorder);
    assert_true(g_file_set_contents(path, "no database, but text that is long enough", -1, NULL));
    recorder = aivo_recorder_new(path);
    prune(recorder, 1, &damage);
    assert_non_null(strstr(damage, "put aside"));
    aivo_recorder_unref_in_worker(recorder);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
