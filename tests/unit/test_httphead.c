#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "httphead.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* The upgrade request as it goes over the wire: plain, and with everything. */
static void test_request(void **state)
{
    (void)state;
    struct aivo_buf out = {0};
    struct aivo_upgrade_request request = {.host = "h", .port = 4003, .path = "/p?q=1", .key = "KEY"};
    aivo_upgrade_write(&out, &request);
    assert_string_equal(out.data, "GET /p?q=1 HTTP/1.1\r\nHost: h:4003\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\nUser-Agent: libaivo\r\n\r\n");
    aivo_buf_clear(&out);
    request.host = "::1";
    request.subprotocol = "chat";
    request.headers = "Origin: http://o\nuser-agent: mine\r\n\nX-A:  b \n";
    aivo_upgrade_write(&out, &request);
    assert_string_equal(out.data, "GET /p?q=1 HTTP/1.1\r\nHost: [::1]:4003\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n"
                                  "Sec-WebSocket-Protocol: chat\r\nOrigin: http://o\r\nuser-agent: mine\r\n"
                                  "X-A:  b \r\n\r\n");
    aivo_buf_free(&out);
}

/* The scheme's own port is left out of Host, the other scheme's is not; the caller's Host replaces ours. */
static void test_host(void **state)
{
    (void)state;
    static const struct {
        bool tls;
        unsigned port;
        const char *host, *headers, *wanted;
    } rows[] = {
        {false, 80, "h", NULL, "\r\nHost: h\r\n"},       {true, 443, "h", NULL, "\r\nHost: h\r\n"},
        {true, 80, "h", NULL, "\r\nHost: h:80\r\n"},     {false, 443, "::1", NULL, "\r\nHost: [::1]:443\r\n"},
        {true, 443, "::1", NULL, "\r\nHost: [::1]\r\n"}, {true, 443, "h", "host: other", "\r\nhost: other\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_buf out = {0};
        aivo_upgrade_write(&out, &(struct aivo_upgrade_request){.host = rows[i].host,
                                                                .port = (uint16_t)rows[i].port,
                                                                .tls = rows[i].tls,
                                                                .path = "/",
                                                                .key = "k",
                                                                .headers = rows[i].headers});
        assert_non_null(strstr(out.data, rows[i].wanted));
        if (rows[i].headers)
            assert_null(strstr(out.data, "\r\nHost: "));
        aivo_buf_free(&out);
    }
}

/* A CONNECT, without and with credentials. */
static void test_connect(void **state)
{
    (void)state;
    struct aivo_buf out = {0};
    aivo_connect_write(&out, "::1", 443, NULL);
    assert_string_equal(out.data, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: libaivo\r\n\r\n");
    aivo_buf_clear(&out);
    aivo_connect_write(&out, "h", 4003, "am9lOnA=");
    assert_non_null(strstr(out.data, "\r\nProxy-Authorization: Basic am9lOnA=\r\n"));
    aivo_buf_free(&out);
}

/* What must not get into a request: it would end a line, or is the handshake's own. */
static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *path, *subprotocol, *headers, *message;
    } rows[] = {
        {"x", NULL, NULL, "the path does not begin with '/'"},
        {"", NULL, NULL, "the path does not begin with '/'"},
        {"/a b", NULL, NULL, "the path has a space, a control byte or a byte beyond ASCII"},
        {"/a\r\nX: y", NULL, NULL, "the path has a space, a control byte or a byte beyond ASCII"},
        {"/", "a b", NULL, "the subprotocol is not a token"},
        {"/", "a\r", NULL, "the subprotocol is not a token"},
        {"/", "", NULL, "the subprotocol is empty"},
        {"/", NULL, "no colon", "a request header is not of the form \"Name: value\""},
        {"/", NULL, ": v", "a request header is not of the form \"Name: value\""},
        {"/", NULL, "A B: v", "a request header is not of the form \"Name: value\""},
        {"/", NULL, "A: v\rB: w", "a request header's value has a control byte"},
        {"/", NULL, "A: v\nconnection: close", "the request header \"connection\" is not the caller's to set"},
        {"/", NULL, "Sec-WebSocket-Key: x", "the request header \"sec-websocket-key\" is not the caller's to set"},
        {"/", NULL, "Content-Length: 5", "the request header \"content-length\" is not the caller's to set"},
    };
    struct aivo_error err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(aivo_upgrade_check(rows[i].path, rows[i].subprotocol, rows[i].headers, &err), AIVO_E_INVALID);
        assert_string_equal(err.message, rows[i].message);
    }
    assert_int_equal(aivo_upgrade_check("/", "v1.chat", "Host: x\nCookie: a=b; c=\"d\"\n", &err), AIVO_OK);
}

/* Parses a copy of exactly these bytes, so that the sanitizer sees a read beyond them. */
static enum aivo_http_found parse(const char *text, size_t len, struct aivo_http_head *head, char **copy)
{
    *copy = malloc(len ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, text, len);
    return aivo_http_parse(*copy, len, head);
}

