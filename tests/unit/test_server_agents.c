#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agents.h"
#include "engineio.h"
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1700000000123

static struct srv_agent_reply reply;
static struct srv_agent_session session;

static void fresh(void)
{
    session = (struct srv_agent_session){.socket_id = "sock-1", .learner_id = "kid \"7\"", .user_id = "user-1"};
}

/* Sends one event with this first argument (NULL: none) and gives back the ack's text. */
static const char *call_with(enum srv_event event, const char *arg, const struct aivo_bytes *attachments,
                             unsigned count)
{
    struct aivo_buf text;
    aivo_buf_init(&text);
    aivo_buf_str(&text, "[\"event\"");
    if (arg != NULL) {
        aivo_buf_char(&text, ',');
        aivo_buf_str(&text, arg);
    }
    aivo_buf_char(&text, ']');
    struct aivo_json data = aivo_json_parse(text.data, text.len, NULL);
    if (data.type != AIVO_JSON_ARRAY)
        fail_msg("bad test: %s", text.data);
    assert_true(srv_agent_handle(&session, event, &data, attachments, count, NOW - 3, NOW, &reply));
    aivo_buf_free(&text);
    /* Whatever was sent, the ack and every emit is a valid array of one object. */
    for (unsigned i = 0; i <= reply.emit_count; i++) {
        size_t len = reply.ack.len;
        const char *json = i == 0 ? reply.ack.data : srv_agent_emit_args(&reply, i - 1, &len);
        struct aivo_json array = aivo_json_parse(json, len, NULL);
        if (array.type != AIVO_JSON_ARRAY || aivo_json_count(&array) != 1)
            fail_msg("no array: %.*s", (int)len, json);
    }
    return reply.ack.data;
}

static const char *call(enum srv_event event, const char *arg)
{
    return call_with(event, arg, NULL, 0);
}

/* The member a.b of the ack's object as raw text; "" if absent. */
static const char *member_of(const char *json, size_t len, const char *a, const char *b)
{
    static char text[2048];
    struct aivo_json array = aivo_json_parse(json, len, NULL), value = aivo_json_at(&array, 0);
    value = aivo_json_get(&value, a);
    if (b != NULL && value.type == AIVO_JSON_OBJECT)
        value = aivo_json_get(&value, b);
    snprintf(text, sizeof text, "%.*s", (int)value.len, value.text == NULL ? "" : value.text);
    return text;
}
static const char *ack(const char *a, const char *b)
{
    return member_of(reply.ack.data, reply.ack.len, a, b);
}
static const char *emitted(unsigned i, const char *a)
{
    size_t len;
    const char *args = srv_agent_emit_args(&reply, i, &len);
    return member_of(args, len, a, NULL);
}

static double number(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    assert_true(end != text);
    return value;
}

/* ---- sessions ---- */

/* start_session answers to the letter of the contract, ids escaped; a second one starts anew without counting twice. */
static void test_start_session(void **state)
{
    (void)state;
    fresh();
    assert_string_equal(call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}"),
                        "[{\"success\":true,\"sessionId\":\"sock-1\",\"agentId\":\"learning-kid \\\"7\\\"\"}]");
    assert_true(reply.session_opened);
    assert_int_equal(reply.error, SRV_ERROR_NONE);
    assert_int_equal(reply.emit_count, 0);
    call(SRV_EVENT_LEARNING, "{\"action\":\"process_answer\",\"activityId\":\"add-1-1\",\"answer\":2}");
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    assert_false(reply.session_opened);
    assert_int_equal(session.answers, 0);
    session.learner_id = "";
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    assert_string_equal(ack("agentId", NULL), "\"learning-user-1\"");
    session.learner_id = session.user_id = NULL;
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    assert_string_equal(ack("agentId", NULL), "\"learning-\"");
}

/* Everything else is "Unknown action" and counted so. */
static void test_unknown_action(void **state)
{
    (void)state;
    static const char *const args[] = {NULL,
                                       "null",
                                       "5",
                                       "\"start_session\"",
                                       "[]",
                                       "{}",
                                       "{\"action\":7}",
                                       "{\"action\":\"START_SESSION\"}",
                                       "{\"action\":\"start_session\\u0000\"}"};
    fresh();
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        assert_string_equal(call(SRV_EVENT_LEARNING, args[i]), "[{\"error\":\"Unknown action\"}]");
        assert_int_equal(reply.error, SRV_ERROR_UNKNOWN_ACTION);
        assert_false(session.active);
    }
}

