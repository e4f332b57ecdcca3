/* Credentials: asked for, refused, refreshed, fixed, not to be had. */
#include "session_talk.h"

static void setup_asking(struct rig *r)
{
    setup(r);
    r->config.ask_auth = true;
    rig_create(r);
    rig_start(r);
    expect(r, "D>C ask:0");
}

/* Credentials are asked for before every attempt, with the reason, and no transport is opened before they come. */
static void test_auth_asked(void **state)
{
    (void)state;
    struct rig r;
    setup_asking(&r);
    rig_opened(&r); /* nonsense from outside changes nothing */
    rig_text(&r, HANDSHAKE);
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "");
    rig_auth(&r, "{\"token\":1}");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    rig_text(&r, CONNECTED);
    expect(&r, "open send:40{\"token\":1} C>U");
    rig_closed(&r, AIVO_E_CLOSED);
    rig_due(&r);
    expect(&r, "U>R:closed ask:1");
    rig_auth(&r, "{}");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    expect(&r, "open send:40{}");
    rig_stop(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    expect(&r, "R>L close L>D");
    rig_start(&r);
    expect(&r, "D>C ask:0");
    rig_free(&r);
}

/* A refused token is refreshed and tried again at once; refused again, after a delay; a third time is the end. */
static void test_auth_refused(void **state)
{
    (void)state;
    struct rig r;
    setup_asking(&r);
    rig_auth(&r, "{\"token\":1}");
    refuse(&r, "44{\"message\":\"no entry\",\"data\":{\"message\":\"expired\"}}");
    expect(&r, "open send:40{\"token\":1} abort note:auth ask:2");
    assert_non_null(strstr(r.last_error.message, "no entry"));
    assert_non_null(strstr(r.last_error.message, "expired"));
    rig_auth(&r, "{\"token\":2}");
    refuse(&r, "44{\"message\":\"no entry\"}");
    expect(&r, "open send:40{\"token\":2} abort C>R:auth");
    rig_due(&r);
    expect(&r, "ask:2");
    rig_auth(&r, "{\"token\":3}");
    refuse(&r, "44\"old form\"");
    expect(&r, "open send:40{\"token\":3} abort R>F:auth");
    assert_non_null(strstr(r.last_error.message, "old form"));
    /* Start is a new chance. */
    rig_start(&r);
    expect(&r, "F>C ask:0");
    rig_free(&r);
}

/* The count of refusals is of those in a row: a success in between makes the next one the first. */
static void test_auth_refusals_in_a_row(void **state)
{
    (void)state;
    struct rig r;
    setup_asking(&r);
    for (int i = 0; i < 10; i++) {
        rig_auth(&r, "{\"token\":1}");
        refuse(&r, "44{\"message\":\"expired\"}");
        rig_auth(&r, "{\"token\":2}");
        get_up(&r);
        rig_closed(&r, AIVO_E_CLOSED);
        rig_due(&r);
        expect(&r, "U>R:closed ask:1");
    }
    rig_free(&r);
}

/* The refresh belongs to the attempt: it does not run into the attempt limit, nor does it need reconnecting. */
static void test_auth_refresh_is_no_attempt(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.ask_auth = true;
    r.config.reconnect.enabled = false;
    rig_create(&r);
    rig_start(&r);
    rig_auth(&r, "{\"token\":1}");
    refuse(&r, "44{\"message\":\"expired\"}");
    expect(&r, "D>C ask:0 open send:40{\"token\":1} abort note:auth ask:2");
    rig_auth(&r, "{\"token\":2}");
    get_up(&r);
    rig_free(&r);
}

/* Fixed credentials that are refused are not tried a second time. */
static void test_auth_fixed(void **state)
{
    (void)state;
    struct rig r;
    setup(&r);
    r.config.auth = "{\"token\":1}";
    rig_create(&r);
    rig_start(&r);
    refuse(&r, "44{}");
    expect(&r, "D>C open send:40{\"token\":1} abort C>F:auth");
    rig_auth(&r, "{\"token\":2}"); /* changed, and used from the next start on */
    expect(&r, "");
    rig_start(&r);
    get_up(&r);
    rig_free(&r);
}

/* No credentials to be had, something that is none, and nobody who answers. */
static void test_auth_none(void **state)
{
    (void)state;
    struct rig r;
    setup_asking(&r);
    rig_auth(&r, NULL);
    expect(&r, "C>F:auth");
    rig_start(&r);
    rig_auth(&r, "[1]");
    expect(&r, "F>C ask:0 C>F:auth");
    rig_start(&r);
    rig_due(&r);
    expect(&r, "F>C ask:0 C>R:timeout");
    rig_due(&r);
    expect(&r, "ask:1");
    rig_due(&r);
    expect(&r, "note:timeout");
    /* Late, but not lost: the next attempt takes it and does not ask. "There are none", when nobody asked, takes
     * nothing away. */
    rig_auth(&r, "{\"late\":1}");
    rig_auth(&r, NULL);
    expect(&r, "");
    rig_due(&r);
    expect(&r, "open");
    rig_opened(&r);
    rig_text(&r, HANDSHAKE);
    expect(&r, "send:40{\"late\":1}");
    rig_free(&r);

    setup(&r);
    r.config.auth = "\"text\"";
    assert_null(aivo_session_create(&r.config));
}

/* Whoever has no second token hears what the server had against the first: at the start, and when a token that was good
 * has run out meanwhile. A later start that ends without credentials says nothing of a refusal long ago. */
static void test_auth_refused_without_another(void **state)
{
    (void)state;
    struct rig r;
    setup_asking(&r);
    rig_auth(&r, "{\"token\":1}");
    refuse(&r, "44{\"message\":\"Invalid token\"}");
    rig_auth(&r, NULL);
    expect(&r, "open send:40{\"token\":1} abort note:auth ask:2 C>F:auth");
    assert_string_equal(r.last_error.message,
                        "the server refused the credentials: Invalid token; no others were given");
    rig_start(&r);
    rig_auth(&r, "{\"token\":2}");
    get_up(&r);
    rig_closed(&r, AIVO_E_CLOSED);
    rig_due(&r);
    rig_auth(&r, "{\"token\":2}");
    refuse(&r, "44{\"message\":\"Expired\"}");
    rig_auth(&r, NULL);
    assert_non_null(strstr(trace, "R>F:auth"));
    assert_string_equal(r.last_error.message, "the server refused the credentials: Expired; no others were given");
    rig_forget(&r);
    rig_start(&r);
    rig_auth(&r, NULL);
    assert_string_equal(r.last_error.message, "no credentials were given");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_asked),
        cmocka_unit_test(test_auth_refused),
        cmocka_unit_test(test_auth_refusals_in_a_row),
        cmocka_unit_test(test_auth_refresh_is_no_attempt),
        cmocka_unit_test(test_auth_fixed),
        cmocka_unit_test(test_auth_none),
        cmocka_unit_test(test_auth_refused_without_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
