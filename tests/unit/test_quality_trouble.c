#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "quality_rig.h"
#include <cmocka.h>

/* Links that lose, hang, break, or whose measurer does. */

/* Karn's rule: a sample with a retransmit is out of the window. It is a loss only where the round trip also took 150 ms
 * more than usual; either way it is no outlier of the window. */
static void test_retransmits(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path path = {.has_dsack = true, .rtt_us = 50000, .min_rtt_us = 48000};
    int64_t now = START;
    start(&q);
    for (int i = 0; i < 10; i++, path.data_segs_out++)
        now = answer_with(&q, now, 50, &path, &path);
    struct aivo_path after = path;
    after.total_retrans++;
    after.data_segs_out += 2;
    now = answer_with(&q, now, 199, &path, &after); /* a needless one */
    assert_int_equal(snapshot(&q, now).lost, 0);
    int64_t sent = q.probe_sent_us;
    path = after;
    after.total_retrans++;
    after.data_segs_out += 2;
    now = answer_with(&q, now, 320, &path, &after);
    struct aivo_quality s = snapshot(&q, now);
    assert_true(q.probe_sent_us > sent);
    assert_int_equal(s.lost, 1);
    assert_int_equal(s.loss_samples, 12);
    assert_near(s.avg_latency_ms, 50);
    assert_near(s.latency_ms, 320);
    assert_int_equal(s.loss_source, AIVO_LOSS_TCP);
    assert_true(s.uplink_loss_pct > 0);
    assert_true(q.probe_due_us - q.probe_sent_us <= 1100 * MS); /* looked at again soon */
    assert_near(s.network_ms, 48);
    assert_near(s.edge_ms, 2);
}

/* An answer that the peer had to send again, without a retransmit of ours: it is held until the next sample is usual,
 * then a loss, and never in the window. Were the next ones as high it was a step and no loss. */
static void test_lost_answer(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path path = {.has_dsack = true, .rtt_us = 50000, .min_rtt_us = 48000};
    int64_t now = settle(&q, 10, &path);
    now = answer_with(&q, now, 310, &path, &path);
    assert_int_equal(snapshot(&q, now).loss_samples, 10); /* not yet known */
    now = answer_with(&q, now, 50, &path, &path);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.loss_samples, 12);
    assert_int_equal(s.lost, 1);
    assert_near(s.avg_latency_ms, 50);
    for (int i = 0; i < 3; i++)
        now = answer_with(&q, now, 310, &path, &path);
    s = snapshot(&q, now);
    assert_int_equal(s.loss_samples, 15);
    assert_int_equal(s.lost, 1);
    assert_near(s.avg_latency_ms, 310);
}

/* A probe behind unsent data is out of the window, and neither a loss nor none; nor is one behind unacknowledged
 * data a loss observation, though a sample. */
static void test_loaded(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path idle = {.has_dsack = true, .rtt_us = 50000}, loaded = idle, busy = idle;
    loaded.notsent_bytes = 1;
    busy.unacked = 2;
    int64_t now = settle(&q, 10, &idle);
    for (int i = 0; i < 5; i++)
        now = answer_with(&q, now, 900, &loaded, &idle);
    struct aivo_quality s = snapshot(&q, now);
    assert_near(s.avg_latency_ms, 50);
    assert_int_equal(s.loss_samples, 10);
    assert_int_equal(s.samples, 15);
    now = answer_with(&q, now, 58, &busy, &idle);
    s = snapshot(&q, now);
    assert_near(s.avg_latency_ms, 50.8);
    assert_int_equal(s.loss_samples, 10);
}

/* A connection whose first sample was spoiled is not Offline: the kernel's own round trip stands in. */
static void test_first_sample_spoiled(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path before = {.rtt_us = 60000, .min_rtt_us = 50000}, after = before;
    after.total_retrans = 1;
    start(&q);
    int64_t now = answer_with(&q, START, 330, &before, &after);
    assert_near(snapshot(&q, now).avg_latency_ms, 60);
    assert_int_equal(snapshot(&q, now).level, AIVO_LEVEL_EXCELLENT);
    assert_int_equal(snapshot(&q, now).lost, 1);
}

