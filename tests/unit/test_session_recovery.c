/* Connection state recovery: what is sent on resume, what was missed, and what is no offset. */
#include "session_talk.h"

#include "offset_maker.h"

#define REPLY "40{\"sid\":\"s1\",\"pid\":\"p1\"}"

/* A frame with "@" replaced by the offset of a time. */
static void text_with_offset(struct rig *r, const char *pattern, int64_t ms)
{
    char text[512], id[48];
    const char *at = strchr(pattern, '@');
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - pattern), pattern, make_yeast(id, ms, -1), at + 1);
    rig_text(r, text);
}

static void expect_with_offset(struct rig *r, const char *pattern, int64_t ms)
{
    char text[512], id[48];
    const char *at = strchr(pattern, '@');
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - pattern), pattern, make_yeast(id, ms, -1), at + 1);
    expect(r, text);
}

/* Connected to a server that offers recovery. */
static void setup_recoverable(struct rig *r)
{
    setup(r);
    r->config.auth = "{\"token\":1}";
    rig_create(r);
    rig_start(r);
    rig_opened(r);
    rig_text(r, HANDSHAKE);
    rig_text(r, REPLY);
    expect(r, "D>C open send:40{\"token\":1} C>U");
}

/* Loses the connection and goes on to CONNECT. */
static void come_back(struct rig *r)
{
    rig_closed(r, AIVO_E_CLOSED);
    rig_due(r);
    rig_opened(r);
    rig_text(r, HANDSHAKE);
}

/* The offset is taken off every eligible event, binary ones too, and left where none can be: an event that asks for an
 * answer, a volatile one, and everything at a server without recovery. */
static void test_strip(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",1,\"@\"]", now);
    text_with_offset(&r, "42[\"a\",\"@\"]", now + 1);
    text_with_offset(&r, "42[\"a\",\"x\", \"@\" ]", now + 2);
    expect(&r, "ev:[\"a\",1] ev:[\"a\"] ev:[\"a\",\"x\"]");
    text_with_offset(&r, "451-[\"b\",{\"_placeholder\":true,\"num\":0},\"@\"]", now + 3);
    rig_frame(&r, "x", 1, true);
    expect(&r, "ev:[\"b\",{\"_placeholder\":true,\"num\":0}]+x");
    text_with_offset(&r, "427[\"a\",\"@\"]", now + 4);
    expect_with_offset(&r, "ev:[\"a\",\"@\"]", now + 4);
    rig_text(&r, "42[\"volatile\",\"welcome\"]");
    expect(&r, "ev:[\"volatile\",\"welcome\"]");
    come_back(&r); /* from the last offset that was one */
    expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now + 3);
    rig_free(&r);

    setup(&r);
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, "40{\"sid\":\"s1\"}");
    expect(&r, "D>C open send:40 C>U");
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    expect_with_offset(&r, "ev:[\"a\",\"@\"]", now);
    come_back(&r);
    expect(&r, "U>R:closed open send:40");
    rig_free(&r);
}

/* Missed events come before the answer to CONNECT: they are delivered after the move, in order, marked; and resuming
 * works again from the last of them. */
static void test_resume(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    expect(&r, "ev:[\"a\"]");
    come_back(&r);
    expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now);
    text_with_offset(&r, "42[\"m1\",\"x\",\"@\"]", now + 10);
    rig_text(&r, "2"); /* the heartbeat goes on meanwhile */
    text_with_offset(&r, "452-[\"m2\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0},\"@\"]",
                     now + 11);
    rig_frame(&r, "one", 3, true);
    rig_frame(&r, "", 0, true);
    text_with_offset(&r, "42[\"m3\",\"@\"]", now + 12);
    expect(&r, "send:3");
    rig_text(&r, REPLY);
    expect(&r, "R>U* ev*:[\"m1\",\"x\"] "
               "ev*:[\"m2\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]+one+ ev*:[\"m3\"]");
    rig_text(&r, "42[\"live\",1]");
    expect(&r, "ev:[\"live\",1]");
    come_back(&r);
    expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now + 12);
    rig_free(&r);
}

