#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "quality_rig.h"
#include <cmocka.h>

/* Before there is anything to know, nothing is claimed: figures are unknown, not 0. */
static void test_unknown(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    aivo_quality_init(&q, &defaults);
    for (int connected = 0; connected < 2; connected++) {
        struct aivo_quality s = snapshot(&q, START);
        assert_int_equal(s.size, sizeof(s));
        assert_int_equal(s.time_ms, 4711);
        assert_int_equal(s.level, AIVO_LEVEL_OFFLINE);
        assert_int_equal(s.score, 0);
        assert_true(isnan(s.latency_ms) && isnan(s.avg_latency_ms) && isnan(s.min_latency_ms));
        assert_true(isnan(s.p50_ms) && isnan(s.p95_ms) && isnan(s.p99_ms) && isnan(s.jitter_ms));
        assert_true(isnan(s.loss_pct) && isnan(s.loss_low_pct) && isnan(s.loss_high_pct));
        assert_true(isnan(s.uplink_loss_pct) && isnan(s.downlink_loss_pct));
        assert_true(isnan(s.network_ms) && isnan(s.edge_ms) && isnan(s.handler_ms));
        assert_false(s.stable_known || s.stable);
        assert_int_equal(s.samples + s.lost + s.reconnects, 0);
        aivo_quality_connected(&q, START);
    }
}

/* The window is the last ten samples: mean, least, deviation, and the latest one beside them. */
static void test_window(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    start(&q);
    for (int i = 1; i <= 13; i++)
        now = answer(&q, now, 10.0 * i);
    struct aivo_quality s = snapshot(&q, now); /* 40, 50 ... 130 */
    assert_near(s.latency_ms, 130);
    assert_near(s.avg_latency_ms, 85);
    assert_near(s.min_latency_ms, 40);
    assert_near(s.jitter_ms, sqrt(825));
    assert_int_equal(s.samples, 13);
    assert_int_equal(s.lost, 0);
    assert_near(s.p50_ms, 70);
    assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
}

/* Percentiles run over the last 256 samples, also of earlier connections. */
static void test_percentiles(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    start(&q);
    for (int i = 0; i < 300; i++) {
        now = answer(&q, now, i < 44 ? 4000 : i - 43);
        if (i == 200) {
            aivo_quality_disconnected(&q, now);
            aivo_quality_connected(&q, now);
        }
    }
    struct aivo_quality s = snapshot(&q, now); /* 1 ... 256 */
    assert_near(s.p50_ms, 128.5);
    assert_near(s.p95_ms, 1 + 0.95 * 255);
    assert_near(s.p99_ms, 1 + 0.99 * 255);
    assert_int_equal(s.samples, 300);
}

