#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "comma.h"
#include "report.h"
#include <cjson/cJSON.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct cli_snapshot unknown(void)
{
    return (struct cli_snapshot){
        .quality = {.time_ms = 0,
                    .level = AIVO_LEVEL_OFFLINE,
                    .latency_ms = NAN,
                    .avg_latency_ms = NAN,
                    .min_latency_ms = NAN,
                    .p50_ms = NAN,
                    .p95_ms = NAN,
                    .p99_ms = NAN,
                    .jitter_ms = NAN,
                    .loss_pct = NAN,
                    .loss_low_pct = NAN,
                    .loss_high_pct = NAN,
                    .uplink_loss_pct = NAN,
                    .downlink_loss_pct = NAN,
                    .network_ms = NAN,
                    .edge_ms = NAN,
                    .handler_ms = NAN},
        .state = AIVO_STATE_RECONNECTING,
        .url = "http://h",
        .why = "refused",
    };
}

static struct cli_snapshot known(void)
{
    struct cli_snapshot s = unknown();
    s.state = AIVO_STATE_CONNECTED;
    s.why = NULL;
    s.quality.time_ms = 1767225599123;
    s.quality.level = AIVO_LEVEL_GOOD;
    s.quality.score = 72;
    s.quality.latency_ms = 112.34567;
    s.quality.avg_latency_ms = 100;
    s.quality.min_latency_ms = 0.0004;
    s.quality.p50_ms = 99.5;
    s.quality.p95_ms = 130;
    s.quality.p99_ms = 140.25;
    s.quality.loss_pct = 0;
    s.quality.loss_low_pct = 0;
    s.quality.loss_high_pct = 27.7533;
    s.quality.stable_known = true;
    s.quality.stable = true;
    s.quality.samples = 10;
    s.quality.reconnects = 2;
    return s;
}

/* Unix times as RFC 3339 in UTC with milliseconds, before 1970 as well. */
static void test_time(void **state)
{
    (void)state;
    char text[AIVO_RENDER_TIME_MAX];
    aivo_render_time(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    aivo_render_time(1767225599123, text);
    assert_string_equal(text, "2025-12-31T23:59:59.123Z");
    aivo_render_time(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

/* The JSON snapshot has exactly the promised keys in their order, whatever is known. */
static void test_json_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"time",
                                       "url",
                                       "state",
                                       "level",
                                       "score",
                                       "latency_ms",
                                       "avg_latency_ms",
                                       "min_latency_ms",
                                       "p50_ms",
                                       "p95_ms",
                                       "p99_ms",
                                       "jitter_ms",
                                       "loss_pct",
                                       "loss_low_pct",
                                       "loss_high_pct",
                                       "uplink_loss_pct",
                                       "downlink_loss_pct",
                                       "stable",
                                       "network_ms",
                                       "edge_ms",
                                       "handler_ms",
                                       "samples",
                                       "causes",
                                       "queue",
                                       "reconnects"};
    struct cli_snapshot snapshots[] = {unknown(), known()};
    for (size_t i = 0; i < 2; i++) {
        char *text = cli_snapshot_json(&snapshots[i]);
        assert_null(strchr(text, '\n'));
        cJSON *tree = cJSON_Parse(text);
        const cJSON *child = tree->child;
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++, child = child->next) {
            assert_non_null(child);
            assert_string_equal(child->string, keys[k]);
        }
        assert_null(child);
        cJSON_Delete(tree);
        free(text);
    }
}

