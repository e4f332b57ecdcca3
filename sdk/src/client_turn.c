/* The loop's side of a client: feeds the session, carries out what it asks for, and keeps the deadlines. */
#include "client_internal.h"

#include "clock.h"
#include "error_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_ID_BITS  48          /* of a received event's ack id; the connection's generation is above them */
#define BLOCKED_US   (10 * 1000) /* the send buffer is full: look again after this long */
#define LATE_MAX     4096        /* answers to durable messages that are waited for beyond their time */
#define LATE_TIMES   4           /* so many times that time */
#define LAST_ROUNDS  8           /* durable messages that answer the ends of others while the client is destroyed */
#define EVENT_ROUNDS 8           /* connect() that fails at once, told to the session, may be asked for again */

static struct aivo_client *client_of(struct aivo_task *task)
{
    return (struct aivo_client *)((char *)task - offsetof(struct aivo_client, task));
}

static const struct aivo_transport *transport_of(const struct aivo_client *c)
{
    return aivo_loop_transport(c->task.loop);
}

/* Ends every ack that waits; the queue learns of the disconnection by itself. */
static void end_acks(struct aivo_client *c, enum aivo_status status)
{
    struct aivo_ack entry;
    c->late = 0;
    while (aivo_acks_drain(c->acks, &entry))
        if (entry.kind == AIVO_ACK_USER)
            aivo_tell_ack(c, (aivo_ack_fn)entry.fn, entry.user, status, NULL);
}

/* A server that answers slowly has handled the message all the same: its answer is waited for some time more. */
static void keep_late(struct aivo_client *c, struct aivo_ack *entry)
{
    if (c->late >= LATE_MAX)
        return;
    entry->kind = AIVO_ACK_LATE;
    entry->deadline_us += LATE_TIMES * (entry->deadline_us - entry->sent_us);
    c->late += aivo_acks_restore(c->acks, entry);
}

static void expire_acks(struct aivo_client *c, const struct aivo_instant *at)
{
    struct aivo_ack entry;
    while (aivo_acks_expire(c->acks, at->now_us, &entry)) {
        if (entry.kind == AIVO_ACK_USER)
            aivo_tell_ack(c, (aivo_ack_fn)entry.fn, entry.user, AIVO_E_TIMEOUT, NULL);
        else if (entry.kind == AIVO_ACK_LATE)
            c->late--;
        if (entry.kind == AIVO_ACK_QUEUE) {
            aivo_queue_answered(c->queue, at, entry.cookie, AIVO_E_TIMEOUT, NULL);
            keep_late(c, &entry);
        }
    }
}

/* ["name",a,b] as name and [a,b]; the slices of *args are NUL-terminated in c->in. */
static void unpack_args(struct aivo_client *c, const struct aivo_sio_message *m, bool is_event,
                        struct aivo_message *out)
{
    const struct aivo_json *data = &m->packet.data;
    const char *from = data->text, *end = data->text + data->len;
    aivo_buf_clear(&c->in);
    if (is_event) {
        struct aivo_json name = aivo_json_at(data, 0);
        aivo_buf_clear(&c->name);
        if (!aivo_json_string(&name, &c->name))
            aivo_buf_add(&c->name, name.text, name.len); /* a number */
        from = name.text + name.len;
        while (*from != ',' && *from != ']')
            from++;
        aivo_buf_char(&c->in, '[');
        if (*from == ',')
            from++;
    }
    aivo_buf_add(&c->in, from, (size_t)(end - from));
    out->event = is_event ? c->name.data : NULL;
    out->args = c->in.data;
    out->args_len = c->in.len;
}

static struct aivo_message unpack(struct aivo_client *c, const struct aivo_sio_message *m, bool is_event,
                                  struct aivo_attachment attachments[AIVO_SIO_MAX_ATTACHMENTS])
{
    struct aivo_message out = {.attachments = attachments, .attachment_count = m->packet.attachments};
    for (size_t i = 0; i < out.attachment_count; i++)
        attachments[i] = (struct aivo_attachment){m->attachments[i].data, m->attachments[i].len};
    unpack_args(c, m, is_event, &out);
    return out;
}

