#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "wire.h"
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct aivo_transport *const t = &aivo_transport_lws;

static void echo_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_upgrade(c))
        peer_echo(c);
}

static void check(struct wire *w, enum aivo_status status, int code, const char *text)
{
    if (w->why.status != status || w->why.code != code || !strstr(w->why.message, text))
        fail_msg("status %d code %d: %s", w->why.status, w->why.code, w->why.message);
}

/* A text and a binary message come back as they were; the closing handshake is answered; closed() comes once. */
static void test_echo(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    assert_int_equal(t->send(w.conn, "x", 1, false), AIVO_E_NOT_CONNECTED);
    assert_int_equal(t->fd(w.conn), -1);
    wire_until(&w, opened, 1);
    assert_true(t->fd(w.conn) >= 0);
    assert_int_equal(t->send(w.conn, "hello", 5, false), AIVO_OK);
    assert_int_equal(t->send(w.conn, "\0\xff\x01", 3, true), AIVO_OK);
    assert_int_equal(t->send(w.conn, "\xff", 1, false), AIVO_E_INVALID);
    wire_until(&w, messages, 2);
    assert_string_equal(w.got[0].data, "hello");
    assert_false(w.got[0].binary);
    assert_int_equal(w.got[1].len, 3);
    assert_memory_equal(w.got[1].data, "\0\xff\x01", 3);
    assert_true(w.got[1].binary);
    assert_int_equal(t->unsent(w.conn), 0);
    t->close(w.conn, 1000, "bye");
    assert_int_equal(t->send(w.conn, "x", 1, false), AIVO_E_CLOSED);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_CLOSED, 1000, "closed as asked");
    wire_turn_ms(&w, 20);
    assert_int_equal(w.closed, 1);
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

/* Our ping comes back as a pong with its payload, at once. */
static void test_ping(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    char payload[126];
    memset(payload, 'p', sizeof payload);
    assert_int_equal(t->ping(w.conn, payload, 126), AIVO_E_INVALID);
    assert_int_equal(t->ping(w.conn, payload, 125), AIVO_OK);
    wire_until(&w, pongs, 1);
    assert_int_equal(w.pong_len, 125);
    assert_memory_equal(w.pong, payload, 125);
    assert_int_equal(t->ping(w.conn, NULL, 0), AIVO_OK);
    wire_until(&w, pongs, 2);
    assert_int_equal(w.pong_len, 0);
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

static void *wake_later(void *net)
{
    struct timespec d = {.tv_nsec = 50000000};
    nanosleep(&d, NULL);
    t->wake(net);
    return NULL;
}

/* turn() with nothing to do waits: until a deadline, and until another thread wakes it, also if the wake came first. */
static void test_turn(void **state)
{
    (void)state;
    struct aivo_net *net = wire_net();
    t->turn(net, 0); /* the first turn of libwebsockets returns early */
    t->turn(net, aivo_clock_us() + 1000);
    int64_t from_us = aivo_clock_us();
    t->turn(net, from_us + 60000);
    int64_t took_us = aivo_clock_us() - from_us;
    assert_in_range(took_us, 60000, 400000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, net), 0);
    from_us = aivo_clock_us();
    t->turn(net, AIVO_NEVER);
    assert_in_range(aivo_clock_us() - from_us, 30000, 5000000);
    pthread_join(thread, NULL);
    t->wake(net);
    t->turn(net, AIVO_NEVER);
    t->destroy(net);
}

/* Runs a script against a fresh connection that has opened. */
static struct peer *open_with(struct wire *w, peer_script script, void *user)
{
    struct peer *peer = peer_start(script, user);
    wire_start(w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(w, &request);
    wire_until(w, opened, 1);
    return peer;
}

static void end(struct wire *w, struct peer *peer)
{
    wire_free(w);
    t->destroy(w->net);
    peer_stop(peer);
}

static void fragments_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (!peer_upgrade(c))
        return;
    peer_send(c, 1, false, "one ", 4);
    peer_send(c, 9, true, "ping", 4);
    peer_send(c, 0, false, "two ", 4);
    usleep(20000);
    peer_send(c, 10, true, "stray", 5);
    peer_send(c, 0, true, "three", 5);
    struct peer_frame frame = {0};
    if (peer_recv(c, &frame) && frame.opcode == 10 && frame.masked && strcmp(frame.data, "ping") == 0)
        peer_send(c, 2, true, "pong seen", 9);
    peer_frame_free(&frame);
    peer_hang(c);
}

