/* The end of a client and what it owes: messages that are sent from inside its last callbacks, and fates that were not
 * told in time. */
#include "client_rig.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODES 2
static const enum aivo_callbacks modes[MODES] = {AIVO_CALLBACKS_SERVICE, AIVO_CALLBACKS_DISPATCH};

/* A program that answers the end of something with a durable message, and the end of that with another. */
static struct {
    bool async;
    int generations; /* how many more ends are answered so */
    int accepted, refused, stored;
} again;

static void on_stored_again(struct aivo_client *c, enum aivo_status status, const struct aivo_message_id *id,
                            const struct aivo_error *e, void *user);

static void send_again(struct aivo_client *c)
{
    struct aivo_error err = {.message = ""};
    if (again.generations-- <= 0)
        return;
    enum aivo_status status = again.async
                                  ? aivo_client_send_async(c, "again", "[{}]", NULL, on_stored_again, NULL, NULL, &err)
                                  : aivo_client_send(c, "again", "[{}]", NULL, &err);
    if (status == AIVO_OK) {
        again.accepted++;
        return;
    }
    again.refused++;
    assert_int_equal(status, AIVO_E_STATE);
    assert_non_null(strstr(err.message, "being destroyed"));
    assert_int_equal(aivo_client_queue_purge(c, NULL, NULL, &err), AIVO_E_STATE);
}

static void on_stored_again(struct aivo_client *c, enum aivo_status status, const struct aivo_message_id *id,
                            const struct aivo_error *e, void *user)
{
    (void)id, (void)e, (void)user;
    assert_int_equal(status, AIVO_OK);
    again.stored++;
    send_again(c);
}

static void on_cancelled(struct aivo_client *c, enum aivo_status status, const struct aivo_message *m, void *user)
{
    (void)m, (void)user;
    note("ack %s\n", aivo_status_name(status));
    send_again(c);
}