/* From 50 to 400 ms with a probe every 10 s: the first new sample is held, the next come after a second each, and the
 * third makes the step: the right level within 20 s, without passing through a wrong one. */
static void test_step_response(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = settle(&q, 40, NULL);
    int64_t step = now;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aivo_quality_level(&q, now), AIVO_LEVEL_EXCELLENT);
        now = answer(&q, now, 400);
    }
    assert_true(now - step < 15 * SECOND);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.level, AIVO_LEVEL_FAIR);
    assert_int_equal(s.score, 48);
    assert_near(s.avg_latency_ms, 400);
}

/* A step up makes the kernel send again needlessly at first: those samples are no losses once the step is known, but
 * stay losses where the latency goes back to what it was. */
static void test_needless_retransmits(void **state)
{
    (void)state;
    for (int stepped = 0; stepped < 2; stepped++) {
        struct aivo_quality_core q;
        struct aivo_path path = {.has_dsack = true, .rtt_us = 50000}, again = path;
        again.total_retrans = 1;
        int64_t now = settle(&q, 20, &path);
        now = answer_with(&q, now, 400, &path, &again);
        assert_int_equal(snapshot(&q, now).lost, 1);
        for (int i = 0; i < 3; i++)
            now = answer_with(&q, now, stepped ? 400 : 50, &again, &again);
        assert_int_equal(snapshot(&q, now).lost, !stepped);
        assert_near(snapshot(&q, now).avg_latency_ms, stepped ? 400 : 50);
        assert_int_equal(snapshot(&q, now).loss_samples, 24);
    }
}

/* A hung link: from the moment the unanswered probe is older than the mean its age takes the oldest sample's place.
 * The level goes down at deadlines, no later than 100 ms after it could, until the connection is dead; the caller
 * never spins. */
static void test_hanging(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = settle(&q, 13, NULL);
    aivo_quality_tick(&q, now);
    int64_t sent = now = send_probe(&q, now, NULL);
    assert_near(snapshot(&q, sent + 50 * MS).avg_latency_ms, 50);
    assert_near(snapshot(&q, sent + 60 * MS).avg_latency_ms, (450 + 60) / 10.0);
    assert_near(snapshot(&q, sent + 60 * MS).latency_ms, 50);
    enum aivo_level level = AIVO_LEVEL_EXCELLENT, seen[8];
    size_t changes = 0;
    int wakes = 0;
    bool dead = false, suspect = false;
    while (!dead) {
        int64_t deadline = aivo_quality_deadline(&q, now);
        assert_true(deadline > now && deadline <= sent + 5 * SECOND);
        now = deadline;
        unsigned events = aivo_quality_tick(&q, now);
        if (events & AIVO_QUALITY_LEVEL)
            seen[changes++] = level = aivo_quality_level(&q, now);
        assert_int_equal(level, aivo_quality_level(&q, now));
        if (events & AIVO_QUALITY_SUSPECT && !dead && !suspect) {
            suspect = true;
            assert_true(now > sent + SECOND && now <= sent + 1100 * MS);
            assert_true(snapshot(&q, now).suspect);
        }
        dead = events & AIVO_QUALITY_DEAD;
        wakes++;
    }
    assert_true(now == sent + 5 * SECOND);
    assert_true(suspect && wakes < 60);
    assert_int_equal(changes, 3);
    assert_int_equal(seen[0], AIVO_LEVEL_GOOD);
    assert_int_equal(seen[1], AIVO_LEVEL_FAIR);
    assert_int_equal(seen[2], AIVO_LEVEL_OFFLINE);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.cause_count, 1);
    assert_int_equal(s.causes[0].cause, AIVO_CAUSE_DEAD);
    assert_near(s.causes[0].points, 100);
    assert_true(aivo_quality_deadline(&q, now) == AIVO_QUALITY_NEVER); /* it is the caller's turn to disconnect */
    aivo_quality_disconnected(&q, now);
    assert_int_equal(snapshot(&q, now).cause_count, 0);
}

/* The kernel's retransmits tell a cut link after 3 s, asked every 100 ms once the probe is late; an answer ends the
 * suspicion. */
