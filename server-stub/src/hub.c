#include "hub.h"
#include "clock.h"
#include <stdlib.h>
#include <string.h>

static void connect_expired(void *context, struct srv_timer *timer, uint64_t now_ms);
static void idle_due(void *context, struct srv_timer *timer, uint64_t now_ms);
static void greet(void *context, struct srv_timer *timer, uint64_t now_ms);
static void greeting_free(struct srv_socket *socket);

/* Conformance: the CONNECT payload, sent back a moment after the CONNECT reply. The published suites listen for one
 * packet at a time, and miss what comes in the same segment as the one before. */
struct srv_greeting {
    struct srv_timer timer;
    struct srv_socket *socket;
    size_t len;
    char payload[];
};

static void add_nsp(struct srv_hub *hub, const char *name, uint64_t seed)
{
    struct srv_nsp *nsp = &hub->nsps[hub->nsp_count++];
    srv_rooms_init(&nsp->rooms, seed);
    nsp->name = name;
    nsp->name_len = strlen(name);
}

bool srv_hub_init(struct srv_hub *hub, struct srv_engine *engine, const struct srv_config *config,
                  struct srv_metrics *metrics, const struct srv_log *log, const struct srv_auth *auth,
                  struct srv_limits *limits, struct srv_audit *audit)
{
    memset(hub, 0, sizeof *hub);
    hub->engine = engine;
    hub->config = config;
    hub->metrics = metrics;
    hub->log = log;
    hub->auth = auth;
    hub->limits = limits;
    hub->audit = audit;
    uint64_t seed;
    engine->random(&seed, sizeof seed);
    add_nsp(hub, "/", seed);
    if (config->conformance)
        add_nsp(hub, "/custom", seed);
    srv_dedup_init(&hub->dedup, seed);
    srv_agent_reply_init(&hub->reply);
    srv_acks_init(&hub->acks, &engine->timers);
    aivo_buf_init(&hub->packet);
    aivo_buf_init(&hub->text);
    uint32_t recheck = config->session_idle_ms / 64;
    srv_timers_add(&engine->timers, &hub->connect_list, config->connect_timeout_ms, connect_expired, hub);
    srv_timers_add(&engine->timers, &hub->idle_list, config->session_idle_ms, idle_due, hub);
    srv_timers_add(&engine->timers, &hub->recheck_list, recheck ? recheck : 1, idle_due, hub);
    srv_timers_add(&engine->timers, &hub->greeting_list, SRV_HUB_GREETING_MS, greet, hub);
    srv_timers_add(&engine->timers, &hub->delay_list, config->test_handler_delay_ms, srv_dispatch_delay_due, hub);
    srv_expiry_init(hub);
    engine->user = hub;
    struct srv_recovery_options recovery = {.resume_ms = config->recovery_ms,
                                            .max_events = config->recovery_max_events,
                                            .max_bytes = config->recovery_max_bytes,
                                            .keep_ms = (uint64_t)config->recovery_ms + config->ping_interval_ms +
                                                       config->ping_timeout_ms};
    return srv_recovery_init(&hub->recovery, &recovery, &engine->timers);
}

void srv_hub_free(struct srv_hub *hub)
{
    srv_dispatch_free(hub);
    srv_acks_free(&hub->acks);
    srv_dedup_free(&hub->dedup);
    srv_recovery_free(&hub->recovery);
    for (unsigned i = 0; i < hub->nsp_count; i++)
        srv_rooms_free(&hub->nsps[i].rooms);
    srv_agent_reply_free(&hub->reply);
    aivo_buf_free(&hub->packet);
    aivo_buf_free(&hub->text);
}

/* --- sockets --- */

static struct srv_nsp *find_nsp(struct srv_hub *hub, const char *name, size_t len)
{
    for (unsigned i = 0; i < hub->nsp_count; i++)
        if (hub->nsps[i].name_len == len && memcmp(hub->nsps[i].name, name, len) == 0)
            return &hub->nsps[i];
    return NULL;
}

