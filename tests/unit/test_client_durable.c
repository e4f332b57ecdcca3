/* Durable messages as the client sends them: what does not fit, what must not be sent, and answers after their time. */
#include "client_rig.h"

#include <sqlite3.h>
#include <unistd.h>

/* A JSON array of so many bytes. */
static char *array_of(size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "[\"", 2);
    memcpy(text + len - 2, "\"]", 2);
    text[len] = '\0';
    return text;
}

/* Arguments that could never be written into the send buffer are refused at once, and the refusal names the limit; the
 * longest that are accepted are really sent, whatever the event's name needs in JSON. */
static void test_too_large(void **state)
{
    (void)state;
    static const char *const events[] = {"keep", "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"};
    static const enum aivo_protocol protocols[] = {AIVO_PROTOCOL_SOCKETIO, AIVO_PROTOCOL_WEBSOCKET};
    for (int run = 0; run < 4; run++) {
        struct scripted *s;
        struct aivo_loop *loop = scripted_loop(&s);
        struct aivo_options o = options_on(loop);
        struct aivo_error err = {.message = ""};
        o.queue.memory_only = true;
        o.max_send_buffer_bytes = 4096;
        o.protocol = protocols[run / 2];
        if (o.protocol == AIVO_PROTOCOL_WEBSOCKET)
            o.url = "ws://127.0.0.1:4003";
        struct aivo_client *c = create(&o);
        const char *event = events[run % 2];
        char *large = array_of(8000);
        assert_int_equal(aivo_client_send(c, event, large, NULL, &err), AIVO_E_TOO_LARGE);
        assert_int_equal(aivo_client_send_async(c, event, large, NULL, NULL, NULL, NULL, &err), AIVO_E_TOO_LARGE);
        free(large);
        size_t most = 0;
        assert_int_equal(sscanf(err.message, "the arguments are longer than %zu bytes", &most), 1);
        assert_in_range(most, 3000, 4095);
        large = array_of(most + 1);
        assert_int_equal(aivo_client_send(c, event, large, NULL, &err), AIVO_E_TOO_LARGE);
        free(large);
        large = array_of(most);
        assert_int_equal(aivo_client_send(c, event, large, NULL, &err), AIVO_OK);
        free(large);
        aivo_client_start(c);
        int conn;
        if (o.protocol == AIVO_PROTOCOL_SOCKETIO) {
            conn = scripted_accept(s);
        } else {
            conn = scripted_wait_connect(s);
            scripted_open(s, conn);
        }
        const char *heard = scripted_hear(s, conn);
        if (strlen(heard) <= most)
            fail_msg("run %d: %zu bytes of %zu: %.60s", run, strlen(heard), most, heard);
        aivo_client_destroy(c);
        aivo_loop_destroy(loop);
    }
}

/* A row whose event became one that Socket.IO reserves (a damaged file): the server would end the connection at it each
 * time. It dies unsent, and the next is delivered. */
static void test_reserved_in_a_row(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.queue.path = place.path;
    struct aivo_client *c = create(&o);
    assert_int_equal(aivo_client_send(c, "first", "[]", NULL, NULL), AIVO_OK);
    assert_int_equal(aivo_client_send(c, "second", "[]", NULL, NULL), AIVO_OK);
    aivo_client_destroy(c);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(place.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE message SET event = 'disconnect' WHERE event = 'first'", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    c = create(&o);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    const char *heard = scripted_hear(s, conn);
    assert_non_null(strstr(heard, "[\"second\"]"));
    say_ack(s, conn, heard, "[1]");
    wait_log("fate second acknowledged [1]\n");
    wait_log("fate disconnect dead -\n");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    queue_place_remove(&place);
}

/* The server answers after the ack's time: the message is acknowledged, though it was sent again meanwhile; the answer
 * to the second sending says nothing new. */
static void test_late_answer(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.queue.memory_only = true;
    o.queue.ack_timeout_ms = 50;
    o.queue.retry_base_ms = o.queue.retry_cap_ms = 1;
    o.queue.max_retries = 1000;
    int conn;
    struct aivo_client *c = connect_client(s, &o, &conn);
    assert_int_equal(aivo_client_send(c, "keep", "[]", NULL, NULL), AIVO_OK);
    char first[64], second[64];
    snprintf(first, sizeof first, "%.60s", scripted_hear(s, conn));
    snprintf(second, sizeof second, "%.60s", scripted_hear(s, conn));
    assert_string_not_equal(first, second);
    say_ack(s, conn, first, "[1]");
    wait_log("fate keep acknowledged [1]\n");
    say_ack(s, conn, second, "[2]");
    say_ack(s, conn, first, "[3]");
    scripted_say(s, conn, "42[\"news\"]"); /* it still listens */
    struct aivo_queue_stats stats;
    assert_int_equal(aivo_client_queue_stats(c, &stats), AIVO_OK);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.acknowledged, 1);
    aivo_client_destroy(c);
    assert_int_equal(count_log("fate"), 1);
    aivo_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_too_large, clear_log),
        cmocka_unit_test_setup(test_reserved_in_a_row, clear_log),
        cmocka_unit_test_setup(test_late_answer, clear_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