/* A fragmented message with control frames between its parts is joined; the server's ping is answered with its
 * payload, masked; a pong that nobody asked for is reported. */
static void test_fragments(void **state)
{
    (void)state;
    struct wire w;
    struct peer *peer = open_with(&w, fragments_script, NULL);
    wire_until(&w, messages, 2);
    assert_string_equal(w.got[0].data, "one two three");
    assert_false(w.got[0].binary);
    assert_string_equal(w.got[1].data, "pong seen");
    assert_int_equal(w.pongs, 1);
    assert_memory_equal(w.pong, "stray", 5);
    end(&w, peer);
}

/* A megabyte there and back, twice, with other messages around it. */
static void test_big(void **state)
{
    (void)state;
    struct wire w;
    struct peer *peer = open_with(&w, echo_script, NULL);
    size_t len = 1 << 20;
    char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i % 23);
    assert_int_equal(t->send(w.conn, "before", 6, false), AIVO_OK);
    assert_int_equal(t->send(w.conn, data, len, false), AIVO_OK);
    assert_int_equal(t->send(w.conn, data, len, true), AIVO_OK);
    assert_int_equal(t->send(w.conn, "after", 5, false), AIVO_OK);
    wire_until(&w, messages, 4);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(w.got[i].len, len);
        assert_memory_equal(w.got[i].data, data, len);
    }
    assert_string_equal(w.got[3].data, "after");
    assert_int_equal(t->unsent(w.conn), 0);
    free(data);
    end(&w, peer);
}

struct once {
    size_t wanted;
    ssize_t got;
};

static void one_read_script(struct peer_conn *c, void *user)
{
    struct once *once = user;
    static char data[65536];
    if (!peer_upgrade(c))
        return;
    usleep(50000); /* let all of it arrive */
    once->got = peer_read(c, data, sizeof data);
    peer_send(c, 1, true, "read", 4);
    peer_hang(c);
}

/* A hundred messages and a ping queued in one turn leave in one write: one read at the other end gets them all. */
static void test_coalescing(void **state)
{
    (void)state;
    struct once once = {0};
    struct wire w;
    struct peer *peer = open_with(&w, one_read_script, &once);
    for (int i = 0; i < 100; i++)
        assert_int_equal(t->send(w.conn, "0123456789", 10, false), AIVO_OK);
    assert_int_equal(t->ping(w.conn, "p", 1), AIVO_OK);
    assert_int_equal(t->unsent(w.conn), 100 * 16 + 7);
    wire_until(&w, messages, 1);
    assert_int_equal(once.got, 100 * 16 + 7);
    end(&w, peer);
}

static void silent_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_upgrade(c))
        peer_hang(c);
}

/* A peer that reads nothing: send() says full at max_unsent_bytes, pings still go in, but not without end; and all of
 * it is forgotten with the connection. */
