/* What the files of the session share; nobody else includes this. */
#ifndef AIVO_CORE_SESSION_IMPL_H
#define AIVO_CORE_SESSION_IMPL_H

#include "offset.h"
#include "session.h"

/* Where the work stands, finer than the public state. Each with its next phases. */
enum aivo_phase {
    AIVO_PHASE_IDLE,      /* nothing to do: disconnected or failed. Next: AUTH, OPENING */
    AIVO_PHASE_AUTH,      /* credentials were asked for. Next: OPENING, WAITING, IDLE */
    AIVO_PHASE_OPENING,   /* the transport opens. Next: HANDSHAKE, UP (plain), WAITING, IDLE */
    AIVO_PHASE_HANDSHAKE, /* Engine.IO's open packet is due. Next: CONNECT, WAITING, CLOSING, IDLE */
    AIVO_PHASE_CONNECT,   /* CONNECT was sent. Next: UP, AUTH (refused), WAITING, CLOSING, IDLE */
    AIVO_PHASE_UP,        /* connected. Next: WAITING, CLOSING, IDLE */
    AIVO_PHASE_WAITING,   /* for the next attempt. Next: AUTH, OPENING, IDLE */
    AIVO_PHASE_CLOSING,   /* CLOSE was asked for. Next: IDLE, AUTH, OPENING (started again meanwhile) */
};

/* An event that came before CONNECT was answered, with its attachments, as one block of memory. */
struct aivo_held {
    struct aivo_held *next;
    struct aivo_sio_message message; /* points into text */
    char text[];
};

struct aivo_held_list {
    struct aivo_held *first, **end;
    size_t count;
    uint64_t bytes;
};

struct aivo_session {
    /* Told once. */
    struct aivo_session_config config; /* nsp and auth point to the copies below */
    char *nsp;                         /* "" for the main namespace; may carry a query */
    size_t nsp_len;                    /* without the query, as servers answer */

    /* Desired and current are two things. */
    bool desired_connected;
    enum aivo_state state;
    enum aivo_phase phase;
    bool transport; /* there is one: between OPEN and ABORT or closed() */

    int64_t phase_deadline_us;
    int64_t last_heard_us;
    int64_t silence_us; /* heard nothing for this long while UP: dead; AIVO_NEVER: no limit */
    int64_t stable_at_us;

    uint32_t attempts; /* since the last stable connection */
    uint64_t connects;

    char *auth;                /* the payload to use; NULL: none */
    bool auth_fresh;           /* given since it was last used: no need to ask */
    bool asked;                /* since start */
    uint32_t refusals;         /* in a row */
    struct aivo_error refusal; /* what the server said at the last of them */

    struct aivo_eio_handshake handshake;
    struct aivo_sio_assembler assembler;
    char sid[128];

    char pid[128]; /* "": no recovery at this server */
    bool resuming; /* pid was sent with this CONNECT */
    struct aivo_offset offset;
    struct aivo_held_list held;     /* waits for CONNECT's answer */
    struct aivo_held_list released; /* delivered by this step's actions */

    struct aivo_action *actions;
    size_t action_count, action_cap;
    struct aivo_buf out;              /* text of the one built SEND of a step */
    struct aivo_buf stripped;         /* the event without its offset */
    struct aivo_sio_message incoming; /* of this step */
};

/* session.c */
struct aivo_action *aivo_session_push(struct aivo_session *s, enum aivo_action_type type);
bool aivo_session_reserve(struct aivo_session *s, size_t more);
void aivo_session_send(struct aivo_session *s, const char *text, size_t len);
void aivo_session_notice(struct aivo_session *s, const struct aivo_error *error);
void aivo_session_lose(struct aivo_session *s, const struct aivo_instant *at, const struct aivo_error *why);
void aivo_session_fail(struct aivo_session *s, const struct aivo_error *why);
void aivo_session_up(struct aivo_session *s, const struct aivo_instant *at, bool recovered);
void aivo_session_attempt(struct aivo_session *s, const struct aivo_instant *at);
void aivo_session_drop_transport(struct aivo_session *s);

/* session_packet.c */
void aivo_session_frame(struct aivo_session *s, const struct aivo_instant *at, const char *data, size_t len,
                        bool binary);

/* session_recovery.c */
bool aivo_session_connect_packet(struct aivo_session *s); /* builds it in s->out; false: no memory */
void aivo_session_deliver(struct aivo_session *s, const struct aivo_instant *at); /* s->incoming */
/* false: beyond the bounds, or no memory */
bool aivo_session_hold(struct aivo_session *s, const struct aivo_sio_message *m);
/* Delivers what is held; room for the actions is reserved. recovered: the session was resumed. */
void aivo_session_release(struct aivo_session *s, const struct aivo_instant *at, bool recovered);
void aivo_session_set_pid(struct aivo_session *s, const char *pid); /* "": none */
void aivo_held_init(struct aivo_held_list *list);
void aivo_held_free(struct aivo_held_list *list);

#endif
