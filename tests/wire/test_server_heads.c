/* Request heads: too large, escaped twice, with a query that begins oddly; an upgrade that names the wrong transport.
 */
#include "served.h"

static struct served_answer a;
static struct served_frame f;

/* A head of so many bytes, sent as fast as it goes; the answer's status. */
static int large_head(const struct served *s, size_t cookie, const char *name)
{
    char *head = malloc(cookie + 256);
    assert_non_null(head);
    int n = sprintf(head, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n%s: ", name);
    memset(head + n, 'c', cookie);
    n += (int)cookie;
    n += sprintf(head + n, "\r\n\r\n");
    int fd = served_connect(s);
    served_send(fd, head, (size_t)n);
    free(head);
    served_answer(fd, &a);
    close(fd);
    return a.status;
}

/* A head that is too large is answered with 431, however much more of it follows; other connections that wait with
 * half a request are not concerned. */
static void too_large(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    int other = served_connect(&s), silent = served_connect(&s);
    served_send(other, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 40);
    assert_int_equal(large_head(&s, 4000, "Cookie"), 200);
    assert_int_equal(large_head(&s, 9000, "Cookie"), 431);
    assert_string_equal(a.body, "{\"message\":\"Request header fields too large\"}");
    assert_int_equal(large_head(&s, 100000, "Cookie"), 431);
    assert_int_equal(large_head(&s, 30000, "X-Something-Of-My-Own"), 431);
    served_send(other, "\r\n", 2);
    served_answer(other, &a);
    assert_int_equal(a.status, 200);
    served_fetch(&s, "GET", "/metrics/prometheus", NULL, NULL, &a);
    assert_non_null(strstr(a.body, "websocket_errors_total{type=\"bad_packet\"} 3\n"));
    close(other);
    close(silent);
    served_stop(&s);
}

/* Escapes of the query are decoded once: the sid of a session with one of its letters escaped is that session, escaped
 * twice it is none. Empty pairs do not end a query. */
static void escapes(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    char path[128], escaped[256];
    served_handshake(&s, "/socket.io/", path, sizeof path);
    const char *sid = strstr(path, "sid=") + 4;
    snprintf(escaped, sizeof escaped, "/socket.io/?&&EIO=4&&transport=poll%%69ng&sid=%%%02x%s", (unsigned)sid[0],
             sid + 1);
    served_fetch(&s, "POST", escaped, NULL, "40", &a);
    assert_int_equal(a.status, 200);
    snprintf(escaped, sizeof escaped, "/socket.io/?EIO=4&transport=polling&sid=%%25%02x%s", (unsigned)sid[0], sid + 1);
    served_fetch(&s, "POST", escaped, NULL, "40", &a);
    assert_int_equal(a.status, 400);
    assert_string_equal(a.body, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    served_stop(&s);
}

/* As a Node server: an upgrade whose query says polling is answered 101, and closed without a status. */
static void wrong_transport(void **state)
{
    (void)state;
    struct served s = served_start(NULL);
    int fd = served_connect(&s);
    assert_int_equal(served_upgrade(fd, "/socket.io/?EIO=4&transport=polling", &a), 101);
    served_frame_wait(fd, &f, SERVED_WAIT_MS);
    assert_int_equal(f.opcode, 8);
    assert_int_equal(f.len, 0);
    close(fd);
    served_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_large),
        cmocka_unit_test(escapes),
        cmocka_unit_test(wrong_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
