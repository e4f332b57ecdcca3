#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "quality.h"
#include <cmocka.h>
#include <math.h>

#define MS     ((int64_t)1000)
#define SECOND (1000 * MS)
/* An arbitrary start: a monotonic clock does not begin at 0. */
#define START (123456 * SECOND)

static const struct aivo_quality_options defaults = {true, 10000, 5000, true, {100, 250, 500}};

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6))
        fail_msg("%.9g rather than %.9g", a, b);
}

static struct aivo_quality snapshot(const struct aivo_quality_core *q, int64_t now)
{
    struct aivo_quality s = {.time_ms = 4711};
    aivo_quality_snapshot(q, now, &s);
    return s;
}

static void start(struct aivo_quality_core *q)
{
    aivo_quality_init(q, &defaults);
    aivo_quality_connected(q, START);
}

/* The next probe goes out when it is due and is answered after rtt_ms; the time of the answer. */
static int64_t answer(struct aivo_quality_core *q, int64_t now, double rtt_ms)
{
    struct aivo_quality_probe p;
    if (q->probe_due_us > now)
        now = q->probe_due_us;
    assert_true(aivo_quality_next_probe(q, now, &p));
    aivo_quality_probe_sent(q, now, p.id);
    now += (int64_t)(rtt_ms * 1000);
    assert_true(aivo_quality_pong(q, now, p.id));
    return now;
}

/* The next probe goes out when it is due and is never answered; the time at which it is lost. */
static int64_t lose(struct aivo_quality_core *q, int64_t now)
{
    struct aivo_quality_probe p;
    if (q->probe_due_us > now)
        now = q->probe_due_us;
    assert_true(aivo_quality_next_probe(q, now, &p));
    aivo_quality_probe_sent(q, now, p.id);
    now += 5 * SECOND;
    assert_true(aivo_quality_tick(q, now) & AIVO_QUALITY_LOST);
    return now;
}

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

/* The first probe is due at once, the next an interval after it was sent; at most one is under way, and a due one
 * waits for the answer. */
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
    /* it cannot be written yet: it is not asked for again, and nothing makes the caller spin */
    assert_false(aivo_quality_next_probe(&q, START + 60 * SECOND, &p));
    assert_true(aivo_quality_deadline(&q, START) == AIVO_QUALITY_NEVER);
    assert_false(aivo_quality_pong(&q, START, 1)); /* an answer before the question */
    int64_t sent = START + 2 * SECOND;
    aivo_quality_probe_sent(&q, sent, 1);
    assert_true(aivo_quality_deadline(&q, sent) == sent + 5 * SECOND);
    assert_false(aivo_quality_next_probe(&q, sent + 1, &p));
    assert_true(aivo_quality_pong(&q, sent + 20 * MS, 1));
    assert_near(snapshot(&q, sent + 20 * MS).latency_ms, 20);
    aivo_quality_tick(&q, sent + 20 * MS);
    assert_true(aivo_quality_deadline(&q, sent + 20 * MS) == sent + 10 * SECOND);
    assert_false(aivo_quality_next_probe(&q, sent + 10 * SECOND - 1, &p));
    assert_true(aivo_quality_next_probe(&q, sent + 10 * SECOND, &p));
    assert_int_equal(p.id, 2);
}

/* With an interval shorter than the round trip, the next probe follows the answer at once, never two together. */
static void test_short_interval(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    struct aivo_quality_options options = defaults;
    options.interval_ms = 100;
    aivo_quality_init(&q, &options);
    aivo_quality_connected(&q, START);
    int64_t now = START;
    for (uint64_t id = 1; id <= 50; id++) {
        assert_true(aivo_quality_next_probe(&q, now, &p));
        aivo_quality_probe_sent(&q, now, p.id);
        for (int i = 0; i < 3; i++, now += 100 * MS)
            assert_false(aivo_quality_next_probe(&q, now, &p));
        assert_true(aivo_quality_pong(&q, now, id));
    }
}

/* Answers that nothing waits for are no samples: a wrong id, a second answer, one after the time-out. */
static void test_stray_answers(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    assert_false(aivo_quality_pong(&q, START, 0));
    assert_true(aivo_quality_next_probe(&q, START, &p));
    aivo_quality_probe_sent(&q, START, p.id + 1); /* not the one that was asked for */
    assert_false(aivo_quality_pong(&q, START + 1, p.id + 1));
    aivo_quality_probe_sent(&q, START, p.id);
    assert_false(aivo_quality_pong(&q, START + 10, p.id + 1));
    assert_false(aivo_quality_pong(&q, START + 10, p.id - 1));
    assert_true(aivo_quality_pong(&q, START + 10, p.id));
    assert_false(aivo_quality_pong(&q, START + 11, p.id));
    int64_t now = START + 10 * SECOND;
    assert_true(aivo_quality_next_probe(&q, now, &p));
    aivo_quality_probe_sent(&q, now, p.id);
    assert_false(aivo_quality_pong(&q, now + 5 * SECOND, p.id));
    assert_int_equal(snapshot(&q, now).samples, 1);
    assert_int_equal(snapshot(&q, now).lost, 1);
    assert_true(aivo_quality_tick(&q, now + 5 * SECOND) & AIVO_QUALITY_LOST);
    assert_false(aivo_quality_tick(&q, now + 5 * SECOND) & AIVO_QUALITY_LOST);
}

