/* Encoding what goes out: events, acks, broadcasts. */
#include "clock.h"
#include "cluster.h"
#include "hub.h"
#include <string.h>

/* hub->packet = '4' and the packet up to its JSON. */
static void begin(struct srv_hub *hub, enum aivo_sio_type type, const struct srv_nsp *nsp, unsigned attachments,
                  const uint64_t *id)
{
    aivo_buf_clear(&hub->packet);
    aivo_buf_char(&hub->packet, '4');
    aivo_sio_encode_header(&hub->packet, type, attachments, nsp->name, nsp->name_len, id);
}

/* name: JSON, or NULL for the event's own. offset: NULL, or the recovery offset, one argument more. Returns where the
 * JSON begins. */
static size_t begin_event(struct srv_hub *hub, const struct srv_nsp *nsp, enum srv_event event, const char *name,
                          size_t name_len, const struct srv_args *args, const uint64_t *id, const char *offset)
{
    begin(hub, args->attachment_count ? AIVO_SIO_BINARY_EVENT : AIVO_SIO_EVENT, nsp, args->attachment_count, id);
    size_t at = hub->packet.len;
    aivo_buf_char(&hub->packet, '[');
    if (name) {
        aivo_buf_add(&hub->packet, name, name_len);
    } else {
        aivo_buf_char(&hub->packet, '"');
        aivo_buf_str(&hub->packet, srv_event_name(event)); /* our own names need no escapes */
        aivo_buf_char(&hub->packet, '"');
    }
    if (args->inner_len) {
        aivo_buf_char(&hub->packet, ',');
        aivo_buf_add(&hub->packet, args->inner, args->inner_len);
    }
    if (offset) {
        aivo_buf_str(&hub->packet, ",\"");
        aivo_buf_str(&hub->packet, offset);
        aivo_buf_char(&hub->packet, '"');
    }
    aivo_buf_char(&hub->packet, ']');
    return at;
}

static void send_args(struct srv_hub *hub, struct srv_session *session, const struct srv_args *args)
{
    if (hub->packet.failed)
        return;
    srv_session_send(hub->engine, session, hub->packet.data, hub->packet.len, false);
    for (unsigned i = 0; i < args->attachment_count; i++)
        srv_session_send(hub->engine, session, args->attachments[i].data, args->attachments[i].len, true);
}

/* Worth nothing later: never replayed. */
static bool of_the_moment(enum srv_event event)
{
    return srv_event_is_volatile(event) || event == SRV_EVENT_SERVER_DRAINING || event == SRV_EVENT_SESSION_EXPIRED;
}

void srv_socket_emit_args(struct srv_hub *hub, struct srv_socket *socket, enum srv_event event,
                          const struct srv_args *args)
{
    if (socket->gone || (srv_event_is_volatile(event) && srv_hub_leaves_out(hub, socket->client->session)))
        return;
    if (srv_recovery_on(&hub->recovery) && !of_the_moment(event)) {
        /* As a Node server does: a broadcast to the room of its own id, which it may have left. */
        const struct aivo_bytes own = {socket->sid, SRV_SID_LEN};
        const struct srv_broadcast broadcast = {.nsp = socket->nsp,
                                                .target = {.rooms = &own, .room_count = 1},
                                                .local = true,
                                                .event = event,
                                                .args = *args};
        srv_broadcast(hub, &broadcast);
        return;
    }
    begin_event(hub, socket->nsp, event, NULL, 0, args, NULL, NULL);
    send_args(hub, socket->client->session, args);
    hub->metrics->sent[event]++;
}

void srv_socket_emit(struct srv_hub *hub, struct srv_socket *socket, enum srv_event event, const char *args,
                     size_t args_len)
{
    struct srv_args inner = {0};
    if (args_len > 2) {
        inner.inner = args + 1;
        inner.inner_len = args_len - 2;
    }
    srv_socket_emit_args(hub, socket, event, &inner);
}

void srv_socket_ack_args(struct srv_hub *hub, struct srv_socket *socket, uint64_t id, const struct srv_args *args)
{
    if (socket->gone)
        return;
    begin(hub, args->attachment_count ? AIVO_SIO_BINARY_ACK : AIVO_SIO_ACK, socket->nsp, args->attachment_count, &id);
    aivo_buf_char(&hub->packet, '[');
    aivo_buf_add(&hub->packet, args->inner, args->inner_len);
    aivo_buf_char(&hub->packet, ']');
    send_args(hub, socket->client->session, args);
}