/* What is not known is null and never 0; figures keep microseconds; the queue is counted if there is one. */
static void test_json_values(void **state)
{
    (void)state;
    struct cli_snapshot s = unknown();
    char *text = cli_snapshot_json(&s);
    assert_non_null(strstr(text, "\"state\":\"reconnecting\",\"level\":\"Offline\",\"score\":0,\"latency_ms\":null,"));
    assert_non_null(strstr(text, "\"loss_pct\":null"));
    assert_non_null(strstr(text, "\"stable\":null"));
    assert_non_null(strstr(text, "\"causes\":null,"));
    assert_non_null(strstr(text, "\"queue\":{\"pending\":null,\"in_flight\":null,\"dead\":null}"));
    free(text);
    s.quality.samples = 1; /* one sample has a deviation of 0 and says nothing */
    s.quality.jitter_ms = 0;
    text = cli_snapshot_json(&s);
    assert_non_null(strstr(text, "\"jitter_ms\":null,"));
    free(text);
    s = known();
    s.quality.jitter_ms = 1.5;
    s.quality.queue_known = true;
    s.quality.queue_pending = 3;
    s.quality.queue_in_flight = 1;
    text = cli_snapshot_json(&s);
    assert_non_null(strstr(text, "{\"time\":\"2025-12-31T23:59:59.123Z\",\"url\":\"http://h\","));
    assert_non_null(strstr(text, "\"latency_ms\":112.346,\"avg_latency_ms\":100,\"min_latency_ms\":0,"));
    assert_non_null(strstr(text, "\"loss_pct\":0,\"loss_low_pct\":0,\"loss_high_pct\":27.753,"));
    assert_non_null(strstr(text, "\"stable\":true"));
    assert_non_null(strstr(text, "\"causes\":[],"));
    assert_non_null(strstr(text, "\"jitter_ms\":1.5,"));
    assert_non_null(strstr(text, "\"queue\":{\"pending\":3,\"in_flight\":1,\"dead\":0},\"reconnects\":2}"));
    free(text);
}

/* A sample as a plain line: no escape sequence, dashes where nothing is known. */
static void test_text(void **state)
{
    (void)state;
    char line[CLI_LINE_MAX];
    struct cli_snapshot s = known();
    cli_snapshot_text(&s, false, line);
    assert_string_equal(line, "2025-12-31T23:59:59.123Z Good       72  112 ms  p50 99.5 p95 130 p99 140  "
                              "loss 0.0% (0.0-27.8)  stable");
    s = unknown();
    cli_snapshot_text(&s, false, line);
    assert_string_equal(line, "1970-01-01T00:00:00.000Z Offline     0  reconnecting: refused");
    s.state = AIVO_STATE_CONNECTED;
    cli_snapshot_text(&s, false, line);
    assert_string_equal(line, "1970-01-01T00:00:00.000Z Offline     0  - ms  p50 - p95 - p99 -  loss -  stability -");
}

/* Eight heights from least to greatest, a cross where nothing came, the newest kept when there are too many, and never
 * half a character. */
static void test_sparkline(void **state)
{
    (void)state;
    struct cli_recent h = {0};
    char out[64];
    assert_int_equal(cli_sparkline(&h, 10, true, out, sizeof(out)), 0);
    assert_string_equal(out, "");
    for (int i = 0; i < 8; i++) {
        cli_recent_add(&h, 10 + i);
    }
    cli_recent_add(&h, NAN);
    assert_int_equal(cli_sparkline(&h, 10, true, out, sizeof(out)), 9);
    assert_string_equal(out, "▁▂▃▄▅▆▇█×");
    assert_int_equal(cli_sparkline(&h, 10, false, out, sizeof(out)), 9);
    assert_string_equal(out, "_.,-=+*#x");
    assert_int_equal(cli_sparkline(&h, 3, false, out, sizeof(out)), 3);
    assert_string_equal(out, "_#x");
    assert_int_equal(cli_sparkline(&h, 10, true, out, 8), 2);
    assert_string_equal(out, "▁▂");
    for (int i = 0; i < 1000; i++) {
        cli_recent_add(&h, 5);
    }
    assert_int_equal(cli_sparkline(&h, 4, false, out, sizeof(out)), 4);
    assert_string_equal(out, "____");
}

static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

