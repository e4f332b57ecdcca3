#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "history.h"
#include "history_file.h"
#include "history_rig.h"
#include "prng.h"
#include "quality_trace.h"
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct rows {
    struct aivo_history_row row[256];
    size_t count;
};

static bool collect(void *user, const struct aivo_history_row *row)
{
    struct rows *rows = user;
    rows->row[rows->count++] = *row;
    return rows->count < 256;
}

static struct rows read_rows(struct aivo_history_file *f, enum aivo_history_span span, int64_t from, int64_t to)
{
    static struct rows rows;
    rows.count = 0;
    assert_int_equal(aivo_history_file_read(f, span, from, to, collect, &rows, NULL), AIVO_OK);
    return rows;
}

static struct aivo_history_file *open_file(void)
{
    struct aivo_history_file *f;
    struct aivo_error error;
    if (aivo_history_file_open(path, true, &f, &error) != AIVO_OK)
        fail_msg("%s", error.message);
    return f;
}

/* Samples become minutes and hours once these are over: least, median, 95th percentile and most of nearest rank, sums,
 * the worst level. A lost probe counts without a latency. What is rolled up once stays, across reopening as well. */
static void test_rollups(void **state)
{
    (void)state;
    struct aivo_history_file *f = open_file();
    for (int i = 0; i < 100; i++) { /* 1 ... 100 ms in one minute, in an order of its own */
        struct aivo_history_sample s = {.time_ms = BEGIN + 500 * i,
                                        .latency_ms = (i * 37) % 100 + 1,
                                        .lost = i == 7,
                                        .loss_samples = 1,
                                        .level = i == 50 ? AIVO_LEVEL_POOR : AIVO_LEVEL_GOOD,
                                        .event = i == 50 || i == 51};
        assert_int_equal(aivo_history_file_write(f, &s, 1, NULL, 0, s.time_ms, NULL), AIVO_OK);
    }
    assert_int_equal(read_rows(f, AIVO_HISTORY_SAMPLES, BEGIN, BEGIN + MINUTE).count, 100);
    assert_int_equal(read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX).count, 0); /* it is not over */
    struct aivo_history_sample lost = {
        .time_ms = BEGIN + MINUTE, .latency_ms = (double)NAN, .lost = 1, .loss_samples = 1};
    assert_int_equal(aivo_history_file_write(f, &lost, 1, NULL, 0, BEGIN + MINUTE, NULL), AIVO_OK);
    struct rows rows = read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX);
    assert_int_equal(rows.count, 1);
    const struct aivo_history_row *row = &rows.row[0];
    assert_true(row->time_ms == BEGIN && row->samples == 100);
    assert_true(row->min_ms == 1 && row->p50_ms == 50 && row->p95_ms == 95 && row->max_ms == 100);
    assert_true(row->lost == 1 && row->loss_samples == 100 && row->events == 2 && row->worst == AIVO_LEVEL_POOR);
    aivo_history_file_close(f);
    f = open_file();
    assert_int_equal(aivo_history_file_write(f, NULL, 0, NULL, 0, BEGIN + HOUR, NULL), AIVO_OK);
    rows = read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX);
    assert_int_equal(rows.count, 2);
    assert_true(isnan(rows.row[1].p50_ms) && rows.row[1].samples == 1 && rows.row[1].worst == AIVO_LEVEL_OFFLINE);
    rows = read_rows(f, AIVO_HISTORY_HOURS, 0, INT64_MAX);
    assert_int_equal(rows.count, 1);
    assert_true(rows.row[0].samples == 101 && rows.row[0].lost == 2 && rows.row[0].p95_ms == 95);
    aivo_history_file_close(f);
}

