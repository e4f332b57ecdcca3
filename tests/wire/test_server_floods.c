/*
 * Peers that do what is allowed, or nearly, far too often or far too slowly. In each case a client that behaves is
 * still answered at once, the server's memory stays within a bound, and who went too far is gone.
 */
#include "served.h"

#define ANSWER_MS 2000 /* a good client's, on a busy machine too */

static struct served server;
static struct served_answer a;
static struct served_frame f;

static int start(void **state)
{
    (void)state;
    server = served_start((const char *const[]){"RATE_LIMIT_MAX_MESSAGES=0", "HEADER_TIMEOUT_MS=1000",
                                                "UPGRADE_TIMEOUT_MS=600", "CONNECT_TIMEOUT_MS=1000",
                                                "MAX_PAYLOAD_BYTES=100000", "LOG_LEVEL=error", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    served_stop(&server);
    return 0;
}

/* 0 under a sanitizer, which keeps freed memory. */
static long resident_kb(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#endif
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    fclose(file);
    return kb;
}

/* A good client: joins, asks, is answered, by WebSocket and by HTTP. */
static void expect_well(void)
{
    uint64_t began = served_now_ms();
    int fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\"", 8);
    served_text(fd, &f);
    served_say(fd, "421[\"message-with-ack\",\"still here\"]");
    served_text(fd, &f);
    assert_string_equal(f.data, "431[\"still here\"]");
    close(fd);
    served_fetch(&server, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    assert_true(served_now_ms() - began < ANSWER_MS);
}

/* Has the server closed it within so long? What comes before is thrown away. */
static bool ends(int fd, uint64_t wait_ms)
{
    static char waste[65536];
    uint64_t until = served_now_ms() + wait_ms;
    for (;;) {
        uint64_t now = served_now_ms();
        ssize_t n = served_read(fd, waste, sizeof waste, now < until ? (int)(until - now) : 0);
        if (n <= 0)
            return n == 0;
    }
}

/* A WebSocket is closed: a close frame, or the end, before SERVED_WAIT_MS. (Who does not answer the frame is hung up on
 * 5 s later: no need to wait for that.) */
static bool closes(int fd)
{
    do
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
    while (f.opcode >= 0 && f.opcode != 8);
    return f.opcode != -2;
}

/* A WebSocket that has joined "/", its two answers read. */
static int joined(void)
{
    int fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40");
    served_text(fd, &f);
    served_text(fd, &f);
    return fd;
}

#define MANY 100

/* Slowloris: a hundred requests that come a byte at a time, and a hundred connections that say nothing. All are closed
 * after the header time-out, however busy they look. */
static void slow_headers(void **state)
{
    (void)state;
    static const char request[] = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-Long: yes\r\n";
    int slow[MANY], silent[MANY];
    for (int i = 0; i < MANY; i++) {
        slow[i] = served_connect(&server);
        silent[i] = served_connect(&server);
    }
    for (size_t at = 0; at < 20; at++) {
        for (int i = 0; i < MANY; i++)
            served_send(slow[i], request + at, 1);
        if (at % 10 == 0)
            expect_well();
        poll(NULL, 0, 20);
    }
    for (int i = 0; i < MANY; i++) {
        assert_true(ends(slow[i], 8000));
        assert_true(ends(silent[i], 8000));
        close(slow[i]);
        close(silent[i]);
    }
    expect_well();
}

/* Upgrades that begin and never end: the WebSocket is closed after the upgrade time-out, the session still polls. */
static void half_open_upgrades(void **state)
{
    (void)state;
    static char paths[MANY][160];
    int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        char ws[256];
        served_handshake(&server, "/engine.io/", paths[i], sizeof paths[i]);
        snprintf(ws, sizeof ws, "/engine.io/?EIO=4&transport=websocket%s", strstr(paths[i], "&sid="));
        fds[i] = served_connect(&server);
        assert_int_equal(served_upgrade(fds[i], ws, &a), 101);
        if (i % 2)
            served_say(fds[i], "2probe");
    }
    expect_well();
    for (int i = 0; i < MANY; i++) {
        assert_true(closes(fds[i]));
        close(fds[i]);
    }
    for (int i = 0; i < MANY; i += 25) {
        served_fetch(&server, "POST", paths[i], NULL, "4still", &a);
        assert_int_equal(a.status, 200);
    }
}

/* Pings without end from a peer that reads nothing: no more than one answer is ever kept, so memory stays. An Engine.IO
 * ping, which only servers send, ends the connection. */
static void ping_flood(void **state)
{
    (void)state;
    static unsigned char frame[131] = {0x89, 0x80 | 125};
    static unsigned char burst[131 * 100];
    for (size_t i = 0; i < 100; i++)
        memcpy(burst + i * sizeof frame, frame, sizeof frame);
    int fd = joined();
    long before = resident_kb();
    for (int i = 0; i < 200; i++) /* 20,000 of them: 2.6 MB */
        served_send(fd, burst, sizeof burst);
    expect_well();
    assert_true(resident_kb() - before < 4096);
    served_say(fd, "2");
    assert_true(closes(fd));
    close(fd);
}

/* Attachments: announced and never sent, more bytes than a packet may have, more than ten, a frame too many. */
static void attachment_bombs(void **state)
{
    (void)state;
    static char frame[100000];
    static const char head[] = "459-[\"x\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1},"
                               "{\"_placeholder\":true,\"num\":2},{\"_placeholder\":true,\"num\":3},"
                               "{\"_placeholder\":true,\"num\":4},{\"_placeholder\":true,\"num\":5},"
                               "{\"_placeholder\":true,\"num\":6},{\"_placeholder\":true,\"num\":7},"
                               "{\"_placeholder\":true,\"num\":8}]";
    long before = resident_kb();
    for (int i = 0; i < 20; i++) {
        int fd = joined();
        served_say(fd, head);
        for (int k = 0; k < 5; k++) /* 500 kB: a packet may have four payloads, 400 kB */
            served_frame_claim(fd, 0x82, frame, sizeof frame, sizeof frame);
        assert_true(closes(fd));
        close(fd);
    }
    int waiting[MANY];
    for (int i = 0; i < MANY; i++) {
        waiting[i] = joined();
        served_say(waiting[i], head);
    }
    expect_well();
    for (int i = 0; i < MANY; i++)
        close(waiting[i]);
    int fd = joined();
    served_say(fd, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
    served_frame_claim(fd, 0x82, "a", 1, 1);
    served_frame_claim(fd, 0x82, "b", 1, 1);
    assert_true(closes(fd));
    close(fd);
    assert_true(resident_kb() - before < 16384);
}

/* Counts beyond every type: attachments, placeholders, ack ids, frame and body lengths, query pairs, nesting. */
static void huge_counts(void **state)
{
    (void)state;
    static const char *const packets[] = {
        "459999999999-[\"x\"]",
        "4518446744073709551617-[\"x\",{\"_placeholder\":true,\"num\":0}]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":18446744073709551616}]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":1e99}]",
        "451-[\"x\",{\"_placeholder\":true,\"num\":-1}]",
        "4299999999999999999999[\"x\"]",
        "4318446744073709551616[]",
    };
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        int fd = joined();
        served_say(fd, packets[i]);
        assert_true(closes(fd));
        close(fd);
    }
    static const uint64_t lengths[] = {UINT64_C(1) << 32, UINT64_MAX >> 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int fd = joined();
        served_frame_claim(fd, 0x81, "4x", 2, lengths[i]);
        assert_true(closes(fd));
        close(fd);
    }
    char path[256], more[256], *deep = malloc(40000);
    static const char *const bodies[] = {"99999999", "18446744073709551615", "99999999999999999999", "-1"};
    served_handshake(&server, "/engine.io/", path, sizeof path);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        int fd = served_connect(&server);
        snprintf(more, sizeof more, "Content-Length: %s\r\n", bodies[i]);
        served_request(fd, "POST", path, more, NULL);
        served_answer_wait(fd, &a, 8000);
        assert_true(a.status == 0 || a.status == 400 || a.status == 411 || a.status == 413);
        close(fd);
    }
    assert_non_null(deep);
    memcpy(deep, "42[\"message\",", 13);
    memset(deep + 13, '[', 30000);
    deep[30013] = '\0';
    int fd = joined();
    served_say(fd, deep);
    assert_true(closes(fd));
    close(fd);
    free(deep);
    expect_well();
}

