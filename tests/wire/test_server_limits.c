/* Who may connect and how much it may send: the limits of users, addresses and handshakes; time-outs; slow clients. */
#include "served.h"

#define SECRET "a-secret-for-tests-only-0123456789"

static struct served_answer a;
static struct served_frame f;

/* A WebSocket of this user, in the namespace, its greeting read. more: further request header lines. */
static int join_as(const struct served *s, const char *user, int64_t exp_s)
{
    char *token = srv_auth_mint(SECRET, user, 0, exp_s, 0), packet[1024];
    assert_non_null(token);
    snprintf(packet, sizeof packet, "40{\"token\":\"%s\"}", token);
    free(token);
    int fd = served_ws(s, SERVED_WS);
    served_say(fd, packet);
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    served_text(fd, &f);
    assert_memory_equal(f.data, "42[\"connection:quality\"", 23);
    return fd;
}

/* Sends an event with an ack; was it refused? *retry_ms receives the time to wait. */
static bool refused(int fd, long *retry_ms)
{
    served_say(fd, "421[\"agent:learning\",{\"action\":\"start_session\"}]");
    served_text(fd, &f);
    assert_memory_equal(f.data, "431[", 4);
    const char *retry = strstr(f.data, "\"retryAfterMs\":");
    *retry_ms = retry ? atol(retry + 15) : 0;
    return strstr(f.data, "\"error\":\"Rate limit exceeded. Please slow down.\",\"rateLimited\":true") != NULL;
}

static void metric(const struct served *s, const char *line)
{
    served_fetch(s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    if (!strstr(a.body, line))
        fail_msg("no '%s' in:\n%s", line, a.body);
}

/* Two connections of one user share a bucket of two; another user has one of its own. After the time that the refusal
 * says, the next message passes. */
static void users(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, "RATE_LIMIT_USER_PER_MINUTE=60",
                                                         "RATE_LIMIT_USER_BURST=2", NULL});
    int first = join_as(&s, "ann", 0), second = join_as(&s, "ann", 0), other = join_as(&s, "bob", 0);
    long retry_ms;
    assert_false(refused(first, &retry_ms));
    assert_false(refused(second, &retry_ms));
    assert_true(refused(first, &retry_ms));
    assert_in_range(retry_ms, 1, 1000);
    assert_false(refused(other, &retry_ms));
    assert_true(refused(second, &retry_ms));
    poll(NULL, 0, (int)retry_ms + 20);
    assert_false(refused(second, &retry_ms));
    metric(&s, "websocket_errors_total{type=\"rate_limit\"} 2\n");
    close(first);
    close(second);
    close(other);
    served_stop(&s);
}

/* A WebSocket that a proxy forwards for somebody. */
static int forwarded(const struct served *s, const char *header, int expected)
{
    char line = 0, head[2048], packet[1024];
    size_t len = 0;
    int fd = served_connect(s);
    char *token = srv_auth_mint(SECRET, "u", 0, 0, 0);
    snprintf(packet, sizeof packet, "40{\"token\":\"%s\"}", token);
    free(token);
    char more[512];
    snprintf(more, sizeof more,
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
             header);
    served_request(fd, "GET", SERVED_WS, more, NULL);
    memset(head, 0, sizeof head);
    while (len < sizeof head - 1 && !strstr(head, "\r\n\r\n") && served_read(fd, &line, 1, SERVED_WAIT_MS) == 1)
        head[len++] = line;
    assert_int_equal(atoi(head + 9), expected);
    if (expected != 101)
        return fd;
    served_text(fd, &f); /* open */
    served_say(fd, packet);
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    served_text(fd, &f);
    return fd;
}

/* Behind a trusted proxy each client counts for itself, by the last address that no proxy of ours wrote; what a client
 * writes in front of it changes nothing. An IPv6 customer is one address however many it has. */
