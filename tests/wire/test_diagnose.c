#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "diag/run.h"
#include "peer.h"
#include "relay.h"
#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what runs here ---- */

struct lab {
    struct aivo_diagnosis *d;
    const struct aivo_diagnose_report *report;
    struct aivo_diagnose_options how;
    struct aivo_options target;
    char url[64];
    unsigned begun, ended, samples;
    atomic_uint stage; /* begun last, plus 1 */
    pthread_t thread;  /* of the callbacks */
};

static void on_begin(enum aivo_diagnose_stage stage, void *user)
{
    struct lab *lab = user;
    lab->begun++;
    lab->thread = pthread_self();
    atomic_store(&lab->stage, (unsigned)stage + 1);
}

static void on_end(const struct aivo_diagnose_result *result, void *user)
{
    struct lab *lab = user;
    assert_int_equal(result->stage, lab->ended++);
}

static void on_sample(const struct aivo_quality *quality, uint64_t done, uint64_t wanted, void *user)
{
    struct lab *lab = user;
    lab->samples++;
    assert_true(done >= lab->samples && wanted == lab->how.count && quality->samples <= done);
}

static void lab_init(struct lab *lab, const char *host, uint16_t port)
{
    *lab = (struct lab){0};
    snprintf(lab->url, sizeof lab->url, "http://%s:%u", host, (unsigned)port);
    aivo_options_init(&lab->target);
    aivo_diagnose_options_init(&lab->how);
    lab->target.url = lab->url;
    lab->target.proxy = "";
    lab->how.count = 3;
    lab->how.interval_ms = 100;
    lab->how.stage_timeout_ms = 300;
    lab->how.polling = false;
    lab->how.on_begin = on_begin;
    lab->how.on_end = on_end;
    lab->how.on_sample = on_sample;
    lab->how.user = lab;
}

static void lab_make(struct lab *lab)
{
    struct aivo_error err;
    if (aivo_diagnose_create(&lab->target, &lab->how, &lab->d, &err) != AIVO_OK)
        fail_msg("%s", err.message);
    assert_null(aivo_diagnose_report(lab->d));
}

static void lab_run(struct lab *lab, aivo_resolve_fn resolve)
{
    lab_make(lab);
    if (resolve)
        lab->d->resolve = resolve;
    assert_int_equal(aivo_diagnose_run(lab->d), AIVO_OK);
    lab->report = aivo_diagnose_report(lab->d);
    assert_non_null(lab->report);
    assert_int_equal(lab->ended, AIVO_DIAGNOSE_STAGES);
    assert_int_equal(lab->report->exit_code, lab->report->verdict);
}

static void expect(const struct lab *lab, enum aivo_diagnose_stage stage, enum aivo_diagnose_status status,
                   const char *code)
{
    const struct aivo_diagnose_result *r = &lab->report->stages[stage];
    for (size_t i = 0; i < r->finding_count; i++)
        if (r->status == status && strcmp(r->findings[i].code, code) == 0 && *r->findings[i].fix)
            return;
    if (r->status != status || strcmp(r->code, code) != 0)
        fail_msg("%s: %s, %s: %s", aivo_diagnose_stage_name(stage), aivo_diagnose_status_name(r->status), r->code,
                 r->reason);
}

/* It failed at this stage, for this, and everything after it was skipped. */
static void expect_failure(const struct lab *lab, enum aivo_diagnose_stage stage, const char *code, int exit_code)
{
    expect(lab, stage, AIVO_DIAGNOSE_FAIL, code);
    assert_int_equal(lab->report->culprit, stage);
    assert_int_equal(lab->report->exit_code, exit_code);
    for (unsigned i = stage + 1; i < AIVO_DIAGNOSE_STAGES; i++)
        assert_int_equal(lab->report->stages[i].status, AIVO_DIAGNOSE_SKIP);
}

