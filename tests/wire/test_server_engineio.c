/* Engine.IO over real sockets: handshake, polling, upgrade, refusals, heartbeat. */
#include "served.h"

static struct served server;

static int start(void **state)
{
    (void)state;
    server = served_start((const char *const[]){"RATE_LIMIT_MAX_MESSAGES=0", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    served_stop(&server);
    return 0;
}

static struct served_answer a, b;
static struct served_frame f;

/* A client opens a session by WebSocket, connects, and its event comes back. */
static void websocket_session(void **state)
{
    (void)state;
    int fd = served_ws(&server, SERVED_WS);
    served_say(fd, "40{\"token\":\"x\"}");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    served_text(fd, &f);
    assert_string_equal(f.data, "42[\"auth\",{\"token\":\"x\"}]");
    served_say(fd, "4217[\"message-with-ack\",1,{\"a\":[true]}]");
    served_text(fd, &f);
    assert_string_equal(f.data, "4317[1,{\"a\":[true]}]");
    close(fd);
}

/* Packets joined with 0x1e go in by POST and come out by GET, binary in base64. */
static void polling_payloads(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    served_fetch(&server, "POST", path, NULL,
                 "4hello\x1e"
                 "4\xe2\x82\xac\x1e"
                 "bAQIDBA==",
                 &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "ok");
    assert_non_null(strcasestr(a.head, "content-type: text/html"));
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_string_equal(a.body, "4hello\x1e"
                                "4\xe2\x82\xac\x1e"
                                "bAQIDBA==");
}

struct refusal {
    const char *method, *path;
    int status;
    const char *body;
};
static const struct refusal refusals[] = {
    {"GET", "/socket.io/", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
    {"GET", "/socket.io/?EIO=4&transport=tin", 400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
    {"GET", "/socket.io/?EIO=4&transport=polling&sid=no", 400, "{\"code\":1,\"message\":\"Session ID unknown\"}"},
    {"POST", "/socket.io/?EIO=4&transport=polling", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
    {"PUT", "/socket.io/?EIO=4&transport=polling", 400, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
    {"GET", "/socket.io/?EIO=4&transport=websocket", 400, "{\"code\":3,\"message\":\"Bad request\"}"},
    {"GET", "/socket.io/?EIO=3&transport=polling", 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    {"GET", "/elsewhere", 404, "{\"message\":\"Not found\"}"},
    {"POST", "/metrics", 405, "{\"message\":\"Method not allowed\"}"},
};

/* Each request that Engine.IO refuses has its own code, as from a Node server. */
static void refused_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        bool post = strcmp(refusals[i].method, "GET") != 0;
        served_fetch(&server, refusals[i].method, refusals[i].path, NULL, post ? "4" : NULL, &a);
        assert_int_equal(a.status, refusals[i].status);
        assert_string_equal(a.body, refusals[i].body);
    }
}

/* A page of another origin is told 403 by polling and by upgrade; the allowed one gets its headers, a preflight 204. */
static void origins(void **state)
{
    (void)state;
    const char *path = "/socket.io/?EIO=4&transport=polling";
    served_fetch(&server, "GET", path, "Origin: http://evil.example\r\n", NULL, &a);
    assert_int_equal(a.status, 403);
    assert_string_equal(a.body, "{\"code\":4,\"message\":\"Forbidden\"}");
    served_fetch(&server, "GET", path, "Origin: http://localhost:3000\r\n", NULL, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strcasestr(a.head, "access-control-allow-origin: http://localhost:3000\r\n"));
    assert_non_null(strcasestr(a.head, "access-control-allow-credentials: true\r\n"));
    served_fetch(&server, "OPTIONS", path, "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: POST\r\n",
                 NULL, &a);
    assert_int_equal(a.status, 204);
    assert_non_null(strcasestr(a.head, "access-control-allow-methods:"));
}

/* A refused upgrade is answered with a status and JSON, not with silence. */
static void refused_upgrades(void **state)
{
    (void)state;
    int fd = served_connect(&server);
    assert_int_equal(served_upgrade(fd, "/socket.io/?EIO=4&transport=websocket&sid=no", &a), 400);
    assert_string_equal(a.body, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    close(fd);
    fd = served_connect(&server);
    assert_int_equal(served_upgrade(fd, "/elsewhere", &a), 404);
    close(fd);
}

/* Two GETs at once end the session: the first gets a close packet, the second 400, and the sid is unknown. */
static void overlapping_polls(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/socket.io/", path, sizeof path);
    int first = served_connect(&server);
    served_request(first, "GET", path, NULL, NULL);
    served_answer_wait(first, &a, 50); /* held: no answer comes */
    assert_int_equal(a.status, -1);
    served_fetch(&server, "GET", path, NULL, NULL, &b);
    assert_int_equal(b.status, 400);
    served_answer(first, &a);
    assert_string_equal(a.body, "1");
    close(first);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_string_equal(a.body, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* Two POSTs at once likewise: the second is refused before the first is whole. */
static void overlapping_posts(void **state)
{
    (void)state;
    char path[256];
    served_handshake(&server, "/socket.io/", path, sizeof path);
    int first = served_connect(&server);
    served_request(first, "POST", path, "Content-Length: 5\r\n", NULL);
    served_send(first, "4", 1);
    served_answer_wait(first, &a, 50);
    served_fetch(&server, "POST", path, NULL, "40", &b);
    assert_int_equal(b.status, 400);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_int_equal(a.status, 400);
    close(first);
}

/* The probe dance; meanwhile a waiting poll is freed with a noop, and afterwards messages take the WebSocket. */
static void upgrade(void **state)
{
    (void)state;
    char path[256], ws[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    snprintf(ws, sizeof ws, "/engine.io/?EIO=4&transport=websocket%s", strstr(path, "&sid="));
    int poll_fd = served_connect(&server), fd = served_connect(&server);
    served_request(poll_fd, "GET", path, NULL, NULL);
    assert_int_equal(served_upgrade(fd, ws, &a), 101);
    served_say(fd, "2probe");
    served_text(fd, &f);
    assert_string_equal(f.data, "3probe");
    served_answer(poll_fd, &b);
    assert_string_equal(b.body, "6");
    served_say(fd, "5");
    served_say(fd, "4there");
    served_text(fd, &f);
    assert_string_equal(f.data, "4there");
    served_fetch(&server, "GET", path, NULL, NULL, &b);
    assert_int_equal(b.status, 400);

    int again = served_connect(&server); /* a second WebSocket for the same sid */
    assert_int_equal(served_upgrade(again, ws, &a), 101);
    served_expect_close(again, 1000);
    close(again);
    close(poll_fd);
    close(fd);
}

/* A broken probe costs the WebSocket, not the session. */
static void broken_probe(void **state)
{
    (void)state;
    char path[256], ws[256];
    served_handshake(&server, "/engine.io/", path, sizeof path);
    snprintf(ws, sizeof ws, "/engine.io/?EIO=4&transport=websocket%s", strstr(path, "&sid="));
    int fd = served_connect(&server);
    assert_int_equal(served_upgrade(fd, ws, &a), 101);
    served_say(fd, "4early");
    served_expect_close(fd, 1000);
    close(fd);
    served_fetch(&server, "POST", path, NULL, "4still", &a);
    assert_int_equal(a.status, 200);
    served_fetch(&server, "GET", path, NULL, NULL, &a);
    assert_string_equal(a.body, "4still");
}

/* The health, readiness and metrics pages answer. */
static void pages(void **state)
{
    (void)state;
    served_fetch(&server, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    served_fetch(&server, "GET", "/readyz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    served_fetch(&server, "GET", "/metrics", NULL, NULL, &a);
    assert_int_equal(a.body[0], '{');
    served_fetch(&server, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "# TYPE websocket_connections_total gauge"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(websocket_session), cmocka_unit_test(polling_payloads),
        cmocka_unit_test(refused_requests),  cmocka_unit_test(origins),
        cmocka_unit_test(refused_upgrades),  cmocka_unit_test(overlapping_polls),
        cmocka_unit_test(overlapping_posts), cmocka_unit_test(upgrade),
        cmocka_unit_test(broken_probe),      cmocka_unit_test(pages),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