/* Loss is the share of unanswered probes with its interval; a lost one is no latency sample. */
static void test_loss(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    start(&q);
    for (int i = 0; i < 10; i++)
        now = answer(&q, now, 50);
    struct aivo_quality s = snapshot(&q, now);
    assert_true(s.loss_pct == 0 && s.loss_low_pct == 0);
    assert_true(s.loss_high_pct > 27.7 && s.loss_high_pct < 27.8);
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
    assert_near(s.avg_latency_ms, 50);
}

/* The exact moment of the time-out: not a microsecond before. */
static void test_timeout_moment(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    assert_true(aivo_quality_next_probe(&q, START, &p));
    aivo_quality_probe_sent(&q, START, p.id);
    assert_int_equal(aivo_quality_tick(&q, START + 5 * SECOND - 1), 0);
    assert_true(aivo_quality_deadline(&q, START + 5 * SECOND - 1) == START + 5 * SECOND);
    assert_int_equal(aivo_quality_tick(&q, START + 5 * SECOND), AIVO_QUALITY_LOST);
}

/* A hung link: from the moment the unanswered probe is older than the mean its age takes the oldest sample's place.
 * The level goes down step by step at deadlines, stays down when the probe is lost, and recovers with an answer. */
static void test_hanging(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    int64_t now = START;
    start(&q);
    for (int i = 0; i < 13; i++)
        now = answer(&q, now, i < 3 ? 400 : i == 3 ? 30 : 50); /* the oldest of the ten is 30 */
    aivo_quality_tick(&q, now);
    int64_t sent = q.probe_due_us;
    assert_true(aivo_quality_next_probe(&q, sent, &p));
    aivo_quality_probe_sent(&q, sent, p.id);
    assert_near(snapshot(&q, sent + 48 * MS).avg_latency_ms, 48);
    assert_near(snapshot(&q, sent + 49 * MS).avg_latency_ms, (450 + 49) / 10.0);
    assert_near(snapshot(&q, sent + 49 * MS).latency_ms, 50);
    /* mean 100 at an age of 550, 250 at 2,050, 500 at 4,550 */
    static const struct {
        int64_t age_ms;
        enum aivo_level level;
    } steps[] = {{550, AIVO_LEVEL_GOOD}, {2050, AIVO_LEVEL_FAIR}, {4550, AIVO_LEVEL_POOR}};
    now = sent;
    for (size_t i = 0; i < 3; i++) {
        unsigned events = 0, wakes = 0;
        while (!events && wakes++ < 5) {
            int64_t deadline = aivo_quality_deadline(&q, now);
            assert_true(deadline > now);
            now = deadline;
            events = aivo_quality_tick(&q, now);
        }
        assert_int_equal(events, AIVO_QUALITY_LEVEL);
        assert_true(now >= sent + steps[i].age_ms * MS && now <= sent + steps[i].age_ms * MS + 2);
        assert_int_equal(aivo_quality_level(&q, now), steps[i].level);
        assert_int_equal(aivo_quality_level(&q, now - 3), steps[i].level + 1);
    }
    now = sent + 5 * SECOND;
    assert_int_equal(aivo_quality_tick(&q, now), AIVO_QUALITY_LOST);
    now = sent + 10 * SECOND;
    assert_true(aivo_quality_next_probe(&q, now, &p));
    aivo_quality_probe_sent(&q, now, p.id);
    assert_int_equal(aivo_quality_level(&q, now), AIVO_LEVEL_POOR);
    assert_near(snapshot(&q, now).avg_latency_ms, (450 + 10000) / 10.0);
    now += 50 * MS;
    assert_true(aivo_quality_pong(&q, now, p.id));
    assert_int_equal(aivo_quality_tick(&q, now), AIVO_QUALITY_LEVEL);
    assert_int_equal(aivo_quality_level(&q, now), AIVO_LEVEL_EXCELLENT);
    assert_near(snapshot(&q, now).avg_latency_ms, 50);
}

