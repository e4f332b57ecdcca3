/* The WebSocket of the diagnosis: its upgrade, and messages on it as calls that wait. */
#include "run.h"

#include "clock.h"
#include "engineio.h"
#include "http.h"
#include "judge.h"
#include "random.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define KEY_GUID    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define MESSAGE_MAX (16u << 20) /* bytes of a received message */
#define GOODBYE_US  200000

/* ---- upgrade ---- */

static bool make_key(struct aivo_buf *key, struct aivo_buf *accept)
{
    unsigned char nonce[16], digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char text[64];
    aivo_random_bytes(nonce, sizeof nonce);
    aivo_base64_encode(key, nonce, sizeof nonce);
    snprintf(text, sizeof text, "%s" KEY_GUID, key->data ? key->data : "");
    bool ok = EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) == 1;
    aivo_base64_encode(accept, digest, len);
    return ok && !key->failed && !accept->failed;
}

/* The program's headers, and the Origin. */
static bool write_headers(const struct aivo_diagnosis *d, struct aivo_buf *out)
{
    aivo_buf_str(out, d->settings.options.headers ? d->settings.options.headers : "");
    if (d->origin) {
        if (out->len && out->data[out->len - 1] != '\n')
            aivo_buf_char(out, '\n');
        aivo_buf_str(out, "Origin: ");
        aivo_buf_str(out, d->origin);
    }
    return !out->failed;
}

static enum diag_how ask(struct aivo_diagnosis *d, const char *key)
{
    struct aivo_buf headers = {0}, request = {0};
    enum diag_how how = DIAG_ERROR;
    if (write_headers(d, &headers)) {
        aivo_upgrade_write(&request, &(struct aivo_upgrade_request){.host = d->settings.url.host,
                                                                    .port = d->settings.url.port,
                                                                    .tls = d->target.tls,
                                                                    .path = d->settings.target,
                                                                    .key = key,
                                                                    .subprotocol = d->settings.options.subprotocol,
                                                                    .headers = headers.len ? headers.data : NULL});
        if (!request.failed)
            how = diag_stream_write(&d->stream, request.data, request.len);
    }
    aivo_buf_free(&headers);
    aivo_buf_free(&request);
    return how;
}

static void answered(struct aivo_diagnosis *d, const struct aivo_http_head *head, const char *accept)
{
    struct diag_http *f = &d->upgrade;
    struct aivo_buf body = {0};
    struct aivo_error err;
    if (f->status != 101) {
        diag_http_body(&d->stream, head, &body);
        diag_http_keep_body(f, &body);
        aivo_buf_free(&body);
        return;
    }
    if (aivo_upgrade_judge(head, accept, d->settings.options.subprotocol, &err) != AIVO_OK)
        snprintf(f->wrong, sizeof f->wrong, "%.*s", (int)sizeof f->wrong - 1, err.message);
    diag_stream_used(&d->stream, head->total);
    d->socket = (struct diag_socket){.reader = {.max_message = MESSAGE_MAX}, .open = !*f->wrong};
}

