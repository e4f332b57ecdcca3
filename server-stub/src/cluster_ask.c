/* What this instance wants from all of them. A question is first put to Redis (how many are we?), then to the others.
 */
#include "cluster_internal.h"
#include <stdlib.h>
#include <string.h>

struct srv_ask {
    struct srv_ask *prev, *next;
    struct srv_cluster *c;
    struct srv_nsp *nsp;
    struct srv_timer timer;
    uint64_t deadline_ms;
    enum srv_cluster_type type;
    char id[SRV_CLUSTER_ID_LEN + 1];
    bool counting;    /* Redis was asked how many servers there are, and refers to this */
    bool ended;       /* freed when Redis has answered */
    bool counted;     /* servers is known */
    bool incomplete;  /* answers were left out */
    size_t servers;   /* that are to answer; this one too but for SERVER_SIDE_EMIT */
    size_t answered;  /* servers */
    uint64_t clients; /* BROADCAST: asked on all servers that have answered */
    struct srv_ack_wait *wait;
    struct aivo_buf request; /* to be published once the number is known; empty: was published */
    struct aivo_buf answers; /* MessagePack values, one behind the other */
    size_t answer_count;
    srv_cluster_done *done;
    void *context;
};

static void tick(void *context, struct srv_timer *timer, uint64_t now_ms);

void srv_asks_init(struct srv_cluster *c)
{
    srv_timers_add(&c->hub->engine->timers, &c->ask_list, SRV_CLUSTER_TICK_MS, tick, c);
}

/* --- answers --- */

static bool is_set(enum srv_cluster_type type)
{
    return type == SRV_CLUSTER_SOCKETS || type == SRV_CLUSTER_ALL_ROOMS;
}

static void add_answer(struct srv_ask *ask, const struct aivo_json *value, const struct aivo_bytes *attachments,
                       unsigned count)
{
    msgpack_packer p;
    size_t before = ask->answers.len;
    srv_mp_packer(&p, &ask->answers);
    if (before + value->len > SRV_CLUSTER_MAX_ANSWERS ||
        !srv_mp_pack_json(&p, value, attachments, count, &ask->c->scratch) || ask->answers.failed) {
        ask->answers.failed = false;
        ask->answers.len = before;
        ask->incomplete = true;
        return;
    }
    ask->answer_count++;
}

static void add_answers(struct srv_ask *ask, const struct aivo_json *array)
{
    size_t pos = 0;
    for (struct aivo_json value = aivo_json_next(array, &pos); value.type != AIVO_JSON_NONE;
         value = aivo_json_next(array, &pos))
        add_answer(ask, &value, NULL, 0);
}

static int compare(const void *a, const void *b)
{
    const struct aivo_bytes *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* A JSON array without its repetitions, into out. false: no memory. */
static bool unique(const struct aivo_json *array, struct aivo_buf *out)
{
    size_t count = aivo_json_count(array), pos = 0;
    struct aivo_bytes *list = calloc(count + 1, sizeof *list);
    if (!list)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct aivo_json value = aivo_json_next(array, &pos);
        list[i] = (struct aivo_bytes){value.text, value.len};
    }
    qsort(list, count, sizeof *list, compare);
    aivo_buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i && compare(&list[i], &list[i - 1]) == 0)
            continue;
        if (i)
            aivo_buf_char(out, ',');
        aivo_buf_add(out, list[i].data, list[i].len);
    }
    aivo_buf_char(out, ']');
    free(list);
    return !out->failed;
}