/* With a window that is not full the age is a further sample, as the answer will be. */
static void test_hanging_partial_window(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    answer(&q, START, 100);
    int64_t sent = q.probe_due_us;
    assert_true(aivo_quality_next_probe(&q, sent, &p));
    aivo_quality_probe_sent(&q, sent, p.id);
    assert_near(snapshot(&q, sent + 100 * MS).avg_latency_ms, 100);
    assert_near(snapshot(&q, sent + 300 * MS).avg_latency_ms, 200);
    assert_true(aivo_quality_pong(&q, sent + 300 * MS, p.id));
    assert_near(snapshot(&q, sent + 300 * MS).avg_latency_ms, 200);
}

/* A probe that cannot be written for long hangs too; once written, its age counts from then. */
static void test_unwritable(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_probe p;
    start(&q);
    answer(&q, START, 10);
    int64_t due = q.probe_due_us;
    assert_true(aivo_quality_next_probe(&q, due, &p));
    assert_near(snapshot(&q, due + 2000 * MS).avg_latency_ms, 1005);
    aivo_quality_probe_sent(&q, due + 2000 * MS, p.id);
    assert_near(snapshot(&q, due + 2000 * MS).avg_latency_ms, 10);
    assert_true(aivo_quality_pong(&q, due + 2020 * MS, p.id));
    assert_near(snapshot(&q, due + 2020 * MS).latency_ms, 20);
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
    aivo_quality_probe_sent(&q, now, p.id);
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
    assert_false(aivo_quality_pong(&q, now, p.id)); /* the former connection's */
    now = answer(&q, now, 20);
    s = snapshot(&q, now);
    assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    assert_near(s.avg_latency_ms, 20);
    assert_int_equal(s.samples, 2);
    assert_int_equal(s.reconnects, 1);
}

/* Every third probe asks the handler; the least of what its answers take beyond the PINGs is the handler's share,
 * whichever of the two answers comes first. */
static void test_handler(void **state)
{
    (void)state;
    static const struct {
        double ping_ms, handler_ms, least;
    } rounds[] = {{50, 90, 40}, {50, 120, 40}, {90, 100, 10}, {60, 40, 0}};
    struct aivo_quality_core q;
    int64_t now = START;
    size_t round = 0;
    start(&q);
    for (int i = 1; i <= 12; i++) {
        struct aivo_quality_probe p;
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        assert_int_equal(p.ask_handler, i % 3 == 0);
        aivo_quality_probe_sent(&q, now, p.id);
        if (!p.ask_handler) {
            now += 50 * MS;
            assert_true(aivo_quality_pong(&q, now, p.id));
            assert_false(aivo_quality_handler_answer(&q, now, p.id));
            continue;
        }
        aivo_quality_handler_sent(&q, now, p.id);
        int64_t pong = now + (int64_t)(rounds[round].ping_ms * 1000);
        int64_t reply = now + (int64_t)(rounds[round].handler_ms * 1000);
        if (pong < reply) {
            assert_true(aivo_quality_pong(&q, pong, p.id));
            assert_true(aivo_quality_handler_answer(&q, reply, p.id));
        } else {
            assert_true(aivo_quality_handler_answer(&q, reply, p.id));
            assert_true(aivo_quality_pong(&q, pong, p.id));
        }
        now = pong > reply ? pong : reply;
        assert_false(aivo_quality_handler_answer(&q, now, p.id)); /* the second of ack and quality_pong */
        assert_near(snapshot(&q, now).handler_ms, rounds[round].least);
        round++;
    }
    assert_int_equal(round, 4);
}

/* Only the last eight answers of the handler count: a server that became slow is seen. */
static void test_handler_recent(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    int asked = 0;
    start(&q);
    while (asked < 9) {
        struct aivo_quality_probe p;
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        aivo_quality_probe_sent(&q, now, p.id);
        if (p.ask_handler)
            aivo_quality_handler_sent(&q, now, p.id);
        assert_true(aivo_quality_pong(&q, now + 10 * MS, p.id));
        if (p.ask_handler)
            assert_true(aivo_quality_handler_answer(&q, now + (asked++ ? 310 : 12) * MS, p.id));
        if (asked == 8)
            assert_near(snapshot(&q, now).handler_ms, 2);
    }
    assert_near(snapshot(&q, now).handler_ms, 300);
}

/* Two questions in a row without an answer, and the handler is not asked again until the next connection. That is
 * never a loss. */
