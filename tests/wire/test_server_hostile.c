/* Peers that break the rules, and what libwebsockets does to the unwary: each case once, over real sockets. */
#include "served.h"

static struct served server;
static struct served_answer a;
static struct served_frame f;

static int start(void **state)
{
    (void)state;
    server = served_start(
        (const char *const[]){"RATE_LIMIT_MAX_MESSAGES=0", "CONNECT_TIMEOUT_MS=400", "MAX_PAYLOAD_BYTES=100000", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    served_stop(&server);
    return 0;
}

/* Texts that a Node server closes the connection for. */
static const char *const bad_texts[] = {
    "", "x", "7", "2", "4", "4x", "42[\"early\"]", "40{", "40[]", "40\"a\"", "41", "4511-[\"a\"]", "450-[\"a\"]",
};
static const char *const bad_after_connect[] = {
    "40",          "42[]",     "42{}",        "42[true]",        "42[\"connect\"]",
    "42-1[\"a\"]", "42[\"a\"", "451-[\"a\"]", "44{\"m\":\"x\"}", "42[\"\xff\"]",
    "42/other",
};

/* Every malformed packet closes its own connection, and the server goes on. */
static void malformed_packets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        int fd = served_ws(&server, SERVED_WS);
        served_say(fd, bad_texts[i]);
        do
            served_frame_wait(fd, &f, SERVED_WAIT_MS);
        while (f.opcode == 1);
        assert_int_equal(f.opcode, 8);
        close(fd);
    }
    for (size_t i = 0; i < sizeof bad_after_connect / sizeof *bad_after_connect; i++) {
        int fd = served_ws(&server, SERVED_WS);
        served_say(fd, "40");
        served_text(fd, &f);
        served_say(fd, bad_after_connect[i]);
        do
            served_frame_wait(fd, &f, SERVED_WAIT_MS);
        while (f.opcode == 1);
        assert_int_equal(f.opcode, 8);
        close(fd);
    }
    served_fetch(&server, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
}

/* An event without a payload is ignored, as by a Node server, and what follows it is answered. */
static void events_that_say_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"42", "427", "42/", "42/,", "42/,7"};
    int fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40", 2);
    served_text(fd, &f); /* auth */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        served_say(fd, texts[i]);
    served_say(fd, "421[\"message-with-ack\",5]");
    served_text(fd, &f);
    assert_string_equal(f.data, "431[5]");
    close(fd);
}

/* Text that is no UTF-8 is closed with 1007, reserved bits and unknown opcodes with 1002. */
static void malformed_frames(void **state)
{
    (void)state;
    int fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40{\"a\":\"\xff\"}");
    served_expect_close(fd, 1007);
    close(fd);
    fd = served_ws(&server, SERVED_WS);
    served_frame_claim(fd, 0xf1, "40", 2, 2);
    served_expect_close(fd, 1002);
    close(fd);
    fd = served_ws(&server, SERVED_WS);
    served_frame_claim(fd, 0x83, "40", 2, 2);
    served_expect_close(fd, 1002);
    close(fd);
}

/* A frame that says it is larger than a payload may be is closed with 1009 before its bytes have come; so is a message
 * whose pieces are together too large. */
static void oversized_messages(void **state)
{
    (void)state;
    int fd = served_ws(&server, SERVED_WS);
    served_frame_claim(fd, 0x81, "4aaaaaaaaa", 10, 100001);
    served_expect_close(fd, 1009);
    close(fd);

    char *half = malloc(60000);
    assert_non_null(half);
    memset(half, 'a', 60000);
    fd = served_ws(&server, SERVED_WS);
    served_frame_claim(fd, 0x01, half, 60000, 60000);
    served_frame_claim(fd, 0x80, half, 60000, 60000);
    served_expect_close(fd, 1009);
    close(fd);
    free(half);
    served_fetch(&server, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_errors_total{type=\"payload_too_large\"} 2"));
}

