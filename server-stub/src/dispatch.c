/* What happens with an event: limits, repeats, the handler, its answer. */
#include "claims.h"
#include "clock.h"
#include "cluster_internal.h"
#include "hub.h"
#include <stdio.h>
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

/* An event whose handling takes its time: delayed (TEST_HANDLER_DELAY_MS), with copies of all it needs, or with an
 * outside agent, without data. */
struct srv_job {
    struct srv_timer timer;
    struct srv_job *prev, *next;
    struct srv_hub *hub; /* of one that waits for Redis */
    struct srv_socket *socket;
    struct event event;
    bool starts_session; /* with an outside agent */
    bool is_held, ready; /* in the socket's queue; ready: nothing but those before it holds it up */
    struct srv_job *held_next;
    size_t held_bytes;
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

/* What a handler did, for whoever repeats the message. */
struct outcome {
    const char *ack; /* NULL: no listener, nothing to answer */
    size_t ack_len;
    bool failed; /* not to be remembered: a repeat shall be handled anew */
};

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

/* The Unix time of a monotonic one. One clock is read for each event, and one more for each turn. */
static uint64_t unix_ms_at(struct srv_hub *hub, uint64_t mono_us)
{
    if (mono_us - hub->clock_taken_us > SRV_HUB_CLOCK_US) {
        hub->clock_taken_us = srv_mono_us();
        hub->unix_minus_mono_us = srv_clock_us(CLOCK_REALTIME) - hub->clock_taken_us;
    }
    return (mono_us + hub->unix_minus_mono_us) / 1000;
}

static void handle_agent(struct srv_hub *hub, struct srv_socket *socket, const struct event *event,
                         struct outcome *outcome)
{
    struct srv_agent_reply *reply = &hub->reply;
    uint64_t received_ms = unix_ms_at(hub, event->received_us);
    uint64_t now_ms = hub->config->test_handler_delay_ms ? unix_ms_at(hub, srv_mono_us()) : received_ms;
    if (!srv_agent_handle(&socket->agent, event->event, event->data, event->attachments, event->attachment_count,
                          received_ms, now_ms, reply))
        return; /* nobody listens: no answer, as in Node */
    srv_metrics_error(hub->metrics, reply->error);
    if (reply->session_opened)
        count_agent_session(hub, socket);
    outcome->ack = reply->ack.data;
    outcome->ack_len = reply->ack.len;
    outcome->failed = reply->error == SRV_ERROR_AGENT_ERROR;
    if (event->has_id)
        srv_socket_ack(hub, socket, event->id, reply->ack.data, reply->ack.len);
    for (unsigned i = 0; i < reply->emit_count; i++) {
        size_t len;
        const char *args = srv_agent_emit_args(reply, i, &len);
        srv_socket_emit(hub, socket, reply->emits[i].event, args, len);
    }
}

static void handle_broadcast(struct srv_hub *hub, struct srv_socket *socket, const struct event *event,
                             struct outcome *outcome)
{
    const struct srv_broadcast broadcast = {.nsp = socket->nsp, .event = SRV_EVENT_BENCH_EVENT, .args = args_of(event)};
    srv_broadcast(hub, &broadcast);
    outcome->ack = "[{\"success\":true}]";
    outcome->ack_len = strlen(outcome->ack);
    if (event->has_id)
        srv_socket_ack(hub, socket, event->id, outcome->ack, outcome->ack_len);
}

static void handle_conformance(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_args args = args_of(event);
    if (event->event == SRV_EVENT_MESSAGE)
        srv_socket_emit_args(hub, socket, SRV_EVENT_MESSAGE_BACK, &args);
    else if (event->has_id)
        srv_socket_ack_args(hub, socket, event->id, &args);
}

static void handle(struct srv_hub *hub, struct srv_socket *socket, const struct event *event, struct outcome *outcome)
{
    const struct srv_config *config = hub->config;
    if (event->event == SRV_EVENT_BENCH_BROADCAST && (config->conformance || config->bench_events))
        handle_broadcast(hub, socket, event, outcome);
    else if ((event->event == SRV_EVENT_MESSAGE || event->event == SRV_EVENT_MESSAGE_WITH_ACK) && config->conformance)
        handle_conformance(hub, socket, event);
    else if (event->event == SRV_EVENT_OTHER && config->conformance && hub->cluster &&
             srv_cluster_test_event(hub, socket, event->data, event->attachments, event->attachment_count,
                                    event->has_id ? &event->id : NULL))
        outcome->ack = NULL; /* it answers by itself, perhaps later */
    else
        handle_agent(hub, socket, event, outcome);
    hub->last_us = srv_mono_us();
    hub->last_turn = hub->engine->turn;
    srv_metrics_latency(hub->metrics, event->event, hub->last_us - event->received_us);
}

/* --- repeats --- */

struct answer {
    struct srv_hub *hub;
    const struct outcome *outcome;
};

static void tell(void *context, void *waiter, uint64_t ack_id)
{
    const struct answer *answer = context;
    struct srv_socket *socket = waiter;
    socket->client->jobs--;
    if (answer->outcome->ack)
        srv_socket_ack(answer->hub, socket, ack_id, answer->outcome->ack, answer->outcome->ack_len);
}

static void remember(struct srv_hub *hub, struct srv_dedup_entry *entry, const struct outcome *outcome)
{
    struct answer answer = {hub, outcome};
    if (srv_dedup_is_shared(entry) && hub->cluster) {
        const char *user, *id;
        size_t id_len;
        srv_dedup_key(entry, &user, &id, &id_len);
        srv_claim_answer(hub->cluster, user, id, id_len, outcome->failed ? NULL : outcome->ack, outcome->ack_len);
    }
    if (outcome->ack && !outcome->failed)
        srv_dedup_done(&hub->dedup, entry, outcome->ack, outcome->ack_len, tell, &answer);
    else
        srv_dedup_forget(&hub->dedup, entry, tell, &answer);
}

/* The messageId of the first argument, unescaped into hub->text. */
static bool message_id(struct srv_hub *hub, const struct aivo_json *data)
{
    /* Most messages have none, and this is cheaper than walking the object. A backslash may hide the name. */
    if (!memmem(data->text, data->len, "messageId", 9) && !memchr(data->text, '\\', data->len))
        return false;
    struct aivo_json first = aivo_json_at(data, 1);
    if (first.type != AIVO_JSON_OBJECT)
        return false;
    struct aivo_json id = aivo_json_get(&first, "messageId");
    if (id.type == AIVO_JSON_NONE)
        return false;
    aivo_buf_clear(&hub->text);
    return aivo_json_string(&id, &hub->text) && !hub->text.failed;
}

/* true: the message is a repeat and was seen to. */
static bool is_repeat(struct srv_hub *hub, struct srv_socket *socket, struct event *event)
{
    if (!message_id(hub, event->data))
        return false;
    const char *ack = NULL;
    size_t ack_len = 0;
    switch (srv_dedup_begin(&hub->dedup, socket->agent.user_id, hub->text.data, hub->text.len, hub->engine->now_ms,
                            &event->entry, &ack, &ack_len)) {
    case SRV_DEDUP_REPEAT:
        event->entry = NULL;
        if (event->has_id)
            srv_socket_ack(hub, socket, event->id, ack, ack_len);
        return true;
    case SRV_DEDUP_PENDING:
        if (event->has_id && srv_dedup_wait(event->entry, socket, event->id)) /* else its sender repeats it later */
            socket->client->jobs++;
        event->entry = NULL;
        return true;
    case SRV_DEDUP_NEW:
        return false;
    case SRV_DEDUP_UNKNOWN:
        break;
    }
    event->entry = NULL;
    return false;
}

/* --- handlers that take their time --- */

/* With room for size bytes of the event's. NULL: no memory. */
static struct srv_job *job_new(struct srv_hub *hub, struct srv_socket *socket, const struct event *event, size_t size)
{
    struct srv_job *job = malloc(sizeof *job + size);
    if (!job)
        return NULL;
    memset(job, 0, sizeof *job);
    job->event = *event;
    job->socket = socket;
    job->next = hub->jobs;
    if (job->next)
        job->next->prev = job;
    hub->jobs = job;
    hub->job_count++;
    socket->jobs++;
    if (!socket->gone)
        socket->client->jobs++;
    return job;
}

static size_t size_of(const struct event *event)
{
    size_t size = event->data->len;
    for (unsigned i = 0; i < event->attachment_count; i++)
        size += event->attachments[i].len;
    return size;
}

/* With copies of what the event borrows. NULL: no memory. */
static struct srv_job *job_copy(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_job *job = job_new(hub, socket, event, size_of(event));
    if (!job)
        return NULL;
    job->data = (struct aivo_json){event->data->type, job->bytes, event->data->len};
    job->event.data = &job->data;
    job->event.attachments = job->attachments;
    char *p = job->bytes;
    memcpy(p, event->data->text, event->data->len);
    p += event->data->len;
    for (unsigned i = 0; i < event->attachment_count; i++) {
        job->attachments[i] = (struct aivo_bytes){p, event->attachments[i].len};
        if (event->attachments[i].len)
            memcpy(p, event->attachments[i].data, event->attachments[i].len);
        p += event->attachments[i].len;
    }
    return job;
}

/* false: no memory. */
static bool delay(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_job *job = job_copy(hub, socket, event);
    if (job)
        srv_timer_start(&hub->delay_list, &job->timer, hub->engine->now_ms);
    return job != NULL;
}

static void job_free(struct srv_hub *hub, struct srv_job *job)
{
    srv_timer_stop(&job->timer);
    if (job->prev)
        job->prev->next = job->next;
    else
        hub->jobs = job->next;
    if (job->next)
        job->next->prev = job->prev;
    hub->job_count--;
    struct srv_socket *socket = job->socket;
    free(job);
    socket->jobs--;
    if (socket->gone) {
        if (!socket->jobs)
            free(socket);
        return;
    }
    socket->client->jobs--;
}

/* --- outside agents --- */

static bool goes_outside(const struct srv_hub *hub, const struct event *event)
{
    return hub->outside &&
           (event->event == SRV_EVENT_LEARNING || event->event == SRV_EVENT_TUTOR || event->event == SRV_EVENT_SPEECH);
}

static void outside_failed(struct srv_hub *hub, const struct srv_outside_answer *answer)
{
    unsigned left_out;
    srv_metrics_error(hub->metrics, SRV_ERROR_AGENT_ERROR);
    if (!srv_log_bounded(&hub->agent_lines, SRV_HUB_AGENT_LINES, hub->engine->now_ms, &left_out))
        return;
    char status[16] = "";
    if (answer->http_status)
        snprintf(status, sizeof status, "%u", answer->http_status);
    if (left_out)
        srv_log(hub->log, SRV_LOG_WARN, "agent: %u further failures were left out", left_out);
    srv_log_fields(hub->log, SRV_LOG_WARN, "agent failed",
                   (struct srv_log_field[]){SRV_LOG_FIELD("reason", srv_outside_reason(answer->status)),
                                            SRV_LOG_FIELD("status", *status ? status : NULL),
                                            SRV_LOG_FIELD("detail", *answer->detail ? answer->detail : NULL)},
                   3);
}

/* What the agent said, or did not say, goes to the client, to whoever repeats the message, and into the figures. */
static void outside_done(struct srv_hub *hub, struct srv_socket *socket, const struct event *event,
                         const struct srv_outside_answer *answer)
{
    struct outcome outcome = {.failed = answer->status != SRV_OUTSIDE_OK};
    aivo_buf_clear(&hub->text);
    if (outcome.failed) {
        outside_failed(hub, answer);
        aivo_buf_str(&hub->text, "[{\"error\":\"");
        aivo_buf_str(&hub->text, srv_outside_client_message(answer->status));
        aivo_buf_str(&hub->text, "\"}]");
    } else {
        aivo_buf_char(&hub->text, '[');
        aivo_buf_add(&hub->text, answer->json.text, answer->json.len);
        aivo_buf_char(&hub->text, ']');
    }
    if (!hub->text.failed) {
        outcome.ack = hub->text.data;
        outcome.ack_len = hub->text.len;
        if (event->has_id)
            srv_socket_ack(hub, socket, event->id, outcome.ack, outcome.ack_len);
    }
    srv_metrics_latency(hub->metrics, event->event, srv_mono_us() - event->received_us);
    if (event->entry)
        remember(hub, event->entry, &outcome);
    if (hub->text.cap > 65536)
        aivo_buf_free(&hub->text);
}

static bool starts_session(const struct event *event)
{
    struct aivo_json argument = aivo_json_at(event->data, 1), action = {0};
    if (event->event == SRV_EVENT_LEARNING && argument.type == AIVO_JSON_OBJECT)
        action = aivo_json_get(&argument, "action");
    return action.type == AIVO_JSON_STRING && aivo_json_string_is(&action, "start_session");
}

static void send_out(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_outside_ids ids = {socket->agent.learner_id, socket->agent.user_id, socket->agent.socket_id};
    struct srv_outside_answer refused = {.status = SRV_OUTSIDE_MEMORY, .detail = ""};
    struct aivo_buf body;
    aivo_buf_init(&body);
    bool starts = starts_session(event);
    socket->agent.last_activity_ms = unix_ms_at(hub, event->received_us);
    struct srv_job *job = NULL;
    if (srv_outside_body(&body, srv_event_name(event->event), event->data, event->attachments, event->attachment_count,
                         &ids))
        job = job_new(hub, socket, event, 0);
    if (!job) {
        aivo_buf_free(&body);
        outside_done(hub, socket, event, &refused);
        return;
    }
    job->starts_session = starts;
    job->event.data = NULL;
    job->event.attachments = NULL;
    job->event.attachment_count = 0;
    refused.status = srv_outside_post(hub->outside, &body, job, hub->engine->now_ms);
    if (refused.status == SRV_OUTSIDE_OK)
        return;
    outside_done(hub, socket, event, &refused);
    job->event.entry = NULL;
    job_free(hub, job);
}

void srv_dispatch_answered(void *context, void *user, const struct srv_outside_answer *answer)
{
    struct srv_hub *hub = context;
    struct srv_job *job = user;
    struct srv_agent_session *agent = &job->socket->agent;
    hub->engine->now_ms = answer->now_ms;
    if (job->starts_session && !agent->active && answer->status == SRV_OUTSIDE_OK &&
        answer->json.type == AIVO_JSON_OBJECT) {
        struct aivo_json success = aivo_json_get(&answer->json, "success");
        agent->active = aivo_json_is_true(&success);
        if (agent->active)
            count_agent_session(hub, job->socket);
    }
    outside_done(hub, job->socket, &job->event, answer);
    job_free(hub, job);
}

static void run(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct outcome outcome = {0};
    if (goes_outside(hub, event)) {
        send_out(hub, socket, event);
        return;
    }
    handle(hub, socket, event, &outcome);
    if (event->entry)
        remember(hub, event->entry, &outcome);
}

void srv_dispatch_delay_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_hub *hub = context;
    struct srv_job *job = SRV_TIMER_OWNER(timer, struct srv_job, timer);
    hub->engine->now_ms = now_ms;
    run(hub, job->socket, &job->event);
    job_free(hub, job);
}