/* Text that is no UTF-8, in every place a text can stand; a character that is cut by fragments is no fault. */
static void invalid_utf8(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "42[\"message\",\"\xff\"]",
        "42[\"\xc3\x28\"]",
        "40{\"a\":\"\xed\xa0\x80\"}",
        "42[\"message\",\"\xf4\x90\x80\x80\"]",
        "40/\xfe,",
        "42[\"message\",\"\xc0\xaf\"]",
        "421[\"x\",{\"\xe2\x82\":1}]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = i == 2 ? served_ws(&server, SERVED_WS) : joined();
        served_say(fd, texts[i]);
        assert_true(closes(fd));
        close(fd);
        char path[256];
        served_handshake(&server, "/socket.io/", path, sizeof path);
        served_fetch(&server, "POST", path, NULL, "40", &a);
        served_fetch(&server, "POST", path, NULL, texts[i], &a);
        do
            served_fetch(&server, "GET", path, NULL, NULL, &a);
        while (a.status == 200 && !strchr(a.body, '1'));
        served_fetch(&server, "GET", path, NULL, NULL, &a);
        assert_int_equal(a.status, 400);
    }
    int fd = joined();
    served_frame_claim(fd, 0x01, "42[\"message\",\"\xe2", 15, 15);
    served_frame_claim(fd, 0x00, "\x82", 1, 1);
    served_frame_claim(fd, 0x80, "\xac\"]", 3, 3);
    served_text(fd, &f);
    assert_string_equal(f.data, "42[\"message-back\",\"\xe2\x82\xac\"]");
    close(fd);
}

