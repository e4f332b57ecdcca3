#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"
#include "text.h"
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char out[CLI_LIVE_MAX];

static struct cli_snapshot good(const char *url)
{
    return (struct cli_snapshot){.quality = {.level = AIVO_LEVEL_EXCELLENT,
                                             .score = 100,
                                             .latency_ms = 12345.678,
                                             .p50_ms = 11,
                                             .p95_ms = 1250.4,
                                             .p99_ms = 12345.6,
                                             .loss_pct = 12.3,
                                             .loss_low_pct = 10.1,
                                             .loss_high_pct = 14.9,
                                             .stable_known = true},
                                 .state = AIVO_STATE_CONNECTED,
                                 .url = url};
}

static struct cli_recent some(void)
{
    struct cli_recent recent = {.count = 0};
    for (int i = 0; i < 300; i++) {
        cli_recent_add(&recent, i % 50 == 0 ? (double)NAN : 10 + (i % 7) * (i % 11 == 0 ? 30 : 1));
    }
    return recent;
}

/* Lines of text, and the widest. */
static size_t lines_of(const char *text, size_t *widest)
{
    size_t lines = 0;
    *widest = 0;
    for (;; text++) {
        char line[CLI_LINE_MAX];
        size_t len = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        size_t columns = cli_columns(line);
        *widest = columns > *widest ? columns : *widest;
        lines++;
        text += len;
        if (*text == '\0') {
            return lines;
        }
    }
}

/* Escape sequences take no column, a character of several bytes one. */
static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(cli_columns(""), 0);
    assert_int_equal(cli_columns("\033[1;32mab\033[0m"), 2);
    assert_int_equal(cli_columns("▁×–x"), 4);
    assert_int_equal(cli_columns("\033["), 0);
}

/* Ten times 10 ms and once 1,000 ms: the least on the left, the greatest on the right, between them nothing; whatever
 * is there at all shows in the lowest row. */
static void test_histogram(void **state)
{
    (void)state;
    struct cli_recent recent = {.count = 0};
    struct cli_histogram h;
    cli_recent_add(&recent, 10);
    assert_false(cli_histogram_of(&recent, 10, 10, 1000, &h)); /* one sample has no distribution */
    for (int i = 0; i < 9; i++) {
        cli_recent_add(&recent, 10);
    }
    cli_recent_add(&recent, NAN);
    cli_recent_add(&recent, 1000);
    assert_true(cli_histogram_of(&recent, 10, 10, 1000, &h));
    assert_int_equal(h.count[0], 10);
    assert_int_equal(h.count[9], 1);
    assert_int_equal(cli_histogram_at(&h, 100), 5); /* logarithmic */
    assert_int_equal(cli_histogram_at(&h, 0), 0);
    assert_int_equal(cli_histogram_at(&h, 1e9), 9);
    char row[64];
    cli_histogram_row(&h, 0, 2, true, row, sizeof(row));
    assert_string_equal(row, "█         ");
    cli_histogram_row(&h, 1, 2, true, row, sizeof(row));
    assert_string_equal(row, "█        ▂");
    cli_histogram_row(&h, 0, 1, false, row, sizeof(row));
    assert_string_equal(row, "#        _");
    assert_false(cli_histogram_of(&recent, 0, 10, 1000, &h));
}

/* All the same: no scale to divide by, and still one column that has them all. */
static void test_histogram_of_equal(void **state)
{
    (void)state;
    struct cli_recent recent = {.count = 0};
    struct cli_histogram h;
    cli_recent_add(&recent, 0);
    cli_recent_add(&recent, 0);
    assert_true(cli_histogram_of(&recent, 7, 0, 0, &h));
    assert_int_equal(h.count[0], 2);
}

/* Whatever the terminal's size, with colours and without: no line reaches its last column, and no more lines come than
 * it has rows, the last for the cursor. */
static void test_sizes(void **state)
{
    (void)state;
    struct cli_recent recent = some();
    struct cli_live_row rows[4];
    const char *const urls[] = {"http://127.0.0.1:4003", "https://a.very.long.name.example.org:8443/with/a/path",
                                "ws://h", "https://ünïcödé.example"};
    for (size_t i = 0; i < 4; i++) {
        rows[i] = (struct cli_live_row){.snapshot = good(urls[i]), .recent = &recent, .known = i != 2};
    }
    rows[1].snapshot.state = AIVO_STATE_RECONNECTING;
    for (size_t columns = 1; columns <= 260; columns++) {
        for (size_t height = 1; height <= 16; height++) {
            struct cli_look look = {.columns = columns, .rows = height, .colour = height % 2, .unicode = columns % 2};
            size_t widest, lines;
            cli_live_table(rows, 4, &look, out);
            lines = lines_of(out, &widest);
            assert_true(widest < columns || (columns == 1 && widest == 0));
            assert_true(lines < height || lines == 1);
            cli_live_one(&rows[0].snapshot, &recent, &look, out);
            lines = lines_of(out, &widest);
            assert_true(widest < columns || (columns == 1 && widest == 0));
            assert_true(lines < height || lines == 1);
        }
    }
}

