/* What aivo-monitor keeps on disk, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "event-file.h"
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

#define DAY_MS (24 * G_GINT64_CONSTANT(3600000))

/* A program's run: the file read into a new log, and what is added to that written. */
struct run {
    AivoEventLog *log;
    AivoEventFile *file;
    char *notice;
};

static struct run begin(const char *path, guint days)
{
    struct run run = {.log = aivo_event_log_new()};
    run.file = aivo_event_file_new(path, run.log);
    g_autoptr(GPtrArray) events = aivo_event_file_read(run.file, days, &run.notice);
    if (events)
        aivo_event_log_add_old(run.log, events);
    return run;
}

static void end(struct run *run)
{
    aivo_event_file_flush(run->file);
    aivo_event_file_detach(run->file);
    aivo_event_file_unref(run->file);
    g_object_unref(run->log);
    g_free(run->notice);
}

static guint length(const struct run *run)
{
    return g_list_model_get_n_items(G_LIST_MODEL(run->log));
}

static AivoEvent *event_at(const struct run *run, guint position)
{
    return g_list_model_get_item(G_LIST_MODEL(run->log), position);
}

static void add(struct run *run, gint64 time_ms, const char *title, const char *detail)
{
    aivo_event_log_add(run->log, time_ms, AIVO_EVENT_DROP, AIVO_TONE_BAD, title, detail);
}

/* Events outlive the program, with what came again counted, whatever is in their texts; what was added before the file
 * was read comes after what is in it; clearing clears the file. */
static void test_events_survive(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sub", "events.log", NULL);
    const gint64 now = g_get_real_time() / 1000;
    struct run run = begin(path, 30);
    add(&run, now, "Connection lost", "tab\there, line\nbreak, back\\slash, ü “x”");
    add(&run, now + 1, "Reconnected", NULL);
    add(&run, now + 2, "Reconnected", NULL);
    aivo_event_file_flush(run.file);
    add(&run, now + 3, "Reconnected", NULL);
    end(&run);
    run = begin(path, 30);
    assert_null(run.notice);
    assert_int_equal(length(&run), 2);
    g_autoptr(AivoEvent) newest = event_at(&run, 0), oldest = event_at(&run, 1);
    assert_string_equal(aivo_event_get_title(newest), "Reconnected");
    assert_int_equal(aivo_event_get_count(newest), 3);
    assert_true(aivo_event_get_time(newest) == now + 3);
    assert_string_equal(aivo_event_get_detail(oldest), "tab\there, line\nbreak, back\\slash, ü “x”");
    assert_int_equal(aivo_event_get_kind(oldest), AIVO_EVENT_DROP);
    assert_int_equal(aivo_event_get_tone(oldest), AIVO_TONE_BAD);
    aivo_event_log_clear(run.log);
    add(&run, now + 4, "After", NULL);
    end(&run);
    run = begin(path, 30);
    assert_int_equal(length(&run), 1);
    aivo_event_file_delete(run.file);
    add(&run, now + 5, "Nowhere", NULL);
    end(&run);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_autofree char *sub = g_path_get_dirname(path);
    remove_dir(sub);
    remove_dir(dir);
}

/* The file is bounded by number and by age: at the reading, by pruning, and while it is written. */
static void test_events_bounded(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "events.log", NULL);
    const gint64 now = g_get_real_time() / 1000;
    struct run run = begin(path, 30);
    for (int i = 0; i < 10 * AIVO_EVENT_FILE_KEEP; i++) {
        g_autofree char *title = g_strdup_printf("event %d", i);
        add(&run, now - 10 * DAY_MS + i * (DAY_MS / AIVO_EVENT_FILE_KEEP), title, NULL);
        if (i % 100 == 0)
            aivo_event_file_flush(run.file);
    }
    end(&run);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    guint lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_in_range(lines, AIVO_EVENT_FILE_KEEP, 2 * AIVO_EVENT_FILE_KEEP + 1);
    run = begin(path, 30);
    assert_int_equal(length(&run), AIVO_EVENT_FILE_KEEP);
    g_autoptr(AivoEvent) newest = event_at(&run, 0);
    assert_string_equal(aivo_event_get_title(newest), "event 9999");
    add(&run, now - DAY_MS / 2, "in the middle", NULL);
    aivo_event_file_flush(run.file);
    aivo_event_file_prune(run.file, 1);
    end(&run);
    run = begin(path, 1);
    assert_in_range(length(&run), AIVO_EVENT_FILE_KEEP - 2, AIVO_EVENT_FILE_KEEP);
    end(&run);
    run = begin(path, 0);
    assert_int_equal(length(&run), 0);
    end(&run);
    remove_dir(dir);
}