/* A head is found when, and only when, its empty line has come; fields are found in any case, trimmed. */
static void test_parse(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK then\r\nA: 1\r\nlist: x, y ,UpGrade\r\nA: 2\r\nList: z\r\n\r\nrest";
    struct aivo_http_head head;
    char *copy;
    size_t len = sizeof text - 1, value_len;
    for (size_t i = 0; i < len - 4; i++) {
        assert_int_equal(parse(text, i, &head, &copy), AIVO_HTTP_MORE);
        free(copy);
    }
    assert_int_equal(parse(text, len, &head, &copy), AIVO_HTTP_HEAD);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.reason_len, 7);
    assert_int_equal(head.total, len - 4);
    const char *value = aivo_http_field(&head, "a", &value_len);
    assert_true(value && value_len == 1 && *value == '1');
    assert_null(aivo_http_field(&head, "b", &value_len));
    assert_true(aivo_http_has_token(&head, "List", "upgrade"));
    assert_true(aivo_http_has_token(&head, "List", "z"));
    assert_false(aivo_http_has_token(&head, "List", "upgr"));
    assert_false(aivo_http_has_token(&head, "A", "3"));
    free(copy);
    assert_int_equal(aivo_http_parse("HTTP/1.0 503\n\n", 14, &head), AIVO_HTTP_HEAD); /* bare newlines are taken */
    assert_int_equal(head.status, 503);
    assert_int_equal(head.fields_len, 0);
}

/* What is no HTTP/1 answer is seen at its first wrong byte; a head without end is given up at the bound. */
static void test_parse_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"x",
                                       "HTTP/2",
                                       "HTTP/1.1 20\r\n",
                                       "HTTP/1.1 2000 X\r\n",
                                       "HTTP/1.1 099 X\r\n",
                                       "HTTP/1.1 600 X\r\n",
                                       "HTTP/1.2 200 X\r\n",
                                       "HTTP/1.1-200 X\r\n",
                                       "\x15\x03\x01"};
    struct aivo_http_head head;
    char *copy;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parse(rows[i], strlen(rows[i]), &head, &copy), AIVO_HTTP_INVALID);
        free(copy);
    }
    char *endless = malloc(AIVO_HTTP_HEAD_MAX);
    assert_non_null(endless);
    memset(endless, 'a', AIVO_HTTP_HEAD_MAX);
    memcpy(endless, "HTTP/1.1 200 X\r\nA: ", 19);
    assert_int_equal(aivo_http_parse(endless, AIVO_HTTP_HEAD_MAX - 1, &head), AIVO_HTTP_MORE);
    assert_int_equal(aivo_http_parse(endless, AIVO_HTTP_HEAD_MAX, &head), AIVO_HTTP_INVALID);
    free(endless);
}

#define GOOD "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
#define ACC  "Sec-WebSocket-Accept: ACC\r\n"

/* The answer to an upgrade: taken, refused with the status and a hint, or wrong in a way that is named. */
static void test_judge(void **state)
{
    (void)state;
    static const struct {
        const char *text, *subprotocol;
        enum aivo_status status;
        int code;
        const char *message;
    } rows[] = {
        {GOOD ACC "\r\n", NULL, AIVO_OK, 0, ""},
        {GOOD ACC "\r\n", "chat", AIVO_OK, 0, ""},
        {GOOD ACC "Sec-WebSocket-Protocol: chat\r\n\r\n", "chat", AIVO_OK, 0, ""},
        {GOOD ACC "Sec-WebSocket-Protocol: chat\r\n\r\n", NULL, AIVO_E_PROTOCOL, 0, "a subprotocol that was not asked"},
        {GOOD ACC "Sec-WebSocket-Protocol: chat2\r\n\r\n", "chat", AIVO_E_PROTOCOL, 0, "a subprotocol that was not"},
        {GOOD ACC "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", NULL, AIVO_E_PROTOCOL, 0, "an extension"},
        {GOOD "\r\n", NULL, AIVO_E_PROTOCOL, 0, "Sec-WebSocket-Accept"},
        {GOOD "Sec-WebSocket-Accept: ACD\r\n\r\n", NULL, AIVO_E_PROTOCOL, 0, "Sec-WebSocket-Accept"},
        {GOOD "Sec-WebSocket-Accept: ACCC\r\n\r\n", NULL, AIVO_E_PROTOCOL, 0, "Sec-WebSocket-Accept"},
        {"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n" ACC "\r\n", NULL, AIVO_E_PROTOCOL, 0, "\"websocket\""},
        {"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACC "\r\n", NULL, AIVO_E_PROTOCOL, 0,
         "\"websocket\""},
        {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n" ACC "\r\n", NULL, AIVO_E_PROTOCOL, 0,
         "Connection"},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", NULL, AIVO_E_HTTP, 403,
         "the server answered 403 Forbidden to the WebSocket upgrade; it refuses these credentials"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", NULL, AIVO_E_HTTP, 404, "check the URL's path"},
        {"HTTP/1.1 502 Bad Gateway\r\n\r\n", NULL, AIVO_E_HTTP, 502, "502 Bad Gateway"},
        {"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n", NULL, AIVO_E_HTTP, 301, "pointing to https://x/"},
        {"HTTP/1.1 302 Found\r\nLocation: https://x/login?token=abc\r\n\r\n", NULL, AIVO_E_HTTP, 302,
         "https://x/login; use"},
        {"HTTP/1.1 200 OK\r\n\r\n", NULL, AIVO_E_HTTP, 200, "no WebSocket server at this path"},
        {"HTTP/1.1 418\r\n\r\n", NULL, AIVO_E_HTTP, 418, "the server answered 418 to the WebSocket upgrade"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_http_head head;
        struct aivo_error err = {0};
        assert_int_equal(aivo_http_parse(rows[i].text, strlen(rows[i].text), &head), AIVO_HTTP_HEAD);
        enum aivo_status status = aivo_upgrade_judge(&head, "ACC", rows[i].subprotocol, &err);
        if (status != rows[i].status || err.code != rows[i].code || !strstr(err.message, rows[i].message))
            fail_msg("row %zu: %d %d %s", i, status, err.code, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request), cmocka_unit_test(test_host),  cmocka_unit_test(test_connect),
        cmocka_unit_test(test_check),   cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
