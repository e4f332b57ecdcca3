/*
 * Conformance only: events a client may send to have this server do, on all instances, what a Node application calls
 * a method of `io` for; tests/e2e/redis-*.test.mjs drive them.
 *
 *   test:emit {rooms, except, volatile, local, timeout, ack} event, ...args  -> with ack: error, [responses]
 *   test:fetch {rooms, except}   test:sockets {rooms}   test:rooms {}           -> error, [found]
 *   test:join {rooms, except} [rooms]   test:leave {…} [rooms]   test:disconnect {…} close
 *   test:server-side {ack} event, ...args                                  -> with ack: error, [responses]
 *
 * An event from another server goes to all clients here as test:server-side-event, and is acknowledged with
 * {"uid", "args"}; one whose name begins with "silent" is not.
 */
#include "cluster_internal.h"
#include <stdlib.h>
#include <string.h>

struct asker {
    struct srv_hub *hub;
    struct srv_nsp *nsp;
    uint64_t ack_id;
    char sid[SRV_SID_LEN + 1];
};

struct test {
    struct srv_cluster *c;
    struct srv_nsp *nsp;
    struct aivo_json opts, data; /* data: the array behind the options */
    struct srv_args rest;
    struct srv_names rooms, except;
    struct srv_target target;
    struct asker *asker; /* NULL: no answer is wanted */
};

static void done(void *context, const struct srv_answers *answers)
{
    struct asker *asker = context;
    struct srv_member *m = srv_rooms_find(&asker->nsp->rooms, asker->sid, SRV_SID_LEN);
    struct aivo_buf inner;
    aivo_buf_init(&inner);
    if (answers->error)
        aivo_json_write_string(&inner, answers->error, strlen(answers->error));
    else
        aivo_buf_str(&inner, "null");
    aivo_buf_char(&inner, ',');
    aivo_buf_add(&inner, answers->array, answers->array_len);
    const struct srv_args args = {inner.data, inner.len, answers->attachments, answers->attachment_count};
    if (m && !inner.failed)
        srv_socket_ack_args(asker->hub, srv_socket_of(m), asker->ack_id, &args);
    aivo_buf_free(&inner);
    free(asker);
}

static void acknowledge(struct test *t)
{
    static const struct srv_answers nothing = {.array = "[]", .array_len = 2};
    if (t->asker)
        done(t->asker, &nothing);
    t->asker = NULL;
}

static struct srv_broadcast broadcast_of(const struct test *t)
{
    struct aivo_json name = aivo_json_at(&t->data, 0), is_volatile = aivo_json_get(&t->opts, "volatile"),
                     local = aivo_json_get(&t->opts, "local");
    struct aivo_bytes rest = srv_cluster_rest(&t->data);
    return (struct srv_broadcast){
        .nsp = t->nsp,
        .target = t->target,
        .is_volatile = aivo_json_is_true(&is_volatile),
        .local = aivo_json_is_true(&local),
        .name = name.text,
        .name_len = name.len,
        .args = {rest.data, rest.len, t->rest.attachments, t->rest.attachment_count},
    };
}

static void test_emit(struct test *t)
{
    struct aivo_json ack = aivo_json_get(&t->opts, "ack"), timeout = aivo_json_get(&t->opts, "timeout");
    struct srv_broadcast b = broadcast_of(t);
    uint64_t timeout_ms = SRV_CLUSTER_TIMEOUT_MS;
    if (aivo_json_at(&t->data, 0).type != AIVO_JSON_STRING)
        return;
    if (!aivo_json_is_true(&ack) || !t->asker) {
        srv_broadcast(t->c->hub, &b);
        acknowledge(t);
        return;
    }
    aivo_json_u64(&timeout, &timeout_ms);
    srv_cluster_broadcast_with_ack(t->c, &b, timeout_ms, done, t->asker);
    t->asker = NULL;
}

static void test_ask(struct test *t, enum srv_cluster_type type)
{
    if (t->asker)
        srv_cluster_ask(t->c, t->nsp, type, &t->target, done, t->asker);
    t->asker = NULL;
}

static void test_join(struct test *t, bool join)
{
    struct srv_names rooms = {0};
    struct aivo_json list = aivo_json_at(&t->data, 0);
    if (srv_names_read(&rooms, &list)) {
        if (join)
            srv_cluster_join(t->c, t->nsp, &t->target, rooms.list, rooms.count);
        else
            srv_cluster_leave(t->c, t->nsp, &t->target, rooms.list, rooms.count);
    }
    srv_names_free(&rooms);
    acknowledge(t);
}

static void test_disconnect(struct test *t)
{
    struct aivo_json close = aivo_json_at(&t->data, 0);
    acknowledge(t); /* before the socket may be gone */
    srv_cluster_disconnect(t->c, t->nsp, &t->target, aivo_json_is_true(&close));
}