static uint64_t rows_in(const char *path)
{
    struct aivo_queue_stats stats = {0};
    struct aivo_outbox *box = NULL;
    struct aivo_error err;
    if (aivo_outbox_open(path, false, &box, &err) != AIVO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(aivo_outbox_stats(box, NULL, &stats, &err), AIVO_OK);
    aivo_outbox_close(box);
    return stats.pending;
}

/* In each mode, synchronously and not: a message sent in the stored callback of one that is stored while the client is
 * destroyed is stored too, and so is one that answers an emit's cancelled ack; destroy returns and each accepted
 * message is in the file and was told. */
static void test_send_in_the_last_callbacks(void **state)
{
    (void)state;
    for (int run = 0; run < MODES * 4; run++) {
        struct scripted *s;
        struct aivo_loop *loop = scripted_loop(&s);
        struct queue_place place;
        queue_place_make(&place);
        struct aivo_options o = options_on(loop);
        o.queue.path = place.path;
        o.callbacks = modes[run % MODES];
        again.async = run & 2;
        again.generations = 3;
        again.accepted = again.refused = again.stored = 0;
        bool emits = run & 4;
        struct aivo_client *c = create(&o);
        if (emits) {
            aivo_client_start(c);
            int conn = scripted_accept(s);
            while (aivo_client_state(c) != AIVO_STATE_CONNECTED)
                usleep(1000);
            struct aivo_emit how = asking(on_cancelled, NULL);
            assert_int_equal(aivo_client_emit(c, "ask", NULL, &how), AIVO_OK);
            scripted_hear(s, conn);
        } else {
            assert_int_equal(aivo_client_send_async(c, "first", "[{}]", NULL, on_stored_again, NULL, NULL, NULL),
                             AIVO_OK);
        }
        aivo_client_destroy(c);
        int expected = again.async ? 3 : 1;
        assert_int_equal(again.accepted, expected);
        assert_int_equal(again.refused, 0);
        assert_int_equal(again.stored, (emits ? 0 : 1) + (again.async ? 3 : 0));
        assert_int_equal(rows_in(place.path), (emits ? 0 : 1) + expected);
        aivo_loop_destroy(loop);
        queue_place_remove(&place);
    }
}

/* A program that answers the end of each message with another message for ever: the client's end comes all the same,
 * the last is refused and says why, and what was accepted is in the file. */
static void test_sends_for_ever(void **state)
{
    (void)state;
    for (int run = 0; run < MODES; run++) {
        struct scripted *s;
        struct aivo_loop *loop = scripted_loop(&s);
        struct queue_place place;
        queue_place_make(&place);
        struct aivo_options o = options_on(loop);
        o.queue.path = place.path;
        o.callbacks = modes[run];
        again.async = true;
        again.generations = 1 << 30;
        again.accepted = again.refused = again.stored = 0;
        struct aivo_client *c = create(&o);
        assert_int_equal(aivo_client_send_async(c, "first", "[{}]", NULL, on_stored_again, NULL, NULL, NULL), AIVO_OK);
        aivo_client_destroy(c);
        assert_int_equal(again.refused, 1);
        assert_int_equal(again.stored, again.accepted + 1);
        assert_int_equal(rows_in(place.path), again.accepted + 1);
        aivo_loop_destroy(loop);
        queue_place_remove(&place);
    }
}

/* A client with dispatched callbacks is destroyed on the thread of its loop, by another client's callback: the ends
 * that wait are run there. */
static void destroy_other(struct aivo_client *c, const struct aivo_message *m, void *user)
{
    (void)c, (void)m;
    aivo_client_destroy(user);
    note("destroyed\n");
}

static void test_destroyed_by_a_neighbour(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct aivo_options o = options_on(loop);
    int conn;
    struct aivo_client *neighbour = connect_client(s, &o, &conn);
    o.queue.memory_only = true;
    o.callbacks = AIVO_CALLBACKS_DISPATCH;
    again.async = true;
    again.generations = 1;
    again.accepted = again.refused = again.stored = 0;
    struct aivo_client *c = create(&o);
    aivo_client_on(neighbour, "bye", destroy_other, c);
    assert_int_equal(aivo_client_send_async(c, "first", "[{}]", NULL, on_stored_again, NULL, NULL, NULL), AIVO_OK);
    scripted_say(s, conn, "42[\"bye\"]");
    wait_log("destroyed\n");
    assert_int_equal(again.stored, 2);
    aivo_client_destroy(neighbour);
    aivo_loop_destroy(loop);
}

/* How many fates were told, and what happens at one of them. */
static struct {
    atomic_int told, destroy_at;
} fates;

static void count_fate(struct aivo_client *c, const struct aivo_queued *m, enum aivo_fate fate, const char *answer,
                       void *user)
{
    (void)m, (void)answer, (void)user;
    assert_int_equal(fate, AIVO_FATE_EVICTED);
    if (atomic_fetch_add(&fates.told, 1) + 1 == atomic_load(&fates.destroy_at))
        aivo_client_destroy(c);
}

/* A client whose queue holds 5 and is offline; messages beyond that are evicted. */
static struct aivo_client *evicting_client(struct aivo_loop *loop, const char *path, enum aivo_callbacks mode)
{
    struct aivo_options o = options_on(loop);
    o.queue.path = path;
    o.queue.max_messages = 5;
    o.callbacks = mode;
    struct aivo_client *c = NULL;
    assert_int_equal(aivo_client_create(&o, &c, NULL), AIVO_OK);
    aivo_client_on_fate(c, count_fate, NULL);
    return c;
}

static void wait_told(struct aivo_client *c, int want)
{
    for (int i = 0; i < 5000 && atomic_load(&fates.told) < want; i++) {
        aivo_client_dispatch(c);
        usleep(1000);
    }
}

/* Seven messages are evicted, and the program ends its client in the callback of the third: the fates of the others are
 * told by the next client, in both modes, and each one once. */
static void test_fates_after_destroy_inside(void **state)
{
    (void)state;
    for (int run = 0; run < MODES; run++) {
        struct scripted *s;
        struct aivo_loop *loop = scripted_loop(&s);
        struct queue_place place;
        queue_place_make(&place);
        atomic_store(&fates.told, 0);
        atomic_store(&fates.destroy_at, 3);
        struct aivo_client *c = evicting_client(loop, place.path, modes[run]);
        for (int i = 0; i < 12; i++)
            assert_int_equal(aivo_client_send(c, "m", "[{}]", NULL, NULL), AIVO_OK);
        aivo_client_start(c);
        for (int i = 0; i < 5000 && atomic_load(&fates.told) < 3; i++) {
            if (modes[run] == AIVO_CALLBACKS_DISPATCH)
                aivo_client_dispatch(c);
            usleep(1000);
        }
        aivo_loop_destroy(loop);
        struct aivo_options o;
        aivo_options_init(&o);
        loop = scripted_loop(&s);
        atomic_store(&fates.destroy_at, 0);
        for (int i = 0; i < 5000; i++) { /* until the old one has let go of the file */
            o = options_on(loop);
            o.queue.path = place.path;
            o.queue.max_messages = 5;
            o.callbacks = modes[run];
            if (aivo_client_create(&o, &c, NULL) == AIVO_OK)
                break;
            usleep(1000);
        }
        assert_int_equal(atomic_load(&fates.told), 3);
        aivo_client_on_fate(c, count_fate, NULL);
        aivo_client_start(c);
        wait_told(c, 7);
        usleep(50000);
        aivo_client_dispatch(c);
        assert_int_equal(atomic_load(&fates.told), 7);
        aivo_client_destroy(c);
        aivo_loop_destroy(loop);
        queue_place_remove(&place);
    }
}

/* With dispatched callbacks: fates that the program never dispatched are told by the next client. Of a dead message the
 * reason is kept as well, and the answer of an acknowledged one is there while the client lives. */
static void test_fates_never_dispatched(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.queue.path = place.path;
    o.queue.max_retries = 1;
    o.callbacks = AIVO_CALLBACKS_DISPATCH;
    struct aivo_client *c = create(&o);
    struct aivo_send how;
    aivo_send_init(&how);
    how.order_key = "one"; /* what is behind it goes on though nobody dispatches */
    assert_int_equal(aivo_client_send_ex(c, "good", "[{}]", &how, NULL, NULL), AIVO_OK);
    assert_int_equal(aivo_client_send_ex(c, "bad", "[{}]", &how, NULL, NULL), AIVO_OK);
    assert_int_equal(aivo_client_send_ex(c, "later", "[{}]", &how, NULL, NULL), AIVO_OK);
    aivo_client_start(c);
    int conn = scripted_accept(s);
    say_ack(s, conn, scripted_hear(s, conn), "[1]");
    say_ack(s, conn, scripted_hear(s, conn), "[{\"error\":\"broken\"}]");
    assert_non_null(strstr(scripted_hear(s, conn), "\"later\""));
    struct aivo_queue_stats stats;
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(aivo_client_queue_stats(c, &stats), AIVO_OK);
        if (stats.untold == 2)
            break;
        usleep(1000);
    }
    assert_int_equal(stats.untold, 2);
    assert_int_equal(stats.pending, 1);
    aivo_client_destroy(c); /* nothing was dispatched */
    assert_int_equal(count_log("fate"), 0);
    c = create(&o);
    aivo_client_start(c);
    scripted_accept(s);
    for (int i = 0; i < 5000 && count_log("fate") < 2; i++) {
        aivo_client_dispatch(c);
        usleep(1000);
    }
    assert_int_equal(count_log("fate good acknowledged -\n"), 1);
    assert_int_equal(count_log("fate bad dead -\n"), 1);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(aivo_client_queue_stats(c, &stats), AIVO_OK);
        if (stats.untold == 0)
            break;
        usleep(1000);
    }
    assert_int_equal(stats.untold, 0);
    assert_int_equal(stats.dead, 1);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    queue_place_remove(&place);
}

