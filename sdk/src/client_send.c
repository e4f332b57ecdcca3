/* What goes out: emits, acknowledgements, durable messages, probes. */
#include "client_internal.h"

#include "clock.h"
#include "error_internal.h"
#include "placeholder.h"
#include "sized.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURABLE_ESCAPED 6   /* bytes of JSON for one of the event's name */
#define DURABLE_HEADER  160 /* bytes of a packet besides event, namespace and arguments, and of its frame */

void aivo_emit_init_sized(struct aivo_emit *emit, size_t size)
{
    const struct aivo_emit defaults = {.size = sizeof defaults, .ack_timeout_ms = 10000};
    aivo_sized_out(emit, size, &defaults, sizeof defaults);
}

/* Encodes into c->out as one text frame: '4', header, JSON. */
static void encode(struct aivo_client *c, const struct aivo_outgoing *p)
{
    unsigned n = (unsigned)p->attachment_count;
    enum aivo_sio_type type =
        p->is_ack ? (n ? AIVO_SIO_BINARY_ACK : AIVO_SIO_ACK) : (n ? AIVO_SIO_BINARY_EVENT : AIVO_SIO_EVENT);
    const char *nsp = c->settings.options.nsp;
    aivo_buf_clear(&c->out);
    aivo_buf_char(&c->out, '4');
    aivo_sio_encode_header(&c->out, type, n, nsp, strlen(nsp), p->ack_id);
    if (p->is_ack)
        aivo_buf_add(&c->out, p->args_len ? p->args : "[]", p->args_len ? p->args_len : 2);
    else
        aivo_sio_encode_event_data(&c->out, p->event, p->event_len, p->args, p->args_len);
}

static size_t packet_bytes(const struct aivo_outgoing *p)
{
    size_t bytes = p->event_len + p->args_len + AIVO_SIO_MAX_NAMESPACE + 64;
    for (size_t i = 0; i < p->attachment_count; i++)
        bytes += p->attachments[i].len;
    return bytes;
}

static bool beyond_payload(struct aivo_client *c, size_t bytes)
{
    uint64_t most = atomic_load(&c->max_payload);
    return most && bytes > most;
}

enum aivo_status aivo_client_write(struct aivo_client *c, const struct aivo_outgoing *p)
{
    const struct aivo_transport *t = aivo_loop_transport(c->task.loop);
    if (!c->conn || aivo_session_state(c->session) != AIVO_STATE_CONNECTED)
        return AIVO_E_NOT_CONNECTED;
    encode(c, p);
    if (c->out.failed)
        return AIVO_E_MEMORY;
    if (beyond_payload(c, c->out.len))
        return AIVO_E_TOO_LARGE;
    /* All frames of a packet or none: a header without its attachments would break the connection. */
    size_t bytes = c->out.len;
    for (size_t i = 0; i < p->attachment_count; i++) {
        if (beyond_payload(c, p->attachments[i].len))
            return AIVO_E_TOO_LARGE;
        bytes += p->attachments[i].len + 16;
    }
    if (t->unsent(c->conn) + bytes + 16 > c->settings.options.max_send_buffer_bytes)
        return AIVO_E_FULL;
    aivo_client_log_frame(c, "sent", c->out.data, c->out.len, false);
    enum aivo_status status = t->send(c->conn, c->out.data, c->out.len, false);
    for (size_t i = 0; status == AIVO_OK && i < p->attachment_count; i++)
        status = t->send(c->conn, p->attachments[i].data, p->attachments[i].len, true);
    if (status == AIVO_OK)
        aivo_quality_wrote(&c->quality, aivo_clock_us());
    return status;
}

/* Writes an event that asks for an ack; the entry is taken back if it cannot be written. */
static enum aivo_status write_with_ack(struct aivo_client *c, struct aivo_outgoing *p, struct aivo_ack *entry,
                                       uint32_t timeout_ms)
{
    entry->sent_us = aivo_clock_us();
    entry->deadline_us = timeout_ms ? entry->sent_us + (int64_t)timeout_ms * 1000 : AIVO_NEVER;
    if (!aivo_acks_add(c->acks, entry))
        return aivo_acks_count(c->acks) >= AIVO_ACK_MAX ? AIVO_E_FULL : AIVO_E_MEMORY;
    p->ack_id = &entry->id;
    enum aivo_status status = aivo_client_write(c, p);
    if (status != AIVO_OK)
        aivo_acks_take(c->acks, entry->id, entry);
    else
        aivo_task_wake(&c->task); /* its deadline may be the next one */
    return status;
}