static void deliver_event(struct aivo_client *c, const struct aivo_action *a)
{
    struct aivo_attachment attachments[AIVO_SIO_MAX_ATTACHMENTS];
    const struct aivo_sio_packet *packet = &a->message->packet;
    struct aivo_message message = unpack(c, a->message, true, attachments);
    if (c->in.failed || c->name.failed || !message.event) {
        struct aivo_error error;
        aivo_error_set(&error, AIVO_E_MEMORY, 0, "no memory for a received event: it is lost");
        aivo_tell_notice(c, &error);
        return;
    }
    if (strcmp(message.event, "quality_pong") == 0 && aivo_client_is_probe(&packet->data))
        return;
    message.recovered = a->recovered;
    if (packet->has_id && packet->id < UINT64_C(1) << ACK_ID_BITS) {
        message.wants_ack = true;
        message.ack_id = (uint64_t)atomic_load(&c->generation) << ACK_ID_BITS | packet->id;
    }
    aivo_tell_event(c, &message);
}

static void deliver_ack(struct aivo_client *c, const struct aivo_action *a, const struct aivo_instant *at)
{
    struct aivo_ack entry;
    if (!aivo_acks_take(c->acks, a->message->packet.id, &entry))
        return; /* late: its time-out was told, or it was waited for long enough */
    if (entry.kind != AIVO_ACK_PROBE)
        aivo_quality_app_ack(&c->quality, at->now_us, entry.sent_us);
    c->late -= entry.kind == AIVO_ACK_LATE;
    if (entry.kind == AIVO_ACK_QUEUE || entry.kind == AIVO_ACK_LATE) {
        aivo_queue_answered(c->queue, at, entry.cookie, AIVO_OK, &a->message->packet.data);
    } else if (entry.kind == AIVO_ACK_PROBE) {
        aivo_client_handler_answered(c, at, entry.cookie, &a->message->packet.data);
    } else {
        struct aivo_attachment attachments[AIVO_SIO_MAX_ATTACHMENTS];
        struct aivo_message message = unpack(c, a->message, false, attachments);
        bool whole = !c->in.failed;
        aivo_tell_ack(c, (aivo_ack_fn)entry.fn, entry.user, whole ? AIVO_OK : AIVO_E_MEMORY, whole ? &message : NULL);
    }
}

static void deliver_raw(struct aivo_client *c, const struct aivo_action *a)
{
    struct aivo_message message = {.event = "message"};
    struct aivo_attachment attachment = {a->text, a->len};
    if (a->binary) {
        message.attachments = &attachment;
        message.attachment_count = 1;
    } else {
        aivo_buf_clear(&c->in);
        aivo_buf_add(&c->in, a->text, a->len);
        message.args = c->in.data ? c->in.data : "";
        message.args_len = a->len;
    }
    aivo_tell_event(c, &message);
}

static void note_connected(struct aivo_client *c, const struct aivo_instant *at)
{
    atomic_fetch_add(&c->generation, 1);
    atomic_store(&c->max_payload, aivo_session_max_payload(c->session));
    pthread_mutex_lock(&c->lock);
    snprintf(c->sid, sizeof c->sid, "%s", aivo_session_sid(c->session));
    pthread_mutex_unlock(&c->lock);
    aivo_quality_connected(&c->quality, at->now_us);
    if (c->queue)
        aivo_queue_connected(c->queue, at);
}

static void note_disconnected(struct aivo_client *c, const struct aivo_instant *at, bool by_peer)
{
    atomic_store(&c->max_payload, 0);
    pthread_mutex_lock(&c->lock);
    c->sid[0] = '\0';
    pthread_mutex_unlock(&c->lock);
    aivo_quality_disconnected(&c->quality, at->now_us);
    c->found_dead = false;
    if (c->queue)
        aivo_queue_disconnected(c->queue, at, by_peer);
}

