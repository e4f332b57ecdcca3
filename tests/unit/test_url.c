#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "errtext.h"
#include "ipaddr.h"
#include "url.h"
#include <cmocka.h>
#include <string.h>

static struct aivo_url good(const char *text)
{
    struct aivo_url url;
    struct aivo_error err = {0};
    if (aivo_url_parse(text, &url, &err) != AIVO_OK)
        fail_msg("%s: %s", text, err.message);
    return url;
}

/* Every scheme, the default port, a path and a query are taken apart as written. */
static void test_parts(void **state)
{
    (void)state;
    struct aivo_url u = good("http://Example.COM");
    assert_false(u.tls);
    assert_string_equal(u.host, "example.com");
    assert_int_equal(u.port, 4003);
    assert_string_equal(u.path, "/");
    assert_string_equal(u.query, "");
    u = good("WSS://a-b_c.example:443/x/y?EIO=4&t=?&u=%20");
    assert_true(u.tls);
    assert_int_equal(u.port, 443);
    assert_string_equal(u.path, "/x/y");
    assert_string_equal(u.query, "EIO=4&t=?&u=%20");
    u = good("ws://10.0.0.1:65535?q");
    assert_false(u.tls);
    assert_string_equal(u.host, "10.0.0.1");
    assert_string_equal(u.path, "/");
    assert_string_equal(u.query, "q");
    u = good("https://[2001:DB8::1]:80/");
    assert_true(u.tls && u.ipv6);
    assert_string_equal(u.host, "2001:db8::1");
    assert_int_equal(u.port, 80);
    assert_int_equal(good("ws://[::1]").port, 4003);
    assert_string_equal(good("ws://host.").host, "host.");
    assert_string_equal(good("ws://h/a@b:c").path, "/a@b:c");
}

/* Each kind of bad URL is refused with its own sentence, and the output stays as it was. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "the URL is empty"},
        {"localhost:4003", "the URL does not begin with http://, https://, ws:// or wss://"},
        {"/x?y=http://z", "the URL does not begin with http://, https://, ws:// or wss://"},
        {"ftp://h", "the scheme \"ftp\" is none of http, https, ws, wss"},
        {"://h", "the scheme \"\" is none of http, https, ws, wss"},
        {"http://", "the host is missing"},
        {"http://:80", "the host is missing"},
        {"http:///x", "the host is missing"},
        {"http://h:", "the port is missing after ':'"},
        {"http://h:0", "the port must not be 0"},
        {"http://h:65536", "the port is above 65535"},
        {"http://h:99999999999999999999", "the port is above 65535"},
        {"http://h:8o", "the port is not a number"},
        {"http://h:-1", "the port is not a number"},
        {"http://h:+1", "the port is not a number"},
        {"http://::1", "an IPv6 address must stand in brackets: [::1]"},
        {"http://[::1", "the ']' after the IPv6 address is missing"},
        {"http://[::1]x", "after ']' only a port may follow"},
        {"http://[1.2.3.4]", "what stands in brackets is not an IPv6 address: \"1.2.3.4\""},
        {"http://[fe80::1%25eth0]", "what stands in brackets is not an IPv6 address: \"fe80::1%25eth0\""},
        {"http://1.2.3.400", "the host is not an IPv4 address: \"1.2.3.400\""},
        {"http://12", "the host is not an IPv4 address: \"12\""},
        {"http://a..b", "the host name has an empty part: \"a..b\""},
        {"http://.a", "the host name has an empty part: \".a\""},
        {"http://a%62", "the host name has a character that does not belong into one: \"a%62\""},
        {"http://h /", "the URL has a space at byte 9; write it as %20"},
        {"http://h\n", "the URL has a control byte at byte 9"},
        {"http://h/\x7f", "the URL has a control byte at byte 10"},
        {"http://\xc3\xa4",
         "the URL has a byte beyond ASCII at byte 8; write a host name in its xn-- form, a path with %XX"},
        {"http://h\\x", "the URL has a character that does not belong into one at byte 9"},
        {"http://h/#x", "the URL has a fragment ('#'), which a WebSocket URL must not have; write '#' as %23"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aivo_url url = {.port = 7};
        struct aivo_error err = {0};
        assert_int_equal(aivo_url_parse(rows[i].text, &url, &err), AIVO_E_INVALID);
        assert_int_equal(err.status, AIVO_E_INVALID);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(url.port, 7);
    }
    assert_int_equal(aivo_url_parse(NULL, &(struct aivo_url){0}, NULL), AIVO_E_INVALID);
}

/* A password in the URL is refused and not repeated in the message. */
static void test_secret(void **state)
{
    (void)state;
    struct aivo_error err = {0};
    struct aivo_url url;
    assert_int_equal(aivo_url_parse("https://joe:secret@h/", &url, &err), AIVO_E_INVALID);
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.message, "joe"));
    assert_non_null(strstr(err.message, "'@'"));
}