static enum aivo_status emit_here(struct aivo_client *c, const struct aivo_command *e)
{
    struct aivo_outgoing p = {
        .event = e->event,
        .event_len = strlen(e->event),
        .args = e->text,
        .args_len = e->text_len,
        .attachments = e->attachments,
        .attachment_count = e->attachment_count,
    };
    if (e->flag && c->conn && aivo_loop_transport(c->task.loop)->unsent(c->conn) > 0)
        return AIVO_E_FULL; /* volatile: not at once is not at all */
    if (!e->ack)
        return aivo_client_write(c, &p);
    struct aivo_ack entry = {.kind = AIVO_ACK_USER, .fn = (void (*)(void))e->ack, .user = e->user};
    return write_with_ack(c, &p, &entry, e->ack_timeout_ms);
}

/* The id a program answers with has the connection in its upper bits: an answer never goes to another connection. */
static enum aivo_status ack_here(struct aivo_client *c, const struct aivo_command *a)
{
    if ((uint16_t)(a->ack_id >> 48) != atomic_load(&c->generation))
        return AIVO_E_NOT_CONNECTED;
    uint64_t id = a->ack_id & ((UINT64_C(1) << 48) - 1);
    struct aivo_outgoing p = {
        .args = a->text,
        .args_len = a->text_len,
        .attachments = a->attachments,
        .attachment_count = a->attachment_count,
        .ack_id = &id,
        .is_ack = true,
    };
    return aivo_client_write(c, &p);
}

static enum aivo_status raw_here(struct aivo_client *c, const struct aivo_command *r)
{
    if (!c->conn || aivo_session_state(c->session) != AIVO_STATE_CONNECTED)
        return AIVO_E_NOT_CONNECTED;
    return aivo_loop_transport(c->task.loop)->send(c->conn, r->text, r->text_len, r->flag);
}

/* A queued command that fails has nobody to return to: an emit's ack is told, and everything else is a notice. */
static void report_failure(struct aivo_client *c, const struct aivo_command *command, enum aivo_status status)
{
    if (command->type == AIVO_CMD_EMIT && command->ack) {
        aivo_tell_ack(c, command->ack, command->user,
                      status == AIVO_E_NOT_CONNECTED           ? AIVO_E_CLOSED
                      : command->flag && status == AIVO_E_FULL ? AIVO_E_CANCELLED
                                                               : status,
                      NULL);
        return;
    }
    if (command->flag && command->type == AIVO_CMD_EMIT && status == AIVO_E_FULL)
        return; /* volatile, and nobody asked */
    struct aivo_error error;
    aivo_error_set(&error, status, 0, "%s was not sent: %s",
                   command->type == AIVO_CMD_EMIT  ? command->event
                   : command->type == AIVO_CMD_ACK ? "an acknowledgement"
                                                   : "a message",
                   aivo_strerror(status));
    aivo_tell_notice(c, &error);
}

static enum aivo_status send_command(struct aivo_client *c, const struct aivo_command *command)
{
    switch (command->type) {
    case AIVO_CMD_EMIT:
        return emit_here(c, command);
    case AIVO_CMD_ACK:
        return ack_here(c, command);
    default:
        return raw_here(c, command);
    }
}

void aivo_client_execute(struct aivo_client *c, struct aivo_command *command)
{
    enum aivo_status status = send_command(c, command);
    if (status != AIVO_OK)
        report_failure(c, command, status);
}

