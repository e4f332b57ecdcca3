#include "agents_internal.h"
#include <string.h>

/* A tutor of rules: recognises what the learner is at, answers in sentences that take up the learner's own words. */
enum {
    BREAK_AFTER = 10, /* turns */
    BREAK_MINUTES = 5,
    MAX_QUOTE = 120, /* bytes of the learner's words in an answer */
};

enum intent { GREETING, TIRED, STUCK, QUESTION, STATEMENT };

static const char *const intent_names[] = {"greeting", "tired", "stuck", "question", "statement"};

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool letter(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80 || c == '\'';
}

/* Is this phrase (lower case) in the text as whole words? */
static bool has_phrase(const char *text, size_t len, const char *phrase)
{
    size_t n = strlen(phrase);
    for (size_t i = 0; i + n <= len; i++) {
        size_t k = 0;
        while (k < n && lower(text[i + k]) == phrase[k])
            k++;
        if (k == n && (i == 0 || !letter(text[i - 1])) && (i + n == len || !letter(text[i + n])))
            return true;
    }
    return false;
}

static bool has_any(const char *text, size_t len, const char *const *phrases)
{
    for (; *phrases != NULL; phrases++) {
        if (has_phrase(text, len, *phrases))
            return true;
    }
    return false;
}

static enum intent recognise(const char *text, size_t len)
{
    static const char *const tired[] = {"tired", "break", "bored", "sleepy", "exhausted", NULL};
    static const char *const stuck[] = {"help",      "stuck",    "don't know",       "dont know",       "hint", "hard",
                                        "difficult", "confused", "don't understand", "dont understand", NULL};
    static const char *const greetings[] = {"hello", "hi", "hey", "good morning", "good afternoon", NULL};
    static const char *const asking[] = {"why", "how", "what", "when", "where", "who", "which", NULL};
    if (has_any(text, len, tired))
        return TIRED;
    if (has_any(text, len, stuck))
        return STUCK;
    if (memchr(text, '?', len) != NULL || has_any(text, len, asking))
        return QUESTION;
    return has_any(text, len, greetings) ? GREETING : STATEMENT;
}

/* The words of one turn, as borrowed slices of the call's scratch. */
struct words {
    size_t input_at, input_len;
    size_t topic_at, topic_len; /* the question at hand, else the activity; may be empty */
};

static void add_slice(struct aivo_buf *out, const struct aivo_buf *from, size_t at, size_t len)
{
    if (!from->failed)
        aivo_buf_add(out, from->data + at, len);
}

static void add_quoted(struct aivo_buf *out, const struct aivo_buf *from, size_t at, size_t len)
{
    aivo_buf_str(out, "\u201c");
    add_slice(out, from, at, len);
    aivo_buf_str(out, "\u201d");
}

/* The sentences. Appended to out, which is another buffer than the words'. */
static void compose(enum intent intent, const struct aivo_buf *from, const struct words *w, struct aivo_buf *out)
{
    static const char *const openings[] = {
        [GREETING] = "Hello! I am glad you are here. You said ",
        [TIRED] = "Thank you for telling me: ",
        [STUCK] = "That is all right, we will find out together. You said ",
        [QUESTION] = "Good question: ",
        [STATEMENT] = "I see: ",
    };
    static const char *const closings[] = {
        [GREETING] = " What would you like to begin with?",
        [TIRED] = " A short break will help; your work is kept.",
        [STUCK] = " What do you know already? Begin with the smallest piece of it.",
        [QUESTION] = " What do you think yourself? Try to say it in your own words first.",
        [STATEMENT] = " Tell me how you came to that.",
    };
    aivo_buf_str(out, openings[intent]);
    add_quoted(out, from, w->input_at, w->input_len);
    aivo_buf_char(out, '.');
    if (w->topic_len > 0 && intent != TIRED) {
        aivo_buf_str(out, " We are working on ");
        add_quoted(out, from, w->topic_at, w->topic_len);
        aivo_buf_char(out, '.');
    }
    aivo_buf_str(out, closings[intent]);
}

