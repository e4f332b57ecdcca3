#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy.h"
#include <cmocka.h>
#include <string.h>

/* Proxy URLs in every form that is taken. */
static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        unsigned port;
        const char *credentials;
    } rows[] = {
        {"http://proxy.example:3128", "proxy.example", 3128, ""},
        {"proxy.example:3128", "proxy.example", 3128, ""},
        {"HTTP://Proxy/", "proxy", 80, ""},
        {"http://[::1]:8080", "::1", 8080, ""},
        {"http://joe:pass@10.0.0.1:1", "10.0.0.1", 1, "joe:pass"},
        {"http://joe@p", "p", 80, "joe:"},
        {"joe:a%40b%3ac@p:2", "p", 2, "joe:a@b:c"},
        {"http://joe:a@b@p:2", "p", 2, "joe:a@b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_proxy proxy = {0};
        struct aivo_error err = {0};
        if (aivo_proxy_parse(rows[i].text, &proxy, &err) != AIVO_OK)
            fail_msg("%s: %s", rows[i].text, err.message);
        assert_true(proxy.used);
        assert_string_equal(proxy.host, rows[i].host);
        assert_int_equal(proxy.port, rows[i].port);
        assert_string_equal(proxy.credentials, rows[i].credentials);
    }
}

/* What is no proxy URL is refused with a reason, and a password is never in it. */
static void test_parse_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"https://p:1", "the proxy's URL: only http:// proxies are supported"},
        {"socks5://p:1", "the proxy's URL: only http:// proxies are supported"},
        {"http://p:1/path", "the proxy's URL: nothing may follow host and port"},
        {"http://p:1?x", "the proxy's URL: nothing may follow host and port"},
        {"http://", "the proxy's URL: the host is missing"},
        {"http://joe:secret@", "the proxy's URL: the host is missing"},
        {"http://p:99999", "the proxy's URL: the port is above 65535"},
        {"http://joe:secret%4@p", "the proxy's URL: a % in user or password is not followed by two hexadecimal digits"},
        {"http://joe:secret%0a@p", "the proxy's URL: user or password has a control byte"},
        {"http://p q:1", "the proxy's URL: the host name has a character that does not belong into one: \"p q\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_proxy proxy = {.port = 9};
        struct aivo_error err = {0};
        assert_int_equal(aivo_proxy_parse(rows[i].text, &proxy, &err), AIVO_E_INVALID);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(proxy.port, 9);
    }
    char text[1200] = "http://";
    memset(text + 7, 'u', 600);
    strcpy(text + 607, "@p");
    assert_int_equal(aivo_proxy_parse(text, &(struct aivo_proxy){0}, NULL), AIVO_E_INVALID);
}

/* no_proxy rules: suffixes at a dot, ports, addresses however written, the star. */
static void test_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *rules, *host;
        unsigned port;
        bool covered;
    } rows[] = {
        {"", "a.example", 80, false},
        {"*", "a.example", 80, true},
        {"example", "a.example", 80, true},
        {"a.example", "a.example", 80, true},
        {"A.Example", "a.example", 80, true},
        {".example", "a.example", 80, true},
        {"*.example", "a.example", 80, true},
        {".a.example", "a.example", 80, true},
        {"a.example.", "a.example", 80, true},
        {"a.example", "a.example.", 80, true},
        {"b.example", "a.example", 80, false},
        {"xample", "a.example", 80, false},
        {"x.a.example", "a.example", 80, false},
        {"other, a.example", "a.example", 80, true},
        {"other a.example", "a.example", 80, true},
        {"other,,b,", "a.example", 80, false},
        {"a.example:80", "a.example", 80, true},
        {"a.example:81", "a.example", 80, false},
        {"a.example:", "a.example", 80, true},
        {"a.example:8x", "a.example", 80, false},
        {"a.example:65616", "a.example", 80, false},
        {"10.0.0.1", "10.0.0.1", 80, true},
        {"10.0.0.1:80", "10.0.0.1", 80, true},
        {"10.0.0.1:81", "10.0.0.1", 80, false},
        {"10.0.0.10", "10.0.0.1", 80, false},
        {"::1", "0:0:0:0:0:0:0:1", 80, true},
        {"[::1]", "::1", 80, true},
        {"[0::1]:80", "::1", 80, true},
        {"[::1]:81", "::1", 80, false},
        {"[::1]x", "::1", 80, false},
        {"[::1", "::1", 80, false},
        {"::2", "::1", 80, false},
        {".", "a.example", 80, false},
        {":80", "a.example", 80, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (aivo_no_proxy_covers(rows[i].rules, rows[i].host, (uint16_t)rows[i].port) != rows[i].covered)
            fail_msg("\"%s\" on %s:%u", rows[i].rules, rows[i].host, rows[i].port);
    assert_false(aivo_no_proxy_covers(NULL, "a", 1));
}

/* Who decides: the option before the environment, "" for none, the scheme's variable, and never for this machine. */
static void test_choose(void **state)
{
    (void)state;
    const struct aivo_proxy_environment env = {
        .https_proxy = "http://secure:1", .http_proxy = "http://plain:2", .no_proxy = "inner.example"};
    static const struct {
        const char *option;
        bool tls;
        const char *host, *wanted; /* NULL: none */
    } rows[] = {
        {NULL, true, "a.example", "secure"},
        {NULL, false, "a.example", "plain"},
        {NULL, true, "x.inner.example", NULL},
        {NULL, true, "localhost", NULL},
        {NULL, true, "x.localhost", NULL},
        {NULL, false, "127.1.2.3", NULL},
        {NULL, false, "::1", NULL},
        {NULL, false, "128.0.0.1", "plain"},
        {"", true, "a.example", NULL},
        {"http://mine:3", true, "x.inner.example", "mine"},
        {"http://mine:3", true, "localhost", "mine"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_proxy proxy = {.used = true};
        assert_int_equal(aivo_proxy_choose(rows[i].option, &env, rows[i].tls, rows[i].host, 443, &proxy, NULL),
                         AIVO_OK);
        if (proxy.used != (rows[i].wanted != NULL))
            fail_msg("row %zu", i);
        if (proxy.used)
            assert_string_equal(proxy.host, rows[i].wanted);
    }
    struct aivo_proxy proxy;
    const struct aivo_proxy_environment none = {NULL, NULL, NULL}, empty = {"", "", ""};
    assert_int_equal(aivo_proxy_choose(NULL, &none, true, "a.example", 1, &proxy, NULL), AIVO_OK);
    assert_false(proxy.used);
    assert_int_equal(aivo_proxy_choose(NULL, &empty, true, "a.example", 1, &proxy, NULL), AIVO_OK);
    assert_false(proxy.used);
    assert_int_equal(aivo_proxy_choose("ftp://p", &none, true, "a.example", 1, &proxy, NULL), AIVO_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refused),
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
