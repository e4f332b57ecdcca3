#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "net.h"
#include "wire.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct aivo_transport *const t = &aivo_transport_lws;

static void check(struct wire *w, enum aivo_status status, int code, const char *text)
{
    if (w->why.status != status || w->why.code != code || !strstr(w->why.message, text))
        fail_msg("status %d code %d: %s", w->why.status, w->why.code, w->why.message);
    assert_int_equal(w->opened, 0);
    assert_int_equal(w->closed, 1);
}

static void echo_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_upgrade(c))
        peer_echo(c);
}

static void say_script(struct peer_conn *c, void *user)
{
    if (peer_head(c))
        peer_text(c, user);
}

static void hang_script(struct peer_conn *c, void *user)
{
    (void)user;
    peer_hang(c);
}

/* Tries a server with this script once, and expects this end. */
static void expect_end(peer_script script, void *user, enum aivo_status status, int code, const char *text)
{
    struct peer *peer = peer_start(script, user);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.connect_timeout_ms = 400;
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    check(&w, status, code, text);
    wire_turn_ms(&w, 5);
    assert_int_equal(w.closed, 1);
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

/* Every answer that is no upgrade: statuses with their code, an answer that is no HTTP, none at all. */
static void test_answers(void **state)
{
    (void)state;
    static char forbidden[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
                gateway[] = "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", garbage[] = "SSH-2.0-OpenSSH_9.2\r\n",
                wrong_accept[] = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                half[] = "HTTP/1.1 101 Swi", nothing[] = "";
    expect_end(say_script, forbidden, AIVO_E_HTTP, 403, "403 Forbidden");
    expect_end(say_script, gateway, AIVO_E_HTTP, 502, "502 Bad Gateway");
    expect_end(say_script, garbage, AIVO_E_PROTOCOL, 0, "is not HTTP; is this the right port?");
    expect_end(say_script, wrong_accept, AIVO_E_PROTOCOL, 0, "Sec-WebSocket-Accept");
    expect_end(say_script, half, AIVO_E_HTTP, 0, "hung up without answering");
    expect_end(say_script, nothing, AIVO_E_HTTP, 0, "hung up without answering");
    expect_end(hang_script, NULL, AIVO_E_TIMEOUT, 0, "timed out after 400 ms waiting for the answer to the WebSocket");
}

static void cut_script(struct peer_conn *c, void *user)
{
    (void)user;
    peer_head(c);
    peer_cut(c);
}

static void endless_script(struct peer_conn *c, void *user)
{
    (void)user;
    char line[1024];
    memset(line, 'a', sizeof line);
    memcpy(line + sizeof line - 4, "b\r\nX", 4);
    if (peer_head(c) && peer_text(c, "HTTP/1.1 101 X\r\nX: "))
        while (peer_write(c, line, sizeof line))
            ;
}

static void trickle_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (peer_head(c) && peer_text(c, "HTTP/1.1 101 X\r\nX: "))
        while (peer_text(c, "y"))
            usleep(20000);
}

/* A reset, a head without end, and one that comes a byte at a time: it may not put off the time-out. */
static void test_bad_servers(void **state)
{
    (void)state;
    expect_end(cut_script, NULL, AIVO_E_HTTP, 0, "hung up without answering");
    expect_end(endless_script, NULL, AIVO_E_PROTOCOL, 0, "is not HTTP");
    expect_end(trickle_script, NULL, AIVO_E_TIMEOUT, 0, "waiting for the answer to the WebSocket upgrade of 127.0.0.1");
}

static void slow_script(struct peer_conn *c, void *user)
{
    (void)user;
    if (!peer_text(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") || !peer_upgrade_with(c, "X: y\r\n"))
        return;
    peer_send(c, 1, true, "first", 5);
    peer_echo(c);
}

/* An interim answer before the final one, and a message in the same segment as the answer. */
static void test_interim(void **state)
{
    (void)state;
    struct peer *peer = peer_start(slow_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    wire_connect(&w, &request);
    wire_until(&w, messages, 1);
    assert_int_equal(w.opened, 1);
    assert_string_equal(w.got[0].data, "first");
    wire_free(&w);
    t->destroy(w.net);
    peer_stop(peer);
}

static void header_script(struct peer_conn *c, void *user)
{
    char *seen = user;
    if (peer_upgrade_with(c, "Sec-WebSocket-Protocol: chat\r\n")) {
        snprintf(seen, sizeof c->head, "%s", c->head);
        peer_send(c, 1, true, "x", 1);
        peer_hang(c);
    }
}

/* Path with query, subprotocol and the caller's headers arrive as given. */
static void test_request(void **state)
{
    (void)state;
    static char seen[8192];
    struct peer *peer = peer_start(header_script, seen);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.path = "/socket.io/?EIO=4&transport=websocket";
    request.subprotocol = "chat";
    request.headers = "Origin: http://o.example\nCookie: a=b";
    wire_connect(&w, &request);
    wire_until(&w, messages, 1);
    assert_non_null(strstr(seen, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_non_null(strstr(seen, "\r\nSec-WebSocket-Protocol: chat\r\n"));
    assert_non_null(strstr(seen, "\r\nOrigin: http://o.example\r\nCookie: a=b\r\n\r\n"));
    wire_free(&w);
    struct aivo_error err = {0};
    static const struct aivo_transport_events none = {0};
    request.headers = "Bad header";
    assert_int_equal(t->connect(w.net, &request, &none, NULL, &w.conn, &err), AIVO_E_INVALID);
    assert_int_equal(err.status, AIVO_E_INVALID);
    assert_null(w.conn);
    t->destroy(w.net);
    peer_stop(peer);
}

/* A port where nothing listens. */
static void test_connection_refused(void **state)
{
    (void)state;
    struct peer *peer = peer_start(hang_script, NULL);
    uint16_t port = peer_port(peer);
    peer_stop(peer);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(port);
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_CONNECT, ECONNREFUSED, "cannot connect to 127.0.0.1:");
    assert_non_null(strstr(w.why.message, ": Connection refused; nothing listens on that port"));
    assert_null(strchr(w.why.message, '('));
    wire_free(&w);
    t->destroy(w.net);
}

/* ---- names ---- */

static struct aivo_addresses addresses_of(const char *const *ips, unsigned n, uint16_t port)
{
    struct aivo_addresses all = {.count = n}, one;
    for (unsigned i = 0; i < n; i++) {
        if (!aivo_address_numeric(ips[i], port, &one))
            abort();
        all.list[i] = one.list[0];
    }
    return all;
}

static void resolve_refused_first(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host;
    static const char *const ips[] = {"127.0.0.2", "::1", "127.0.0.1"};
    *out = addresses_of(ips, 3, port);
}

/* Of a name's addresses only the last listens: it is reached after the others refused. */
static void test_next_address(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire w;
    wire_start(&w, NULL);
    aivo_net_use_resolver(w.net, resolve_refused_first);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = "three.example";
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    wire_free(&w);
    peer_stop(peer);
    /* and when none listens any more, the error is the last one's, and says how many were tried */
    wire_start(&w, w.net);
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_CONNECT, ECONNREFUSED, "cannot connect to three.example:");
    assert_non_null(strstr(w.why.message, "the last of 3 addresses, 127.0.0.1:"));
    wire_free(&w);
    t->destroy(w.net);
}

/* A listener whose queue is full drops further SYNs: as good as a firewall that drops them. */
struct silent {
    int listener, filler[8];
    uint16_t port;
};

static void silent_start(struct silent *s, const char *ip, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof at;
    inet_pton(AF_INET, ip, &at.sin_addr);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 0), 0);
    getsockname(s->listener, (struct sockaddr *)&at, &len);
    s->port = ntohs(at.sin_port);
    for (int i = 0; i < 8; i++) {
        s->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(s->filler[i], (struct sockaddr *)&at, sizeof at);
    }
}

static void silent_stop(struct silent *s)
{
    for (int i = 0; i < 8; i++)
        close(s->filler[i]);
    close(s->listener);
}

/* Packets that nobody answers: the time-out names the stage and says what may be the matter. */
static void test_filtered(void **state)
{
    (void)state;
    struct silent silent;
    silent_start(&silent, "127.0.0.1", 0);
    struct wire w;
    wire_start(&w, NULL);
    struct aivo_transport_request request = wire_request(silent.port);
    request.connect_timeout_ms = 300;
    int64_t from_us = aivo_clock_us();
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_TIMEOUT, ETIMEDOUT, "timed out after 300 ms connecting to 127.0.0.1:");
    assert_in_range(w.closed_us - from_us, 299000, 2000000);
    wire_free(&w);
    t->destroy(w.net);
    silent_stop(&silent);
}

static void resolve_silent_first(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host;
    static const char *const ips[] = {"127.0.0.3", "127.0.0.1"};
    *out = addresses_of(ips, 2, port);
}

/* The first address never answers, the second does: the first gets only its share of the time. */
static void test_silent_first(void **state)
{
    (void)state;
    struct peer *peer = peer_start(echo_script, NULL);
    struct silent silent;
    silent_start(&silent, "127.0.0.3", peer_port(peer));
    struct wire w;
    wire_start(&w, NULL);
    aivo_net_use_resolver(w.net, resolve_silent_first);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = "two.example";
    request.connect_timeout_ms = 1000;
    int64_t from_us = aivo_clock_us();
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    assert_in_range(w.open_us - from_us, 400000, 999000);
    wire_free(&w);
    t->destroy(w.net);
    silent_stop(&silent);
    peer_stop(peer);
}

static void resolve_no(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host, (void)port;
    *out = (struct aivo_addresses){.error = EAI_NONAME, .text = "Name or service not known"};
}

/* A name that does not exist. */
static void test_no_such_name(void **state)
{
    (void)state;
    struct wire w;
    wire_start(&w, NULL);
    aivo_net_use_resolver(w.net, resolve_no);
    struct aivo_transport_request request = wire_request(80);
    request.host = "nowhere.example";
    wire_connect(&w, &request);
    wire_until(&w, closed, 1);
    check(&w, AIVO_E_RESOLVE, EAI_NONAME,
          "the host name \"nowhere.example\" cannot be resolved: Name or service not known");
    wire_free(&w);
    t->destroy(w.net);
}

static atomic_uint calls, release_calls;

static void resolve_stuck(const char *host, uint16_t port, struct aivo_addresses *out)
{
    static const char *const ips[] = {"127.0.0.1"};
    atomic_fetch_add(&calls, 1);
    for (int i = 0; i < 3000 && strcmp(host, "stuck.example") == 0 && !atomic_load(&release_calls); i++)
        usleep(1000);
    *out = addresses_of(ips, 1, port);
}

/* A dead resolver: while one connection's name hangs, another one's pings are answered within milliseconds; the
 * hanging one ends with the stage in its error; destroying the loop does not wait for the thread. */
static void test_dead_resolver(void **state)
{
    (void)state;
    atomic_store(&calls, 0);
    atomic_store(&release_calls, 0);
    struct peer *peer = peer_start(echo_script, NULL);
    struct wire stuck, w;
    struct aivo_net *net = wire_net();
    aivo_net_use_resolver(net, resolve_stuck);
    wire_start(&stuck, net);
    wire_start(&w, net);
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = "stuck.example";
    request.connect_timeout_ms = 600;
    wire_connect(&stuck, &request);
    request.host = "127.0.0.1";
    wire_connect(&w, &request);
    wire_until(&w, opened, 1);
    int64_t worst_us = 0;
    for (unsigned i = 1; !stuck.closed; i++) {
        int64_t sent_us = aivo_clock_us();
        assert_int_equal(t->ping(w.conn, &i, sizeof i), AIVO_OK);
        wire_until(&w, pongs, i);
        worst_us = w.pong_us - sent_us > worst_us ? w.pong_us - sent_us : worst_us;
        wire_turn_ms(&w, 5);
    }
    if (worst_us > 200000)
        fail_msg("a pong took %lld us", (long long)worst_us);
    check(&stuck, AIVO_E_TIMEOUT, 0, "timed out after 600 ms looking up the name of stuck.example:");
    assert_int_equal(atomic_load(&calls), 1);
    wire_free(&w);
    wire_free(&stuck);
    int64_t from_us = aivo_clock_us();
    t->destroy(net);
    assert_in_range(aivo_clock_us() - from_us, 0, 500000);
    atomic_store(&release_calls, 1); /* the thread ends on its own, after the loop is gone */
    usleep(20000);
    peer_stop(peer);
}

/* Fifty connections to one name share a look-up; look-ups of other names beyond the bound of threads wait their turn
 * and are made; aborted ones are never made. */
static void test_many_names(void **state)
{
    (void)state;
    enum { N = 50 };
    atomic_store(&calls, 0);
    atomic_store(&release_calls, 0);
    struct peer *peer = peer_start(echo_script, NULL);
    struct aivo_net *net = wire_net();
    aivo_net_use_resolver(net, resolve_stuck);
    static struct wire w[N];
    struct aivo_transport_request request = wire_request(peer_port(peer));
    request.host = "stuck.example";
    for (int i = 0; i < N; i++) {
        wire_start(&w[i], net);
        wire_connect(&w[i], &request);
    }
    wire_turn_ms(&w[0], 30);
    assert_int_equal(atomic_load(&calls), 1);
    atomic_store(&release_calls, 1);
    for (int i = 0; i < N; i++)
        wire_until(&w[i], opened, 1);
    for (int i = 0; i < N; i++)
        wire_free(&w[i]);
    atomic_store(&calls, 0);
    char name[32];
    for (int i = 0; i < N; i++) {
        wire_start(&w[i], net);
        snprintf(name, sizeof name, "n%d.example", i);
        request.host = name;
        wire_connect(&w[i], &request);
    }
    for (int i = 0; i < N; i++)
        wire_until(&w[i], opened, 1);
    assert_int_equal(atomic_load(&calls), N);
    for (int i = 0; i < N; i++)
        wire_free(&w[i]);
    t->destroy(net);
    peer_stop(peer);
}

static void resolve_abandoned(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host, (void)port;
    atomic_fetch_add(&calls, 1);
    for (int i = 0; i < 3000 && !atomic_load(&release_calls); i++)
        usleep(1000);
    *out = (struct aivo_addresses){.error = EAI_FAIL};
}

/* With all threads stuck, further look-ups queue; aborted before their turn, they are never made. */
static void test_queued_names(void **state)
{
    (void)state;
    enum { N = AIVO_RESOLVER_THREADS + 20 };
    atomic_store(&calls, 0);
    atomic_store(&release_calls, 0);
    struct aivo_net *net = wire_net();
    aivo_net_use_resolver(net, resolve_abandoned);
    static struct wire w[N];
    char name[32];
    struct aivo_transport_request request = wire_request(80);
    for (int i = 0; i < N; i++) {
        wire_start(&w[i], net);
        snprintf(name, sizeof name, "n%d.example", i);
        request.host = name;
        wire_connect(&w[i], &request);
    }
    for (int i = 0; i < 2000 && atomic_load(&calls) < AIVO_RESOLVER_THREADS; i++)
        wire_turn_ms(&w[0], 1);
    assert_int_equal(atomic_load(&calls), AIVO_RESOLVER_THREADS);
    for (int i = 0; i < N; i++)
        wire_free(&w[i]);
    atomic_store(&release_calls, 1);
    wire_turn_ms(&w[0], 20);
    assert_int_equal(atomic_load(&calls), AIVO_RESOLVER_THREADS);
    t->destroy(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_next_address),
        cmocka_unit_test(test_filtered),
        cmocka_unit_test(test_silent_first),
        cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_dead_resolver),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_queued_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