/* A file that ends in half a line (the program was killed, the disk was full) has lost that line and nothing else, and
 * what is added next is whole. Anything else that makes no sense is put aside, and said. */
static void test_events_damaged(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "no such file\n",
        "aivo-monitor events 1\nnonsense\n",
        "aivo-monitor events 1\n=\t5\n",
        "aivo-monitor events 1\n5\tdrop\t3\t0\ttitle\t\n",
        "aivo-monitor events 1\n5\tdrop\t9\t1\ttitle\t\n",
        "aivo-monitor events 1\n5\tdrip\t3\t1\ttitle\t\n",
        "aivo-monitor events 1\n-5\tdrop\t3\t1\ttitle\t\n",
        "aivo-monitor events 1\n5\tdrop\t3\t1\ttitle\t\\377\n",
        "aivo-monitor events 2\n",
    };
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "events.log", NULL);
    const gint64 now = g_get_real_time() / 1000;
    g_autofree char *torn = g_strdup_printf(
        "aivo-monitor events 1\n%" G_GINT64_FORMAT "\tdrop\t3\t1\tKept\t\n%" G_GINT64_FORMAT "\tdro", now, now);
    assert_true(g_file_set_contents(path, torn, -1, NULL));
    struct run run = begin(path, 30);
    assert_null(run.notice);
    assert_int_equal(length(&run), 1);
    add(&run, now + 1, "Added", NULL);
    end(&run);
    run = begin(path, 30);
    assert_null(run.notice);
    assert_int_equal(length(&run), 2);
    end(&run);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_true(g_file_set_contents(path, bad[i], -1, NULL));
        run = begin(path, 30);
        if (!run.notice || !strstr(run.notice, "put aside"))
            fail_msg("%s: %s", bad[i], run.notice ? run.notice : "no notice");
        add(&run, now, "Anew", NULL);
        end(&run);
        run = begin(path, 30);
        assert_null(run.notice);
        assert_int_equal(length(&run), 1);
        end(&run);
    }
    remove_dir(dir);
}

/* Nothing that looks like a credential reaches the disk, wherever in a text it comes. */
static void test_events_hold_no_secrets(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "refused: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2VjcmV0LXRoYXQ is not valid",
        "cannot open https://host/socket.io/?EIO=4&token=c2VjcmV0LXRoYXQ&x=1",
        "proxy http://user:c2VjcmV0LXRoYXQ@proxy.example:3128 refused",
        "Authorization: Bearer c2VjcmV0LXRoYXQ",
    };
    g_autofree char *dir = g_dir_make_tmp("aivo-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "events.log", NULL);
    g_autofree char *text = NULL;
    struct run run = begin(path, 30);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        add(&run, g_get_real_time() / 1000, texts[i], "one");
        add(&run, g_get_real_time() / 1000, "two", texts[i]);
    }
    end(&run);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_null(strstr(text, "c2VjcmV0"));
    run = begin(path, 30);
    assert_int_equal(length(&run), 8);
    g_autoptr(AivoEvent) event = event_at(&run, 4);
    assert_string_equal(aivo_event_get_detail(event), "cannot open https://host/socket.io/?EIO=…&token=…&x=…");
    end(&run);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_kept),           cmocka_unit_test(test_events_survive),
        cmocka_unit_test(test_events_bounded),         cmocka_unit_test(test_events_damaged),
        cmocka_unit_test(test_events_hold_no_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
