#include "agents_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Activities are named by what they ask: add-3-4, sub-9-5, mul-6-7, div-12-3 (a number), spell-<word> (a word), so that
 * an answer can be judged without a database. Answers to other activities are recorded, not judged.
 */
enum {
    FIRST_DIFFICULTY = 2,
    LAST_DIFFICULTY = 5,
    HARDER_AFTER = 3, /* right answers in a row */
    EASIER_AFTER = 2, /* wrong ones */
    MAX_ACTIVITY = 128,
    MAX_ANSWER = 256,
};

enum verdict { UNJUDGED, WRONG, RIGHT };

struct judgement {
    enum verdict verdict;
    double score;                /* 0..1 */
    char expected[MAX_ACTIVITY]; /* "" if unknown */
};

/* ---- start_session ---- */

static void start_session(struct srv_agent_call *call)
{
    struct srv_agent_session *s = call->session;
    struct aivo_buf *ack = &call->reply->ack;
    const char *learner = s->learner_id != NULL && s->learner_id[0] != '\0' ? s->learner_id : s->user_id;
    call->reply->session_opened = !srv_agent_session_end(s);
    s->active = true;
    s->difficulty = FIRST_DIFFICULTY;
    s->started_ms = call->now_ms;
    srv_put(ack, "[{\"success\":true,");
    srv_put_text(ack, "sessionId", s->socket_id, strlen(s->socket_id));
    srv_put(ack, ",\"agentId\":\"learning-");
    /* The learner's id is written as a JSON string of its own, less the opening quote: no copy, no bound. */
    size_t at = ack->len;
    aivo_json_write_string(ack, learner != NULL ? learner : "", learner != NULL ? strlen(learner) : 0);
    if (!ack->failed) {
        memmove(ack->data + at, ack->data + at + 1, ack->len - at); /* with the NUL */
        ack->len--;
    }
    srv_put(ack, "}]");
}

/* ---- process_answer ---- */

/* Trimmed, white space as one blank, ASCII in lower case. */
static void normalize(char *text)
{
    size_t n = 0;
    bool blank = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\r') {
            blank = n > 0;
            continue;
        }
        if (blank)
            text[n++] = ' ';
        blank = false;
        text[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    text[n] = '\0';
}

/* The answer as text: a string, a number or a boolean. */
static bool answer_text(const struct aivo_json *value, char out[MAX_ANSWER])
{
    if (value->type == AIVO_JSON_STRING) {
        if (!aivo_json_string_copy(value, out, MAX_ANSWER))
            return false;
    } else if (value->type == AIVO_JSON_NUMBER || value->type == AIVO_JSON_TRUE || value->type == AIVO_JSON_FALSE) {
        if (value->len >= MAX_ANSWER)
            return false;
        memcpy(out, value->text, value->len);
        out[value->len] = '\0';
    } else {
        return false;
    }
    normalize(out);
    return true;
}

/* "add-3-4": the operands are whole numbers of up to four digits. */
static bool arithmetic(const char *id, long *expected)
{
    static const char *const operations[] = {"add-", "sub-", "mul-", "div-"};
    for (int i = 0; i < 4; i++) {
        if (strncmp(id, operations[i], 4) != 0)
            continue;
        const char *a = id + 4;
        size_t a_len = strspn(a, "0123456789");
        if (a_len < 1 || a_len > 4 || a[a_len] != '-')
            return false;
        const char *b = a + a_len + 1;
        size_t b_len = strspn(b, "0123456789");
        if (b_len < 1 || b_len > 4 || b[b_len] != '\0')
            return false;
        long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);
        if (i == 3 && (y == 0 || x % y != 0))
            return false;
        *expected = i == 0 ? x + y : i == 1 ? x - y : i == 2 ? x * y : x / y;
        return true;
    }
    return false;
}

static void judge_number(long expected, const char *answer, struct judgement *j)
{
    char *end;
    double given = strtod(answer, &end);
    bool number = end != answer && *end == '\0';
    j->verdict = number && given == (double)expected ? RIGHT : WRONG;
    /* Close counts a little: one off in 20 is nearly right, twice the number is not. */
    double distance = number ? fabs(given - (double)expected) / fmax(1, fabs((double)expected)) : 1;
    j->score = j->verdict == RIGHT ? 1 : fmax(0, 0.5 - distance);
    snprintf(j->expected, sizeof j->expected, "%ld", expected);
}

