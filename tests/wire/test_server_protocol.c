/*
 * What the documents of Engine.IO 4 and Socket.IO 5 ask of a server, case by case, over real sockets: heartbeat and
 * close on both transports, malformed packets, namespaces, payloads, attachments and acknowledgements.
 * test_server_engineio.c has the handshake, payloads, refusals and the upgrade.
 */
#include "served.h"

#define PING_INTERVAL_MS 300
#define PING_TIMEOUT_MS  600

static struct served server;
static struct served_answer a, b;
static struct served_frame f;

static int start(void **state)
{
    (void)state;
    server = served_start((const char *const[]){"RATE_LIMIT_MAX_MESSAGES=0", "PING_INTERVAL_MS=300",
                                                "PING_TIMEOUT_MS=600", "CONNECT_TIMEOUT_MS=500", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    served_stop(&server);
    return 0;
}

/* --- Engine.IO --- */

#define EIO_WS "/engine.io/?EIO=4&transport=websocket"

/* The next text frame, pings too. */
static const char *text(int fd)
{
    served_frame_wait(fd, &f, SERVED_WAIT_MS);
    assert_int_equal(f.opcode, 1);
    return f.data;
}

/* The connection ends, with a close frame or without. */
static void expect_end(int fd)
{
    do
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
    while (f.opcode == 1 || f.opcode == 2);
    assert_true(f.opcode == 8 || f.opcode == -1);
    close(fd);
}

/* The handshake names the figures the server was told, over both transports; only polling can be upgraded. */
static void handshake(void **state)
{
    (void)state;
    static const char figures[] = "\"pingInterval\":300,\"pingTimeout\":600,\"maxPayload\":1000000}";
    served_fetch(&server, "GET", "/engine.io/?EIO=4&transport=polling", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    assert_memory_equal(a.body, "0{\"sid\":\"", 9);
    assert_non_null(strstr(a.body, "\"upgrades\":[\"websocket\"],"));
    assert_non_null(strstr(a.body, figures));
    int fd = served_connect(&server);
    assert_int_equal(served_upgrade(fd, EIO_WS, &b), 101);
    assert_memory_equal(text(fd), "0{\"sid\":\"", 9);
    assert_non_null(strstr(f.data, "\"upgrades\":[],"));
    assert_non_null(strstr(f.data, figures));
    close(fd);
}

/* Three pings, each answered, over WebSocket; the connection lives on. */
static void heartbeat_websocket(void **state)
{
    (void)state;
    int fd = served_ws(&server, EIO_WS);
    for (int i = 0; i < 3; i++) {
        uint64_t began = served_now_ms();
        assert_string_equal(text(fd), "2");
        assert_true(served_now_ms() - began < PING_INTERVAL_MS * 3);
        served_say(fd, "3");
    }
    served_say(fd, "4alive");
    do
        text(fd);
    while (strcmp(f.data, "2") == 0);
    assert_string_equal(f.data, "4alive");
    close(fd);
}

/* The same over polling. */
static void heartbeat_polling(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    for (int i = 0; i < 3; i++) {
        served_fetch(&server, "GET", path, NULL, NULL, &a);
        assert_string_equal(a.body, "2");
        served_fetch(&server, "POST", path, NULL, "3", &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "ok");
    }
}

/* Who does not answer a ping is closed after the time-out, not before, over both transports. */
static void ping_timeout(void **state)
{
    (void)state;
    uint64_t began = served_now_ms();
    int fd = served_ws(&server, EIO_WS);
    expect_end(fd);
    uint64_t took = served_now_ms() - began;
    assert_true(took >= PING_INTERVAL_MS + PING_TIMEOUT_MS - 20);
    assert_true(took < 5000);

    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_string_equal(a.body, "2");
    poll(NULL, 0, PING_TIMEOUT_MS + 300);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_int_equal(a.status, 400);
    assert_string_equal(a.body, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* Text and binary, empty too, come back over WebSocket as what they were. */
static void websocket_messages(void **state)
{
    (void)state;
    int fd = served_ws(&server, EIO_WS);
    served_say(fd, "4hello");
    assert_string_equal(text(fd), "4hello");
    served_say(fd, "4");
    assert_string_equal(text(fd), "4");
    static const struct {
        const char *bytes;
        size_t len;
    } binaries[] = {{"\x01\x02\x03\x04", 4}, {"4text", 5}, {"", 0}, {"\0\xff", 2}};
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
        served_frame_claim(fd, 0x82, binaries[i].bytes, binaries[i].len, binaries[i].len);
        do
            served_frame_wait(fd, &f, SERVED_WAIT_MS);
        while (f.opcode == 1);
        assert_int_equal(f.opcode, 2);
        assert_int_equal(f.len, binaries[i].len);
        assert_memory_equal(f.data, binaries[i].bytes, f.len);
    }
    close(fd);
}

/* A packet of no known type ends the session over both transports; so does a client that pings. */
static void invalid_packets(void **state)
{
    (void)state;
    static const char *const packets[] = {"abc", "7", "2", "-1"};
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        int fd = served_ws(&server, EIO_WS);
        served_say(fd, packets[i]);
        expect_end(fd);
        char path[256];
        served_handshake(&server, "/engine.io/", path, sizeof path);
        served_fetch(&server, "POST", path, NULL, packets[i], &a);
        served_fetch(&server, "GET", path, NULL, NULL, &a);
        assert_int_equal(a.status, 400);
    }
    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    served_fetch(&server, "POST", path, NULL,
                 "4good\x1e"
                 "b!!!!",
                 &a);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_int_equal(a.status, 400);
}

/* A client's close packet: over WebSocket the connection ends; over polling a waiting GET gets a noop, and the session
 * is unknown from then on. */
static void client_closes(void **state)
{
    (void)state;
    int fd = served_ws(&server, EIO_WS);
    served_say(fd, "1");
    expect_end(fd);

    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    int get = served_connect(&server);
    served_request(get, "GET", path, NULL, NULL);
    poll(NULL, 0, 50);
    served_fetch(&server, "POST", path, NULL, "1", &a);
    assert_int_equal(a.status, 200);
    served_answer(get, &b);
    assert_int_equal(b.status, 200);
    assert_string_equal(b.body, "6");
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_int_equal(a.status, 400);
    close(get);
}

/* After the upgrade the sid is no longer for polling: GET and POST are refused, and the WebSocket does not notice. */
static void polling_after_upgrade(void **state)
{
    (void)state;
    char path[256], ws[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    snprintf(ws, sizeof ws, "/engine.io/?EIO=4&transport=websocket%s", strstr(path, "&sid="));
    int fd = served_connect(&server);
    assert_int_equal(served_upgrade(fd, ws, &a), 101);
    served_say(fd, "2probe");
    assert_string_equal(text(fd), "3probe");
    served_say(fd, "5");
    served_say(fd, "4there");
    served_text(fd, &f);
    assert_string_equal(f.data, "4there");
    served_fetch(&server, "POST", path, NULL, "4ignored", &a);
    assert_int_equal(a.status, 400);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_int_equal(a.status, 400);
    served_say(fd, "4still");
    served_text(fd, &f);
    assert_string_equal(f.data, "4still");
    close(fd);
}

/* --- Socket.IO --- */

/* A WebSocket that has joined "/" with this payload, its two answers read. */
static int joined(const char *payload)
{
    char packet[256];
    int fd = served_ws(&server, SERVED_WS);
    snprintf(packet, sizeof packet, "40%s", payload);
    served_say(fd, packet);
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    served_text(fd, &f);
    snprintf(packet, sizeof packet, "42[\"auth\",%s]", *payload ? payload : "{}");
    assert_string_equal(f.data, packet);
    return fd;
}

static void expect_answer(int fd, const char *packet, const char *answer)
{
    served_say(fd, packet);
    served_text(fd, &f);
    assert_string_equal(f.data, answer);
}

/* CONNECT: main and custom namespaces, with a payload and without; two on one connection have two sids. */
static void connects(void **state)
{
    (void)state;
    close(joined(""));
    int fd = joined("{\"token\":\"123\"}");
    char sid[32];
    served_say(fd, "40/custom,");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40/custom,{\"sid\":\"", 18);
    memcpy(sid, f.data + 18, 20);
    sid[20] = '\0';
    served_text(fd, &f);
    assert_string_equal(f.data, "42/custom,[\"auth\",{}]");
    close(fd);
    fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40/custom,{\"token\":\"abc\"}");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40/custom,{\"sid\":\"", 18);
    assert_memory_not_equal(f.data + 18, sid, 20);
    served_text(fd, &f);
    assert_string_equal(f.data, "42/custom,[\"auth\",{\"token\":\"abc\"}]");
    close(fd);
}

/* An unknown namespace is refused by name, and the connection may still join another. */
static void unknown_namespace(void **state)
{
    (void)state;
    int fd = served_ws(&server, SERVED_WS);
    expect_answer(fd, "40/random", "44/random,{\"message\":\"Invalid namespace\"}");
    expect_answer(fd, "40/random,{\"a\":1}", "44/random,{\"message\":\"Invalid namespace\"}");
    served_say(fd, "40");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    close(fd);
}

/* What is no CONNECT ends a connection that has joined nothing; so does saying nothing. */
static void no_connect(void **state)
{
    (void)state;
    static const char *const packets[] = {"4abc", "42[\"early\",1]", "41", "431[1]", "40\"text\"", "40[1]", "40{\"a\""};
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        int fd = served_ws(&server, SERVED_WS);
        served_say(fd, packets[i]);
        expect_end(fd);
    }
    uint64_t began = served_now_ms();
    int fd = served_ws(&server, SERVED_WS);
    do { /* it answers pings, and joins nothing */
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
        if (f.opcode == 1)
            served_say(fd, "3");
    } while (f.opcode == 1);
    assert_int_equal(f.opcode, 8);
    assert_true(served_now_ms() - began >= 480);
    close(fd);
}

/* DISCONNECT from the main namespace leaves the connection (pings go on); from a custom one, the main one. */
static void disconnects(void **state)
{
    (void)state;
    int fd = joined("");
    served_say(fd, "41");
    assert_string_equal(text(fd), "2");
    served_say(fd, "3");
    served_say(fd, "40"); /* and it may join again */
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    close(fd);

    fd = joined("");
    served_say(fd, "40/custom");
    served_text(fd, &f);
    served_text(fd, &f);
    served_say(fd, "41/custom");
    expect_answer(fd, "42[\"message\",\"to main\"]", "42[\"message-back\",\"to main\"]");
    served_say(fd, "42/custom,[\"message\",\"to nobody\"]");
    expect_end(fd);
}

/* Events and acknowledgements: arguments come back byte for byte, in both namespaces. */
static void events(void **state)
{
    (void)state;
    int fd = joined("");
    expect_answer(fd, "42[\"message\",1,\"2\",{\"3\":[true]}]", "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
    expect_answer(fd, "42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]", "43456[1,\"2\",{\"3\":[false]}]");
    expect_answer(fd, "420[\"message-with-ack\"]", "430[]");
    expect_answer(fd, "42[\"message\",\"\\u20ac\xe2\x82\xac\",1e400,-0.0,null]",
                  "42[\"message-back\",\"\\u20ac\xe2\x82\xac\",1e400,-0.0,null]");
    served_say(fd, "40/custom,");
    served_text(fd, &f);
    served_text(fd, &f);
    expect_answer(fd, "42/custom,7[\"message-with-ack\",\"x\"]", "43/custom,7[\"x\"]");
    expect_answer(fd, "42[\"message\",\"main\"]", "42[\"message-back\",\"main\"]");
    close(fd);
}

static void expect_binary(int fd, const char *bytes, size_t len)
{
    do
        served_frame_wait(fd, &f, SERVED_WAIT_MS);
    while (f.opcode == 1);
    assert_int_equal(f.opcode, 2);
    assert_int_equal(f.len, len);
    assert_memory_equal(f.data, bytes, len);
}

/* Attachments: two of them, with and without an ack id, and over polling as base64. */
static void attachments(void **state)
{
    (void)state;
    int fd = joined("");
    for (int i = 0; i < 2; i++) {
        served_say(
            fd, i ? "452-789[\"message-with-ack\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"
                  : "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
        served_frame_claim(fd, 0x82, "\x01\x02\x03", 3, 3);
        served_frame_claim(fd, 0x82, "\x04\x05\x06", 3, 3);
        served_text(fd, &f);
        assert_string_equal(
            f.data, i ? "462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]"
                      : "452-[\"message-back\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
        expect_binary(fd, "\x01\x02\x03", 3);
        expect_binary(fd, "\x04\x05\x06", 3);
    }
    close(fd);

    char path[256];
    served_handshake(&server, "/socket.io/", path, sizeof path);
    served_fetch(&server, "POST", path, NULL, "40", &a);
    do
        served_fetch(&server, "GET", path, NULL, NULL, &a);
    while (!strstr(a.body, "auth"));
    served_fetch(&server, "POST", path, NULL,
                 "451-[\"message\",{\"_placeholder\":true,\"num\":0}]\x1e"
                 "bAQID",
                 &a);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_non_null(strstr(a.body, "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]\x1e"
                                   "bAQID"));
}

/* Packets that break the protocol end the connection. */
static void invalid_payloads(void **state)
{
    (void)state;
    static const char *const packets[] = {"4abc",
                                          "42{}",
                                          "42[]",
                                          "42abc[\"message-with-ack\",1]",
                                          "42[1,",
                                          "42[null]",
                                          "42[\"connect\"]",
                                          "450-[\"x\"]",
                                          "4511-[\"x\"]",
                                          "45[\"x\"]",
                                          "451-[\"x\"]",
                                          "43{}",
                                          "48",
                                          "40",
                                          "42/nope,[\"x\"]",
                                          "42[\"disconnect\"]"};
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        int fd = joined("");
        served_say(fd, packets[i]);
        expect_end(fd);
    }
    int fd = joined(""); /* text where an attachment is due */
    served_say(fd, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
    served_say(fd, "42[\"message\",1]");
    expect_end(fd);
    fd = joined(""); /* an attachment nobody waits for */
    served_frame_claim(fd, 0x82, "x", 1, 1);
    expect_end(fd);
    fd = joined(""); /* what a Node server bears: an answer nobody asked for, and a numeric event name */
    served_say(fd, "4312[1]");
    served_say(fd, "42[12,1]");
    expect_answer(fd, "42[\"message\",1]", "42[\"message-back\",1]");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake),
        cmocka_unit_test(heartbeat_websocket),
        cmocka_unit_test(heartbeat_polling),
        cmocka_unit_test(ping_timeout),
        cmocka_unit_test(websocket_messages),
        cmocka_unit_test(invalid_packets),
        cmocka_unit_test(client_closes),
        cmocka_unit_test(polling_after_upgrade),
        cmocka_unit_test(connects),
        cmocka_unit_test(unknown_namespace),
        cmocka_unit_test(no_connect),
        cmocka_unit_test(disconnects),
        cmocka_unit_test(events),
        cmocka_unit_test(attachments),
        cmocka_unit_test(invalid_payloads),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
