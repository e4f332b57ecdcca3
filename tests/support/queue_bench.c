#include "queue_bench.h"

#include "io/clock.h"
#include "queue_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void on_wake(void *user)
{
    struct bench *b = user;
    pthread_mutex_lock(&b->lock);
    b->wakes++;
    pthread_cond_signal(&b->woken);
    pthread_mutex_unlock(&b->lock);
}

static enum aivo_status on_send(void *user, uint64_t ticket, const struct aivo_queued *m, uint32_t ack_timeout_ms)
{
    struct bench *b = user;
    assert_int_equal(ack_timeout_ms, b->options.ack_timeout_ms);
    if (b->send_status != AIVO_OK)
        return b->send_status;
    assert_true(b->sent_count < SEEN_MAX);
    struct sent *s = &b->sent[b->sent_count++];
    s->ticket = ticket;
    s->attempts = m->attempts;
    snprintf(s->event, sizeof s->event, "%s", m->event);
    snprintf(s->args, sizeof s->args, "%.100s", m->args);
    snprintf(s->id, sizeof s->id, "%s", m->id.text);
    return AIVO_OK;
}

static bool on_fate(void *user, const struct aivo_queued *m, enum aivo_fate fate, const char *answer,
                    struct queue_message *receipt)
{
    struct bench *b = user;
    if (b->deaf)
        return false;
    assert_true(b->told_count < SEEN_MAX);
    struct told *t = &b->told[b->told_count++];
    snprintf(t->event, sizeof t->event, "%s", m->event);
    snprintf(t->args, sizeof t->args, "%.100s", m->args);
    snprintf(t->reason, sizeof t->reason, "%.100s", m->last_error ? m->last_error : "");
    snprintf(t->answer, sizeof t->answer, "%.100s", answer ? answer : "");
    t->fate = fate;
    t->receipt = receipt;
    return true;
}

static void on_notice(void *user, const struct aivo_error *error)
{
    struct bench *b = user;
    assert_true(b->notice_count < 16);
    b->notices[b->notice_count++] = *error;
}

static const struct aivo_queue_sink sink = {.send = on_send, .fate = on_fate, .notice = on_notice};
static const struct aivo_queue_sink keeping = {.send = on_send, .fate = on_fate, .keeps = true, .notice = on_notice};

struct aivo_instant bench_now(const struct bench *b)
{
    struct aivo_instant at = aivo_instant_now();
    at.now_us += b->ahead_us;
    at.unix_ms += b->ahead_us / 1000;
    return at;
}

void bench_answer(struct bench *b, uint64_t ticket, const char *text)
{
    struct aivo_json json = aivo_json_parse(text, strlen(text), NULL);
    assert_int_equal(json.type, AIVO_JSON_ARRAY);
    struct aivo_instant at = bench_now(b);
    aivo_queue_answered(b->q, &at, ticket, AIVO_OK, &json);
}

void bench_step(struct bench *b)
{
    struct aivo_instant at = bench_now(b);
    aivo_queue_step(b->q, &at, b->keeps ? &keeping : &sink, b);
    while (b->auto_answer && b->answered_count < b->sent_count)
        bench_answer(b, b->sent[b->answered_count++].ticket, b->auto_answer);
}

void bench_run_until(struct bench *b, const size_t *count, size_t want)
{
    const int64_t end_us = aivo_clock_us() + 30000000;
    for (bench_step(b); *count < want; bench_step(b)) {
        int64_t now_us = aivo_clock_us();
        int64_t due_us = aivo_queue_deadline(b->q);
        if (due_us != AIVO_NEVER)
            due_us -= b->ahead_us;
        if (now_us > end_us)
            fail_msg("waited in vain: %zu of %zu", *count, want);
        if (due_us <= now_us)
            continue;
        if (due_us > end_us)
            due_us = end_us + 1;
        struct timespec until = {.tv_sec = (time_t)(due_us / 1000000), .tv_nsec = (long)(due_us % 1000000) * 1000};
        pthread_mutex_lock(&b->lock);
        int error = 0;
        while (b->wakes == 0 && error == 0)
            error = pthread_cond_timedwait(&b->woken, &b->lock, &until);
        b->wakes = 0;
        pthread_mutex_unlock(&b->lock);
    }
}

void bench_connect(struct bench *b)
{
    struct aivo_instant at = bench_now(b);
    aivo_queue_connected(b->q, &at);
}

enum aivo_status bench_try_open(struct bench *b, struct aivo_error *err)
{
    return aivo_queue_open(&b->options, b->store, on_wake, b, &b->q, err);
}

void bench_open(struct bench *b)
{
    struct aivo_error err = {.message = ""};
    if (bench_try_open(b, &err) != AIVO_OK)
        fail_msg("%s", err.message);
}

void bench_close(struct bench *b)
{
    aivo_queue_close(b->q);
    b->q = NULL;
}

void bench_send(struct bench *b, const char *args)
{
    struct aivo_error err = {.message = ""};
    if (aivo_queue_send(b->q, "event", args, NULL, &err) != AIVO_OK)
        fail_msg("%s", err.message);
}

uint64_t bench_pending(struct bench *b)
{
    struct aivo_queue_stats stats;
    aivo_queue_stats(b->q, &stats);
    return stats.pending;
}

int bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    const char *tmp = getenv("TMPDIR");
    snprintf(b->dir, sizeof b->dir, "%s/aivo-queue-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof b->path, "%s/queue.db", b->dir);
    b->options = (struct aivo_queue_options){.path = b->path,
                                             .max_messages = 100000,
                                             .ttl_s = 86400,
                                             .max_retries = 3,
                                             .window = 64,
                                             .ack_timeout_ms = 10000,
                                             .retry_base_ms = 1,
                                             .retry_cap_ms = 2};
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->woken, &attr);
    pthread_condattr_destroy(&attr);
    *state = b;
    return 0;
}

int bench_teardown(void **state)
{
    struct bench *b = *state;
    char command[160];
    aivo_queue_close(b->q);
    snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    int code = system(command);
    pthread_cond_destroy(&b->woken);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return code;
}

void bench_disconnect(struct bench *b)
{
    struct aivo_instant at = bench_now(b);
    aivo_queue_disconnected(b->q, &at, false);
}

void bench_cut(struct bench *b)
{
    struct aivo_instant at = bench_now(b);
    aivo_queue_disconnected(b->q, &at, true);
}

void bench_timeout(struct bench *b, uint64_t ticket)
{
    struct aivo_instant at = bench_now(b);
    aivo_queue_answered(b->q, &at, ticket, AIVO_E_TIMEOUT, NULL);
}

void bench_settle(struct bench *b)
{
    for (int i = 0; i < 30000; i++) {
        bench_step(b);
        pthread_mutex_lock(&b->q->lock);
        /* Asked far in the future: also what is put off after a failure counts. */
        bool busy = aivo_queue_store_due(b->q, INT64_MAX / 2) == 0;
        pthread_mutex_unlock(&b->q->lock);
        if (!busy && aivo_queue_deadline(b->q) > bench_now(b).now_us)
            return;
        usleep(1000);
    }
    fail_msg("the queue does not come to rest");
}
