/* What other instances send: broadcasts for our clients, and what they want to know or have done. */
#include "cluster_internal.h"
#include <stdlib.h>
#include <string.h>

/* --- what is done here --- */

void srv_cluster_local_join(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                            const struct aivo_bytes *rooms, size_t count, bool join)
{
    size_t members;
    bool refused = false;
    struct srv_member **list = srv_rooms_collect(&nsp->rooms, target, &members);
    for (size_t i = 0; i < members; i++)
        for (size_t j = 0; j < count; j++) {
            if (join)
                refused |= srv_rooms_join(&nsp->rooms, list[i], rooms[j].data, rooms[j].len) != SRV_JOIN_OK;
            else
                srv_rooms_leave(&nsp->rooms, list[i], rooms[j].data, rooms[j].len);
        }
    free(list);
    if (refused)
        srv_cluster_trouble(c, "a socket was to join a room beyond a bound, and did not");
}

void srv_cluster_local_disconnect(struct srv_cluster *c, struct srv_nsp *nsp, const struct srv_target *target,
                                  bool close_connection)
{
    size_t members;
    struct srv_member **list = srv_rooms_collect(&nsp->rooms, target, &members);
    for (size_t i = 0; i < members; i++)
        srv_socket_disconnect(c->hub, srv_socket_of(list[i]), close_connection);
    free(list);
}

/* --- this instance's part of an answer --- */

struct listing {
    struct srv_cluster *c;
    struct aivo_buf *out;
    bool first;
};

static void comma(struct listing *l)
{
    if (!l->first)
        aivo_buf_char(l->out, ',');
    l->first = false;
}

static void add_name(void *context, const char *name, size_t len)
{
    struct listing *l = context;
    comma(l);
    aivo_json_write_string(l->out, name, len);
}

static void add_id(void *context, struct srv_member *m)
{
    add_name(context, m->id, strlen(m->id));
}

static void add_text(struct aivo_buf *out, const char *head, const char *text)
{
    aivo_buf_str(out, head);
    aivo_json_write_string(out, text, strlen(text));
}

/* The members of a Node server's handshake; of its contents what is no secret of the client's. */
static void add_socket(void *context, struct srv_member *m)
{
    struct listing *l = context;
    const struct srv_socket *socket = srv_socket_of(m);
    const struct srv_config *config = l->c->hub->config;
    struct listing rooms = {l->c, l->out, true};
    char address[SRV_ADDRESS_TEXT];
    comma(l);
    srv_address_format(&socket->client->session->address, address);
    add_text(l->out, "{\"id\":", socket->sid);
    add_text(l->out, ",\"handshake\":{\"headers\":{},\"time\":\"\",\"address\":", address);
    aivo_buf_str(l->out, ",\"xdomain\":false,\"secure\":");
    aivo_buf_str(l->out, config->ssl_enabled ? "true" : "false");
    aivo_buf_str(l->out, ",\"issued\":0,\"url\":\"/socket.io/\",\"query\":{},\"auth\":{}},\"rooms\":[");
    srv_rooms_of(m, add_name, &rooms);
    add_text(l->out, "],\"data\":{\"userId\":", socket->agent.user_id);
    add_text(l->out, ",\"learnerId\":", socket->agent.learner_id);
    aivo_buf_str(l->out, "}}");
}

void srv_cluster_local_answer(struct srv_cluster *c, struct srv_nsp *nsp, enum srv_cluster_type type,
                              const struct srv_target *target, struct aivo_buf *out)
{
    struct listing l = {c, out, true};
    aivo_buf_char(out, '[');
    if (type == SRV_CLUSTER_ALL_ROOMS)
        srv_rooms_names(&nsp->rooms, add_name, &l);
    else
        srv_rooms_each(&nsp->rooms, target, type == SRV_CLUSTER_FETCH ? add_socket : add_id, &l);
    aivo_buf_char(out, ']');
}

/* --- broadcasts --- */

static struct srv_target target_of(const struct srv_cluster_in *in)
{
    return (struct srv_target){in->rooms.list, in->except.list, in->rooms.count, in->except.count};
}

/* Names the event for the metrics; its name goes out as it came. */
static struct srv_broadcast broadcast_of(struct srv_cluster *c, struct srv_nsp *nsp)
{
    const struct srv_cluster_in *in = &c->in;
    struct aivo_json name = aivo_json_at(&in->data, 0);
    struct aivo_bytes rest = srv_cluster_rest(&in->data);
    struct srv_broadcast b = {
        .nsp = nsp,
        .target = target_of(in),
        .is_volatile = in->is_volatile,
        .local = true,
        .name = name.text,
        .name_len = name.len,
        .args = {rest.data, rest.len, in->binaries.list, in->binaries.count},
    };
    if (name.type == AIVO_JSON_STRING)
        b.event = srv_event_find(name.text + 1, name.len - 2);
    return b;
}