/* A wide table has a heading and what there is to compare, on one scale; a narrow one the names' ends and the levels.
 */
static void test_table(void **state)
{
    (void)state;
    struct cli_recent recent = some(), none = {.count = 0};
    struct cli_live_row rows[] = {{good("http://127.0.0.1:4003"), &recent, true},
                                  {good("http://127.0.0.1:9"), &none, true}};
    rows[1].snapshot.state = AIVO_STATE_RECONNECTING;
    rows[1].snapshot.quality.level = AIVO_LEVEL_OFFLINE;
    rows[1].snapshot.quality.score = 0;
    struct cli_look look = {.columns = 160, .rows = 24, .colour = true, .unicode = true};
    cli_live_table(rows, 2, &look, out);
    assert_non_null(strstr(out, "p50    p95    p99  loss % (95 %)"));
    assert_non_null(strstr(out, "10 ms "));
    assert_non_null(strstr(
        out, "http://127.0.0.1:4003  \033[1;32mExcellent 100\033[0m   12346     11   1250  12346      12 (10–15)"));
    assert_non_null(strstr(out, "http://127.0.0.1:9     \033[1;31mOffline     0\033[0m  reconnecting  "));
    look = (struct cli_look){.columns = 30, .rows = 24};
    cli_live_table(rows, 2, &look, out);
    assert_string_equal(out, "~://127.0.0.1:4003  Excellent\nhttp://127.0.0.1:9  Offline");
}

/* One connection: figures, the sparkline over the whole width, the histogram with the percentiles' places. */
static void test_one(void **state)
{
    (void)state;
    struct cli_recent recent = some();
    struct cli_snapshot s = good("http://h");
    s.quality.p95_ms = 60;
    struct cli_look look = {.columns = 80, .rows = 24, .unicode = true};
    size_t widest;
    cli_live_one(&s, &recent, &look, out);
    assert_int_equal(lines_of(out, &widest), 2 + 4 + 1);
    assert_int_equal(widest, 79);
    assert_non_null(strstr(out, "^p50"));
    assert_non_null(strstr(out, "^p95"));
    look.rows = 8; /* little room: one row, and no line for the percentiles */
    cli_live_one(&s, &recent, &look, out);
    assert_int_equal(lines_of(out, &widest), 2 + 1);
    assert_null(strstr(out, "^p50"));
    look.rows = 3;
    cli_live_one(&s, &recent, &look, out);
    assert_int_equal(lines_of(out, &widest), 1);
}

/* CSV has as many values as names, nothing for what is not known, and quotes around what has a comma. */
static void test_csv(void **state)
{
    (void)state;
    char line[CLI_LINE_MAX];
    struct cli_snapshot s = good("http://h/a,b\"c");
    s.quality.jitter_ms = s.quality.uplink_loss_pct = s.quality.downlink_loss_pct = NAN;
    s.quality.network_ms = s.quality.edge_ms = s.quality.handler_ms = NAN;
    s.quality.avg_latency_ms = s.quality.min_latency_ms = 1.5;
    s.quality.cause_count = 2;
    s.quality.causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_LOSS, 3.25};
    s.quality.causes[1] = (struct aivo_quality_cause){AIVO_CAUSE_JITTER, 1};
    cli_snapshot_csv(&s, line);
    assert_string_equal(line,
                        "1970-01-01T00:00:00.000Z,\"http://h/a,b\"\"c\",connected,Excellent,100,12345.678,1.5,1.5,11,"
                        "1250.4,12345.6,,12.3,10.1,14.9,,,false,,,,0,loss:3.25 jitter:1,,,,0");
    size_t names = 1, values = 1;
    for (const char *c = cli_snapshot_csv_names; *c; c++) {
        names += *c == ',';
    }
    for (const char *c = strstr(line, ",connected"); *c; c++) {
        values += *c == ',';
    }
    assert_int_equal(names, values + 1); /* time stands before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns), cmocka_unit_test(test_histogram), cmocka_unit_test(test_histogram_of_equal),
        cmocka_unit_test(test_sizes),   cmocka_unit_test(test_table),     cmocka_unit_test(test_one),
        cmocka_unit_test(test_csv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
