/*
 * The built-in agents: deterministic answers to agent:learning, agent:tutor, agent:speech and quality_ping. Pure: the
 * time is an argument, and what is to be sent comes back in a reply.
 */
#ifndef SRV_AGENTS_H
#define SRV_AGENTS_H

#include "metrics.h"
#include "socketio.h"

#define SRV_AGENT_MAX_EMITS 4

/* One for each socket. The ids are borrowed and must outlive it. The rest is the agents' own; zero at first. */
struct srv_agent_session {
    const char *socket_id;  /* never NULL */
    const char *learner_id; /* NULL or "": the user id is used */
    const char *user_id;    /* may be NULL (conformance) */

    bool active;               /* start_session was called, and the session has not ended since */
    int8_t difficulty;         /* 1..5; 0: not begun */
    int8_t streak;             /* right answers in a row; negative: wrong ones */
    uint32_t answers, correct; /* in this session */
    uint32_t tutor_turns;      /* since the last break:suggested */
    uint32_t speech_tasks;
    uint64_t started_ms, last_activity_ms; /* Unix time */
};

struct srv_agent_emit {
    enum srv_event event;     /* its name: srv_event_name() */
    size_t args_at, args_len; /* a JSON array's text inside reply->args */
};

/* Reused from call to call: its buffers keep their memory. */
struct srv_agent_reply {
    struct aivo_buf
        ack; /* the ack's JSON array, e.g. [{"success":true}]; filled always, sent if an ack was asked for */
    struct aivo_buf args; /* of all emits */
    struct srv_agent_emit emits[SRV_AGENT_MAX_EMITS];
    unsigned emit_count;
    enum srv_error_type error; /* to count; SRV_ERROR_NONE if there is nothing */
    bool session_opened;       /* count one more active session */
    struct aivo_buf scratch;   /* the handlers' own */
};
void srv_agent_reply_init(struct srv_agent_reply *reply);
void srv_agent_reply_free(struct srv_agent_reply *reply);
/* The text of emit i's arguments. Valid until the reply is used again. */
const char *srv_agent_emit_args(const struct srv_agent_reply *reply, unsigned i, size_t *len);

/* Answers one event. data is the packet's array with the event's name first (so its member 1 is the first argument);
 * attachments are those of the packet. received_ms is when the packet arrived, now_ms the time now (both Unix).
 * false: no agent listens to this event (the reply is empty: no ack). Memory running out is the error
 * SRV_ERROR_AGENT_ERROR with {"error":"Out of memory"}. */
bool srv_agent_handle(struct srv_agent_session *session, enum srv_event event, const struct aivo_json *data,
                      const struct aivo_bytes *attachments, unsigned attachment_count, uint64_t received_ms,
                      uint64_t now_ms, struct srv_agent_reply *reply);

/* Appends the array that acknowledges a message over the limit. */
void srv_agent_refusal(struct aivo_buf *ack, uint32_t retry_after_ms);
/* Appends the arguments of the connection:quality emit after CONNECT: [{"latency","quality","timestamp"}]. latency_ms
 * is what is known by then, < 0 if nothing (null, "unknown"). */
void srv_agent_connection_quality(struct aivo_buf *args, double latency_ms, uint64_t now_ms);

/* Has it been idle for idle_ms (0: never)? */
bool srv_agent_session_idle(const struct srv_agent_session *session, uint64_t now_ms, uint32_t idle_ms);
/* Ends it. true if it was active: count one active session less. The ids stay. */
bool srv_agent_session_end(struct srv_agent_session *session);

#endif