static void keep_error(struct aivo_client *c, const struct aivo_error *error)
{
    pthread_mutex_lock(&c->lock);
    c->last_error = *error;
    pthread_mutex_unlock(&c->lock);
}

static void change_state(struct aivo_client *c, const struct aivo_action *a, const struct aivo_instant *at)
{
    bool failed = a->error.status != AIVO_OK;
    if (failed)
        keep_error(c, &a->error);
    if (a->from == AIVO_STATE_CONNECTED)
        note_disconnected(c, at, a->error.status == AIVO_E_CLOSED);
    if (a->to == AIVO_STATE_CONNECTED)
        note_connected(c, at);
    atomic_store(&c->state, a->to);
    aivo_client_log_state(c, a);
    aivo_client_tick_quality(c, at, false);
    aivo_tell_state(c, a->from, a->to, failed ? &a->error : NULL);
    if (a->from == AIVO_STATE_CONNECTED)
        end_acks(c, AIVO_E_CLOSED);
}

static void carry_out(struct aivo_client *c, const struct aivo_instant *at);

static void on_open(void *user)
{
    struct aivo_client *c = user;
    const struct aivo_instant at = aivo_instant_now();
    aivo_session_opened(c->session, &at);
    carry_out(c, &at);
}

static void on_message(void *user, const char *data, size_t len, bool binary)
{
    struct aivo_client *c = user;
    const struct aivo_instant at = aivo_instant_now();
    aivo_client_log_frame(c, "received", data, len, binary);
    aivo_quality_heard(&c->quality, at.now_us);
    aivo_session_message(c->session, &at, data, len, binary);
    carry_out(c, &at);
}

static bool is_durable(struct aivo_client *c, const struct aivo_ack *entry)
{
    c->late -= entry->kind == AIVO_ACK_LATE;
    return entry->kind == AIVO_ACK_QUEUE || entry->kind == AIVO_ACK_LATE;
}

/* Plain WebSocket: frames are read in order, so this PONG stands for every message written before its PING. */
static void acknowledge_up_to(struct aivo_client *c, const struct aivo_instant *at, uint64_t id)
{
    struct aivo_ack entry;
    if (id > c->raw_written)
        return; /* not ours */
    for (; c->raw_acked < id; c->raw_acked++)
        if (aivo_acks_take(c->acks, c->raw_acked, &entry) && is_durable(c, &entry))
            aivo_queue_answered(c->queue, at, entry.cookie, AIVO_OK, NULL);
    if (id < c->raw_pinged)
        return; /* an older one: ours is still to come */
    c->raw_pinged = 0;
    if (c->raw_acked < c->raw_written)
        aivo_client_ping_durable(c);
}

static void on_pong(void *user, const void *payload, size_t len)
{
    struct aivo_client *c = user;
    const struct aivo_instant at = aivo_instant_now();
    aivo_session_heard(c->session, &at);
    carry_out(c, &at);
    char text[24] = "";
    if (len < 2 || len >= sizeof text)
        return;
    memcpy(text, payload, len);
    uint64_t id = strtoull(text + 1, NULL, 10);
    if (text[0] == 'p') {
        aivo_client_probe_answered(c, &at, id);
        if (c->raw_pinged) /* a server may drop a PING that meets another; twice answered does no harm */
            aivo_client_ping_durable(c);
    } else if (text[0] == 'q' && c->queue) {
        acknowledge_up_to(c, &at, id);
    }
}

static void on_closed(void *user, const struct aivo_error *why)
{
    struct aivo_client *c = user;
    const struct aivo_instant at = aivo_instant_now();
    c->conn = NULL;
    aivo_session_closed(c->session, &at, why);
    carry_out(c, &at);
}

static const struct aivo_transport_events transport_events = {on_open, on_message, on_pong, on_closed};

