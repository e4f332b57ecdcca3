/* Conversations with the session in simulated time: each line of a test is a step and what the client was told to do.
 */
#include "session_talk.h"

/* The usual road: start, transport, handshake, CONNECT, an event, an ack, a heartbeat, stop. */
static void test_usual(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.auth = " {\"token\":\"t\"} ";
    rig_create(&r);
    assert_int_equal(aivo_session_deadline(r.s), AIVO_NEVER);
    rig_start(&r);
    expect(&r, "D>C open");
    rig_start(&r);
    expect(&r, "");
    rig_opened(&r);
    expect(&r, "");
    rig_text(&r, HANDSHAKE);
    expect(&r, "send:40{\"token\":\"t\"}");
    assert_int_equal(aivo_session_max_payload(r.s), 1000000);
    rig_text(&r, CONNECTED);
    expect(&r, "C>U");
    assert_string_equal(aivo_session_sid(r.s), "s1");
    assert_int_equal(aivo_session_connects(r.s), 1);
    rig_text(&r, "42[\"hello\",{\"a\":1}]");
    expect(&r, "ev:[\"hello\",{\"a\":1}]");
    rig_text(&r, "427[\"answer me\"]");
    expect(&r, "ev:[\"answer me\"]");
    rig_text(&r, "4312[true]");
    expect(&r, "ack:12:[true]");
    rig_text(&r, "2");
    expect(&r, "send:3");
    rig_text(&r, "6");
    expect(&r, "");
    rig_stop(&r);
    expect(&r, "U>L send:41 close");
    assert_string_equal(aivo_session_sid(r.s), "");
    rig_stop(&r);
    rig_text(&r, "42[\"too late\"]");
    expect(&r, "");
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "L>D");
    rig_free(&r);
    aivo_session_destroy(NULL);
}

/* A namespace is sent with its query, answered without, and named in every packet. Others' packets are ignored. */
static void test_namespace(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.nsp = "/chat?room=1";
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    expect(&r, "D>C open");
    rig_text(&r, HANDSHAKE);
    expect(&r, "send:40/chat?room=1,");
    rig_text(&r, "40{\"sid\":\"s1\"}");
    expect(&r, "note:protocol");
    rig_text(&r, "40/chat,{\"sid\":\"s1\"}");
    expect(&r, "C>U");
    rig_text(&r, "42/chat,[\"x\"]");
    expect(&r, "ev:[\"x\"]");
    rig_text(&r, "42/chat2,[\"x\"]");
    expect(&r, "note:protocol");
    rig_text(&r, "42[\"x\"]");
    expect(&r, "note:protocol");
    rig_stop(&r);
    expect(&r, "U>L send:41/chat?room=1, close");
    rig_free(&r);
}