static bool for_us(const struct srv_cluster_in *in, const struct srv_nsp *nsp)
{
    return in->packet_nsp.type == AIVO_JSON_NONE ? strcmp(nsp->name, "/") == 0
                                                 : aivo_json_string_is(&in->packet_nsp, nsp->name);
}

static void broadcast(struct srv_cluster *c, struct srv_nsp *nsp, struct aivo_bytes payload)
{
    if (!srv_cluster_read_broadcast(&c->in, payload.data, payload.len)) {
        srv_cluster_trouble(c, "a broadcast that cannot be read");
        return;
    }
    if (strcmp(c->in.uid, c->uid) == 0 || !for_us(&c->in, nsp))
        return;
    struct srv_broadcast b = broadcast_of(c, nsp);
    srv_broadcast(c->hub, &b);
}

/* --- requests --- */

static bool is_own(const struct srv_cluster *c)
{
    return strcmp(c->in.uid, c->uid) == 0;
}

/* {"requestId":…,<member>: begun; the caller adds the member's value. */
static void begin_response(struct srv_cluster *c, const char *member, int type)
{
    aivo_buf_clear(&c->message);
    aivo_buf_char(&c->message, '{');
    if (type >= 0) {
        aivo_buf_str(&c->message, "\"type\":");
        aivo_buf_u64(&c->message, (unsigned)type);
        aivo_buf_char(&c->message, ',');
    }
    add_text(&c->message, "\"requestId\":", c->in.request_id);
    if (member) {
        aivo_buf_str(&c->message, ",\"");
        aivo_buf_str(&c->message, member);
        aivo_buf_str(&c->message, "\":");
    }
}

static void end_response(struct srv_cluster *c, struct srv_nsp *nsp)
{
    aivo_buf_char(&c->message, '}');
    srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, nsp)->response), &c->message);
}

static void answer(struct srv_cluster *c, struct srv_nsp *nsp)
{
    struct srv_cluster_in *in = &c->in;
    /* As old as the legacy form of SOCKETS is, its rooms are beside it and not in opts. */
    const struct srv_target target = in->type == SRV_CLUSTER_SOCKETS
                                         ? (struct srv_target){.rooms = in->names.list, .room_count = in->names.count}
                                         : target_of(in);
    if (is_own(c))
        return;
    begin_response(c, in->type == SRV_CLUSTER_ALL_ROOMS ? "rooms" : "sockets", -1);
    srv_cluster_local_answer(c, nsp, (enum srv_cluster_type)in->type, &target, &c->message);
    end_response(c, nsp);
}

/* JOIN, LEAVE, DISCONNECT: by opts without an answer, or by one socket's id with one. */
static void act(struct srv_cluster *c, struct srv_nsp *nsp)
{
    struct srv_cluster_in *in = &c->in;
    struct srv_target target = target_of(in);
    const struct aivo_bytes *rooms = in->names.list;
    size_t count = in->names.count;
    struct srv_names sid = {0}, room = {0};
    struct aivo_bytes one = {0}, other = {0};
    if (!in->has_opts) {
        struct aivo_json sid_value = srv_cluster_member(in, "sid"), room_value = srv_cluster_member(in, "room");
        aivo_buf_init(&sid.text);
        aivo_buf_init(&room.text);
        if (!aivo_json_string(&sid_value, &sid.text) || sid.text.failed ||
            !srv_rooms_find(&nsp->rooms, sid.text.data ? sid.text.data : "", sid.text.len)) {
            srv_names_free(&sid);
            return;
        }
        count = aivo_json_string(&room_value, &room.text) && !room.text.failed ? 1 : 0;
        one = srv_buf_bytes(&sid.text);
        other = srv_buf_bytes(&room.text);
        target = (struct srv_target){.rooms = &one, .room_count = 1};
        rooms = &other;
    }
    if (in->type == SRV_CLUSTER_DISCONNECT)
        srv_cluster_local_disconnect(c, nsp, &target, in->close);
    else
        srv_cluster_local_join(c, nsp, &target, rooms, count, in->type == SRV_CLUSTER_JOIN);
    if (!in->has_opts && in->has_request_id) {
        begin_response(c, NULL, -1);
        end_response(c, nsp);
    }
    srv_names_free(&sid);
    srv_names_free(&room);
}

static void server_event(struct srv_cluster *c, struct srv_nsp *nsp)
{
    struct srv_cluster_in *in = &c->in;
    if (is_own(c))
        return;
    struct aivo_buf value;
    aivo_buf_init(&value);
    if (srv_cluster_server_event(c, nsp, &in->data, &value) && in->has_request_id) {
        begin_response(c, "data", SRV_CLUSTER_SERVER_SIDE_EMIT);
        aivo_buf_add(&c->message, value.data, value.len);
        end_response(c, nsp);
    }
    aivo_buf_free(&value);
}

/* --- a broadcast with ack that another instance asked for --- */