/* An answer needs a session; a session left alone for its time is idle, a ping does not keep it, an end needs a new
 * start. */
static void test_session_life(void **state)
{
    (void)state;
    const char *answer = "{\"action\":\"process_answer\",\"activityId\":\"add-3-4\",\"answer\":7}";
    fresh();
    assert_string_equal(call(SRV_EVENT_LEARNING, answer), "[{\"error\":\"No active session\"}]");
    assert_int_equal(reply.error, SRV_ERROR_NO_SESSION);
    assert_false(srv_agent_session_idle(&session, NOW + 99999999, 1000));
    assert_false(srv_agent_session_end(&session));
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    call(SRV_EVENT_LEARNING, answer);
    assert_int_equal(reply.error, SRV_ERROR_NONE);
    call(SRV_EVENT_QUALITY_PING, "{\"pingId\":1}");
    assert_false(srv_agent_session_idle(&session, NOW + 999, 1000));
    assert_true(srv_agent_session_idle(&session, NOW + 1000, 1000));
    assert_false(srv_agent_session_idle(&session, NOW + 1000, 0));
    assert_false(srv_agent_session_idle(&session, NOW - 5000, 1000));
    assert_true(srv_agent_session_end(&session));
    assert_false(srv_agent_session_end(&session));
    call(SRV_EVENT_LEARNING, answer);
    assert_int_equal(reply.error, SRV_ERROR_NO_SESSION);
}

/* ---- answers ---- */

