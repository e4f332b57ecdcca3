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

static void begin_event(struct srv_hub *hub, const struct srv_nsp *nsp, enum srv_event event,
                        const struct srv_args *args)
{
    begin(hub, args->attachment_count ? AIVO_SIO_BINARY_EVENT : AIVO_SIO_EVENT, nsp, args->attachment_count, NULL);
    aivo_buf_str(&hub->packet, "[\"");
    aivo_buf_str(&hub->packet, srv_event_name(event)); /* our own names need no escapes */
    aivo_buf_char(&hub->packet, '"');
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
    begin_event(hub, socket->nsp, event, args);
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

static void broadcast_frame(struct srv_hub *hub, struct srv_nsp *nsp, const void *data, size_t len, bool binary)
{
    struct srv_frame *frame = srv_frame_new(data, len, binary);
    if (!frame) {
        srv_metrics_error(hub->metrics, SRV_ERROR_SOCKET_ERROR);
        return;
    }
    for (struct srv_socket *s = nsp->sockets; s; s = s->next)
        srv_session_send_shared(hub->engine, s->client->session, frame);
    srv_frame_release(frame);
}

void srv_broadcast(struct srv_hub *hub, struct srv_nsp *nsp, enum srv_event event, const struct srv_args *args)
{
    begin_event(hub, nsp, event, args);
    if (hub->packet.failed)
        return;
    broadcast_frame(hub, nsp, hub->packet.data, hub->packet.len, false);
    for (unsigned i = 0; i < args->attachment_count; i++)
        broadcast_frame(hub, nsp, args->attachments[i].data, args->attachments[i].len, true);
    hub->metrics->sent[event] += nsp->count;
}