/* Stable is a deviation below 0.3 of the mean, strictly, and unknown below two samples. */
static void test_stable(void **state)
{
    (void)state;
    static const struct {
        double a, b;
        bool stable;
    } cases[] = {{100, 100, true}, {71, 129, true}, {70, 130, false}, {50, 400, false}, {0, 0, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_quality_core q;
        start(&q);
        int64_t now = answer(&q, START, cases[i].a);
        assert_false(snapshot(&q, now).stable_known);
        now = answer(&q, now, cases[i].b);
        struct aivo_quality s = snapshot(&q, now);
        assert_true(s.stable_known);
        if (s.stable != cases[i].stable)
            fail_msg("%g and %g", cases[i].a, cases[i].b);
    }
}

/* Levels by the mean, each bound belonging to the worse side, and the score beside them. */
static void test_levels_and_score(void **state)
{
    (void)state;
    static const struct {
        double rtt_ms;
        enum aivo_level level;
        int score;
    } cases[] = {
        {0, AIVO_LEVEL_EXCELLENT, 100},     {0.5, AIVO_LEVEL_EXCELLENT, 100}, {50, AIVO_LEVEL_EXCELLENT, 90},
        {99.999, AIVO_LEVEL_EXCELLENT, 80}, {100, AIVO_LEVEL_GOOD, 80},       {175, AIVO_LEVEL_GOOD, 70},
        {249.999, AIVO_LEVEL_GOOD, 60},     {250, AIVO_LEVEL_FAIR, 60},       {375, AIVO_LEVEL_FAIR, 50},
        {499.999, AIVO_LEVEL_FAIR, 40},     {500, AIVO_LEVEL_POOR, 40},       {750, AIVO_LEVEL_POOR, 30},
        {1000, AIVO_LEVEL_POOR, 20},        {2000, AIVO_LEVEL_POOR, 13},      {3000, AIVO_LEVEL_POOR, 5},
        {4999.999, AIVO_LEVEL_POOR, 5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_quality_core q;
        start(&q);
        int64_t now = answer(&q, START, cases[i].rtt_ms);
        struct aivo_quality s = snapshot(&q, now);
        if (s.level != cases[i].level || s.score != cases[i].score)
            fail_msg("%g ms: %s, %d", cases[i].rtt_ms, aivo_level_name(s.level), s.score);
        assert_int_equal(aivo_quality_level(&q, now), s.level);
    }
}

/* Thresholds of one's own move the levels. */
static void test_thresholds(void **state)
{
    (void)state;
    struct aivo_quality_options options = defaults;
    options.thresholds = (struct aivo_quality_thresholds){10, 20, 30};
    static const enum aivo_level levels[] = {AIVO_LEVEL_EXCELLENT, AIVO_LEVEL_GOOD, AIVO_LEVEL_FAIR, AIVO_LEVEL_POOR};
    for (int i = 0; i < 4; i++) {
        struct aivo_quality_core q;
        aivo_quality_init(&q, &options);
        aivo_quality_connected(&q, START);
        assert_int_equal(aivo_quality_level(&q, answer(&q, START, 10 * i + 9.999)), levels[i]);
    }
}

/* The names that contracts give the levels; a number that is no level has one too. */
static void test_level_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Offline", "Poor", "Fair", "Good", "Excellent"};
    for (int i = 0; i < 5; i++)
        assert_string_equal(aivo_level_name((enum aivo_level)i), names[i]);
    assert_string_equal(aivo_level_name((enum aivo_level)77), "Offline");
}

/* Offline while disconnected and until the first answer afterwards; the counts go on, the window does not. */
static void test_reconnect(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    assert_int_equal(aivo_quality_tick(&q, START), 0);
    int64_t now = answer(&q, START, 300);
    assert_int_equal(aivo_quality_tick(&q, now), AIVO_QUALITY_LEVEL);
    now = q.probe_due_us;
    assert_true(aivo_quality_next_probe(&q, now, &p));
    aivo_quality_probe_sent(&q, now, p.id, NULL);
    now += SECOND;
    aivo_quality_disconnected(&q, now);
    assert_true(aivo_quality_deadline(&q, now) == now); /* the level has changed */
    assert_int_equal(aivo_quality_tick(&q, now), AIVO_QUALITY_LEVEL);
    assert_true(aivo_quality_deadline(&q, now) == AIVO_QUALITY_NEVER);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.level, AIVO_LEVEL_OFFLINE);
    assert_int_equal(s.score, 0);
    assert_true(isnan(s.latency_ms) && isnan(s.avg_latency_ms));
    assert_near(s.p50_ms, 300);
    assert_int_equal(s.samples, 1);
    assert_int_equal(s.lost, 0); /* the probe under way is neither */
    now += 60 * SECOND;
    aivo_quality_connected(&q, now);
    assert_int_equal(aivo_quality_tick(&q, now), 0);
    assert_false(aivo_quality_pong(&q, now, p.id, NULL)); /* the former connection's */
    now = answer(&q, now, 20);
    s = snapshot(&q, now);
    assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    assert_near(s.avg_latency_ms, 20);
    assert_int_equal(s.samples, 2);
    assert_int_equal(s.reconnects, 1);
}

/* The first probe is due at once, the next ones every 2 s for 20 s, then at the configured interval, +-10 %; at most
 * one is under way, and a due one waits for the answer. */