static struct srv_socket *find_socket(const struct srv_client *client, const char *nsp, size_t len)
{
    struct srv_socket *s = client->sockets;
    while (s && !(s->nsp->name_len == len && memcmp(s->nsp->name, nsp, len) == 0))
        s = s->sibling;
    return s;
}

/* Whoever speaks for a learner is reached by the room learner:<id>. */
static bool join_learner(struct srv_socket *s)
{
    static const char prefix[] = "learner:";
    char room[sizeof prefix + SRV_AUTH_MAX_USER];
    const char *id = s->agent.learner_id[0] != '\0' ? s->agent.learner_id : s->agent.user_id;
    size_t len = strlen(id);
    if (!len || len > SRV_AUTH_MAX_USER)
        return true;
    memcpy(room, prefix, sizeof prefix - 1);
    memcpy(room + sizeof prefix - 1, id, len);
    return srv_socket_join(s, room, sizeof prefix - 1 + len) != SRV_JOIN_MEMORY;
}

/* resumed: whose sid it takes over, or NULL; its rooms are joined later. */
static struct srv_socket *socket_new(struct srv_hub *hub, struct srv_client *client, struct srv_nsp *nsp,
                                     const char *user, const char *learner, const struct srv_resumable *resumed)
{
    size_t user_size = strlen(user) + 1, learner_size = strlen(learner) + 1;
    struct srv_socket *s = calloc(1, sizeof *s + user_size + learner_size);
    if (!s)
        return NULL;
    memcpy(s->ids, user, user_size);
    memcpy(s->ids + user_size, learner, learner_size);
    if (resumed)
        memcpy(s->sid, resumed->parked->sid, SRV_SID_LEN);
    else
        srv_engine_new_id(hub->engine, s->sid);
    s->agent.socket_id = s->sid;
    s->agent.user_id = s->ids;
    s->agent.learner_id = s->ids + user_size;
    s->client = client;
    s->nsp = nsp;
    if (!srv_rooms_add(&nsp->rooms, &s->member, s->sid) || (!resumed && !join_learner(s))) {
        if (s->member.id)
            srv_rooms_remove(&nsp->rooms, &s->member);
        free(s);
        return NULL;
    }
    s->sibling = client->sockets;
    client->sockets = s;
    srv_metrics_connected(hub->metrics);
    return s;
}

static void end_agent_session(struct srv_hub *hub, struct srv_socket *s)
{
    srv_timer_stop(&s->idle);
    if (srv_agent_session_end(&s->agent))
        hub->metrics->active_sessions--;
}

/* For whoever looks for a fault: who came, who went, and why. Never what they said. */
static void debug_socket(struct srv_hub *hub, const struct srv_socket *s, const char *message, const char *name,
                         const char *value)
{
    if (!hub->log || !srv_log_enabled(hub->log, SRV_LOG_DEBUG))
        return;
    char address[SRV_ADDRESS_TEXT];
    srv_address_format(&s->client->session->address, address);
    const struct srv_log_field fields[] = {
        SRV_LOG_FIELD("socket", s->sid), SRV_LOG_FIELD("namespace", s->nsp->name), SRV_LOG_FIELD("address", address),
        SRV_LOG_FIELD("user", s->ids[0] ? s->ids : NULL), SRV_LOG_FIELD(name, value)};
    srv_log_fields(hub->log, SRV_LOG_DEBUG, message, fields, sizeof fields / sizeof *fields);
}

static void socket_close(struct srv_hub *hub, struct srv_socket *s, enum srv_reason reason)
{
    debug_socket(hub, s, "disconnected", "reason", srv_reason_name(reason));
    srv_resume_leave(hub, s, reason);
    end_agent_session(hub, s);
    srv_metrics_disconnected(hub->metrics, reason);
    srv_rooms_remove(&s->nsp->rooms, &s->member);
    srv_acks_forget(&hub->acks, s);
    greeting_free(s);
    srv_timer_stop(&s->expiry);
    srv_buckets_release(&hub->limits->users, s->user);
    s->user = NULL;
    srv_dispatch_forget(hub, s);
    s->client = NULL;
    s->gone = true;
    if (!s->jobs)
        free(s);
}