static void test_handler_silent(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    int asked = 0;
    start(&q);
    for (int i = 0; i < 30; i++) {
        struct aivo_quality_probe p;
        now = q.probe_due_us > now ? q.probe_due_us : now;
        aivo_quality_tick(&q, now);
        assert_true(aivo_quality_next_probe(&q, now, &p));
        aivo_quality_probe_sent(&q, now, p.id);
        if (p.ask_handler) {
            asked++;
            aivo_quality_handler_sent(&q, now, p.id);
            assert_true(aivo_quality_deadline(&q, now) <= now + 5 * SECOND);
        }
        now += MS;
        assert_true(aivo_quality_pong(&q, now, p.id));
    }
    assert_int_equal(asked, 2);
    assert_int_equal(snapshot(&q, now).lost, 0);
    assert_true(isnan(snapshot(&q, now).handler_ms));
    aivo_quality_disconnected(&q, now);
    aivo_quality_connected(&q, now);
    for (int i = 0; i < 3; i++) {
        struct aivo_quality_probe p;
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        asked += p.ask_handler;
        aivo_quality_probe_sent(&q, now, p.id);
        assert_true(aivo_quality_pong(&q, now + MS, p.id));
    }
    assert_int_equal(asked, 3);
}

/* One unanswered question between answered ones does not stop the asking; a slow answer counts while it is in time. */
static void test_handler_sometimes_silent(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = START;
    int asked = 0;
    start(&q);
    for (int i = 0; i < 60; i++) {
        struct aivo_quality_probe p;
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        aivo_quality_probe_sent(&q, now, p.id);
        if (p.ask_handler)
            aivo_quality_handler_sent(&q, now, p.id);
        assert_true(aivo_quality_pong(&q, now + MS, p.id));
        if (p.ask_handler && asked++ % 2)
            assert_true(aivo_quality_handler_answer(&q, now + 4999 * MS, p.id));
    }
    assert_int_equal(asked, 20);
    assert_near(snapshot(&q, now).handler_ms, 4998);
}

/* What was switched off is not sent: no probes at all, or none to the handler. */
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
    options.enabled = true;
    options.quality_ping = false;
    aivo_quality_init(&q, &options);
    aivo_quality_connected(&q, START);
    int64_t now = START;
    for (int i = 0; i < 9; i++) {
        now = q.probe_due_us > now ? q.probe_due_us : now;
        assert_true(aivo_quality_next_probe(&q, now, &p));
        assert_false(p.ask_handler);
        aivo_quality_probe_sent(&q, now, p.id);
        assert_true(aivo_quality_pong(&q, now, p.id));
    }
}

/* Options of 0 are the defaults: neither a probe storm nor instant loss. */
static void test_zero_options(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_quality_options options = {.enabled = true};
    aivo_quality_init(&q, &options);
    assert_int_equal(q.options.interval_ms, 10000);
    assert_int_equal(q.options.timeout_ms, 5000);
}

/* A random link over a simulated day, driven by deadlines alone: the caller never spins, counts agree, figures stay
 * within their ranges and the level is always what a snapshot says. */
static void test_random_link(void **state)
{
    (void)state;
    struct prng r = {41};
    struct aivo_quality_core q;
    int64_t now = START, end = START + 86400 * SECOND, answer_at = AIVO_QUALITY_NEVER;
    uint64_t answered = 0, lost = 0, wakes = 0, id = 0;
    enum aivo_level level = AIVO_LEVEL_OFFLINE;
    start(&q);
    while (now < end) {
        struct aivo_quality_probe p;
        if (answer_at <= now) {
            if (aivo_quality_pong(&q, now, id))
                answered++;
            answer_at = AIVO_QUALITY_NEVER;
        }
        unsigned events = aivo_quality_tick(&q, now);
        lost += (events & AIVO_QUALITY_LOST) != 0;
        struct aivo_quality s = snapshot(&q, now);
        assert_int_equal((events & AIVO_QUALITY_LEVEL) != 0, s.level != level);
        level = s.level;
        assert_int_equal(s.score == 0, s.level == AIVO_LEVEL_OFFLINE);
        assert_true(s.score >= 0 && s.score <= 100);
        assert_true(s.samples == answered && s.lost == lost);
        if (aivo_quality_next_probe(&q, now, &p)) {
            aivo_quality_probe_sent(&q, now, p.id);
            id = p.id;
            if (prng_below(&r, 10))
                answer_at = now + (int64_t)prng_below(&r, prng_below(&r, 20) ? 900000 : 6000000);
        }
        int64_t next = aivo_quality_deadline(&q, now);
        assert_true(next > now && next != AIVO_QUALITY_NEVER);
        now = answer_at < next ? answer_at : next;
        wakes++;
    }
    assert_true(answered > 7000 && lost > 500);
    assert_true(wakes < 12 * (answered + lost));
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
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_short_interval),
        cmocka_unit_test(test_stray_answers),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_timeout_moment),
        cmocka_unit_test(test_hanging),
        cmocka_unit_test(test_hanging_partial_window),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_handler),
        cmocka_unit_test(test_handler_recent),
        cmocka_unit_test(test_handler_silent),
        cmocka_unit_test(test_handler_sometimes_silent),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_zero_options),
        cmocka_unit_test(test_random_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