/* Resumed, and nothing was missed: the offset stays what it was, resume after resume. */
static void test_resume_nothing_missed(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    expect(&r, "ev:[\"a\"]");
    for (int i = 0; i < 3; i++) {
        come_back(&r);
        expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now);
        rig_text(&r, REPLY);
        expect(&r, "R>U*");
    }
    rig_free(&r);
}

/* Away for hours, and the server kept everything: what was missed may be hours old. */
static void test_resume_after_hours(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    rig_closed(&r, AIVO_E_CLOSED);
    rig_pass(&r, (int64_t)5 * 3600 * 1000000);
    rig_due(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    text_with_offset(&r, "42[\"m\",\"@\"]", now + 60000);
    text_with_offset(&r, "42[\"m\",\"@\"]", now + 4 * 3600 * 1000);
    rig_forget(&r);
    rig_text(&r, REPLY);
    expect(&r, "R>U* ev*:[\"m\"] ev*:[\"m\"]");
    text_with_offset(&r, "42[\"live\",\"@\"]", r.at.unix_ms);
    expect(&r, "ev:[\"live\"]");
    rig_free(&r);
}

/* No event was ever received: the session is asked for without an offset, and what a server that can resume so sends
 * is taken. */
static void test_resume_without_offset(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    rig_text(&r, "42[\"volatile\",\"welcome\"]");
    expect(&r, "ev:[\"volatile\",\"welcome\"]");
    come_back(&r);
    expect(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"token\":1}");
    text_with_offset(&r, "42[\"m1\",\"@\"]", now + 10);
    rig_text(&r, REPLY);
    expect(&r, "R>U* ev*:[\"m1\"]");
    rig_free(&r);
}

/* The session is gone: another pid in the answer. What was held is delivered as the ordinary events it is, the old
 * offset is forgotten, and the new session can be resumed. */
static void test_not_recovered(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    expect(&r, "ev:[\"a\"]");
    come_back(&r);
    rig_text(&r, "42[\"early\"]");
    rig_text(&r, "40{\"sid\":\"s2\",\"pid\":\"p2\"}");
    expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1} R>U ev:[\"early\"]",
                       now);
    come_back(&r);
    expect(&r, "U>R:closed open send:40{\"pid\":\"p2\",\"token\":1}");
    rig_text(&r, "40{\"sid\":\"s3\"}"); /* and now a server without recovery */
    come_back(&r);
    expect(&r, "R>U U>R:closed open send:40{\"token\":1}");
    rig_free(&r);
}

/* A lost attempt to resume costs nothing: the same is asked for again, and nothing is delivered twice. */
static void test_resume_breaks(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    int64_t now = r.at.unix_ms;
    text_with_offset(&r, "42[\"a\",\"@\"]", now);
    expect(&r, "ev:[\"a\"]");
    come_back(&r);
    text_with_offset(&r, "42[\"m1\",\"@\"]", now + 10);
    expect_with_offset(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now);
    come_back(&r);
    expect_with_offset(&r, "note:closed open send:40{\"pid\":\"p1\",\"offset\":\"@\",\"token\":1}", now);
    text_with_offset(&r, "42[\"m1\",\"@\"]", now + 10);
    rig_text(&r, REPLY);
    expect(&r, "R>U* ev*:[\"m1\"]");
    rig_free(&r);
}