/* The live line never reaches the terminal's last column, at any width, and loses the least important figures first. */
static void test_live_width(void **state)
{
    (void)state;
    struct cli_recent h = {0};
    for (int i = 0; i < CLI_RECENT_MAX; i++) {
        cli_recent_add(&h, i % 7);
    }
    struct cli_snapshot s = known();
    size_t before = 0;
    for (size_t width = 0; width < 400; width++) {
        struct cli_look look = {.columns = width, .unicode = true};
        char line[CLI_LINE_MAX];
        cli_live_line(&s, &h, &look, line);
        assert_true(columns(line) < (width ? width : 1));
        assert_true(columns(line) + 1 >= before); /* wider is never less (a spark may make room for a figure) */
        before = width < 120 ? 0 : columns(line);
    }
    struct cli_look narrow = {.columns = 20, .unicode = true};
    char line[CLI_LINE_MAX];
    cli_live_line(&s, &h, &narrow, line);
    assert_string_equal(line, "Good 72  112 ms");
    struct cli_look wide = {.columns = 100, .unicode = true};
    cli_live_line(&s, &h, &wide, line);
    assert_non_null(strstr(line, "Good 72  112 ms  p50/95/99 100/130/140  loss 0.0% (0.0–28)  stable  "));
    assert_non_null(strstr(line, "█"));
}

/* Colour changes nothing but the escape sequences around the level; without connection the state stands there. */
static void test_live_look(void **state)
{
    (void)state;
    struct cli_recent h = {0};
    struct cli_snapshot s = known();
    char line[CLI_LINE_MAX];
    cli_live_line(&s, &h, &(struct cli_look){.columns = 30, .colour = true}, line);
    assert_string_equal(line, "\033[32mGood 72\033[0m  112 ms");
    s = unknown();
    cli_live_line(&s, &h, &(struct cli_look){.columns = 8}, line);
    assert_string_equal(line, "Offline"); /* a very narrow terminal: the level alone */
    cli_live_line(&s, &h, &(struct cli_look){.columns = 80}, line);
    assert_string_equal(line, "Offline 0  reconnecting");
}

/* What took points off is listed in its order, in JSON and in the line; a connection in doubt says so. */
static void test_causes(void **state)
{
    (void)state;
    struct cli_snapshot s = known();
    s.quality.cause_count = 2;
    s.quality.causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_UPLINK_LOSS, 20.5};
    s.quality.causes[1] = (struct aivo_quality_cause){AIVO_CAUSE_LOCAL_STALL, 0};
    s.quality.suspect = true;
    char *text = cli_snapshot_json(&s);
    assert_non_null(strstr(text, "\"causes\":[{\"cause\":\"uplink-loss\",\"points\":20.5},"
                                 "{\"cause\":\"local-stall\",\"points\":0}],"));
    assert_non_null(strstr(text, "\"state\":\"suspect\""));
    free(text);
    char line[CLI_LINE_MAX];
    cli_snapshot_text(&s, false, line);
    assert_non_null(strstr(line, "stable  suspect  uplink-loss -2"));
    s.state = AIVO_STATE_RECONNECTING; /* doubt is of a connection */
    text = cli_snapshot_json(&s);
    assert_non_null(strstr(text, "\"state\":\"reconnecting\""));
    free(text);
}

/* The monitor's numbers have its user's locale; JSON and CSV keep their point. */
static void test_locale(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } figures[] = {{1.5, "1.5"},          {-0.25, "-0.25"},    {100, "100"}, {-0.0001, "0"},
                   {1.25e15, "1.25e+15"}, {1.5e20, "1.5e+20"}, {NAN, "null"}};
    char out[AIVO_RENDER_FIGURE_MAX];
    comma_begin();
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        assert_string_equal(aivo_render_json_figure(figures[i].value, out), figures[i].text);
    }
    struct cli_snapshot s = known();
    char *text = cli_snapshot_json(&s);
    comma_end();
    assert_non_null(strstr(text, "\"latency_ms\":112.346,\"avg_latency_ms\":100,"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),       cmocka_unit_test(test_json_keys), cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_causes),     cmocka_unit_test(test_text),      cmocka_unit_test(test_sparkline),
        cmocka_unit_test(test_live_width), cmocka_unit_test(test_live_look), cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