enum diag_next diag_run_http(struct aivo_diagnosis *d)
{
    struct aivo_buf key = {0}, accept = {0};
    struct aivo_http_head head;
    struct diag_http *f = &d->upgrade;
    diag_http_init(f);
    d->stream.deadline_us = diag_stage_deadline(d);
    f->how = make_key(&key, &accept) ? ask(d, key.data) : DIAG_ERROR;
    /* A server that refuses may have answered before it read the request and hung up. */
    if (f->how == DIAG_DONE || f->how == DIAG_ERROR || f->how == DIAG_END)
        if (diag_http_head(&d->stream, &head, f) == DIAG_DONE)
            answered(d, &head, accept.data ? accept.data : "");
    aivo_buf_free(&key);
    aivo_buf_free(&accept);
    if (f->how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    diag_judge_http(&d->report, &d->target, f, d->origin);
    return d->socket.open ? DIAG_GO_ON : DIAG_STOP;
}

/* ---- messages ---- */

enum diag_how diag_socket_send(struct aivo_diagnosis *d, enum aivo_ws_opcode opcode, const char *data, size_t len)
{
    uint8_t mask[4];
    struct aivo_buf frame = {0};
    aivo_random_bytes(mask, sizeof mask);
    aivo_ws_frame(&frame, opcode, data, len, mask);
    enum diag_how how = frame.failed ? DIAG_ERROR : diag_stream_write(&d->stream, frame.data, frame.len);
    aivo_buf_free(&frame);
    return how;
}

enum diag_how diag_socket_emit(struct aivo_diagnosis *d, const char *event, const char *args, uint64_t *id)
{
    struct aivo_buf text = {0};
    *id = d->socket.ack_id++;
    aivo_buf_char(&text, '4');
    aivo_sio_encode_header(&text, AIVO_SIO_EVENT, 0, d->target.nsp, strlen(d->target.nsp), id);
    aivo_sio_encode_event_data(&text, event, strlen(event), args, strlen(args));
    enum diag_how how = text.failed ? DIAG_ERROR : diag_socket_send(d, AIVO_WS_TEXT, text.data, text.len);
    aivo_buf_free(&text);
    return how;
}

bool diag_socket_packet(const struct aivo_ws_event *event, struct aivo_sio_packet *out)
{
    struct aivo_eio_packet packet;
    return event->found == AIVO_WS_FOUND_MESSAGE && !event->binary &&
           aivo_eio_decode(event->data, event->len, &packet) == AIVO_EIO_OK && packet.type == AIVO_EIO_MESSAGE &&
           aivo_sio_decode(packet.data, packet.len, out) == AIVO_SIO_OK;
}

static enum diag_how closed(struct aivo_diagnosis *d, const struct aivo_ws_event *event)
{
    struct diag_socket *s = &d->socket;
    s->open = false;
    s->close_code = event->code;
    snprintf(s->close_text, sizeof s->close_text, "%.*s", (int)event->len, event->data ? event->data : "");
    return DIAG_END;
}

/* What was found in the bytes that are there; false: more have to come. */
static bool look(struct aivo_diagnosis *d, struct aivo_ws_event *out, enum diag_how *how)
{
    struct diag_socket *s = &d->socket;
    if (s->used) {
        diag_stream_used(&d->stream, s->used);
        s->used = 0;
    }
    *how = DIAG_DONE;
    if (d->stream.in.len == 0)
        return false;
    s->used = aivo_ws_read(&s->reader, d->stream.in.data, d->stream.in.len, out);
    switch (out->found) {
    case AIVO_WS_FOUND_NOTHING:
        return false;
    case AIVO_WS_FOUND_PING:
        *how = diag_socket_send(d, AIVO_WS_PONG, out->data, out->len);
        return *how != DIAG_DONE;
    case AIVO_WS_FOUND_CLOSE:
        *how = closed(d, out);
        return true;
    case AIVO_WS_FOUND_ERROR:
        s->open = false;
        snprintf(d->stream.error.message, sizeof d->stream.error.message, "%s", out->error);
        d->stream.error.status = AIVO_E_PROTOCOL;
        *how = DIAG_ERROR;
        return true;
    case AIVO_WS_FOUND_MESSAGE:
        if (d->target.socketio && !out->binary && out->len == 1 && out->data[0] == '2') {
            *how = diag_socket_send(d, AIVO_WS_TEXT, "3", 1);
            return *how != DIAG_DONE;
        }
        return true;
    default:
        return true;
    }
}

enum diag_how diag_socket_next(struct aivo_diagnosis *d, int64_t deadline_us, struct aivo_ws_event *out)
{
    d->stream.deadline_us = deadline_us;
    for (;;) {
        enum diag_how how;
        bool found = look(d, out, &how);
        if (!found && d->stream.in.len > d->socket.used)
            continue; /* something that needed no telling */
        if (!found)
            how = diag_stream_read(&d->stream);
        if (how == DIAG_END || how == DIAG_ERROR)
            d->socket.open = false;
        if (found || how != DIAG_DONE)
            return how;
    }
}

void diag_socket_finish(struct aivo_diagnosis *d)
{
    char payload[AIVO_WS_CONTROL_MAX];
    struct aivo_ws_event event;
    if (d->socket.open && !diag_stopped(&d->stop)) {
        int64_t until_us = aivo_clock_us() + GOODBYE_US;
        d->stream.deadline_us = until_us;
        enum diag_how how = DIAG_DONE;
        if (d->target.socketio)
            how = diag_socket_send(d, AIVO_WS_TEXT, "1", 1);
        if (how == DIAG_DONE)
            how = diag_socket_send(d, AIVO_WS_CLOSE, payload, aivo_ws_close_payload(payload, 1000, NULL));
        while (how == DIAG_DONE)
            how = diag_socket_next(d, until_us, &event);
    }
    aivo_ws_reader_free(&d->socket.reader);
    d->socket.open = false;
}
