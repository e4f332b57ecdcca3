/*
 * A session with a client around it that does nothing but keep the books: simulated time, whether a transport is open,
 * and a trace of the actions, one word each. It checks with every step what must always hold. The includer defines
 * RIG_CHECK(condition) first.
 *
 * Words: "D>C" a move (Disconnected, Connecting, Up, Reconnecting, cLosing, Failed), with ":auth" etc. where it has an
 * error and "*" where it was recovered; "ask:0" (reason), "open", "send:TEXT", "close", "abort", "ev:DATA", "ev*:DATA"
 * (recovered), "+BYTES" for each attachment, "ack:ID:DATA", "raw:TEXT", "bin:TEXT", "note:auth".
 */
#ifndef AIVO_TEST_SESSION_RIG_H
#define AIVO_TEST_SESSION_RIG_H

#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct aivo_session *s;
    struct aivo_instant at;
    struct aivo_session_config config;
    enum aivo_state state; /* as the STATE actions tell */
    bool desired;          /* start was called last, not stop */
    bool open;             /* OPEN came, and neither ABORT nor closed() since */
    bool closing;          /* CLOSE came for this transport */
    uint64_t opens;
    size_t most_actions;
    struct aivo_error last_error;
    char *trace; /* NULL: none is kept */
    size_t trace_len, trace_size;
};

static inline const char *rig_status(enum aivo_status status)
{
    switch (status) {
    case AIVO_OK:
        return "ok";
    case AIVO_E_TIMEOUT:
        return "timeout";
    case AIVO_E_AUTH:
        return "auth";
    case AIVO_E_NAMESPACE:
        return "nsp";
    case AIVO_E_PROTOCOL:
        return "protocol";
    case AIVO_E_CLOSED:
        return "closed";
    case AIVO_E_HEARTBEAT:
        return "heartbeat";
    case AIVO_E_TOO_LARGE:
        return "large";
    case AIVO_E_CONNECT:
        return "connect";
    default:
        return "other";
    }
}

static inline void rig_add(struct rig *r, const char *text, size_t len)
{
    if (!r->trace)
        return;
    RIG_CHECK(len < r->trace_size - r->trace_len);
    memcpy(r->trace + r->trace_len, text, len);
    r->trace_len += len;
    r->trace[r->trace_len] = '\0';
}

static inline void rig_str(struct rig *r, const char *text)
{
    rig_add(r, text, strlen(text));
}

static inline void rig_forget(struct rig *r)
{
    r->trace_len = 0;
    if (r->trace)
        r->trace[0] = '\0';
}

static inline void rig_note_message(struct rig *r, const struct aivo_action *a)
{
    const struct aivo_sio_packet *p = &a->message->packet;
    char number[32];
    RIG_CHECK(p->attachments <= AIVO_SIO_MAX_ATTACHMENTS);
    if (a->type == AIVO_ACT_EVENT) {
        RIG_CHECK(p->type == AIVO_SIO_EVENT || p->type == AIVO_SIO_BINARY_EVENT);
        rig_str(r, a->recovered ? "ev*:" : "ev:");
    } else {
        RIG_CHECK(p->type == AIVO_SIO_ACK || p->type == AIVO_SIO_BINARY_ACK);
        snprintf(number, sizeof(number), "ack:%llu:", (unsigned long long)p->id);
        rig_str(r, number);
    }
    /* What is delivered is valid JSON, with the offset taken off as well. */
    RIG_CHECK(aivo_json_parse(p->data.text, p->data.len, NULL).type == AIVO_JSON_ARRAY);
    rig_add(r, p->data.text, p->data.len);
    for (unsigned i = 0; i < p->attachments; i++) {
        rig_str(r, "+");
        rig_add(r, a->message->attachments[i].data, a->message->attachments[i].len);
    }
}

static inline void rig_note_state(struct rig *r, const struct aivo_action *a)
{
    static const char letters[] = "DCURLF";
    RIG_CHECK(a->from == r->state);
    RIG_CHECK(aivo_state_move_legal(a->from, a->to));
    RIG_CHECK(a->to != AIVO_STATE_RECONNECTING || a->error.status != AIVO_OK);
    RIG_CHECK(a->to != AIVO_STATE_FAILED || a->error.status != AIVO_OK);
    RIG_CHECK(a->to != AIVO_STATE_DISCONNECTED || !r->open);
    RIG_CHECK(a->to != AIVO_STATE_FAILED || !r->open);
    RIG_CHECK(a->to != AIVO_STATE_CONNECTED || (r->open && !r->closing));
    char move[] = {letters[a->from], '>', letters[a->to], '\0'};
    rig_str(r, move);
    if (a->recovered)
        rig_str(r, "*");
    if (a->error.status != AIVO_OK) {
        rig_str(r, ":");
        rig_str(r, rig_status(a->error.status));
        r->last_error = a->error;
    }
    r->state = a->to;
}