/* When the idle time is over since the session began, or some of it since it was last looked at. */
static void idle_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_hub *hub = context;
    struct srv_socket *s = SRV_TIMER_OWNER(timer, struct srv_socket, idle);
    if (srv_agent_session_idle(&s->agent, srv_unix_ms(), hub->config->session_idle_ms))
        end_agent_session(hub, s);
    else
        srv_timer_start(&hub->recheck_list, timer, now_ms);
}

/* --- rooms --- */

enum srv_join srv_socket_join(struct srv_socket *socket, const char *room, size_t len)
{
    return socket->gone ? SRV_JOIN_OK : srv_rooms_join(&socket->nsp->rooms, &socket->member, room, len);
}

void srv_socket_leave(struct srv_socket *socket, const char *room, size_t len)
{
    if (!socket->gone)
        srv_rooms_leave(&socket->nsp->rooms, &socket->member, room, len);
}

/* --- CONNECT --- */

static void send_packet(struct srv_hub *hub, struct srv_client *client)
{
    if (!hub->packet.failed)
        srv_session_send(hub->engine, client->session, hub->packet.data, hub->packet.len, false);
}

static void begin_packet(struct srv_hub *hub, enum aivo_sio_type type, const char *nsp, size_t nsp_len)
{
    aivo_buf_clear(&hub->packet);
    aivo_buf_char(&hub->packet, '4');
    aivo_sio_encode_header(&hub->packet, type, 0, nsp, nsp_len, NULL);
}

static void refuse(struct srv_hub *hub, struct srv_client *client, const struct aivo_sio_packet *packet,
                   const char *message)
{
    if (hub->log && srv_log_enabled(hub->log, SRV_LOG_DEBUG)) {
        char address[SRV_ADDRESS_TEXT];
        srv_address_format(&client->session->address, address);
        srv_log_fields(hub->log, SRV_LOG_DEBUG, "connection refused",
                       (struct srv_log_field[]){SRV_LOG_FIELD("address", address), SRV_LOG_FIELD("reason", message)},
                       2);
    }
    begin_packet(hub, AIVO_SIO_CONNECT_ERROR, packet->nsp, packet->nsp_len);
    aivo_buf_str(&hub->packet, "{\"message\":\"");
    aivo_buf_str(&hub->packet, message);
    aivo_buf_str(&hub->packet, "\"}");
    send_packet(hub, client);
}

/* The payload's token, unescaped into hub->text. Like JavaScript's !token: null, false, 0 and "" are none. */
static enum srv_auth_status verify(struct srv_hub *hub, const struct aivo_json *payload, struct srv_identity *out)
{
    struct aivo_json token = {0};
    if (payload->type == AIVO_JSON_OBJECT)
        token = aivo_json_get(payload, "token");
    double number;
    if (token.type == AIVO_JSON_NONE || token.type == AIVO_JSON_NULL || token.type == AIVO_JSON_FALSE ||
        (aivo_json_double(&token, &number) && number == 0.0))
        return SRV_AUTH_MISSING;
    aivo_buf_clear(&hub->text);
    if (!aivo_json_string(&token, &hub->text))
        return SRV_AUTH_MALFORMED;
    if (hub->text.failed)
        return SRV_AUTH_MEMORY;
    return srv_auth_verify(hub->auth, hub->text.data, hub->text.len, (int64_t)(srv_unix_ms() / 1000), out);
}

