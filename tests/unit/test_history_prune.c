/* aivo_history_prune(): what goes, what stays, and what else happens to the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "history.h"
#include "history_file.h"
#include "history_rig.h"
#include "quality_trace.h"
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct aivo_history_file *open_file(void)
{
    struct aivo_history_file *f;
    struct aivo_error error;
    if (aivo_history_file_open(path, true, &f, &error) != AIVO_OK)
        fail_msg("%s", error.message);
    return f;
}

/* Every step of it; how many rows went. */
static uint64_t prune_file(struct aivo_history_file *f, int64_t before_ms, bool recording)
{
    struct aivo_history_pruning pruning = {.before_ms = before_ms, .recording = recording};
    struct aivo_error error;
    for (bool done = false; !done;)
        if (aivo_history_file_prune(f, &pruning, &done, &error) != AIVO_OK)
            fail_msg("%s", error.message);
    return pruning.rows;
}

struct seen {
    uint64_t rows;
    int64_t first_ms;
};

static bool see(void *user, const struct aivo_history_row *row)
{
    struct seen *seen = user;
    if (!seen->rows++)
        seen->first_ms = row->time_ms;
    return true;
}

static struct seen look(struct aivo_history_file *f, enum aivo_history_span span)
{
    struct seen seen = {0};
    assert_int_equal(aivo_history_file_read(f, span, 0, INT64_MAX, see, &seen, NULL), AIVO_OK);
    return seen;
}

/* Samples every ten seconds for so long, until end. */
static void fill(struct aivo_history_file *f, int64_t end, int64_t length)
{
    static struct aivo_history_sample batch[360];
    for (int64_t at = end - length; at < end; at += HOUR) {
        for (int i = 0; i < 360; i++)
            batch[i] = (struct aivo_history_sample){
                .time_ms = at + i * INT64_C(10000), .latency_ms = 20 + i % 7, .level = AIVO_LEVEL_EXCELLENT};
        assert_int_equal(aivo_history_file_write(f, batch, 360, NULL, 0, at + HOUR, NULL), AIVO_OK);
    }
}

static int64_t file_size(void)
{
    struct stat at;
    assert_int_equal(stat(path, &at), 0);
    return at.st_size;
}

/* A border in the middle of an hour and of a minute: the sample exactly on it stays, the one before it goes, the minute
 * and the hour that reach past it stay, those that ended on or before it go. A second time there is nothing to do. */
static void test_boundary(void **state)
{
    (void)state;
    struct aivo_history_file *f = open_file();
    fill(f, BEGIN, 6 * HOUR);
    const int64_t border = BEGIN - 3 * HOUR + 30 * MINUTE + 20000;
    const uint64_t before =
        look(f, AIVO_HISTORY_SAMPLES).rows + look(f, AIVO_HISTORY_MINUTES).rows + look(f, AIVO_HISTORY_HOURS).rows;
    uint64_t gone = prune_file(f, border, true);
    struct seen samples = look(f, AIVO_HISTORY_SAMPLES), minutes = look(f, AIVO_HISTORY_MINUTES),
                hours = look(f, AIVO_HISTORY_HOURS);
    assert_true(samples.first_ms == border);
    assert_true(minutes.first_ms == border - 20000);
    assert_true(hours.first_ms == BEGIN - 3 * HOUR);
    assert_true(gone == before - samples.rows - minutes.rows - hours.rows && gone > 0);
    assert_true(prune_file(f, border, true) == 0);
    /* Exactly at a minute's end: the minute that ended then goes, the one that begins then stays. */
    prune_file(f, border + 40000, true);
    assert_true(look(f, AIVO_HISTORY_MINUTES).first_ms == border + 40000);
    prune_file(f, BEGIN - 2 * HOUR, true);
    assert_true(look(f, AIVO_HISTORY_HOURS).first_ms == BEGIN - 2 * HOUR);
    /* What is rolled up again after that does not bring anything back. */
    fill(f, BEGIN + HOUR, HOUR);
    assert_true(look(f, AIVO_HISTORY_HOURS).first_ms == BEGIN - 2 * HOUR);
    assert_true(look(f, AIVO_HISTORY_HOURS).rows == 3);
    assert_true(prune_file(f, INT64_MIN, true) == 0);
    prune_file(f, INT64_MAX, true);
    assert_true(look(f, AIVO_HISTORY_SAMPLES).rows + look(f, AIVO_HISTORY_MINUTES).rows == 0);
    assert_true(look(f, AIVO_HISTORY_HOURS).rows == 0);
    aivo_history_file_close(f);
}

/* Days go: the file gets smaller. In one that an earlier version made (without the trace's time as well) it does
 * not grow when as much is written again. */