static inline void rig_action(struct rig *r, const struct aivo_action *a)
{
    char number[32];
    if (r->trace_len)
        rig_str(r, " ");
    switch (a->type) {
    case AIVO_ACT_STATE:
        rig_note_state(r, a);
        break;
    case AIVO_ACT_ASK_AUTH:
        RIG_CHECK(!r->open && r->config.ask_auth && r->desired);
        snprintf(number, sizeof(number), "ask:%d", a->reason);
        rig_str(r, number);
        break;
    case AIVO_ACT_OPEN:
        RIG_CHECK(!r->open && r->desired);
        r->open = true;
        r->closing = false;
        r->opens++;
        rig_str(r, "open");
        break;
    case AIVO_ACT_SEND:
        RIG_CHECK(r->open && !r->closing);
        rig_str(r, "send:");
        rig_add(r, a->text, a->len);
        break;
    case AIVO_ACT_CLOSE:
        RIG_CHECK(r->open && !r->closing);
        r->closing = true;
        rig_str(r, "close");
        break;
    case AIVO_ACT_ABORT:
        RIG_CHECK(r->open);
        r->open = r->closing = false;
        rig_str(r, "abort");
        break;
    case AIVO_ACT_EVENT:
    case AIVO_ACT_ACK:
        RIG_CHECK(r->state == AIVO_STATE_CONNECTED);
        rig_note_message(r, a);
        break;
    case AIVO_ACT_RAW:
        RIG_CHECK(r->state == AIVO_STATE_CONNECTED);
        rig_str(r, a->binary ? "bin:" : "raw:");
        rig_add(r, a->text, a->len);
        break;
    case AIVO_ACT_NOTICE:
        RIG_CHECK(a->error.status != AIVO_OK && a->error.message[0]);
        rig_str(r, "note:");
        rig_str(r, rig_status(a->error.status));
        r->last_error = a->error;
        break;
    }
}

/* Carries out what the step left. */
static inline void rig_after(struct rig *r)
{
    size_t count = aivo_session_action_count(r->s);
    if (count > r->most_actions)
        r->most_actions = count;
    for (size_t i = 0; i < count; i++)
        rig_action(r, aivo_session_action(r->s, i));
    RIG_CHECK(aivo_session_action(r->s, count) == NULL);
    RIG_CHECK(aivo_session_state(r->s) == r->state);
    RIG_CHECK((aivo_session_sid(r->s)[0] != '\0') ==
              (r->state == AIVO_STATE_CONNECTED && r->config.protocol == AIVO_PROTOCOL_SOCKETIO));
    /* At rest there is nothing to wait for; else there is, unless a plain WebSocket may be silent for ever. */
    if (r->state == AIVO_STATE_DISCONNECTED || r->state == AIVO_STATE_FAILED)
        RIG_CHECK(!r->open && aivo_session_deadline(r->s) == AIVO_NEVER);
    else if (r->config.protocol == AIVO_PROTOCOL_SOCKETIO)
        RIG_CHECK(aivo_session_deadline(r->s) != AIVO_NEVER);
}

static inline void rig_init(struct rig *r, char *trace, size_t trace_size)
{
    memset(r, 0, sizeof(*r));
    r->trace = trace;
    r->trace_size = trace_size;
    r->at = (struct aivo_instant){.now_us = 1000000, .unix_ms = 1785000000000, .random = 0};
    r->config = (struct aivo_session_config){
        .nsp = "/",
        .reconnect = {.enabled = true, .floor_ms = 250, .base_ms = 1000, .cap_ms = 30000, .stable_after_ms = 10000},
        .auth_timeout_ms = 5000,
        .connect_timeout_ms = 10000,
        .handshake_timeout_ms = 8000,
        .max_payload_bytes = 100000,
        .recovery = true,
    };
}

static inline void rig_create(struct rig *r)
{
    r->s = aivo_session_create(&r->config);
    RIG_CHECK(r->s != NULL);
}

static inline void rig_free(struct rig *r)
{
    aivo_session_destroy(r->s);
    r->s = NULL;
}

/* ---- the steps ---- */

static inline void rig_pass(struct rig *r, int64_t us)
{
    r->at.now_us += us;
    r->at.unix_ms += us / 1000;
}

static inline void rig_start(struct rig *r)
{
    r->desired = true;
    aivo_session_start(r->s, &r->at);
    rig_after(r);
}

static inline void rig_stop(struct rig *r)
{
    r->desired = false;
    aivo_session_stop(r->s, &r->at);
    rig_after(r);
}

static inline void rig_retry(struct rig *r)
{
    aivo_session_retry_now(r->s, &r->at);
    rig_after(r);
}

static inline void rig_auth(struct rig *r, const char *payload)
{
    aivo_session_auth(r->s, &r->at, payload);
    rig_after(r);
}

static inline void rig_opened(struct rig *r)
{
    aivo_session_opened(r->s, &r->at);
    rig_after(r);
}

/* The frame is a block of its own, so that reading beyond it shows. */
static inline void rig_frame(struct rig *r, const void *data, size_t len, bool binary)
{
    char *copy = malloc(len ? len : 1);
    RIG_CHECK(copy != NULL);
    if (len)
        memcpy(copy, data, len);
    aivo_session_message(r->s, &r->at, copy, len, binary);
    rig_after(r);
    free(copy);
}

static inline void rig_text(struct rig *r, const char *text)
{
    rig_frame(r, text, strlen(text), false);
}

static inline void rig_heard(struct rig *r)
{
    aivo_session_heard(r->s, &r->at);
    rig_after(r);
}

static inline void rig_closed(struct rig *r, enum aivo_status status)
{
    struct aivo_error why = {.status = status, .message = "told by the transport"};
    r->open = r->closing = false;
    aivo_session_closed(r->s, &r->at, &why);
    rig_after(r);
}

static inline void rig_dead(struct rig *r, enum aivo_status status)
{
    struct aivo_error why = {.status = status, .message = "told by quality"};
    aivo_session_dead(r->s, &r->at, &why);
    rig_after(r);
}

static inline void rig_tick(struct rig *r)
{
    aivo_session_tick(r->s, &r->at);
    rig_after(r);
    RIG_CHECK(aivo_session_deadline(r->s) >= r->at.now_us);
}

/* Lets time pass until the deadline, and ticks. */
static inline void rig_due(struct rig *r)
{
    int64_t deadline = aivo_session_deadline(r->s);
    RIG_CHECK(deadline != AIVO_NEVER);
    if (deadline > r->at.now_us)
        rig_pass(r, deadline - r->at.now_us);
    rig_tick(r);
}

#endif