static void test_schedule(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    aivo_quality_init(&q, &defaults);
    assert_false(aivo_quality_next_probe(&q, START, &p));
    assert_true(aivo_quality_deadline(&q, START) == AIVO_QUALITY_NEVER);
    aivo_quality_connected(&q, START);
    assert_true(aivo_quality_deadline(&q, START) == START);
    assert_true(aivo_quality_next_probe(&q, START, &p));
    assert_int_equal(p.id, 1);
    assert_false(aivo_quality_next_probe(&q, START + 60 * SECOND, &p)); /* it is asked for only once */
    assert_false(aivo_quality_pong(&q, START, 1, NULL));                /* an answer before the question */
    aivo_quality_probe_sent(&q, START, 1, NULL);
    assert_false(aivo_quality_next_probe(&q, START + 3 * SECOND, &p));
    assert_true(aivo_quality_pong(&q, START + 20 * MS, 1, NULL));
    assert_near(snapshot(&q, START + 20 * MS).latency_ms, 20);
    int64_t now = START + 20 * MS;
    for (int i = 0; i < 60; i++) {
        int64_t sent = q.probe_due_us, expected = sent - START < 20 * SECOND ? 2 * SECOND : 10 * SECOND;
        aivo_quality_tick(&q, now);
        q.handler_due = false;
        assert_true(aivo_quality_deadline(&q, now) == sent);
        assert_false(aivo_quality_next_probe(&q, sent - 1, &p));
        now = answer(&q, now, 20);
        assert_true(now == sent + 20 * MS);
        assert_true(q.probe_due_us - sent >= expected * 9 / 10 && q.probe_due_us - sent <= expected * 11 / 10);
    }
}

/* With an interval shorter than the round trip, the next probe follows the answer at once, never two together. */
static void test_short_interval(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    struct aivo_quality_options options = defaults;
    options.interval_ms = 100;
    options.quality_ping = false;
    aivo_quality_init(&q, &options);
    aivo_quality_connected(&q, START);
    int64_t now = START;
    for (uint64_t id = 1; id <= 50; id++) {
        assert_true(aivo_quality_next_probe(&q, now, &p));
        aivo_quality_probe_sent(&q, now, p.id, NULL);
        for (int i = 0; i < 3; i++, now += 100 * MS)
            assert_false(aivo_quality_next_probe(&q, now, &p));
        assert_true(aivo_quality_pong(&q, now, id, NULL));
    }
}

/* Answers that nothing waits for are no samples: a wrong id, a second answer, one after the time-out. */
static void test_stray_answers(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    assert_false(aivo_quality_pong(&q, START, 0, NULL));
    assert_true(aivo_quality_next_probe(&q, START, &p));
    aivo_quality_probe_sent(&q, START, p.id + 1, NULL); /* not the one that was asked for */
    assert_false(aivo_quality_pong(&q, START + 1, p.id + 1, NULL));
    aivo_quality_probe_sent(&q, START, p.id, NULL);
    assert_false(aivo_quality_pong(&q, START + 10, p.id + 1, NULL));
    assert_true(aivo_quality_pong(&q, START + 10, p.id, NULL));
    assert_false(aivo_quality_pong(&q, START + 11, p.id, NULL));
    int64_t now = send_probe(&q, START, NULL);
    assert_false(aivo_quality_pong(&q, now + 5 * SECOND, q.probe_id, NULL));
    assert_int_equal(snapshot(&q, now).samples, 1);
    assert_int_equal(snapshot(&q, now).lost, 1);
    assert_true(aivo_quality_tick(&q, now + 5 * SECOND) & AIVO_QUALITY_LOST);
    assert_int_equal(aivo_quality_tick(&q, now + 5 * SECOND), 0); /* told once */
}