/* The longest host, label and URL are taken; one byte more is not. */
static void test_bounds(void **state)
{
    (void)state;
    char text[4096] = "http://";
    struct aivo_url url;
    memset(text + 7, 'a', 63);
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_OK);
    text[70] = 'a';
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_E_INVALID);
    memset(text, 0, sizeof text);
    memcpy(text, "http://h/", 9);
    memset(text + 9, 'p', AIVO_URL_MAX - 9);
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_OK);
    assert_int_equal(strlen(url.path), AIVO_URL_MAX - 8);
    text[AIVO_URL_MAX] = 'p';
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_E_INVALID);
    memset(text, 0, sizeof text);
    memcpy(text, "http://", 7);
    for (int i = 0; i < 254; i++)
        text[7 + i] = i % 2 ? '.' : 'x';
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_OK);
    text[7 + 254] = 'x';
    assert_int_equal(aivo_url_parse(text, &url, NULL), AIVO_E_INVALID);
}

/* Numeric addresses: what is one, what is not, and the bytes that come out. */
static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
        uint8_t bytes[16];
    } rows[] = {
        {"1.2.3.4", 4, {1, 2, 3, 4}},
        {"255.255.255.255", 4, {255, 255, 255, 255}},
        {"0.0.0.0", 4, {0}},
        {"::", 6, {0}},
        {"::1", 6, {[15] = 1}},
        {"1::", 6, {[1] = 1}},
        {"1:2:3:4:5:6:7:8", 6, {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
        {"1:2:3:4:5:6:7::", 6, {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7}},
        {"fe80::aB:1", 6, {[0] = 0xfe, [1] = 0x80, [13] = 0xab, [15] = 1}},
        {"::ffff:1.2.3.4", 6, {[10] = 0xff, [11] = 0xff, [12] = 1, [13] = 2, [14] = 3, [15] = 4}},
        {"1:2:3:4:5:6:1.2.3.4", 6, {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 1, 2, 3, 4}},
        {"", 0, {0}},
        {"1.2.3", 0, {0}},
        {"1.2.3.4.5", 0, {0}},
        {"01.2.3.4", 0, {0}},
        {"256.2.3.4", 0, {0}},
        {"1..3.4", 0, {0}},
        {":", 0, {0}},
        {":::", 0, {0}},
        {"1::2::3", 0, {0}},
        {"1:2:3:4:5:6:7", 0, {0}},
        {"1:2:3:4:5:6:7:8:9", 0, {0}},
        {"1:2:3:4:5:6:7:8::", 0, {0}},
        {"::1:2:3:4:5:6:7:8", 0, {0}},
        {"12345::", 0, {0}},
        {"1:", 0, {0}},
        {"::1:", 0, {0}},
        {"::1.2.3", 0, {0}},
        {"1:2:3:4:5:6:7:1.2.3.4", 0, {0}},
        {"g::", 0, {0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[16] = {0};
        int family = aivo_ipaddr_parse(rows[i].text, strlen(rows[i].text), out);
        if (family != rows[i].family || memcmp(out, rows[i].bytes, 16) != 0)
            fail_msg("%s: family %d", rows[i].text, family);
    }
}

/* A message that does not fit is cut at a character's edge, and control bytes do not get through. */
static void test_error_text(void **state)
{
    (void)state;
    struct aivo_error err;
    char long_text[400];
    for (size_t i = 0; i < 398; i += 2)
        memcpy(long_text + i, "\xc3\xa4", 2);
    long_text[398] = 0;
    aivo_error_join(&err, AIVO_E_TLS, 9, "a\nb\x1b", long_text, (char *)NULL);
    assert_int_equal(err.code, 9);
    assert_memory_equal(err.message, "a?b?", 4);
    assert_int_equal(strlen(err.message), 238); /* 4 + 117 characters of 2 bytes; 239 would cut one in half */
    char number[24];
    assert_string_equal(aivo_decimal(number, INT64_MIN), "-9223372036854775808");
    assert_string_equal(aivo_decimal(number, 0), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_refused),   cmocka_unit_test(test_secret),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_addresses), cmocka_unit_test(test_error_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
