/* The whole queue (policy, store thread, SQLite) through a million random steps: sends with keys, priorities, TTLs and
 * collapse keys into queues of each overflow policy, answers, losses, disconnects, rate limits, crashes at which all
 * that is not committed is forgotten, restarts, clocks that are set. A simple model keeps the books: nothing accepted
 * is lost without a reported fate, none is told twice without a crash in between, order within a key holds, bounds
 * hold. */
#include "io/clock.h"
#include "io/store_sqlite.h"
#include "queue_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STEPS 60000
#else
#define STEPS 1000000
#endif
#define KEYS   6
#define LANES  4
#define FLIGHT 4096
#define KEPT   8192

struct record {
    bool accepted, answered_ok;
    uint8_t lane, key; /* key 0: none */
    uint8_t told;      /* 1 + fate */
    uint32_t told_in;  /* which life of the process */
    uint32_t left_in;  /* the same: its fate waits to be told */
};

static struct {
    struct aivo_queue *q;
    struct record *records;
    uint32_t count;
    struct flight {
        uint64_t ticket;
        uint32_t number;
        bool late; /* its time was over: it is not counted any more, but may still be acknowledged */
    } flights[FLIGHT];
    uint32_t flight_count;
    struct kept {
        struct queue_message *receipt;
        uint32_t number;
        enum aivo_fate fate;
    } kept[KEPT];
    uint32_t kept_count;
    uint32_t furthest[LANES][KEYS]; /* greatest number sent of a key */
    uint32_t life;
    bool connected, full;
    int64_t ahead_us, skew_ms;
    uint64_t seed;
    uint64_t fates[AIVO_FATE_REPLACED + 1], refused, sent, crashes;
} m;

