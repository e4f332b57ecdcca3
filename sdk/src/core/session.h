/*
 * The connection's state machine: an event and an instant go in; actions and the next deadline come out. It performs
 * nothing, holds no socket and knows no clock.
 *
 * It owns the whole protocol: Engine.IO handshake and heartbeat, CONNECT with credentials, recovery, reconnecting.
 * The client (client.c) carries the actions out in order and feeds what happens back in.
 */
#ifndef AIVO_CORE_SESSION_H
#define AIVO_CORE_SESSION_H

#include "engineio.h"
#include "instant.h"
#include "socketio.h"
#include <aivo/client.h>

struct aivo_session_config {
    enum aivo_protocol protocol;
    const char *nsp; /* copied */
    struct aivo_reconnect_options reconnect;
    bool ask_auth;    /* credentials come by AIVO_ACT_ASK_AUTH and aivo_session_auth() */
    const char *auth; /* else: a JSON object's text or NULL; copied */
    uint32_t auth_timeout_ms, connect_timeout_ms, handshake_timeout_ms;
    uint64_t max_payload_bytes; /* for assembling binary packets and for the recovery buffer */
    bool recovery;
    uint32_t silence_ms; /* plain WebSocket: silent for this long (pongs count) is dead; 0: never */
};

enum aivo_action_type {
    AIVO_ACT_STATE,    /* tell: from -> to, error (status AIVO_OK if there is none) */
    AIVO_ACT_ASK_AUTH, /* ask for credentials, reason */
    AIVO_ACT_OPEN,     /* open a transport; the one before is gone */
    AIVO_ACT_SEND,     /* write text as a text frame */
    AIVO_ACT_CLOSE,    /* close the transport cleanly; aivo_session_closed() follows */
    AIVO_ACT_ABORT,    /* drop the transport at once; no aivo_session_closed() follows */
    AIVO_ACT_EVENT,    /* deliver an event: message->packet is EVENT or BINARY_EVENT, its data without the offset */
    AIVO_ACT_ACK,      /* an ACK or BINARY_ACK came */
    AIVO_ACT_RAW,      /* plain WebSocket: a message came: text/len/binary */
    AIVO_ACT_NOTICE,   /* tell: error; nothing else changes */
};

struct aivo_action {
    enum aivo_action_type type;
    enum aivo_state from, to;
    enum aivo_auth_reason reason;
    struct aivo_error error;
    const char *text; /* borrowed until the next call on the session */
    size_t len;
    bool binary;
    bool recovered; /* EVENT: missed while disconnected; STATE to connected: the session was resumed */
    const struct aivo_sio_message *message; /* borrowed until the next call on the session */
};

struct aivo_session;
/* NULL: no memory, or config->auth is no JSON object. */
struct aivo_session *aivo_session_create(const struct aivo_session_config *config);
void aivo_session_destroy(struct aivo_session *s);

/* Steps. Each forgets the actions of the step before, and leaves its own. */
void aivo_session_start(struct aivo_session *s, const struct aivo_instant *at);
void aivo_session_stop(struct aivo_session *s, const struct aivo_instant *at);
/* A waiting reconnect is made at once, with the attempt count begun anew; nothing else changes. */
void aivo_session_retry_now(struct aivo_session *s, const struct aivo_instant *at);
/* The answer to ASK_AUTH, or new credentials for the next attempt; NULL: there are none to be had. */
void aivo_session_auth(struct aivo_session *s, const struct aivo_instant *at, const char *payload);
void aivo_session_opened(struct aivo_session *s, const struct aivo_instant *at);
void aivo_session_message(struct aivo_session *s, const struct aivo_instant *at, const char *data, size_t len,
                          bool binary);
/* A pong came: the peer lives. */
void aivo_session_heard(struct aivo_session *s, const struct aivo_instant *at);
void aivo_session_closed(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why);
/* The connection is known to be dead although nothing was closed (quality's verdict, failed write). */
void aivo_session_dead(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why);
/* Call when the deadline has come; early is harmless. */
void aivo_session_tick(struct aivo_session *s, const struct aivo_instant *at);

size_t aivo_session_action_count(const struct aivo_session *s);
const struct aivo_action *aivo_session_action(const struct aivo_session *s, size_t index);
int64_t aivo_session_deadline(const struct aivo_session *s); /* AIVO_NEVER: none */
int64_t aivo_session_retry_at(const struct aivo_session *s); /* of the next attempt; AIVO_NEVER: none waits */

enum aivo_state aivo_session_state(const struct aivo_session *s);
const char *aivo_session_sid(const struct aivo_session *s);           /* "" while not connected */
uint64_t aivo_session_max_payload(const struct aivo_session *s);      /* the server's; 0: unknown */
uint64_t aivo_session_connects(const struct aivo_session *s);         /* connections made so far */
bool aivo_state_move_legal(enum aivo_state from, enum aivo_state to); /* the one table of legal moves */

#endif
