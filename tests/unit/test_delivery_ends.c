/* The policy when the server ends connections: a message that it cannot stand must not hold back the others for ever,
 * nor be sent for ever. And when it answers after its time. Simulated time. */
#include "delivery.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000)
#define S  (1000 * MS)

static const struct aivo_delivery_options plain = {
    .capacity = 64, .window = 16, .max_retries = 3, .retry = {.floor_ms = 0, .base_ms = 1000, .cap_ms = 30000}};

static struct aivo_delivery *make(int count)
{
    struct aivo_delivery *d = aivo_delivery_create(&plain);
    assert_non_null(d);
    for (int64_t seq = 1; seq <= count; seq++) {
        struct aivo_delivery_item item = {.seq = seq};
        assert_true(aivo_delivery_add(d, &item));
    }
    return d;
}

/* The message that is sent now, or 0. */
static int64_t send_next(struct aivo_delivery *d, int64_t now_us, uint64_t *ticket)
{
    struct aivo_delivery_item item;
    return aivo_delivery_next(d, now_us, 0, false, &item, ticket) == AIVO_DELIVERY_SEND ? item.seq : 0;
}

static enum aivo_delivery_result answer(struct aivo_delivery *d, int64_t now_us, uint64_t ticket,
                                        enum aivo_verdict verdict, struct aivo_delivery_item *item)
{
    const struct aivo_judgement judgement = {.verdict = verdict, .retry_after_ms = -1};
    const struct aivo_instant at = {.now_us = now_us, .random = UINT64_MAX};
    return aivo_delivery_answered(d, &at, ticket, &judgement, item);
}

static void acknowledge(struct aivo_delivery *d, int64_t now_us, uint64_t ticket)
{
    struct aivo_delivery_item item;
    assert_int_equal(answer(d, now_us, ticket, AIVO_VERDICT_ACKNOWLEDGED, &item), AIVO_DELIVERY_GONE);
}

static enum aivo_delivery_result cut(struct aivo_delivery *d, int64_t now_us, bool by_peer,
                                     struct aivo_delivery_item *item)
{
    const struct aivo_instant at = {.now_us = now_us, .random = UINT64_MAX};
    return aivo_delivery_disconnected(d, &at, by_peer, item);
}

/* A connection that the server ended with nothing acknowledged: the next begins with one message, and opens by one with
 * each acknowledgement. One that ended on our side, or with something acknowledged, changes nothing. */