/* --- messages that another instance may have handled --- */

/* The memory that is asked first is in Redis and takes a while. What the same socket sends meanwhile stays in order
 * behind the event that waits; only quality_ping does not wait. */

static void hold(struct srv_socket *socket, struct srv_job *job)
{
    job->is_held = true;
    job->held_bytes = size_of(&job->event);
    socket->held_bytes += job->held_bytes;
    if (!socket->held)
        socket->held_end = &socket->held;
    *socket->held_end = job;
    socket->held_end = &job->held_next;
}

static void unhold(struct srv_job *job)
{
    struct srv_socket *socket = job->socket;
    if (!job->is_held)
        return;
    struct srv_job **p = &socket->held;
    while (*p != job)
        p = &(*p)->held_next;
    *p = job->held_next;
    if (!job->held_next)
        socket->held_end = p;
    job->is_held = false;
    job->held_next = NULL;
    socket->held_bytes -= job->held_bytes;
}

static void start(struct srv_hub *hub, struct srv_job *job)
{
    if (hub->config->test_handler_delay_ms) {
        srv_timer_start(&hub->delay_list, &job->timer, hub->engine->now_ms);
        return;
    }
    run(hub, job->socket, &job->event);
    job_free(hub, job);
}

/* Those that nothing holds up any more. */
static void release(struct srv_hub *hub, struct srv_socket *socket)
{
    socket->jobs++; /* it must outlive its jobs here */
    while (socket->held && socket->held->ready) {
        struct srv_job *job = socket->held;
        unhold(job);
        start(hub, job);
    }
    socket->jobs--;
    if (socket->gone && !socket->jobs)
        free(socket);
}

