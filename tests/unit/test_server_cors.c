#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct srv_cors *make(const char *list)
{
    struct srv_cors *cors = NULL;
    char error[300] = "";
    if (!srv_cors_new(list, &cors, error, sizeof error))
        fail_msg("%s: %s", list, error);
    return cors;
}

static enum srv_cors_verdict check(const struct srv_cors *cors, const char *origin)
{
    return srv_cors_check(cors, origin, strlen(origin));
}

/* A list of origins: its own pass, in any case and with the default port written or not; all others are refused. */
static void test_list(void **state)
{
    (void)state;
    struct srv_cors *cors = make(" http://localhost:3000, https://App.Example.com:443,http://[::1]:80 ");
    static const char *const allowed[] = {"http://localhost:3000", "HTTP://LOCALHOST:3000", "https://app.example.com",
                                          "https://app.example.com:443", "http://[::1]"};
    static const char *const refused[] = {"https://localhost:3000",
                                          "http://localhost:3001",
                                          "http://localhost",
                                          "http://localhost:30000",
                                          "http://app.example.com",
                                          "https://app.example.com.evil.org",
                                          "https://evil.org/https://app.example.com",
                                          "https://app.example.com/",
                                          "https://user@app.example.com",
                                          "https://xapp.example.com",
                                          "null",
                                          "*",
                                          "localhost:3000",
                                          "http://"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (check(cors, allowed[i]) != SRV_CORS_ALLOWED)
            fail_msg("%s was refused", allowed[i]);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (check(cors, refused[i]) != SRV_CORS_REFUSED)
            fail_msg("%s was allowed", refused[i]);
    assert_int_equal(srv_cors_check(cors, "http://localhost:3000\0.evil.org", 31), SRV_CORS_REFUSED);
    assert_int_equal(srv_cors_check(cors, NULL, 0), SRV_CORS_NONE);
    assert_int_equal(srv_cors_check(cors, "", 0), SRV_CORS_NONE);
    srv_cors_destroy(cors);
    srv_cors_destroy(NULL);
}

/* "*" lets any page in. */
static void test_any(void **state)
{
    (void)state;
    struct srv_cors *cors = make("*");
    assert_int_equal(check(cors, "https://anything.example"), SRV_CORS_ALLOWED);
    assert_int_equal(check(cors, "null"), SRV_CORS_ALLOWED);
    assert_int_equal(srv_cors_check(cors, NULL, 0), SRV_CORS_NONE);
    srv_cors_destroy(cors);
}

/* Lists that cannot be meant, each with its reason. */
static void test_bad_lists(void **state)
{
    (void)state;
    char long_list[SRV_CORS_MAX_ORIGIN + 32], many[70 * 12] = "";
    memset(long_list, 'a', sizeof long_list);
    memcpy(long_list, "http://", 7);
    long_list[sizeof long_list - 1] = '\0';
    for (int i = 0; i < 65; i++)
        strcat(many, "http://a,");
    const char *const lists[] = {"",        " , ", "localhost:3000", "http://a/path", "http://a,b", "http://", "://a",
                                 long_list, many};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct srv_cors *cors = NULL;
        char error[300] = "";
        if (srv_cors_new(lists[i], &cors, error, sizeof error))
            fail_msg("'%s' was taken", lists[i]);
        assert_null(cors);
        assert_true(strlen(error) > 5);
        assert_null(strchr(error, '\n'));
    }
}

static const struct srv_header *find(const struct srv_header *h, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(h[i].name, name) == 0)
            return &h[i];
    return NULL;
}

static void assert_header(const struct srv_header *h, size_t n, const char *name, const char *value)
{
    const struct srv_header *found = find(h, n, name);
    if (found == NULL)
        fail_msg("no %s", name);
    assert_true(found->value_len == strlen(value));
    assert_memory_equal(found->value, value, found->value_len);
}

/* A simple request and a preflight of an allowed page, and of one that is not. */
static void test_headers_of_list(void **state)
{
    (void)state;
    struct srv_header h[SRV_CORS_MAX_HEADERS];
    struct srv_cors *cors = make("http://localhost:3000");
    const char *origin = "http://localhost:3000";
    size_t n = srv_cors_headers(cors, origin, strlen(origin), false, NULL, 0, h);
    assert_int_equal(n, 3);
    assert_header(h, n, "vary:", "Origin");
    assert_header(h, n, "access-control-allow-origin:", origin);
    assert_header(h, n, "access-control-allow-credentials:", "true");
    n = srv_cors_headers(cors, origin, strlen(origin), true, "X-One, content-type", 19, h);
    assert_int_equal(n, 6);
    assert_header(h, n, "access-control-allow-methods:", "GET, POST, OPTIONS");
    assert_header(h, n, "access-control-allow-headers:", "X-One, content-type");
    assert_header(h, n, "access-control-max-age:", "600");
    n = srv_cors_headers(cors, "http://evil", 11, true, NULL, 0, h);
    assert_int_equal(n, 1);
    assert_header(h, n, "vary:", "Origin");
    assert_int_equal(srv_cors_headers(cors, NULL, 0, false, NULL, 0, h), 1);
    srv_cors_destroy(cors);
}

/* With "*" the header is "*", and no credentials go with it, as browsers demand. */
static void test_headers_of_any(void **state)
{
    (void)state;
    struct srv_header h[SRV_CORS_MAX_HEADERS];
    struct srv_cors *cors = make("*");
    size_t n = srv_cors_headers(cors, "http://a", 8, false, NULL, 0, h);
    assert_int_equal(n, 1);
    assert_header(h, n, "access-control-allow-origin:", "*");
    n = srv_cors_headers(cors, "http://a", 8, true, NULL, 0, h);
    assert_null(find(h, n, "access-control-allow-credentials:"));
    assert_header(h, n, "access-control-allow-headers:", "content-type, authorization");
    srv_cors_destroy(cors);
}

/* A peer's list of header names that carries more than names is not echoed. */
static void test_requested_headers_are_not_trusted(void **state)
{
    (void)state;
    struct srv_header h[SRV_CORS_MAX_HEADERS];
    struct srv_cors *cors = make("*");
    static const char *const bad[] = {"a\r\nset-cookie: x=1", "a;b", "\xff", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = srv_cors_headers(cors, "http://a", 8, true, bad[i], strlen(bad[i]), h);
        assert_header(h, n, "access-control-allow-headers:", "content-type, authorization");
    }
    srv_cors_destroy(cors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),           cmocka_unit_test(test_any),
        cmocka_unit_test(test_bad_lists),      cmocka_unit_test(test_headers_of_list),
        cmocka_unit_test(test_headers_of_any), cmocka_unit_test(test_requested_headers_are_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