/* The answers as JSON with attachments, for whoever asked. */
static void tell(struct srv_ask *ask, const char *error)
{
    struct aivo_buf whole, json, set;
    struct srv_mp_binaries binaries = {.count = 0};
    msgpack_packer p;
    aivo_buf_init(&whole);
    aivo_buf_init(&json);
    aivo_buf_init(&set);
    srv_mp_packer(&p, &whole);
    msgpack_pack_array(&p, ask->answer_count);
    aivo_buf_add(&whole, ask->answers.data, ask->answers.len);
    struct srv_mp value = {0};
    if (!whole.failed)
        value = srv_mp_parse(whole.data, whole.len);
    struct srv_answers answers = {.error = error};
    bool good = value.type == SRV_MP_ARRAY && srv_mp_to_json(&value, &json, &binaries) && !json.failed;
    const struct aivo_json array = {AIVO_JSON_ARRAY, json.data, json.len};
    if (good && is_set(ask->type))
        good = unique(&array, &set);
    if (good) {
        answers.array = set.len ? set.data : json.data;
        answers.array_len = set.len ? set.len : json.len;
        answers.attachments = binaries.list;
        answers.attachment_count = binaries.count;
    } else {
        answers.error = "too much";
        answers.array = "[]";
        answers.array_len = 2;
    }
    ask->done(ask->context, &answers);
    aivo_buf_free(&whole);
    aivo_buf_free(&json);
    aivo_buf_free(&set);
}

/* --- life --- */

static void ask_free(struct srv_ask *ask)
{
    aivo_buf_free(&ask->request);
    aivo_buf_free(&ask->answers);
    free(ask);
}

static void end(struct srv_ask *ask, const char *error)
{
    struct srv_cluster *c = ask->c;
    srv_timer_stop(&ask->timer);
    if (ask->prev)
        ask->prev->next = ask->next;
    else
        c->asks = ask->next;
    if (ask->next)
        ask->next->prev = ask->prev;
    c->ask_count--;
    if (ask->wait) { /* local clients: their answers come too late now */
        ask->wait->context = NULL;
        ask->wait = NULL;
    }
    tell(ask, error ? error : ask->incomplete ? "too much" : NULL);
    ask->ended = true;
    if (!ask->counting)
        ask_free(ask);
}

static void end_if_complete(struct srv_ask *ask)
{
    if (ask->counted && ask->answered >= ask->servers &&
        (ask->type != SRV_CLUSTER_BROADCAST || ask->answer_count >= ask->clients))
        end(ask, NULL);
}

static void tick(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_cluster *c = context;
    struct srv_ask *ask = SRV_TIMER_OWNER(timer, struct srv_ask, timer);
    c->hub->engine->now_ms = now_ms;
    if (now_ms >= ask->deadline_ms)
        end(ask, "timeout");
    else
        srv_timer_start(&c->ask_list, timer, now_ms);
}

void srv_asks_free(struct srv_cluster *c)
{
    while (c->asks)
        end(c->asks, "closing");
}

static struct srv_ask *ask_new(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                               uint64_t timeout_ms, srv_cluster_done *done, void *context)
{
    struct srv_ask *ask = c->ask_count < SRV_CLUSTER_MAX_ASKS && !c->stopped ? calloc(1, sizeof *ask) : NULL;
    if (!ask) {
        const struct srv_answers none = {.error = "too many questions", .array = "[]", .array_len = 2};
        done(context, &none);
        return NULL;
    }
    ask->c = c;
    ask->nsp = nsp;
    ask->type = type;
    ask->done = done;
    ask->context = context;
    ask->deadline_ms = c->hub->engine->now_ms + timeout_ms;
    srv_cluster_new_id(c, ask->id);
    ask->next = c->asks;
    if (ask->next)
        ask->next->prev = ask;
    c->asks = ask;
    c->ask_count++;
    srv_timer_start(&c->ask_list, &ask->timer, c->hub->engine->now_ms);
    return ask;
}

static struct srv_ask *find(const struct srv_cluster *c, const char *id)
{
    struct srv_ask *ask = c->asks;
    while (ask && strcmp(ask->id, id) != 0)
        ask = ask->next;
    return ask;
}

/* --- how many are we? --- */

static void publish_request(struct srv_ask *ask)
{
    struct srv_cluster *c = ask->c;
    if (ask->request.len)
        srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, ask->nsp)->request), &ask->request);
    aivo_buf_free(&ask->request);
}