/* The file is bounded: samples by age and by number, minutes and hours by age. */
static void test_bounds(void **state)
{
    (void)state;
    enum { BATCH = 10000 };
    struct aivo_history_file *f = open_file();
    static struct aivo_history_sample batch[BATCH];
    int64_t now = BEGIN;
    for (int round = 0; round < 11; round++) {
        for (int i = 0; i < BATCH; i++, now += 100)
            batch[i] = (struct aivo_history_sample){.time_ms = now, .latency_ms = 20, .level = AIVO_LEVEL_EXCELLENT};
        assert_int_equal(aivo_history_file_write(f, batch, BATCH, NULL, 0, now, NULL), AIVO_OK);
    }
    int64_t first = now - INT64_C(100) * AIVO_HISTORY_SAMPLES_MAX;
    assert_int_equal(read_rows(f, AIVO_HISTORY_SAMPLES, 0, first).count, 0);
    assert_int_equal(read_rows(f, AIVO_HISTORY_SAMPLES, first, first + 1).count, 1);
    assert_true(read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX).count > 100);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, NULL, 0, now + DAY, NULL), AIVO_OK);
    assert_int_equal(read_rows(f, AIVO_HISTORY_SAMPLES, 0, INT64_MAX).count, 0);
    assert_true(read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX).count > 100);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, NULL, 0, now + 31 * DAY, NULL), AIVO_OK);
    assert_int_equal(read_rows(f, AIVO_HISTORY_MINUTES, 0, INT64_MAX).count, 0);
    assert_true(read_rows(f, AIVO_HISTORY_HOURS, 0, INT64_MAX).count > 0);
    assert_int_equal(aivo_history_file_write(f, NULL, 0, NULL, 0, now + 6 * 366 * DAY, NULL), AIVO_OK);
    assert_int_equal(read_rows(f, AIVO_HISTORY_HOURS, 0, INT64_MAX).count, 0);
    aivo_history_file_close(f);
}

/* A file that is something else is refused and left as it was; so is a path that cannot be made. */
static void test_foreign_file(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database, but it is somebody's", file);
    fclose(file);
    struct aivo_history *h = NULL;
    struct aivo_error error;
    assert_int_equal(aivo_history_open(path, &h, &error), AIVO_E_STORE);
    assert_null(h);
    char text[64] = "";
    file = fopen(path, "r");
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "this is no database, but it is somebody's");
    assert_int_equal(aivo_replay(path, NULL, NULL, &error), AIVO_E_STORE);
    assert_int_equal(aivo_history_open("/nowhere/at/all", &h, &error), AIVO_E_STORE);
    assert_int_equal(aivo_replay("/nowhere/at/all", NULL, NULL, &error), AIVO_E_STORE);
    assert_int_equal(aivo_history_open("", &h, &error), AIVO_E_INVALID);
}

static struct {
    struct aivo_quality told[4000];
    size_t told_count, replayed;
} played;

/* By fields: the padding is nobody's. */
static void on_replayed(void *user, const struct aivo_quality *q)
{
    (void)user;
    const struct aivo_quality *told = &played.told[played.replayed++];
    char a[AIVO_TRACE_LINE_MAX], b[AIVO_TRACE_LINE_MAX];
    aivo_trace_told(told, 0, a);
    aivo_trace_told(q, 0, b);
    assert_string_equal(a, b);
    assert_memory_equal(&told->avg_latency_ms, &q->avg_latency_ms, sizeof q->avg_latency_ms);
}

/* A random link, recorded: with and without the kernel's counters, losses, deaths, the handler, suspends, monitoring
 * switched off and on. */