/* Right, wrong and close answers in the forms people type them. */
static void test_judgement(void **state)
{
    (void)state;
    static const struct {
        const char *activity, *answer, *correct;
        double low, high;
    } cases[] = {
        {"add-3-4", "7", "true", 1, 1},
        {"add-3-4", "\" 7 \"", "true", 1, 1},
        {"add-3-4", "\"7.0\"", "true", 1, 1},
        {"add-3-4", "8", "false", 0.3, 0.5},
        {"add-3-4", "\"seven\"", "false", 0, 0},
        {"add-3-4", "\"\"", "false", 0, 0},
        {"add-3-4", "\"nan\"", "false", 0, 0},
        {"add-3-4", "1e400", "false", 0, 0},
        {"sub-4-9", "-5", "true", 1, 1},
        {"mul-12-12", "144", "true", 1, 1},
        {"div-12-4", "3", "true", 1, 1},
        {"spell-elephant", "\" ELEPHANT\"", "true", 1, 1},
        {"spell-elephant", "\"elefant\"", "false", 0.7, 0.8},
        {"spell-elephant", "\"x\"", "false", 0, 0},
        {"essay-about-rain", "\"It rained.\"", "null", -1, -1},
        {"div-1-0", "0", "null", -1, -1},
        {"div-7-2", "3", "null", -1, -1},
        {"add-3", "3", "null", -1, -1},
        {"add-99999-1", "3", "null", -1, -1},
        {"spell-", "true", "null", -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char arg[256];
        fresh();
        call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
        snprintf(arg, sizeof arg, "{\"action\":\"process_answer\",\"activityId\":\"%s\",\"answer\":%s}",
                 cases[i].activity, cases[i].answer);
        call(SRV_EVENT_LEARNING, arg);
        assert_string_equal(ack("success", NULL), "true");
        if (strcmp(ack("result", "correct"), cases[i].correct) != 0)
            fail_msg("%s %s: %s", cases[i].activity, cases[i].answer, reply.ack.data);
        if (cases[i].low < 0) {
            assert_string_equal(ack("result", "score"), "null");
            continue;
        }
        double score = number(ack("result", "score"));
        if (score < cases[i].low || score > cases[i].high)
            fail_msg("%s %s: %s", cases[i].activity, cases[i].answer, reply.ack.data);
    }
}

static void answer(const char *text)
{
    char arg[128];
    snprintf(arg, sizeof arg, "{\"action\":\"process_answer\",\"activityId\":\"add-3-4\",\"answer\":%s}", text);
    call(SRV_EVENT_LEARNING, arg);
}

/* Three right answers make it harder and two wrong ones easier, each time with content:adapted, within 1..5. */
static void test_adaptation(void **state)
{
    (void)state;
    fresh();
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    answer("7");
    answer("7");
    assert_int_equal(reply.emit_count, 0);
    answer("7");
    assert_int_equal(reply.emit_count, 1);
    assert_int_equal(reply.emits[0].event, SRV_EVENT_CONTENT_ADAPTED);
    assert_string_equal(emitted(0, "difficulty"), "3");
    assert_string_equal(emitted(0, "previousDifficulty"), "2");
    assert_string_equal(emitted(0, "reason"), "\"streak_correct\"");
    assert_string_equal(emitted(0, "timestamp"), "1700000000123");
    answer("7");
    answer("1");
    answer("7");
    assert_int_equal(session.difficulty, 3);
    answer("1");
    assert_string_equal(ack("result", "expected"), "");
    answer("1");
    assert_string_equal(emitted(0, "reason"), "\"streak_incorrect\"");
    assert_string_equal(ack("result", "expected"), "\"7\"");
    assert_int_equal(session.difficulty, 2);
    int emits = 0;
    for (int i = 0; i < 100; i++) {
        answer("7");
        emits += (int)reply.emit_count;
        assert_in_range(session.difficulty, 1, 5);
    }
    assert_int_equal(emits, 3);
    for (int i = 0; i < 100; i++) {
        answer("1");
        assert_in_range(session.difficulty, 1, 5);
    }
    assert_int_equal(session.difficulty, 1);
    assert_string_equal(ack("result", "answered"), "208");
    assert_string_equal(ack("result", "correctAnswers"), "105");
}

/* Arguments that are missing or of the wrong kind are named, and count as the agent's error. */
static void test_bad_answers(void **state)
{
    (void)state;
    char long_id[400], long_answer[700];
    snprintf(long_id, sizeof long_id, "{\"action\":\"process_answer\",\"activityId\":\"%0*d\",\"answer\":1}", 128, 1);
    snprintf(long_answer, sizeof long_answer,
             "{\"action\":\"process_answer\",\"activityId\":\"a\",\"answer\":\"%0*d\"}", 256, 1);
    const char *const args[] = {"{\"action\":\"process_answer\"}",
                                "{\"action\":\"process_answer\",\"activityId\":\"\",\"answer\":1}",
                                "{\"action\":\"process_answer\",\"activityId\":5,\"answer\":1}",
                                "{\"action\":\"process_answer\",\"activityId\":\"a\"}",
                                "{\"action\":\"process_answer\",\"activityId\":\"a\",\"answer\":null}",
                                "{\"action\":\"process_answer\",\"activityId\":\"a\",\"answer\":{\"x\":1}}",
                                long_id,
                                long_answer};
    fresh();
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        call(SRV_EVENT_LEARNING, args[i]);
        assert_int_equal(reply.error, SRV_ERROR_AGENT_ERROR);
        assert_non_null(strstr(ack("error", NULL), " must be "));
    }
    assert_int_equal(session.answers, 0);
}

/* A recommendation can be had at once, follows the context's subject, and can be answered. */
static void test_recommendation(void **state)
{
    (void)state;
    fresh();
    call(SRV_EVENT_LEARNING, "{\"action\":\"get_recommendation\",\"context\":{\"subject\":\"math\"}}");
    assert_string_equal(ack("success", NULL), "true");
    assert_string_equal(ack("recommendation", "subject"), "\"arithmetic\"");
    assert_string_equal(ack("recommendation", "difficulty"), "2");
    call(SRV_EVENT_LEARNING, "{\"action\":\"get_recommendation\",\"context\":\"Spelling and reading\"}");
    assert_string_equal(ack("recommendation", "subject"), "\"spelling\"");
    assert_int_equal(strncmp(ack("recommendation", "activityId"), "\"spell-", 7), 0);
    call(SRV_EVENT_LEARNING, "{\"action\":\"get_recommendation\"}");
    assert_string_equal(ack("success", NULL), "true");
    /* whatever is recommended at any difficulty is an exercise that is judged */
    call(SRV_EVENT_LEARNING, "{\"action\":\"start_session\"}");
    for (int difficulty = 1; difficulty <= 5; difficulty++) {
        for (unsigned answers = 0; answers < 40; answers++) {
            char arg[256], id[64];
            session.difficulty = (int8_t)difficulty;
            session.answers = answers;
            call(SRV_EVENT_LEARNING, answers % 2 == 0 ? "{\"action\":\"get_recommendation\",\"context\":\"words\"}"
                                                      : "{\"action\":\"get_recommendation\"}");
            snprintf(id, sizeof id, "%s", ack("recommendation", "activityId"));
            snprintf(arg, sizeof arg, "{\"action\":\"process_answer\",\"activityId\":%s,\"answer\":\"?\"}", id);
            call(SRV_EVENT_LEARNING, arg);
            assert_string_equal(ack("result", "correct"), "false");
        }
    }
}