static void test_space(void **state)
{
    (void)state;
    static const char old[] = "PRAGMA application_id = 1098279025; PRAGMA journal_mode = WAL; CREATE TABLE trace"
                              " (number INTEGER PRIMARY KEY, text TEXT NOT NULL);";
    for (int round = 0; round < 2; round++) {
        sqlite3 *db;
        if (round == 1) {
            assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, old, NULL, NULL, NULL), SQLITE_OK);
            sqlite3_close(db);
        }
        struct aivo_history_file *f = open_file();
        fill(f, BEGIN, 3 * DAY);
        aivo_history_file_close(f);
        int64_t full = file_size();
        f = open_file();
        assert_true(prune_file(f, BEGIN - HOUR, false) > 3000);
        aivo_history_file_close(f);
        if (round == 0)
            assert_true(file_size() < full / 4);
        f = open_file();
        fill(f, BEGIN + 3 * DAY, 3 * DAY);
        aivo_history_file_close(f);
        assert_true(file_size() <= full + full / 20);
        remove_path(NULL);
    }
}

/* A run's trace: its beginning and what was called, to be put together with others. */
static void add_run(struct aivo_history_file *f, int64_t at_ms, const char *more)
{
    char text[2 * AIVO_TRACE_LINE_MAX];
    const struct aivo_quality_options options = {
        .enabled = true, .interval_ms = 10000, .timeout_ms = 5000, .thresholds = {100, 250, 500}, .window = 10};
    size_t len = aivo_trace_begin(&options, text);
    len += (size_t)snprintf(text + len, sizeof text - len, "C %d 0 0 0\n%s", (int)(at_ms % 1000), more);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, text, len, at_ms, NULL), AIVO_OK);
}

struct text {
    char all[8192];
    size_t len, pieces;
};

static bool gather(void *user, const char *text, size_t len)
{
    struct text *t = user;
    t->pieces++;
    if (t->len + len < sizeof t->all) {
        memcpy(t->all + t->len, text, len);
        t->len += len;
        t->all[t->len] = '\0';
    }
    return true;
}

static struct text trace_of(struct aivo_history_file *f)
{
    struct text t = {.len = 0};
    assert_int_equal(aivo_history_file_trace(f, gather, &t, NULL), AIVO_OK);
    return t;
}

/* Of the trace whole runs go, and only those that ended before the border: what is left can be replayed. The newest
 * stays while it is recorded, however old its end; two that came in one piece are two. */
static void test_trace(void **state)
{
    (void)state;
    struct aivo_history_file *f = open_file();
    add_run(f, BEGIN + 1, "");
    add_run(f, BEGIN + 2, "");
    assert_int_equal(aivo_history_file_write(f, NULL, 0, "T 500 0 0 0\n", 12, BEGIN + DAY, NULL), AIVO_OK);
    add_run(f, BEGIN + 2 * DAY + 3, "");
    prune_file(f, BEGIN + HOUR, true); /* the second run reaches past it */
    assert_int_equal(trace_of(f).pieces, 3);
    assert_null(strstr(trace_of(f).all, "C 1 "));
    assert_non_null(strstr(trace_of(f).all, "C 2 "));
    assert_int_equal(aivo_replay(path, NULL, NULL, NULL), AIVO_OK);
    prune_file(f, BEGIN + 30 * DAY, true);
    assert_int_equal(trace_of(f).pieces, 1);
    assert_non_null(strstr(trace_of(f).all, "C 3 "));
    assert_int_equal(aivo_replay(path, NULL, NULL, NULL), AIVO_OK);
    prune_file(f, BEGIN + 30 * DAY, false);
    assert_int_equal(trace_of(f).pieces, 0);
    add_run(f, BEGIN + 4, "I 1 1 10000 5000 1 0x1.9p+6 0x1.f4p+7 0x1.f4p+8 0 10\nC 5 0 0 0\n");
    prune_file(f, INT64_MAX, true);
    assert_null(strstr(trace_of(f).all, "C 4 "));
    assert_non_null(strstr(trace_of(f).all, "C 5 "));
    aivo_history_file_close(f);
}

/* A trace that was full and has room again goes on with the next run, not in the middle of the one that has a gap. */
static void test_trace_gap(void **state)
{
    (void)state;
    enum { PIECE = 8 << 20 };
    struct aivo_history_file *f = open_file();
    char *piece = malloc(PIECE);
    assert_non_null(piece);
    memset(piece, '\n', PIECE); /* empty lines are as good as any here */
    add_run(f, BEGIN, "");
    for (int i = 0; i < 8; i++)
        assert_int_equal(aivo_history_file_write(f, NULL, 0, piece, PIECE, BEGIN, NULL), AIVO_OK);
    free(piece);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, "T 7 0 0 0\n", 10, BEGIN + 1, NULL), AIVO_OK); /* full */
    prune_file(f, INT64_MAX, false);
    assert_int_equal(trace_of(f).pieces, 0);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, "T 8 0 0 0\n", 10, BEGIN + 2, NULL), AIVO_OK);
    assert_int_equal(trace_of(f).pieces, 0);
    add_run(f, BEGIN + 9, "");
    assert_int_equal(aivo_history_file_write(f, NULL, 0, "T 10 0 0 0\n", 11, BEGIN + 10, NULL), AIVO_OK);
    assert_int_equal(trace_of(f).pieces, 2);
    aivo_history_file_close(f);
    assert_int_equal(aivo_replay(path, NULL, NULL, NULL), AIVO_OK);
}