static uint64_t rnd(void)
{
    uint64_t z = (m.seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return (uint32_t)(rnd() % n);
}

static struct aivo_instant now(void)
{
    struct aivo_instant at = aivo_instant_now();
    at.now_us += m.ahead_us;
    at.unix_ms += m.ahead_us / 1000 + m.skew_ms;
    return at;
}

/* A disk that outlives the process: it is closed only at the end. While it is down nothing is committed. */
static struct aivo_store_db *disk;
static bool disk_down;

static enum aivo_status disk_open(const char *path, int64_t unix_ms, struct aivo_store_db **out,
                                  struct aivo_store_info *info, struct aivo_error *notice, struct aivo_error *err)
{
    *notice = (struct aivo_error){.status = AIVO_OK};
    if (!disk)
        return aivo_sql_store_open(path, unix_ms, out, info, notice, err) == AIVO_OK ? (disk = *out, AIVO_OK)
                                                                                     : AIVO_E_STORE;
    *out = disk;
    return aivo_sql_info(disk, info, err);
}

static void disk_close(struct aivo_store_db *db)
{
    (void)db;
}

static enum aivo_status disk_begin(struct aivo_store_db *db, struct aivo_error *err)
{
    if (__atomic_load_n(&disk_down, __ATOMIC_SEQ_CST)) {
        *err = (struct aivo_error){.status = AIVO_E_STORE, .message = "gone"};
        return AIVO_E_STORE;
    }
    return aivo_store_sqlite.begin(db, err);
}

static struct aivo_store store;
static struct aivo_queue_policy policies[LANES - 1] = {
    {.name = "reject", .max_messages = 20, .overflow = AIVO_OVERFLOW_REJECT, .ttl_s = 0, .max_retries = 2, .window = 5},
    {.name = "priority",
     .max_messages = 25,
     .max_bytes = 900,
     .overflow = AIVO_OVERFLOW_DROP_PRIORITY,
     .ttl_s = 60,
     .max_retries = 3,
     .window = 4},
    {.name = "bytes",
     .max_messages = 1000,
     .max_bytes = 1500,
     .overflow = AIVO_OVERFLOW_DROP_OLDEST,
     .ttl_s = 30,
     .max_retries = 3,
     .window = 7},
};
static const char *const lane_names[LANES] = {NULL, "reject", "priority", "bytes"};
static const uint64_t lane_most[LANES] = {400, 20, 25, 1000}, lane_bytes[LANES] = {UINT64_MAX, UINT64_MAX, 900, 1500};

static void open_queue(void)
{
    struct aivo_queue_options o = {.memory_only = true,
                                   .max_messages = 400,
                                   .ttl_s = 3600,
                                   .max_retries = 3,
                                   .window = 16,
                                   .ack_timeout_ms = 1000,
                                   .retry_base_ms = 50,
                                   .retry_cap_ms = 2000,
                                   .max_dead = 50,
                                   .queues = policies,
                                   .queue_count = LANES - 1};
    struct aivo_error err;
    for (int i = 0; i < LANES - 1; i++)
        policies[i].size = sizeof *policies;
    if (aivo_queue_open(&o, &store, NULL, NULL, &m.q, &err) != AIVO_OK)
        fail_msg("%s", err.message);
    m.connected = false;
    m.flight_count = 0;
    m.kept_count = 0;
    m.life++;
}

static uint32_t number_of(const struct aivo_queued *shown)
{
    return (uint32_t)strtoul(shown->args + 1, NULL, 10);
}

static enum aivo_status on_send(void *user, uint64_t ticket, const struct aivo_queued *shown, uint32_t ack_timeout_ms)
{
    (void)user, (void)ack_timeout_ms;
    uint32_t number = number_of(shown);
    struct record *r = &m.records[number];
    assert_true(number < m.count && m.connected);
    assert_true(r->accepted);
    assert_true(r->left_in != m.life);
    assert_true(r->told == 0 || r->told_in != m.life); /* what has left is not sent again in the same life */
    if (m.full || m.flight_count == FLIGHT)
        return AIVO_E_FULL;
    if (r->key > 0) {
        assert_true(number >= m.furthest[r->lane][r->key]); /* never an earlier one after a later one */
        m.furthest[r->lane][r->key] = number;
    }
    m.flights[m.flight_count++] = (struct flight){.ticket = ticket, .number = number};
    m.sent++;
    return AIVO_OK;
}

static void told(uint32_t number, enum aivo_fate fate);
static bool on_fate(void *user, const struct aivo_queued *shown, enum aivo_fate fate, const char *answer,
                    struct queue_message *receipt)
{
    (void)user, (void)answer;
    uint32_t number = number_of(shown);
    assert_true(number < m.count);
    struct record *r = &m.records[number];
    if (receipt) {
        assert_true(m.kept_count < KEPT);
        m.kept[m.kept_count++] = (struct kept){.receipt = receipt, .number = number, .fate = fate};
        r->left_in = m.life;
        return true;
    }
    told(number, fate);
    return true;
}

/* The program learns of a fate. */
static void told(uint32_t number, enum aivo_fate fate)
{
    struct record *r = &m.records[number];
    assert_true(r->accepted);
    assert_true(r->told == 0 || r->told_in != m.life);
    assert_true(fate != AIVO_FATE_ACKNOWLEDGED || r->answered_ok);
    assert_true(fate != AIVO_FATE_UNREADABLE);
    assert_true(fate != AIVO_FATE_EVICTED || r->lane != 1); /* that queue refuses instead */
    m.fates[fate]++;
    r->told = (uint8_t)(1 + fate);
    r->told_in = m.life;
}

static void on_notice(void *user, const struct aivo_error *error)
{
    (void)user;
    assert_string_equal(error->message, "gone");
}

/* Every second life of the process tells fates at once, the others later: those are told by tell_some(). */
static const struct aivo_queue_sink sinks[] = {
    {.send = on_send, .fate = on_fate, .notice = on_notice},
    {.send = on_send, .fate = on_fate, .keeps = true, .notice = on_notice},
};

static void step(void)
{
    struct aivo_instant at = now();
    aivo_queue_step(m.q, &at, &sinks[m.life % 2], NULL);
}

static void tell_some(uint32_t most)
{
    uint32_t n = most < m.kept_count ? most : m.kept_count;
    for (uint32_t i = 0; i < n; i++) {
        told(m.kept[i].number, m.kept[i].fate);
        aivo_queue_told(m.q, m.kept[i].receipt);
    }
    m.kept_count -= n;
    memmove(m.kept, m.kept + n, m.kept_count * sizeof *m.kept);
}

static void send_one(void)
{
    char args[64], key[8], collapse[8];
    struct aivo_send how;
    struct aivo_error err;
    uint32_t number = m.count, lane = below(LANES);
    struct record *r = &m.records[number];
    aivo_send_init(&how);
    how.queue = lane_names[lane];
    how.priority = below(3) ? 0 : (int32_t)below(19) - 9;
    if (below(4) == 0)
        how.ttl_s = below(20);
    r->lane = (uint8_t)lane;
    if (below(3) == 0) {
        r->key = (uint8_t)(1 + below(KEYS - 1));
        snprintf(key, sizeof key, "k%u", r->key);
        how.order_key = key;
    }
    if (below(10) == 0) {
        snprintf(collapse, sizeof collapse, "c%u", below(4));
        how.collapse_key = collapse;
    }
    snprintf(args, sizeof args, "[%u,\"%.*s\"]", number, (int)below(20), "xxxxxxxxxxxxxxxxxxxxxxxx");
    r->accepted = true; /* before: its fate may be told at once */
    m.count++;
    enum aivo_status status = aivo_queue_send_ex(m.q, "e", args, &how, NULL, &err);
    if (status != AIVO_OK) {
        r->accepted = false;
        assert_int_equal(status, AIVO_E_FULL);
        assert_true(lane == 1 || lane == 2);
        m.refused++;
    }
    pthread_mutex_lock(&m.q->lock);
    for (uint32_t i = 0; i < LANES; i++) {
        assert_true(m.q->lanes[i].pending <= lane_most[i]);
        assert_true(m.q->lanes[i].bytes <= lane_bytes[i]);
    }
    pthread_mutex_unlock(&m.q->lock);
}

/* The server answers, or its time is over. */
static void answer_one(bool only_good)
{
    static const char *const answers[] = {"[{\"ok\":1}]", "[{\"error\":\"no\"}]", "[{\"rateLimited\":true}]",
                                          "[{\"rateLimited\":true,\"retryAfterMs\":70}]"};
    if (m.flight_count == 0)
        return;
    uint32_t which = below(m.flight_count);
    struct flight f = m.flights[which];
    m.flights[which] = m.flights[--m.flight_count];
    uint32_t kind = only_good || below(10) < 7 ? 0 : below(20) == 0 ? 2 + below(2) : 1;
    struct aivo_instant at = now();
    struct aivo_json json = aivo_json_parse(answers[kind], strlen(answers[kind]), NULL);
    if (f.late)
        kind = 0;
    m.records[f.number].answered_ok |= kind == 0;
    if (kind == 1 && below(2)) {
        aivo_queue_answered(m.q, &at, f.ticket, AIVO_E_TIMEOUT, NULL);
        f.late = true;
        if (below(2))
            m.flights[m.flight_count++] = f;
    } else {
        aivo_queue_answered(m.q, &at, f.ticket, AIVO_OK, &json);
    }
}

static void connect_or_not(bool connect)
{
    struct aivo_instant at = now();
    if (connect)
        aivo_queue_connected(m.q, &at);
    else
        aivo_queue_disconnected(m.q, &at, below(2));
    if (!connect)
        m.flight_count = 0;
    m.connected = connect;
}

/* The process ends: cleanly, or so that everything is forgotten that is not committed. */
static void restart(bool crash)
{
    __atomic_store_n(&disk_down, crash, __ATOMIC_SEQ_CST);
    aivo_queue_close(m.q);
    __atomic_store_n(&disk_down, false, __ATOMIC_SEQ_CST);
    m.crashes += crash;
    open_queue();
}

static void one_step(void)
{
    uint32_t kind = below(10000);
    if (kind < 2500)
        send_one();
    else if (kind < 6500)
        answer_one(false);
    else if (kind < 6550)
        connect_or_not(false);
    else if (kind < 6800)
        connect_or_not(true);
    else if (kind < 6802)
        restart(true);
    else if (kind < 6804)
        restart(false);
    else if (kind < 6810)
        m.skew_ms = (int64_t)below(4000000) - 2000000; /* somebody sets the clock */
    else if (kind < 6830)
        m.full = !m.full;
    else if (kind < 7000)
        aivo_queue_quality(m.q, below(2) ? AIVO_LEVEL_POOR : AIVO_LEVEL_GOOD);
    else if (kind < 7500)
        m.ahead_us += below(300000);
    else if (kind < 8000)
        tell_some(below(40));
    step();
}

static void test_model(void **state)
{
    (void)state;
    m.seed = 1;
    m.records = calloc(STEPS + 1, sizeof *m.records);
    assert_non_null(m.records);
    store = aivo_store_sqlite;
    store.open = disk_open;
    store.close = disk_close;
    store.begin = disk_begin;
    open_queue();
    for (int i = 0; i < STEPS; i++)
        one_step();
    /* The end: everything that is left is delivered, dies or expires, and is told. */
    m.full = false;
    connect_or_not(true);
    aivo_queue_quality(m.q, AIVO_LEVEL_GOOD);
    const int64_t end_us = aivo_clock_us() + 60000000;
    for (bool busy = true; busy;) {
        step();
        tell_some(KEPT);
        while (m.flight_count > 0)
            answer_one(true);
        struct aivo_queue_stats stats;
        aivo_queue_stats(m.q, &stats);
        busy = stats.pending > 0 || stats.untold > 0;
        m.ahead_us += 20000;
        usleep(500);
        if (aivo_clock_us() > end_us)
            fail_msg("%llu messages do not leave", (unsigned long long)stats.pending);
    }
    step();
    tell_some(KEPT);
    uint32_t lost = 0;
    for (uint32_t i = 0; i < m.count; i++)
        lost += m.records[i].accepted && m.records[i].told == 0;
    print_message(
        "%u messages, %llu attempts, %llu refused, %llu crashes; acknowledged %llu, expired %llu, evicted %llu,"
        " dead %llu, replaced %llu\n",
        m.count, (unsigned long long)m.sent, (unsigned long long)m.refused, (unsigned long long)m.crashes,
        (unsigned long long)m.fates[0], (unsigned long long)m.fates[1], (unsigned long long)m.fates[2],
        (unsigned long long)m.fates[3], (unsigned long long)m.fates[5]);
    assert_int_equal(lost, 0);
    for (int fate = 0; fate <= AIVO_FATE_REPLACED; fate++)
        assert_true(fate == AIVO_FATE_UNREADABLE || m.fates[fate] > 0); /* each was exercised */
    assert_true(m.crashes > 0 && m.refused > 0);
    aivo_queue_close(m.q);
    aivo_store_sqlite.close(disk);
    free(m.records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