struct relay {
    struct srv_cluster *c;
    struct srv_nsp *nsp;
    char request_id[64];
};

static void relay_answer(void *context, const struct aivo_json *args, const struct aivo_bytes *attachments,
                         unsigned count)
{
    struct relay *relay = context;
    struct srv_cluster *c = relay->c;
    struct aivo_json first = aivo_json_at(args, 0);
    aivo_buf_clear(&c->message);
    if (srv_cluster_write_ack(&c->message, relay->request_id, first.type == AIVO_JSON_NONE ? NULL : &first, attachments,
                              count, &c->scratch))
        srv_cluster_send(c, srv_buf_bytes(&srv_cluster_channels(c, relay->nsp)->response), &c->message);
}

static void relay_over(void *context)
{
    free(context);
}

static void broadcast_with_ack(struct srv_cluster *c, struct srv_nsp *nsp)
{
    static const struct srv_ack_hooks hooks = {relay_answer, relay_over};
    struct srv_cluster_in *in = &c->in;
    if (is_own(c) || !for_us(in, nsp))
        return;
    struct srv_hub *hub = c->hub;
    struct relay *relay = malloc(sizeof *relay);
    struct srv_ack_wait *wait =
        relay ? srv_ack_wait_new(&hub->acks, &hooks, relay, in->timeout_ms, hub->engine->now_ms) : NULL;
    size_t receivers = 0;
    if (wait) {
        *relay = (struct relay){.c = c, .nsp = nsp};
        memcpy(relay->request_id, in->request_id, sizeof relay->request_id);
        struct srv_broadcast b = broadcast_of(c, nsp);
        b.wait = wait;
        receivers = srv_broadcast(hub, &b);
    } else {
        free(relay);
        srv_cluster_trouble(c, "a broadcast with acknowledgements beyond the bound was not sent");
    }
    begin_response(c, "clientCount", SRV_CLUSTER_CLIENT_COUNT);
    aivo_buf_u64(&c->message, receivers);
    end_response(c, nsp);
    if (wait)
        srv_ack_wait_begin(&hub->acks, wait);
}

static void request(struct srv_cluster *c, struct srv_nsp *nsp, struct aivo_bytes payload)
{
    if (!srv_cluster_read_request(&c->in, payload.data, payload.len)) {
        srv_cluster_trouble(c, "a request that cannot be read");
        return;
    }
    switch ((enum srv_cluster_type)c->in.type) {
    case SRV_CLUSTER_SOCKETS:
    case SRV_CLUSTER_ALL_ROOMS:
    case SRV_CLUSTER_FETCH:
        answer(c, nsp);
        return;
    case SRV_CLUSTER_JOIN:
    case SRV_CLUSTER_LEAVE:
    case SRV_CLUSTER_DISCONNECT:
        act(c, nsp);
        return;
    case SRV_CLUSTER_SERVER_SIDE_EMIT:
        server_event(c, nsp);
        return;
    case SRV_CLUSTER_BROADCAST:
        broadcast_with_ack(c, nsp);
        return;
    case SRV_CLUSTER_CLIENT_COUNT:
    case SRV_CLUSTER_ACK:
        return;
    }
}

/* --- sorting --- */

static bool same(struct aivo_bytes a, const struct aivo_buf *b)
{
    return a.len == b->len && memcmp(a.data, b->data, a.len) == 0;
}

/* Of a broadcast's channel: is it this namespace's, and is the room it names, if it names one, one of ours, or perhaps
 * of somebody's who will come back? */
static bool broadcast_channel(const struct srv_cluster *c, const struct srv_channels *channels,
                              struct aivo_bytes channel, bool *wanted)
{
    const struct aivo_buf *own = &channels->broadcast;
    if (channel.len < own->len || memcmp(channel.data, own->data, own->len) != 0)
        return false;
    const char *room = (const char *)channel.data + own->len;
    size_t len = channel.len - own->len;
    *wanted = len <= 1 || srv_rooms_exists(&channels->nsp->rooms, room, len - 1) || c->hub->recovery.parked_count > 0;
    return true;
}

void srv_cluster_receive(struct srv_cluster *c, struct aivo_bytes channel, struct aivo_bytes payload)
{
    bool wanted = false;
    c->hub->engine->now_ms = uv_now(c->sub.loop);
    for (unsigned i = 0; i < c->hub->nsp_count; i++) {
        struct srv_channels *channels = &c->channels[i];
        if (broadcast_channel(c, channels, channel, &wanted)) {
            if (wanted)
                broadcast(c, channels->nsp, payload);
            return;
        }
        if (same(channel, &channels->request)) {
            request(c, channels->nsp, payload);
            return;
        }
        if (same(channel, &channels->response) || same(channel, &channels->own)) {
            if (srv_cluster_read_response(&c->in, payload.data, payload.len))
                srv_cluster_response(c);
            else
                srv_cluster_trouble(c, "a response that cannot be read");
            return;
        }
    }
}