/* ---- quality_ping ---- */

/* The pong is emitted and acknowledged with the same: the client's id as it was, and the two times. */
static void test_quality_ping(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *id;
    } cases[] = {
        {"{\"pingId\":17}", "17"},
        {"{\"pingId\":\"a\\u0041\\\"\"}", "\"a\\u0041\\\"\""},
        {"{\"pingId\":-1.5e3}", "-1.5e3"},
        {"{\"pingId\":{\"a\":1}}", "null"},
        {"{\"pingId\":null}", "null"},
        {"{}", "null"},
        {"5", "null"},
        {NULL, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[128];
        size_t len;
        fresh();
        call(SRV_EVENT_QUALITY_PING, cases[i].arg);
        snprintf(want, sizeof want, "[{\"pingId\":%s,\"receivedAt\":1700000000120,\"sentAt\":1700000000123}]",
                 cases[i].id);
        assert_string_equal(reply.ack.data, want);
        assert_int_equal(reply.emit_count, 1);
        assert_int_equal(reply.emits[0].event, SRV_EVENT_QUALITY_PONG);
        const char *args = srv_agent_emit_args(&reply, 0, &len);
        assert_int_equal(len, strlen(want));
        assert_memory_equal(args, want, len);
    }
    char big[300];
    snprintf(big, sizeof big, "{\"pingId\":\"%0*d\"}", 127, 1);
    call(SRV_EVENT_QUALITY_PING, big);
    assert_string_equal(ack("pingId", NULL), "null");
}

/* After the first ones, start_session and quality_ping take no memory. */
static void test_hot_path_allocates_nothing(void **state)
{
    (void)state;
    static const char start[] = "[\"agent:learning\",{\"action\":\"start_session\"}]",
                      ping[] = "[\"quality_ping\",{\"pingId\":1}]";
    struct aivo_json start_data = aivo_json_parse(start, sizeof start - 1, NULL);
    struct aivo_json ping_data = aivo_json_parse(ping, sizeof ping - 1, NULL);
    fresh();
    srv_agent_handle(&session, SRV_EVENT_LEARNING, &start_data, NULL, 0, NOW, NOW, &reply);
    srv_agent_handle(&session, SRV_EVENT_QUALITY_PING, &ping_data, NULL, 0, NOW, NOW, &reply);
    struct mallinfo2 before = mallinfo2();
    const char *ack_at = reply.ack.data, *args_at = reply.args.data;
    for (int i = 0; i < 1000; i++) {
        srv_agent_handle(&session, SRV_EVENT_LEARNING, &start_data, NULL, 0, NOW, NOW, &reply);
        srv_agent_handle(&session, SRV_EVENT_QUALITY_PING, &ping_data, NULL, 0, NOW, NOW, &reply);
    }
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(before.uordblks, after.uordblks);
    assert_ptr_equal(reply.ack.data, ack_at);
    assert_ptr_equal(reply.args.data, args_at);
}

/* ---- the tutor ---- */