static void proxied_addresses(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){
        "NEXTAUTH_SECRET=" SECRET, "TRUSTED_PROXIES=127.0.0.0/8, 10.0.0.0/8", "RATE_LIMIT_ADDRESS_PER_MINUTE=6",
        "RATE_LIMIT_ADDRESS_BURST=1", "MAX_CONNECTIONS_PER_ADDRESS=2", NULL});
    long retry_ms;
    int one = forwarded(&s, "X-Forwarded-For: 203.0.113.7\r\n", 101);
    int same = forwarded(&s, "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3\r\n", 101);
    assert_false(refused(one, &retry_ms));
    assert_true(refused(same, &retry_ms));
    assert_in_range(retry_ms, 1, 10000);
    close(forwarded(&s, "X-Forwarded-For: 1.2.3.4, 203.0.113.7\r\n", 429));
    int six = forwarded(&s, "X-Forwarded-For: 2001:db8:1:2::1\r\n", 101);
    int also_six = forwarded(&s, "X-Forwarded-For: [2001:db8:1:2:aaaa::1]:443\r\n", 101);
    close(forwarded(&s, "X-Forwarded-For: 2001:db8:1:2::77\r\n", 429));
    assert_false(refused(six, &retry_ms));
    assert_true(refused(also_six, &retry_ms));
    close(six);
    close(also_six);
    close(one);
    int another = forwarded(&s, "X-Forwarded-For: 203.0.113.8\r\n", 101);
    kill(s.pid, SIGTERM);
    served_expect_close(another, 1001);
    close(another);
    close(same);
    int status = -1;
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* From who is no trusted proxy the header says nothing: all are one address. */
static void untrusted_header(void **state)
{
    (void)state;
    struct served s =
        served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, "TRUSTED_PROXIES=10.0.0.0/8",
                                           "RATE_LIMIT_ADDRESS_PER_MINUTE=6", "RATE_LIMIT_ADDRESS_BURST=1", NULL});
    long retry_ms;
    int one = forwarded(&s, "X-Forwarded-For: 203.0.113.7\r\n", 101);
    int two = forwarded(&s, "X-Forwarded-For: 203.0.113.8\r\n", 101);
    assert_false(refused(one, &retry_ms));
    assert_true(refused(two, &retry_ms));
    close(one);
    close(two);
    served_stop(&s);
}

/* The third connection of an address is told so; when one has gone there is room again. */
static void connections(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"MAX_CONNECTIONS_PER_ADDRESS=2", NULL});
    int one = served_ws(&s, SERVED_WS), two = served_ws(&s, SERVED_WS);
    served_fetch(&s, "GET", "/socket.io/?EIO=4&transport=polling", NULL, NULL, &a);
    assert_int_equal(a.status, 429);
    assert_non_null(strstr(a.head, "Retry-After: "));
    assert_string_equal(a.body, "{\"message\":\"Too many connections\"}");
    int three = served_connect(&s);
    assert_int_equal(served_upgrade(three, SERVED_WS, &a), 429);
    close(three);
    served_fetch(&s, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200); /* sessions are refused, not questions */
    served_frame_claim(one, 0x88, "\x03\xe8", 2, 2);
    served_frame_wait(one, &f, SERVED_WAIT_MS);
    close(one);
    uint64_t until = served_now_ms() + 3000;
    do {
        three = served_connect(&s);
        served_upgrade(three, SERVED_WS, &a);
        close(three);
    } while (a.status != 101 && served_now_ms() < until);
    assert_int_equal(a.status, 101);
    close(two);
    served_stop(&s);
}

/* Far beyond the limit connections are closed without a word, and the server stays small. */
static void many_connections(void **state)
{
    (void)state;
    enum { MANY = 60 };
    struct served s = served_start((const char *const[]){"MAX_CONNECTIONS_PER_ADDRESS=2", NULL});
    int fds[MANY], cut = 0;
    for (int i = 0; i < MANY; i++) {
        char byte;
        fds[i] = served_connect(&s);
        cut += served_read(fds[i], &byte, 1, i < 2 + SRV_PEER_SPARE ? 0 : SERVED_WAIT_MS) == 0;
    }
    assert_int_equal(cut, MANY - 2 - SRV_PEER_SPARE);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    served_stop(&s);
}