static bool take_words(struct srv_agent_call *call, struct words *w)
{
    struct aivo_buf *scratch = &call->reply->scratch;
    struct aivo_json input = aivo_json_get(&call->arg, "input");
    struct aivo_json question = aivo_json_get(&call->arg, "currentQuestion");
    struct aivo_json activity = aivo_json_get(&call->arg, "currentActivity");
    memset(w, 0, sizeof *w);
    if (input.type != AIVO_JSON_STRING || !srv_agent_text_of(&input, MAX_QUOTE, scratch))
        return false;
    w->input_len = scratch->len;
    w->topic_at = scratch->len;
    if (srv_agent_text_of(&question, MAX_QUOTE, scratch) || srv_agent_text_of(&activity, MAX_QUOTE, scratch))
        w->topic_len = scratch->len - w->topic_at;
    return true;
}

static void emit_message(struct srv_agent_call *call, enum intent intent, const char *text, size_t len)
{
    struct aivo_buf *args = srv_agent_emit_begin(call, SRV_EVENT_TUTOR_MESSAGE);
    if (args == NULL)
        return;
    srv_put(args, "[{");
    srv_put_text(args, "message", text, len);
    srv_put(args, ",");
    srv_put_text(args, "intent", intent_names[intent], strlen(intent_names[intent]));
    srv_put(args, ",");
    srv_put_u64(args, "turn", call->session->tutor_turns);
    srv_put(args, ",");
    srv_put_u64(args, "timestamp", call->now_ms);
    srv_put(args, "}]");
    srv_agent_emit_end(call);
}

static void emit_break(struct srv_agent_call *call, const char *reason)
{
    struct aivo_buf *args = srv_agent_emit_begin(call, SRV_EVENT_BREAK_SUGGESTED);
    if (args == NULL)
        return;
    srv_put(args, "[{");
    srv_put_text(args, "reason", reason, strlen(reason));
    srv_put(args, ",");
    srv_put_u64(args, "afterTurns", call->session->tutor_turns);
    srv_put(args, ",");
    srv_put_u64(args, "durationMinutes", BREAK_MINUTES);
    srv_put(args, ",");
    srv_put_u64(args, "timestamp", call->now_ms);
    srv_put(args, "}]");
    srv_agent_emit_end(call);
}

void srv_agent_tutor(struct srv_agent_call *call)
{
    struct srv_agent_session *s = call->session;
    struct aivo_buf *scratch = &call->reply->scratch, *ack = &call->reply->ack;
    struct words w;
    if (call->arg.type != AIVO_JSON_OBJECT || !take_words(call, &w)) {
        srv_agent_fail(call, SRV_ERROR_AGENT_ERROR, "input must be a string with something in it");
        return;
    }
    enum intent intent = recognise(scratch->data + w.input_at, w.input_len);
    /* The sentences are put together in the ack's buffer, moved behind the words, and only then written as JSON. */
    compose(intent, scratch, &w, ack);
    size_t at = scratch->len;
    if (ack->failed)
        return;
    aivo_buf_add(scratch, ack->data, ack->len);
    if (scratch->failed)
        return;
    aivo_buf_clear(ack);
    const char *message = scratch->data + at;
    size_t len = scratch->len - at;
    s->tutor_turns++;
    srv_put(ack, "[{\"success\":true,\"result\":{");
    srv_put_text(ack, "message", message, len);
    srv_put(ack, ",");
    srv_put_text(ack, "intent", intent_names[intent], strlen(intent_names[intent]));
    srv_put(ack, ",");
    srv_put_u64(ack, "turn", s->tutor_turns);
    srv_put(ack, "}}]");
    emit_message(call, intent, message, len);
    if (intent == TIRED || s->tutor_turns >= BREAK_AFTER) {
        emit_break(call, intent == TIRED ? "asked" : "long_session");
        s->tutor_turns = 0;
    }
}