static void test_full(void **state)
{
    (void)state;
    struct peer *peer = peer_start(silent_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.max_unsent_bytes = 100000;
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    char data[10000] = {0};
    enum aivo_status status = AIVO_OK;
    assert_int_equal(t->send(w.conn, data, 100001, true), AIVO_E_FULL);
    for (int i = 0; i < 3000 && status == AIVO_OK; i++) {
        status = t->send(w.conn, data, sizeof data, true);
        wire_turn_ms(&w, status == AIVO_OK ? 0 : 1);
        t->turn(w.net, 0);
    }
    assert_int_equal(status, AIVO_E_FULL);
    assert_in_range(t->unsent(w.conn), 80000, 100100);
    unsigned pings = 0;
    while (pings < 100000 && (status = t->ping(w.conn, data, 125)) == AIVO_OK)
        pings++;
    assert_int_equal(status, AIVO_E_FULL);
    assert_in_range(pings, 100, 2000);
    end(&w, peer);
}

static void close_script(struct peer_conn *c, void *user)
{
    const char *how = user;
    struct peer_frame frame = {0};
    if (!peer_upgrade(c))
        return;
    if (strcmp(how, "restart") == 0)
        peer_close_frame(c, 1012, "back soon");
    else if (strcmp(how, "none") == 0)
        peer_send(c, 8, true, "", 0);
    else if (strcmp(how, "end") == 0)
        return;
    else if (strcmp(how, "cut") == 0) {
        peer_cut(c);
        return;
    } else if (strcmp(how, "rude") == 0) { /* a frame that is not there yet when the end comes */
        peer_write(c, "\x81\x05hel", 5);
        return;
    }
    if (peer_recv(c, &frame) && frame.opcode == 8) /* the answer to our close frame: the same code */
        peer_drain(c);
    else
        abort();
    if (frame.len != (strcmp(how, "none") == 0 ? 0u : 2u) || (frame.len && memcmp(frame.data, "\x03\xf4", 2) != 0))
        abort();
    peer_frame_free(&frame);
}

/* Every way a server can end a connection: its code and reason, or that it was cut. */
static void test_closed_by_server(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        int code;
        const char *text;
    } rows[] = {
        {"restart", 1012, "the server closed the connection: 1012 (service restart): back soon"},
        {"none", 1005, "the server closed the connection: 1005 (no code)"},
        {"end", 1006, "the server cut the connection without a closing handshake"},
        {"cut", 1006, "the connection was cut: Connection reset by peer"},
        {"rude", 1006, "the server cut the connection without a closing handshake"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire w;
        struct peer *peer = open_with(&w, close_script, (void *)(uintptr_t)rows[i].how);
        wire_until(&w, closed, 1);
        check(&w, AIVO_E_CLOSED, rows[i].code, rows[i].text);
        assert_int_equal(w.messages, 0);
        peer_finish(peer);
        end(&w, peer);
    }
}

struct bad {
    const char *bytes;
    size_t len;
    unsigned code; /* of the close frame that came back */
};

static void bad_script(struct peer_conn *c, void *user)
{
    struct bad *bad = user;
    struct peer_frame frame = {0};
    if (!peer_upgrade(c) || !peer_write(c, bad->bytes, bad->len))
        return;
    char more[1000] = {0};
    for (int i = 0; i < 50; i++) /* it goes on talking: the close frame must reach it all the same */
        peer_write(c, more, sizeof more);
    if (peer_recv(c, &frame) && frame.opcode == 8 && frame.len >= 2)
        bad->code = (unsigned)(uint8_t)frame.data[0] << 8 | (uint8_t)frame.data[1];
    peer_frame_free(&frame);
    peer_drain(c);
}

/* Frames that must not be: each ends the connection with its own error, and the server is told by a close frame. */
static void test_bad_frames(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum aivo_status status;
        int code;
        const char *text;
    } rows[] = {
        {"\x81\x85\x01\x02\x03\x04hello", 11, AIVO_E_PROTOCOL, 1002, "a frame from the server is masked"},
        {"\xc1\x01x", 3, AIVO_E_PROTOCOL, 1002, "reserved bits"},
        {"\x83\x00", 2, AIVO_E_PROTOCOL, 1002, "unknown opcode"},
        {"\x80\x01x", 3, AIVO_E_PROTOCOL, 1002, "continues nothing"},
        {"\x81\x01\xff", 3, AIVO_E_PROTOCOL, 1007, "not UTF-8"},
        {"\x82\x7f\x00\x00\x00\x00\x00\x40\x00\x01", 10, AIVO_E_TOO_LARGE, 1009, "more than 4194304 bytes"},
        {"\x93\x7a\xd1\x0c\x55\xe7\x80\xff\x13\x99", 10, AIVO_E_PROTOCOL, 1002, "reserved bits"}, /* random */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bad bad = {rows[i].bytes, rows[i].len, 0};
        struct wire w;
        struct peer *peer = open_with(&w, bad_script, &bad);
        wire_until(&w, closed, 1);
        check(&w, rows[i].status, rows[i].code, rows[i].text);
        assert_int_equal(w.messages, 0);
        peer_finish(peer);
        end(&w, peer);
        assert_int_equal(bad.code, rows[i].code);
    }
}

