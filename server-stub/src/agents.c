#include "agents_internal.h"
#include <math.h>
#include <string.h>

void srv_agent_reply_init(struct srv_agent_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    aivo_buf_init(&reply->ack);
    aivo_buf_init(&reply->args);
    aivo_buf_init(&reply->scratch);
    reply->error = SRV_ERROR_NONE;
}

void srv_agent_reply_free(struct srv_agent_reply *reply)
{
    aivo_buf_free(&reply->ack);
    aivo_buf_free(&reply->args);
    aivo_buf_free(&reply->scratch);
}

static void reply_clear(struct srv_agent_reply *reply)
{
    aivo_buf_clear(&reply->ack);
    aivo_buf_clear(&reply->args);
    aivo_buf_clear(&reply->scratch);
    reply->emit_count = 0;
    reply->error = SRV_ERROR_NONE;
    reply->session_opened = false;
}

const char *srv_agent_emit_args(const struct srv_agent_reply *reply, unsigned i, size_t *len)
{
    *len = reply->emits[i].args_len;
    return reply->args.data + reply->emits[i].args_at;
}

void srv_agent_fail(struct srv_agent_call *call, enum srv_error_type type, const char *text)
{
    struct aivo_buf *ack = &call->reply->ack;
    aivo_buf_clear(ack);
    srv_put(ack, "[{");
    srv_put_text(ack, "error", text, strlen(text));
    srv_put(ack, "}]");
    call->reply->error = type;
}

struct aivo_buf *srv_agent_emit_begin(struct srv_agent_call *call, enum srv_event event)
{
    struct srv_agent_reply *reply = call->reply;
    if (reply->emit_count == SRV_AGENT_MAX_EMITS)
        return NULL;
    reply->emits[reply->emit_count] = (struct srv_agent_emit){event, reply->args.len, 0};
    return &reply->args;
}

void srv_agent_emit_end(struct srv_agent_call *call)
{
    struct srv_agent_emit *emit = &call->reply->emits[call->reply->emit_count++];
    emit->args_len = call->reply->args.len - emit->args_at;
}

static void put_name(struct aivo_buf *out, const char *name)
{
    aivo_buf_char(out, '"');
    aivo_buf_str(out, name);
    aivo_buf_str(out, "\":");
}

void srv_put_text(struct aivo_buf *out, const char *name, const char *text, size_t len)
{
    put_name(out, name);
    aivo_json_write_string(out, text, len);
}

void srv_put_u64(struct aivo_buf *out, const char *name, uint64_t value)
{
    put_name(out, name);
    aivo_buf_u64(out, value);
}