/* A Socket.IO server: the open packet, CONNECT's answer, then heartbeats and PONGs. */
static void serve(struct peer_conn *c, void *user)
{
    static const char open[] = "0{\"sid\":\"s1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
    static const char connected[] = "40{\"sid\":\"s2\"}";
    struct peer_frame frame = {0};
    (void)user;
    if (!peer_upgrade(c) || !peer_send(c, 1, true, open, sizeof open - 1))
        return;
    while (peer_recv(c, &frame)) {
        if (frame.opcode == 9)
            peer_send(c, 10, true, frame.data, frame.len);
        else if (frame.opcode == 1 && frame.len >= 2 && memcmp(frame.data, "40", 2) == 0)
            peer_send(c, 1, true, connected, sizeof connected - 1);
        else if (frame.opcode == 8)
            break;
    }
    peer_frame_free(&frame);
}

/* Names that only these tests know. The port is the one asked for. */
static void add_address(struct aivo_addresses *out, const char *ip, uint16_t port)
{
    struct aivo_addresses one;
    assert_true(aivo_address_numeric(ip, port, &one));
    out->list[out->count++] = one.list[0];
}

/* ---- tests ---- */

/* A listener whose queue is full drops what comes, as a firewall does. */
static int full_listener(uint16_t *port, int fillers[8])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 0) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int ignored = connect(fillers[i], (struct sockaddr *)&at, sizeof at);
        (void)ignored;
    }
    return fd;
}

/* A port that drops packets: filtered, after the stage's time and no longer. */
static void test_filtered(void **state)
{
    (void)state;
    int fillers[8];
    uint16_t port;
    int fd = full_listener(&port, fillers);
    struct lab lab;
    lab_init(&lab, "127.0.0.1", port);
    lab_run(&lab, NULL);
    expect_failure(&lab, AIVO_DIAGNOSE_TCP, "tcp-filtered", 2);
    assert_true(lab.report->duration_ms >= 290 && lab.report->duration_ms < 1500);
    aivo_diagnose_destroy(lab.d);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(fd);
}

static atomic_bool release_name;

static void resolve_never(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host, (void)port;
    while (!atomic_load(&release_name))
        poll(NULL, 0, 5);
    *out = (struct aivo_addresses){.error = EAI_AGAIN, .text = "late"};
}

static void resolve_fails(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host, (void)port;
    *out = (struct aivo_addresses){.error = EAI_AGAIN, .text = "Temporary failure in name resolution"};
}

/* A name server that does not answer: the stage ends in time although getaddrinfo() goes on; one that says "not now".
 */
static void test_name_servers(void **state)
{
    (void)state;
    struct lab lab;
    lab_init(&lab, "dead.example", 80);
    atomic_store(&release_name, false);
    lab_run(&lab, resolve_never);
    expect_failure(&lab, AIVO_DIAGNOSE_DNS, "dns-timeout", 2);
    assert_true(lab.report->duration_ms < 1500);
    aivo_diagnose_destroy(lab.d);
    atomic_store(&release_name, true);
    lab_init(&lab, "dead.example", 80);
    lab_run(&lab, resolve_fails);
    expect_failure(&lab, AIVO_DIAGNOSE_DNS, "dns-unavailable", 2);
    assert_non_null(strstr(lab.report->summary, "Temporary failure"));
    aivo_diagnose_destroy(lab.d);
}

static void resolve_three(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host;
    *out = (struct aivo_addresses){0};
    add_address(out, "127.0.0.3", port);
    add_address(out, "127.0.0.1", port);
    add_address(out, "127.0.0.2", port);
}

static void resolve_both(const char *host, uint16_t port, struct aivo_addresses *out)
{
    (void)host;
    *out = (struct aivo_addresses){0};
    add_address(out, "::1", port);
    add_address(out, "127.0.0.1", port);
}