/* On the loop's thread at once, with the result as the return value; from another thread through the inbox. */
static enum aivo_status submit(struct aivo_client *c, const struct aivo_command *command, size_t bytes)
{
    if (atomic_load(&c->state) != AIVO_STATE_CONNECTED)
        return AIVO_E_NOT_CONNECTED;
    if (aivo_loop_here(c->task.loop) && !c->tearing_down)
        return send_command(c, command);
    if (bytes + atomic_load(&c->inbox.bytes) > c->settings.options.max_send_buffer_bytes)
        return AIVO_E_FULL;
    if (beyond_payload(c, command->text_len))
        return AIVO_E_TOO_LARGE;
    struct aivo_command *copy = aivo_command_copy(command);
    if (!copy)
        return AIVO_E_MEMORY;
    aivo_inbox_put(&c->inbox, copy);
    aivo_task_wake(&c->task);
    return AIVO_OK;
}

/* The arguments as checked JSON: an array whose placeholders match the attachments. */
static enum aivo_status take_args(struct aivo_command *command, const char *args,
                                  const struct aivo_attachment *attachments, size_t count)
{
    if (count > AIVO_SIO_MAX_ATTACHMENTS || (count && !attachments))
        return AIVO_E_INVALID;
    if (args) {
        struct aivo_json json = aivo_json_parse(args, strlen(args), NULL);
        if (json.type != AIVO_JSON_ARRAY)
            return AIVO_E_INVALID;
        unsigned seen = 0; /* each attachment's own number, not only as many placeholders as attachments */
        if (count && (!aivo_sio_find_placeholders(&json, &seen) || seen != (1U << count) - 1))
            return AIVO_E_INVALID;
        command->text = json.text;
        command->text_len = json.len;
    } else if (count) {
        return AIVO_E_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        if (attachments[i].len && !attachments[i].data)
            return AIVO_E_INVALID;
        command->attachments[i] = attachments[i];
    }
    command->attachment_count = count;
    return AIVO_OK;
}

bool aivo_client_event_usable(const char *event)
{
    if (!event)
        return false;
    size_t len = strnlen(event, AIVO_EVENT_NAME_MAX + 1);
    return len > 0 && len <= AIVO_EVENT_NAME_MAX && aivo_utf8_valid(event, len) && !aivo_sio_event_reserved(event, len);
}

enum aivo_status aivo_client_emit(struct aivo_client *c, const char *event, const char *args,
                                  const struct aivo_emit *how)
{
    if (!c)
        return AIVO_E_INVALID;
    if (c->settings.options.protocol != AIVO_PROTOCOL_SOCKETIO)
        return AIVO_E_STATE;
    struct aivo_emit full;
    aivo_emit_init(&full);
    if (how && !aivo_sized_in(&full, sizeof full, how, how->size, AIVO_SIZE_THROUGH(struct aivo_emit, ack_timeout_ms)))
        return AIVO_E_INVALID;
    how = &full;
    struct aivo_command command = {
        .type = AIVO_CMD_EMIT,
        .event = event,
        .flag = how->is_volatile,
        .ack = how->ack,
        .user = how->user,
        .ack_timeout_ms = how->ack_timeout_ms,
    };
    if (!aivo_client_event_usable(event))
        return AIVO_E_INVALID;
    enum aivo_status status = take_args(&command, args, how->attachments, how->attachment_count);
    if (status != AIVO_OK)
        return status;
    struct aivo_outgoing sized = {.event_len = strlen(event),
                                  .args_len = command.text_len,
                                  .attachments = command.attachments,
                                  .attachment_count = command.attachment_count};
    return submit(c, &command, packet_bytes(&sized));
}

enum aivo_status aivo_client_ack(struct aivo_client *c, uint64_t ack_id, const char *args,
                                 const struct aivo_attachment *attachments, size_t attachment_count)
{
    if (!c)
        return AIVO_E_INVALID;
    struct aivo_command command = {.type = AIVO_CMD_ACK, .ack_id = ack_id};
    if ((uint16_t)(ack_id >> 48) != atomic_load(&c->generation))
        return AIVO_E_NOT_CONNECTED;
    enum aivo_status status = take_args(&command, args, attachments, attachment_count);
    if (status != AIVO_OK)
        return status;
    struct aivo_outgoing sized = {
        .args_len = command.text_len, .attachments = command.attachments, .attachment_count = attachment_count};
    return submit(c, &command, packet_bytes(&sized));
}

