/* Engine.IO's handshake and Socket.IO's CONNECT. */
#include "run.h"

#include "clock.h"
#include "engineio.h"
#include "judge.h"
#include "token.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DATE_US 500000 /* the long-polling request is mostly answered by then */

static void ended(const struct aivo_diagnosis *d, char error[240], int *close_code, char close_text[124])
{
    snprintf(error, 240, "%s", d->stream.error.message);
    *close_code = d->socket.close_code;
    snprintf(close_text, 124, "%s", d->socket.close_text);
}

enum diag_next diag_run_engineio(struct aivo_diagnosis *d)
{
    struct diag_engineio *f = &d->engineio;
    struct aivo_ws_event event;
    struct aivo_eio_packet packet;
    struct aivo_eio_handshake open;
    f->how = diag_socket_next(d, diag_stage_deadline(d), &event);
    if (f->how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    if (f->how != DIAG_DONE) {
        ended(d, f->error, &f->close_code, f->close_text);
    } else if (event.binary || aivo_eio_decode(event.data, event.len, &packet) != AIVO_EIO_OK ||
               packet.type != AIVO_EIO_OPEN) {
        f->binary = event.binary;
        snprintf(f->got, sizeof f->got, "%.*s", (int)(event.len < 119 ? event.len : 119), event.data);
    } else {
        enum aivo_eio_error error = aivo_eio_handshake_decode(packet.data, packet.len, &open);
        f->opened = error == AIVO_EIO_OK;
        snprintf(f->error, sizeof f->error, "%s", f->opened ? "" : aivo_eio_strerror(error));
        snprintf(f->got, sizeof f->got, "%.*s", (int)(event.len < 119 ? event.len : 119), event.data);
        if (f->opened) {
            snprintf(f->sid, sizeof f->sid, "%s", open.sid);
            f->ping_interval_ms = open.ping_interval_ms;
            f->ping_timeout_ms = open.ping_timeout_ms;
            f->max_payload = open.max_payload;
        }
    }
    diag_judge_engineio(&d->report, &d->target, f);
    return f->opened ? DIAG_GO_ON : DIAG_STOP;
}

static enum diag_how send_connect(struct aivo_diagnosis *d)
{
    struct aivo_buf text = {0};
    const char *auth = d->settings.options.auth;
    aivo_buf_char(&text, '4');
    aivo_sio_encode_header(&text, AIVO_SIO_CONNECT, 0, d->target.nsp, strlen(d->target.nsp), NULL);
    if (auth)
        aivo_buf_str(&text, auth);
    d->stream.deadline_us = diag_stage_deadline(d);
    enum diag_how how = text.failed ? DIAG_ERROR : diag_socket_send(d, AIVO_WS_TEXT, text.data, text.len);
    aivo_buf_free(&text);
    return how;
}

static void refusal(const struct aivo_sio_packet *p, struct diag_auth *f)
{
    struct aivo_json message = p->data, data = {AIVO_JSON_NONE, NULL, 0};
    struct aivo_buf text = {0};
    f->refused = true;
    if (p->data.type == AIVO_JSON_OBJECT) {
        message = aivo_json_get(&p->data, "message");
        data = aivo_json_get(&p->data, "data");
    }
    if (aivo_json_string(&message, &text) && text.data)
        snprintf(f->message, sizeof f->message, "%.*s", (int)sizeof f->message - 1, text.data);
    if (data.type != AIVO_JSON_NONE)
        snprintf(f->data, sizeof f->data, "%.*s", (int)(data.len < 199 ? data.len : 199), data.text);
    aivo_buf_free(&text);
}

/* true: this was the answer to CONNECT. */
static bool take(const struct aivo_diagnosis *d, const struct aivo_sio_packet *p, struct diag_auth *f)
{
    struct aivo_json sid, pid;
    bool ours = p->nsp_len == strlen(d->target.nsp) && memcmp(p->nsp, d->target.nsp, p->nsp_len) == 0;
    /* A server of Socket.IO 2 connects "/" by itself, and tells a bad namespace in "/". */
    if (!ours && !(p->nsp_len == 1 && p->type == AIVO_SIO_CONNECT && p->data.type != AIVO_JSON_OBJECT))
        return false;
    switch (p->type) {
    case AIVO_SIO_CONNECT:
        if (p->data.type != AIVO_JSON_OBJECT || (sid = aivo_json_get(&p->data, "sid")).type != AIVO_JSON_STRING) {
            f->old_protocol = true;
            return true;
        }
        f->connected = true;
        aivo_json_string_copy(&sid, f->sid, sizeof f->sid);
        pid = aivo_json_get(&p->data, "pid");
        f->recovery = pid.type == AIVO_JSON_STRING;
        return true;
    case AIVO_SIO_CONNECT_ERROR:
        refusal(p, f);
        return true;
    case AIVO_SIO_DISCONNECT:
        f->disconnected = true;
        return true;
    default:
        return false; /* an event: some servers greet before they answer */
    }
}

enum diag_next diag_run_auth(struct aivo_diagnosis *d)
{
    const struct aivo_options *o = &d->settings.options;
    struct diag_auth f = {.auth_given = o->auth != NULL, .now_ms = aivo_clock_unix_ms(), .skew_s = NAN};
    struct aivo_ws_event event;
    struct aivo_sio_packet packet;
    diag_token_find(o->auth, o->headers, &f.token);
    int64_t date_ms = d->upgrade.date_ms, at_ms = d->upgrade.at_ms;
    f.how = send_connect(d);
    while (f.how == DIAG_DONE) {
        f.how = diag_socket_next(d, diag_stage_deadline(d), &event);
        if (f.how == DIAG_DONE && event.found == AIVO_WS_FOUND_MESSAGE && event.len == 1 && event.data[0] == '1')
            f.how = DIAG_END; /* Engine.IO's close packet */
        if (f.how == DIAG_DONE && diag_socket_packet(&event, &packet) && take(d, &packet, &f))
            break;
    }
    if (f.how == DIAG_CANCELLED)
        return DIAG_INTERRUPT;
    if (f.how != DIAG_DONE)
        ended(d, f.error, &f.close_code, f.close_text);
    /* Few servers date the answer to an upgrade. What they date is cut to the second: half of one is the best guess. */
    if (date_ms || diag_polling_date(d, aivo_clock_us() + DATE_US, &date_ms, &at_ms))
        f.skew_s = (double)(date_ms + 500 - at_ms) / 1000.0;
    diag_judge_auth(&d->report, &d->target, &f);
    return f.connected ? DIAG_GO_ON : DIAG_STOP;
}
