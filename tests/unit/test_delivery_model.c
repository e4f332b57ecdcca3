/* The delivery policy against a reference model that is as simple as can be: one array, every decision by looking at
 * all of it. Both go through the same random steps; every decision and every deadline must agree. */
#include "delivery.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPACITY 24
#define WINDOW   9
#define RETRIES  3
#define MESSAGES 100000
#define LATE     (4 * WINDOW)
#define STEPS    1000000

enum state { UNBORN, STORED, WAITING, FLYING, ACKNOWLEDGED, EXPIRED, EVICTED, DEAD };

struct model_message {
    enum state state;
    uint32_t attempts; /* answered with an error or not at all while connected, or it ended the connection */
    uint32_t ends, ends_alone;
    int64_t wait_us; /* from the next connection on */
    int64_t expires_ms;
    int64_t due_us;
    int64_t sent_us;
    uint64_t ticket;
};

struct model {
    struct model_message messages[MESSAGES];
    int64_t born, first; /* [first, born) may be alive */
    bool connected, acknowledged;
    uint32_t allowance;
    int64_t elsewhere; /* in flight in another queue of the connection */
    bool alone_there;
    struct old {
        int64_t seq;
        uint64_t ticket;
    } late[LATE]; /* tickets that were not answered in time, the oldest first */
    size_t late_count;
    int64_t pause_until_us, pause_from_us, pause_step_us;
    /* The world. */
    int64_t now_us, unix_ms;
    struct aivo_queue_clock clock;
    struct aivo_delivery *d;
    uint64_t seed;
    unsigned long fates[DEAD + 1];
    unsigned long blamed, tried, answered_late;
};

static const struct aivo_delivery_options options = {
    .capacity = CAPACITY,
    .window = WINDOW,
    .max_retries = RETRIES,
    .retry = {.floor_ms = 0, .base_ms = 100, .cap_ms = 1000},
};