/* Messages in pieces, with a ping between them, are put together. */
static void fragmented_message(void **state)
{
    (void)state;
    int fd = served_ws(&server, "/engine.io/?EIO=4&transport=websocket");
    served_frame_claim(fd, 0x01, "4he", 3, 3);
    served_frame_claim(fd, 0x89, "p", 1, 1);
    served_frame_claim(fd, 0x80, "llo", 3, 3);
    bool pong = false, text = false;
    while (!pong || !text) {
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
        assert_true(f.opcode == 10 || f.opcode == 1);
        if (f.opcode == 10)
            assert_string_equal(f.data, "p");
        else
            assert_string_equal(f.data, "4hello");
        pong |= f.opcode == 10;
        text |= f.opcode == 1;
    }
    close(fd);
}

/* Who opens a session and never connects to a namespace is sent away after the connect time-out. */
static void handshake_that_never_ends(void **state)
{
    (void)state;
    uint64_t began = served_now_ms();
    int fd = served_ws(&server, SERVED_WS);
    served_expect_close(fd, 1000);
    uint64_t took = served_now_ms() - began;
    assert_true(took >= 350);
    assert_true(took < 5000);
    close(fd);
}

/* libwebsockets would wait for the end of a chunked body for ever: 411 at once. A body that is too large: 413. Both
 * leave the session alone. */
static void bodies(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    int fd = served_connect(&server);
    served_request(fd, "POST", path, "Transfer-Encoding: chunked\r\n", NULL);
    served_send(fd, "2\r\n4a\r\n0\r\n\r\n", 12);
    served_answer(fd, &a);
    assert_int_equal(a.status, 411);
    close(fd);

    fd = served_connect(&server);
    served_request(fd, "POST", path, "Content-Length: 100001\r\n", NULL);
    served_answer(fd, &a);
    assert_int_equal(a.status, 413);
    close(fd);

    served_fetch(&server, "POST", path, NULL, "4fine", &a);
    assert_int_equal(a.status, 200);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_string_equal(a.body, "4fine");
}

/* How many sessions the metrics know is no help with polls: sids are. */
static bool session_lives(const char *path)
{
    served_fetch(&server, "POST", path, NULL, "3", &a);
    return a.status == 200;
}

#define POLLS 100

/* A hundred clients hold a poll and hang up: their sessions are gone within a second, and the server does not spin. */
static void cancelled_polls(void **state)
{
    (void)state;
    static char paths[POLLS][160];
    static int fds[POLLS];
    for (int i = 0; i < POLLS; i++) {
        served_handshake(&server, "/engine.io/", paths[i], sizeof paths[i]);
        fds[i] = served_connect(&server);
        served_request(fds[i], "GET", paths[i], NULL, NULL);
    }
    assert_true(session_lives(paths[POLLS - 1]));
    for (int i = 0; i < POLLS; i++)
        close(fds[i]);
    uint64_t began = served_now_ms();
    int alive = POLLS;
    while (alive && served_now_ms() - began < 1000) {
        alive = 0;
        for (int i = 0; i < POLLS; i++)
            alive += session_lives(paths[i]);
    }
    assert_int_equal(alive, 0);
    long before = served_cpu_ms(&server);
    poll(NULL, 0, 500);
    assert_true(served_cpu_ms(&server) - before <= 50);
}

/* A poll is held beyond libwebsockets' own 5 s (and its 10 s for a request), with the CPU idle, and then answered. */
static void long_poll(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    int fd = served_connect(&server);
    served_request(fd, "GET", path, NULL, NULL);
    long before = served_cpu_ms(&server);
    served_answer_wait(fd, &a, 11000);
    assert_int_equal(a.status, -1);
    assert_true(served_cpu_ms(&server) - before <= 100);
    struct served_answer *other = &a;
    served_fetch(&server, "POST", path, NULL, "4late", other);
    assert_int_equal(other->status, 200);
    served_answer(fd, &a);
    assert_string_equal(a.body, "4late");
    served_fetch(&server, "POST", path, NULL, "4again", other); /* the connection may be used again */
    served_request(fd, "GET", path, NULL, NULL);
    served_answer(fd, &a);
    assert_string_equal(a.body, "4again");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_packets),
        cmocka_unit_test(events_that_say_nothing),
        cmocka_unit_test(malformed_frames),
        cmocka_unit_test(oversized_messages),
        cmocka_unit_test(fragmented_message),
        cmocka_unit_test(handshake_that_never_ends),
        cmocka_unit_test(bodies),
        cmocka_unit_test(cancelled_polls),
        cmocka_unit_test(long_poll),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