/* A name with several addresses of which one works: that one is used, the others are told. */
static void test_addresses(void **state)
{
    (void)state;
    struct peer *peer = peer_start(serve, NULL);
    struct lab lab;
    lab_init(&lab, "three.example", peer_port(peer));
    lab_run(&lab, resolve_three);
    expect(&lab, AIVO_DIAGNOSE_TCP, AIVO_DIAGNOSE_WARN, "tcp-address-down");
    assert_int_equal(lab.report->verdict, AIVO_DIAGNOSE_GOOD);
    assert_non_null(strstr(lab.report->stages[AIVO_DIAGNOSE_TCP].reason, "2 of 3"));
    aivo_diagnose_destroy(lab.d);
    lab_init(&lab, "both.example", peer_port(peer));
    lab_run(&lab, resolve_both);
    expect(&lab, AIVO_DIAGNOSE_TCP, AIVO_DIAGNOSE_WARN, "tcp-ipv6-unusable");
    assert_int_equal(lab.report->exit_code, 0);
    aivo_diagnose_destroy(lab.d);
    peer_stop(peer);
}

/* IPv6 alone, by its numeric address; where the machine has it. A name of both families of which only IPv6 works. */
static void test_ipv6(void **state)
{
    (void)state;
    struct peer *peer = peer_start_at("::1", serve, NULL);
    if (!peer)
        skip();
    struct lab lab;
    lab_init(&lab, "[::1]", peer_port(peer));
    lab_run(&lab, NULL);
    expect(&lab, AIVO_DIAGNOSE_TCP, AIVO_DIAGNOSE_OK, "");
    assert_int_equal(lab.report->exit_code, 0);
    aivo_diagnose_destroy(lab.d);
    lab_init(&lab, "two.example", peer_port(peer));
    lab_run(&lab, resolve_both);
    expect(&lab, AIVO_DIAGNOSE_TCP, AIVO_DIAGNOSE_WARN, "tcp-ipv4-unusable");
    assert_int_equal(lab.report->exit_code, 0);
    aivo_diagnose_destroy(lab.d);
    peer_stop(peer);
}

/* Answers upgrades, and leaves long-polling without an answer. */
static void serve_no_polling(struct peer_conn *c, void *user)
{
    char line[256] = "";
    struct pollfd fd = {.fd = c->fd, .events = POLLIN};
    poll(&fd, 1, 5000);
    if (recv(c->fd, line, sizeof line - 1, MSG_PEEK) > 0 && strstr(line, "transport=polling"))
        peer_hang(c);
    else
        serve(c, user);
}

/* Long-polling that hangs delays nothing but its own stage, and costs a warning. */
static void test_polling_hangs(void **state)
{
    (void)state;
    struct peer *peer = peer_start(serve_no_polling, NULL);
    struct lab lab;
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab.how.polling = true;
    lab_run(&lab, NULL);
    expect(&lab, AIVO_DIAGNOSE_POLLING, AIVO_DIAGNOSE_WARN, "polling-timeout");
    assert_int_equal(lab.report->exit_code, 0);
    assert_true(lab.report->duration_ms < 2500);
    aivo_diagnose_destroy(lab.d);
    peer_stop(peer);
}

/* On a thread of its own: callbacks on that thread, the descriptor tells the end, and it runs only once. */
static void test_thread(void **state)
{
    (void)state;
    struct peer *peer = peer_start(serve, NULL);
    struct lab lab;
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab_make(&lab);
    assert_int_equal(aivo_diagnose_start(lab.d), AIVO_OK);
    assert_int_equal(aivo_diagnose_start(lab.d), AIVO_E_STATE);
    assert_int_equal(aivo_diagnose_run(lab.d), AIVO_E_STATE);
    assert_false(aivo_diagnose_wait(lab.d, 0));
    struct pollfd fd = {.fd = aivo_diagnose_fd(lab.d), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 10000), 1);
    assert_true(aivo_diagnose_wait(lab.d, -1));
    lab.report = aivo_diagnose_report(lab.d);
    assert_non_null(lab.report);
    assert_int_equal(lab.report->exit_code, 0);
    assert_int_equal(lab.samples, 3);
    assert_int_equal(lab.ended, AIVO_DIAGNOSE_STAGES);
    assert_false(pthread_equal(lab.thread, pthread_self()));
    aivo_diagnose_destroy(lab.d);
    peer_stop(peer);
}

