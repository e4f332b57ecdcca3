/* What a program sees of the measuring, against a scripted network. */
#include "client_rig.h"

/* A client that is asked for its quality, and its connection. */
static struct aivo_client *measure(struct scripted *s, const struct aivo_options *o, int *conn)
{
    struct aivo_client *c = create(o);
    aivo_client_on_quality(c, on_sample, on_level, NULL);
    aivo_client_start(c);
    *conn = scripted_accept(s);
    return c;
}

/* A probe goes out on connecting; its PONG makes a sample and a level, and a snapshot for any thread. */
static void test_quality(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.quality.enabled = true;
    int conn;
    struct aivo_client *c = measure(s, &o, &conn);
    answer_ping(s, conn);
    wait_log("sample ");
    wait_log("level ");
    struct aivo_quality q;
    aivo_client_quality(c, &q);
    assert_int_equal(q.samples, 1);
    assert_true(q.latency_ms >= 0 && q.latency_ms < 10000);
    assert_true(q.level > AIVO_LEVEL_OFFLINE && q.score > 0);
    scripted_cut(s, conn, AIVO_E_CLOSED);
    wait_log("level Offline\n");
    aivo_client_quality(c, &q);
    assert_int_equal(q.level, AIVO_LEVEL_OFFLINE);
    assert_int_equal(q.score, 0);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* A server that answers no more: the measuring finds it out, the connection is given up with the reason and another one
 * is made, long before the heartbeat's 85 s. The level was Offline meanwhile. */
static void test_dead_link(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.quality.enabled = true;
    o.quality.interval_ms = 100;
    o.quality.timeout_ms = 400;
    o.reconnect.floor_ms = o.reconnect.base_ms = 1;
    int conn;
    struct aivo_client *c = measure(s, &o, &conn);
    answer_ping(s, conn);
    wait_log("sample ");
    scripted_hear_ping(s, conn); /* and no answer to this one */
    wait_log("level Offline\n");
    assert_int_equal(scripted_wait_connect(s), conn + 1);
    struct aivo_error why;
    aivo_client_last_error(c, &why);
    assert_int_equal(why.status, AIVO_E_HEARTBEAT);
    assert_non_null(strstr(why.message, "dead"));
    struct aivo_quality q;
    aivo_client_quality(c, &q);
    assert_int_equal(q.samples, 1);
    assert_int_equal(q.lost, 1);
    assert_int_equal(q.loss_source, AIVO_LOSS_PROBES);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* Measuring begins and ends by hand, whatever the options said. */
static void test_quality_by_hand(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.quality.interval_ms = 100;
    int conn;
    struct aivo_client *c = measure(s, &o, &conn);
    wait_log("connected");
    assert_int_equal(aivo_client_quality_start(c), AIVO_OK);
    answer_ping(s, conn);
    wait_log("level ");
    assert_int_equal(aivo_client_quality_stop(c), AIVO_OK);
    wait_log("level Offline\n");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_quality, clear_log),
        cmocka_unit_test_setup(test_dead_link, clear_log),
        cmocka_unit_test_setup(test_quality_by_hand, clear_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