static void greeting_new(struct srv_hub *hub, struct srv_socket *socket, const struct aivo_json *payload)
{
    bool given = payload->type == AIVO_JSON_OBJECT;
    size_t len = given ? payload->len : 2;
    struct srv_greeting *greeting = calloc(1, sizeof *greeting + len);
    if (!greeting)
        return;
    memcpy(greeting->payload, given ? payload->text : "{}", len);
    greeting->len = len;
    greeting->socket = socket;
    socket->greeting = greeting;
    srv_timer_start(&hub->greeting_list, &greeting->timer, hub->engine->now_ms);
}

static void greeting_free(struct srv_socket *socket)
{
    if (socket->greeting)
        srv_timer_stop(&socket->greeting->timer);
    free(socket->greeting);
    socket->greeting = NULL;
}

static void greet(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    struct srv_greeting *greeting = SRV_TIMER_OWNER(timer, struct srv_greeting, timer);
    struct srv_args args = {.inner = greeting->payload, .inner_len = greeting->len};
    srv_socket_emit_args(context, greeting->socket, SRV_EVENT_AUTH, &args);
    greeting_free(greeting->socket);
}

/* It has joined a namespace, or never will. */
static void joined(struct srv_hub *hub, struct srv_client *client)
{
    if (srv_timer_running(&client->connect))
        hub->unjoined--;
    srv_timer_stop(&client->connect);
}

static void welcome(struct srv_hub *hub, struct srv_client *client, struct srv_socket *socket,
                    const struct aivo_json *payload)
{
    joined(hub, client);
    begin_packet(hub, AIVO_SIO_CONNECT, socket->nsp->name, socket->nsp->name_len);
    aivo_buf_str(&hub->packet, "{\"sid\":\"");
    aivo_buf_str(&hub->packet, socket->sid);
    if (socket->resumable) {
        aivo_buf_str(&hub->packet, "\",\"pid\":\"");
        aivo_buf_str(&hub->packet, socket->resumable->pid);
    }
    aivo_buf_str(&hub->packet, "\"}");
    send_packet(hub, client);

    if (hub->config->conformance) { /* the suites count every packet: this one and no other */
        greeting_new(hub, socket, payload);
        return;
    }
    aivo_buf_clear(&hub->text);
    srv_agent_connection_quality(&hub->text, -1.0, srv_unix_ms());
    srv_socket_emit(hub, socket, SRV_EVENT_CONNECTION_QUALITY, hub->text.data, hub->text.len);
}

/* false: there is one that cannot be used. To take another one's instead would mix up two learners. */
static bool learner_id(const struct aivo_json *payload, char *out, size_t size)
{
    struct aivo_json id = {0};
    if (payload->type == AIVO_JSON_OBJECT)
        id = aivo_json_get(payload, "learnerId");
    out[0] = '\0';
    return id.type == AIVO_JSON_NONE || id.type == AIVO_JSON_NULL || aivo_json_string_copy(&id, out, size);
}

static void connect_packet(struct srv_hub *hub, struct srv_client *client, const struct aivo_sio_packet *packet)
{
    struct srv_nsp *nsp = find_nsp(hub, packet->nsp, packet->nsp_len);
    if (!nsp) {
        refuse(hub, client, packet, "Invalid namespace");
        return;
    }
    struct srv_identity identity = {0};
    if (hub->auth) {
        enum srv_auth_status status = verify(hub, &packet->data, &identity);
        if (status != SRV_AUTH_OK) {
            srv_metrics_error(hub->metrics, SRV_ERROR_AUTH);
            srv_audit(hub->audit, SRV_AUDIT_TOKEN_REFUSED, &client->session->address, NULL, srv_auth_strerror(status),
                      hub->engine->now_ms);
            refuse(hub, client, packet, srv_auth_client_message(status));
            return;
        }
    }
    char learner[SRV_AUTH_MAX_USER] = "";
    if (!learner_id(&packet->data, learner, sizeof learner)) {
        srv_metrics_error(hub->metrics, SRV_ERROR_BAD_PACKET);
        srv_audit(hub->audit, SRV_AUDIT_BAD_PACKET, &client->session->address, identity.user_id, "learnerId",
                  hub->engine->now_ms);
        refuse(hub, client, packet, "Invalid learnerId: a text of at most 127 bytes");
        return;
    }
    uint64_t from = 0;
    struct srv_resumable *who = srv_resume_find(hub, client, nsp, &packet->data, identity.user_id, learner, &from);
    struct srv_socket *socket = socket_new(hub, client, nsp, identity.user_id, learner, who);
    if (!socket) {
        srv_metrics_error(hub->metrics, SRV_ERROR_SOCKET_ERROR);
        refuse(hub, client, packet, "Out of memory");
        return;
    }
    if (who)
        srv_resume_restore(hub, socket, who, from);
    else
        srv_resume_open(hub, socket);
    socket->user = srv_limits_user(hub->limits, identity.user_id);
    srv_expiry_start(hub, socket, identity.exp_s);
    debug_socket(hub, socket, "connected", "resumed", who ? "true" : NULL);
    welcome(hub, client, socket, &packet->data);
}

