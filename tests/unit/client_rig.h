/* A client on a scripted network, and what its callbacks saw: the fixture of the test_client*.c. */
#ifndef AIVO_TEST_CLIENT_RIG_H
#define AIVO_TEST_CLIENT_RIG_H

#include "loop.h"
#include "scripted.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What callbacks saw, as lines; wait_log() waits for a line to appear. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char text[1 << 20];
    size_t len;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

__attribute__((unused, format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&seen.lock);
    int n = vsnprintf(seen.text + seen.len, sizeof seen.text - seen.len, fmt, args);
    seen.len += (size_t)n;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
    va_end(args);
}

static __attribute__((unused)) void wait_log(const char *part)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&seen.lock);
    int rc = 0;
    while (!strstr(seen.text, part) && rc == 0)
        rc = pthread_cond_timedwait(&seen.changed, &seen.lock, &until);
    bool found = strstr(seen.text, part);
    pthread_mutex_unlock(&seen.lock);
    if (!found)
        fail_msg("not seen within 10 s: %s\nseen:\n%s", part, seen.text);
}

static __attribute__((unused)) int count_log(const char *part)
{
    int n = 0;
    pthread_mutex_lock(&seen.lock);
    for (const char *p = seen.text; (p = strstr(p, part)); p += strlen(part))
        n++;
    pthread_mutex_unlock(&seen.lock);
    return n;
}

static __attribute__((unused)) int clear_log(void **state)
{
    (void)state;
    seen.len = 0;
    memset(seen.text, 0, sizeof seen.text);
    return 0;
}

static __attribute__((unused)) void on_state(struct aivo_client *c, enum aivo_state from, enum aivo_state to,
                                             const struct aivo_error *e, void *u)
{
    (void)c;
    (void)u;
    note("state %s>%s%s%s\n", aivo_state_name(from), aivo_state_name(to), e ? " " : "",
         e ? aivo_status_name(e->status) : "");
}

static __attribute__((unused)) void on_event(struct aivo_client *c, const struct aivo_message *m, void *user)
{
    note("event[%s] %s %s %zu\n", (const char *)user, m->event, m->args ? m->args : "-", m->attachment_count);
    if (m->wants_ack)
        aivo_client_ack(c, m->ack_id, "[\"got\"]", NULL, 0);
}

static __attribute__((unused)) void on_ack(struct aivo_client *c, enum aivo_status status, const struct aivo_message *m,
                                           void *user)
{
    (void)c;
    note("ack[%s] %s %s\n", (const char *)user, aivo_status_name(status), m ? m->args : "-");
}

static __attribute__((unused)) void on_fate(struct aivo_client *c, const struct aivo_queued *m, enum aivo_fate fate,
                                            const char *answer, void *u)
{
    (void)c;
    (void)u;
    note("fate %s %s %s\n", m->event, aivo_fate_name(fate), answer ? answer : "-");
}

static __attribute__((unused)) void on_sample(struct aivo_client *c, const struct aivo_quality *q, void *u)
{
    (void)c;
    (void)u;
    note("sample %s %d\n", aivo_level_name(q->level), (int)q->samples);
}

static __attribute__((unused)) void on_level(struct aivo_client *c, const struct aivo_quality *q, void *u)
{
    (void)c;
    (void)u;
    note("level %s\n", aivo_level_name(q->level));
}

static __attribute__((unused)) struct aivo_options options_on(struct aivo_loop *loop)
{
    struct aivo_options o;
    aivo_options_init(&o);
    o.url = "http://127.0.0.1:4003";
    o.loop = loop;
    o.watch_network = false;
    o.quality.enabled = false;
    o.reconnect.floor_ms = 0;
    o.reconnect.base_ms = 1;
    o.reconnect.cap_ms = 1;
    return o;
}

static __attribute__((unused)) struct aivo_client *create(const struct aivo_options *o)
{
    struct aivo_client *c = NULL;
    struct aivo_error err = {0};
    if (aivo_client_create(o, &c, &err) != AIVO_OK)
        fail_msg("create: %s", err.message);
    aivo_client_on_state(c, on_state, NULL);
    aivo_client_on_fate(c, on_fate, NULL);
    return c;
}

/* Connected, and the client's own word for it. */
static __attribute__((unused)) struct aivo_client *connect_client(struct scripted *s, const struct aivo_options *o,
                                                                  int *conn)
{
    struct aivo_client *c = create(o);
    assert_int_equal(aivo_client_start(c), AIVO_OK);
    *conn = scripted_accept(s);
    wait_log(">connected\n");
    return c;
}

/* How to emit what wants an acknowledgement. */
static __attribute__((unused)) struct aivo_emit asking(aivo_ack_fn ack, void *user)
{
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.ack = ack;
    how.user = user;
    return how;
}

/* What the server would answer an event, as scripted_hear() gave it. */
static __attribute__((unused)) void say_ack(struct scripted *s, int conn, const char *heard, const char *args)
{
    char answer[128];
    snprintf(answer, sizeof answer, "43%lu%s", strtoul(heard + strlen("T42"), NULL, 10), args);
    scripted_say(s, conn, answer);
}

/* The PONG to the next PING. */
static __attribute__((unused)) void answer_ping(struct scripted *s, int conn)
{
    char ping[64];
    snprintf(ping, sizeof ping, "%s", scripted_hear_ping(s, conn));
    scripted_pong(s, conn, ping);
}

/* A queue's file in a folder of its own. */
struct queue_place {
    char dir[32], path[48];
};

static __attribute__((unused)) void queue_place_make(struct queue_place *place)
{
    snprintf(place->dir, sizeof place->dir, "/tmp/aivo-test-XXXXXX");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof place->path, "%s/q.db", place->dir);
}

static __attribute__((unused)) void queue_place_remove(const struct queue_place *place)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", place->dir);
    assert_int_equal(system(command), 0);
}

#endif