static void open_transport(struct aivo_client *c)
{
    const struct aivo_settings *s = &c->settings;
    const struct aivo_options *o = &s->options;
    struct aivo_transport_request request = {
        .tls = s->url.tls,
        .host = s->url.host,
        .port = s->url.port,
        .path = s->target,
        .subprotocol = o->subprotocol,
        .headers = o->headers,
        .proxy = o->proxy,
        .tls_options = o->tls,
        .connect_timeout_ms = o->connect_timeout_ms,
        .max_message_bytes = o->max_payload_bytes,
        .max_unsent_bytes = o->max_send_buffer_bytes,
    };
    c->paused = false;
    aivo_client_log(c, AIVO_LOG_INFO, "connecting to %s:%u%s", s->url.host, (unsigned)s->url.port,
                    s->url.tls ? " (TLS)" : "");
    enum aivo_status status =
        transport_of(c)->connect(aivo_loop_net(c->task.loop), &request, &transport_events, c, &c->conn, &c->open_error);
    if (status != AIVO_OK) {
        c->conn = NULL;
        c->open_failed = true;
        c->open_error.status = status;
        aivo_task_wake(&c->task);
    }
}

static void carry_out_one(struct aivo_client *c, const struct aivo_action *a, const struct aivo_instant *at)
{
    const struct aivo_transport *t = transport_of(c);
    switch (a->type) {
    case AIVO_ACT_STATE:
        change_state(c, a, at);
        break;
    case AIVO_ACT_ASK_AUTH:
        aivo_tell_auth(c, a->reason);
        break;
    case AIVO_ACT_OPEN:
        open_transport(c);
        break;
    case AIVO_ACT_SEND:
        aivo_client_log_frame(c, "sent", a->text, a->len, false);
        if (c->conn)
            t->send(c->conn, a->text, a->len, false); /* a failure shows as closed() */
        break;
    case AIVO_ACT_CLOSE:
        if (c->conn)
            t->close(c->conn, 1000, "");
        break;
    case AIVO_ACT_ABORT:
        t->abort(c->conn);
        c->conn = NULL;
        break;
    case AIVO_ACT_EVENT:
        deliver_event(c, a);
        break;
    case AIVO_ACT_ACK:
        deliver_ack(c, a, at);
        break;
    case AIVO_ACT_RAW:
        deliver_raw(c, a);
        break;
    case AIVO_ACT_NOTICE:
        if (aivo_session_state(c->session) != AIVO_STATE_CONNECTED)
            keep_error(c, &a->error); /* why a further attempt failed */
        aivo_client_log(c, AIVO_LOG_WARN, "%s", a->error.message);
        aivo_tell_notice(c, &a->error);
        break;
    }
}

/* When the next attempt is due, for those who ask and for the log. */
static void note_retry(struct aivo_client *c, const struct aivo_instant *at)
{
    int64_t due = aivo_session_retry_at(c->session);
    if (atomic_exchange(&c->retry_at_us, due) != due && due != AIVO_NEVER)
        aivo_client_log(c, AIVO_LOG_INFO, "next attempt in %lld ms", (long long)((due - at->now_us) / 1000));
}

/* The actions' texts are borrowed from the session, so nothing in here may call it but for reading: what callbacks ask
 * for waits in the inbox. */
static void carry_out(struct aivo_client *c, const struct aivo_instant *at)
{
    size_t n = aivo_session_action_count(c->session);
    for (size_t i = 0; i < n; i++)
        carry_out_one(c, aivo_session_action(c->session, i), at);
    note_retry(c, at);
    aivo_task_wake(&c->task); /* the deadlines may have moved */
}