static void deaf_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_upgrade(c))
        while (!peer_stopping(c) && peer_text(c, "\x81\x01x"))
            usleep(10000);
}

/* close() towards a server that never answers the closing handshake: closed() comes after 2 s all the same. Messages
 * that arrive until then are still given out. */
static void test_close_limit(void **state)
{
    (void)state;
    struct wire w;
    struct peer *peer = open_with(&w, deaf_script, NULL);
    int64_t from_us = aivo_clock_us();
    t->close(w.conn, 1001, "off");
    t->close(w.conn, 1000, "twice changes nothing");
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_CLOSED, 1006, "did not answer the closing handshake within 2 s");
    assert_in_range(w.closed_us - from_us, 1990000, 4000000);
    assert_true(w.messages > 10);
    end(&w, peer);
}

static void flood_script(struct peer_conn *c, void *user)
{
    (void)user;
    char line[100];
    memset(line, 'f', sizeof line);
    if (!peer_upgrade(c))
        return;
    for (int i = 0; i < 20000; i++)
        if (!peer_send(c, 1, true, line, sizeof line))
            return;
    peer_echo(c);
}

static void pause_at_once(struct wire *w)
{
    t->pause(w->conn, true);
}

static void pause_at_third(struct wire *w, const char *data, size_t len)
{
    (void)data, (void)len;
    if (w->messages % 3 == 0)
        t->pause(w->conn, true);
}

/* pause() in the middle of what one read brought: nothing more is given out until it is taken back, nothing is lost,
 * and what is sent meanwhile still goes out. A pause at the very start holds too. */
