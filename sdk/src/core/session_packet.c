/* What the server says: Engine.IO packets, and the Socket.IO packets in them. */
#include "session_impl.h"

#include "errtext.h"
#include <string.h>

/* This many refusals in a row, and the credentials are taken to be no good: the second ask is made at once, the third
 * after a delay, and then no more. */
#define MAX_REFUSALS 3

/* Told also as a notice: a state callback that counts losses need not read why. Once is enough while reconnecting. */
static void tell_and_lose(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why)
{
    if (s->state != AIVO_STATE_RECONNECTING)
        aivo_session_notice(s, why);
    aivo_session_lose(s, at, why);
}

/* The server broke the protocol: the connection is begun anew, after a delay, for no use in hammering it. */
static void broken(struct aivo_session *s, const struct aivo_instant *at, const char *what, const char *detail)
{
    struct aivo_error why;
    aivo_error_join(&why, AIVO_E_PROTOCOL, 0, what, detail ? ": " : NULL, detail, NULL);
    tell_and_lose(s, at, &why);
}

static void lose_text(struct aivo_session *s, const struct aivo_instant *at, enum aivo_status status, const char *text)
{
    struct aivo_error why;
    aivo_error_join(&why, status, 0, text, NULL);
    aivo_session_lose(s, at, &why);
}

static void ignored(struct aivo_session *s, const char *what)
{
    struct aivo_error why;
    aivo_error_join(&why, AIVO_E_PROTOCOL, 0, what, NULL);
    aivo_session_notice(s, &why);
}

/* ---- Socket.IO ---- */

static void connected(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_json *data)
{
    char pid[sizeof(s->pid)] = "";
    if (data->type != AIVO_JSON_OBJECT) {
        broken(s, at, "CONNECT without sid: the server speaks an older Socket.IO than version 3", NULL);
        return;
    }
    struct aivo_json sid = aivo_json_get(data, "sid"), pid_value = aivo_json_get(data, "pid");
    if (!aivo_json_string_copy(&sid, s->sid, sizeof(s->sid)) || !s->sid[0]) {
        broken(s, at, "CONNECT with a sid that cannot be used", NULL);
        return;
    }
    if (!aivo_json_string_copy(&pid_value, pid, sizeof(pid))) /* absent, or not to be used: no recovery */
        pid[0] = '\0';
    bool recovered = s->resuming && pid[0] && strcmp(pid, s->pid) == 0;
    if (!recovered)
        aivo_session_set_pid(s, pid);
    if (!aivo_session_reserve(s, s->held.count + 2)) {
        lose_text(s, at, AIVO_E_MEMORY, "no memory to deliver the missed events");
        return;
    }
    aivo_session_up(s, at, recovered);
    aivo_session_release(s, at, recovered);
}

/* "message", and data.message where a server's middleware says more. */
static void refusal_text(const struct aivo_json *data, struct aivo_buf *out)
{
    struct aivo_json message = *data; /* before Socket.IO 3 the payload was the text itself */
    if (data->type == AIVO_JSON_OBJECT)
        message = aivo_json_get(data, "message");
    if (!aivo_json_string(&message, out))
        aivo_buf_str(out, "no reason given");
    if (data->type != AIVO_JSON_OBJECT)
        return;
    struct aivo_json more = aivo_json_get(data, "data");
    if (more.type == AIVO_JSON_OBJECT)
        more = aivo_json_get(&more, "message");
    if (more.type == AIVO_JSON_STRING) {
        aivo_buf_str(out, " (");
        aivo_json_string(&more, out);
        aivo_buf_str(out, ")");
    }
}

static void refused(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_json *data)
{
    struct aivo_error why;
    struct aivo_buf text;
    aivo_buf_init(&text);
    refusal_text(data, &text);
    const char *said = text.data && !text.failed ? text.data : "refused";
    if (strcmp(said, "Invalid namespace") == 0) {
        aivo_error_join(&why, AIVO_E_NAMESPACE, 0, "the server has no namespace ", s->nsp[0] ? s->nsp : "/", NULL);
        aivo_session_fail(s, &why);
        aivo_buf_free(&text);
        return;
    }
    aivo_error_join(&why, AIVO_E_AUTH, 0, "the server refused the connection: ", said, NULL);
    aivo_error_join(&s->refusal, AIVO_E_AUTH, 0, said, NULL);
    aivo_buf_free(&text);

    s->refusals++;
    if (!s->config.ask_auth || s->refusals >= MAX_REFUSALS) {
        aivo_session_fail(s, &why);
    } else if (s->refusals == 1) {
        aivo_session_drop_transport(s);
        aivo_session_notice(s, &why);
        aivo_session_attempt(s, at); /* the same attempt, with better credentials */
    } else {
        aivo_session_lose(s, at, &why);
    }
}

static void acknowledged(struct aivo_session *s)
{
    if (s->phase != AIVO_PHASE_UP) {
        ignored(s, "an acknowledgement came before CONNECT was answered; ignored");
        return;
    }
    aivo_session_push(s, AIVO_ACT_ACK)->message = &s->incoming;
}