static void play(struct aivo_history *h, uint64_t seed, int turns)
{
    static struct aivo_quality_core core;
    const struct aivo_quality_options options = {.enabled = true,
                                                 .interval_ms = 300,
                                                 .timeout_ms = 5000,
                                                 .quality_ping = true,
                                                 .thresholds = {100.1, 250, 500},
                                                 .window = 10};
    struct prng r = {seed};
    struct aivo_path kernel = {.has_dsack = true, .rtt_us = 50000, .rttvar_us = 7000, .min_rtt_us = 48000};
    int64_t now = 1234567890;
    aivo_quality_init(&core, &options);
    aivo_history_attach(h, &core);
    aivo_quality_connected(&core, now);
    for (int i = 0; i < turns; i++) {
        struct aivo_quality_probe p;
        const struct aivo_path *before = prng_below(&r, 4) ? &kernel : NULL;
        now += (int64_t)prng_below(&r, prng_below(&r, 30) ? 300000 : 3000000);
        if (aivo_quality_wants_path(&core, now))
            aivo_quality_path(&core, now, &kernel);
        unsigned events = aivo_quality_tick(&core, now);
        bool sampled = false;
        while (aivo_quality_next_probe(&core, now, &p)) {
            kernel.data_segs_out++;
            if (p.ask_handler) {
                aivo_quality_handler_sent(&core, now, p.id);
                continue;
            }
            aivo_quality_probe_sent(&core, now, p.id, before);
        }
        kernel.total_retrans += !prng_below(&r, 8);
        kernel.dsack_dups += !prng_below(&r, 16);
        kernel.last_data_recv_ms = (uint32_t)prng_below(&r, 40);
        if (prng_below(&r, 10))
            sampled = aivo_quality_pong(&core, now + 1000 * (int64_t)prng_below(&r, 200), core.probe_id, before);
        const struct aivo_quality_times times = {1e12 / 3 + i, 1e12 / 3 + i, 1e12 / 7 + i};
        if (core.handler_waiting)
            aivo_quality_handler_answer(&core, now + 90000, core.handler_id, prng_below(&r, 2) ? &times : NULL);
        aivo_quality_wrote(&core, now);
        aivo_quality_app_ack(&core, now, now - 12345);
        if (!prng_below(&r, 50))
            aivo_quality_resumed(&core, now);
        if (!prng_below(&r, 70)) {
            aivo_quality_enable(&core, now, false);
            aivo_quality_enable(&core, now, true);
        }
        if (events & AIVO_QUALITY_DEAD || !prng_below(&r, 90)) {
            aivo_quality_disconnected(&core, now);
            aivo_quality_connected(&core, now);
        }
        if ((sampled || events) && played.told_count < 4000) {
            struct aivo_quality *q = &played.told[played.told_count++];
            *q = (struct aivo_quality){.time_ms = BEGIN + now / 1000};
            aivo_quality_snapshot(&core, now, q);
            aivo_history_told(h, q, now, true);
        }
        aivo_quality_heard(&core, now);
        aivo_quality_deadline(&core, now);
    }
}

/* A recorded trace, replayed, gives every snapshot again, bit for bit; two runs in one file as well. */
static void test_replay(void **state)
{
    (void)state;
    struct aivo_history *h;
    struct aivo_error error;
    played.told_count = played.replayed = 0;
    assert_int_equal(aivo_history_open(path, &h, &error), AIVO_OK);
    play(h, 5, 3000);
    play(h, 6, 500);
    assert_int_equal(aivo_history_close(h), AIVO_OK);
    assert_true(played.told_count > 500);
    if (aivo_replay(path, on_replayed, NULL, &error) != AIVO_OK)
        fail_msg("%s", error.message);
    assert_int_equal(played.replayed, played.told_count);
}

/* A trace that was tampered with, is cut off in a line, or is no trace at all: refused with the line's number, never a
 * crash. */