static void test_pause(void **state)
{
    (void)state;
    struct peer *peer = peer_start(flood_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    w.on_open = pause_at_once;
    w.on_message = pause_at_third;
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    wire_turn_ms(&w, 30);
    assert_int_equal(w.messages, 0);
    for (unsigned i = 1; i <= 10; i++) {
        t->pause(w.conn, false);
        wire_until(&w, messages, 3 * i);
        wire_turn_ms(&w, 5);
        assert_int_equal(w.messages, 3 * i);
    }
    w.on_message = NULL;
    t->pause(w.conn, false);
    assert_int_equal(t->send(w.conn, "last", 4, false), AIVO_OK);
    wire_until(&w, messages, 20001);
    assert_int_equal(w.messages, 20001);
    end(&w, peer);
}

static void abort_self(struct wire *w)
{
    t->abort(w->conn);
    w->conn = NULL;
}

static void abort_on_message(struct wire *w, const char *data, size_t len)
{
    (void)data, (void)len;
    abort_self(w);
}

static void abort_other(struct wire *w, const char *data, size_t len)
{
    (void)data, (void)len;
    struct wire *other = w->user;
    abort_self(other);
}

/* abort() inside each callback of its own, and of another connection whose messages wait in the same turn: no event
 * follows, nothing is touched afterwards (the sanitizer watches). */
static void test_abort_inside(void **state)
{
    (void)state;
    struct peer *peer = peer_start(flood_script, NULL), *echo = peer_start(echo_script, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    struct aivo_net *net = wire_net();
    for (int where = 0; where < 4; where++) {
        struct wire w;
        wire_start(&w, net);
        request.port = where == 2 ? peer_port(echo) : peer_port(peer);
        if (where == 0)
            w.on_open = abort_self;
        else if (where == 1)
            w.on_message = abort_on_message;
        else if (where == 2)
            w.on_pong = abort_self;
        else
            w.on_closed = abort_self;
        wire_connect(&w, &request);
        wire_until(&w, opened, 1);
        if (where == 1) {
            wire_until(&w, messages, 1);
        } else if (where == 2) {
            t->ping(w.conn, "x", 1);
            wire_until(&w, pongs, 1);
        } else if (where == 3) {
            t->close(w.conn, 1000, "");
            wire_until(&w, closed, 1);
        }
        unsigned messages = w.messages;
        wire_turn_ms(&w, 10);
        assert_null(w.conn);
        assert_int_equal(w.messages, messages);
        assert_int_equal(w.closed, where == 3);
        wire_free(&w);
    }
    struct wire a, b;
    request.port = peer_port(peer);
    wire_start(&a, net);
    wire_start(&b, net);
    a.on_message = abort_other;
    a.user = &b;
    wire_connect(&b, &request);
    wire_connect(&a, &request);
    wire_until(&a, messages, 100);
    unsigned messages = b.messages;
    wire_turn_ms(&a, 10);
    assert_int_equal(b.messages, messages);
    wire_free(&a);
    wire_free(&b);
    t->abort(NULL);
    t->destroy(net);
    peer_stop(peer);
    peer_stop(echo);
}

/* A thousand connections aborted at every stage, from connect() to the middle of the closing handshake: nothing leaks
 * (the sanitizer's job), no event comes after, and file descriptors are given back. */
static void test_cycles(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct aivo_net *net = wire_net();
    struct aivo_transport_request request = wire_request(peer_port(peer));
    int first_fd = dup(0);
    close(first_fd);
    for (int i = 0; i < 1000; i++) {
        struct wire w;
        wire_start(&w, net);
        wire_connect(&w, &request);
        for (int turns = i % 7; turns > 0 && !w.opened; turns--)
            t->turn(net, aivo_clock_us() + 200);
        if (i % 10 == 9) {
            wire_until(&w, opened, 1);
            t->send(w.conn, "x", 1, false);
            if (i % 20 == 19)
                t->close(w.conn, 1000, "");
            t->turn(net, aivo_clock_us() + 200);
        }
        unsigned closed = w.closed;
        wire_free(&w);
        assert_int_equal(w.closed, closed);
    }
    peer_stop(peer);
    int last_fd = dup(0);
    close(last_fd);
    assert_true(last_fd <= first_fd);
    t->destroy(net);
}

static void reconnect_inside(struct wire *w)
{
    struct wire *next = w->user;
    struct aivo_transport_request request = wire_request((uint16_t)next->pong_len);
    next->pong_len = 0;
    wire_connect(next, &request);
}

/* connect() inside closed(), as a reconnect does. */
static void test_connect_inside(void **state)
{
    (void)state;
    struct wire w, next;
    struct peer *peer = open_with(&w, echo_script, NULL);
    wire_start(&next, w.net);
    next.pong_len = peer_port(peer);
    w.on_closed = reconnect_inside;
    w.user = &next;
    t->close(w.conn, 1000, NULL);
    wire_until(&w, closed, 1);
    wire_until(&next, opened, 1);
    wire_free(&next);
    end(&w, peer);
}

/* close() before the connection stands: closed() comes from the next turn, not from inside, and says so. */
static void test_close_early(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    t->close(w.conn, 1000, "");
    assert_int_equal(w.closed, 0);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_CANCELLED, 0, "closed before the connection stood");
    assert_int_equal(w.opened, 0);
    end(&w, peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_turn),        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_big),         cmocka_unit_test(test_coalescing),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_closed_by_server),
        cmocka_unit_test(test_bad_frames),  cmocka_unit_test(test_close_limit),
        cmocka_unit_test(test_pause),       cmocka_unit_test(test_abort_inside),
        cmocka_unit_test(test_cycles),      cmocka_unit_test(test_connect_inside),
        cmocka_unit_test(test_close_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