/* The answer takes up the learner's words and the question at hand, and goes out as tutor:message too. */
static void test_tutor(void **state)
{
    (void)state;
    static const struct {
        const char *input, *intent;
    } cases[] = {
        {"Hello there", "\"greeting\""},         {"I am so TIRED.", "\"tired\""},
        {"This is hard", "\"stuck\""},           {"I don't know it", "\"stuck\""},
        {"Why is the sky blue", "\"question\""}, {"is it 7?", "\"question\""},
        {"I think it is 7", "\"statement\""},    {"The hardware is in the shire", "\"statement\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char arg[256];
        fresh();
        snprintf(arg, sizeof arg,
                 "{\"input\":\"%s\",\"currentActivity\":\"fractions\",\"currentQuestion\":{\"text\":\"1/2 + "
                 "1/4\"}}",
                 cases[i].input);
        call(SRV_EVENT_TUTOR, arg);
        assert_string_equal(ack("success", NULL), "true");
        if (strcmp(ack("result", "intent"), cases[i].intent) != 0)
            fail_msg("%s: %s", cases[i].input, reply.ack.data);
        assert_non_null(strstr(ack("result", "message"), cases[i].input));
        assert_int_equal(reply.emits[0].event, SRV_EVENT_TUTOR_MESSAGE);
        assert_non_null(strstr(emitted(0, "message"), cases[i].input));
        bool tired = strcmp(cases[i].intent, "\"tired\"") == 0;
        assert_int_equal(reply.emit_count, tired ? 2 : 1);
        assert_int_equal(strstr(ack("result", "message"), "1/2 + 1/4") == NULL, tired);
    }
    fresh();
    call(SRV_EVENT_TUTOR, "{\"input\":\"so\",\"currentActivity\":\"fractions\"}");
    assert_non_null(strstr(ack("result", "message"), "fractions"));
}

/* A break is suggested after every ten turns, and at once to who asks. */
static void test_breaks(void **state)
{
    (void)state;
    fresh();
    for (int i = 1; i <= 25; i++) {
        call(SRV_EVENT_TUTOR, "{\"input\":\"well\"}");
        assert_int_equal(reply.emit_count, i % 10 == 0 ? 2 : 1);
    }
    call(SRV_EVENT_TUTOR, "{\"input\":\"a break please\"}");
    assert_int_equal(reply.emits[1].event, SRV_EVENT_BREAK_SUGGESTED);
    assert_string_equal(emitted(1, "reason"), "\"asked\"");
    assert_string_equal(emitted(1, "afterTurns"), "6");
    assert_int_equal(session.tutor_turns, 0);
}

/* Without input there is nothing to answer; a very long one is quoted in part, at a character's boundary. */
static void test_tutor_input(void **state)
{
    (void)state;
    static const char *const args[] = {
        NULL, "{}", "{\"input\":\"\"}", "{\"input\":5}", "\"hello\"", "{\"input\":null}"};
    fresh();
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        call(SRV_EVENT_TUTOR, args[i]);
        assert_int_equal(reply.error, SRV_ERROR_AGENT_ERROR);
        assert_int_equal(reply.emit_count, 0);
    }
    for (int shift = 0; shift < 3; shift++) {
        char arg[4000] = "{\"input\":\"";
        for (int i = 0; i < shift; i++)
            strcat(arg, "x");
        for (int i = 0; i < 1000; i++)
            strcat(arg, "\xe2\x82\xac");
        strcat(arg, "\"}");
        call(SRV_EVENT_TUTOR, arg);
        assert_int_equal(reply.error, SRV_ERROR_NONE);
        assert_true(reply.ack.len < 600);
        assert_null(strstr(reply.ack.data, "\xef\xbf\xbd"));
    }
}

/* ---- speech ---- */

static unsigned char pcm[16000 * 4 * 2 + 44];

/* Beats of 200 ms with 150 ms of quiet between, each a 220 Hz tone at this amplitude (0..1), 16 kHz. */
static size_t record(unsigned char *out, int beats, double amplitude)
{
    size_t n = 0;
    for (int b = 0; b < beats; b++) {
        for (int i = 0; i < 16000 * 350 / 1000; i++) {
            double s = i < 3200 ? amplitude * sin(2 * 3.14159265358979 * 220 * i / 16000.0) : 0;
            int v = (int)(s * 32767);
            out[n++] = (unsigned char)(v & 0xff);
            out[n++] = (unsigned char)((v >> 8) & 0xff);
        }
    }
    return n;
}

