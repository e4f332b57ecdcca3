#include "scripted.h"

#include "clock.h"
#include "loop.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PATIENCE_US (10 * 1000000)
#define MAX_CONNS   256

enum event_kind { EVENT_OPEN, EVENT_TEXT, EVENT_BINARY, EVENT_PONG, EVENT_CUT };
struct item {
    struct item *next;
    int kind; /* an event's kind, or the letter of what was written */
    size_t len;
    enum aivo_status status;
    char data[];
};
struct line {
    struct item *first, **last;
    size_t count;
};

struct aivo_conn {
    struct scripted *net;
    struct aivo_transport_events events;
    void *user;
    bool gone, paused, close_asked;
    struct line incoming, written, pings;
};

struct scripted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    struct aivo_conn *conns[MAX_CONNS];
    int conn_count, accepted;
    char heard[70000];
};

static void line_init(struct line *l)
{
    l->first = NULL;
    l->last = &l->first;
    l->count = 0;
}

static void line_put(struct line *l, int kind, const void *data, size_t len, enum aivo_status status)
{
    struct item *i = malloc(sizeof *i + len + 1);
    if (!i)
        abort();
    *i = (struct item){.kind = kind, .len = len, .status = status};
    if (len)
        memcpy(i->data, data, len);
    i->data[len] = '\0';
    *l->last = i;
    l->last = &i->next;
    l->count++;
}

static struct item *line_take(struct line *l)
{
    struct item *i = l->first;
    if (i) {
        l->first = i->next;
        if (!l->first)
            l->last = &l->first;
        l->count--;
    }
    return i;
}

static void line_free(struct line *l)
{
    struct item *i;
    while ((i = line_take(l)))
        free(i);
}

