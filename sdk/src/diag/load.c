/* What is measured only if asked for, because it costs the server something: throughput, and how many messages it
 * takes. */
#include "run.h"

#include "clock.h"
#include "judge.h"
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 65536 /* of one large message, if the server takes so much */
#define PING_TEXT     "throughput"
#define RATE_WINDOW   16 /* unanswered messages at a time */

/* ---- throughput ---- */

static size_t message_size(const struct aivo_diagnosis *d)
{
    uint64_t most = d->engineio.max_payload ? d->engineio.max_payload / 2 : MESSAGE_BYTES;
    size_t size = most < MESSAGE_BYTES ? (size_t)most : MESSAGE_BYTES;
    return size < d->options.throughput_bytes ? size : d->options.throughput_bytes;
}

static void put_letters(struct aivo_buf *text, size_t size)
{
    while (text->len < size && !text->failed)
        aivo_buf_char(text, (char)('a' + text->len % 26));
}

static char *large_message(const struct aivo_diagnosis *d, size_t *len)
{
    struct aivo_buf text = {0};
    if (d->target.socketio) {
        aivo_buf_char(&text, '4');
        aivo_sio_encode_header(&text, AIVO_SIO_EVENT, 0, d->target.nsp, strlen(d->target.nsp), NULL);
        aivo_buf_str(&text, "[\"aivo:throughput\",\"");
    }
    put_letters(&text, message_size(d));
    if (d->target.socketio)
        aivo_buf_str(&text, "\"]");
    if (text.failed)
        aivo_buf_free(&text);
    *len = text.len;
    return text.data;
}

static bool is_our_pong(const struct aivo_ws_event *event)
{
    return event->found == AIVO_WS_FOUND_PONG && event->len == sizeof PING_TEXT - 1 &&
           memcmp(event->data, PING_TEXT, event->len) == 0;
}

/* A server answers PINGs in order: the PONG to one behind the messages says that they were read. */
static enum diag_how push(struct aivo_diagnosis *d, struct diag_throughput *f)
{
    size_t len;
    char *message = large_message(d, &len);
    struct aivo_ws_event event;
    enum diag_how how = message ? DIAG_DONE : DIAG_ERROR;
    f->message_bytes = len;
    d->stream.deadline_us = diag_stage_deadline(d);
    int64_t start_us = aivo_clock_us();
    while (how == DIAG_DONE && f->bytes < d->options.throughput_bytes) {
        how = diag_socket_send(d, AIVO_WS_TEXT, message, len);
        f->bytes += len;
        f->messages++;
    }
    free(message);
    if (how == DIAG_DONE)
        how = diag_socket_send(d, AIVO_WS_PING, PING_TEXT, sizeof PING_TEXT - 1);
    while (how == DIAG_DONE) {
        how = diag_socket_next(d, diag_stage_deadline(d), &event);
        if (how == DIAG_DONE && is_our_pong(&event))
            break;
        f->echoes |= how == DIAG_DONE && !d->target.socketio && event.len == len;
    }
    if (how == DIAG_DONE)
        f->up_ms = diag_since_ms(start_us);
    return how;
}

/* One message that comes back. *down_us: from the first byte of what comes to its last. *len: 0: it is no echo. */
static enum diag_how echo(struct aivo_diagnosis *d, const char *args, int64_t *down_us, size_t *len)
{
    struct aivo_ws_event event;
    struct aivo_sio_packet packet;
    uint64_t id = 0;
    size_t sent = strlen(args);
    d->stream.deadline_us = diag_stage_deadline(d);
    enum diag_how how = d->target.socketio ? diag_socket_emit(d, d->throughput_event, args, &id)
                                           : diag_socket_send(d, AIVO_WS_TEXT, args, sent);
    if (how == DIAG_DONE)
        how = diag_wait(&d->stop, d->stream.fd, POLLIN, d->stream.deadline_us);
    int64_t from_us = aivo_clock_us();
    while (how == DIAG_DONE) {
        how = diag_socket_next(d, d->stream.deadline_us, &event);
        if (how != DIAG_DONE || event.found != AIVO_WS_FOUND_MESSAGE)
            continue;
        if (d->target.socketio &&
            !(diag_socket_packet(&event, &packet) && packet.type == AIVO_SIO_ACK && packet.id == id))
            continue;
        *len = event.len >= sent ? event.len : 0;
        *down_us = aivo_clock_us() - from_us;
        break;
    }
    return how;
}