/* PUBSUB NUMSUB: [channel, number]. Without an answer this instance is all there is. */
static void counted(void *context, const struct srv_resp_reply *reply)
{
    struct srv_ask *ask = context;
    ask->counting = false;
    if (ask->ended) {
        ask_free(ask);
        return;
    }
    size_t servers = 1;
    if (reply && reply->is_array && reply->count == 2 && reply->items[1].type == SRV_RESP_INTEGER &&
        reply->items[1].integer > 1)
        servers = (size_t)reply->items[1].integer;
    ask->servers = ask->type == SRV_CLUSTER_SERVER_SIDE_EMIT ? servers - 1 : servers;
    ask->counted = true;
    if (servers > 1)
        publish_request(ask);
    end_if_complete(ask);
}

static void count(struct srv_ask *ask)
{
    struct srv_cluster *c = ask->c;
    const struct aivo_buf *channel = &srv_cluster_channels(c, ask->nsp)->request;
    const struct aivo_bytes words[] = {{"PUBSUB", 6}, {"NUMSUB", 6}, srv_buf_bytes(channel)};
    ask->counting = true;
    if (!srv_cluster_command(c, words, 3, counted, ask))
        counted(ask, NULL);
}

/* --- questions --- */

void srv_cluster_ask(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                     const struct srv_target *target, srv_cluster_done *done, void *context)
{
    struct srv_ask *ask = ask_new(c, nsp, type, SRV_CLUSTER_TIMEOUT_MS, done, context);
    if (!ask)
        return;
    struct aivo_buf local;
    aivo_buf_init(&local);
    srv_cluster_local_answer(c, nsp, type, target, &local);
    const struct aivo_json array = {AIVO_JSON_ARRAY, local.data, local.len};
    if (local.failed)
        ask->incomplete = true;
    else
        add_answers(ask, &array);
    ask->answered = 1;
    aivo_buf_clear(&local);
    if (type == SRV_CLUSTER_SOCKETS)
        srv_cluster_write_names(&local, target->rooms, target->room_count);
    const struct aivo_bytes rooms = srv_buf_bytes(&local);
    srv_cluster_write_request(&ask->request, c->uid, ask->id, type, type == SRV_CLUSTER_FETCH ? target : NULL,
                              type == SRV_CLUSTER_SOCKETS ? "rooms" : NULL, &rooms);
    aivo_buf_free(&local);
    count(ask);
}

void srv_cluster_server_side_emit(struct srv_cluster *c, struct srv_nsp *nsp, const char *data, size_t len,
                                  srv_cluster_done *done, void *context)
{
    const struct aivo_bytes value = {data, len};
    if (done) {
        struct srv_ask *ask = ask_new(c, nsp, SRV_CLUSTER_SERVER_SIDE_EMIT, SRV_CLUSTER_TIMEOUT_MS, done, context);
        if (!ask)
            return;
        srv_cluster_write_request(&ask->request, c->uid, ask->id, SRV_CLUSTER_SERVER_SIDE_EMIT, NULL, "data", &value);
        count(ask);
        return;
    }
    aivo_buf_clear(&c->message);
    srv_cluster_write_request(&c->message, c->uid, NULL, SRV_CLUSTER_SERVER_SIDE_EMIT, NULL, "data", &value);
    srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, nsp)->request), &c->message);
}

/* Its own copy comes back from Redis and is what acts here; without Redis we act at once. */
static bool send_action(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                        const struct srv_target *target, const char *key, const struct aivo_buf *value)
{
    if (!c->connected)
        return false;
    const struct aivo_bytes text = srv_buf_bytes(value);
    aivo_buf_clear(&c->message);
    srv_cluster_write_request(&c->message, c->uid, NULL, type, target, key, &text);
    srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, nsp)->request), &c->message);
    return true;
}