/* Who connects and says nothing is cut; so is who sends its request byte by byte. */
static void header_timeout(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"HEADER_TIMEOUT_MS=300", NULL});
    int silent = served_connect(&s), slow = served_connect(&s);
    char byte;
    uint64_t began = served_now_ms();
    ssize_t n = -1;
    for (const char *p = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; *p && n < 0;
         p++) {
        served_send(slow, p, 1);
        n = served_read(slow, &byte, 1, 20);
    }
    assert_int_equal(n, 0);
    assert_in_range(served_now_ms() - began, 200, 6000);
    assert_int_equal(served_read(silent, &byte, 1, SERVED_WAIT_MS), 0);
    served_fetch(&s, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    metric(&s, "websocket_errors_total{type=\"socket_error\"} 2\n");
    close(silent);
    close(slow);
    served_stop(&s);
}

/* A body in small pieces is cut when its time is over, whoever it is for: a session, a refusal that drops it, a path
 * that is not there. A body behind a GET ends the connection with its answer. */
static void body_timeout(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"BODY_TIMEOUT_MS=300", NULL});
    char session[128];
    served_handshake(&s, "/socket.io/", session, sizeof session);
    const struct {
        const char *method, *path, *header;
    } cases[] = {{"POST", session, "Content-Length: 1000"},
                 {"POST", session, "Transfer-Encoding: chunked"},
                 {"POST", session, "Content-Length: 2000000"},
                 {"POST", "/socket.io/?EIO=4&transport=polling&sid=none", "Content-Length: 1000"},
                 {"POST", "/nowhere", "Content-Length: 1000"},
                 {"PUT", "/healthz", "Content-Length: 1000"},
                 {"OPTIONS", "/socket.io/", "Content-Length: 1000"},
                 {"GET", "/healthz", "Content-Length: 1000"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[512], drop[1024];
        int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", cases[i].method,
                         cases[i].path, cases[i].header);
        int fd = served_connect(&s);
        uint64_t began = served_now_ms();
        bool cut = false;
        for (served_send(fd, head, (size_t)n); !cut && served_now_ms() - began < 5000;) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (poll(&p, 1, 20) > 0)
                cut = recv(fd, drop, sizeof drop, 0) <= 0; /* the end, or a reset: it did not read all */
            else
                cut = send(fd, "x", 1, MSG_NOSIGNAL) != 1;
        }
        assert_true(cut);
        close(fd);
    }
    metric(&s, "websocket_errors_total{type=\"socket_error\"} 7\n");
    served_stop(&s);
}

/* Silent connections fill the table of pending handshakes: an honest client still gets in, because the oldest of them
 * are cut after their grace. */
static void pending_handshakes(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"MAX_PENDING_HANDSHAKES=3", NULL});
    int silent[3], fd;
    for (int i = 0; i < 2; i++)
        silent[i] = served_connect(&s);
    silent[2] = served_ws(&s, SERVED_WS); /* a session that joins nothing */
    uint64_t began = served_now_ms();
    fd = served_ws(&s, SERVED_WS);
    assert_in_range(served_now_ms() - began, 1000, SRV_PEER_GRACE_MS + 6000);
    served_say(fd, "40");
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    char byte;
    assert_int_equal(served_read(silent[0], &byte, 1, SERVED_WAIT_MS), 0); /* the oldest */
    for (int i = 0; i < 3; i++)
        close(silent[i]);
    close(fd);
    served_stop(&s);
}

/* 60,000 bytes to everybody, from this connection, which reads its own copy. */
static void broadcast(int from)
{
    static char event[60100];
    int n = snprintf(event, sizeof event, "42[\"bench:broadcast\",\"%060000d\"]", 0);
    assert_in_range(n, 60000, sizeof event - 1);
    served_say(from, event);
    served_text(from, &f);
    assert_memory_equal(f.data, "42[\"bench:event\"", 16);
}

static int member(const struct served *s)
{
    int fd = served_ws(s, SERVED_WS);
    served_say(fd, "40");
    served_text(fd, &f);
    served_text(fd, &f);
    return fd;
}

