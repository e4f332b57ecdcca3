/* The client against a scripted network: what a program sees, in both callback modes, and that its end is always clean.
 */
#include "client_rig.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

/* Emits with and without an ack, a binary emit, events with handlers of their own and the catch-all, an answered event.
 */
static void test_conversation(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    int conn;
    struct aivo_client *c = connect_client(s, &o, &conn);
    aivo_client_on(c, NULL, on_event, "any");
    aivo_client_on(c, "news", on_event, "news");

    assert_int_equal(aivo_client_emit(c, "plain", NULL, NULL), AIVO_OK);
    scripted_expect(s, conn, "T42[\"plain\"]");
    struct aivo_emit how = asking(on_ack, "first");
    assert_int_equal(aivo_client_emit(c, "ask", " [1, {\"a\":2}]", &how), AIVO_OK);
    const char *heard = scripted_hear(s, conn);
    assert_memory_equal(heard, "T42", 3);
    assert_string_equal(heard + strcspn(heard, "["), "[\"ask\",1, {\"a\":2}]");
    say_ack(s, conn, heard, "[\"yes\",7]");
    wait_log("ack[first] AIVO_OK [\"yes\",7]\n");

    struct aivo_attachment bytes[1] = {{"\1\2\3", 3}};
    struct aivo_emit binary;
    aivo_emit_init(&binary);
    binary.attachments = bytes;
    binary.attachment_count = 1;
    assert_int_equal(aivo_client_emit(c, "bin", "[{\"_placeholder\":true,\"num\":0}]", &binary), AIVO_OK);
    scripted_expect(s, conn, "T451-[\"bin\",{\"_placeholder\":true,\"num\":0}]");
    scripted_expect(s, conn, "B\1\2\3");

    scripted_say(s, conn, "42[\"news\",{\"n\":1}]");
    wait_log("event[any] news [{\"n\":1}] 0\nevent[news] news [{\"n\":1}] 0\n");
    scripted_say(s, conn, "4212[\"other\"]");
    scripted_expect(s, conn, "T4312[\"got\"]");
    wait_log("event[any] other [] 0\n");
    scripted_say(s, conn, "451-[\"pic\",{\"_placeholder\":true,\"num\":0}]");
    scripted_say_binary(s, conn, "xyz", 3);
    wait_log("event[any] pic [{\"_placeholder\":true,\"num\":0}] 1\n");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* Bad arguments are refused at once and nothing is written. */
static void test_bad_emits(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    struct aivo_client *idle = create(&o);
    assert_int_equal(aivo_client_emit(idle, "x", NULL, NULL), AIVO_E_NOT_CONNECTED);
    assert_int_equal(aivo_client_send(idle, "x", NULL, NULL, NULL), AIVO_E_STATE);
    int conn;
    aivo_client_start(idle);
    conn = scripted_accept(s);
    wait_log(">connected\n");
    assert_int_equal(aivo_client_emit(idle, "", NULL, NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(idle, NULL, NULL, NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(idle, "connect", NULL, NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(idle, "x", "{}", NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(idle, "x", "[1,]", NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(idle, "x\xff", NULL, NULL), AIVO_E_INVALID);
    assert_int_equal(aivo_client_send_raw(idle, "x", 1, false), AIVO_E_STATE);
    struct aivo_attachment bytes[1] = {{"a", 1}};
    struct aivo_emit how;
    aivo_emit_init(&how);
    how.attachments = bytes;
    how.attachment_count = 1;
    assert_int_equal(aivo_client_emit(idle, "x", "[1]", &how), AIVO_E_INVALID);
    char *large = malloc(100100);
    memset(large, '1', 100100);
    large[0] = '[';
    large[100098] = ']';
    large[100099] = '\0';
    assert_int_equal(aivo_client_emit(idle, "x", large, NULL), AIVO_E_TOO_LARGE);
    free(large);
    assert_int_equal(aivo_client_ack(idle, 1, NULL, NULL, 0), AIVO_E_NOT_CONNECTED); /* of no connection of ours */
    assert_int_equal(scripted_written(s, conn), 0);
    aivo_client_destroy(idle);
    aivo_loop_destroy(loop);
}

/* A lost connection ends every waiting ack once, and the client comes back by itself. */
static void test_lost_connection(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    int conn;
    struct aivo_client *c = connect_client(s, &o, &conn);
    struct aivo_emit how = asking(on_ack, "lost");
    for (int i = 0; i < 50; i++)
        assert_int_equal(aivo_client_emit(c, "ask", NULL, &how), AIVO_OK);
    for (int i = 0; i < 50; i++)
        scripted_hear(s, conn);
    scripted_cut(s, conn, AIVO_E_CLOSED);
    wait_log("connected>reconnecting AIVO_E_CLOSED\n");
    scripted_accept(s);
    wait_log("reconnecting>connected\n");
    assert_int_equal(count_log("ack[lost] AIVO_E_CLOSED -\n"), 50);
    aivo_client_stop(c);
    wait_log("connected>closing\n");
    scripted_expect(s, 1, "T41");
    scripted_expect(s, 1, "C");
    scripted_cut(s, 1, AIVO_E_CLOSED);
    wait_log("closing>disconnected");
    aivo_client_destroy(c);
    assert_int_equal(count_log("ack["), 50);
    aivo_loop_destroy(loop);
}

/* An ack that never comes ends with a time-out, once; one that comes late is ignored. */
static void test_ack_timeout(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    int conn;
    struct aivo_client *c = connect_client(s, &o, &conn);
    struct aivo_emit how = asking(on_ack, "slow");
    how.ack_timeout_ms = 1;
    assert_int_equal(aivo_client_emit(c, "ask", NULL, &how), AIVO_OK);
    const char *heard = scripted_hear(s, conn);
    wait_log("ack[slow] AIVO_E_TIMEOUT -\n");
    say_ack(s, conn, heard, "[]");
    aivo_client_on(c, "after", on_event, "after");
    scripted_say(s, conn, "42[\"after\"]");
    wait_log("event[after]");
    aivo_client_destroy(c);
    assert_int_equal(count_log("ack[slow]"), 1);
    aivo_loop_destroy(loop);
}

static void destroy_on_event(struct aivo_client *c, const struct aivo_message *m, void *user)
{
    (void)m;
    aivo_client_destroy(c);
    note("destroyed %s\n", (const char *)user);
}

static void on_cancelled(struct aivo_client *c, enum aivo_status status, const struct aivo_message *m, void *user)
{
    (void)c;
    (void)m;
    note("cancelled %s %s\n", (const char *)user, aivo_status_name(status));
}

/* Destroy inside a callback on the service thread: no further callback but the acks that end; with the shared loop and
 * with a loop whose last client this is. */
static void test_destroy_inside_callback(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct scripted *s;
        struct aivo_loop *loop = scripted_loop(&s);
        struct aivo_options o = options_on(loop);
        clear_log(NULL);
        int conn;
        struct aivo_client *c = connect_client(s, &o, &conn);
        struct aivo_emit how = asking(on_cancelled, "a");
        assert_int_equal(aivo_client_emit(c, "ask", NULL, &how), AIVO_OK);
        scripted_hear(s, conn);
        aivo_client_on(c, NULL, destroy_on_event, "x");
        aivo_client_on(c, "bye", destroy_on_event, "must not run");
        if (own)
            aivo_loop_destroy(loop); /* the client's is now the last reference: the thread ends by itself */
        scripted_say(s, conn, "42[\"bye\"]");
        wait_log("destroyed x\n");
        wait_log("cancelled a AIVO_E_CANCELLED\n");
        assert_int_equal(count_log("must not run"), 0);
        if (!own)
            aivo_loop_destroy(loop);
    }
}

static void *poll_until_closed(void *user)
{
    struct aivo_client *c = user;
    struct pollfd p = {.fd = aivo_client_fd(c), .events = POLLIN};
    while (!strstr(seen.text, "event[d] last") && poll(&p, 1, 10000) == 1)
        aivo_client_dispatch(c);
    return NULL;
}

/* Callbacks on the caller's thread: nothing runs before dispatch; a program that does not dispatch makes the client
 * stop reading, and nothing is lost by that. */
static void test_dispatch_backpressure(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.callbacks = AIVO_CALLBACKS_DISPATCH;
    struct aivo_client *c = create(&o);
    aivo_client_on(c, NULL, on_event, "d");
    aivo_client_start(c);
    int conn = scripted_accept(s);
    for (int i = 0; i < 3000; i++) {
        char text[64];
        snprintf(text, sizeof text, "42[\"n\",%d]", i);
        scripted_say(s, conn, text);
    }
    scripted_say(s, conn, "42[\"last\"]");
    assert_true(scripted_wait_paused(s, conn, true));
    assert_int_equal(count_log("event["), 0);
    poll_until_closed(c);
    assert_int_equal(count_log("event[d] n"), 3000);
    assert_int_equal(count_log("event[d] last"), 1);
    assert_true(scripted_wait_paused(s, conn, false));
    struct aivo_emit how = asking(on_cancelled, "d");
    assert_int_equal(aivo_client_emit(c, "ask", NULL, &how), AIVO_OK);
    scripted_hear(s, conn);
    aivo_client_destroy(c); /* runs what is left of the acks */
    assert_int_equal(count_log("cancelled d AIVO_E_CANCELLED\n"), 1);
    aivo_loop_destroy(loop);
}

/* Destroy inside a dispatched callback: aivo_client_dispatch() frees the client when that returns. */
static void test_destroy_inside_dispatch(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.callbacks = AIVO_CALLBACKS_DISPATCH;
    struct aivo_client *c = create(&o);
    aivo_client_on(c, NULL, destroy_on_event, "inside");
    aivo_client_start(c);
    int conn = scripted_accept(s);
    scripted_say(s, conn, "42[\"a\"]");
    scripted_say(s, conn, "42[\"b\"]");
    struct pollfd p = {.fd = aivo_client_fd(c), .events = POLLIN};
    while (count_log("destroyed inside") == 0) {
        assert_int_equal(poll(&p, 1, 10000), 1);
        aivo_client_dispatch(c);
    }
    assert_int_equal(count_log("destroyed inside"), 1);
    aivo_loop_destroy(loop);
}

struct sender {
    struct aivo_client *client;
    int number;
    pthread_t thread;
};

static void *send_many(void *user)
{
    struct sender *me = user;
    for (int i = 0; i < 200; i++) {
        char args[64];
        snprintf(args, sizeof args, "[%d]", me->number * 1000 + i);
        if (aivo_client_emit(me->client, "m", args, NULL) != AIVO_OK)
            note("emit failed\n");
    }
    return NULL;
}

/* Eight threads emit at once: every message is written exactly once, each thread's in its order. */
static void test_many_threads(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    int conn;
    struct aivo_client *c = connect_client(s, &o, &conn);
    struct sender senders[8];
    for (int i = 0; i < 8; i++) {
        senders[i] = (struct sender){.client = c, .number = i};
        pthread_create(&senders[i].thread, NULL, send_many, &senders[i]);
    }
    int next[8] = {0};
    for (int i = 0; i < 1600; i++) {
        int n = atoi(scripted_hear(s, conn) + strlen("T42[\"m\","));
        assert_int_equal(n % 1000, next[n / 1000]++);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(senders[i].thread, NULL);
    assert_int_equal(count_log("emit failed"), 0);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

static void on_auth(struct aivo_client *c, enum aivo_auth_reason reason, void *user)
{
    (void)user;
    note("auth %d\n", (int)reason);
    aivo_client_auth(c, reason == AIVO_AUTH_REFUSED ? "{\"token\":\"new\"}" : "{\"token\":\"old\"}");
}

/* A client that would wait for minutes tries at once when the network has changed, and when the program says so. */
static void test_retry_at_once(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.watch_network = true;
    o.reconnect.floor_ms = 600000;
    o.reconnect.base_ms = o.reconnect.cap_ms = 1200000;
    struct aivo_client *c = create(&o);
    aivo_client_start(c);
    scripted_cut(s, scripted_wait_connect(s), AIVO_E_CONNECT);
    wait_log(">reconnecting AIVO_E_CONNECT\n");
    aivo_loop_network_changed(loop);
    scripted_cut(s, scripted_wait_connect(s), AIVO_E_TLS);
    aivo_client_on(c, "up", on_event, "up");
    struct aivo_error error;
    do
        aivo_client_last_error(c, &error);
    while (error.status != AIVO_E_TLS); /* the second attempt has ended, and waits again */
    aivo_client_retry_now(c);
    int conn = scripted_accept(s);
    scripted_say(s, conn, "42[\"up\"]");
    wait_log("event[up]");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* A refused token is asked for anew with the reason, and the fresh one is sent. */
static void test_auth_refresh(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.auth_fn = on_auth;
    struct aivo_client *c = create(&o);
    aivo_client_start(c);
    int conn = scripted_wait_connect(s);
    const char *open = "0{\"sid\":\"e1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":60000}";
    scripted_open(s, conn);
    scripted_say(s, conn, open);
    scripted_expect(s, conn, "T40{\"token\":\"old\"}");
    scripted_say(s, conn, "44{\"message\":\"Invalid authentication token\"}");
    conn = scripted_wait_connect(s);
    scripted_open(s, conn);
    scripted_say(s, conn, open);
    scripted_expect(s, conn, "T40{\"token\":\"new\"}");
    scripted_say(s, conn, "40{\"sid\":\"s1\"}");
    wait_log(">connected\n");
    assert_int_equal(count_log("auth 0\n"), 1);
    assert_int_equal(count_log("auth 2\n"), 1);
    char sid[8];
    aivo_client_sid(c, sid, sizeof sid);
    assert_string_equal(sid, "s1");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

static void log_queued(struct aivo_client *c, const struct aivo_queued *message, const char *answer, void *user)
{
    (void)c;
    note("%s %s %s\n", (const char *)user, message->event, answer ? answer : "-");
}

static void on_queued(struct aivo_client *c, const struct aivo_queued *m, const char *answer, void *user)
{
    (void)user;
    log_queued(c, m, answer, "queued");
}

static void on_sent(struct aivo_client *c, const struct aivo_queued *m, const char *answer, void *user)
{
    (void)user;
    log_queued(c, m, answer, "sent");
}

static void on_acknowledged(struct aivo_client *c, const struct aivo_queued *m, const char *answer, void *user)
{
    (void)user;
    log_queued(c, m, answer, "acknowledged");
}

static void on_stored(struct aivo_client *c, enum aivo_status status, const struct aivo_message_id *id,
                      const struct aivo_error *error, void *user)
{
    (void)c;
    assert_null(error);
    assert_string_equal(id->text, ((struct aivo_message_id *)user)->text);
    note("stored %s\n", aivo_status_name(status));
}

/* An asynchronous send returns at once with its id; it is told when it is on disk, and then on its way through the
 * queue's callbacks. One that is stored while the client is destroyed is told all the same. */
static void test_async(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.queue.path = place.path;
    struct aivo_client *c = create(&o);
    struct aivo_queue_callbacks callbacks;
    aivo_queue_callbacks_init(&callbacks);
    callbacks.queued = on_queued;
    callbacks.sent = on_sent;
    callbacks.acknowledged = on_acknowledged;
    assert_int_equal(aivo_client_on_queue(c, &callbacks), AIVO_OK);
    struct aivo_message_id id = {""}, last = {""};
    struct aivo_send how;
    aivo_send_init(&how);
    how.priority = 10;
    assert_int_equal(aivo_client_send_async(c, "keep", NULL, &how, on_stored, &id, &id, NULL), AIVO_E_INVALID);
    how.priority = 9;
    assert_int_equal(aivo_client_send_async(c, "keep", "[1]", &how, on_stored, &id, &id, NULL), AIVO_OK);
    assert_int_equal(strlen(id.text), 36);
    wait_log("stored AIVO_OK\n");
    aivo_client_start(c);
    wait_log("queued keep -\n");
    int conn = scripted_accept(s);
    const char *heard = scripted_hear(s, conn);
    wait_log("sent keep -\n");
    say_ack(s, conn, heard, "[true]");
    wait_log("acknowledged keep [true]\n");
    assert_int_equal(aivo_client_send_async(c, "last", "[2]", NULL, on_stored, &last, &last, NULL), AIVO_OK);
    aivo_client_destroy(c);
    assert_int_equal(count_log("stored AIVO_OK\n"), 2); /* and no later */
    aivo_loop_destroy(loop);
    queue_place_remove(&place);
}

/* A durable message queued while offline is sent once connected, again after a reconnect, and ends with its fate. */
static void test_durable(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.queue.path = place.path;
    struct aivo_client *c = create(&o);
    struct aivo_message_id id;
    assert_int_equal(aivo_client_send(c, "keep", "[{\"n\":1}]", &id, NULL), AIVO_OK);
    assert_int_equal(strlen(id.text), 36);
    assert_int_equal(aivo_client_send(c, "keep", "{}", NULL, NULL), AIVO_E_INVALID);
    struct aivo_quality quality;
    aivo_client_quality(c, &quality);
    assert_true(quality.queue_known);
    assert_int_equal(quality.queue_pending, 1);
    assert_int_equal(quality.queue_in_flight + quality.queue_dead, 0);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    const char *heard = scripted_hear(s, conn);
    char expected[128];
    snprintf(expected, sizeof expected, "[\"keep\",{\"messageId\":\"%s\",\"n\":1}]", id.text);
    assert_non_null(strstr(heard, expected));
    scripted_cut(s, conn, AIVO_E_CLOSED);
    conn = scripted_accept(s);
    heard = scripted_hear(s, conn);
    assert_non_null(strstr(heard, expected));
    say_ack(s, conn, heard, "[{\"success\":true}]");
    wait_log("fate keep acknowledged [{\"success\":true}]\n");
    struct aivo_queue_stats stats;
    assert_int_equal(aivo_client_queue_stats(c, &stats), AIVO_OK);
    assert_int_equal(stats.in_flight, 0);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    queue_place_remove(&place);
}

/* A client that has the file retries and deletes what a filter means: dead letters by event, waiting messages by
 * number; a queue that it does not have is refused, and so is a filter that was not filled. */
static void test_queue_where(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.queue.memory_only = true;
    o.queue.max_retries = 1;
    struct aivo_client *c = create(&o);
    struct aivo_outbox_filter filter;
    uint64_t count = 77;
    static const char *const events[] = {"good", "bad", "bad"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(aivo_client_send(c, events[i], "[]", NULL, NULL), AIVO_OK);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    for (int i = 0; i < 3; i++)
        say_ack(s, conn, scripted_hear(s, conn), "[{\"error\":\"no\"}]");
    wait_log("fate good dead");
    for (int i = 0; i < 500 && count_log("fate bad dead") < 2; i++)
        usleep(10000);
    assert_int_equal(count_log("fate bad dead"), 2);
    aivo_outbox_filter_init(&filter);
    filter.queue = "none";
    assert_int_equal(aivo_client_queue_retry_where(c, &filter, &count, NULL), AIVO_E_NOT_FOUND);
    filter.queue = "";
    filter.event = "good";
    assert_int_equal(aivo_client_queue_retry_where(c, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    assert_non_null(strstr(scripted_hear(s, conn), "[\"good\"]"));
    filter.event = "bad";
    filter.limit = 1;
    assert_int_equal(aivo_client_queue_purge_where(c, AIVO_OUTBOX_DEAD, &filter, &count, NULL), AIVO_OK);
    assert_int_equal(count, 1);
    /* The one that was sent again is in flight: it stays. */
    assert_int_equal(aivo_client_queue_purge_where(c, AIVO_OUTBOX_PENDING, NULL, &count, NULL), AIVO_OK);
    assert_int_equal(count, 0);
    struct aivo_queue_stats stats;
    assert_int_equal(aivo_client_queue_stats(c, &stats), AIVO_OK);
    assert_int_equal(stats.pending, 1);
    assert_int_equal(stats.dead, 1);
    filter.size = 1;
    assert_int_equal(aivo_client_queue_purge_where(c, AIVO_OUTBOX_DEAD, &filter, &count, NULL), AIVO_E_INVALID);
    scripted_cut(s, conn, AIVO_E_CLOSED);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    o = options_on(loop = scripted_loop(&s));
    c = create(&o);
    assert_int_equal(aivo_client_queue_retry_where(c, NULL, &count, NULL), AIVO_E_STATE);
    assert_int_equal(aivo_client_queue_purge_where(c, AIVO_OUTBOX_DEAD, NULL, &count, NULL), AIVO_E_STATE);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
}

/* Over a plain WebSocket a durable message is acknowledged by the PONG of the PING behind it; texts go as they are. */
static void test_plain_websocket(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.protocol = AIVO_PROTOCOL_WEBSOCKET;
    o.url = "ws://127.0.0.1:9/chat?room=1";
    o.queue.path = place.path;
    struct aivo_client *c = create(&o);
    aivo_client_on(c, "message", on_event, "raw");
    aivo_client_start(c);
    int conn = scripted_wait_connect(s);
    scripted_open(s, conn);
    wait_log(">connected\n");
    assert_int_equal(aivo_client_send_raw(c, "hello", 5, false), AIVO_OK);
    scripted_expect(s, conn, "Thello");
    assert_int_equal(aivo_client_send_raw(c, "\xff", 1, false), AIVO_E_INVALID);
    assert_int_equal(aivo_client_emit(c, "x", NULL, NULL), AIVO_E_STATE);
    scripted_say(s, conn, "hi there");
    wait_log("event[raw] message hi there 0\n");
    assert_int_equal(aivo_client_send(c, "keep", "[1]", NULL, NULL), AIVO_OK);
    assert_non_null(strstr(scripted_hear(s, conn), "T{\"event\":\"keep\",\"data\":[1],\"id\":\""));
    char ping[64];
    snprintf(ping, sizeof ping, "%s", scripted_hear_ping(s, conn));
    /* Two more while that PING is out: they share the next one, which leaves once the first is answered. */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aivo_client_send(c, "more", "[2]", NULL, NULL), AIVO_OK);
        assert_non_null(strstr(scripted_hear(s, conn), "T{\"event\":\"more\""));
    }
    scripted_pong(s, conn, "q999999"); /* never sent: means nothing */
    scripted_pong(s, conn, ping);
    wait_log("fate keep acknowledged -\n");
    snprintf(ping, sizeof ping, "%s", scripted_hear_ping(s, conn));
    assert_int_equal(count_log("fate more"), 0);
    scripted_pong(s, conn, ping);
    wait_log("fate more acknowledged -\nfate more acknowledged -\n");
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    queue_place_remove(&place);
}

/* What every attempt to connect would fail with is said by create, with the option's name: it would be tried for ever.
 */
static void wrong_requests(struct aivo_error *err)
{
    const struct {
        const char *headers, *proxy, *subprotocol, *path, *expect;
    } cases[] = {
        {"bad", NULL, NULL, "/socket.io/", "option headers: a request header is not of the form"},
        {"X-A: 1\nUpgrade: h2c", NULL, NULL, "/socket.io/", "option headers: the request header \"upgrade\""},
        {NULL, "socks5://x:1", NULL, "/socket.io/", "option proxy: the proxy's URL: only http:// proxies"},
        {NULL, "http://x:1/path", NULL, "/socket.io/", "option proxy: the proxy's URL: nothing may follow"},
        {NULL, NULL, "a b", "/socket.io/", "option subprotocol: the subprotocol is not a token"},
        {NULL, NULL, NULL, "/\xc3\xa9/", "option path: the path has"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aivo_options o;
        struct aivo_client *c = NULL;
        aivo_options_init(&o);
        o.url = "http://x";
        o.headers = cases[i].headers;
        o.proxy = cases[i].proxy;
        o.subprotocol = cases[i].subprotocol;
        o.path = cases[i].path;
        assert_int_equal(aivo_client_create(&o, &c, err), AIVO_E_INVALID);
        if (strncmp(err->message, cases[i].expect, strlen(cases[i].expect)) != 0)
            fail_msg("case %zu: '%s'", i, err->message);
        assert_null(c);
    }
    struct aivo_options o;
    struct aivo_client *c = NULL;
    aivo_options_init(&o);
    o.url = "http://x";
    o.callbacks = (enum aivo_callbacks)9;
    assert_int_equal(aivo_client_create(&o, &c, err), AIVO_E_INVALID);
    assert_string_equal(err->message, "option callbacks has no such value: 9");
    o.callbacks = AIVO_CALLBACKS_SERVICE;
    o.queue.queue_count = 3;
    assert_int_equal(aivo_client_create(&o, &c, err), AIVO_E_INVALID);
    assert_string_equal(err->message, "option queue.queues is NULL, and queue.queue_count 3");
    o.queue.queue_count = 0;
    o.headers = "X-A: 1\nX-B:\n";
    o.proxy = "";
    assert_int_equal(aivo_client_create(&o, &c, err), AIVO_OK);
    /* Nobody asks this client for credentials: "there are none" is no answer. */
    assert_int_equal(aivo_client_auth(c, NULL), AIVO_E_STATE);
    assert_int_equal(aivo_client_auth(c, "{}"), AIVO_OK);
    aivo_client_destroy(c);
}

/* Each option that makes no sense is refused by name. */
static void test_bad_options(void **state)
{
    (void)state;
    struct aivo_options o;
    struct aivo_client *c = (void *)&o;
    struct aivo_error err;
    const struct {
        const char *url, *nsp, *auth, *path, *expect;
    } cases[] = {
        {NULL, "/", NULL, "/socket.io/", "url"},
        {"ftp://x", "/", NULL, "/socket.io/", "ftp"},
        {"http://x/elsewhere", "/", NULL, "/socket.io/", "/elsewhere"},
        {"http://x", "chat", NULL, "/socket.io/", "nsp"},
        {"http://x", "/a,b", NULL, "/socket.io/", "nsp"},
        {"http://x", "/", "[1]", "/socket.io/", "auth"},
        {"http://x", "/", "{\"a\":}", "/socket.io/", "auth"},
        {"http://x", "/", NULL, "socket.io", "path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        aivo_options_init(&o);
        o.url = cases[i].url;
        o.nsp = cases[i].nsp;
        o.auth = cases[i].auth;
        o.path = cases[i].path;
        assert_int_equal(aivo_client_create(&o, &c, &err), AIVO_E_INVALID);
        if (!strstr(err.message, cases[i].expect))
            fail_msg("case %zu: '%s' does not name '%s'", i, err.message, cases[i].expect);
        assert_ptr_equal(c, &o); /* untouched */
    }
    wrong_requests(&err);
    aivo_options_init(&o);
    o.url = "http://x";
    o.queue.window = 0;
    assert_int_equal(aivo_client_create(&o, &c, &err), AIVO_E_INVALID);
    assert_non_null(strstr(err.message, "queue.window"));
    char longer[1026] = "/";
    memset(longer + 1, 'p', 1024);
    aivo_options_init(&o);
    o.url = "http://x";
    o.path = longer;
    assert_int_equal(aivo_client_create(&o, &c, &err), AIVO_E_INVALID);
    assert_string_equal(err.message, "option path is 1025 bytes long: 1024 is the limit");
    aivo_options_init(&o);
    o.url = "http://x";
    longer[513] = 0;
    o.nsp = longer;
    assert_int_equal(aivo_client_create(&o, &c, &err), AIVO_E_INVALID);
    assert_string_equal(err.message, "option nsp is 513 bytes long: 512 is the limit");
}

/* Many clients on one loop, destroyed at any moment of their life: connecting, open, connected, waiting to reconnect.
 */
static void test_shared_loop(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    o.reconnect.base_ms = o.reconnect.cap_ms = 60000;
    struct aivo_client *clients[COUNT];
    for (int i = 0; i < COUNT; i++) {
        clients[i] = create(&o);
        aivo_client_start(clients[i]);
        int conn = i % 4 == 3 ? scripted_accept(s) : scripted_wait_connect(s);
        if (i % 4 == 1)
            scripted_open(s, conn);
        else if (i % 4 == 2)
            scripted_cut(s, conn, AIVO_E_CONNECT);
    }
    wait_log(">reconnecting AIVO_E_CONNECT\n");
    for (int i = 0; i < COUNT; i++)
        aivo_client_destroy(clients[i % 2 ? i : COUNT - 2 - i]);
    aivo_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_conversation, clear_log),
        cmocka_unit_test_setup(test_bad_emits, clear_log),
        cmocka_unit_test_setup(test_lost_connection, clear_log),
        cmocka_unit_test_setup(test_ack_timeout, clear_log),
        cmocka_unit_test_setup(test_destroy_inside_callback, clear_log),
        cmocka_unit_test_setup(test_dispatch_backpressure, clear_log),
        cmocka_unit_test_setup(test_destroy_inside_dispatch, clear_log),
        cmocka_unit_test_setup(test_many_threads, clear_log),
        cmocka_unit_test_setup(test_retry_at_once, clear_log),
        cmocka_unit_test_setup(test_auth_refresh, clear_log),
        cmocka_unit_test_setup(test_durable, clear_log),
        cmocka_unit_test_setup(test_queue_where, clear_log),
        cmocka_unit_test_setup(test_async, clear_log),
        cmocka_unit_test_setup(test_plain_websocket, clear_log),
        cmocka_unit_test_setup(test_bad_options, clear_log),
        cmocka_unit_test_setup(test_shared_loop, clear_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