enum aivo_status aivo_client_send_raw(struct aivo_client *c, const void *data, size_t len, bool binary)
{
    if (!c)
        return AIVO_E_INVALID;
    if (c->settings.options.protocol != AIVO_PROTOCOL_WEBSOCKET)
        return AIVO_E_STATE;
    if ((len && !data) || (!binary && !aivo_utf8_valid(data ? data : "", len)))
        return AIVO_E_INVALID;
    struct aivo_command command = {.type = AIVO_CMD_RAW, .text = data ? data : "", .text_len = len, .flag = binary};
    return submit(c, &command, len);
}

/* Some servers answer only the first, others only the last of several PINGs that wait: so one is out at a time, and
 * what was written meanwhile gets the next. */
void aivo_client_ping_durable(struct aivo_client *c)
{
    char payload[32];
    c->raw_pinged = c->raw_written;
    int n = snprintf(payload, sizeof payload, "q%llu", (unsigned long long)c->raw_pinged);
    aivo_loop_transport(c->task.loop)->ping(c->conn, payload, (size_t)n); /* a failure shows as closed() */
}

/* Over a plain WebSocket there are no acks: a PING behind the message is answered once the peer has read both. */
static enum aivo_status write_durable_raw(struct aivo_client *c, uint64_t ticket, const struct aivo_queued *m,
                                          uint32_t ack_timeout_ms)
{
    const struct aivo_transport *t = aivo_loop_transport(c->task.loop);
    aivo_buf_clear(&c->out);
    aivo_buf_str(&c->out, "{\"event\":");
    aivo_json_write_string(&c->out, m->event, strlen(m->event));
    aivo_buf_str(&c->out, ",\"data\":");
    aivo_buf_str(&c->out, m->args);
    aivo_buf_str(&c->out, ",\"id\":\"");
    aivo_buf_str(&c->out, m->id.text);
    aivo_buf_str(&c->out, "\"}");
    if (c->out.failed)
        return AIVO_E_MEMORY;
    struct aivo_ack entry = {.kind = AIVO_ACK_QUEUE, .cookie = ticket};
    entry.sent_us = aivo_clock_us();
    entry.deadline_us = entry.sent_us + (int64_t)ack_timeout_ms * 1000;
    if (!aivo_acks_add(c->acks, &entry))
        return AIVO_E_FULL;
    enum aivo_status status = t->send(c->conn, c->out.data, c->out.len, false);
    if (status != AIVO_OK) {
        aivo_acks_take(c->acks, entry.id, &entry);
        return status;
    }
    if (!c->raw_written)
        c->raw_acked = entry.id;
    c->raw_written = entry.id + 1;
    if (!c->raw_pinged)
        aivo_client_ping_durable(c);
    return AIVO_OK;
}

size_t aivo_client_durable_most(const struct aivo_client *c, const char *event)
{
    const struct aivo_options *o = &c->settings.options;
    size_t others = strlen(event) * DURABLE_ESCAPED + strlen(o->nsp ? o->nsp : "") + DURABLE_HEADER;
    return o->max_send_buffer_bytes > others ? (size_t)o->max_send_buffer_bytes - others : 0;
}

enum aivo_status aivo_client_write_durable(void *client, uint64_t ticket, const struct aivo_queued *m,
                                           uint32_t ack_timeout_ms)
{
    struct aivo_client *c = client;
    if (!c->conn || aivo_session_state(c->session) != AIVO_STATE_CONNECTED)
        return AIVO_E_NOT_CONNECTED;
    if (!aivo_client_event_usable(m->event))
        return AIVO_E_INVALID; /* a damaged row: the server would end the connection each time */
    size_t args_len = strlen(m->args);
    if (args_len > aivo_client_durable_most(c, m->event))
        return AIVO_E_TOO_LARGE;
    if (c->settings.options.protocol == AIVO_PROTOCOL_WEBSOCKET)
        return write_durable_raw(c, ticket, m, ack_timeout_ms);
    struct aivo_outgoing p = {.event = m->event, .event_len = strlen(m->event), .args = m->args, .args_len = args_len};
    struct aivo_ack entry = {.kind = AIVO_ACK_QUEUE, .cookie = ticket};
    return write_with_ack(c, &p, &entry, ack_timeout_ms);
}
