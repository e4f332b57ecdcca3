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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
