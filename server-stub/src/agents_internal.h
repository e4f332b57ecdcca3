/* What the agents share among themselves. Only agent*.c includes it. */
#ifndef SRV_AGENTS_INTERNAL_H
#define SRV_AGENTS_INTERNAL_H

#include "agents.h"
#include "json.h"

/* One event being answered. */
struct srv_agent_call {
    struct srv_agent_session *session;
    struct srv_agent_reply *reply;
    struct aivo_json arg; /* the first argument; AIVO_JSON_NONE if there is none */
    const struct aivo_bytes *attachments;
    unsigned attachment_count;
    uint64_t received_ms, now_ms;
};

void srv_agent_learning(struct srv_agent_call *call);
void srv_agent_tutor(struct srv_agent_call *call);
void srv_agent_speech(struct srv_agent_call *call);

/* Answers [{"error":<text>}] and has the type counted. */
void srv_agent_fail(struct srv_agent_call *call, enum srv_error_type type, const char *text);
/* Begins an emit; what is appended to the returned buffer until _emit_end() is its arguments' text. NULL if the list
 * is full, which no handler reaches. */
struct aivo_buf *srv_agent_emit_begin(struct srv_agent_call *call, enum srv_event event);
void srv_agent_emit_end(struct srv_agent_call *call);

/* Appends "name": with the value; text is written as a JSON string, in full. */
void srv_put_text(struct aivo_buf *out, const char *name, const char *text, size_t len);
void srv_put_u64(struct aivo_buf *out, const char *name, uint64_t value);
void srv_put_i64(struct aivo_buf *out, const char *name, int64_t value);
void srv_put_bool(struct aivo_buf *out, const char *name, bool value);
/* A number with two decimals, or null where it is not finite. */
void srv_put_fixed(struct aivo_buf *out, const char *name, double value);
/* Appends text raw: , { } and the like. */
static inline void srv_put(struct aivo_buf *out, const char *text)
{
    aivo_buf_str(out, text);
}

/* The value as text for a sentence: a string, a number, or the text, question, title, name or id of an object;
 * appended to out, cut to most bytes at a character's boundary. false: none of these, or empty. */
bool srv_agent_text_of(const struct aivo_json *value, size_t most, struct aivo_buf *out);

#endif