static enum aivo_status sink_send(void *user, uint64_t ticket, const struct aivo_queued *message,
                                  uint32_t ack_timeout_ms)
{
    struct aivo_client *c = user;
    enum aivo_status status = aivo_client_write_durable(c, ticket, message, ack_timeout_ms);
    if (status == AIVO_E_FULL)
        c->queue_blocked = true;
    if (status == AIVO_OK)
        aivo_tell_queue(c, AIVO_QUEUE_SENT, message);
    return status;
}

static bool sink_fate(void *user, const struct aivo_queued *message, enum aivo_fate fate, const char *answer,
                      struct queue_message *receipt)
{
    return aivo_tell_fate(user, message, fate, answer, receipt);
}

static void sink_notice(void *user, const struct aivo_error *error)
{
    aivo_tell_notice(user, error);
}

static void sink_stored(void *user, const struct aivo_queue_stored *stored)
{
    aivo_tell_stored(user, stored);
}

static void sink_queued(void *user, const struct aivo_queued *message)
{
    aivo_tell_queue(user, AIVO_QUEUE_QUEUED, message);
}

/* With callbacks that are dispatched a fate is told only when its callback has run. */
#define QUEUE_SINK(kept)                                                                                               \
    {                                                                                                                  \
        .send = sink_send, .fate = sink_fate, .keeps = (kept), .notice = sink_notice, .stored = sink_stored,           \
        .queued = sink_queued                                                                                          \
    }
static const struct aivo_queue_sink service_sink = QUEUE_SINK(false), dispatch_sink = QUEUE_SINK(true);

static const struct aivo_queue_sink *sink_of(const struct aivo_client *c)
{
    return c->dispatch.fd < 0 ? &service_sink : &dispatch_sink;
}

/* Carries out one command; true if the client is gone. */
static bool obey(struct aivo_client *c, struct aivo_command *command, const struct aivo_instant *at)
{
    switch (command->type) {
    case AIVO_CMD_START:
        c->started = true;
        if (c->settings.options.watch_network)
            aivo_loop_watch_network(c->task.loop, &c->task);
        aivo_session_start(c->session, at);
        carry_out(c, at);
        break;
    case AIVO_CMD_STOP:
        aivo_session_stop(c->session, at);
        carry_out(c, at);
        break;
    case AIVO_CMD_RETRY:
        aivo_session_retry_now(c->session, at);
        carry_out(c, at);
        break;
    case AIVO_CMD_AUTH:
        aivo_session_auth(c->session, at, command->text);
        carry_out(c, at);
        break;
    case AIVO_CMD_RESUME:
        if (c->conn && c->paused)
            transport_of(c)->pause(c->conn, false);
        c->paused = false;
        aivo_quality_resumed(&c->quality, at->now_us);
        break;
    case AIVO_CMD_QUALITY_START:
    case AIVO_CMD_QUALITY_STOP:
        aivo_quality_enable(&c->quality, at->now_us, command->type == AIVO_CMD_QUALITY_START);
        break;
    case AIVO_CMD_DESTROY: {
        struct aivo_teardown *done = command->user; /* the command lies on the waiting thread's stack */
        aivo_client_teardown(c);
        pthread_mutex_lock(&done->lock);
        done->finished = true;
        pthread_cond_signal(&done->cond);
        pthread_mutex_unlock(&done->lock);
        return true;
    }
    case AIVO_CMD_EMIT:
    case AIVO_CMD_ACK:
    case AIVO_CMD_RAW:
        aivo_client_execute(c, command);
        break;
    }
    atomic_fetch_sub(&c->inbox.bytes, command->bytes);
    free(command);
    return false;
}

/* What is behind a DESTROY in the inbox came too late: it is ended like everything else that waits. */
static void end_commands(struct aivo_client *c, struct aivo_command *command)
{
    while (command) {
        struct aivo_command *next = command->next;
        if (command->type == AIVO_CMD_EMIT && command->ack)
            aivo_tell_ack(c, command->ack, command->user, AIVO_E_CANCELLED, NULL);
        free(command);
        command = next;
    }
}