static void event(struct aivo_session *s, const struct aivo_instant *at)
{
    if (s->phase == AIVO_PHASE_UP) {
        aivo_session_deliver(s, at);
        return;
    }
    if (aivo_session_hold(s, &s->incoming))
        return;
    struct aivo_error why;
    aivo_session_set_pid(s, ""); /* or the next resume would bring them all again */
    aivo_error_join(&why, AIVO_E_TOO_LARGE, 0,
                    "too many events before CONNECT was answered: recovery is given up, events are lost", NULL);
    tell_and_lose(s, at, &why);
}

static void packet(struct aivo_session *s, const struct aivo_instant *at)
{
    const struct aivo_sio_packet *p = &s->incoming.packet;
    const char *nsp = s->nsp_len ? s->nsp : "/";
    size_t nsp_len = s->nsp_len ? s->nsp_len : 1;
    if (p->nsp_len != nsp_len || memcmp(p->nsp, nsp, nsp_len) != 0) {
        ignored(s, "a packet for another namespace; ignored");
        return;
    }
    switch (p->type) {
    case AIVO_SIO_CONNECT:
        if (s->phase == AIVO_PHASE_CONNECT)
            connected(s, at, &p->data);
        else
            broken(s, at, "CONNECT was answered twice", NULL);
        break;
    case AIVO_SIO_CONNECT_ERROR:
        if (s->phase == AIVO_PHASE_CONNECT)
            refused(s, at, &p->data);
        else
            broken(s, at, "CONNECT was refused after it had been accepted", NULL);
        break;
    case AIVO_SIO_DISCONNECT:
        lose_text(s, at, AIVO_E_CLOSED, "the server ended the session");
        break;
    case AIVO_SIO_EVENT:
    case AIVO_SIO_BINARY_EVENT:
        event(s, at);
        break;
    case AIVO_SIO_ACK:
    case AIVO_SIO_BINARY_ACK:
        acknowledged(s);
        break;
    }
}

/* ---- Engine.IO ---- */

static void engine_message(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_eio_packet *p)
{
    bool complete = false;
    enum aivo_sio_error error;
    if (p->binary)
        error = aivo_sio_assemble_binary(&s->assembler, p->data, p->len, &s->incoming, &complete);
    else
        error = aivo_sio_assemble_text(&s->assembler, p->data, p->len, &s->incoming, &complete);
    if (error == AIVO_SIO_E_MEMORY)
        lose_text(s, at, AIVO_E_MEMORY, "no memory for a message");
    else if (error != AIVO_SIO_OK)
        broken(s, at, "malformed Socket.IO packet", aivo_sio_strerror(error));
    else if (complete)
        packet(s, at);
}

static void engine_open(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_eio_packet *p)
{
    if (s->phase != AIVO_PHASE_HANDSHAKE) {
        broken(s, at, "a second Engine.IO handshake", NULL);
        return;
    }
    enum aivo_eio_error error = aivo_eio_handshake_decode(p->data, p->len, &s->handshake);
    if (error != AIVO_EIO_OK) {
        broken(s, at, "malformed Engine.IO handshake", aivo_eio_strerror(error));
        return;
    }
    if (!aivo_session_connect_packet(s)) {
        lose_text(s, at, AIVO_E_MEMORY, "no memory for CONNECT");
        return;
    }
    s->phase = AIVO_PHASE_CONNECT; /* the deadline set when the transport opened holds for both */
    aivo_session_send(s, s->out.data, s->out.len);
}

void aivo_session_frame(struct aivo_session *s, const struct aivo_instant *at, const char *data, size_t len,
                        bool binary)
{
    static const char pong[] = {'0' + AIVO_EIO_PONG};
    struct aivo_eio_packet p = {.type = AIVO_EIO_MESSAGE, .binary = true, .data = data, .len = len};
    if (!binary) {
        enum aivo_eio_error error = aivo_eio_decode(data, len, &p);
        if (error != AIVO_EIO_OK) {
            broken(s, at, "malformed Engine.IO packet", aivo_eio_strerror(error));
            return;
        }
    }
    if (s->phase == AIVO_PHASE_HANDSHAKE && p.type != AIVO_EIO_OPEN && p.type != AIVO_EIO_CLOSE &&
        p.type != AIVO_EIO_NOOP) {
        broken(s, at, "a packet before the Engine.IO handshake", NULL);
        return;
    }
    switch (p.type) {
    case AIVO_EIO_OPEN:
        engine_open(s, at, &p);
        break;
    case AIVO_EIO_CLOSE:
        lose_text(s, at, AIVO_E_CLOSED, "the server closed the connection");
        break;
    case AIVO_EIO_PING:
        aivo_session_send(s, pong, sizeof(pong));
        break;
    case AIVO_EIO_MESSAGE:
        engine_message(s, at, &p);
        break;
    case AIVO_EIO_PONG:
    case AIVO_EIO_UPGRADE:
    case AIVO_EIO_NOOP:
        break; /* harmless over a WebSocket */
    }
}
