/* Encoding what goes out: events, acks, broadcasts. */
#include "hub.h"

/* hub->packet = '4' and the packet up to its JSON. */
static void begin(struct srv_hub *hub, enum aivo_sio_type type, const struct srv_nsp *nsp, unsigned attachments,
                  const uint64_t *id)
{
    aivo_buf_clear(&hub->packet);
    aivo_buf_char(&hub->packet, '4');
    aivo_sio_encode_header(&hub->packet, type, attachments, nsp->name, nsp->name_len, id);
}

/* name: JSON, or NULL for the event's own. */
static void begin_event(struct srv_hub *hub, const struct srv_nsp *nsp, enum srv_event event, const char *name,
                        size_t name_len, const struct srv_args *args)
{
    begin(hub, args->attachment_count ? AIVO_SIO_BINARY_EVENT : AIVO_SIO_EVENT, nsp, args->attachment_count, NULL);
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
    aivo_buf_char(&hub->packet, ']');
}

static void send(struct srv_hub *hub, struct srv_session *session, const struct srv_args *args)
{
    if (hub->packet.failed)
        return;
    srv_session_send(hub->engine, session, hub->packet.data, hub->packet.len, false);
    for (unsigned i = 0; i < args->attachment_count; i++)
        srv_session_send(hub->engine, session, args->attachments[i].data, args->attachments[i].len, true);
}

void srv_socket_emit_args(struct srv_hub *hub, struct srv_socket *socket, enum srv_event event,
                          const struct srv_args *args)
{
    if (socket->gone)
        return;
    begin_event(hub, socket->nsp, event, NULL, 0, args);
    send(hub, socket->client->session, args);
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
    send(hub, socket->client->session, args);
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
};

static void send_to(void *context, struct srv_member *m)
{
    struct sending *sending = context;
    struct srv_session *session = srv_socket_of(m)->client->session;
    if (sending->broadcast->is_volatile && session->out.bytes > SRV_HUB_VOLATILE)
        return;
    for (unsigned i = 0; i < sending->frame_count; i++)
        srv_session_send_shared(sending->hub->engine, session, sending->frames[i]);
    sending->hub->metrics->sent[sending->broadcast->event]++;
}

/* The packet and its attachments, ready to be sent to anybody. */
static bool make_frames(struct srv_hub *hub, const struct srv_args *args, struct sending *sending)
{
    if (hub->packet.failed || args->attachment_count > SRV_BROADCAST_MAX_ATTACHMENTS)
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

size_t srv_broadcast(struct srv_hub *hub, const struct srv_broadcast *broadcast)
{
    struct sending sending = {.hub = hub, .broadcast = broadcast};
    size_t receivers = 0;
    const char *name = broadcast->name;
    begin_event(hub, broadcast->nsp, broadcast->event, name, broadcast->name_len, &broadcast->args);
    if (make_frames(hub, &broadcast->args, &sending))
        receivers = srv_rooms_each(&broadcast->nsp->rooms, &broadcast->target, send_to, &sending);
    else
        srv_metrics_error(hub->metrics, SRV_ERROR_SOCKET_ERROR);
    for (unsigned i = 0; i < sending.frame_count; i++)
        srv_frame_release(sending.frames[i]);
    return receivers;
}
