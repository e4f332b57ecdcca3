#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct srv_query parse(const char *text)
{
    struct srv_query q;
    assert_true(srv_query_parse(text, strlen(text), &q));
    return q;
}

/* The queries that the published clients send. */
static void test_what_clients_send(void **state)
{
    (void)state;
    struct srv_query q = parse("EIO=4&transport=polling&t=OqPp0Hx");
    assert_int_equal(q.eio, 4);
    assert_int_equal(q.transport, SRV_QUERY_TRANSPORT_POLLING);
    assert_false(q.has_sid);
    q = parse("EIO=4&transport=websocket&sid=lv_VI97HAXpY6yYWAAAB");
    assert_int_equal(q.transport, SRV_QUERY_TRANSPORT_WEBSOCKET);
    assert_true(q.has_sid);
    assert_string_equal(q.sid, "lv_VI97HAXpY6yYWAAAB");
    assert_true(parse("EIO=4&transport=polling&b64=1").b64);
    assert_int_equal(parse("EIO=3&transport=polling").eio, 3);
}

/* What is missing, empty or odd is told apart, each with its own answer later. */
static void test_odd_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int eio;
        enum srv_query_transport transport;
        bool has_sid;
        const char *sid;
    } cases[] = {
        {"", 0, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"&&&=&=x&", 0, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO&transport&sid", 0, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=&transport=&sid=", 0, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=04", -1, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=0", -1, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=4x", -1, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=99", 99, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"EIO=100", -1, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        {"transport=Polling", 0, SRV_QUERY_TRANSPORT_UNKNOWN, false, ""},
        {"transport=webtransport", 0, SRV_QUERY_TRANSPORT_UNKNOWN, false, ""},
        {"eio=4&Transport=polling", 0, SRV_QUERY_TRANSPORT_MISSING, false, ""},
        /* the first of repeated names */
        {"EIO=4&EIO=3&sid=a&sid=b", 4, SRV_QUERY_TRANSPORT_MISSING, true, "a"},
        /* escapes, in names as well */
        {"E%49O=%34&trans%70ort=poll%69ng&sid=%61+b%2Bc", 4, SRV_QUERY_TRANSPORT_POLLING, true, "a b+c"},
        /* malformed escapes stay */
        {"sid=%", 0, SRV_QUERY_TRANSPORT_MISSING, true, "%"},
        {"sid=%4", 0, SRV_QUERY_TRANSPORT_MISSING, true, "%4"},
        {"sid=%zz", 0, SRV_QUERY_TRANSPORT_MISSING, true, "%zz"},
        {"sid=a=b", 0, SRV_QUERY_TRANSPORT_MISSING, true, "a=b"},
        /* bytes that no id of ours has: unknown, not missing */
        {"sid=a%00b", 0, SRV_QUERY_TRANSPORT_MISSING, true, ""},
        {"sid=a%0d%0ab", 0, SRV_QUERY_TRANSPORT_MISSING, true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct srv_query q = parse(cases[i].text);
        if (q.eio != cases[i].eio || q.transport != cases[i].transport || q.has_sid != cases[i].has_sid ||
            strcmp(q.sid, cases[i].sid) != 0)
            fail_msg("'%s': EIO %d, transport %d, sid '%s'", cases[i].text, q.eio, (int)q.transport, q.sid);
    }
}

/* An id of 63 bytes fits, one of 64 is somebody else's. */
static void test_sid_bound(void **state)
{
    (void)state;
    char text[128];
    snprintf(text, sizeof text, "sid=%063d", 7);
    assert_int_equal(strlen(parse(text).sid), 63);
    snprintf(text, sizeof text, "sid=%064d", 7);
    struct srv_query q = parse(text);
    assert_true(q.has_sid);
    assert_string_equal(q.sid, "");
}

/* Queries at and over the bounds of bytes and pairs. */
static void test_bounds(void **state)
{
    (void)state;
    struct srv_query q;
    char *text = malloc(SRV_QUERY_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', SRV_QUERY_MAX_BYTES + 1);
    assert_true(srv_query_parse(text, SRV_QUERY_MAX_BYTES, &q));
    memcpy(text, "EIO=4&", 6);
    assert_false(srv_query_parse(text, SRV_QUERY_MAX_BYTES + 1, &q));
    assert_int_equal(q.eio, 0);
    for (int i = 0; i <= SRV_QUERY_MAX_PAIRS; i++)
        memcpy(text + (size_t)i * 4, "a=b&", 4);
    assert_true(srv_query_parse(text, SRV_QUERY_MAX_PAIRS * 4, &q));
    memcpy(text, "EIO=4&a=b&", 10);
    assert_false(srv_query_parse(text, SRV_QUERY_MAX_PAIRS * 4 + 4, &q));
    assert_int_equal(q.eio, 0);
    free(text);
}

/* Pieces that are decoded already stay as they are: a percent sign in them is one, a '+' too. */
static void test_decoded_once(void **state)
{
    (void)state;
    static const char *const pairs[] = {"", "EIO=4", "transport=polling", "sid=a%41+", "sid=b", "x"};
    struct srv_query q = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_true(srv_query_add_decoded(&q, pairs[i], strlen(pairs[i])));
    assert_int_equal(q.eio, 4);
    assert_int_equal(q.transport, SRV_QUERY_TRANSPORT_POLLING);
    assert_string_equal(q.sid, "a%41+");
    for (int i = 0; i < SRV_QUERY_MAX_PAIRS - 5; i++)
        assert_true(srv_query_add_decoded(&q, "x", 1));
    assert_false(srv_query_add_decoded(&q, "x", 1));
    assert_int_equal(q.eio, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_clients_send), cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_sid_bound),         cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_decoded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