static void connect_expired(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_hub *hub = context;
    struct srv_session *session = SRV_TIMER_OWNER(timer, struct srv_client, connect)->session;
    hub->engine->now_ms = now_ms;
    hub->unjoined--; /* the timer is off its list already */
    srv_audit(hub->audit, SRV_AUDIT_TIMEOUT, &session->address, NULL, "no namespace in time", now_ms);
    srv_session_close(hub->engine, session, SRV_REASON_FORCED_CLOSE, SRV_WS_NORMAL);
}

void srv_hub_cut_oldest(struct srv_hub *hub)
{
    struct srv_timer *first = hub->connect_list.head.next;
    if (first != &hub->connect_list.head)
        srv_session_close(hub->engine, SRV_TIMER_OWNER(first, struct srv_client, connect)->session,
                          SRV_REASON_FORCED_CLOSE, SRV_WS_NORMAL);
}

/* --- packets --- */

void srv_client_bad_packet(struct srv_hub *hub, struct srv_client *client)
{
    srv_engine_fault(hub->engine, client->session, SRV_ERROR_BAD_PACKET);
    srv_session_close(hub->engine, client->session, SRV_REASON_FORCED_CLOSE, SRV_WS_NORMAL);
}

static void bad_text(struct srv_hub *hub, struct srv_client *client, const char *data, size_t len)
{
    if (aivo_utf8_valid(data, len)) {
        srv_client_bad_packet(hub, client);
        return;
    }
    srv_engine_fault(hub->engine, client->session, SRV_ERROR_BAD_PACKET);
    srv_session_close(hub->engine, client->session, SRV_REASON_TRANSPORT_ERROR, SRV_WS_INVALID_DATA);
}

static void leave_nsp(struct srv_hub *hub, struct srv_socket *socket, enum srv_reason reason)
{
    struct srv_socket **p = &socket->client->sockets;
    while (*p != socket)
        p = &(*p)->sibling;
    *p = socket->sibling;
    socket_close(hub, socket, reason);
}

void srv_socket_disconnect(struct srv_hub *hub, struct srv_socket *socket, bool close_connection)
{
    struct srv_client *client = socket->client;
    if (close_connection) {
        srv_session_close(hub->engine, client->session, SRV_REASON_FORCED_CLOSE, SRV_WS_NORMAL);
        return;
    }
    begin_packet(hub, AIVO_SIO_DISCONNECT, socket->nsp->name, socket->nsp->name_len);
    send_packet(hub, client);
    leave_nsp(hub, socket, SRV_REASON_SERVER_NAMESPACE_DISCONNECT);
}