static void test_damaged_trace(void **state)
{
    (void)state;
    static const char first[] = "I 1 1 10000 5000 1 0x1.9p+6 0x1.f4p+7 0x1.f4p+8 0 10";
    static const char *const bad[] = {
        "",
        "X",
        "C",
        "C x",
        "C -1 0 0 0",
        "C 99999999999999999 0 0 0",
        "K 1 0 0 0",
        "K 1 0 0 0 p 1 2 3",
        "A 1 0 0 0 t 1",
        "Q 1 2 3",
        "Q",
        "I 2 1 10000 5000 1 0x1p+6 0x1p+7 0x1p+8 0 10",
        "I 1 1 10000 5000 1 0x0p+0 0x0p+0 0x0p+0 0 10",
        "I 1 1 10000 5000 1 nan nan nan 0 10",
        "I 1 1 0 5000 1 0x1p+6 0x1p+7 0x1p+8 0 10",
        "I 1 1 10000 5000 1 0x1p+6 0x1p+7 0x1p+8 7 10",
    };
    struct aivo_error error;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static struct aivo_tracer t;
        memset(&t, 0, sizeof t);
        assert_int_equal(aivo_tracer_feed(&t, "C 1 0 0 0", &error), AIVO_E_CORRUPT); /* before the beginning */
        memset(&t, 0, sizeof t);
        assert_int_equal(aivo_tracer_feed(&t, first, &error), AIVO_OK);
        assert_int_equal(aivo_tracer_feed(&t, "C 1 0 0 0", &error), AIVO_OK);
        if (aivo_tracer_feed(&t, bad[i], &error) != AIVO_E_CORRUPT)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(error.message, "line 3"));
    }
}

/* A history without a trace says so. */
static void test_nothing_traced(void **state)
{
    (void)state;
    struct aivo_history *h;
    struct aivo_error error;
    assert_int_equal(aivo_history_open(path, &h, &error), AIVO_OK);
    const int64_t minute = ((int64_t)time(NULL) * 1000 - 5 * MINUTE) / MINUTE * MINUTE; /* it is over */
    const struct aivo_quality q = {
        .size = sizeof q, .time_ms = minute, .latency_ms = 12.5, .samples = 1, .level = AIVO_LEVEL_GOOD};
    aivo_history_add(h, &q);
    struct rows rows = {.count = 0};
    assert_int_equal(aivo_history_read(h, AIVO_HISTORY_MINUTES, minute, minute + 1, collect, &rows, &error), AIVO_OK);
    assert_int_equal(aivo_history_close(h), AIVO_OK);
    assert_int_equal(rows.count, 1);
    assert_true(rows.row[0].p50_ms == 12.5);
    assert_int_equal(aivo_replay(path, NULL, NULL, &error), AIVO_E_NOT_FOUND);
}

static bool count_row(void *user, const struct aivo_history_row *row)
{
    (void)row;
    ++*(int *)user;
    return true;
}

/* A recording of years ago, opened to read: everything in it is still there afterwards, nothing is added to it, no
 * client can record to it, and a file that is not there is not made. */
static void test_reader(void **state)
{
    (void)state;
    struct aivo_history *h;
    struct aivo_history_file *file;
    struct aivo_error error;
    const struct aivo_history_sample sample = {.time_ms = BEGIN, .latency_ms = 5, .level = AIVO_LEVEL_GOOD};
    assert_int_equal(aivo_history_open_reader(path, &h, &error), AIVO_E_STORE);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(aivo_history_file_open(path, true, &file, &error), AIVO_OK);
    assert_int_equal(aivo_history_file_write(file, &sample, 1, NULL, 0, BEGIN + MINUTE, &error), AIVO_OK);
    aivo_history_file_close(file);
    for (int round = 0; round < 2; round++) {
        int rows = 0;
        struct aivo_quality quality = {.size = sizeof quality, .time_ms = BEGIN + 1};
        assert_int_equal(aivo_history_open_reader(path, &h, &error), AIVO_OK);
        assert_true(aivo_history_only_reads(h));
        aivo_history_add(h, &quality);
        assert_int_equal(aivo_history_read(h, AIVO_HISTORY_SAMPLES, 0, INT64_MAX, count_row, &rows, &error), AIVO_OK);
        assert_int_equal(rows, 1);
        assert_int_equal(aivo_history_close(h), AIVO_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rollups, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_bounds, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_foreign_file, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_replay, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_damaged_trace, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_nothing_traced, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_reader, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