static void hang(struct peer_conn *c, void *user)
{
    (void)user;
    peer_hang(c);
}

static void open_and_hang(struct peer_conn *c, void *user)
{
    const char *first = user;
    if (!peer_upgrade(c))
        return;
    if (first)
        peer_send(c, 1, true, first, strlen(first));
    peer_hang(c);
}

/* Starts it, waits until it is in this stage, cancels it, and expects the end at once. */
static void cancel_in(struct lab *lab, enum aivo_diagnose_stage stage, aivo_resolve_fn resolve)
{
    lab->how.stage_timeout_ms = 20000;
    lab_make(lab);
    if (resolve)
        lab->d->resolve = resolve;
    assert_int_equal(aivo_diagnose_start(lab->d), AIVO_OK);
    for (int i = 0; i < 2000 && atomic_load(&lab->stage) != (unsigned)stage + 1; i++)
        poll(NULL, 0, 5);
    assert_int_equal(atomic_load(&lab->stage), stage + 1);
    poll(NULL, 0, 20);
    int64_t before_us = aivo_clock_us();
    aivo_diagnose_cancel(lab->d);
    assert_true(aivo_diagnose_wait(lab->d, 5000));
    assert_true(aivo_clock_us() - before_us < 1000000);
    lab->report = aivo_diagnose_report(lab->d);
    assert_true(lab->report->cancelled);
    assert_int_equal(lab->report->culprit, -1);
    assert_string_equal(lab->report->stages[stage].code, "cancelled");
    assert_int_equal(lab->report->exit_code, 2);
    aivo_diagnose_destroy(lab->d);
}

/* Cancelled while each stage waits for something that never comes; also while long-polling waits beside it. */
static void test_cancel(void **state)
{
    (void)state;
    static char open[] = "0{\"sid\":\"s1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
    struct lab lab;
    int fillers[8];
    uint16_t port;
    int fd = full_listener(&port, fillers);
    lab_init(&lab, "127.0.0.1", port);
    cancel_in(&lab, AIVO_DIAGNOSE_TCP, NULL);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(fd);

    atomic_store(&release_name, false);
    lab_init(&lab, "dead.example", 80);
    cancel_in(&lab, AIVO_DIAGNOSE_DNS, resolve_never);
    atomic_store(&release_name, true);

    struct peer *peer = peer_start(hang, NULL);
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab.how.polling = true;
    cancel_in(&lab, AIVO_DIAGNOSE_HTTP, NULL);
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    snprintf(lab.url, sizeof lab.url, "https://127.0.0.1:%u", (unsigned)peer_port(peer));
    cancel_in(&lab, AIVO_DIAGNOSE_TLS, NULL);
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", (unsigned)peer_port(peer));
    lab_init(&lab, "service.example", 80);
    lab.target.proxy = proxy;
    cancel_in(&lab, AIVO_DIAGNOSE_PROXY, NULL);
    peer_stop(peer);

    peer = peer_start(open_and_hang, NULL);
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    cancel_in(&lab, AIVO_DIAGNOSE_ENGINEIO, NULL);
    peer_stop(peer);
    peer = peer_start(open_and_hang, open);
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    cancel_in(&lab, AIVO_DIAGNOSE_AUTH, NULL);
    peer_stop(peer);
}