static void packet_received(struct srv_hub *hub, struct srv_client *client, const struct aivo_sio_packet *packet,
                            const struct aivo_bytes *attachments)
{
    struct srv_socket *socket = find_socket(client, packet->nsp, packet->nsp_len);
    switch (packet->type) {
    case AIVO_SIO_CONNECT:
        if (socket)
            break;
        connect_packet(hub, client, packet);
        return;
    case AIVO_SIO_EVENT:
    case AIVO_SIO_BINARY_EVENT:
        if (!socket)
            break;
        srv_dispatch_event(hub, socket, packet, attachments);
        return;
    case AIVO_SIO_ACK:
    case AIVO_SIO_BINARY_ACK:
        if (!socket)
            break;
        srv_acks_received(&hub->acks, socket, packet->id, &packet->data, attachments, packet->attachments);
        return;
    case AIVO_SIO_DISCONNECT:
        if (!socket)
            break;
        leave_nsp(hub, socket, SRV_REASON_CLIENT_NAMESPACE_DISCONNECT);
        return;
    case AIVO_SIO_CONNECT_ERROR:
        break;
    }
    srv_client_bad_packet(hub, client);
}

/* Packets with attachments, and whatever comes while one waits for its attachments. */
static void assemble(struct srv_hub *hub, struct srv_client *client, const char *data, size_t len, bool binary)
{
    if (!client->assembler) {
        client->assembler = malloc(sizeof *client->assembler);
        if (!client->assembler) {
            srv_client_bad_packet(hub, client);
            return;
        }
        aivo_sio_assembler_init(client->assembler, (size_t)hub->config->max_payload_bytes * SRV_HUB_MAX_ASSEMBLY);
    }
    struct aivo_sio_message message;
    bool complete = false;
    enum aivo_sio_error error = binary ? aivo_sio_assemble_binary(client->assembler, data, len, &message, &complete)
                                       : aivo_sio_assemble_text(client->assembler, data, len, &message, &complete);
    if (error != AIVO_SIO_OK) {
        srv_client_bad_packet(hub, client);
        return;
    }
    if (!complete)
        return;
    struct srv_session *session = client->session; /* client may be gone after this */
    packet_received(hub, client, &message.packet, message.attachments);
    if (session->state == SRV_SESSION_OPEN && client->assembler->bytes.cap > 65536) {
        aivo_sio_assembler_free(client->assembler); /* large ones are rare: do not keep their memory */
        free(client->assembler);
        client->assembler = NULL;
    }
}

/* "2", "2/nsp,", "217": an event that says nothing, to a namespace that was joined. A Node server has no listener for
 * it and goes on; so do we. */
static bool says_nothing(const struct srv_client *client, const char *data, size_t len)
{
    if (!len || data[0] != '2')
        return false;
    const char *p = data + 1, *end = data + len, *nsp = "/";
    size_t nsp_len = 1;
    if (p < end && *p == '/') {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        nsp = p;
        nsp_len = (size_t)((comma ? comma : end) - p);
        p = comma ? comma + 1 : end;
    }
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == end && find_socket(client, nsp, nsp_len);
}

static void hub_message(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                        uint64_t now_ms)
{
    (void)now_ms;
    struct srv_client *client = s->user;
    struct srv_hub *hub = e->user;
    if (!client) { /* there was no memory for it */
        srv_session_close(e, s, SRV_REASON_FORCED_CLOSE, SRV_WS_NORMAL);
        return;
    }
    if (binary || (len && (data[0] == '5' || data[0] == '6')) ||
        (client->assembler && aivo_sio_assembler_busy(client->assembler))) {
        assemble(hub, client, data, len, binary);
        return;
    }
    struct aivo_sio_packet packet;
    if (aivo_sio_decode(data, len, &packet) == AIVO_SIO_OK)
        packet_received(hub, client, &packet, NULL);
    else if (!says_nothing(client, data, len))
        bad_text(hub, client, data, len);
}

static void hub_open(struct srv_engine *e, struct srv_session *s, uint64_t now_ms)
{
    struct srv_hub *hub = e->user;
    struct srv_client *client = calloc(1, sizeof *client);
    s->user = client;
    if (!client)
        return;
    client->session = s;
    hub->unjoined++;
    srv_timer_start(&hub->connect_list, &client->connect, now_ms);
}

