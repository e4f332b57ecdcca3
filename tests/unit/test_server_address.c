#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address.h"
#include "prng.h"
#include <string.h>

static struct srv_address parsed(const char *text)
{
    struct srv_address a;
    if (!srv_address_parse(text, strlen(text), &a))
        fail_msg("'%s' was refused", text);
    return a;
}

/* What proxies write is read, and written in one form; what is no address is none. */
static void test_parse(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"192.0.2.1", "192.0.2.1"},        {" 192.0.2.1 ", "192.0.2.1"},
                                          {"192.0.2.1:65535", "192.0.2.1"},  {"2001:DB8::1", "2001:db8::1"},
                                          {"[2001:db8::1]", "2001:db8::1"},  {"[2001:db8::1]:443", "2001:db8::1"},
                                          {"::ffff:192.0.2.1", "192.0.2.1"}, {"::1", "::1"}};
    static const char *const bad[] = {
        "",        "unknown",       "192.0.2",     "192.0.2.1:",        "192.0.2.1:http",
        "[::1",    "[192.0.2.1]",   "::1]:1",      "2001:db8::g",       "192.0.2.1, 1.1.1.1",
        "_hidden", "256.256.256.1", "[::1]junk:1", "127.0.0.1:8080:90", "-"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[SRV_ADDRESS_TEXT];
        struct srv_address a = parsed(good[i][0]);
        srv_address_format(&a, text);
        assert_string_equal(text, good[i][1]);
    }
    struct srv_address a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (srv_address_parse(bad[i], strlen(bad[i]), &a))
            fail_msg("'%s' was taken", bad[i]);
    assert_false(srv_address_parse("1.1.1.1\0x", 9, &a));
}

/* An IPv4 address counts for itself, an IPv6 address with all of its /64. */
static void test_key(void **state)
{
    (void)state;
    struct srv_address a = parsed("192.0.2.1"), b = parsed("192.0.2.2"), c = parsed("2001:db8:1:2::1"),
                       d = parsed("2001:db8:1:2:ffff::"), e = parsed("2001:db8:1:3::1"), one = parsed("::1");
    assert_true(srv_address_key(&a) != srv_address_key(&b));
    assert_true(srv_address_key(&c) == srv_address_key(&d));
    assert_true(srv_address_key(&c) != srv_address_key(&e));
    assert_true(srv_address_key(&one) != 0);
}

/* Networks of both kinds; an IPv4 network holds no IPv6 address, and bad ones are named. */
static void test_nets(void **state)
{
    (void)state;
    struct srv_nets nets;
    char error[160] = "";
    assert_true(srv_nets_parse(&nets, " 10.0.0.0/8 ,192.0.2.128/25, 2001:db8::/33,::1, ", error, sizeof error));
    assert_int_equal(nets.count, 4);
    static const char *const in[] = {"10.255.255.255", "192.0.2.128", "192.0.2.255", "2001:db8:7fff::1", "::1"},
                             *const out[] = {"11.0.0.0",         "9.255.255.255", "192.0.2.127",
                                             "2001:db8:8000::1", "::2",           "::"};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        struct srv_address a = parsed(in[i]);
        assert_true(srv_nets_contain(&nets, &a));
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        struct srv_address a = parsed(out[i]);
        assert_false(srv_nets_contain(&nets, &a));
    }
    assert_true(srv_nets_parse(&nets, "0.0.0.0/0", error, sizeof error));
    struct srv_address six = parsed("2001:db8::1"), four = parsed("8.8.8.8");
    assert_true(srv_nets_contain(&nets, &four));
    assert_false(srv_nets_contain(&nets, &six));
    static const char *const bad[] = {"10.0.0.0/33", "::/129", "10.0.0.0/", "proxy", "10.0.0.0/8x", "1.1.1.1/-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(srv_nets_parse(&nets, bad[i], error, sizeof error));
        assert_non_null(strstr(error, bad[i]));
    }
    assert_true(srv_nets_parse(&nets, NULL, error, sizeof error));
    assert_int_equal(nets.count, 0);
}

static void client_is(const struct srv_nets *nets, const char *from, const char *forwarded, const char *expected)
{
    struct srv_address peer = parsed(from), client;
    char text[SRV_ADDRESS_TEXT];
    srv_address_client(nets, &peer, forwarded, forwarded ? strlen(forwarded) : 0, &client);
    srv_address_format(&client, text);
    assert_string_equal(text, expected);
}

/* Only what our own proxies wrote counts: the last entry that is none of them; never what a client put in front. */
static void test_client(void **state)
{
    (void)state;
    struct srv_nets nets;
    char error[160];
    assert_true(srv_nets_parse(&nets, "10.0.0.0/8", error, sizeof error));
    client_is(&nets, "10.0.0.1", NULL, "10.0.0.1");
    client_is(&nets, "10.0.0.1", "", "10.0.0.1");
    client_is(&nets, "10.0.0.1", "203.0.113.7", "203.0.113.7");
    client_is(&nets, "10.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7");
    client_is(&nets, "10.0.0.1", "203.0.113.7,10.0.0.2", "203.0.113.7");
    client_is(&nets, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"); /* all are ours: the farthest */
    client_is(&nets, "10.0.0.1", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.2");
    client_is(&nets, "10.0.0.1", "garbage", "10.0.0.1");
    client_is(&nets, "203.0.113.9", "1.1.1.1", "203.0.113.9"); /* no proxy of ours */
    char many[2048] = "1.1.1.1";
    for (int i = 0; i < 100; i++)
        strcat(many, ",10.0.0.2");
    client_is(&nets, "10.0.0.1", many, "10.0.0.2"); /* more than anybody has is not followed */
    struct prng prng = {99};
    for (int i = 0; i < 20000; i++) {
        static const char letters[] = "0123456789.:,[] af\t\xff";
        char noise[64];
        size_t len = prng_below(&prng, sizeof noise);
        for (size_t j = 0; j < len; j++)
            noise[j] = letters[prng_below(&prng, sizeof letters - 1)];
        struct srv_address peer = parsed("10.0.0.1"), client;
        srv_address_client(&nets, &peer, noise, len, &client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_nets),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