static void test_cut_link(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path path = {.has_dsack = true, .rtt_us = 50000, .rttvar_us = 1000};
    int64_t now = settle(&q, 20, &path);
    aivo_quality_tick(&q, now);
    int64_t sent = now = send_probe(&q, now, &path);
    int readings = 0;
    while (!(aivo_quality_tick(&q, now) & AIVO_QUALITY_DEAD)) {
        now = aivo_quality_deadline(&q, now);
        if (!aivo_quality_wants_path(&q, now))
            continue;
        int64_t age_ms = (now - sent) / MS;
        path.retransmits = age_ms < 500 ? 0 : age_ms < 1000 ? 1 : age_ms < 2000 ? 2 : 3;
        path.total_retrans = path.retransmits + (age_ms >= 250);
        path.last_data_recv_ms = path.last_ack_recv_ms = (uint32_t)age_ms + 1000;
        path.last_data_sent_ms = 500;
        aivo_quality_path(&q, now, &path);
        readings++;
        assert_int_equal(snapshot(&q, now).suspect, 0 + q.suspect);
    }
    assert_true(now - sent >= 3 * SECOND && now - sent <= 3100 * MS);
    assert_true(readings >= 28 && readings <= 31);
    assert_int_equal(snapshot(&q, now).lost, 1);
}

/* Bytes of the program that stay unanswered are watched as well: no probe has to be under way. */
static void test_program_bytes(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path path = {.has_dsack = true, .rtt_us = 50000, .rttvar_us = 1000};
    int64_t now = settle(&q, 20, &path);
    aivo_quality_tick(&q, now);
    aivo_quality_wrote(&q, now);
    assert_true(aivo_quality_deadline(&q, now) == now + 150 * MS);
    assert_true(aivo_quality_wants_path(&q, now + 150 * MS));
    aivo_quality_path(&q, now + 150 * MS, &path); /* all of it is acknowledged */
    assert_false(aivo_quality_wants_path(&q, now + 150 * MS));
    now += 150 * MS;
    aivo_quality_wrote(&q, now);
    for (int64_t t = 150 * MS; t < 3 * SECOND; t += 100 * MS) {
        aivo_quality_tick(&q, now + t);
        aivo_quality_deadline(&q, now + t);
    }
    path.unacked = 1;
    path.retransmits = 3;
    path.last_data_recv_ms = path.last_ack_recv_ms = path.last_data_sent_ms = 4000;
    aivo_quality_path(&q, now + 3 * SECOND, &path);
    assert_true(aivo_quality_tick(&q, now + 3 * SECOND) & AIVO_QUALITY_DEAD);
}

/* This process came late: to its own deadline, or to data that lay ready. Such a sample says nothing about the network;
 * but who is always late gets what there is. */
static void test_local_stall(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    struct aivo_path path = {.has_dsack = true, .rtt_us = 50000}, unread = path;
    unread.last_data_recv_ms = 400;
    int64_t now = settle(&q, 10, &path);
    now = answer_with(&q, now, 450, &path, &unread);
    struct aivo_quality s = snapshot(&q, now);
    assert_near(s.avg_latency_ms, 50);
    assert_int_equal(s.local_stalls, 1);
    assert_int_equal(s.loss_samples, 10);
    assert_int_equal(s.causes[s.cause_count - 1].cause, AIVO_CAUSE_LOCAL_STALL);
    aivo_quality_tick(&q, now);
    now = send_probe(&q, now, NULL);
    int64_t promised = aivo_quality_deadline(&q, now);
    now = promised + 101 * MS; /* nobody came at the deadline */
    aivo_quality_tick(&q, now);
    assert_true(aivo_quality_pong(&q, now, q.probe_id, NULL));
    assert_int_equal(snapshot(&q, now).local_stalls, 2);
    assert_near(snapshot(&q, now).avg_latency_ms, 50);
    for (int i = 0; i < 10; i++)
        now = answer_with(&q, now, 450, &path, &unread);
    assert_true(snapshot(&q, now).avg_latency_ms > 60);
}