/* A program dies between two steps and inside one: what it had deleted is gone, the rest is whole, and another one
 * finishes it. */
static void test_killed(void **state)
{
    (void)state;
    struct aivo_history_file *f = open_file();
    fill(f, BEGIN, 2 * DAY);
    aivo_history_file_close(f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct aivo_history_pruning pruning = {.before_ms = BEGIN};
        bool done = false;
        sqlite3 *db;
        if (aivo_history_file_open(path, true, &f, NULL) != AIVO_OK ||
            aivo_history_file_prune(f, &pruning, &done, NULL) != AIVO_OK || done ||
            sqlite3_open(path, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN IMMEDIATE; DELETE FROM hour", NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        _exit(0);
    }
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
    f = open_file();
    assert_true(look(f, AIVO_HISTORY_HOURS).rows == 0 && look(f, AIVO_HISTORY_MINUTES).rows == 2 * 1440 - 2000);
    assert_true(prune_file(f, BEGIN, false) > 800);
    assert_true(look(f, AIVO_HISTORY_MINUTES).rows == 0);
    aivo_history_file_close(f);
}

struct beside {
    struct aivo_history *history;
    uint64_t rows, pruned;
};

static bool prune_meanwhile(void *user, const struct aivo_history_row *row)
{
    struct beside *beside = user;
    (void)row;
    if (beside->rows++ == 3)
        assert_int_equal(aivo_history_prune(beside->history, INT64_MAX, &beside->pruned, NULL), AIVO_OK);
    return true;
}

/* Somebody else reads while it is pruned: the reader gets everything that was there when it began, and the next one
 * nothing. What waited to be written is pruned as well. A reader cannot prune. */
static void test_reader_beside(void **state)
{
    (void)state;
    struct aivo_history *reader;
    struct aivo_error error;
    struct beside beside = {0};
    const int64_t now = (int64_t)time(NULL) * 1000 / MINUTE * MINUTE;
    struct aivo_history_file *f = open_file();
    fill(f, now / HOUR * HOUR, 10 * HOUR);
    aivo_history_file_close(f);
    assert_int_equal(aivo_history_open(path, &beside.history, &error), AIVO_OK);
    assert_int_equal(aivo_history_open_reader(path, &reader, &error), AIVO_OK);
    assert_int_equal(aivo_history_prune(reader, 0, NULL, &error), AIVO_E_INVALID);
    assert_int_equal(aivo_history_prune(NULL, 0, NULL, NULL), AIVO_E_INVALID);
    struct aivo_quality q = {.size = sizeof q, .time_ms = now, .latency_ms = 1, .samples = 1};
    aivo_history_add(beside.history, &q);
    assert_int_equal(aivo_history_read(reader, AIVO_HISTORY_MINUTES, 0, INT64_MAX, prune_meanwhile, &beside, &error),
                     AIVO_OK);
    assert_true(beside.rows == 600);
    assert_true(beside.pruned >= 600 + 3600 + 10 + 1);
    struct seen after = {0};
    assert_int_equal(aivo_history_read(reader, AIVO_HISTORY_MINUTES, 0, INT64_MAX, see, &after, &error), AIVO_OK);
    assert_int_equal(aivo_history_read(reader, AIVO_HISTORY_SAMPLES, 0, INT64_MAX, see, &after, &error), AIVO_OK);
    assert_true(after.rows == 0);
    assert_int_equal(aivo_history_close(reader), AIVO_OK);
    assert_int_equal(aivo_history_close(beside.history), AIVO_OK);
}

/* A file whose pages were overwritten: said so, and no crash. */
static void test_damaged(void **state)
{
    (void)state;
    struct aivo_history *h;
    struct aivo_error error;
    uint64_t count = 7;
    struct aivo_history_file *file = open_file();
    fill(file, BEGIN, 2 * DAY);
    aivo_history_file_close(file);
    FILE *raw = fopen(path, "r+");
    assert_non_null(raw);
    assert_int_equal(fseek(raw, 9 * 4096L, SEEK_SET), 0);
    for (int64_t left = file_size() - 9 * 4096; left > 0; left--)
        fputc(0xd5, raw);
    fclose(raw);
    assert_int_equal(aivo_history_open(path, &h, &error), AIVO_OK);
    assert_int_equal(aivo_history_prune(h, INT64_MAX, &count, &error), AIVO_E_STORE);
    assert_non_null(strstr(error.message, "malformed"));
    assert_true(count == 0);
    aivo_history_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_boundary, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_space, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_trace, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_trace_gap, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_killed, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_reader_beside, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_damaged, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
