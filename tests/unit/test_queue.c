#include "queue.h"

#include "io/clock.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEN_MAX 8192

/* A queue with a loop that is this test's thread, and a server that answers when it is told to. */
struct bench {
    char dir[64], path[96];
    struct aivo_queue_options options;
    struct aivo_queue *q;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    unsigned wakes;
    int64_t ahead_us; /* what the test adds to the clocks */
    /* What the queue asked for. */
    struct sent {
        uint64_t ticket;
        char event[32];
        char args[128];
        char id[40];
        uint32_t attempts;
    } sent[SEEN_MAX];
    size_t sent_count;
    enum aivo_status send_status;
    struct told {
        char event[32];
        char args[128];
        char reason[128];
        char answer[128];
        enum aivo_fate fate;
    } told[SEEN_MAX];
    size_t told_count;
    struct aivo_error notices[16];
    size_t notice_count;
};

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

static void on_fate(void *user, const struct aivo_queued *m, enum aivo_fate fate, const char *answer)
{
    struct bench *b = user;
    assert_true(b->told_count < SEEN_MAX);
    struct told *t = &b->told[b->told_count++];
    snprintf(t->event, sizeof t->event, "%s", m->event);
    snprintf(t->args, sizeof t->args, "%.100s", m->args);
    snprintf(t->reason, sizeof t->reason, "%.100s", m->last_error ? m->last_error : "");
    snprintf(t->answer, sizeof t->answer, "%.100s", answer ? answer : "");
    t->fate = fate;
}

static void on_notice(void *user, const struct aivo_error *error)
{
    struct bench *b = user;
    assert_true(b->notice_count < 16);
    b->notices[b->notice_count++] = *error;
}

static const struct aivo_queue_sink sink = {on_send, on_fate, on_notice};

static struct aivo_instant now(const struct bench *b)
{
    struct aivo_instant at = aivo_instant_now();
    at.now_us += b->ahead_us;
    at.unix_ms += b->ahead_us / 1000;
    return at;
}

static void step(struct bench *b)
{
    struct aivo_instant at = now(b);
    aivo_queue_step(b->q, &at, &sink, b);
}

/* Steps as a loop does, whenever the queue asks for it, until *count reaches want (at most 20 s). */
static void run_until(struct bench *b, const size_t *count, size_t want)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    int error = 0;
    for (step(b); *count < want && error == 0; step(b)) {
        struct timespec next = until;
        int64_t due_us = aivo_queue_deadline(b->q);
        pthread_mutex_lock(&b->lock);
        if (due_us != AIVO_NEVER) {
            int64_t wait_us = due_us - now(b).now_us;
            wait_us = wait_us < 0 ? 0 : wait_us > 1000000 ? 1000000 : wait_us;
            clock_gettime(CLOCK_REALTIME, &next);
            next.tv_nsec += (long)wait_us * 1000;
            next.tv_sec += next.tv_nsec / 1000000000;
            next.tv_nsec %= 1000000000;
        }
        while (b->wakes == 0 && error == 0)
            error = pthread_cond_timedwait(&b->woken, &b->lock, &next);
        b->wakes = 0;
        pthread_mutex_unlock(&b->lock);
        if (due_us != AIVO_NEVER)
            error = 0;
    }
    assert_true(*count >= want);
}

static void answer(struct bench *b, uint64_t ticket, const char *text)
{
    struct aivo_json json = aivo_json_parse(text, strlen(text), NULL);
    assert_int_equal(json.type, AIVO_JSON_ARRAY);
    struct aivo_instant at = now(b);
    aivo_queue_answered(b->q, &at, ticket, AIVO_OK, &json);
}

static void connect_it(struct bench *b)
{
    struct aivo_instant at = now(b);
    aivo_queue_connected(b->q, &at);
}

static enum aivo_status try_open(struct bench *b, struct aivo_error *err)
{
    return aivo_queue_open(&b->options, NULL, on_wake, b, &b->q, err);
}

static void open_it(struct bench *b)
{
    struct aivo_error err = {.message = ""};
    if (try_open(b, &err) != AIVO_OK)
        fail_msg("%s", err.message);
}

static void close_it(struct bench *b)
{
    aivo_queue_close(b->q);
    b->q = NULL;
}

static void send_it(struct bench *b, const char *args)
{
    struct aivo_error err = {.message = ""};
    if (aivo_queue_send(b->q, "event", args, NULL, &err) != AIVO_OK)
        fail_msg("%s", err.message);
}

static uint64_t pending(struct bench *b)
{
    struct aivo_queue_stats stats;
    aivo_queue_stats(b->q, &stats);
    return stats.pending;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    strcpy(b->dir, "/tmp/aivo-queue-XXXXXX");
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
    pthread_cond_init(&b->woken, NULL);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    char command[128];
    aivo_queue_close(b->q);
    snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    int code = system(command);
    pthread_cond_destroy(&b->woken);
    pthread_mutex_destroy(&b->lock);
    free(b);
    return code;
}

/* Three messages are accepted, survive a restart, are sent in order and acknowledged; then the file is empty. */
static void test_round_trip(void **state)
{
    struct bench *b = *state;
    open_it(b);
    struct aivo_message_id id;
    assert_int_equal(aivo_queue_send(b->q, "first", "[1]", &id, NULL), AIVO_OK);
    send_it(b, "[2]");
    send_it(b, NULL);
    close_it(b);
    open_it(b);
    assert_int_equal(pending(b), 3);
    step(b);
    assert_int_equal(b->sent_count, 0);
    connect_it(b);
    run_until(b, &b->sent_count, 3);
    assert_string_equal(b->sent[0].event, "first");
    assert_string_equal(b->sent[0].id, id.text);
    assert_string_equal(b->sent[0].args, "[1]");
    assert_string_equal(b->sent[1].args, "[2]");
    assert_string_equal(b->sent[2].args, "[]");
    for (int i = 2; i >= 0; i--)
        answer(b, b->sent[i].ticket, "[{\"success\":true}]");
    step(b);
    assert_int_equal(b->told_count, 3);
    assert_string_equal(b->told[0].args, "[]");
    assert_string_equal(b->told[0].answer, "[{\"success\":true}]");
    assert_int_equal(b->told[0].fate, AIVO_FATE_ACKNOWLEDGED);
    assert_int_equal(pending(b), 0);
    close_it(b);
    open_it(b);
    assert_int_equal(pending(b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