/* The machine slept with a probe under way: no loss, no sample, no verdict; the next probe is due at once. */
static void test_suspend(void **state)
{
    (void)state;
    struct aivo_quality_core q;
    int64_t now = settle(&q, 10, NULL);
    now = send_probe(&q, now, NULL);
    aivo_quality_deadline(&q, now);
    uint64_t id = q.probe_id;
    now += 3600 * SECOND;
    aivo_quality_resumed(&q, now);
    assert_false(aivo_quality_pong(&q, now, id, NULL));
    aivo_quality_tick(&q, now);
    struct aivo_quality s = snapshot(&q, now);
    assert_int_equal(s.lost, 0);
    assert_int_equal(s.local_stalls, 0);
    assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
    assert_true(q.probe_due_us == now);
}

/* This process was stopped for ten seconds while a probe was under way: the time in which nobody could read is not the
 * peer's, so nothing is suspect or dead, and the sample is left out. A link that is silent then is still found dead,
 * also by a process that stands still time and again. */
static void test_stopped(void **state)
{
    (void)state;
    for (int silent = 0; silent < 3; silent++) {
        struct aivo_quality_core q;
        struct aivo_path path = {.rtt_us = 50000, .min_rtt_us = 48000};
        int64_t now = settle(&q, 10, &path);
        aivo_quality_tick(&q, now);
        now = send_probe(&q, now, &path);
        assert_true(aivo_quality_deadline(&q, now + MS) < now + 1000 * MS);
        now += 10000 * MS;
        path.last_data_recv_ms = 9950;
        if (silent == 0) {
            aivo_quality_path(&q, now, &path);
            assert_int_equal(aivo_quality_tick(&q, now), 0);
            assert_true(aivo_quality_pong(&q, now + MS, q.probe_id, &path));
            struct aivo_quality s = snapshot(&q, now + MS);
            assert_int_equal(s.local_stalls, 1);
            assert_int_equal(s.lost, 0);
            assert_near(s.avg_latency_ms, 50);
            assert_true(s.latency_ms < 1000);
            assert_int_equal(s.level, AIVO_LEVEL_EXCELLENT);
            continue;
        }
        int64_t resumed = now;
        unsigned events = 0;
        while (!(events & AIVO_QUALITY_DEAD) && now < resumed + 60000 * MS) {
            path.last_data_recv_ms += 100;
            aivo_quality_path(&q, now, &path);
            events = aivo_quality_tick(&q, now);
            int64_t due = aivo_quality_deadline(&q, now);
            if (!(events & AIVO_QUALITY_DEAD))
                now = (due > now ? due : now) + (silent == 2 ? 1500 * MS : 0);
        }
        assert_true(events & AIVO_QUALITY_DEAD);
        assert_true(now > resumed + 3000 * MS);
        assert_true(now < resumed + (silent == 2 ? 15000 : 6000) * MS);
    }
}

/* A random link over a simulated day, driven by deadlines alone: the caller never spins, counts agree, figures stay
 * within their ranges, the causes add up and the level is always what a snapshot says. */
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
            if (aivo_quality_pong(&q, now, id, NULL))
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
        assert_true(s.samples == answered && s.lost >= lost);
        double points = 0;
        for (size_t i = 0; i < s.cause_count; i++)
            points += s.causes[i].points;
        assert_true(!s.cause_count || fabs(100 - points - s.score) <= 0.5 + 1e-9);
        if (events & AIVO_QUALITY_DEAD) {
            aivo_quality_disconnected(&q, now);
            aivo_quality_connected(&q, now + SECOND);
            answer_at = AIVO_QUALITY_NEVER;
        }
        while (aivo_quality_next_probe(&q, now, &p)) {
            if (p.ask_handler) {
                aivo_quality_handler_sent(&q, now, p.id);
                continue;
            }
            aivo_quality_probe_sent(&q, now, p.id, NULL);
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
    assert_true(wakes < 20 * (answered + lost));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retransmits),   cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_loaded),        cmocka_unit_test(test_first_sample_spoiled),
        cmocka_unit_test(test_step_response), cmocka_unit_test(test_needless_retransmits),
        cmocka_unit_test(test_hanging),       cmocka_unit_test(test_cut_link),
        cmocka_unit_test(test_program_bytes), cmocka_unit_test(test_local_stall),
        cmocka_unit_test(test_stopped),       cmocka_unit_test(test_suspend),
        cmocka_unit_test(test_random_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
