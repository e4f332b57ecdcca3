/* What a client says of its doings, and when it will try again. */
#include "client_rig.h"

static void on_log(struct aivo_client *c, enum aivo_log_level level, const char *line, void *user)
{
    (void)c;
    (void)user;
    note("log %s %s\n", aivo_log_level_name(level), line);
}

/* A connection's life at level debug: the attempt, each change of state, each packet with its event and size, and
 * neither the token nor an argument. */
static void test_a_life(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.auth = "{\"token\":\"hush\"}";
    struct aivo_client *c = create(&o);
    aivo_client_on_log(c, AIVO_LOG_DEBUG, on_log, NULL);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    wait_log("log info connecting to 127.0.0.1:4003\n");
    wait_log("log debug sent CONNECT, ");
    wait_log("log info connecting -> connected\n");
    assert_int_equal(aivo_client_emit(c, "chat", "[\"hush\"]", NULL), AIVO_OK);
    wait_log("log debug sent EVENT \"chat\", 17 bytes\n");
    scripted_say(s, conn, "4212[\"news\",\"hush\"]");
    wait_log("log debug received EVENT \"news\", ack 12, 19 bytes\n");
    scripted_cut(s, conn, AIVO_E_CLOSED);
    wait_log("log warn connected -> reconnecting: ");
    wait_log("log info next attempt in ");
    assert_int_equal(count_log("hush"), 0);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* At level warn nothing of lower weight is said; without a callback nothing at all. */
static void test_levels(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    struct aivo_client *c = create(&o);
    aivo_client_on_log(c, AIVO_LOG_WARN, on_log, NULL);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    wait_log(">connected\n");
    assert_int_equal(count_log("log "), 0);
    scripted_cut(s, conn, AIVO_E_CLOSED);
    wait_log("log warn connected -> reconnecting: ");
    aivo_client_on_log(c, AIVO_LOG_DEBUG, NULL, NULL);
    conn = scripted_accept(s);
    wait_log("reconnecting>connected\n");
    assert_int_equal(count_log("log "), 1);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* When the next attempt is due: known while one waits, and only then. */
static void test_retry_in(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.reconnect.floor_ms = 600000;
    o.reconnect.base_ms = o.reconnect.cap_ms = 1200000;
    struct aivo_client *c = create(&o);
    aivo_client_on_log(c, AIVO_LOG_INFO, on_log, NULL);
    assert_int_equal(aivo_client_retry_in(c), -1);
    aivo_client_start(c);
    scripted_cut(s, scripted_wait_connect(s), AIVO_E_CONNECT);
    wait_log("log info next attempt in ");
    int64_t ms = aivo_client_retry_in(c);
    assert_true(ms > 500000 && ms <= 1200000);
    aivo_client_retry_now(c);
    scripted_accept(s);
    wait_log(">connected\n");
    assert_int_equal(aivo_client_retry_in(c), -1);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_life, clear_log),
        cmocka_unit_test_setup(test_levels, clear_log),
        cmocka_unit_test_setup(test_retry_in, clear_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