static void test_server_side(struct test *t)
{
    struct aivo_json ack = aivo_json_get(&t->opts, "ack");
    if (aivo_json_is_true(&ack) && t->asker) {
        srv_cluster_server_side_emit(t->c, t->nsp, t->data.text, t->data.len, done, t->asker);
        t->asker = NULL;
        return;
    }
    srv_cluster_server_side_emit(t->c, t->nsp, t->data.text, t->data.len, NULL, NULL);
    acknowledge(t);
}

static bool run(struct test *t, const struct aivo_json *name)
{
    if (aivo_json_string_is(name, "test:emit"))
        test_emit(t);
    else if (aivo_json_string_is(name, "test:fetch"))
        test_ask(t, SRV_CLUSTER_FETCH);
    else if (aivo_json_string_is(name, "test:sockets"))
        test_ask(t, SRV_CLUSTER_SOCKETS);
    else if (aivo_json_string_is(name, "test:rooms"))
        test_ask(t, SRV_CLUSTER_ALL_ROOMS);
    else if (aivo_json_string_is(name, "test:join"))
        test_join(t, true);
    else if (aivo_json_string_is(name, "test:leave"))
        test_join(t, false);
    else if (aivo_json_string_is(name, "test:disconnect"))
        test_disconnect(t);
    else if (aivo_json_string_is(name, "test:server-side"))
        test_server_side(t);
    else
        return false;
    return true;
}

bool srv_cluster_test_event(struct srv_hub *hub, struct srv_socket *socket, const struct aivo_json *data,
                            const struct aivo_bytes *attachments, unsigned attachment_count, const uint64_t *ack_id)
{
    struct aivo_json name = aivo_json_at(data, 0);
    struct test t = {.c = hub->cluster, .nsp = socket->nsp};
    struct aivo_buf array;
    t.opts = aivo_json_at(data, 1);
    if (name.type != AIVO_JSON_STRING || name.len < 6 || memcmp(name.text, "\"test:", 6) != 0 ||
        t.opts.type != AIVO_JSON_OBJECT)
        return false;
    struct aivo_json rooms = aivo_json_get(&t.opts, "rooms"), except = aivo_json_get(&t.opts, "except");
    const struct aivo_json without_name = {AIVO_JSON_ARRAY, t.opts.text - 1,
                                           (size_t)(data->text + data->len - t.opts.text + 1)};
    struct aivo_bytes rest = srv_cluster_rest(&without_name);
    aivo_buf_init(&array);
    aivo_buf_char(&array, '[');
    aivo_buf_add(&array, rest.data, rest.len);
    aivo_buf_char(&array, ']');
    bool known = false;
    if (!array.failed && srv_names_read(&t.rooms, &rooms) && srv_names_read(&t.except, &except)) {
        t.data = (struct aivo_json){AIVO_JSON_ARRAY, array.data, array.len};
        t.rest = (struct srv_args){NULL, 0, attachments, attachment_count};
        t.target = (struct srv_target){t.rooms.list, t.except.list, t.rooms.count, t.except.count};
        if (ack_id && (t.asker = malloc(sizeof *t.asker))) {
            *t.asker = (struct asker){.hub = hub, .nsp = socket->nsp, .ack_id = *ack_id};
            memcpy(t.asker->sid, socket->sid, sizeof socket->sid);
        }
        known = run(&t, &name);
        free(t.asker);
    }
    srv_names_free(&t.rooms);
    srv_names_free(&t.except);
    aivo_buf_free(&array);
    return known;
}

bool srv_cluster_server_event(struct srv_cluster *c, struct srv_nsp *nsp, const struct aivo_json *data,
                              struct aivo_buf *answer)
{
    static const char event[] = "\"test:server-side-event\"";
    if (!c->hub->config->conformance)
        return false; /* nobody listens here: as with a Node server, there is no answer */
    struct aivo_json name = aivo_json_at(data, 0);
    const struct srv_broadcast b = {
        .nsp = nsp,
        .local = true,
        .name = event,
        .name_len = sizeof event - 1,
        .args = {.inner = data->text + 1, .inner_len = data->len - 2},
    };
    srv_broadcast(c->hub, &b);
    if (name.len > 7 && memcmp(name.text, "\"silent", 7) == 0)
        return false;
    struct aivo_bytes rest = srv_cluster_rest(data);
    aivo_buf_str(answer, "{\"uid\":");
    aivo_json_write_string(answer, c->uid, strlen(c->uid));
    aivo_buf_str(answer, ",\"args\":[");
    aivo_buf_add(answer, rest.data, rest.len);
    aivo_buf_str(answer, "]}");
    return !answer->failed;
}