/* A forked child that cleans up as its parent would, as it happens in an exit handler, neither waits for a thread that
 * it does not have nor disturbs the parent's client. */
static void test_destroyed_in_a_child(void **state)
{
    (void)state;
    struct scripted *s;
    struct aivo_loop *loop = scripted_loop(&s);
    struct queue_place place;
    queue_place_make(&place);
    struct aivo_options o = options_on(loop);
    o.queue.path = place.path;
    struct aivo_client *c = create(&o);
    aivo_client_start(c);
    scripted_accept(s);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(5);
        aivo_client_destroy(c);
        aivo_loop_destroy(loop);
        _exit(7);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_int_equal(aivo_client_send(c, "still", "[{}]", NULL, NULL), AIVO_OK);
    aivo_client_destroy(c);
    aivo_loop_destroy(loop);
    assert_int_equal(rows_in(place.path), 1);
    queue_place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_destroyed_in_a_child, clear_log),
        cmocka_unit_test_setup(test_send_in_the_last_callbacks, clear_log),
        cmocka_unit_test_setup(test_sends_for_ever, clear_log),
        cmocka_unit_test_setup(test_destroyed_by_a_neighbour, clear_log),
        cmocka_unit_test_setup(test_fates_after_destroy_inside, clear_log),
        cmocka_unit_test_setup(test_fates_never_dispatched, clear_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