/* A client that does not read is sent away with a reason, and the frame that says so is a frame of its own. */
static void slow_consumer(void **state)
{
    (void)state;
    struct served s =
        served_start((const char *const[]){"MAX_SEND_QUEUE_BYTES=262144", "RATE_LIMIT_MAX_MESSAGES=0", NULL});
    int slow = member(&s), loud = member(&s);
    bool gone = false;
    for (int i = 0; i < 400 && !gone; i++) { /* what the kernel holds for it, and then the queue */
        broadcast(loud);
        if (i % 20 == 19) {
            served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
            gone = strstr(a.body, "websocket_errors_total{type=\"slow_consumer\"} 1\n") != NULL;
        }
    }
    assert_true(gone);
    do
        served_frame_wait(slow, &f, SERVED_WAIT_MS);
    while (f.opcode == 1);
    assert_int_equal(f.opcode, 8);
    assert_memory_equal(f.data, "\x03\xf0slow consumer", 15);
    assert_int_equal(f.len, 15);
    close(slow);
    close(loud);
    served_stop(&s);
}

/* Volatile events are what is left out first: while much waits for a client, its ping's ack still arrives, the pong
 * does not. */
static void volatile_first(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"RATE_LIMIT_MAX_MESSAGES=0", NULL});
    char path[128];
    served_handshake(&s, "/socket.io/", path, sizeof path);
    served_fetch(&s, "POST", path, NULL, "40", &a);
    assert_int_equal(a.status, 200);
    int loud = member(&s);
    served_fetch(&s, "POST", path, NULL, "42[\"quality_ping\",{\"pingId\":1}]", &a);
    served_fetch(&s, "GET", path, NULL, NULL, &a);
    assert_non_null(strstr(a.body, "quality_pong")); /* nothing waited */
    for (int i = 0; i < 2; i++)
        broadcast(loud);
    served_fetch(&s, "POST", path, NULL, "427[\"quality_ping\",{\"pingId\":2}]", &a);
    metric(&s, "websocket_volatile_dropped_total 1\n");
    close(loud);
    served_stop(&s);
}

/* A session ends when its token does (60 s of leeway included): an event says why, then the namespace is left and the
 * connection closed. One without an end stays. */
static void token_end(void **state)
{
    (void)state;
    struct served s = served_start((const char *const[]){"NEXTAUTH_SECRET=" SECRET, NULL});
    int64_t now_s = (int64_t)time(NULL);
    int lasting = join_as(&s, "ann", 0), ending = join_as(&s, "bob", now_s - SRV_AUTH_LEEWAY_S + 3);
    uint64_t began = served_now_ms();
    served_text(ending, &f);
    assert_string_equal(f.data, "42[\"session:expired\",{\"reason\":\"token expired\"}]");
    assert_in_range(served_now_ms() - began, 0, 8000);
    served_text(ending, &f);
    assert_string_equal(f.data, "41");
    served_frame_wait(ending, &f, SERVED_WAIT_MS);
    assert_int_equal(f.opcode, 8);
    assert_memory_equal(f.data, "\x03\xf0token expired", 15);
    close(ending);
    long retry_ms;
    assert_false(refused(lasting, &retry_ms));
    metric(&s, "websocket_disconnections_total{reason=\"server namespace disconnect\"} 1\n");
    close(lasting);
    served_stop(&s);
}

/* A learnerId that cannot be used is refused, not replaced. */
static void learner_ids(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    char packet[512], name[129];
    memset(name, 'n', 128);
    name[128] = '\0';
    int fd = served_ws(&s, SERVED_WS);
    snprintf(packet, sizeof packet, "40{\"learnerId\":\"%s\"}", name);
    served_say(fd, packet);
    served_text(fd, &f);
    assert_string_equal(f.data, "44{\"message\":\"Invalid learnerId: a text of at most 127 bytes\"}");
    served_say(fd, "40{\"learnerId\":7}");
    served_text(fd, &f);
    assert_memory_equal(f.data, "44{", 3);
    name[127] = '\0';
    snprintf(packet, sizeof packet, "40{\"learnerId\":\"%s\"}", name);
    served_say(fd, packet);
    served_text(fd, &f);
    assert_memory_equal(f.data, "40{\"sid\":\"", 10);
    close(fd);
    served_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users),         cmocka_unit_test(proxied_addresses),  cmocka_unit_test(untrusted_header),
        cmocka_unit_test(connections),   cmocka_unit_test(many_connections),   cmocka_unit_test(header_timeout),
        cmocka_unit_test(slow_consumer), cmocka_unit_test(pending_handshakes), cmocka_unit_test(volatile_first),
        cmocka_unit_test(token_end),     cmocka_unit_test(learner_ids),        cmocka_unit_test(body_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