static void join_or_leave(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                          const struct aivo_bytes *rooms, size_t room_count, bool join)
{
    aivo_buf_clear(&c->scratch);
    srv_cluster_write_names(&c->scratch, rooms, room_count);
    if (!send_action(c, nsp, join ? SRV_CLUSTER_JOIN : SRV_CLUSTER_LEAVE, target, "rooms", &c->scratch))
        srv_cluster_local_join(c, nsp, target, rooms, room_count, join);
}

void srv_cluster_join(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                      const struct aivo_bytes *rooms, size_t room_count)
{
    join_or_leave(c, nsp, target, rooms, room_count, true);
}

void srv_cluster_leave(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                       const struct aivo_bytes *rooms, size_t room_count)
{
    join_or_leave(c, nsp, target, rooms, room_count, false);
}

void srv_cluster_disconnect(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                            bool close_connection)
{
    aivo_buf_clear(&c->scratch);
    aivo_buf_str(&c->scratch, close_connection ? "true" : "false");
    if (!send_action(c, nsp, SRV_CLUSTER_DISCONNECT, target, "close", &c->scratch))
        srv_cluster_local_disconnect(c, nsp, target, close_connection);
}

/* --- broadcast with ack --- */

static void local_answer(void *context, const struct aivo_json *args, const struct aivo_bytes *attachments,
                         unsigned attachment_count)
{
    struct srv_ask *ask = context;
    struct aivo_json first = aivo_json_at(args, 0);
    if (!ask)
        return;
    add_answer(ask, &first, attachments, attachment_count);
    end_if_complete(ask);
}

static void local_over(void *context)
{
    struct srv_ask *ask = context;
    if (ask)
        ask->wait = NULL;
}

void srv_cluster_broadcast_with_ack(struct srv_cluster *c, const struct srv_broadcast *broadcast, uint64_t timeout_ms,
                                    srv_cluster_done *done, void *context)
{
    static const struct srv_ack_hooks hooks = {local_answer, local_over};
    struct srv_hub *hub = c->hub;
    struct srv_ask *ask = ask_new(c, broadcast->nsp, SRV_CLUSTER_BROADCAST, timeout_ms, done, context);
    if (!ask)
        return;
    struct srv_broadcast b = *broadcast;
    ask->wait = b.wait = srv_ack_wait_new(&hub->acks, &hooks, ask, timeout_ms, hub->engine->now_ms);
    b.ask_id = ask->id;
    b.ask_timeout_ms = timeout_ms;
    if (!b.wait) {
        end(ask, "too many questions");
        return;
    }
    ask->clients = srv_broadcast(hub, &b);
    ask->answered = 1;
    srv_ack_wait_begin(&hub->acks, b.wait);
    count(ask);
}

/* --- responses --- */

void srv_cluster_response(struct srv_cluster *c)
{
    const struct srv_cluster_in *in = &c->in;
    struct srv_ask *ask = find(c, in->request_id);
    if (!ask)
        return;
    if (ask->type == SRV_CLUSTER_BROADCAST) {
        struct aivo_json value = srv_cluster_member(in, in->type == SRV_CLUSTER_ACK ? "packet" : "clientCount");
        uint64_t clients;
        if (in->type == SRV_CLUSTER_ACK) {
            add_answer(ask, &value, in->binaries.list, in->binaries.count);
        } else if (in->type == SRV_CLUSTER_CLIENT_COUNT && aivo_json_u64(&value, &clients)) {
            ask->clients += clients;
            ask->answered++;
        }
    } else if (ask->type == SRV_CLUSTER_SERVER_SIDE_EMIT) {
        struct aivo_json value = srv_cluster_member(in, "data");
        add_answer(ask, &value, in->binaries.list, in->binaries.count);
        ask->answered++;
    } else {
        struct aivo_json array = srv_cluster_member(in, ask->type == SRV_CLUSTER_ALL_ROOMS ? "rooms" : "sockets");
        ask->answered++;
        if (array.type == AIVO_JSON_ARRAY)
            add_answers(ask, &array);
    }
    end_if_complete(ask);
}