static void claimed(void *context, enum srv_claim_verdict verdict, const char *ack, size_t len)
{
    struct srv_job *job = context;
    struct srv_socket *socket = job->socket;
    struct srv_hub *hub = job->hub;
    bool waits = job->is_held;
    struct outcome outcome = {.ack = ack, .ack_len = len};
    switch (verdict) {
    case SRV_CLAIM_MINE:
        srv_dedup_set_shared(job->event.entry);
        job->ready = true;
        break;
    case SRV_CLAIM_AWAY:
        job->ready = true;
        break;
    case SRV_CLAIM_ELSEWHERE: /* the others need not wait for that */
        unhold(job);
        release(hub, socket);
        return;
    case SRV_CLAIM_ANSWERED:
    case SRV_CLAIM_GIVEN_UP:
        socket->jobs++;
        unhold(job);
        if (ack && job->event.has_id)
            srv_socket_ack(hub, socket, job->event.id, ack, len);
        remember(hub, job->event.entry, &outcome);
        job->event.entry = NULL;
        job_free(hub, job);
        socket->jobs--;
        release(hub, socket);
        return;
    }
    if (waits)
        release(hub, socket);
    else
        start(hub, job);
}

/* true: it waits, or was seen to already. */
static bool ask_others(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    bool claims = event->entry && srv_cluster_connected(hub->cluster);
    if (!claims && (!socket->held || event->event == SRV_EVENT_QUALITY_PING))
        return false;
    if (socket->held_bytes + size_of(event) > (size_t)hub->config->max_payload_bytes * SRV_HUB_MAX_ASSEMBLY)
        return false; /* too much waits: this instance's own memory must do */
    struct srv_job *job = job_copy(hub, socket, event);
    if (!job)
        return false;
    job->hub = hub;
    hold(socket, job);
    job->ready = !claims;
    if (claims) {
        const char *user, *id;
        size_t id_len;
        srv_dedup_key(event->entry, &user, &id, &id_len);
        srv_claim(hub->cluster, user, id, id_len, claimed, job);
    }
    return true;
}