static bool obey_all(struct aivo_client *c, const struct aivo_instant *at)
{
    struct aivo_command *command = aivo_inbox_take_all(&c->inbox);
    while (command) {
        struct aivo_command *next = command->next;
        if (command->type == AIVO_CMD_DESTROY) {
            end_commands(c, next);
            return obey(c, command, at);
        }
        obey(c, command, at);
        command = next;
    }
    return false;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(struct aivo_client *c, const struct aivo_instant *at)
{
    int64_t deadline = least(aivo_session_deadline(c->session), aivo_acks_deadline(c->acks));
    if (c->queue && c->started)
        deadline = least(deadline, aivo_queue_deadline(c->queue));
    if (c->queue_blocked)
        deadline = least(deadline, at->now_us + BLOCKED_US);
    if (c->started && !c->paused)
        deadline = least(deadline, aivo_quality_deadline(&c->quality, at->now_us));
    return deadline;
}

/* The measuring's verdict, well before the heartbeat would find out. */
static void end_if_dead(struct aivo_client *c, const struct aivo_instant *at)
{
    struct aivo_error why;
    if (!c->started || !aivo_client_take_dead(c, &why))
        return;
    aivo_session_dead(c->session, at, &why);
    carry_out(c, at);
}

void aivo_client_turn(struct aivo_task *task)
{
    struct aivo_client *c = client_of(task);
    if (!atomic_load(&c->created))
        return;
    if (c->destroy_asked) {
        aivo_client_finish(c);
        return;
    }
    const struct aivo_instant at = aivo_instant_now();
    if (obey_all(c, &at))
        return;
    for (int i = 0; c->open_failed && i < EVENT_ROUNDS; i++) {
        c->open_failed = false;
        struct aivo_error error = c->open_error;
        aivo_session_closed(c->session, &at, &error);
        carry_out(c, &at);
    }
    if (task->network_changed) {
        task->network_changed = false;
        aivo_session_retry_now(c->session, &at);
        carry_out(c, &at);
    }
    bool unasked = c->settings.options.protocol == AIVO_PROTOCOL_WEBSOCKET && !c->quality.options.enabled;
    if (c->paused || unasked)
        aivo_session_heard(c->session, &at); /* it is we who do not listen, or send nothing to be answered */
    if (aivo_session_deadline(c->session) <= at.now_us) {
        aivo_session_tick(c->session, &at);
        carry_out(c, &at);
    }
    expire_acks(c, &at);
    if (c->queue && c->started) {
        c->queue_blocked = false;
        aivo_queue_step(c->queue, &at, sink_of(c), c);
    } else if (c->queue) {
        aivo_queue_tell_stored(c->queue, sink_of(c), c);
    }
    if (c->started && !c->paused) /* before that the program may still attach a recorder */
        aivo_client_measure(c, &at);
    end_if_dead(c, &at);
    aivo_task_set_deadline(task, next_deadline(c, &at));
}

void aivo_client_teardown(struct aivo_client *c)
{
    c->tearing_down = true;
    atomic_store(&c->state, AIVO_STATE_CLOSING); /* later emits are refused */
    transport_of(c)->abort(c->conn);
    c->conn = NULL;
    end_commands(c, aivo_inbox_take_all(&c->inbox));
    end_acks(c, AIVO_E_CANCELLED);
    if (c->dispatch.fd < 0)
        aivo_client_last_words(c);
    aivo_task_remove(&c->task);
}

/* A program may answer an end with a durable message, and the end of that with another: they are stored. One that
 * would go on for ever is refused after some rounds. */
void aivo_client_last_words(struct aivo_client *c)
{
    bool any = true;
    for (int i = 0; any && i < LAST_ROUNDS; i++) {
        any = aivo_dispatch_finish(c);
        any |= c->queue && aivo_queue_settle(c->queue, sink_of(c), c);
    }
    if (c->queue)
        aivo_queue_finish(c->queue, sink_of(c), c);
    aivo_dispatch_finish(c);
}