static size_t metrics_lines(void)
{
    size_t lines = 0;
    served_fetch(&server, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    for (const char *p = a.body; (p = strchr(p, '\n')); p++)
        lines++;
    return lines;
}

#define FLOOD 5000

/* Thousands of namespaces, each refused by name; longer names than there can be end the connection. */
static void namespace_flood(void **state)
{
    (void)state;
    char text[640];
    int fd = joined();
    long before = 0;
    for (int i = 0; i < FLOOD; i++) {
        snprintf(text, sizeof text, "40/nope-%d,{}", i);
        served_say(fd, text);
        served_text(fd, &f);
        snprintf(text, sizeof text, "44/nope-%d,{\"message\":\"Invalid namespace\"}", i);
        assert_string_equal(f.data, text);
        if (i == 100)
            before = resident_kb();
    }
    assert_true(resident_kb() - before < 2048);
    snprintf(text, sizeof text, "40/%0600d,", 1);
    served_say(fd, text);
    assert_true(closes(fd));
    close(fd);
    expect_well();
}

/* Thousands of event names, namespaces and paths make no new series: they count as other, and the page is as long as
 * before. */
static void label_explosion(void **state)
{
    (void)state;
    char text[256];
    expect_well(); /* series that appear with their first count */
    int fd = joined();
    size_t before = metrics_lines();
    for (int i = 0; i < FLOOD; i++) {
        snprintf(text, sizeof text, "42[\"event-%d\\\"}{\\n\",%d]", i, i);
        served_say(fd, text);
    }
    served_say(fd, "42[\"agent:learning\\u0000x\"]");
    served_say(fd, "421[\"message-with-ack\",1]");
    served_text(fd, &f);
    assert_string_equal(f.data, "431[1]");
    close(fd);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "/path-%d?x=%d", i, i);
        served_fetch(&server, "GET", text, NULL, NULL, &a);
        assert_int_equal(a.status, 404);
    }
    assert_true(metrics_lines() <= before + 1); /* other itself */
    assert_non_null(strstr(a.body, "websocket_messages_received_total{event=\"other\"} "));
    assert_null(strstr(a.body, "event-"));
    assert_null(strstr(a.body, "path-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_headers),     cmocka_unit_test(half_open_upgrades), cmocka_unit_test(ping_flood),
        cmocka_unit_test(attachment_bombs), cmocka_unit_test(huge_counts),        cmocka_unit_test(invalid_utf8),
        cmocka_unit_test(namespace_flood),  cmocka_unit_test(label_explosion),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