/* Cancelled before it is run: nothing is sent, every stage is skipped. Destroyed while it runs: no callback after. */
static void test_cancel_early_destroy_late(void **state)
{
    (void)state;
    struct peer *peer = peer_start(hang, NULL);
    struct lab lab;
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab_make(&lab);
    aivo_diagnose_cancel(lab.d);
    assert_int_equal(aivo_diagnose_run(lab.d), AIVO_OK);
    assert_int_equal(lab.begun, 0);
    assert_int_equal(lab.ended, AIVO_DIAGNOSE_STAGES);
    assert_true(aivo_diagnose_report(lab.d)->cancelled);
    aivo_diagnose_destroy(lab.d);
    assert_int_equal(peer_accepted(peer), 0);

    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab.how.stage_timeout_ms = 20000;
    lab_make(&lab);
    assert_int_equal(aivo_diagnose_start(lab.d), AIVO_OK);
    int64_t before_us = aivo_clock_us();
    aivo_diagnose_destroy(lab.d);
    assert_true(aivo_clock_us() - before_us < 1000000);
    aivo_diagnose_destroy(NULL);
    lab_init(&lab, "127.0.0.1", peer_port(peer));
    lab_make(&lab);
    aivo_diagnose_destroy(lab.d); /* never run */
    peer_stop(peer);
}

/* 300 ms on the way: it works, it is Fair, and the latency is named. */
static void test_delay(void **state)
{
    (void)state;
    struct peer *peer = peer_start(serve, NULL);
    struct relay *relay = relay_start(peer_port(peer), 300);
    assert_non_null(relay);
    struct lab lab;
    lab_init(&lab, "127.0.0.1", relay_port(relay));
    lab.how.stage_timeout_ms = 3000;
    lab_run(&lab, NULL);
    assert_int_equal(lab.report->quality.level, AIVO_LEVEL_FAIR);
    assert_int_equal(lab.report->verdict, AIVO_DIAGNOSE_DEGRADED);
    const struct aivo_diagnose_result *probes = &lab.report->stages[AIVO_DIAGNOSE_PROBES];
    assert_int_equal(probes->status, AIVO_DIAGNOSE_WARN);
    /* The relay is the first TCP peer: what it adds lies behind it. */
    assert_string_equal(probes->code, "edge-slow");
    aivo_diagnose_destroy(lab.d);
    relay_stop(relay);
    peer_stop(peer);
}

static void refuses(struct lab *lab, const char *what)
{
    struct aivo_error err = {0};
    struct aivo_diagnosis *d = NULL;
    assert_int_equal(aivo_diagnose_create(&lab->target, &lab->how, &d, &err), AIVO_E_INVALID);
    assert_null(d);
    if (!strstr(err.message, what))
        fail_msg("%s", err.message);
}

/* Options that make no sense are named. */
static void test_options(void **state)
{
    (void)state;
    struct lab lab;
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.count = 0;
    refuses(&lab, "count");
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.interval_ms = 99;
    refuses(&lab, "interval_ms");
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.confidence_pct = 0.4;
    refuses(&lab, "confidence_pct is not within 0.5..100");
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.origin = "https://a\r\nX: y";
    refuses(&lab, "origin");
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.rate_limit = true;
    lab.how.rate_event = "";
    refuses(&lab, "rate_event");
    lab_init(&lab, "127.0.0.1", 80);
    lab.how.size = 3;
    refuses(&lab, "aivo_diagnose_options_init");
    lab_init(&lab, "127.0.0.1", 80);
    lab.target.url = "gopher://x";
    refuses(&lab, "http");
    lab_init(&lab, "127.0.0.1", 80);
    lab.target.proxy = "socks5://127.0.0.1";
    refuses(&lab, "proxies");
}

/* The URL that is told has no secrets of its query. */
static void test_url(void **state)
{
    (void)state;
    struct lab lab;
    lab_init(&lab, "127.0.0.1", 9);
    lab.target.url = "ws://127.0.0.1:9?token=secret";
    lab_run(&lab, NULL);
    assert_string_equal(lab.report->url, "http://127.0.0.1:9?...");
    aivo_diagnose_destroy(lab.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filtered),      cmocka_unit_test(test_name_servers),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_polling_hangs), cmocka_unit_test(test_thread),
        cmocka_unit_test(test_cancel),        cmocka_unit_test(test_cancel_early_destroy_late),
        cmocka_unit_test(test_delay),         cmocka_unit_test(test_options),
        cmocka_unit_test(test_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
