/* The session's steps, its moves from state to state, and its time. */
#include "session_impl.h"

#include "backoff.h"
#include "errtext.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEP_ACTIONS     16 /* reserved before each step: more than any step takes, but for delivered events */
#define CLOSE_TIMEOUT_US 2000000
#define OPEN_GRACE_US    1000000 /* the transport keeps the same time-out and can say what was slow: let it be first */

static const uint8_t legal_moves[] = {
#define TO(state) (1u << AIVO_STATE_##state)
    [AIVO_STATE_DISCONNECTED] = TO(CONNECTING),
    [AIVO_STATE_CONNECTING] = TO(CONNECTED) | TO(RECONNECTING) | TO(CLOSING) | TO(FAILED),
    [AIVO_STATE_CONNECTED] = TO(RECONNECTING) | TO(CLOSING) | TO(FAILED),
    [AIVO_STATE_RECONNECTING] = TO(CONNECTED) | TO(CLOSING) | TO(FAILED),
    [AIVO_STATE_CLOSING] = TO(DISCONNECTED),
    [AIVO_STATE_FAILED] = TO(CONNECTING) | TO(CLOSING),
#undef TO
};

bool aivo_state_move_legal(enum aivo_state from, enum aivo_state to)
{
    unsigned f = (unsigned)from, t = (unsigned)to;
    return f < sizeof(legal_moves) && t < sizeof(legal_moves) && (legal_moves[f] >> t & 1u);
}

/* ---- actions ---- */

bool aivo_session_reserve(struct aivo_session *s, size_t more)
{
    if (s->action_cap - s->action_count >= more)
        return true;
    size_t cap = s->action_count + more;
    struct aivo_action *actions = realloc(s->actions, cap * sizeof(*actions));
    if (!actions)
        return false;
    s->actions = actions;
    s->action_cap = cap;
    return true;
}

/* Room was reserved: create() sees to STEP_ACTIONS at least, and who may need more reserves more. */
struct aivo_action *aivo_session_push(struct aivo_session *s, enum aivo_action_type type)
{
    struct aivo_action *action = &s->actions[s->action_count++];
    *action = (struct aivo_action){.type = type, .from = s->state, .to = s->state};
    return action;
}

void aivo_session_send(struct aivo_session *s, const char *text, size_t len)
{
    struct aivo_action *action = aivo_session_push(s, AIVO_ACT_SEND);
    action->text = text;
    action->len = len;
}

void aivo_session_notice(struct aivo_session *s, const struct aivo_error *error)
{
    aivo_session_push(s, AIVO_ACT_NOTICE)->error = *error;
}

/* The only place that changes the state. */
static void move(struct aivo_session *s, enum aivo_state to, const struct aivo_error *why, bool recovered)
{
    assert(aivo_state_move_legal(s->state, to));
    struct aivo_action *action = aivo_session_push(s, AIVO_ACT_STATE);
    action->to = to;
    action->recovered = recovered;
    if (why)
        action->error = *why;
    s->state = to;
}

/* ---- moves ---- */

static int64_t after_ms(const struct aivo_instant *at, uint32_t ms)
{
    return ms ? at->now_us + (int64_t)ms * 1000 : AIVO_NEVER;
}

static void enter(struct aivo_session *s, enum aivo_phase phase, int64_t deadline_us)
{
    s->phase = phase;
    s->phase_deadline_us = deadline_us;
}

/* Forgets what belonged to the connection alone. pid and offset outlive it. */
static void forget_connection(struct aivo_session *s)
{
    s->sid[0] = '\0';
    s->stable_at_us = AIVO_NEVER;
    s->silence_us = AIVO_NEVER;
    memset(&s->handshake, 0, sizeof(s->handshake));
    aivo_sio_assembler_reset(&s->assembler);
    aivo_held_free(&s->held);
}

void aivo_session_drop_transport(struct aivo_session *s)
{
    if (s->transport)
        aivo_session_push(s, AIVO_ACT_ABORT);
    s->transport = false;
    forget_connection(s);
}

void aivo_session_fail(struct aivo_session *s, const struct aivo_error *why)
{
    aivo_session_drop_transport(s);
    enter(s, AIVO_PHASE_IDLE, AIVO_NEVER);
    move(s, AIVO_STATE_FAILED, why, false);
}

static void open_transport(struct aivo_session *s, const struct aivo_instant *at)
{
    s->transport = true;
    aivo_session_push(s, AIVO_ACT_OPEN);
    int64_t limit_us = after_ms(at, s->config.connect_timeout_ms);
    enter(s, AIVO_PHASE_OPENING, limit_us == AIVO_NEVER ? AIVO_NEVER : limit_us + OPEN_GRACE_US);
}