void srv_dispatch_forget(struct srv_hub *hub, struct srv_socket *socket)
{
    for (struct srv_job *job = hub->jobs; job; job = job->next)
        if (job->event.entry)
            srv_dedup_unwait(job->event.entry, socket);
}

void srv_dispatch_free(struct srv_hub *hub)
{
    static const struct outcome nothing;
    while (hub->jobs) {
        if (hub->jobs->event.entry)
            remember(hub, hub->jobs->event.entry, &nothing);
        job_free(hub, hub->jobs);
    }
}

/* --- the way in --- */

static bool within_limit(struct srv_hub *hub, struct srv_socket *socket, const struct event *event)
{
    struct srv_ratelimit *window = &socket->client->limit;
    struct srv_bucket *address = socket->client->session->origin;
    uint64_t now_ms = hub->engine->now_ms;
    uint32_t retry_after_ms = 0;
    enum srv_limit limit;
    if (event->event == SRV_EVENT_QUALITY_PING)
        limit = srv_ratelimit_allow_ping(window, now_ms, &retry_after_ms) ? SRV_LIMIT_NONE : SRV_LIMIT_CONNECTION;
    else
        limit = srv_limits_allow(hub->limits, window, socket->user, address, now_ms, &retry_after_ms);
    if (limit == SRV_LIMIT_NONE)
        return true;
    srv_metrics_error(hub->metrics, SRV_ERROR_RATE_LIMIT);
    srv_audit(hub->audit, SRV_AUDIT_RATE_LIMIT, &socket->client->session->address, socket->agent.user_id,
              srv_limit_name(limit), now_ms);
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

/* Its name and size, never its arguments. */
static void debug_event(const struct srv_hub *hub, const struct srv_socket *socket, const struct event *event)
{
    if (!hub->log || !srv_log_enabled(hub->log, SRV_LOG_DEBUG))
        return;
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%zu", event->data->len);
    const struct srv_log_field fields[] = {
        SRV_LOG_FIELD("socket", socket->sid), SRV_LOG_FIELD("name", srv_event_name(event->event)),
        SRV_LOG_FIELD("bytes", bytes), SRV_LOG_FIELD("ack", event->has_id ? "true" : NULL)};
    srv_log_fields(hub->log, SRV_LOG_DEBUG, "event received", fields, sizeof fields / sizeof *fields);
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
                          .received_us = hub->last_turn == hub->engine->turn ? hub->last_us : srv_mono_us()};
    hub->metrics->received[event.event]++;
    debug_event(hub, socket, &event);
    if (!within_limit(hub, socket, &event))
        return;
    if (is_repeat(hub, socket, &event))
        return;
    if (ask_others(hub, socket, &event))
        return;
    if (hub->config->test_handler_delay_ms && delay(hub, socket, &event))
        return;
    run(hub, socket, &event);
}
