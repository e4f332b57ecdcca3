/* What happens with an event: limits, repeats, the handler, its answer. */
#include "clock.h"
#include "hub.h"
#include <stdlib.h>
#include <string.h>

/* One event on its way through its handler. */
struct event {
    enum srv_event event;
    const struct aivo_json *data; /* the array, name first */
    const struct aivo_bytes *attachments;
    unsigned attachment_count;
    bool has_id;
    uint64_t id;
    uint64_t received_us;          /* monotonic */
    struct srv_dedup_entry *entry; /* NULL: not to be remembered */
};

/* An event whose handling is delayed (TEST_HANDLER_DELAY_MS), with copies of all it needs. */
struct srv_job {
    struct srv_timer timer;
    struct srv_job *prev, *next;
    struct srv_socket *socket;
    struct event event;
    struct aivo_json data;
    struct aivo_bytes attachments[AIVO_SIO_MAX_ATTACHMENTS];
    char bytes[];
};

/* What stands behind the event's name in the array. */
static struct srv_args args_of(const struct event *event)
{
    struct srv_args args = {.attachments = event->attachments, .attachment_count = event->attachment_count};
    struct aivo_json name = aivo_json_at(event->data, 0);
    const char *p = name.text + name.len, *end = event->data->text + event->data->len - 1; /* at the ']' */
    while (p < end && *p != ',')
        p++;
    if (p < end) {
        args.inner = p + 1;
        args.inner_len = (size_t)(end - p - 1);
    }
    return args;
}

/* --- the handlers --- */

static void count_agent_session(struct srv_hub *hub, struct srv_socket *socket)
{
    if (socket->gone) {
        srv_agent_session_end(&socket->agent);
        return;
    }
    hub->metrics->active_sessions++;
    if (hub->config->session_idle_ms)
        srv_timer_start(&hub->idle_list, &socket->idle, hub->engine->now_ms);
}

static void handle_agent(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_agent_reply *reply = &hub->reply;
    uint64_t now_us = srv_mono_us(), now_ms = srv_unix_ms();
    uint64_t received_ms = now_ms - (now_us - event->received_us) / 1000;
    if (!srv_agent_handle(&socket->agent, event->event, event->data, event->attachments, event->attachment_count,
                          received_ms, now_ms, reply))
        return; /* nobody listens: no answer, as in Node */
    srv_metrics_error(hub->metrics, reply->error);
    if (reply->session_opened)
        count_agent_session(hub, socket);
    if (event->has_id)
        srv_socket_ack(hub, socket, event->id, reply->ack.data, reply->ack.len);
    for (unsigned i = 0; i < reply->emit_count; i++) {
        size_t len;
        const char *args = srv_agent_emit_args(reply, i, &len);
        srv_socket_emit(hub, socket, reply->emits[i].event, args, len);
    }
}

static void handle_broadcast(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_args args = args_of(event);
    srv_broadcast(hub, socket->nsp, SRV_EVENT_BENCH_EVENT, &args);
    if (event->has_id)
        srv_socket_ack(hub, socket, event->id, "[{\"success\":true}]", 18);
}

static void handle(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    if (event->event == SRV_EVENT_BENCH_BROADCAST && (hub->config->conformance || hub->config->bench_events)) {
        handle_broadcast(hub, socket, event);
    } else if (event->event == SRV_EVENT_MESSAGE && hub->config->conformance) {
        struct srv_args args = args_of(event);
        srv_socket_emit_args(hub, socket, SRV_EVENT_MESSAGE_BACK, &args);
    } else if (event->event == SRV_EVENT_MESSAGE_WITH_ACK && hub->config->conformance) {
        struct srv_args args = args_of(event);
        if (event->has_id)
            srv_socket_ack_args(hub, socket, event->id, &args);
    } else {
        handle_agent(hub, socket, event);
    }
    srv_metrics_latency(hub->metrics, event->event, srv_mono_us() - event->received_us);
}

/* --- the way in --- */

static bool within_limit(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_ratelimit *limit = &socket->client->limit;
    uint64_t now_ms = hub->engine->now_ms;
    uint32_t retry_after_ms = 0;
    if (event->event == SRV_EVENT_QUALITY_PING ? srv_ratelimit_allow_ping(limit, now_ms, &retry_after_ms)
                                               : srv_ratelimit_allow(limit, &hub->limit, now_ms, &retry_after_ms))
        return true;
    srv_metrics_error(hub->metrics, SRV_ERROR_RATE_LIMIT);
    if (event->has_id) {
        aivo_buf_clear(&hub->text);
        srv_agent_refusal(&hub->text, retry_after_ms);
        srv_socket_ack(hub, socket, event->id, hub->text.data, hub->text.len);
    }
    return false;
}

static enum srv_event event_of(struct srv_hub *hub, const struct aivo_json *data)
{
    size_t pos = 0;
    struct aivo_json name = aivo_json_next(data, &pos);
    if (name.type != AIVO_JSON_STRING)
        return SRV_EVENT_OTHER;
    if (!memchr(name.text, '\\', name.len))
        return srv_event_find(name.text + 1, name.len - 2);
    aivo_buf_clear(&hub->text);
    aivo_json_string(&name, &hub->text);
    return hub->text.failed ? SRV_EVENT_OTHER : srv_event_find(hub->text.data, hub->text.len);
}

void srv_dispatch_event(struct srv_hub *hub, struct srv_socket *socket, const struct aivo_sio_packet *packet,
                        const struct aivo_bytes *attachments)
{
    struct event event = {.event = event_of(hub, &packet->data),
                          .data = &packet->data,
                          .attachments = attachments,
                          .attachment_count = packet->attachments,
                          .has_id = packet->has_id,
                          .id = packet->id,
                          .received_us = srv_mono_us()};
    hub->metrics->received[event.event]++;
    if (!within_limit(hub, socket, &event))
        return;
    handle(hub, socket, &event);
}

void srv_dispatch_delay_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)context, (void)timer, (void)now_ms;
}
void srv_dispatch_forget(struct srv_hub *hub, struct srv_socket *socket)
{
    (void)hub, (void)socket;
}
void srv_dispatch_free(struct srv_hub *hub)
{
    (void)hub;
}