void srv_put_i64(struct aivo_buf *out, const char *name, int64_t value)
{
    put_name(out, name);
    if (value < 0)
        aivo_buf_char(out, '-');
    aivo_buf_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void srv_put_bool(struct aivo_buf *out, const char *name, bool value)
{
    put_name(out, name);
    aivo_buf_str(out, value ? "true" : "false");
}

void srv_put_fixed(struct aivo_buf *out, const char *name, double value)
{
    put_name(out, name);
    if (!(fabs(value) < 1e15)) {
        aivo_buf_str(out, "null");
        return;
    }
    uint64_t hundredths = (uint64_t)(fabs(value) * 100 + 0.5);
    if (value < 0 && hundredths > 0)
        aivo_buf_char(out, '-');
    aivo_buf_u64(out, hundredths / 100);
    aivo_buf_char(out, '.');
    aivo_buf_char(out, (char)('0' + hundredths % 100 / 10));
    aivo_buf_char(out, (char)('0' + hundredths % 10));
}

static size_t cut(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    len = most;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

bool srv_agent_text_of(const struct aivo_json *value, size_t most, struct aivo_buf *out)
{
    static const char *const members[] = {"text", "question", "title", "name", "id"};
    size_t start = out->len;
    if (value->type == AIVO_JSON_STRING) {
        aivo_json_string(value, out);
    } else if (value->type == AIVO_JSON_NUMBER) {
        aivo_buf_add(out, value->text, value->len);
    } else if (value->type == AIVO_JSON_OBJECT) {
        for (size_t i = 0; i < sizeof members / sizeof members[0] && out->len == start; i++) {
            struct aivo_json member = aivo_json_get(value, members[i]);
            if (member.type == AIVO_JSON_STRING)
                aivo_json_string(&member, out);
        }
    }
    if (out->failed || out->len == start)
        return false;
    out->len = start + cut(out->data + start, out->len - start, most);
    return out->len > start;
}

/* ---- quality_ping ---- */

/* Whatever scalar the client put there comes back as it was, so that it can match it. */
static void put_pong(struct aivo_buf *out, const struct srv_agent_call *call)
{
    const size_t longest = 128;
    struct aivo_json id = {AIVO_JSON_NONE, NULL, 0};
    if (call->arg.type == AIVO_JSON_OBJECT)
        id = aivo_json_get(&call->arg, "pingId");
    bool scalar = id.type == AIVO_JSON_STRING || id.type == AIVO_JSON_NUMBER;
    srv_put(out, "[{\"pingId\":");
    if (scalar && id.len <= longest)
        aivo_buf_add(out, id.text, id.len);
    else
        srv_put(out, "null");
    srv_put(out, ",");
    srv_put_u64(out, "receivedAt", call->received_ms);
    srv_put(out, ",");
    srv_put_u64(out, "sentAt", call->now_ms);
    srv_put(out, "}]");
}

static void quality_ping(struct srv_agent_call *call)
{
    struct aivo_buf *args = srv_agent_emit_begin(call, SRV_EVENT_QUALITY_PONG);
    if (args != NULL) {
        put_pong(args, call);
        srv_agent_emit_end(call);
    }
    put_pong(&call->reply->ack, call);
}

/* ---- the door ---- */

bool srv_agent_handle(struct srv_agent_session *session, enum srv_event event, const struct aivo_json *data,
                      const struct aivo_bytes *attachments, unsigned attachment_count, uint64_t received_ms,
                      uint64_t now_ms, struct srv_agent_reply *reply)
{
    reply_clear(reply);
    struct srv_agent_call call = {session,     reply, aivo_json_at(data, 1), attachments, attachment_count,
                                  received_ms, now_ms};
    switch (event) {
    case SRV_EVENT_QUALITY_PING:
        quality_ping(&call); /* not an activity: a client's probes must not keep its session open */
        break;
    case SRV_EVENT_LEARNING:
        session->last_activity_ms = now_ms;
        srv_agent_learning(&call);
        break;
    case SRV_EVENT_TUTOR:
        session->last_activity_ms = now_ms;
        srv_agent_tutor(&call);
        break;
    case SRV_EVENT_SPEECH:
        session->last_activity_ms = now_ms;
        srv_agent_speech(&call);
        break;
    default:
        return false;
    }
    if (reply->ack.failed || reply->args.failed || reply->scratch.failed) {
        bool opened = reply->session_opened;
        reply_clear(reply);
        reply->session_opened = opened;
        srv_agent_fail(&call, SRV_ERROR_AGENT_ERROR, "Out of memory");
    }
    return true;
}

void srv_agent_refusal(struct aivo_buf *ack, uint32_t retry_after_ms)
{
    srv_put(ack, "[{\"error\":\"Rate limit exceeded. Please slow down.\",\"rateLimited\":true,");
    srv_put_u64(ack, "retryAfterMs", retry_after_ms);
    srv_put(ack, "}]");
}

void srv_agent_connection_quality(struct aivo_buf *args, double latency_ms, uint64_t now_ms)
{
    const char *quality = "unknown";
    srv_put(args, "[{");
    if (latency_ms >= 0) {
        quality = latency_ms < 100 ? "excellent" : latency_ms < 250 ? "good" : latency_ms < 500 ? "fair" : "poor";
        srv_put_fixed(args, "latency", latency_ms);
    } else {
        srv_put(args, "\"latency\":null");
    }
    srv_put(args, ",");
    srv_put_text(args, "quality", quality, strlen(quality));
    srv_put(args, ",");
    srv_put_u64(args, "timestamp", now_ms);
    srv_put(args, "}]");
}

bool srv_agent_session_idle(const struct srv_agent_session *session, uint64_t now_ms, uint32_t idle_ms)
{
    return session->active && idle_ms > 0 && now_ms >= session->last_activity_ms &&
           now_ms - session->last_activity_ms >= idle_ms;
}

bool srv_agent_session_end(struct srv_agent_session *session)
{
    bool was_active = session->active;
    session->active = false;
    session->difficulty = session->streak = 0;
    session->answers = session->correct = 0;
    return was_active;
}
