#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "queuetext.h"
#include <cjson/cJSON.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define NOW      INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define MINUTE   (60 * INT64_C(1000))
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)
#define ID_TEXT  "019b7601-2345-7abc-8def-0123456789ab"
#define ESC_EVIL "\033]0;evil\007"

static struct aivo_queued waiting(void)
{
    return (struct aivo_queued){
        .size = sizeof(struct aivo_queued),
        .id = {ID_TEXT},
        .event = "agent:tutor",
        .args = "[{\"input\":\"Why?\"}]",
        .created_ms = NOW - 3 * MINUTE,
        .expires_ms = NOW + 23 * HOUR,
        .queue = "",
        .state = AIVO_QUEUED_WAITING,
    };
}

static void test_spans(void **state)
{
    /* A span is told in the largest unit that fills up; a clock that was set back gives no negative age. */
    (void)state;
    const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {INT64_MIN, "0 s"},
        {-1, "0 s"},
        {0, "0 s"},
        {999, "0 s"},
        {59999, "59 s"},
        {MINUTE, "1 min"},
        {3 * MINUTE, "3 min"},
        {HOUR - 1, "59 min"},
        {HOUR, "1 h"},
        {2 * DAY - 1, "47 h"},
        {2 * DAY, "2 d"},
        {400 * DAY, "400 d"},
        {INT64_MAX, "106751991167 d"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[CLI_SPAN_MAX];
        cli_span_text(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_sizes_and_counts(void **state)
{
    /* Sizes have at most four characters of figure (never "1024 KiB"), counts their thousands apart. */
    (void)state;
    const struct {
        uint64_t value;
        const char *bytes, *count;
    } cases[] = {
        {0, "0 B", "0"},
        {412, "412 B", "412"},
        {1000, "1000 B", "1,000"},
        {1536, "1.5 KiB", "1,536"},
        {10189, "10 KiB", "10,189"},
        {1048575, "1.0 MiB", "1,048,575"},
        {UINT64_C(24) << 30, "24 GiB", "25,769,803,776"},
        {UINT64_MAX, "16777216 TiB", "18,446,744,073,709,551,615"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[CLI_SPAN_MAX];
        cli_bytes_text(cases[i].value, text);
        assert_string_equal(text, cases[i].bytes);
        cli_count_text(cases[i].value, text);
        assert_string_equal(text, cases[i].count);
    }
}

static void test_cut(void **state)
{
    /* Text is cut to columns, not bytes: whole characters, wide ones counted as two, the mark within the width. */
    (void)state;
    const struct {
        const char *text;
        size_t columns;
        bool unicode;
        const char *cut;
    } cases[] = {
        {"abc", 3, true, "abc"},       {"abcd", 3, true, "ab…"},        {"abcd", 3, false, "ab~"},
        {"abcd", 1, false, "~"},       {"abcd", 0, true, ""},           {"äöüß", 4, true, "äöüß"},
        {"äöüßx", 4, true, "äöü…"},    {"日本語", 6, true, "日本語"},   {"日本語", 5, true, "日本…"},
        {"日本語", 4, true, "日…"},    {"a\xffz!", 3, false, "a\xff~"}, /* no UTF-8: a column a byte */
        {"a\xe2\x80", 2, false, "a~"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        strcpy(text, cases[i].text);
        cli_cut(text, sizeof(text), cases[i].columns, cases[i].unicode);
        assert_string_equal(text, cases[i].cut);
    }
    /* Without room for the mark the cut is made earlier: nothing is written beyond the text's own bytes. */
    char tight[5] = "abcd";
    cli_cut(tight, sizeof(tight), 3, true);
    assert_string_equal(tight, "a…");
}

static void test_list_lines(void **state)
{
    /* The line of a message stands below its heading, is cut to the width, and names the queue only where asked. */
    (void)state;
    struct aivo_queued m = waiting();
    struct cli_list_look look = {.unicode = true};
    char *head = cli_list_head(&look), *line = cli_list_line(&m, NOW, &look);
    assert_string_equal(line, ID_TEXT "  waiting   3 min      0  agent:tutor       [{\"input\":\"Why?\"}]");
    assert_ptr_equal(strstr(head, "EVENT") - head, strstr(line, "agent:") - line);
    assert_ptr_equal(strstr(head, "ARG") - head, strstr(line, "[{") - line);
    free(head);
    free(line);
    const char *const with_id[][2] = {
        {"[{\"messageId\":\"" ID_TEXT "\",\"input\":1}]", "[{\"input\":1}]"},
        {"[{\"k\":\"" ID_TEXT "\"}]", "[{}]"},
        {"[\"" ID_TEXT "\"]", "[\"" ID_TEXT "\"]"},
        {"[{\"a\":1,\"k\":\"" ID_TEXT "\"}]", "[{\"a\":1,\"k\":\"" ID_TEXT "\"}]"},
    };
    for (size_t i = 0; i < sizeof(with_id) / sizeof(with_id[0]); i++) {
        m.args = with_id[i][0];
        line = cli_list_line(&m, NOW, &look);
        assert_string_equal(strchr(line, '['), with_id[i][1]);
        free(line);
    }
    look.queue_names = true;
    look.columns = 80;
    m.queue = "uploads";
    head = cli_list_head(&look);
    line = cli_list_line(&m, NOW, &look);
    assert_string_equal(line, ID_TEXT "  waiting   3 min      0  uploads       age…");
    assert_true(strlen(head) <= 82); /* the mark has three bytes */
    free(line);
    look.columns = 100;
    m.queue = "telemetry/long";
    line = cli_list_line(&m, NOW, &look);
    assert_non_null(strstr(line, "  telemetry/l…  agent:tutor "));
    free(head);
    free(line);
}

static void test_dead_letter_shows_its_error(void **state)
{
    /* A dead letter's line has its error; one that never got any shows the arguments after all. */
    (void)state;
    struct aivo_queued m = waiting();
    struct cli_list_look look = {.unicode = true};
    m.state = AIVO_QUEUED_DEAD;
    m.attempts = 3;
    m.last_error = "answered: Unknown action";
    char *line = cli_list_line(&m, NOW, &look);
    assert_non_null(strstr(line, "dead      3 min      3  agent:tutor       answered: Unknown action"));
    free(line);
    m.last_error = NULL;
    line = cli_list_line(&m, NOW, &look);
    assert_non_null(strstr(line, "[{\"input\""));
    free(line);
}

static void test_nothing_drives_the_terminal(void **state)
{
    /* Escape sequences in events, queue names, keys and errors, and C1 controls and bidi marks, come out as '?'. */
    (void)state;
    struct aivo_queued m = waiting();
    struct cli_list_look look = {.queue_names = true};
    m.event = "e" ESC_EVIL;
    m.queue = "q" ESC_EVIL;
    m.order_key = "k" ESC_EVIL;
    m.last_error = "no\nline \xc2\x9b"
                   "2J \xe2\x80\xae";
    m.args = "[\"\x7f\xc2\x9b\"]";
    char *line = cli_list_line(&m, NOW, &look), *text = cli_queued_text(&m, NOW), *json = cli_queued_json(&m);
    const char *all[] = {line, text, json};
    for (size_t i = 0; i < 3; i++) {
        assert_null(strchr(all[i], '\033'));
        assert_null(strchr(all[i], '\007'));
        assert_null(strchr(all[i], '\x7f'));
        assert_null(strstr(all[i], "\xc2\x9b"));
    }
    assert_null(strstr(text, "\xe2\x80\xae"));
    assert_non_null(strstr(text, "last error   no?line ?2J ?\n"));
    assert_null(strchr(json, '\n'));
    free(line);
    free(text);
    free(json);
}

static void test_show(void **state)
{
    /* A message whole: every member with its label, times with their distance, what is not there left out. */
    (void)state;
    struct aivo_queued m = waiting();
    char *text = cli_queued_text(&m, NOW);
    assert_string_equal(text, "id           " ID_TEXT "\n"
                              "event        agent:tutor\n"
                              "queue        (default)\n"
                              "state        waiting\n"
                              "created      2025-12-31T23:57:00.000Z (3 min ago)\n"
                              "expires      2026-01-01T23:00:00.000Z (in 23 h)\n"
                              "attempts     0 failed\n"
                              "priority     0\n"
                              "size         29 B\n"
                              "arguments    [{\"input\":\"Why?\"}]");
    free(text);
    m.state = AIVO_QUEUED_LATER;
    m.not_before_ms = NOW + 12000;
    m.expires_ms = 0;
    m.collapse_key = "c";
    text = cli_queued_text(&m, NOW);
    assert_non_null(strstr(text, "state        later, next attempt 2026-01-01T00:00:12.000Z (in 12 s)\n"));
    assert_non_null(strstr(text, "expires      never\n"));
    assert_non_null(strstr(text, "collapse key c\n"));
    free(text);
    m.state = AIVO_QUEUED_DEAD;
    m.died_ms = NOW - DAY;
    text = cli_queued_text(&m, NOW);
    assert_non_null(strstr(text, "state        dead, died 2025-12-31T00:00:00.000Z (24 h ago)\n"));
    free(text);
}

static void test_json_of_a_message(void **state)
{
    /* The keys are those of an exported line, in their order, then two more; arguments keep their long numbers. */
    (void)state;
    struct aivo_queued m = waiting();
    m.args = "[12345678901234567890, 1.50]";
    m.order_key = "o\"k";
    char *json = cli_queued_json(&m);
    assert_string_equal(json, "{\"id\":\"" ID_TEXT "\",\"queue\":\"\",\"state\":\"waiting\",\"event\":\"agent:tutor\","
                              "\"args\":[12345678901234567890, 1.50],\"priority\":0,\"order_key\":\"o\\\"k\","
                              "\"collapse_key\":null,\"created\":\"2025-12-31T23:57:00.000Z\","
                              "\"expires\":\"2026-01-01T23:00:00.000Z\",\"attempts\":0,\"last_error\":null,"
                              "\"next_attempt\":null,\"died\":null}");
    free(json);
}

static struct cli_file_figures figures(const struct cli_queue_figures *queue, size_t count)
{
    return (struct cli_file_figures){
        .path = "q.db",
        .file_bytes = 1536,
        .all = {.pending = 1234, .later = 12, .behind = 3, .dead = 2, .bytes = 2048, .oldest_ms = NOW - 3 * MINUTE},
        .queue = queue,
        .queue_count = count,
    };
}

static void test_figures(void **state)
{
    /* One queue has one line; several have one each and one for all. */
    (void)state;
    struct cli_queue_figures queue[2] = {{.name = ""}, {.name = "uploads", .stats = {.pending = 7}}};
    struct cli_file_figures f = figures(queue, 1);
    queue[0].stats = f.all;
    char *text = cli_figures_text(&f, NOW);
    assert_string_equal(text, "q.db: 1.5 KiB on disk\n"
                              "QUEUE         WAITING       LATER      BEHIND        DEAD        SIZE    OLDEST\n"
                              "(default)       1,234          12           3           2     2.0 KiB     3 min");
    free(text);
    f.queue_count = 2;
    f.all.untold = 5;
    text = cli_figures_text(&f, NOW);
    assert_non_null(strstr(text, "; 5 have left, and the program has not been told yet\n"));
    assert_non_null(strstr(text, "\nuploads             7           0           0           0         0 B   "
                                 "      -\nall "));
    free(text);
    char *json = cli_figures_json(&f);
    cJSON *tree = cJSON_Parse(json);
    assert_int_equal(cJSON_GetObjectItem(tree, "pending")->valueint, 1234);
    assert_string_equal(cJSON_GetObjectItem(tree, "oldest")->valuestring, "2025-12-31T23:57:00.000Z");
    const cJSON *second = cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "queues"), 1);
    assert_string_equal(cJSON_GetObjectItem(second, "queue")->valuestring, "uploads");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(second, "oldest")));
    cJSON_Delete(tree);
    cJSON_free(json);
}

static void test_sending(void **state)
{
    /* The live line tells delivered, left, rate and what is lost, within the width; the summary the whole run. */
    (void)state;
    struct cli_sending run = {.delivered = 4210, .left = 5790, .ms = 6200, .per_s = 612, .connected = true};
    char line[CLI_SENDING_MAX];
    cli_sending_line(&run, 80, line);
    assert_string_equal(line, "4,210 delivered, 5,790 left, 612/s, 9 s to go");
    cli_sending_line(&run, 20, line);
    assert_string_equal(line, "4,210 delivered, 5~");
    run.dead = 2;
    run.expired = 1;
    run.connected = false;
    cli_sending_line(&run, 80, line);
    assert_string_equal(line, "4,210 delivered, 5,790 left, not connected, 2 died, 1 expired");
    cli_sending_summary(&run, line);
    assert_string_equal(line, "4,210 delivered in 6.2 s (679/s), 2 died, 1 expired, 5,790 left");
    cli_sending_json(&run, line);
    assert_string_equal(line, "{\"delivered\":4210,\"dead\":2,\"expired\":1,\"evicted\":0,\"replaced\":0,\"left\":5790,"
                              "\"ms\":6200}");
    /* The server's rate limit stands in the place of the rate. */
    run.connected = true;
    run.wait_ms = 12000;
    cli_sending_line(&run, 200, line);
    assert_non_null(strstr(line, "4,210 delivered, 5,790 left, rate limit: the server asks to wait 12 s, 2 died"));
    /* The greatest figures there are keep to the bounds. */
    run = (struct cli_sending){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                               UINT64_MAX, INT64_MAX,  1e-9,       true,       0};
    cli_sending_line(&run, 1000, line);
    cli_sending_summary(&run, line);
    cli_sending_json(&run, line);
    assert_int_equal(line[strlen(line) - 1], '}');
}

int main(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8")) { /* how wide a character is, the locale says */
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_sizes_and_counts),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_list_lines),
        cmocka_unit_test(test_dead_letter_shows_its_error),
        cmocka_unit_test(test_nothing_drives_the_terminal),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_json_of_a_message),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