/* Without the kernel's counters loss is the share of unanswered probes with its interval; the snapshot says so. */
static void test_loss_without_kernel(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    start(&q);
    assert_int_equal(snapshot(&q, now).loss_source, AIVO_LOSS_NONE);
    for (int i = 0; i < 10; i++)
        now = answer(&q, now, 50);
    struct aivo_quality s = snapshot(&q, now);
    assert_true(s.loss_pct == 0 && s.loss_low_pct == 0);
    assert_true(s.loss_high_pct > 27.7 && s.loss_high_pct < 27.8);
    assert_int_equal(s.loss_source, AIVO_LOSS_PROBES);
    for (int i = 0; i < 10; i++)
        now = lose(&q, now);
    for (int i = 0; i < 20; i++)
        now = answer(&q, now, 50);
    s = snapshot(&q, now);
    assert_near(s.loss_pct, 25);
    assert_true(s.loss_low_pct > 14.1 && s.loss_low_pct < 14.2);
    assert_true(s.loss_high_pct > 40.1 && s.loss_high_pct < 40.3);
    assert_int_equal(s.samples, 30);
    assert_int_equal(s.lost, 10);
    assert_true(isnan(s.uplink_loss_pct) && isnan(s.network_ms));
}

/* A PING waits for the handler's answer, a second at most. */
static void test_ping_after_handler(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    struct aivo_quality_options options = defaults;
    options.interval_ms = 100;
    aivo_quality_init(&q, &options);
    aivo_quality_connected(&q, START);
    int64_t now = START;
    for (int i = 0; i < 3; i++)
        now = answer(&q, now, 50);
    assert_true(aivo_quality_next_probe(&q, now, &p) && p.ask_handler);
    aivo_quality_handler_sent(&q, now, p.id);
    aivo_quality_tick(&q, now);
    assert_false(aivo_quality_next_probe(&q, now + 999 * MS, &p));
    assert_true(aivo_quality_deadline(&q, now) == now + SECOND);
    struct aivo_quality_core answered = q;
    assert_true(aivo_quality_handler_answer(&answered, now + 300 * MS, p.id, NULL));
    assert_true(aivo_quality_next_probe(&answered, now + 300 * MS, &p));
    assert_true(aivo_quality_next_probe(&q, now + SECOND, &p));
}

/* Every third probe is followed by a question to the handler once its PONG is there; the median of what the answers
 * take beyond the PINGs is the handler's share. */
static void test_handler(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    int64_t now = START;
    int asked = 0;
    start(&q);
    for (int i = 1; i <= 30; i++) {
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        assert_false(p.ask_handler);
        aivo_quality_probe_sent(&q, now, p.id, NULL);
        assert_false(aivo_quality_next_probe(&q, now, &p));
        now += 50 * MS;
        assert_true(aivo_quality_pong(&q, now, (uint64_t)i, NULL));
        if (i % 3) {
            assert_false(aivo_quality_next_probe(&q, now, &p));
            continue;
        }
        aivo_quality_tick(&q, now);
        assert_true(aivo_quality_deadline(&q, now) == now);
        assert_true(aivo_quality_next_probe(&q, now, &p));
        assert_true(p.ask_handler);
        assert_int_equal(p.id, i);
        aivo_quality_handler_sent(&q, now, p.id);
        now += (asked == 4 ? 900 : 350) * MS;                                /* one of them was unlucky */
        const struct aivo_quality_times times = {5000325, 5000325, 1000350}; /* in the middle, 4,000 s ahead */
        assert_false(aivo_quality_handler_answer(&q, now, p.id + 1, NULL));
        assert_true(aivo_quality_handler_answer(&q, now, p.id, asked == 4 ? NULL : &times));
        assert_false(aivo_quality_handler_answer(&q, now, p.id, NULL));
        asked++;
        assert_near(snapshot(&q, now).handler_ms, 300);
        assert_near(snapshot(&q, now).clock_offset_ms, 4000150);
    }
    assert_int_equal(asked, 10);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.causes[s.cause_count - 1].cause, AIVO_CAUSE_SERVER_HANDLER);
    assert_near(s.causes[s.cause_count - 1].points, 0);
}

/* Two questions in a row without an answer, and the handler is not asked again until the next connection; then the
 * program's own acks stand in. That is never a loss. */