static uint64_t rnd(struct model *m)
{
    uint64_t z = (m->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(struct model *m, uint32_t n)
{
    return (uint32_t)(rnd(m) % n);
}

static int64_t count(const struct model *m, enum state state)
{
    int64_t n = 0;
    for (int64_t i = m->first; i < m->born; i++)
        n += m->messages[i].state == state;
    return n;
}

static int64_t clock_ms(struct model *m)
{
    struct aivo_instant at = {.now_us = m->now_us, .unix_ms = m->unix_ms};
    return aivo_queue_clock_advance(&m->clock, &at);
}

static void leave(struct model *m, int64_t seq, enum state fate)
{
    m->messages[seq].state = fate;
    m->fates[fate]++;
    while (m->first < m->born && m->messages[m->first].state >= ACKNOWLEDGED)
        m->first++;
}

/* The lowest sequence number in this state, or -1. ready: and its time has come. */
static int64_t lowest(const struct model *m, enum state state, bool ready)
{
    for (int64_t i = m->first; i < m->born; i++) {
        if (m->messages[i].state == state && (!ready || m->messages[i].due_us <= m->now_us))
            return i;
    }
    return -1;
}

static bool suspect(const struct model_message *message)
{
    return message->ends_alone > 0 || message->ends >= AIVO_DELIVERY_ENDS_SUSPECT;
}

/* Whether a suspect is in flight: then it is the only one. */
static bool trying(const struct model *m)
{
    for (int64_t i = m->first; i < m->born; i++) {
        if (m->messages[i].state == FLYING && suspect(&m->messages[i]))
            return true;
    }
    return false;
}

static bool window_open(const struct model *m)
{
    return m->connected && count(m, FLYING) < m->allowance && !trying(m);
}

/* Whether it has to wait for others to be answered. */
static bool waits_for_others(const struct model *m, int64_t seq)
{
    return suspect(&m->messages[seq]) ? count(m, FLYING) + m->elsewhere > 0 : m->alone_there;
}

/* What the policy must say now: the message to send, or -1. */
static int64_t to_send(const struct model *m)
{
    int64_t seq = window_open(m) && m->now_us >= m->pause_until_us ? lowest(m, WAITING, true) : -1;
    return seq >= 0 && waits_for_others(m, seq) ? -1 : seq;
}

static void refill(struct model *m)
{
    while (aivo_delivery_room(m->d) > 0) {
        int64_t seq = lowest(m, STORED, false);
        if (seq < 0)
            return;
        struct model_message *message = &m->messages[seq];
        struct aivo_delivery_item item = {
            .seq = seq, .expires_ms = message->expires_ms, .attempts = message->attempts, .message = message};
        assert_true(aivo_delivery_add(m->d, &item));
        message->state = WAITING;
        message->due_us = message->wait_us = 0;
        message->ends = message->ends_alone = 0;
    }
}

/* Everything the policy wants done at this moment, each checked against the model. */
static void run(struct model *m)
{
    struct aivo_delivery_item item;
    uint64_t ticket;
    for (;;) {
        refill(m);
        int64_t ms = clock_ms(m);
        enum aivo_delivery_action action = aivo_delivery_next(m->d, m->now_us, ms, false, &item, &ticket);
        if (action == AIVO_DELIVERY_NOTHING)
            break;
        struct model_message *message = &m->messages[item.seq];
        assert_ptr_equal(item.message, message);
        assert_int_equal(message->state, WAITING);
        if (action == AIVO_DELIVERY_EXPIRE) {
            assert_true(message->expires_ms > 0 && message->expires_ms <= ms);
            leave(m, item.seq, EXPIRED);
            continue;
        }
        assert_true(message->expires_ms == 0 || message->expires_ms > ms);
        assert_int_equal(item.seq, to_send(m));
        assert_int_equal(item.attempts, message->attempts);
        message->state = FLYING;
        m->tried += suspect(message);
        message->wait_us = 0;
        message->ticket = ticket;
        message->sent_us = m->now_us;
    }
    assert_int_equal(to_send(m), -1);
    assert_int_equal(aivo_delivery_in_flight(m->d), count(m, FLYING));
    assert_int_equal(aivo_delivery_waiting(m->d), count(m, WAITING));
    int64_t due_us = AIVO_NEVER;
    int64_t first = lowest(m, WAITING, true);
    bool blocked = first >= 0 && waits_for_others(m, first);
    assert_int_equal(aivo_delivery_alone(m->d), trying(m) || (first >= 0 && suspect(&m->messages[first])));
    for (int64_t i = m->first; i < m->born && window_open(m) && !blocked; i++) {
        if (m->messages[i].state == WAITING && m->messages[i].due_us < due_us)
            due_us = m->messages[i].due_us;
    }
    if (due_us < m->pause_until_us && !blocked)
        due_us = m->pause_until_us;
    assert_int_equal(aivo_delivery_deadline(m->d), due_us);
}

static void model_limited(struct model *m, int64_t seq, int64_t after_ms)
{
    struct model_message *message = &m->messages[seq];
    bool anew = message->sent_us >= m->pause_from_us || m->pause_from_us == 0;
    message->state = WAITING;
    message->due_us = 0;
    message->ends = message->ends_alone = 0;
    if (after_ms < 0 && !anew)
        return;
    int64_t wait_us = after_ms < 0 ? m->pause_step_us : (after_ms < 10 ? 10 : after_ms) * 1000;
    if (after_ms < 0)
        m->pause_step_us = m->pause_step_us >= 30000000 ? 60000000 : m->pause_step_us * 2;
    if (m->now_us + wait_us > m->pause_until_us)
        m->pause_until_us = m->now_us + wait_us;
    if (anew)
        m->pause_from_us = m->now_us + 1;
    m->allowance = 1;
}

/* Its answer may still come. */
static void model_late(struct model *m, int64_t seq, uint64_t ticket)
{
    if (m->late_count == LATE)
        memmove(m->late, m->late + 1, --m->late_count * sizeof *m->late);
    m->late[m->late_count++] = (struct old){.seq = seq, .ticket = ticket};
}

/* The server answers one of those in flight, or its time is over. */
static void answer_one(struct model *m)
{
    int64_t flying = count(m, FLYING);
    if (flying == 0)
        return;
    int64_t seq = m->first;
    for (uint32_t n = below(m, (uint32_t)flying) + 1; n > 0; seq++)
        n -= m->messages[seq].state == FLYING;
    struct model_message *message = &m->messages[--seq];
    struct aivo_judgement judgement = {.verdict = AIVO_VERDICT_ACKNOWLEDGED, .retry_after_ms = -1};
    uint32_t kind = below(m, 20);
    if (kind < 5)
        judgement.verdict = below(m, 2) ? AIVO_VERDICT_FAILED : AIVO_VERDICT_SILENT;
    else if (kind < 6)
        judgement.verdict = AIVO_VERDICT_LIMITED;
    if (judgement.verdict == AIVO_VERDICT_LIMITED && below(m, 2))
        judgement.retry_after_ms = below(m, 3000);
    struct aivo_instant at = {.now_us = m->now_us, .unix_ms = m->unix_ms, .random = rnd(m)};
    struct aivo_delivery_item item;
    uint64_t ticket = message->ticket;
    enum aivo_delivery_result result = aivo_delivery_answered(m->d, &at, ticket, &judgement, &item);
    if (judgement.verdict == AIVO_VERDICT_SILENT)
        model_late(m, seq, ticket);
    assert_int_not_equal(result, AIVO_DELIVERY_UNKNOWN);
    assert_int_equal(item.seq, seq);
    if (judgement.verdict == AIVO_VERDICT_ACKNOWLEDGED) {
        assert_int_equal(result, AIVO_DELIVERY_GONE);
        if (message->sent_us >= m->pause_from_us)
            m->pause_step_us = 1000000;
        m->allowance = m->allowance < WINDOW ? m->allowance + 1 : WINDOW;
        m->acknowledged = true;
        leave(m, seq, ACKNOWLEDGED);
    } else if (judgement.verdict == AIVO_VERDICT_LIMITED) {
        assert_int_equal(result, AIVO_DELIVERY_KEPT);
        model_limited(m, seq, judgement.retry_after_ms);
    } else if (++message->attempts == RETRIES) {
        assert_int_equal(result, AIVO_DELIVERY_DEAD);
        leave(m, seq, DEAD);
    } else {
        assert_int_equal(result, AIVO_DELIVERY_RETRY);
        assert_int_equal(item.attempts, message->attempts);
        message->state = WAITING;
        message->ends = message->ends_alone = 0;
        int64_t wait_us = aivo_backoff_us(&options.retry, message->attempts - 1, at.random);
        message->due_us = m->now_us + wait_us;
    }
    judgement.verdict = AIVO_VERDICT_FAILED;
    assert_int_equal(aivo_delivery_answered(m->d, &at, ticket, &judgement, &item), AIVO_DELIVERY_UNKNOWN);
}

/* An acknowledgement comes whose time was over. */
static void answer_late(struct model *m)
{
    if (m->late_count == 0)
        return;
    size_t which = below(m, (uint32_t)m->late_count);
    struct old old = m->late[which];
    if (old.ticket == 0)
        return;
    m->late[which].ticket = 0;
    struct aivo_judgement judgement = {.verdict = AIVO_VERDICT_ACKNOWLEDGED};
    struct aivo_instant at = {.now_us = m->now_us};
    struct aivo_delivery_item item;
    enum state was = m->messages[old.seq].state;
    enum aivo_delivery_result result = aivo_delivery_answered(m->d, &at, old.ticket, &judgement, &item);
    assert_int_equal(item.seq, old.seq);
    assert_int_equal(result, was == WAITING || was == FLYING ? AIVO_DELIVERY_GONE : AIVO_DELIVERY_LATE);
    m->acknowledged = true;
    if (result == AIVO_DELIVERY_GONE) {
        leave(m, old.seq, ACKNOWLEDGED);
        m->answered_late++;
    }
    assert_int_equal(aivo_delivery_answered(m->d, &at, old.ticket, &judgement, &item), AIVO_DELIVERY_UNKNOWN);
}

/* The only one in flight when the peer ended the connection. */
static void model_blame(struct model *m, int64_t seq, const struct aivo_instant *at, enum aivo_delivery_result result,
                        const struct aivo_delivery_item *item)
{
    struct model_message *message = &m->messages[seq];
    bool counts = ++message->ends_alone > AIVO_DELIVERY_ENDS_FREE;
    m->blamed++;
    if (counts && ++message->attempts == RETRIES) {
        assert_int_equal(result, AIVO_DELIVERY_DEAD);
        assert_int_equal(item->seq, seq);
        leave(m, seq, DEAD);
        return;
    }
    assert_int_equal(result, counts ? AIVO_DELIVERY_RETRY : AIVO_DELIVERY_UNKNOWN);
    int64_t range_ms = options.retry.base_ms;
    for (uint32_t i = 1; i < message->ends_alone && range_ms < options.retry.cap_ms; i++)
        range_ms *= 2;
    struct aivo_backoff backoff = options.retry;
    backoff.floor_ms = (uint32_t)(range_ms < options.retry.cap_ms ? range_ms : options.retry.cap_ms) / 2;
    message->wait_us = aivo_backoff_us(&backoff, message->ends_alone - 1, at->random);
    message->state = WAITING;
    message->due_us = m->now_us + message->wait_us;
}

static void disconnect(struct model *m, bool by_peer)
{
    struct aivo_instant at = {.now_us = m->now_us, .random = rnd(m)};
    struct aivo_delivery_item item;
    int64_t flying = count(m, FLYING), born = m->born;
    if (by_peer && flying > 0 && !m->acknowledged)
        m->allowance = 1;
    enum aivo_delivery_result result = aivo_delivery_disconnected(m->d, &at, by_peer, &item);
    bool alone = by_peer && flying == 1 && m->elsewhere == 0;
    if (!alone)
        assert_int_equal(result, AIVO_DELIVERY_UNKNOWN);
    m->connected = false;
    m->late_count = 0;
    for (int64_t i = m->first; i < born; i++) {
        struct model_message *message = &m->messages[i];
        if (message->state != FLYING)
            continue;
        message->ends += by_peer;
        message->state = WAITING;
        message->due_us = 0;
        if (alone)
            model_blame(m, i, &at, result, &item);
    }
}

static void reconnect(struct model *m)
{
    aivo_delivery_connected(m->d, m->now_us);
    m->connected = true;
    m->acknowledged = false;
    for (int64_t i = m->first; i < m->born; i++) {
        struct model_message *message = &m->messages[i];
        if (message->state == WAITING && message->wait_us > 0) {
            message->due_us = m->now_us + message->wait_us;
            message->wait_us = 0;
        }
    }
}

static void evict_one(struct model *m)
{
    struct aivo_delivery_item item;
    bool flying_too = below(m, 2) == 1;
    int64_t seq = lowest(m, WAITING, false);
    if (seq < 0 && flying_too)
        seq = lowest(m, FLYING, false);
    assert_int_equal(aivo_delivery_evict(m->d, flying_too, &item), seq >= 0);
    if (seq < 0)
        return;
    assert_int_equal(item.seq, seq);
    if (below(m, 4) == 0) { /* the disk refused: it is given back */
        assert_true(aivo_delivery_add(m->d, &item));
        m->messages[seq].state = WAITING;
        m->messages[seq].due_us = m->messages[seq].wait_us = 0;
        return;
    }
    leave(m, seq, EVICTED);
}

/* The process dies: what is in memory is gone, what was accepted is in the file. */
static void restart(struct model *m)
{
    disconnect(m, false);
    aivo_delivery_destroy(m->d, NULL, NULL);
    m->d = aivo_delivery_create(&options);
    assert_non_null(m->d);
    for (int64_t i = m->first; i < m->born; i++) {
        if (m->messages[i].state == WAITING)
            m->messages[i].state = STORED;
    }
    m->allowance = WINDOW;
    m->elsewhere = 0;
    m->alone_there = false;
    m->pause_until_us = m->pause_from_us = 0;
    m->pause_step_us = 1000000;
    struct aivo_instant at = {.now_us = m->now_us, .unix_ms = m->unix_ms};
    int64_t saved_ms = aivo_queue_clock_ms(&m->clock);
    aivo_queue_clock_start(&m->clock, &at, 0, saved_ms, m->unix_ms);
    assert_true(aivo_queue_clock_ms(&m->clock) >= saved_ms);
}

static void one_step(struct model *m)
{
    uint32_t kind = below(m, 1000);
    if (kind < 250 && m->born < MESSAGES && count(m, STORED) < 50) {
        m->messages[m->born++] =
            (struct model_message){.state = STORED, .expires_ms = below(m, 3) ? clock_ms(m) + 1 + below(m, 60000) : 0};
    } else if (kind < 480) {
        answer_one(m);
    } else if (kind < 485) {
        disconnect(m, below(m, 3) > 0);
    } else if (kind < 510) {
        if (!m->connected)
            reconnect(m);
    } else if (kind < 512) {
        m->elsewhere = below(m, 2) ? 0 : below(m, 3);
        m->alone_there = m->elsewhere > 0 && below(m, 3) == 0;
        aivo_delivery_elsewhere(m->d, (size_t)m->elsewhere, m->alone_there);
    } else if (kind < 517) {
        answer_late(m);
    } else if (kind < 525) {
        evict_one(m);
    } else if (kind < 526) {
        restart(m);
    } else if (kind < 528) {
        m->unix_ms += (int64_t)below(m, 200000) - 100000; /* somebody sets the clock */
    } else {
        int64_t step_us = below(m, 8) ? below(m, 20000) : below(m, 2000000);
        int64_t due_us = aivo_delivery_deadline(m->d);
        if (below(m, 4) == 0 && due_us > m->now_us && due_us != AIVO_NEVER)
            step_us = due_us - m->now_us; /* exactly when it asked to be called */
        m->now_us += step_us;
        m->unix_ms += step_us / 1000;
    }
    run(m);
}

/* A million steps: accept, answer (acknowledged, failed, rate limit), disconnect, evict with and without rollback, die
 * and restart, set the clock. At the end everything accepted has exactly one fate, or is still there. */
static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        m->seed = seed;
        m->d = aivo_delivery_create(&options);
        assert_non_null(m->d);
        m->allowance = WINDOW;
        m->pause_step_us = 1000000;
        m->now_us = 1000000;
        m->unix_ms = 1700000000000;
        struct aivo_instant at = {.now_us = m->now_us, .unix_ms = m->unix_ms};
        aivo_queue_clock_start(&m->clock, &at, 0, 0, 0);
        for (int i = 0; i < STEPS / 4; i++)
            one_step(m);
        unsigned long told = 0;
        for (int fate = ACKNOWLEDGED; fate <= DEAD; fate++) {
            assert_true(m->fates[fate] > 0); /* each was exercised */
            told += m->fates[fate];
        }
        assert_true(m->blamed > 0 && m->tried > 0 && m->answered_late > 0);
        unsigned long left = (unsigned long)(count(m, STORED) + count(m, WAITING) + count(m, FLYING));
        assert_int_equal(told + left, m->born);
        aivo_delivery_destroy(m->d, NULL, NULL);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