static void hub_close(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    struct srv_client *client = s->user;
    if (!client)
        return;
    struct srv_hub *hub = e->user;
    s->user = NULL;
    joined(hub, client);
    while (client->sockets) {
        struct srv_socket *socket = client->sockets;
        client->sockets = socket->sibling;
        socket_close(hub, socket, reason);
    }
    if (client->assembler)
        aivo_sio_assembler_free(client->assembler);
    free(client->assembler);
    srv_ratelimit_free(&client->limit);
    free(client);
}

/* Once a heartbeat: what a connection that became quiet holds for its window is given back. */
static void hub_beat(struct srv_engine *e, struct srv_session *s, uint64_t now_ms)
{
    struct srv_hub *hub = e->user;
    struct srv_client *client = s->user;
    if (client)
        srv_ratelimit_trim(&client->limit, &hub->limits->window, now_ms);
}

const struct srv_session_hooks srv_hub_hooks = {hub_open, hub_message, hub_close, hub_beat};

/* --- the end --- */

static struct srv_client *client_of(struct srv_session *s)
{
    return s->hooks == &srv_hub_hooks ? s->user : NULL;
}

void srv_hub_warn(struct srv_hub *hub, uint32_t spread_ms)
{
    uint64_t i = 0, count = hub->engine->count;
    for (struct srv_session *s = hub->engine->sessions.next; s != &hub->engine->sessions; s = s->next, i++) {
        struct srv_client *client = client_of(s);
        for (struct srv_socket *socket = client ? client->sockets : NULL; socket; socket = socket->sibling) {
            aivo_buf_clear(&hub->text);
            aivo_buf_str(&hub->text, "[{\"reconnectAfterMs\":");
            aivo_buf_u64(&hub->text, count ? i * spread_ms / count : 0);
            aivo_buf_str(&hub->text, "}]");
            if (!hub->text.failed)
                srv_socket_emit(hub, socket, SRV_EVENT_SERVER_DRAINING, hub->text.data, hub->text.len);
        }
    }
}

size_t srv_hub_drain(struct srv_hub *hub, bool force, size_t most)
{
    struct srv_session *next;
    size_t closed = 0;
    for (struct srv_session *s = hub->engine->sessions.next; s != &hub->engine->sessions && closed < most; s = next) {
        next = s->next;
        struct srv_client *client = client_of(s);
        if (!force && client && client->jobs)
            continue;
        s->farewell = srv_reason_name(SRV_REASON_SERVER_SHUTTING_DOWN);
        srv_session_close(hub->engine, s, SRV_REASON_SERVER_SHUTTING_DOWN, SRV_WS_GOING_AWAY);
        closed++;
    }
    return closed;
}

/* --- /engine.io/ --- */

static void echo_open(struct srv_engine *e, struct srv_session *s, uint64_t now_ms)
{
    (void)e, (void)s, (void)now_ms;
}

static void echo_message(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                         uint64_t now_ms)
{
    (void)now_ms;
    struct srv_hub *hub = e->user;
    if (binary) {
        srv_session_send(e, s, data, len, true);
        return;
    }
    if (!aivo_utf8_valid(data, len)) {
        srv_session_close(e, s, SRV_REASON_TRANSPORT_ERROR, SRV_WS_INVALID_DATA);
        return;
    }
    aivo_buf_clear(&hub->packet);
    aivo_buf_char(&hub->packet, '4');
    aivo_buf_add(&hub->packet, data, len);
    if (!hub->packet.failed)
        srv_session_send(e, s, hub->packet.data, hub->packet.len, false);
}

static void echo_close(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    (void)e, (void)s, (void)reason;
}

const struct srv_session_hooks srv_echo_hooks = {echo_open, echo_message, echo_close, NULL};