/* One message at a time, so that nothing else is on its way meanwhile. */
static enum diag_how pull(struct aivo_diagnosis *d, struct diag_throughput *f)
{
    struct aivo_buf args = {0};
    uint64_t bytes = 0;
    int64_t all_us = 0;
    aivo_buf_str(&args, "[\"");
    put_letters(&args, message_size(d));
    aivo_buf_str(&args, "\"]");
    enum diag_how how = args.failed ? DIAG_ERROR : DIAG_DONE;
    while (how == DIAG_DONE && bytes < d->options.throughput_bytes) {
        int64_t us;
        size_t len;
        how = echo(d, args.data, &us, &len);
        f->messages++;
        if (how != DIAG_DONE || len == 0)
            break;
        bytes += len;
        all_us += us;
    }
    aivo_buf_free(&args);
    if (bytes > 0)
        f->down_kbit_s = (double)bytes * 8000 / (double)(all_us > 0 ? all_us : 1);
    return how == DIAG_TIMEOUT ? DIAG_DONE : how; /* nothing comes back: only the way up is known */
}

enum diag_next diag_run_throughput(struct aivo_diagnosis *d)
{
    struct diag_throughput f = {.up_ms = NAN, .up_kbit_s = NAN, .down_kbit_s = NAN};
    f.how = push(d, &f);
    if (f.how == DIAG_DONE && (d->throughput_event || f.echoes))
        f.how = pull(d, &f);
    if (f.how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    /* The PONG's own round trip is not the messages' time. */
    double p50 = d->report.out.has_quality ? d->report.out.quality.p50_ms : 0, net_ms = f.up_ms - p50;
    if (f.up_ms > 0)
        f.up_kbit_s = (double)f.bytes * 8 / (net_ms > f.up_ms / 10 ? net_ms : f.up_ms / 10);
    d->messages_spent = d->target.socketio ? f.messages : 0;
    f.close_code = d->socket.close_code;
    snprintf(f.error, sizeof f.error, "%s", d->stream.error.message);
    diag_judge_throughput(&d->report, &f);
    return f.how == DIAG_END || f.how == DIAG_ERROR ? DIAG_STOP : DIAG_GO_ON;
}

/* ---- rate limit ---- */

/* {"rateLimited":true,"retryAfterMs":N}, or an error that speaks of a limit. */
static bool is_refusal(const struct aivo_sio_packet *packet, double *retry_after_ms)
{
    struct aivo_json answer = aivo_json_at(&packet->data, 0), member;
    if (answer.type != AIVO_JSON_OBJECT)
        return false;
    member = aivo_json_get(&answer, "rateLimited");
    bool limited = aivo_json_is_true(&member);
    struct aivo_buf text = {0};
    member = aivo_json_get(&answer, "error");
    if (!limited && aivo_json_string(&member, &text) && text.data)
        limited = strcasestr(text.data, "rate limit") || strcasestr(text.data, "too many");
    aivo_buf_free(&text);
    member = aivo_json_get(&answer, "retryAfterMs");
    double wait;
    if (limited && member.type == AIVO_JSON_NUMBER && aivo_json_double(&member, &wait))
        *retry_after_ms = wait;
    return limited;
}

static enum diag_how fill_window(struct aivo_diagnosis *d, struct diag_rate *f)
{
    uint64_t id;
    enum diag_how how = DIAG_DONE;
    d->stream.deadline_us = diag_stage_deadline(d);
    while (how == DIAG_DONE && f->sent < d->options.rate_messages && f->sent - f->answered < RATE_WINDOW) {
        how = diag_socket_emit(d, d->rate_event, "[{\"action\":\"diagnose\"}]", &id);
        f->sent += how == DIAG_DONE;
    }
    return how;
}

static enum diag_how try_limit(struct aivo_diagnosis *d, struct diag_rate *f)
{
    struct aivo_ws_event event;
    struct aivo_sio_packet packet;
    uint64_t first = d->socket.ack_id;
    while (!f->limited && f->answered < d->options.rate_messages) {
        enum diag_how how = fill_window(d, f);
        if (how == DIAG_DONE)
            how = diag_socket_next(d, diag_stage_deadline(d), &event);
        if (how != DIAG_DONE)
            return how;
        if (!diag_socket_packet(&event, &packet) || packet.type != AIVO_SIO_ACK || packet.id < first)
            continue;
        f->answered++;
        f->limited = is_refusal(&packet, &f->retry_after_ms);
        f->accepted += !f->limited;
    }
    return DIAG_DONE;
}

enum diag_next diag_run_rate(struct aivo_diagnosis *d)
{
    struct diag_rate f = {.event = d->rate_event, .retry_after_ms = NAN};
    f.how = try_limit(d, &f);
    if (f.how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    f.time_ms = diag_since_ms(d->stage_us);
    f.accepted += d->messages_spent;
    f.unanswered = f.sent - f.answered;
    f.close_code = d->socket.close_code;
    snprintf(f.error, sizeof f.error, "%s", d->stream.error.message);
    diag_judge_rate(&d->report, &f);
    return DIAG_GO_ON;
}