void aivo_session_attempt(struct aivo_session *s, const struct aivo_instant *at)
{
    if (!s->config.ask_auth || s->auth_fresh) {
        s->auth_fresh = false;
        open_transport(s, at);
        return;
    }
    struct aivo_action *ask = aivo_session_push(s, AIVO_ACT_ASK_AUTH);
    ask->reason = s->refusals ? AIVO_AUTH_REFUSED : s->asked ? AIVO_AUTH_RECONNECT : AIVO_AUTH_FIRST;
    s->asked = true;
    enter(s, AIVO_PHASE_AUTH, after_ms(at, s->config.auth_timeout_ms));
}

/* A counted attempt: the delay after it grows with the count. */
static void next_attempt(struct aivo_session *s, const struct aivo_instant *at)
{
    if (s->attempts < UINT32_MAX)
        s->attempts++;
    aivo_session_attempt(s, at);
}

static void begin(struct aivo_session *s, const struct aivo_instant *at)
{
    s->attempts = 0;
    s->refusals = 0;
    s->asked = false;
    move(s, AIVO_STATE_CONNECTING, NULL, false);
    next_attempt(s, at);
}

/* The end of closing; or the way on, if start was called meanwhile. */
static void finish_closing(struct aivo_session *s, const struct aivo_instant *at)
{
    aivo_session_drop_transport(s);
    enter(s, AIVO_PHASE_IDLE, AIVO_NEVER);
    move(s, AIVO_STATE_DISCONNECTED, NULL, false);
    if (s->desired_connected)
        begin(s, at);
}

void aivo_session_lose(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why)
{
    if (s->phase == AIVO_PHASE_CLOSING) {
        finish_closing(s, at);
        return;
    }
    const struct aivo_reconnect_options *r = &s->config.reconnect;
    bool was_up = s->phase == AIVO_PHASE_UP;
    if (!r->enabled || (!was_up && r->max_attempts && s->attempts >= r->max_attempts)) {
        aivo_session_fail(s, why);
        return;
    }
    aivo_session_drop_transport(s);
    struct aivo_backoff backoff = {r->floor_ms, r->base_ms, r->cap_ms};
    uint32_t exponent = s->attempts ? s->attempts - 1 : 0;
    enter(s, AIVO_PHASE_WAITING, at->now_us + aivo_backoff_us(&backoff, exponent, at->random));
    if (s->state != AIVO_STATE_RECONNECTING)
        move(s, AIVO_STATE_RECONNECTING, why, false);
    else
        aivo_session_notice(s, why);
}

static void lose_because(struct aivo_session *s, const struct aivo_instant *at, enum aivo_status status,
                         const char *message)
{
    struct aivo_error why;
    aivo_error_join(&why, status, 0, message, NULL);
    aivo_session_lose(s, at, &why);
}

void aivo_session_up(struct aivo_session *s, const struct aivo_instant *at, bool recovered)
{
    const struct aivo_eio_handshake *h = &s->handshake;
    if (s->config.protocol == AIVO_PROTOCOL_WEBSOCKET)
        s->silence_us = s->config.silence_ms ? (int64_t)s->config.silence_ms * 1000 : AIVO_NEVER;
    else
        s->silence_us = ((int64_t)h->ping_interval_ms + h->ping_timeout_ms) * 1000;
    s->stable_at_us = at->now_us + (int64_t)s->config.reconnect.stable_after_ms * 1000;
    s->refusals = 0;
    s->connects++;
    enter(s, AIVO_PHASE_UP, AIVO_NEVER);
    move(s, AIVO_STATE_CONNECTED, NULL, recovered);
}

/* ---- life ---- */

static char *copy(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    if (out) {
        memcpy(out, text, len);
        out[len] = '\0';
    }
    return out;
}

/* An object's exact text, or NULL. */
static char *auth_copy(const char *payload)
{
    struct aivo_json value = aivo_json_parse(payload, strlen(payload), NULL);
    return value.type == AIVO_JSON_OBJECT ? copy(value.text, value.len) : NULL;
}

struct aivo_session *aivo_session_create(const struct aivo_session_config *config)
{
    struct aivo_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    const char *nsp = config->nsp && strcmp(config->nsp, "/") != 0 ? config->nsp : "";
    s->config = *config;
    s->nsp = copy(nsp, strlen(nsp));
    s->nsp_len = strcspn(nsp, "?");
    if (config->auth)
        s->auth = auth_copy(config->auth);
    s->config.nsp = s->config.auth = NULL;
    aivo_buf_init(&s->out);
    aivo_buf_init(&s->stripped);
    aivo_sio_assembler_init(&s->assembler, config->max_payload_bytes < SIZE_MAX / 2 ? (size_t)config->max_payload_bytes
                                                                                    : SIZE_MAX / 2);
    aivo_held_init(&s->held);
    aivo_held_init(&s->released);
    forget_connection(s);
    s->phase_deadline_us = AIVO_NEVER;
    if (!s->nsp || (config->auth && !s->auth) || !aivo_session_reserve(s, STEP_ACTIONS)) {
        aivo_session_destroy(s);
        return NULL;
    }
    return s;
}