static void test_window_after_an_end(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(40);
    struct aivo_delivery_item item;
    uint64_t ticket, first, second;
    for (int round = 0; round < 2; round++) { /* ours; the server's, but with an acknowledgement */
        aivo_delivery_connected(d, 0);
        int sent = 0;
        while (send_next(d, 0, &ticket))
            sent++;
        assert_int_equal(sent, 16);
        if (round == 1)
            acknowledge(d, 0, ticket);
        assert_int_equal(cut(d, 0, round == 1, &item), AIVO_DELIVERY_UNKNOWN);
    }
    aivo_delivery_connected(d, 0);
    for (int i = 0; i < 16; i++)
        assert_true(send_next(d, 0, &ticket) > 0);
    assert_int_equal(cut(d, 0, true, &item), AIVO_DELIVERY_UNKNOWN);
    aivo_delivery_connected(d, 0);
    assert_int_equal(send_next(d, 0, &first), 1);
    assert_int_equal(send_next(d, 0, &ticket), 0);
    acknowledge(d, 0, first);
    assert_int_equal(send_next(d, 0, &first), 2);
    assert_int_equal(send_next(d, 0, &second), 3);
    assert_int_equal(send_next(d, 0, &ticket), 0);
    acknowledge(d, 0, first);
    acknowledge(d, 0, second);
    for (int i = 0; i < 4; i++)
        assert_true(send_next(d, 0, &ticket) > 0);
    assert_int_equal(send_next(d, 0, &ticket), 0);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* The message that was alone when the server ended the connection waits from the next connection on, longer each time,
 * while others pass; then it is sent alone, others after it. The first such ends are free, each further one is a failed
 * attempt, and after three of those it is dead. */
static void test_blame(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(1);
    struct aivo_delivery_item item;
    uint64_t poison, ticket;
    int64_t now_us = 100 * S, seq = 1, waited_us = 0;
    enum { FREE = AIVO_DELIVERY_ENDS_FREE };
    for (int end = 1; end <= FREE + 3; end++) {
        aivo_delivery_connected(d, now_us);
        if (end > 1) {
            for (int i = 0; i < 2; i++) { /* they pass */
                struct aivo_delivery_item more = {.seq = ++seq};
                assert_true(aivo_delivery_add(d, &more));
                assert_int_equal(send_next(d, now_us, &ticket), seq);
                if (i == 0)
                    acknowledge(d, now_us, ticket);
            }
            int64_t due_us = aivo_delivery_deadline(d);
            assert_in_range(due_us - now_us, waited_us + 1, 30 * S);
            waited_us = (due_us - now_us) * 3 / 4;
            now_us = due_us;
            assert_int_equal(send_next(d, now_us, &poison), 0); /* not beside another */
            assert_true(aivo_delivery_alone(d));
            assert_int_equal(aivo_delivery_deadline(d), AIVO_NEVER);
            acknowledge(d, now_us, ticket);
            assert_int_equal(aivo_delivery_deadline(d), 0);
        }
        assert_int_equal(send_next(d, now_us, &poison), 1);
        struct aivo_delivery_item more = {.seq = ++seq};
        assert_true(aivo_delivery_add(d, &more));
        if (end > 1)
            assert_int_equal(send_next(d, now_us, &ticket), 0); /* nor another beside it */
        aivo_delivery_take(d, seq, &more);
        now_us += 10 * S; /* as long as the reconnecting takes, or longer: it does not count */
        enum aivo_delivery_result expected = end <= FREE       ? AIVO_DELIVERY_UNKNOWN
                                             : end <= FREE + 2 ? AIVO_DELIVERY_RETRY
                                                               : AIVO_DELIVERY_DEAD;
        assert_int_equal(cut(d, now_us - 10 * S, true, &item), expected);
        if (end > FREE)
            assert_int_equal(item.attempts, end - FREE);
        assert_int_equal(send_next(d, now_us, &ticket), 0);
    }
    assert_int_equal(item.seq, 1);
    assert_int_equal(aivo_delivery_room(d), plain.capacity);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* An answer, whatever it says, clears a message of the suspicion; so does silence on a connection that stays. */
static void test_cleared(void **state)
{
    (void)state;
    static const enum aivo_verdict verdicts[] = {AIVO_VERDICT_FAILED, AIVO_VERDICT_LIMITED, AIVO_VERDICT_SILENT};
    for (size_t i = 0; i < 3; i++) {
        struct aivo_delivery *d = make(1);
        struct aivo_delivery_item item;
        uint64_t ticket;
        aivo_delivery_connected(d, 0);
        assert_int_equal(send_next(d, 0, &ticket), 1);
        cut(d, 0, true, &item);
        aivo_delivery_connected(d, 0);
        assert_int_equal(send_next(d, aivo_delivery_deadline(d), &ticket), 1);
        assert_true(aivo_delivery_alone(d));
        answer(d, 50 * S, ticket, verdicts[i], &item);
        assert_int_equal(item.ends + item.ends_alone, 0);
        assert_int_equal(send_next(d, 200 * S, &ticket), 1);
        assert_false(aivo_delivery_alone(d));
        aivo_delivery_destroy(d, NULL, NULL);
    }
}

/* Of several queues on one connection none is blamed while another has something in flight, and what is suspect in one
 * is alone on the connection. */
static void test_other_queues(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(2);
    struct aivo_delivery_item item;
    uint64_t ticket;
    aivo_delivery_elsewhere(d, 1, false);
    for (int i = 0; i < AIVO_DELIVERY_ENDS_SUSPECT; i++) {
        aivo_delivery_connected(d, 0);
        assert_int_equal(send_next(d, 0, &ticket), 1);
        assert_int_equal(cut(d, 0, true, &item), AIVO_DELIVERY_UNKNOWN);
    }
    aivo_delivery_connected(d, 0);
    assert_int_equal(send_next(d, 0, &ticket), 0); /* suspect by now: not beside the other queue's */
    assert_true(aivo_delivery_alone(d));
    aivo_delivery_elsewhere(d, 0, false);
    assert_int_equal(aivo_delivery_deadline(d), 0);
    assert_int_equal(send_next(d, 0, &ticket), 1);
    acknowledge(d, 0, ticket);
    aivo_delivery_elsewhere(d, 0, true); /* now it is the other one that wants to be alone */
    assert_int_equal(send_next(d, 0, &ticket), 0);
    assert_int_equal(aivo_delivery_deadline(d), AIVO_NEVER);
    aivo_delivery_elsewhere(d, 0, false);
    assert_int_equal(send_next(d, 0, &ticket), 2);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* Of those that wait for a further attempt a suspect one is not put on disk: it would come back unsuspected. */
static void test_not_parked(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(1);
    struct aivo_delivery_item item;
    uint64_t ticket;
    int64_t due_us;
    aivo_delivery_connected(d, 0);
    assert_int_equal(send_next(d, 0, &ticket), 1);
    cut(d, 0, true, &item);
    aivo_delivery_connected(d, 0);
    assert_false(aivo_delivery_park(d, 0, &item, &due_us));
    assert_true(aivo_delivery_add(d, &(struct aivo_delivery_item){.seq = 2}));
    assert_int_equal(send_next(d, 0, &ticket), 2);
    answer(d, 0, ticket, AIVO_VERDICT_SILENT, &item);
    assert_true(aivo_delivery_park(d, 0, &item, &due_us));
    assert_int_equal(item.seq, 2);
    aivo_delivery_destroy(d, NULL, NULL);
}

/* A server that handles messages in the order they come and ends the connection at the poisonous ones. */
struct world {
    struct aivo_delivery *d;
    uint64_t seed;
    int64_t now_us;
    int count, next; /* messages; the next to be held */
    const bool *poison;
    bool slow;     /* what came before the poison is not answered any more, as when the process dies */
    bool late_end; /* the connection ends only when the others of the window have been answered */
    int acknowledged, dead, connections;
};

static uint64_t rnd(struct world *w)
{
    uint64_t z = (w->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void refill(struct world *w)
{
    while (w->next < w->count && aivo_delivery_room(w->d) > 0) {
        struct aivo_delivery_item item = {.seq = ++w->next};
        assert_true(aivo_delivery_add(w->d, &item));
    }
}

/* Sends what may be sent, and answers it; false: the server ended the connection. */
static bool exchange(struct world *w)
{
    struct {
        int64_t seq;
        uint64_t ticket;
    } got[16];
    int n = 0, at = -1;
    refill(w);
    while (n < 16 && (got[n].seq = send_next(w->d, w->now_us, &got[n].ticket)) > 0) {
        if (w->poison[got[n].seq] && at < 0)
            at = n;
        n++;
    }
    w->now_us += 50 * MS;
    for (int i = 0; i < n; i++) {
        bool answered = at < 0 || (i != at && (w->late_end || (i < at && !w->slow)));
        if (!answered || w->poison[got[i].seq])
            continue;
        acknowledge(w->d, w->now_us, got[i].ticket);
        w->acknowledged++;
    }
    return at < 0;
}

static void one_connection(struct world *w)
{
    struct aivo_delivery_item item;
    w->connections++;
    aivo_delivery_connected(w->d, w->now_us);
    while (exchange(w)) {
        refill(w);
        int64_t due_us = aivo_delivery_deadline(w->d);
        if (due_us == AIVO_NEVER)
            return; /* nothing is left */
        w->now_us = due_us > w->now_us ? due_us : w->now_us;
    }
    struct aivo_instant at = {.now_us = w->now_us, .random = rnd(w)};
    if (aivo_delivery_disconnected(w->d, &at, true, &item) == AIVO_DELIVERY_DEAD) {
        assert_true(w->poison[item.seq]); /* nobody else is blamed */
        assert_int_equal(item.attempts, plain.max_retries);
        w->dead++;
    }
    w->now_us += (int64_t)(rnd(w) % 5000) * MS;
}

/* Poisonous messages anywhere among 500: all others are acknowledged, the poisonous ones die, within few connections
 * for each of them, and nobody else is blamed. */
static void test_poison(void **state)
{
    (void)state;
    enum { COUNT = 500, EACH = AIVO_DELIVERY_ENDS_FREE + 3 /* max_retries */ };
    bool poison[COUNT + 1];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world w = {.d = make(0), .seed = seed, .count = COUNT, .poison = poison};
        w.slow = seed & 1;
        w.late_end = (seed % 3) == 2;
        memset(poison, 0, sizeof poison);
        int bad = seed % 4 == 0 ? 1 + (int)(rnd(&w) % 5) : 1;
        for (int i = 0; i < bad; i++) {
            uint64_t where = 1 + rnd(&w) % COUNT;
            bad -= poison[where] != false;
            poison[where] = true;
        }
        bad = 0;
        for (int i = 1; i <= COUNT; i++)
            bad += poison[i];
        while (w.acknowledged + w.dead < COUNT && w.connections < 1000)
            one_connection(&w);
        assert_int_equal(w.dead, bad);
        assert_int_equal(w.acknowledged, COUNT - bad);
        /* A window's worth more for each: until it is the first, or suspect. */
        assert_in_range(w.connections, EACH * bad, (EACH + AIVO_DELIVERY_ENDS_SUSPECT + 2) * bad + 1);
        aivo_delivery_destroy(w.d, NULL, NULL);
    }
}

/* An acknowledgement after its time: the message waits for its next attempt, or is in flight again under another
 * ticket, or was put on disk meanwhile; in any case it counts, once. A late error does not, nor one of a connection
 * that is gone. */
static void test_late(void **state)
{
    (void)state;
    struct aivo_delivery *d = make(4);
    struct aivo_delivery_item item;
    uint64_t tickets[5], again;
    aivo_delivery_connected(d, 0);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(send_next(d, 0, &tickets[i]), i);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(answer(d, S, tickets[i], AIVO_VERDICT_SILENT, &item), AIVO_DELIVERY_RETRY);
    assert_int_equal(answer(d, S, tickets[1], AIVO_VERDICT_FAILED, &item), AIVO_DELIVERY_UNKNOWN);
    acknowledge(d, S, tickets[1]);
    assert_int_equal(answer(d, S, tickets[1], AIVO_VERDICT_ACKNOWLEDGED, &item), AIVO_DELIVERY_UNKNOWN);
    assert_int_equal(send_next(d, 60 * S, &again), 2);
    acknowledge(d, 60 * S, tickets[2]);
    assert_int_equal(answer(d, 60 * S, again, AIVO_VERDICT_ACKNOWLEDGED, &item), AIVO_DELIVERY_UNKNOWN);
    assert_int_equal(answer(d, 60 * S, again, AIVO_VERDICT_SILENT, &item), AIVO_DELIVERY_UNKNOWN);
    assert_true(aivo_delivery_take(d, 3, &item));
    assert_int_equal(answer(d, 60 * S, tickets[3], AIVO_VERDICT_ACKNOWLEDGED, &item), AIVO_DELIVERY_LATE);
    assert_int_equal(item.seq, 3);
    cut(d, 60 * S, false, &item);
    aivo_delivery_connected(d, 60 * S);
    assert_int_equal(answer(d, 60 * S, tickets[4], AIVO_VERDICT_ACKNOWLEDGED, &item), AIVO_DELIVERY_UNKNOWN);
    assert_int_equal(aivo_delivery_waiting(d), 1);
    aivo_delivery_destroy(d, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_after_an_end),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_other_queues),
        cmocka_unit_test(test_not_parked),
        cmocka_unit_test(test_poison),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