static void test_handler_silent(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    int64_t now = START;
    int asked = 0;
    start(&q);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 30; i++) {
            now = q.probe_due_us > now ? q.probe_due_us : now;
            aivo_quality_tick(&q, now);
            assert_true(aivo_quality_next_probe(&q, now, &p));
            aivo_quality_probe_sent(&q, now, p.id, NULL);
            now += MS;
            assert_true(aivo_quality_pong(&q, now, p.id, NULL));
            if (!aivo_quality_next_probe(&q, now, &p))
                continue;
            asked++;
            aivo_quality_app_ack(&q, now, now - SECOND); /* not while the handler is asked */
            aivo_quality_handler_sent(&q, now, p.id);
            assert_true(aivo_quality_deadline(&q, now) <= now + 5 * SECOND);
        }
        assert_int_equal(asked, 2 + 2 * round);
        assert_int_equal(snapshot(&q, now).lost, 0);
        assert_true(isnan(snapshot(&q, now).handler_ms));
        aivo_quality_app_ack(&q, now, now - 81 * MS);
        assert_near(snapshot(&q, now).handler_ms, 80);
        aivo_quality_disconnected(&q, now);
        aivo_quality_connected(&q, now);
    }
}

/* What was switched off is not sent; switched on by hand the history begins anew. */
static void test_switched_off(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    struct aivo_quality_options options = defaults;
    options.enabled = false;
    aivo_quality_init(&q, &options);
    aivo_quality_connected(&q, START);
    assert_false(aivo_quality_next_probe(&q, START + SECOND, &p));
    assert_true(aivo_quality_deadline(&q, START + SECOND) == AIVO_QUALITY_NEVER);
    aivo_quality_enable(&q, START + SECOND, true);
    int64_t now = answer(&q, START + SECOND, 20);
    aivo_quality_enable(&q, now, true); /* it is: nothing changes */
    assert_int_equal(snapshot(&q, now).samples, 1);
    assert_int_equal(snapshot(&q, now).level, AIVO_LEVEL_EXCELLENT);
    now = send_probe(&q, now, NULL);
    aivo_quality_enable(&q, now, false);
    assert_int_equal(snapshot(&q, now).level, AIVO_LEVEL_OFFLINE);
    assert_int_equal(aivo_quality_tick(&q, now + 60 * SECOND), 0); /* nothing was ever told to be otherwise */
    assert_true(aivo_quality_deadline(&q, now) == AIVO_QUALITY_NEVER);
    aivo_quality_enable(&q, now + 60 * SECOND, true);
    now = answer(&q, now + 60 * SECOND, 30);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.samples, 1);
    assert_int_equal(s.lost, 0);
    assert_near(s.p50_ms, 30);
}

/* The classic profile: the raw mean against the thresholds, whatever the kernel says. */
static void test_classic(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path before = {.rtt_us = 50000}, after = before;
    after.total_retrans = 1;
    aivo_quality_init(&q, &classic);
    aivo_quality_connected(&q, START);
    int64_t now = START;
    for (int i = 0; i < 9; i++)
        now = answer(&q, now, 50);
    now = answer_with(&q, now, 551, &before, &after);
    struct aivo_quality s = snapshot(&q, now);
    assert_near(s.avg_latency_ms, 100.1);
    assert_int_equal(s.level, AIVO_LEVEL_GOOD);
    assert_int_equal(s.score, 80);
    now = answer(&q, now, 50);
    for (int i = 0; i < 8; i++)
        now = answer(&q, now, 50);
    assert_int_equal(snapshot(&q, now).level, AIVO_LEVEL_GOOD);
    now = answer(&q, now, 50);
    assert_int_equal(snapshot(&q, now).level, AIVO_LEVEL_EXCELLENT);
}

/* Options of 0 are the defaults: neither a probe storm nor instant loss nor an empty window. */
static void test_zero_options(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_options options = {.enabled = true};
    aivo_quality_init(&q, &options);
    assert_int_equal(q.options.interval_ms, 10000);
    assert_int_equal(q.options.timeout_ms, 5000);
    assert_int_equal(q.window.size, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_stable),
        cmocka_unit_test(test_levels_and_score),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_short_interval),
        cmocka_unit_test(test_stray_answers),
        cmocka_unit_test(test_loss_without_kernel),
        cmocka_unit_test(test_ping_after_handler),
        cmocka_unit_test(test_handler),
        cmocka_unit_test(test_handler_silent),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_classic),
        cmocka_unit_test(test_zero_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