void aivo_session_destroy(struct aivo_session *s)
{
    if (!s)
        return;
    aivo_held_free(&s->held);
    aivo_held_free(&s->released);
    aivo_sio_assembler_free(&s->assembler);
    aivo_buf_free(&s->out);
    aivo_buf_free(&s->stripped);
    free(s->actions);
    free(s->auth);
    free(s->nsp);
    free(s);
}

/* ---- steps ---- */

/* One large recovery must not hold its memory for good. */
#define KEEP_ACTIONS 256
#define KEEP_BYTES   65536

static void step(struct aivo_session *s)
{
    s->action_count = 0;
    aivo_held_free(&s->released);
    if (s->action_cap > KEEP_ACTIONS) {
        struct aivo_action *less = realloc(s->actions, KEEP_ACTIONS * sizeof(*less));
        if (less) {
            s->actions = less;
            s->action_cap = KEEP_ACTIONS;
        }
    }
    if (s->stripped.cap > KEEP_BYTES)
        aivo_buf_free(&s->stripped);
    if (!aivo_sio_assembler_busy(&s->assembler)) /* the last message borrowed from it until now */
        aivo_sio_assembler_reset(&s->assembler);
}

void aivo_session_start(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    s->desired_connected = true;
    if (s->state == AIVO_STATE_DISCONNECTED || s->state == AIVO_STATE_FAILED)
        begin(s, at);
}

/* Says goodbye and waits for the transport's end. */
static void close_transport(struct aivo_session *s, const struct aivo_instant *at)
{
    if (s->phase == AIVO_PHASE_UP && s->config.protocol == AIVO_PROTOCOL_SOCKETIO) {
        aivo_buf_clear(&s->out);
        aivo_buf_char(&s->out, '0' + AIVO_EIO_MESSAGE);
        aivo_sio_encode_header(&s->out, AIVO_SIO_DISCONNECT, 0, s->nsp, strlen(s->nsp), NULL);
        if (!s->out.failed)
            aivo_session_send(s, s->out.data, s->out.len);
    }
    aivo_session_push(s, AIVO_ACT_CLOSE);
    forget_connection(s);
    enter(s, AIVO_PHASE_CLOSING, at->now_us + CLOSE_TIMEOUT_US);
}

void aivo_session_stop(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    s->desired_connected = false;
    if (s->state == AIVO_STATE_DISCONNECTED || s->state == AIVO_STATE_CLOSING)
        return;
    aivo_session_set_pid(s, ""); /* whoever says goodbye does not come back to the same session */
    bool open = s->phase == AIVO_PHASE_HANDSHAKE || s->phase == AIVO_PHASE_CONNECT || s->phase == AIVO_PHASE_UP;
    move(s, AIVO_STATE_CLOSING, NULL, false);
    if (open)
        close_transport(s, at);
    else
        finish_closing(s, at);
}

void aivo_session_retry_now(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    if (s->phase != AIVO_PHASE_WAITING)
        return;
    s->attempts = 0;
    next_attempt(s, at);
}

void aivo_session_auth(struct aivo_session *s, const struct aivo_instant *at, const char *payload)
{
    step(s);
    if (!payload && s->phase != AIVO_PHASE_AUTH)
        return; /* "there are none" is an answer: to nobody, it takes nothing away */
    char *auth = payload ? auth_copy(payload) : NULL;
    free(s->auth);
    s->auth = auth;
    s->auth_fresh = auth != NULL;
    if (s->phase != AIVO_PHASE_AUTH)
        return;
    if (auth) {
        s->auth_fresh = false;
        open_transport(s, at);
        return;
    }
    struct aivo_error why;
    if (payload)
        aivo_error_join(&why, AIVO_E_AUTH, 0, "the credentials given are no JSON object", NULL);
    else if (s->refusals) /* which is why others were asked for */
        aivo_error_join(&why, AIVO_E_AUTH, 0, "the server refused the credentials: ", s->refusal.message,
                        "; no others were given", NULL);
    else
        aivo_error_join(&why, AIVO_E_AUTH, 0, "no credentials were given", NULL);
    aivo_session_fail(s, &why);
}

