/* Figures and words of card and badge, and their colours. */
#include "palette.h"
#include "view.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define assert_format(call, text)                                                                                      \
    do {                                                                                                               \
        char out[AGK_TEXT];                                                                                            \
        call;                                                                                                          \
        assert_string_equal(out, text);                                                                                \
    } while (0)

/* Latencies and shares from nothing to far too much. What is above 0 is never written as 0, and what is not known
 * neither. */
static void test_figures(void **state)
{
    (void)state;
    assert_format(agk_format_ms(0.04, out), "<0.1" AGK_NBSP "ms");
    assert_format(agk_format_ms(0.44, out), "0.4" AGK_NBSP "ms");
    assert_format(agk_format_ms(9.94, out), "9.9" AGK_NBSP "ms");
    assert_format(agk_format_ms(9.96, out), "10" AGK_NBSP "ms");
    assert_format(agk_format_ms(999.6, out), "1,000" AGK_NBSP "ms");
    assert_format(agk_format_ms(12345, out), "12,345" AGK_NBSP "ms");
    assert_format(agk_format_ms(1234567.8, out), "1,234,568" AGK_NBSP "ms");
    assert_format(agk_format_ms(0, out), "0" AGK_NBSP "ms");
    assert_format(agk_format_ms(NAN, out), AGK_DASH);
    assert_format(agk_format_ms(INFINITY, out), AGK_DASH);
    assert_format(agk_format_ms(-1, out), AGK_DASH);
    assert_format(agk_format_ms(1e300, out), "1,000,000,000,000,000" AGK_NBSP "ms");
    assert_format(agk_speak_ms(23.2, out), "23 milliseconds");
    assert_format(agk_speak_ms(0.01, out), "below 0.1 milliseconds");
    assert_format(agk_speak_ms(NAN, out), "unknown");
    assert_format(agk_format_percent(0.01, out), "<0.1" AGK_NBSP "%");
    assert_format(agk_format_percent(100, out), "100" AGK_NBSP "%");
    assert_format(agk_format_interval(0, 27.75, out), "0" AGK_DASH "28" AGK_NBSP "%");
    assert_format(agk_format_interval(NAN, 3, out), AGK_DASH);
    assert_format(agk_format_interval(5, 3, out), AGK_DASH);
    assert_format(agk_speak_interval(0, 28, out), "between 0 and 28 percent");
    assert_format(agk_speak_interval(0, NAN, out), "unknown");
    assert_format(agk_format_tick(0, " ms", out), "0");
    assert_format(agk_format_tick(5, " ms", out), "5 ms");
    assert_format(agk_format_tick(2.5, " ms", out), "2.5 ms");
    assert_format(agk_format_tick(20000, " ms", out), "20,000 ms");
    assert_format(agk_format_points(12.4, out), AGK_MINUS "12");
    assert_format(agk_format_points(0.2, out), "0");
    assert_format(agk_format_points(NAN, out), AGK_DASH);
    /* What takes next to nothing off is no reason; what never takes anything off is worth telling. */
    assert_false(agk_cause_counts(&(struct aivo_quality_cause){AIVO_CAUSE_NETWORK_LATENCY, 0.2}));
    assert_false(agk_cause_counts(&(struct aivo_quality_cause){AIVO_CAUSE_JITTER, NAN}));
    assert_true(agk_cause_counts(&(struct aivo_quality_cause){AIVO_CAUSE_NETWORK_LATENCY, 0.6}));
    assert_true(agk_cause_counts(&(struct aivo_quality_cause){AIVO_CAUSE_SERVER_HANDLER, 0}));
}

/* "Last checked" from now to days, and that it wakes exactly when the text changes. */
static void test_ago(void **state)
{
    (void)state;
    assert_format(agk_format_ago(-1, out), AGK_DASH);
    assert_format(agk_format_ago(0, out), "now");
    assert_format(agk_format_ago(59, out), "59" AGK_NBSP "s ago");
    assert_format(agk_format_ago(61, out), "1" AGK_NBSP "min ago");
    assert_format(agk_format_ago(7199, out), "1" AGK_NBSP "h ago");
    assert_format(agk_format_ago(900000, out), "10" AGK_NBSP "d ago");
    assert_format(agk_speak_ago(1, out), "1 second ago");
    assert_format(agk_speak_ago(120, out), "2 minutes ago");
    for (int64_t age = 0; age < 200000; age += 1 + age / 50) {
        char here[AGK_TEXT], before[AGK_TEXT], then[AGK_TEXT];
        unsigned next = agk_ago_next(age);
        agk_format_ago(age, here);
        agk_format_ago(age + next - 1, before);
        agk_format_ago(age + next, then);
        assert_string_equal(here, before);
        assert_string_not_equal(here, then);
    }
    assert_format(agk_format_span(60, out), "1 minute");
    assert_format(agk_format_span(90, out), "90 seconds");
    assert_format(agk_format_span(604800, out), "7 days");
    assert_format(agk_format_span(0, out), "0 seconds");
}