static void wait_until(struct scripted *s, int64_t deadline_us)
{
    struct timespec t = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

/* ---- the transport's side, on the loop's thread ---- */

static enum aivo_status net_create(struct aivo_net **out, struct aivo_error *err)
{
    (void)err;
    struct scripted *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = (struct aivo_net *)s;
    return AIVO_OK;
}

static void net_destroy(struct aivo_net *net)
{
    struct scripted *s = (struct scripted *)net;
    for (int i = 0; i < s->conn_count; i++) {
        line_free(&s->conns[i]->incoming);
        line_free(&s->conns[i]->written);
        line_free(&s->conns[i]->pings);
        free(s->conns[i]);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* The next event of any connection; called with the lock held. */
static struct item *next_event(struct scripted *s, struct aivo_conn **conn)
{
    for (int i = 0; i < s->conn_count; i++) {
        struct aivo_conn *c = s->conns[i];
        if (c->gone || !c->incoming.first)
            continue;
        int kind = c->incoming.first->kind;
        if (c->paused && kind != EVENT_OPEN && kind != EVENT_CUT)
            continue;
        *conn = c;
        return line_take(&c->incoming);
    }
    return NULL;
}

static void tell(struct aivo_conn *c, const struct item *e)
{
    struct aivo_error why = {.status = e->status};
    snprintf(why.message, sizeof why.message, "scripted: %s", aivo_strerror(e->status));
    switch (e->kind) {
    case EVENT_OPEN:
        c->events.open(c->user);
        break;
    case EVENT_TEXT:
    case EVENT_BINARY:
        c->events.message(c->user, e->data, e->len, e->kind == EVENT_BINARY);
        break;
    case EVENT_PONG:
        c->events.pong(c->user, e->data, e->len);
        break;
    default:
        c->gone = true;
        c->events.closed(c->user, &why);
        break;
    }
}

static void net_turn(struct aivo_net *net, int64_t deadline_us)
{
    struct scripted *s = (struct scripted *)net;
    struct aivo_conn *conn = NULL;
    struct item *e;
    pthread_mutex_lock(&s->lock);
    while (!s->woken && !(e = next_event(s, &conn)) && aivo_clock_us() < deadline_us)
        wait_until(s, deadline_us > aivo_clock_us() + PATIENCE_US ? aivo_clock_us() + PATIENCE_US : deadline_us);
    if (s->woken)
        e = next_event(s, &conn);
    s->woken = false;
    pthread_mutex_unlock(&s->lock);
    if (e) {
        tell(conn, e);
        free(e);
    }
}

static void net_wake(struct aivo_net *net)
{
    struct scripted *s = (struct scripted *)net;
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static enum aivo_status conn_connect(struct aivo_net *net, const struct aivo_transport_request *request,
                                     const struct aivo_transport_events *events, void *user, struct aivo_conn **out,
                                     struct aivo_error *err)
{
    (void)err;
    (void)request;
    struct scripted *s = (struct scripted *)net;
    struct aivo_conn *c = calloc(1, sizeof *c);
    if (!c || s->conn_count == MAX_CONNS)
        abort();
    c->net = s;
    c->events = *events;
    c->user = user;
    line_init(&c->incoming);
    line_init(&c->written);
    line_init(&c->pings);
    pthread_mutex_lock(&s->lock);
    s->conns[s->conn_count++] = c;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    *out = c;
    return AIVO_OK;
}

static void write_down(struct aivo_conn *c, struct line *l, int kind, const void *data, size_t len)
{
    pthread_mutex_lock(&c->net->lock);
    line_put(l, kind, data, len, AIVO_OK);
    pthread_cond_broadcast(&c->net->changed);
    pthread_mutex_unlock(&c->net->lock);
}

static enum aivo_status conn_send(struct aivo_conn *c, const char *data, size_t len, bool binary)
{
    write_down(c, &c->written, binary ? 'B' : 'T', data, len);
    return AIVO_OK;
}

static enum aivo_status conn_ping(struct aivo_conn *c, const void *payload, size_t len)
{
    write_down(c, &c->pings, 'P', payload, len);
    return AIVO_OK;
}

static void conn_pause(struct aivo_conn *c, bool paused)
{
    pthread_mutex_lock(&c->net->lock);
    c->paused = paused;
    pthread_cond_broadcast(&c->net->changed);
    pthread_mutex_unlock(&c->net->lock);
}

static size_t conn_unsent(const struct aivo_conn *c)
{
    (void)c;
    return 0;
}

static int conn_fd(const struct aivo_conn *c)
{
    (void)c;
    return -1;
}

static void conn_close(struct aivo_conn *c, uint16_t code, const char *reason)
{
    (void)code;
    (void)reason;
    if (c->close_asked)
        return;
    c->close_asked = true;
    write_down(c, &c->written, 'C', "", 0);
}

static void conn_abort(struct aivo_conn *c)
{
    if (!c)
        return;
    write_down(c, &c->written, 'A', "", 0);
    pthread_mutex_lock(&c->net->lock);
    c->gone = true;
    pthread_mutex_unlock(&c->net->lock);
}

static const struct aivo_transport scripted_transport = {
    .create = net_create,
    .destroy = net_destroy,
    .turn = net_turn,
    .wake = net_wake,
    .connect = conn_connect,
    .send = conn_send,
    .ping = conn_ping,
    .pause = conn_pause,
    .unsent = conn_unsent,
    .fd = conn_fd,
    .close = conn_close,
    .abort = conn_abort,
};

/* ---- the test's side ---- */

struct aivo_loop *scripted_loop(struct scripted **out)
{
    struct aivo_loop *loop = NULL;
    assert_int_equal(aivo_loop_create_over(&scripted_transport, &loop, NULL), AIVO_OK);
    *out = (struct scripted *)aivo_loop_net(loop);
    return loop;
}

int scripted_wait_connect(struct scripted *s)
{
    int64_t deadline = aivo_clock_us() + PATIENCE_US;
    pthread_mutex_lock(&s->lock);
    while (s->accepted >= s->conn_count && aivo_clock_us() < deadline)
        wait_until(s, deadline);
    bool came = s->accepted < s->conn_count;
    int conn = s->accepted;
    s->accepted += came;
    pthread_mutex_unlock(&s->lock);
    if (!came)
        fail_msg("the client did not connect within 10 s");
    return conn;
}

static void put_event(struct scripted *s, int conn, int kind, const void *data, size_t len, enum aivo_status status)
{
    pthread_mutex_lock(&s->lock);
    line_put(&s->conns[conn]->incoming, kind, data, len, status);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void scripted_open(struct scripted *s, int conn)
{
    put_event(s, conn, EVENT_OPEN, "", 0, AIVO_OK);
}

void scripted_say(struct scripted *s, int conn, const char *text)
{
    put_event(s, conn, EVENT_TEXT, text, strlen(text), AIVO_OK);
}

void scripted_say_binary(struct scripted *s, int conn, const void *data, size_t len)
{
    put_event(s, conn, EVENT_BINARY, data, len, AIVO_OK);
}

void scripted_pong(struct scripted *s, int conn, const char *payload)
{
    put_event(s, conn, EVENT_PONG, payload, strlen(payload), AIVO_OK);
}

void scripted_cut(struct scripted *s, int conn, enum aivo_status why)
{
    put_event(s, conn, EVENT_CUT, "", 0, why);
}

int scripted_accept(struct scripted *s)
{
    int conn = scripted_wait_connect(s);
    scripted_open(s, conn);
    scripted_say(
        s, conn,
        "0{\"sid\":\"e1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":60000,\"maxPayload\":100000}");
    const char *connect = scripted_hear(s, conn);
    if (strncmp(connect, "T40", 3) != 0)
        fail_msg("expected a CONNECT, heard %s", connect);
    scripted_say(s, conn, "40{\"sid\":\"s1\"}");
    return conn;
}

static const char *hear(struct scripted *s, struct line *l, bool with_kind)
{
    int64_t deadline = aivo_clock_us() + PATIENCE_US;
    pthread_mutex_lock(&s->lock);
    while (!l->first && aivo_clock_us() < deadline)
        wait_until(s, deadline);
    struct item *i = line_take(l);
    pthread_mutex_unlock(&s->lock);
    if (!i)
        fail_msg("the client wrote nothing within 10 s");
    snprintf(s->heard, sizeof s->heard, "%.*s%s", with_kind ? 1 : 0, (char[]){(char)i->kind, '\0'}, i->data);
    free(i);
    return s->heard;
}

const char *scripted_hear(struct scripted *s, int conn)
{
    return hear(s, &s->conns[conn]->written, true);
}

const char *scripted_hear_ping(struct scripted *s, int conn)
{
    return hear(s, &s->conns[conn]->pings, false);
}

void scripted_expect(struct scripted *s, int conn, const char *written)
{
    assert_string_equal(scripted_hear(s, conn), written);
}

size_t scripted_written(struct scripted *s, int conn)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->conns[conn]->written.count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool scripted_wait_paused(struct scripted *s, int conn, bool paused)
{
    int64_t deadline = aivo_clock_us() + PATIENCE_US;
    pthread_mutex_lock(&s->lock);
    while (s->conns[conn]->paused != paused && aivo_clock_us() < deadline)
        wait_until(s, deadline);
    bool is = s->conns[conn]->paused == paused;
    pthread_mutex_unlock(&s->lock);
    return is;
}