void srv_socket_ack(struct srv_hub *hub, struct srv_socket *socket, uint64_t id, const char *array, size_t len)
{
    if (socket->gone)
        return;
    begin(hub, AIVO_SIO_ACK, socket->nsp, 0, &id);
    aivo_buf_add(&hub->packet, array, len);
    if (!hub->packet.failed)
        srv_session_send(hub->engine, socket->client->session, hub->packet.data, hub->packet.len, false);
}

/* --- broadcasts --- */

struct sending {
    struct srv_hub *hub;
    const struct srv_broadcast *broadcast;
    struct srv_frame *frames[1 + SRV_BROADCAST_MAX_ATTACHMENTS];
    unsigned frame_count;
    struct srv_stamp stamp; /* 0: it is not to be replayed */
    size_t receivers;
};

static void send_to(void *context, struct srv_member *m)
{
    struct sending *sending = context;
    struct srv_socket *socket = srv_socket_of(m);
    struct srv_session *session = socket->client->session;
    if (sending->broadcast->is_volatile && srv_hub_leaves_out(sending->hub, session))
        return;
    if (sending->broadcast->wait && !srv_ack_expect(&sending->hub->acks, sending->broadcast->wait, socket)) {
        srv_metrics_error(sending->hub->metrics, SRV_ERROR_SOCKET_ERROR);
        return;
    }
    sending->receivers++;
    for (unsigned i = 0; i < sending->frame_count; i++)
        srv_session_send_shared(sending->hub->engine, session, sending->frames[i]);
    if (sending->stamp.ms && socket->resumable)
        socket->resumable->last = sending->stamp;
    sending->hub->metrics->sent[sending->broadcast->event]++;
}

/* The packet and its attachments, ready to be sent to anybody. */
static bool make_frames(struct srv_hub *hub, const struct srv_args *args, struct sending *sending)
{
    if (hub->packet.failed || args->attachment_count > SRV_BROADCAST_MAX_ATTACHMENTS)
        return false;
    /* Larger than what may wait for a connection: it would close every one of them, however fast. */
    size_t size = hub->packet.len;
    for (unsigned i = 0; i < args->attachment_count; i++)
        size += args->attachments[i].len + SRV_FRAME_HEADER;
    if (size + SRV_FRAME_HEADER > hub->engine->options.max_queue_bytes)
        return false;
    for (unsigned i = 0; i <= args->attachment_count; i++) {
        sending->frames[i] = i == 0 ? srv_frame_new(hub->packet.data, hub->packet.len, false)
                                    : srv_frame_new(args->attachments[i - 1].data, args->attachments[i - 1].len, true);
        if (!sending->frames[i])
            return false;
        sending->frame_count++;
    }
    return true;
}

/* To the other instances: without an offset, which is each instance's own. */
static void publish(struct srv_hub *hub, const struct srv_broadcast *broadcast)
{
    if (broadcast->local || !srv_cluster_wanted(hub->cluster))
        return;
    size_t at = begin_event(hub, broadcast->nsp, broadcast->event, broadcast->name, broadcast->name_len,
                            &broadcast->args, NULL, NULL);
    if (!hub->packet.failed)
        srv_cluster_publish(hub->cluster, broadcast, hub->packet.data + at, hub->packet.len - at);
}

size_t srv_broadcast(struct srv_hub *hub, const struct srv_broadcast *broadcast)
{
    struct sending sending = {.hub = hub, .broadcast = broadcast};
    char offset[SRV_RECOVERY_OFFSET];
    bool keep = srv_recovery_on(&hub->recovery) && !broadcast->is_volatile && !broadcast->wait;
    if (keep)
        sending.stamp = srv_recovery_stamp(&hub->recovery, srv_unix_ms(), offset);
    publish(hub, broadcast);
    begin_event(hub, broadcast->nsp, broadcast->event, broadcast->name, broadcast->name_len, &broadcast->args,
                broadcast->wait ? &broadcast->wait->id : NULL, keep ? offset : NULL);
    if (make_frames(hub, &broadcast->args, &sending)) {
        srv_rooms_each(&broadcast->nsp->rooms, &broadcast->target, send_to, &sending);
        if (keep)
            srv_recovery_keep(&hub->recovery, broadcast->nsp, &broadcast->target, sending.stamp, sending.frames,
                              sending.frame_count, sending.receivers, hub->engine->now_ms);
    } else {
        srv_metrics_error(hub->metrics, SRV_ERROR_SOCKET_ERROR);
    }
    for (unsigned i = 0; i < sending.frame_count; i++)
        srv_frame_release(sending.frames[i]);
    return sending.receivers;
}