/* Binary: a packet is whole with its last frame; an event, then an ack, with attachments. */
static void test_binary(void **state)
{
    (void)state;
    struct rig r;
    setup_up(&r);
    rig_text(&r, "452-[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    rig_frame(&r, "one", 3, true);
    rig_text(&r, "2");
    expect(&r, "send:3");
    rig_frame(&r, "", 0, true);
    expect(&r, "ev:[\"b\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]+one+");
    rig_text(&r, "461-5[{\"_placeholder\":true,\"num\":0}]");
    rig_frame(&r, "two", 3, true);
    expect(&r, "ack:5:[{\"_placeholder\":true,\"num\":0}]+two");
    /* The last frame of a connection that breaks is not the first of the next one. */
    rig_text(&r, "451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    rig_closed(&r, AIVO_E_CLOSED);
    rig_due(&r);
    get_up(&r);
    rig_frame(&r, "one", 3, true);
    expect(&r, "note:protocol abort U>R:protocol");
    rig_free(&r);
}

/* Every way an attempt can end leads to a wait and another attempt, from connecting and from reconnecting. */
static void test_attempt_fails(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    rig_start(&r);
    expect(&r, "D>C open");
    rig_closed(&r, AIVO_E_CONNECT);
    expect(&r, "C>R:connect");
    rig_due(&r);
    expect(&r, "open");
    rig_due(&r); /* connect time-out */
    expect(&r, "abort note:timeout");
    rig_due(&r);
    rig_opened(&r);
    expect(&r, "open");
    rig_due(&r); /* no handshake */
    expect(&r, "abort note:timeout");
    rig_due(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    expect(&r, "open send:40");
    rig_due(&r); /* no CONNECT */
    expect(&r, "abort note:timeout");
    rig_due(&r);
    rig_opened(&r);
    rig_text(&r, "1"); /* Engine.IO close */
    expect(&r, "open abort note:closed");
    rig_due(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, "41");
    expect(&r, "open send:40 abort note:closed");
    rig_due(&r);
    rig_dead(&r, AIVO_E_HEARTBEAT);
    expect(&r, "open abort note:heartbeat");
    rig_due(&r);
    get_up(&r);
    rig_free(&r);
}

/* The handshake's time is for the Engine.IO open packet and CONNECT together: a slow first half leaves less. */
static void test_handshake_timeout_is_one(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    rig_pass(&r, 7999000);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, "2");
    expect(&r, "D>C open send:40 send:3");
    rig_pass(&r, 999);
    rig_tick(&r);
    expect(&r, "");
    rig_pass(&r, 1);
    rig_tick(&r);
    expect(&r, "abort C>R:timeout");
    rig_free(&r);
}

/* The transport keeps the connect time-out itself and knows better what was slow: the session gives up a second later.
 */
static void test_connect_timeout(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    rig_start(&r);
    rig_pass(&r, 10999999);
    rig_tick(&r);
    expect(&r, "D>C open");
    rig_pass(&r, 1);
    rig_tick(&r);
    expect(&r, "abort C>R:timeout");
    rig_free(&r);
}

/* Every way a connection can be lost. The server's own goodbye ('41', or Engine.IO's close) counts as a loss too: a
 * draining server says it, and wants its clients back, elsewhere. */
static void test_lost(void **state)
{
    (void)state;
    struct rig r;
    setup_up(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "U>R:closed");
    rig_due(&r);
    get_up(&r);
    rig_closed(&r, AIVO_OK); /* nobody knows why */
    expect(&r, "U>R:closed");
    rig_due(&r);
    get_up(&r);
    rig_dead(&r, AIVO_OK);
    expect(&r, "abort U>R:heartbeat");
    rig_due(&r);
    get_up(&r);
    rig_text(&r, "1");
    expect(&r, "abort U>R:closed");
    rig_due(&r);
    get_up(&r);
    rig_text(&r, "41");
    expect(&r, "abort U>R:closed");
    rig_due(&r);
    get_up(&r);
    assert_int_equal(aivo_session_connects(r.s), 6);
    rig_free(&r);
}

/* The heartbeat: pingInterval + pingTimeout without a word is the end, to the microsecond; any word counts. */
static void test_heartbeat(void **state)
{
    (void)state;
    struct rig r;
    setup_up(&r);
    rig_pass(&r, 44999999);
    rig_text(&r, "2");
    expect(&r, "send:3");
    rig_pass(&r, 44999999);
    rig_heard(&r); /* a pong */
    rig_pass(&r, 44999999);
    rig_text(&r, "42[\"x\"]");
    expect(&r, "ev:[\"x\"]");
    rig_pass(&r, 44999999);
    rig_tick(&r);
    expect(&r, "");
    rig_pass(&r, 1);
    rig_tick(&r);
    expect(&r, "abort U>R:heartbeat");
    assert_non_null(strstr(r.last_error.message, "45000 ms"));
    rig_free(&r);
}

/* Malformed input of each layer: told, dropped, tried again after a delay that grows. */
static void test_malformed(void **state)
{
    (void)state;
    static const char *const up[] = {
        "",
        "9",
        "x",
        "4",
        "49",
        "42",
        "42{}",
        "42[]",
        "0{",
        "40",
        "42[1]",
        "42[\"a\"",
        "43[1]",
        "45[\"a\"]",
        "451-[1]",
        "42[\"connect\"]",
        "\xff",
        "4\xff",
        "42[\"\xc0\x80\"]",
        "44{\"message\":\"late\"}",
        "40{\"sid\":\"s2\"}",
        HANDSHAKE,
    };
    static const char *const before[] = {"2",
                                         "3",
                                         "42[\"x\"]",
                                         "40{\"sid\":\"s\"}",
                                         "0",
                                         "0[]",
                                         "0{}",
                                         "0{\"sid\":\"\"}",
                                         "0{\"sid\":\"a\",\"pingInterval\":0,\"pingTimeout\":1}"};
    static const char *const connect[] = {
        "40", "40[]", "40\"s\"", "40{}", "40{\"sid\":7}", "40{\"sid\":\"\"}", "40{\"sid\":\"a\\u0000b\"}", HANDSHAKE};
    struct rig r;
    for (size_t i = 0; i < sizeof(up) / sizeof(up[0]); i++) {
        setup_up(&r);
        rig_text(&r, up[i]);
        if (strcmp(up[i], "42[1]") == 0) /* legal: a numeric name */
            expect(&r, "ev:[1]");
        else if (strcmp(trace, "note:protocol abort U>R:protocol") != 0)
            fail_msg("\"%s\" gave \"%s\"", up[i], trace);
        rig_free(&r);
    }
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        setup(&r);
        rig_create(&r);
        rig_start(&r);
        rig_opened(&r);
        rig_text(&r, before[i]);
        if (strcmp(trace, "D>C open note:protocol abort C>R:protocol") != 0)
            fail_msg("\"%s\" gave \"%s\"", before[i], trace);
        rig_free(&r);
    }
    for (size_t i = 0; i < sizeof(connect) / sizeof(connect[0]); i++) {
        setup(&r);
        rig_create(&r);
        rig_start(&r);
        rig_opened(&r);
        rig_text(&r, HANDSHAKE);
        rig_text(&r, connect[i]);
        if (strcmp(trace, "D>C open send:40 note:protocol abort C>R:protocol") != 0)
            fail_msg("\"%s\" gave \"%s\"", connect[i], trace);
        rig_free(&r);
    }
    /* A binary frame that nobody announced. */
    setup_up(&r);
    rig_frame(&r, "\0\1", 2, true);
    expect(&r, "note:protocol abort U>R:protocol");
    rig_free(&r);
}

/* The delay before attempt N, for the least and the greatest random number. */
static int64_t delay_us(struct rig *r)
{
    return aivo_session_deadline(r->s) - r->at.now_us;
}

/* Delays grow with failed attempts, and with connections that did not last; they begin anew after a stable one. */
static void test_backoff(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    r.at.random = UINT64_MAX;
    rig_start(&r);
    static const int64_t upper_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (size_t i = 0; i < sizeof(upper_ms) / sizeof(upper_ms[0]); i++) {
        rig_closed(&r, AIVO_E_CONNECT);
        assert_int_equal(delay_us(&r), upper_ms[i] * 1000);
        rig_due(&r);
    }
    get_up(&r);
    rig_pass(&r, 9999999); /* not stable yet */
    rig_tick(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    assert_int_equal(delay_us(&r), 30000000);
    rig_due(&r);
    get_up(&r);
    rig_due(&r); /* stable */
    assert_int_equal(r.state, AIVO_STATE_CONNECTED);
    r.at.random = 0;
    rig_closed(&r, AIVO_E_CLOSED);
    assert_int_equal(delay_us(&r), 250000);
    r.at.random = UINT64_MAX;
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    assert_int_equal(delay_us(&r), 1000000);
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    assert_int_equal(delay_us(&r), 2000000);
    rig_free(&r);
}

/* Crash loop: the server takes the connection and breaks the protocol at once. The delay must grow all the same. */
static void test_broken_server_is_not_hammered(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    r.at.random = UINT64_MAX / 2;
    rig_start(&r);
    for (int i = 0; i < 100; i++) {
        get_up(&r);
        rig_text(&r, "x");
        rig_due(&r);
    }
    /* Half of 1, 2, 4, 8, 16 s, then of 30 s, a hundred times. */
    assert_true(r.at.now_us > (int64_t)95 * 15000000);
    rig_free(&r);
}

/* Retry now: a wait ends, with the count begun anew; at any other time nothing happens. */
static void test_retry_now(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    rig_retry(&r);
    expect(&r, "");
    rig_start(&r);
    rig_retry(&r);
    expect(&r, "D>C open");
    r.at.random = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        rig_closed(&r, AIVO_E_CONNECT);
        rig_due(&r);
    }
    rig_closed(&r, AIVO_E_CONNECT);
    rig_forget(&r);
    rig_retry(&r);
    expect(&r, "open");
    rig_closed(&r, AIVO_E_CONNECT);
    assert_int_equal(delay_us(&r), 1000000);
    rig_free(&r);
}

/* An attempt limit: so many in a row, then failed; a stable connection in between begins the count anew; and a
 * connection that is lost is no failed attempt. */
static void test_max_attempts(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.reconnect.max_attempts = 3;
    rig_create(&r);
    rig_start(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    rig_due(&r);
    get_up(&r);
    rig_due(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "U>R:closed");
    for (int i = 0; i < 2; i++) {
        rig_due(&r);
        rig_closed(&r, AIVO_E_CONNECT);
        expect(&r, "open note:connect");
    }
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    expect(&r, "open R>F:connect");
    rig_retry(&r);
    expect(&r, "");
    rig_start(&r); /* failed is no end */
    expect(&r, "F>C open");
    rig_closed(&r, AIVO_E_CONNECT);
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    rig_due(&r);
    get_up(&r); /* with the third attempt, but not for long */
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "U>R:closed");
    rig_due(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    expect(&r, "open R>F:connect");
    rig_free(&r);
}

/* Reconnecting off: the first failure is the end, before as after connecting. */
static void test_no_reconnect(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.reconnect.enabled = false;
    rig_create(&r);
    rig_start(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    expect(&r, "D>C open C>F:connect");
    rig_start(&r);
    get_up(&r);
    rig_text(&r, "x");
    expect(&r, "note:protocol abort U>F:protocol");
    rig_stop(&r);
    expect(&r, "F>L L>D");
    rig_free(&r);
}

/* Stop, at every stage; and start while closing, which comes into its own once closed. */
static void test_stop(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    rig_create(&r);
    rig_stop(&r);
    expect(&r, "");
    rig_start(&r);
    rig_stop(&r);
    expect(&r, "D>C open C>L abort L>D");
    rig_start(&r);
    rig_opened(&r);
    rig_stop(&r);
    expect(&r, "D>C open C>L close");
    rig_due(&r); /* the transport never tells: 2 s, and it is dropped */
    expect(&r, "abort L>D");
    rig_start(&r);
    rig_closed(&r, AIVO_E_CONNECT);
    rig_stop(&r);
    expect(&r, "D>C open C>R:connect R>L L>D");
    rig_start(&r);
    get_up(&r);
    rig_stop(&r);
    rig_start(&r);
    expect(&r, "U>L send:41 close");
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "L>D D>C open");
    get_up(&r);
    rig_stop(&r);
    rig_start(&r);
    rig_stop(&r);
    rig_dead(&r, AIVO_E_CLOSED);
    expect(&r, "U>L send:41 close abort L>D");
    rig_free(&r);
}

/* An unknown namespace is the end: asking again gives the same. */
static void test_invalid_namespace(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.nsp = "/nope";
    r.config.ask_auth = true;
    rig_create(&r);
    rig_start(&r);
    rig_auth(&r, "{}");
    refuse(&r, "44/nope,{\"message\":\"Invalid namespace\"}");
    expect(&r, "D>C ask:0 open send:40/nope,{} abort C>F:nsp");
    assert_non_null(strstr(r.last_error.message, "/nope"));
    rig_stop(&r);
    expect(&r, "F>L L>D");
    rig_free(&r);
}

/* ---- plain WebSocket ---- */

/* Open is connected; messages pass as they are; silence for the set time is the end, and any word breaks it. */
static void test_websocket(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.protocol = AIVO_PROTOCOL_WEBSOCKET;
    r.config.silence_ms = 60000;
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    expect(&r, "D>C open C>U");
    rig_text(&r, "2");
    rig_frame(&r, "bytes", 5, true);
    expect(&r, "raw:2 bin:bytes");
    rig_pass(&r, 59999999);
    rig_heard(&r);
    rig_pass(&r, 59999999);
    rig_tick(&r);
    expect(&r, "");
    rig_pass(&r, 1);
    rig_tick(&r);
    expect(&r, "abort U>R:heartbeat");
    rig_due(&r);
    rig_pass(&r, 3000000);
    rig_opened(&r);
    expect(&r, "open R>U");
    rig_pass(&r, 59999999); /* silence counts from the opening on */
    rig_tick(&r);
    expect(&r, "");
    rig_stop(&r);
    expect(&r, "U>L close");
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "L>D");
    rig_free(&r);
}

/* Without a limit on silence nothing is awaited once the connection is stable. */
static void test_websocket_silent(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.protocol = AIVO_PROTOCOL_WEBSOCKET;
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    rig_due(&r);
    expect(&r, "D>C open C>U");
    assert_int_equal(aivo_session_deadline(r.s), AIVO_NEVER);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_attempt_fails),
        cmocka_unit_test(test_handshake_timeout_is_one),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_broken_server_is_not_hammered),
        cmocka_unit_test(test_retry_now),
        cmocka_unit_test(test_max_attempts),
        cmocka_unit_test(test_no_reconnect),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_invalid_namespace),
        cmocka_unit_test(test_websocket),
        cmocka_unit_test(test_websocket_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