void aivo_session_opened(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    if (s->phase != AIVO_PHASE_OPENING)
        return;
    s->last_heard_us = at->now_us;
    if (s->config.protocol == AIVO_PROTOCOL_WEBSOCKET)
        aivo_session_up(s, at, false);
    else
        enter(s, AIVO_PHASE_HANDSHAKE, after_ms(at, s->config.handshake_timeout_ms));
}

void aivo_session_message(struct aivo_session *s, const struct aivo_instant *at, const char *data, size_t len,
                          bool binary)
{
    step(s);
    if (s->phase != AIVO_PHASE_HANDSHAKE && s->phase != AIVO_PHASE_CONNECT && s->phase != AIVO_PHASE_UP)
        return;
    s->last_heard_us = at->now_us;
    if (s->config.protocol == AIVO_PROTOCOL_WEBSOCKET) {
        struct aivo_action *raw = aivo_session_push(s, AIVO_ACT_RAW);
        raw->text = data;
        raw->len = len;
        raw->binary = binary;
    } else {
        aivo_session_frame(s, at, data, len, binary);
    }
}

void aivo_session_heard(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    s->last_heard_us = at->now_us;
}

void aivo_session_closed(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why)
{
    step(s);
    if (!s->transport)
        return;
    s->transport = false;
    if (why && why->status != AIVO_OK)
        aivo_session_lose(s, at, why);
    else
        lose_because(s, at, AIVO_E_CLOSED, "the connection was closed");
}

void aivo_session_dead(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why)
{
    step(s);
    if (!s->transport)
        return;
    if (why && why->status != AIVO_OK)
        aivo_session_lose(s, at, why);
    else
        lose_because(s, at, AIVO_E_HEARTBEAT, "the connection is dead");
}

/* ---- time ---- */

static int64_t silent_at(const struct aivo_session *s)
{
    return s->phase == AIVO_PHASE_UP && s->silence_us != AIVO_NEVER ? s->last_heard_us + s->silence_us : AIVO_NEVER;
}

int64_t aivo_session_deadline(const struct aivo_session *s)
{
    int64_t first = s->phase_deadline_us;
    if (silent_at(s) < first)
        first = silent_at(s);
    return s->stable_at_us < first ? s->stable_at_us : first;
}

static void phase_timeout(struct aivo_session *s, const struct aivo_instant *at)
{
    switch (s->phase) {
    case AIVO_PHASE_AUTH:
        lose_because(s, at, AIVO_E_TIMEOUT, "nobody answered the request for credentials in time");
        break;
    case AIVO_PHASE_OPENING:
        lose_because(s, at, AIVO_E_TIMEOUT, "the connection was not made in time");
        break;
    case AIVO_PHASE_HANDSHAKE:
        lose_because(s, at, AIVO_E_TIMEOUT,
                     "the server sent no Engine.IO handshake in time: is it a Socket.IO server?");
        break;
    case AIVO_PHASE_CONNECT:
        lose_because(s, at, AIVO_E_TIMEOUT, "the server did not answer CONNECT in time");
        break;
    case AIVO_PHASE_WAITING:
        next_attempt(s, at);
        break;
    case AIVO_PHASE_CLOSING:
        finish_closing(s, at);
        break;
    case AIVO_PHASE_IDLE:
    case AIVO_PHASE_UP:
        break;
    }
}

void aivo_session_tick(struct aivo_session *s, const struct aivo_instant *at)
{
    step(s);
    if (at->now_us >= s->stable_at_us) {
        s->stable_at_us = AIVO_NEVER;
        s->attempts = 0;
    }
    if (at->now_us >= silent_at(s)) {
        struct aivo_error why;
        char ms[24];
        aivo_error_join(&why, AIVO_E_HEARTBEAT, 0, "nothing was heard from the server for ",
                        aivo_decimal(ms, s->silence_us / 1000), " ms", NULL);
        aivo_session_lose(s, at, &why);
    } else if (at->now_us >= s->phase_deadline_us) {
        phase_timeout(s, at);
    }
}

/* ---- questions ---- */

size_t aivo_session_action_count(const struct aivo_session *s)
{
    return s->action_count;
}

const struct aivo_action *aivo_session_action(const struct aivo_session *s, size_t index)
{
    return index < s->action_count ? &s->actions[index] : NULL;
}

int64_t aivo_session_retry_at(const struct aivo_session *s)
{
    return s->phase == AIVO_PHASE_WAITING ? s->phase_deadline_us : AIVO_NEVER;
}

enum aivo_state aivo_session_state(const struct aivo_session *s)
{
    return s->state;
}

const char *aivo_session_sid(const struct aivo_session *s)
{
    return s->sid;
}

uint64_t aivo_session_max_payload(const struct aivo_session *s)
{
    return s->handshake.max_payload;
}

uint64_t aivo_session_connects(const struct aivo_session *s)
{
    return s->connects;
}