static struct aivo_quality quality(enum aivo_level level)
{
    struct aivo_quality q = {.size = sizeof(q),
                             .time_ms = 1,
                             .level = level,
                             .score = 70,
                             .latency_ms = 131,
                             .avg_latency_ms = 126,
                             .loss_pct = 0.4,
                             .loss_low_pct = 0.1,
                             .loss_high_pct = 1.2,
                             .stable_known = true,
                             .stable = true,
                             .samples = 50};
    return q;
}

/* Every state with and without a snapshot: a word, a mark, and something to say in each; figures only while connected.
 */
static void test_states(void **state)
{
    (void)state;
    static const struct {
        enum agk_link link;
        int level; /* below 0: no snapshot */
        enum agk_kind kind;
        const char *word;
        bool alarm;
    } cases[] = {
        {AGK_LINK_UNKNOWN, -1, AGK_UNKNOWN, "No data", false},
        {AGK_LINK_UNKNOWN, 0, AGK_OFFLINE, "Offline", true},
        {AGK_LINK_UNKNOWN, 1, AGK_POOR, "Poor", false},
        {AGK_LINK_UP, 2, AGK_FAIR, "Fair", false},
        {AGK_LINK_UP, 3, AGK_GOOD, "Good", false},
        {AGK_LINK_UP, 4, AGK_EXCELLENT, "Excellent", false},
        {AGK_LINK_UP, -1, AGK_BUSY, "Measuring" AGK_ELLIPSIS, false},
        {AGK_LINK_UP, 0, AGK_BUSY, "Measuring" AGK_ELLIPSIS, false},
        {AGK_LINK_CONNECTING, -1, AGK_BUSY, "Connecting" AGK_ELLIPSIS, false},
        {AGK_LINK_RECONNECTING, 4, AGK_OFFLINE, "Offline", true},
        {AGK_LINK_FAILED, 4, AGK_OFFLINE, "Offline", true},
        {AGK_LINK_DOWN, 4, AGK_OFFLINE, "Offline", false},
        {AGK_LINK_CLOSING, -1, AGK_OFFLINE, "Offline", false},
        {(enum agk_link)99, 3, AGK_OFFLINE, "Offline", false},
        {AGK_LINK_UP, 42, AGK_UNKNOWN, "Unknown", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct agk_view view;
        struct aivo_quality q = quality((enum aivo_level)cases[i].level);
        agk_view_make(&view, cases[i].level < 0 ? NULL : &q, cases[i].link, NULL, NULL);
        assert_int_equal(view.kind, cases[i].kind);
        assert_string_equal(view.word, cases[i].word);
        assert_int_equal(view.alarm, cases[i].alarm);
        assert_true(view.label[0] != '\0' && !strstr(view.label, AGK_ELLIPSIS) && !strstr(view.label, AGK_DASH));
        bool figures = cases[i].level > 0 && (cases[i].link == AGK_LINK_UP || cases[i].link == AGK_LINK_UNKNOWN);
        assert_int_equal(strcmp(view.now, AGK_DASH) != 0, figures);
        assert_string_equal(view.text, figures ? "126" AGK_NBSP "ms" : view.word);
    }
}

/* What a screen reader says of a connection with trouble, of one that is offline, and of one that just began. */
static void test_speech(void **state)
{
    (void)state;
    struct agk_view view;
    struct aivo_quality q = quality(AIVO_LEVEL_FAIR);
    q.cause_count = 2;
    q.causes[0] = (struct aivo_quality_cause){AIVO_CAUSE_UPLINK_LOSS, 21.3};
    q.causes[1] = (struct aivo_quality_cause){AIVO_CAUSE_SERVER_HANDLER, 0};
    q.suspect = true;
    agk_view_make(&view, &q, AGK_LINK_UP, "api", NULL);
    assert_string_equal(view.label, "api: Fair, 126 milliseconds, an answer is overdue");
    assert_string_equal(view.description, "Score 70 of 100. Latency 131 milliseconds now, 126 milliseconds on average. "
                                          "Loss 0.4 percent, between 0.1 and 1.2 percent. Stable. "
                                          "Packets lost on the way to the server: 21 points. "
                                          "The server's application is slow.");
    agk_view_make(&view, &q, AGK_LINK_FAILED, "api", "Connection refused.");
    assert_string_equal(view.label, "api: Offline");
    assert_string_equal(view.description, "Given up. Connection refused.");
    agk_view_make(&view, &q, AGK_LINK_RECONNECTING, "api", NULL);
    assert_string_equal(view.label, "api: Offline");
    assert_string_equal(view.description, "Trying again.");
    agk_view_make(&view, NULL, AGK_LINK_DOWN, "api", "Paused.");
    assert_null(view.status);
    assert_string_equal(view.description, "Paused.");
    q.stable = false;
    q.jitter_ms = 0.6;
    agk_view_make(&view, &q, AGK_LINK_UP, "api", NULL);
    assert_string_equal(view.stability, "Unstable, \xc2\xb1" AGK_NBSP "0.6" AGK_NBSP "ms");
    assert_non_null(strstr(view.description, "Unstable, plus or minus 0.6 milliseconds."));
    q.jitter_ms = NAN;
    agk_view_make(&view, &q, AGK_LINK_UP, "api", NULL);
    assert_string_equal(view.stability, "Unstable");
    q = quality(AIVO_LEVEL_GOOD);
    q.avg_latency_ms = q.loss_pct = q.loss_low_pct = NAN;
    q.score = 0;
    q.stable_known = false;
    agk_view_make(&view, &q, AGK_LINK_UP, NULL, NULL);
    assert_string_equal(view.label, "Good, 131 milliseconds");
    assert_string_equal(view.description, "Score unknown of 100. Latency 131 milliseconds now, unknown on average. "
                                          "Loss unknown, unknown. Stability unknown.");
    assert_string_equal(view.score, AGK_DASH);
}

/* A title and a reason of any length, and as many causes as there are: every text stays in its bound and whole. */
static void test_long_texts(void **state)
{
    (void)state;
    static char much[5000];
    memset(much, 'x', sizeof(much) - 1);
    struct agk_view view;
    struct aivo_quality q = quality(AIVO_LEVEL_POOR);
    q.cause_count = AIVO_QUALITY_CAUSES;
    for (size_t i = 0; i < AIVO_QUALITY_CAUSES; i++) {
        q.causes[i] = (struct aivo_quality_cause){(enum aivo_cause)i, 99};
    }
    agk_view_make(&view, &q, AGK_LINK_UP, much, much);
    assert_true(strlen(view.label) < AGK_SPEECH && strlen(view.description) < AGK_SPEECH);
    assert_int_equal(view.description[strlen(view.description) - 1], '.');
    q.cause_count = SIZE_MAX; /* a struct of somebody else */
    q.causes[0].cause = (enum aivo_cause)1234;
    agk_view_make(&view, &q, AGK_LINK_UP, much, much);
    assert_non_null(strstr(view.description, "Something else"));
}

/* WCAG AA: each level's colour has 4.5:1 on what GTK's and libadwaita's themes have behind a widget and on the tinted
 * card; 7:1 in high contrast. What is on an alarm has 4.5:1 too. */
static void test_contrast(void **state)
{
    (void)state;
    static const double light[] = {1.0, 0.9804, 0.9608, 0.9255}, dark[] = {0.1412, 0.1176, 0.1882, 0.2118};
    for (int look = 0; look < 4; look++) {
        struct agk_scheme scheme = {.dark = look & 1, .high_contrast = look & 2};
        for (int kind = 0; kind < AGK_KINDS; kind++) {
            struct agk_colour ink = agk_palette((enum agk_kind)kind, scheme);
            for (int i = 0; i < 4; i++) {
                double grey = scheme.dark ? dark[i] : light[i];
                struct agk_colour paper = {grey, grey, grey}, tinted = agk_blend(ink, paper, 0.08);
                assert_true(agk_contrast(ink, paper) >= (scheme.high_contrast ? 7 : 4.5));
                assert_true(scheme.high_contrast || agk_contrast(ink, tinted) >= 4.5);
            }
        }
    }
    const struct agk_colour alarm = {0xa5 / 255.0, 0x1d / 255.0, 0x2d / 255.0}, white = {1, 1, 1}, black = {0, 0, 0};
    assert_true(agk_contrast(white, alarm) >= 7);
    for (int kind = 0; kind < AGK_KINDS; kind++) {
        if (kind == AGK_OFFLINE || kind == AGK_BUSY) {
            assert_true(agk_contrast(agk_palette((enum agk_kind)kind, (struct agk_scheme){true, true}), alarm) >= 4.5);
        }
    }
    assert_true(fabs(agk_contrast(white, black) - 21) < 0.01);
    char text[8];
    agk_colour_text(alarm, text);
    assert_string_equal(text, "#a51d2d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures),    cmocka_unit_test(test_ago),
                                       cmocka_unit_test(test_states),     cmocka_unit_test(test_speech),
                                       cmocka_unit_test(test_long_texts), cmocka_unit_test(test_contrast)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