/* Letters to change, add or take away; both below 256 bytes. */
static unsigned edits(const char *a, const char *b)
{
    unsigned row[MAX_ANSWER + 1];
    size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

static void judge_word(const char *word, const char *answer, struct judgement *j)
{
    memcpy(j->expected, word, strlen(word) + 1);
    normalize(j->expected);
    unsigned off = edits(answer, j->expected);
    size_t len = strlen(j->expected);
    j->verdict = off == 0 ? RIGHT : WRONG;
    j->score = off >= len ? 0 : 1 - (double)off / (double)len;
}

static void judge(const char *activity, const char *answer, struct judgement *j)
{
    long expected;
    memset(j, 0, sizeof *j);
    if (arithmetic(activity, &expected))
        judge_number(expected, answer, j);
    else if (strncmp(activity, "spell-", 6) == 0 && activity[6] != '\0')
        judge_word(activity + 6, answer, j);
}

static const char *feedback(const struct judgement *j, int streak)
{
    if (j->verdict == UNJUDGED)
        return "Thank you, your answer has been recorded.";
    if (j->verdict == RIGHT)
        return streak >= HARDER_AFTER ? "Correct again! You are ready for something harder." : "Correct, well done!";
    if (j->score >= 0.4)
        return "Very close. Look at it once more.";
    return "Not quite. Try again, one step at a time.";
}

static void next_activity(const struct srv_agent_session *s, bool words, char *out, size_t size);

static void put_adapted(struct srv_agent_call *call, int before, const char *reason)
{
    struct aivo_buf *args = srv_agent_emit_begin(call, SRV_EVENT_CONTENT_ADAPTED);
    char next[64];
    if (args == NULL)
        return;
    next_activity(call->session, false, next, sizeof next);
    srv_put(args, "[{");
    srv_put_i64(args, "difficulty", call->session->difficulty);
    srv_put(args, ",");
    srv_put_i64(args, "previousDifficulty", before);
    srv_put(args, ",");
    srv_put_text(args, "reason", reason, strlen(reason));
    srv_put(args, ",");
    srv_put_text(args, "nextActivityId", next, strlen(next));
    srv_put(args, ",");
    srv_put_u64(args, "timestamp", call->now_ms);
    srv_put(args, "}]");
    srv_agent_emit_end(call);
}

/* Three right answers in a row make it harder, two wrong ones easier; then the count begins anew. */
static void adapt(struct srv_agent_call *call)
{
    struct srv_agent_session *s = call->session;
    int before = s->difficulty;
    if (s->streak >= HARDER_AFTER) {
        s->streak = 0;
        if (s->difficulty < LAST_DIFFICULTY) {
            s->difficulty++;
            put_adapted(call, before, "streak_correct");
        }
    } else if (s->streak <= -EASIER_AFTER) {
        s->streak = 0;
        if (s->difficulty > 1) {
            s->difficulty--;
            put_adapted(call, before, "streak_incorrect");
        }
    }
}

static void put_result(struct srv_agent_call *call, const char *activity, const struct judgement *j,
                       const char *feedback_text)
{
    struct srv_agent_session *s = call->session;
    struct aivo_buf *ack = &call->reply->ack;
    srv_put(ack, "[{\"success\":true,\"result\":{");
    srv_put_text(ack, "activityId", activity, strlen(activity));
    srv_put(ack, ",\"correct\":");
    srv_put(ack, j->verdict == UNJUDGED ? "null," : j->verdict == RIGHT ? "true," : "false,");
    if (j->verdict == UNJUDGED)
        srv_put(ack, "\"score\":null");
    else
        srv_put_fixed(ack, "score", j->score);
    srv_put(ack, ",");
    srv_put_text(ack, "feedback", feedback_text, strlen(feedback_text));
    /* The solution only once it was found, or after two tries it would be no use to try again. */
    if (j->verdict == RIGHT || (j->verdict == WRONG && call->reply->emit_count > 0)) {
        srv_put(ack, ",");
        srv_put_text(ack, "expected", j->expected, strlen(j->expected));
    }
    srv_put(ack, ",");
    srv_put_i64(ack, "difficulty", s->difficulty);
    srv_put(ack, ",");
    srv_put_u64(ack, "answered", s->answers);
    srv_put(ack, ",");
    srv_put_u64(ack, "correctAnswers", s->correct);
    srv_put(ack, "}}]");
}

static void process_answer(struct srv_agent_call *call)
{
    struct srv_agent_session *s = call->session;
    struct aivo_json activity = aivo_json_get(&call->arg, "activityId"), answer = aivo_json_get(&call->arg, "answer");
    char activity_text[MAX_ACTIVITY], given[MAX_ANSWER];
    struct judgement j;
    if (!s->active) {
        srv_agent_fail(call, SRV_ERROR_NO_SESSION, "No active session");
        return;
    }
    if (!aivo_json_string_copy(&activity, activity_text, sizeof activity_text) || activity_text[0] == '\0') {
        srv_agent_fail(call, SRV_ERROR_AGENT_ERROR, "activityId must be a string of 1 to 127 bytes");
        return;
    }
    if (!answer_text(&answer, given)) {
        srv_agent_fail(call, SRV_ERROR_AGENT_ERROR,
                       "answer must be a string of up to 255 bytes, a number or a boolean");
        return;
    }
    judge(activity_text, given, &j);
    s->answers++;
    if (j.verdict == RIGHT) {
        s->correct++;
        s->streak = (int8_t)(s->streak > 0 ? s->streak + 1 : 1);
    } else if (j.verdict == WRONG) {
        s->streak = (int8_t)(s->streak < 0 ? s->streak - 1 : -1);
    }
    const char *words = feedback(&j, s->streak);
    adapt(call);
    put_result(call, activity_text, &j, words);
}

/* ---- get_recommendation ---- */

/* The next exercise of this difficulty; which of them depends on how many were answered, so it varies but repeats. */
static void next_activity(const struct srv_agent_session *s, bool words, char *out, size_t size)
{
    static const char *const spelling[LAST_DIFFICULTY][3] = {{"cat", "sun", "dog"},
                                                             {"fish", "tree", "milk"},
                                                             {"apple", "house", "green"},
                                                             {"garden", "window", "friend"},
                                                             {"elephant", "mountain", "different"}};
    int difficulty = s->difficulty > 0 ? s->difficulty : FIRST_DIFFICULTY;
    if (words) {
        snprintf(out, size, "spell-%s", spelling[difficulty - 1][s->answers % 3]);
        return;
    }
    static const char *const operations[LAST_DIFFICULTY] = {"add", "add", "sub", "mul", "div"};
    unsigned step = (unsigned)difficulty, a = step * 2 + s->answers % 7, b = step + s->answers % 5;
    if (difficulty == 2)
        a *= 3;
    if (difficulty == 3)
        a += b; /* nothing below zero */
    if (difficulty == 5)
        a *= b; /* divides evenly */
    snprintf(out, size, "%s-%u-%u", operations[difficulty - 1], a, b);
}

/* Does the context (a text, or an object with a subject) ask for words rather than numbers? */
static bool wants_words(struct srv_agent_call *call)
{
    static const char *const signs[] = {"spell", "read", "word", "writ", "language", "vocab", "letter"};
    struct aivo_json context = aivo_json_get(&call->arg, "context");
    struct aivo_buf *text = &call->reply->scratch;
    aivo_buf_clear(text);
    struct aivo_json subject = {AIVO_JSON_NONE, NULL, 0};
    if (context.type == AIVO_JSON_OBJECT) {
        subject = aivo_json_get(&context, "subject");
        if (subject.type != AIVO_JSON_STRING)
            subject = aivo_json_get(&context, "topic");
    }
    if (!srv_agent_text_of(subject.type == AIVO_JSON_STRING ? &subject : &context, 256, text))
        return false;
    aivo_buf_char(text, '\0');
    if (text->failed)
        return false;
    normalize(text->data);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (strstr(text->data, signs[i]) != NULL)
            return true;
    }
    return false;
}

