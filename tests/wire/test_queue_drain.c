/* The offline queue over a link with a round trip of 50 ms that stalls and is cut.
 *   test_queue_drain          the test
 *   test_queue_drain COUNT    so many messages, and what they took: the benchmark of tests/bench/drain.mjs
 *   test_queue_drain serve    the same server and link for somebody else; prints the port, ends with standard input */
#include "io/clock.h"
#include "peer.h"
#include "relay.h"
#include <aivo/aivo.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUND_TRIP_MS 50

static atomic_uint received, acknowledged, others;

/* A Socket.IO server that acknowledges every event. */
static void serve(struct peer_conn *c, void *user)
{
    static const char open[] = "0{\"sid\":\"s\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
                               "\"maxPayload\":1000000}";
    struct peer_frame frame = {0};
    int one = 1;
    (void)user;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* as Node does */
    if (!peer_upgrade(c) || !peer_send(c, 1, true, open, sizeof open - 1))
        return;
    while (peer_recv(c, &frame)) {
        char answer[64] = "";
        if (frame.opcode == 9) {
            peer_send(c, 10, true, frame.data, frame.len);
        } else if (strncmp(frame.data, "40", 2) == 0) {
            snprintf(answer, sizeof answer, "40{\"sid\":\"a\"}");
        } else if (strncmp(frame.data, "42", 2) == 0) {
            atomic_fetch_add(&received, 1);
            snprintf(answer, sizeof answer, "43%lu[{\"ok\":1}]", strtoul(frame.data + 2, NULL, 10));
        }
        if (*answer && !peer_send(c, 1, true, answer, strlen(answer)))
            break;
    }
    peer_frame_free(&frame);
}

static void on_fate(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                    const char *answer, void *user)
{
    (void)client, (void)message, (void)answer, (void)user;
    atomic_fetch_add(fate == AIVO_FATE_ACKNOWLEDGED ? &acknowledged : &others, 1);
}

struct setup {
    char dir[64], path[96];
    struct peer *peer;
    struct relay *relay;
    struct aivo_client *client;
};

static void set_up(struct setup *s, unsigned count)
{
    struct aivo_options o;
    struct aivo_error err;
    char url[64];
    strcpy(s->dir, "/tmp/aivo-drain-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/queue.db", s->dir);
    s->peer = peer_start(serve, NULL);
    assert_non_null(s->peer);
    s->relay = relay_start(peer_port(s->peer), ROUND_TRIP_MS);
    assert_non_null(s->relay);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", relay_port(s->relay));
    aivo_options_init(&o);
    o.url = url;
    o.proxy = "";
    o.watch_network = false;
    o.quality.enabled = false;
    o.reconnect.floor_ms = 10;
    o.reconnect.base_ms = 50;
    o.queue.path = s->path;
    o.queue.max_messages = 1000000;
    if (aivo_client_create(&o, &s->client, &err) != AIVO_OK)
        fail_msg("%s", err.message);
    aivo_client_on_fate(s->client, on_fate, NULL);
    for (unsigned i = 0; i < count; i++) {
        enum aivo_status status;
        while ((status = aivo_client_send_async(s->client, "m", "[{\"text\":\"hello\"}]", NULL, NULL, NULL, NULL,
                                                &err)) == AIVO_E_FULL)
            usleep(1000);
        if (status != AIVO_OK)
            fail_msg("%s", err.message);
    }
    assert_int_equal(aivo_client_send(s->client, "m", "[]", NULL, NULL), AIVO_OK); /* all before it are on disk too */
    atomic_store(&received, 0);
    atomic_store(&acknowledged, 0);
}

static void wait_until(unsigned count)
{
    for (int i = 0; i < 60000 && atomic_load(&acknowledged) < count; i++)
        usleep(1000);
    assert_true(atomic_load(&acknowledged) >= count);
}

static void tear_down(struct setup *s)
{
    char command[128];
    aivo_client_destroy(s->client);
    relay_stop(s->relay);
    peer_stop(s->peer);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

static double drain(unsigned count)
{
    struct setup s;
    set_up(&s, count - 1);
    int64_t begun_us = aivo_clock_us();
    aivo_client_start(s.client);
    wait_until(count);
    double seconds = (double)(aivo_clock_us() - begun_us) / 1e6;
    assert_int_equal(atomic_load(&received), count);
    tear_down(&s);
    return seconds;
}

/* 640 messages are ten windows: they take ten round trips and a bit, not 640. */
static void test_pipelined(void **state)
{
    (void)state;
    double seconds = drain(640);
    assert_true(seconds < 8); /* one after the other they would take 32 s */
}

/* The link stalls for a moment, and is cut twice in the middle: every message is acknowledged, none is lost. */
static void test_stall_and_cut(void **state)
{
    (void)state;
    struct setup s;
    set_up(&s, 399);
    aivo_client_start(s.client);
    wait_until(50);
    relay_stall(s.relay, true);
    usleep(300000);
    unsigned before = atomic_load(&acknowledged);
    usleep(200000);
    assert_int_equal(atomic_load(&acknowledged), before); /* nothing passes */
    relay_stall(s.relay, false);
    wait_until(before + 30);
    relay_cut(s.relay);
    wait_until(before + 100);
    relay_cut(s.relay);
    wait_until(400);
    assert_int_equal(atomic_load(&others), 0);
    assert_true(peer_accepted(s.peer) >= 3);
    tear_down(&s);
}

static int serve_others(void)
{
    struct peer *peer = peer_start(serve, NULL);
    struct relay *relay = peer ? relay_start(peer_port(peer), ROUND_TRIP_MS) : NULL;
    if (!relay)
        return 1;
    printf("%u\n", relay_port(relay));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    relay_stop(relay);
    peer_stop(peer);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return serve_others();
    if (argc > 1) {
        unsigned count = (unsigned)strtoul(argv[1], NULL, 10);
        printf("%u %.2f\n", count, drain(count > 0 ? count : 1));
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pipelined), cmocka_unit_test(test_stall_and_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