/* Who says goodbye does not resume; who turned recovery off does not either, but gets events without offsets. */
static void test_no_resume(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    text_with_offset(&r, "42[\"a\",\"@\"]", r.at.unix_ms);
    rig_stop(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    rig_start(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    expect(&r, "ev:[\"a\"] U>L send:41 close L>D D>C open send:40{\"token\":1}");
    rig_free(&r);

    setup(&r);
    r.config.recovery = false;
    rig_create(&r);
    rig_start(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, REPLY);
    text_with_offset(&r, "42[\"a\",\"@\"]", r.at.unix_ms);
    come_back(&r);
    expect(&r, "D>C open send:40 C>U ev:[\"a\"] U>R:closed open send:40");
    rig_text(&r, REPLY); /* the same pid by chance: nobody asked for it */
    expect(&r, "R>U");
    rig_free(&r);
}

/* A refused resume keeps the session: the fresh token resumes it. */
static void test_resume_refused(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.ask_auth = true;
    rig_create(&r);
    rig_start(&r);
    rig_auth(&r, "{\"token\":1}");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, REPLY);
    rig_closed(&r, AIVO_E_CLOSED);
    rig_due(&r);
    rig_auth(&r, "{}");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, "44{\"message\":\"expired\"}");
    expect(&r, "D>C ask:0 open send:40{\"token\":1} C>U U>R:closed ask:1 open send:40{\"pid\":\"p1\"} abort note:auth "
               "ask:2");
    rig_auth(&r, "{ \"token\" : 2 }");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, REPLY);
    expect(&r, "open send:40{\"pid\":\"p1\", \"token\" : 2 } R>U*");
    rig_free(&r);
}

/* A server floods before it answers: beyond 10,000 events, or the bytes a payload may have, recovery is given up (the
 * next CONNECT asks for none) and the loss told. At the bound all is well. */
static void test_bounds(void **state)
{
    (void)state;
    struct rig r;
    setup_recoverable(&r);
    come_back(&r);
    expect(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"token\":1}");
    for (int i = 0; i < 10000; i++)
        rig_text(&r, "42[1]");
    expect(&r, "");
    rig_text(&r, "42[1]");
    rig_due(&r);
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    expect(&r, "abort note:large open send:40{\"token\":1}");
    rig_text(&r, REPLY);
    rig_text(&r, "42[1]");
    expect(&r, "R>U ev:[1]");

    come_back(&r);
    for (int i = 0; i < 10000; i++)
        rig_text(&r, "42[1]");
    rig_forget(&r);
    rig_text(&r, REPLY);
    assert_int_equal(r.most_actions, 10001);
    assert_true(r.trace_len == strlen("R>U*") + 10000 * strlen(" ev*:[1]"));
    rig_forget(&r);
    rig_tick(&r);
    expect(&r, "");
    assert_int_equal(aivo_session_action_count(r.s), 0);

    /* max_payload_bytes is 100,000: "[1,"..."]" of 50,000 bytes and its namespace fit once, not twice. */
    come_back(&r);
    static char big[50100];
    memset(big, ' ', sizeof(big));
    memcpy(big, "42[1,", 5);
    memcpy(big + 50000, "2]", 3);
    rig_forget(&r);
    rig_text(&r, big);
    expect(&r, "");
    rig_text(&r, big);
    expect(&r, "abort note:large");
    rig_free(&r);
}

/* A pid longer than any server's is no pid; one that needs escapes is sent back as it came. */
static void test_odd_pid(void **state)
{
    (void)state;
    struct rig r;
    char text[400];
    setup_recoverable(&r);
    snprintf(text, sizeof(text), "40{\"sid\":\"s2\",\"pid\":\"%0200d\"}", 7);
    come_back(&r);
    rig_text(&r, text);
    come_back(&r);
    expect(&r, "U>R:closed open send:40{\"pid\":\"p1\",\"token\":1} R>U U>R:closed open send:40{\"token\":1}");
    rig_text(&r, "40{\"sid\":\"s2\",\"pid\":\"a\\\"\\\\b\"}");
    come_back(&r);
    expect(&r, "R>U U>R:closed open send:40{\"pid\":\"a\\\"\\\\b\",\"token\":1}");
    rig_text(&r, "40{\"sid\":\"s2\",\"pid\":7}");
    come_back(&r);
    expect(&r, "R>U U>R:closed open send:40{\"token\":1}");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strip),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_nothing_missed),
        cmocka_unit_test(test_resume_after_hours),
        cmocka_unit_test(test_resume_without_offset),
        cmocka_unit_test(test_not_recovered),
        cmocka_unit_test(test_resume_breaks),
        cmocka_unit_test(test_no_resume),
        cmocka_unit_test(test_resume_refused),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_odd_pid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