static void speak(const unsigned char *audio, size_t len, const char *rest)
{
    char arg[512];
    struct aivo_bytes attachment = {audio, len};
    snprintf(arg, sizeof arg, "{\"audioBuffer\":{\"_placeholder\":true,\"num\":0}%s%s}", rest[0] != '\0' ? "," : "",
             rest);
    call_with(SRV_EVENT_SPEECH, arg, &attachment, 1);
}

/* A recording of four beats against a text of four syllables scores high; what is measured is right. */
static void test_speech(void **state)
{
    (void)state;
    fresh();
    size_t len = record(pcm, 4, 0.5);
    speak(pcm, len, "\"targetText\":\"Happy rabbit\",\"taskType\":\"read\",\"childAge\":7,\"sampleRate\":16000");
    assert_int_equal(reply.error, SRV_ERROR_NONE);
    assert_string_equal(ack("result", "durationMs"), "1400.00");
    assert_string_equal(ack("result", "sampleRate"), "16000");
    assert_string_equal(ack("result", "targetText"), "\"Happy rabbit\"");
    assert_string_equal(ack("result", "taskType"), "\"read\"");
    assert_non_null(strstr(reply.ack.data, "\"beats\":4}"));
    assert_non_null(strstr(reply.ack.data, "\"levelDb\":-11.4"));
    assert_non_null(strstr(reply.ack.data, "\"voicedRatio\":0.6"));
    assert_true(number(ack("result", "score")) > 90);
}

/* The score falls with what is wrong: quiet, clipped, silent, too short, half of the text missing. */
static void test_speech_scores(void **state)
{
    (void)state;
    fresh();
    const char *text = "\"targetText\":\"Happy rabbit\"";
    speak(pcm, record(pcm, 4, 0.5), text);
    double good = number(ack("result", "score"));
    speak(pcm, record(pcm, 4, 0.01), text);
    double quiet = number(ack("result", "score"));
    assert_non_null(strstr(reply.ack.data, "Very quiet"));
    size_t len = record(pcm, 4, 1);
    for (size_t i = 0; i < len; i += 2)
        if (pcm[i + 1] & 0x40)
            pcm[i] = 0xff, pcm[i + 1] = pcm[i + 1] & 0x80 ? pcm[i + 1] : 0x7f;
    speak(pcm, len, text);
    double clipped = number(ack("result", "score"));
    assert_non_null(strstr(reply.ack.data, "too loud"));
    speak(pcm, record(pcm, 1, 0.5), text);
    double missing = number(ack("result", "score"));
    assert_true(good > quiet && good > clipped && good > missing);
    memset(pcm, 0, 32000);
    speak(pcm, 32000, text);
    assert_string_equal(ack("result", "score"), "0.00");
    assert_non_null(strstr(reply.ack.data, "Nothing can be heard"));
    speak(pcm, 0, text);
    assert_string_equal(ack("result", "score"), "0.00");
    assert_non_null(strstr(reply.ack.data, "too short"));
}

/* The same recording as an attachment, as base64, as a data: URL and as a WAV file gets the same judgement. */
static void test_speech_forms(void **state)
{
    (void)state;
    unsigned char raw[16000];
    unsigned char wav[sizeof raw + 44] = "RIFF____WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data";
    size_t len = record(raw, 1, 0.5);
    fresh();
    speak(raw, len, "");
    char *want = strdup(reply.ack.data);
    wav[40] = (unsigned char)(len & 0xff);
    wav[41] = (unsigned char)(len >> 8);
    memcpy(wav + 44, raw, len);
    speak(wav, len + 44, "");
    assert_string_equal(reply.ack.data, want);
    static const char *const prefixes[] = {"", "data:audio/pcm;base64,", "data:audio\\/pcm;base64,"};
    for (int i = 0; i < 3; i++) {
        struct aivo_buf arg;
        aivo_buf_init(&arg);
        aivo_buf_str(&arg, "{\"audioBuffer\":\"");
        aivo_buf_str(&arg, prefixes[i]);
        aivo_base64_encode(&arg, raw, len);
        aivo_buf_str(&arg, "\"}");
        call(SRV_EVENT_SPEECH, arg.data);
        assert_string_equal(reply.ack.data, want);
        aivo_buf_free(&arg);
    }
    free(want);
}