static const char *recommendation_reason(const struct srv_agent_session *s)
{
    if (s->answers == 0)
        return "A good place to begin.";
    if (s->correct * 5 >= s->answers * 4)
        return "Most of your answers were right: keep going.";
    if (s->correct * 2 >= s->answers)
        return "You are getting there: some more practice at this level.";
    return "Something easier first, to build on what you know.";
}

static void get_recommendation(struct srv_agent_call *call)
{
    struct srv_agent_session *s = call->session;
    struct aivo_buf *ack = &call->reply->ack;
    bool words = wants_words(call);
    const char *reason = recommendation_reason(s);
    char next[64];
    next_activity(s, words, next, sizeof next);
    srv_put(ack, "[{\"success\":true,\"recommendation\":{");
    srv_put_text(ack, "activityId", next, strlen(next));
    srv_put(ack, words ? ",\"subject\":\"spelling\"," : ",\"subject\":\"arithmetic\",");
    srv_put_i64(ack, "difficulty", s->difficulty > 0 ? s->difficulty : FIRST_DIFFICULTY);
    srv_put(ack, ",");
    srv_put_text(ack, "reason", reason, strlen(reason));
    srv_put(ack, "}}]");
}

void srv_agent_learning(struct srv_agent_call *call)
{
    struct aivo_json action = {AIVO_JSON_NONE, NULL, 0};
    if (call->arg.type == AIVO_JSON_OBJECT)
        action = aivo_json_get(&call->arg, "action");
    if (aivo_json_string_is(&action, "start_session"))
        start_session(call);
    else if (aivo_json_string_is(&action, "process_answer"))
        process_answer(call);
    else if (aivo_json_string_is(&action, "get_recommendation"))
        get_recommendation(call);
    else
        srv_agent_fail(call, SRV_ERROR_UNKNOWN_ACTION, "Unknown action");
}
