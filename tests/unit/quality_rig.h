/* What the tests of the quality core share: an endless supply of probes and answers at times of one's own. */
#ifndef AIVO_TEST_QUALITY_RIG_H
#define AIVO_TEST_QUALITY_RIG_H

#include "quality.h"
#include <cmocka.h>
#include <math.h>

#define MS     ((int64_t)1000)
#define SECOND (1000 * MS)
/* An arbitrary start: a monotonic clock does not begin at 0. */
#define START (123456 * SECOND)

static const __attribute__((unused)) struct aivo_quality_options defaults = {
    true, 10000, 5000, true, {100, 250, 500}, AIVO_PROFILE_STANDARD, 10, {0}};
/* What the first form of the score was: plain figures of the last ten samples. */
static const __attribute__((unused)) struct aivo_quality_options classic = {
    true, 10000, 5000, true, {100, 250, 500}, AIVO_PROFILE_CLASSIC, 10, {0}};

static inline void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6))
        fail_msg("%.9g rather than %.9g", a, b);
}

static inline struct aivo_quality snapshot(const struct aivo_quality_core *q, int64_t now)
{
    struct aivo_quality s = {.time_ms = 4711};
    aivo_quality_snapshot(q, now, &s);
    return s;
}

static inline void start(struct aivo_quality_core *q)
{
    aivo_quality_init(q, &defaults);
    aivo_quality_connected(q, START);
}

/* The next probe goes out when it is due and is never answered: the connection is dead, and another one is made. */
static inline int64_t lose(struct aivo_quality_core *q, int64_t now)
{
    struct aivo_quality_probe p;
    if (q->probe_due_us > now)
        now = q->probe_due_us;
    assert_true(aivo_quality_next_probe(q, now, &p));
    aivo_quality_probe_sent(q, now, p.id, NULL);
    bool answers = q->answers;
    now += 5 * SECOND;
    unsigned events = aivo_quality_tick(q, now);
    assert_true(events & AIVO_QUALITY_LOST);
    assert_int_equal((events & AIVO_QUALITY_DEAD) != 0, answers);
    if (answers) {
        assert_int_equal(snapshot(q, now).level, AIVO_LEVEL_OFFLINE);
        aivo_quality_disconnected(q, now);
        aivo_quality_connected(q, now);
        aivo_quality_tick(q, now);
    }
    return now;
}

/* Sends the probe that is due, with the kernel's counters. */
static inline int64_t send_probe(struct aivo_quality_core *q, int64_t now, const struct aivo_path *path)
{
    struct aivo_quality_probe p;
    if (q->probe_due_us > now)
        now = q->probe_due_us;
    q->handler_due = false; /* tests of the handler ask for themselves */
    assert_true(aivo_quality_next_probe(q, now, &p));
    assert_false(p.ask_handler);
    aivo_quality_probe_sent(q, now, p.id, path);
    return now;
}

/* The same, answered after rtt_ms; the time of the answer. */
static inline int64_t answer_with(struct aivo_quality_core *q, int64_t now, double rtt_ms,
                                  const struct aivo_path *before, const struct aivo_path *after)
{
    now = send_probe(q, now, before) + (int64_t)(rtt_ms * 1000);
    assert_true(aivo_quality_pong(q, now, q->probe_id, after));
    return now;
}

/* The same on a system that tells nothing. */
static inline int64_t answer(struct aivo_quality_core *q, int64_t now, double rtt_ms)
{
    return answer_with(q, now, rtt_ms, NULL, NULL);
}

/* A link as it should be: connected at START, and so many answers after 50 ms each. The time of the last. */
static inline int64_t settle(struct aivo_quality_core *q, int count, const struct aivo_path *path)
{
    int64_t now = START;
    start(q);
    for (int i = 0; i < count; i++)
        now = answer_with(q, now, 50, path, path);
    return now;
}

#endif