/* What is no audio is named. A WAV file that lies about its sizes is read within its bytes. */
static void test_bad_speech(void **state)
{
    (void)state;
    static const char *const args[] = {NULL,
                                       "{}",
                                       "5",
                                       "{\"audioBuffer\":\"***\"}",
                                       "{\"audioBuffer\":\"data:nothing\"}",
                                       "{\"audioBuffer\":[1,2,3]}",
                                       "{\"audioBuffer\":{\"num\":0}}",
                                       "{\"audioBuffer\":{\"_placeholder\":true,\"num\":1}}",
                                       "{\"audioBuffer\":{\"_placeholder\":true,\"num\":-1}}",
                                       "{\"audioBuffer\":\"AAAA\",\"sampleRate\":0}",
                                       "{\"audioBuffer\":\"AAAA\",\"sampleRate\":\"x\"}",
                                       "{\"audioBuffer\":\"AAAA\",\"sampleRate\":1e99}"};
    fresh();
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        call(SRV_EVENT_SPEECH, args[i]);
        if (reply.error != SRV_ERROR_AGENT_ERROR)
            fail_msg("%s: %s", args[i], reply.ack.data);
    }
    assert_int_equal(session.speech_tasks, 0);
    unsigned seed = 1;
    for (int i = 0; i < 20000; i++) {
        unsigned char wav[80] = "RIFF____WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\x08\0\0\0";
        for (int k = 0; k < 4; k++) {
            seed = seed * 1103515245 + 12345;
            wav[12 + seed / 65536 % 68] = (unsigned char)(seed >> 20);
        }
        size_t len = 12 + seed / 131072 % 69;
        unsigned char *exact = malloc(len); /* so that a byte too far is seen by the sanitizer */
        assert_non_null(exact);
        memcpy(exact, wav, len);
        speak(exact, len, "");
        free(exact);
    }
}

/* ---- what the engine asks for ---- */

/* Events without an agent get no reply; the refusal and the first quality are as the contract has them. */
static void test_others(void **state)
{
    (void)state;
    static const char text[] = "[\"x\",1]";
    struct aivo_json data = aivo_json_parse(text, sizeof text - 1, NULL);
    fresh();
    assert_false(srv_agent_handle(&session, SRV_EVENT_OTHER, &data, NULL, 0, NOW, NOW, &reply));
    assert_false(srv_agent_handle(&session, SRV_EVENT_TUTOR_MESSAGE, &data, NULL, 0, NOW, NOW, &reply));
    assert_int_equal(reply.ack.len, 0);
    aivo_buf_clear(&reply.ack);
    srv_agent_refusal(&reply.ack, 59123);
    assert_string_equal(reply.ack.data, "[{\"error\":\"Rate limit exceeded. Please slow down.\",\"rateLimited\":true,"
                                        "\"retryAfterMs\":59123}]");
    aivo_buf_clear(&reply.ack);
    srv_agent_connection_quality(&reply.ack, -1, NOW);
    assert_string_equal(reply.ack.data, "[{\"latency\":null,\"quality\":\"unknown\",\"timestamp\":1700000000123}]");
    aivo_buf_clear(&reply.ack);
    srv_agent_connection_quality(&reply.ack, 99.994, NOW);
    assert_string_equal(reply.ack.data, "[{\"latency\":99.99,\"quality\":\"excellent\",\"timestamp\":1700000000123}]");
    aivo_buf_clear(&reply.ack);
    srv_agent_connection_quality(&reply.ack, 250, NOW);
    assert_non_null(strstr(reply.ack.data, "\"latency\":250.00,\"quality\":\"fair\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_session),
        cmocka_unit_test(test_unknown_action),
        cmocka_unit_test(test_session_life),
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_adaptation),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_recommendation),
        cmocka_unit_test(test_quality_ping),
        cmocka_unit_test(test_hot_path_allocates_nothing),
        cmocka_unit_test(test_tutor),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_tutor_input),
        cmocka_unit_test(test_speech),
        cmocka_unit_test(test_speech_scores),
        cmocka_unit_test(test_speech_forms),
        cmocka_unit_test(test_bad_speech),
        cmocka_unit_test(test_others),
    };
    srv_agent_reply_init(&reply);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    srv_agent_reply_free(&reply);
    return failures;
}
