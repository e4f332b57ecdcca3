/* Every phase of the session meets every event; and long random walks, in which the rig checks what must always hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define RIG_CHECK assert_true
#include "offset_maker.h"
#include "prng.h"
#include "session_rig.h"

#define HANDSHAKE "0{\"sid\":\"e1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}"
#define REPLY     "40{\"sid\":\"s1\",\"pid\":\"p1\"}"
#define REFUSAL   "44{\"message\":\"no\"}"

static char trace[1 << 16];

/* ---- the table of legal moves ---- */

/* The moves that client.h promises, and no other, for numbers that are no state too. */
static void test_moves(void **state)
{
    (void)state;
    static const char *const legal[] = {"C", "URLF", "RLF", "ULF", "D", "CL"};
    static const char letters[] = "DCURLF";
    for (int from = -1; from < 8; from++) {
        for (int to = -1; to < 8; to++) {
            bool expected = from >= 0 && from < 6 && to >= 0 && to < 6 && strchr(legal[from], letters[to]);
            assert_int_equal(aivo_state_move_legal((enum aivo_state)from, (enum aivo_state)to), expected);
        }
    }
}

/* ---- every phase with every event ---- */

enum { DISCONNECTED, AUTH, OPENING, HANDSHAKING, CONNECTING, UP, WAITING, CLOSING, FAILED, PHASES };
static const char *const phase_names[] = {"disconnected", "auth",    "opening", "handshake", "connect",
                                          "up",           "waiting", "closing", "failed"};

static void go(struct rig *r, int phase)
{
    if (phase == DISCONNECTED)
        return;
    rig_start(r);
    if (phase == FAILED)
        rig_auth(r, NULL);
    if (phase == AUTH || phase == FAILED)
        return;
    rig_auth(r, "{}");
    if (phase == WAITING)
        rig_closed(r, AIVO_E_CONNECT);
    if (phase == OPENING || phase == WAITING)
        return;
    rig_opened(r);
    if (phase == HANDSHAKING)
        return;
    rig_text(r, HANDSHAKE);
    if (phase == CONNECTING)
        return;
    rig_text(r, REPLY);
    if (phase == CLOSING)
        rig_stop(r);
}

enum {
    START,
    STOP,
    RETRY,
    AUTH_GIVEN,
    AUTH_NONE,
    OPENED,
    MSG_HANDSHAKE,
    MSG_REPLY,
    MSG_REFUSAL,
    MSG_EVENT,
    MSG_ACK,
    MSG_PING,
    MSG_NOOP,
    MSG_DISCONNECT,
    MSG_CLOSE,
    MSG_GARBAGE,
    MSG_BINARY,
    HEARD,
    CLOSED,
    DEAD,
    TICK_EARLY,
    TICK_DUE,
    EVENTS
};

static void happen(struct rig *r, int event)
{
    static const char *const texts[EVENTS] = {
        [MSG_HANDSHAKE] = HANDSHAKE, [MSG_REPLY] = REPLY, [MSG_REFUSAL] = REFUSAL, [MSG_EVENT] = "42[\"e\"]",
        [MSG_ACK] = "430[]",         [MSG_PING] = "2",    [MSG_NOOP] = "6",        [MSG_DISCONNECT] = "41",
        [MSG_CLOSE] = "1",           [MSG_GARBAGE] = "x",
    };
    switch (event) {
    case START:
        rig_start(r);
        break;
    case STOP:
        rig_stop(r);
        break;
    case RETRY:
        rig_retry(r);
        break;
    case AUTH_GIVEN:
        rig_auth(r, "{}");
        break;
    case AUTH_NONE:
        rig_auth(r, NULL);
        break;
    case OPENED:
        rig_opened(r);
        break;
    case MSG_BINARY:
        rig_frame(r, "x", 1, true);
        break;
    case HEARD:
        rig_heard(r);
        break;
    case CLOSED:
        rig_closed(r, AIVO_E_CLOSED);
        break;
    case DEAD:
        rig_dead(r, AIVO_E_HEARTBEAT);
        break;
    case TICK_DUE:
        if (aivo_session_deadline(r->s) != AIVO_NEVER)
            rig_due(r);
        else /* nothing is due, ever */
            rig_tick(r);
        break;
    case TICK_EARLY:
        rig_tick(r);
        break;
    default:
        rig_text(r, texts[event]);
        break;
    }
}

#define BROKEN(from) "note:protocol abort " from ">R:protocol"

/* What the client is told in each case. NULL: nothing. */
static const char *const expected[PHASES][EVENTS] = {
    [DISCONNECTED] =
        {
            [START] = "D>C ask:0",
        },
    [AUTH] =
        {
            [STOP] = "C>L L>D",
            [AUTH_GIVEN] = "open",
            [AUTH_NONE] = "C>F:auth",
            [TICK_DUE] = "C>R:timeout",
        },
    [OPENING] =
        {
            [STOP] = "C>L abort L>D",
            [CLOSED] = "C>R:closed",
            [DEAD] = "abort C>R:heartbeat",
            [TICK_DUE] = "abort C>R:timeout",
        },
    [HANDSHAKING] =
        {
            [STOP] = "C>L close",
            [MSG_HANDSHAKE] = "send:40{}",
            [MSG_REPLY] = BROKEN("C"),
            [MSG_REFUSAL] = BROKEN("C"),
            [MSG_EVENT] = BROKEN("C"),
            [MSG_ACK] = BROKEN("C"),
            [MSG_PING] = BROKEN("C"),
            [MSG_DISCONNECT] = BROKEN("C"),
            [MSG_CLOSE] = "abort C>R:closed",
            [MSG_GARBAGE] = BROKEN("C"),
            [MSG_BINARY] = BROKEN("C"),
            [CLOSED] = "C>R:closed",
            [DEAD] = "abort C>R:heartbeat",
            [TICK_DUE] = "abort C>R:timeout",
        },
    [CONNECTING] =
        {
            [STOP] = "C>L close",
            [MSG_HANDSHAKE] = BROKEN("C"),
            [MSG_REPLY] = "C>U",
            [MSG_REFUSAL] = "abort note:auth ask:2",
            [MSG_ACK] = "note:protocol",
            [MSG_PING] = "send:3",
            [MSG_DISCONNECT] = "abort C>R:closed",
            [MSG_CLOSE] = "abort C>R:closed",
            [MSG_GARBAGE] = BROKEN("C"),
            [MSG_BINARY] = BROKEN("C"),
            [CLOSED] = "C>R:closed",
            [DEAD] = "abort C>R:heartbeat",
            [TICK_DUE] = "abort C>R:timeout",
        },
    [UP] =
        {
            [STOP] = "U>L send:41 close",
            [MSG_HANDSHAKE] = BROKEN("U"),
            [MSG_REPLY] = BROKEN("U"),
            [MSG_REFUSAL] = BROKEN("U"),
            [MSG_EVENT] = "ev:[\"e\"]",
            [MSG_ACK] = "ack:0:[]",
            [MSG_PING] = "send:3",
            [MSG_DISCONNECT] = "abort U>R:closed",
            [MSG_CLOSE] = "abort U>R:closed",
            [MSG_GARBAGE] = BROKEN("U"),
            [MSG_BINARY] = BROKEN("U"),
            [CLOSED] = "U>R:closed",
            [DEAD] = "abort U>R:heartbeat",
        },
    [WAITING] =
        {
            [STOP] = "R>L L>D",
            [RETRY] = "ask:1",
            [TICK_DUE] = "ask:1",
        },
    [CLOSING] =
        {
            [CLOSED] = "L>D",
            [DEAD] = "abort L>D",
            [TICK_DUE] = "abort L>D",
        },
    [FAILED] =
        {
            [START] = "F>C ask:0",
            [STOP] = "F>L L>D",
        },
};

static void test_table(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASES; phase++) {
        for (int event = 0; event < EVENTS; event++) {
            struct rig r;
            rig_init(&r, trace, sizeof(trace));
            r.config.ask_auth = true;
            rig_create(&r);
            go(&r, phase);
            rig_forget(&r);
            happen(&r, event);
            const char *words = expected[phase][event] ? expected[phase][event] : "";
            if (strcmp(trace, words) != 0)
                fail_msg("phase %s, event %d: expected \"%s\", got \"%s\"", phase_names[phase], event, words, trace);
            rig_free(&r);
        }
    }
}

/* ---- random walks ---- */

/* A frame that some server might send, or none would. */
static void random_frame(struct rig *r, struct prng *random)
{
    static const char *const frames[] = {
        HANDSHAKE,
        HANDSHAKE,
        HANDSHAKE,
        HANDSHAKE,
        REPLY,
        REPLY,
        REPLY,
        "40{\"sid\":\"s2\",\"pid\":\"p2\"}",
        "40{\"sid\":\"s3\"}",
        "42[\"e\",\"welcome\"]",
        "427[\"a\"]",
        "430[1]",
        "2",
        "2",
        "6",
        "3",
        "1",
        "41",
        REFUSAL,
        "44{\"message\":\"Invalid namespace\"}",
        "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
        "451-[\"b\",{\"_placeholder\":true,\"num\":0}]",
        "42/other,[\"e\"]",
        "40{}",
        "0{}",
        "",
    };
    char bytes[64], text[96];
    size_t which = prng_below(random, sizeof(frames) / sizeof(frames[0]) + 8);
    if (which < sizeof(frames) / sizeof(frames[0])) {
        rig_text(r, frames[which]);
    } else if (which % 4 == 0) { /* any bytes */
        size_t len = prng_below(random, sizeof(bytes));
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)prng_next(random);
        rig_frame(r, bytes, len, prng_below(random, 2));
    } else if (which % 4 == 1) { /* a good frame with one byte wrong */
        const char *frame = frames[prng_below(random, sizeof(frames) / sizeof(frames[0]) - 1)];
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", frame);
        text[prng_below(random, len)] ^= (char)(1 << prng_below(random, 8));
        rig_frame(r, text, len, false);
    } else if (which % 4 == 2) {
        rig_frame(r, "attachment", 10, true);
    } else {
        make_yeast(bytes, r->at.unix_ms, -1);
        snprintf(text, sizeof(text), "42[\"e\",\"%s\"]", bytes);
        rig_text(r, text);
    }
}

/* What a working server would do next, so that the walk also reaches the far states. */
static void cooperate(struct rig *r, struct prng *random)
{
    if (!r->open) {
        if (r->config.ask_auth)
            rig_auth(r, "{\"token\":1}");
    } else if (r->closing) {
        rig_closed(r, AIVO_E_CLOSED);
    } else if (r->state == AIVO_STATE_CONNECTED) {
        random_frame(r, random);
    } else {
        rig_opened(r);
        rig_text(r, HANDSHAKE);
        if (prng_below(random, 4) == 0)
            random_frame(r, random);
        if (r->open)
            rig_text(r, REPLY);
    }
}

static void random_step(struct rig *r, struct prng *random)
{
    r->at.random = prng_next(random);
    rig_pass(r, (int64_t)prng_below(random, 3) * (int64_t)prng_below(random, 2000000));
    switch (prng_below(random, 24)) {
    case 0:
        rig_start(r);
        break;
    case 1:
        if (prng_below(random, 4) == 0)
            rig_stop(r);
        break;
    case 2:
        rig_retry(r);
        break;
    case 3:
        rig_auth(r, prng_below(random, 8) ? "{\"token\":1}" : NULL);
        break;
    case 4:
        rig_opened(r);
        break;
    case 5:
        rig_heard(r);
        break;
    case 6:
        rig_closed(r, prng_below(random, 2) ? AIVO_E_CLOSED : AIVO_OK);
        break;
    case 7:
        rig_dead(r, AIVO_E_HEARTBEAT);
        break;
    case 8:
        rig_tick(r);
        break;
    case 9:
    case 10:
        if (aivo_session_deadline(r->s) != AIVO_NEVER)
            rig_due(r);
        break;
    case 11:
    case 12:
    case 13:
    case 14:
        random_frame(r, random);
        break;
    default:
        cooperate(r, random);
        break;
    }
}

/* However it stands: stop, and within the time of a closing handshake it is disconnected, for good. */
static void end_walk(struct rig *r)
{
    rig_stop(r);
    if (r->state != AIVO_STATE_DISCONNECTED) {
        assert_int_equal(r->state, AIVO_STATE_CLOSING);
        assert_true(aivo_session_deadline(r->s) <= r->at.now_us + 2000000);
        rig_due(r);
    }
    assert_int_equal(r->state, AIVO_STATE_DISCONNECTED);
    rig_tick(r);
    rig_auth(r, "{}");
    rig_closed(r, AIVO_E_CLOSED);
    assert_int_equal(r->state, AIVO_STATE_DISCONNECTED);
}

static uint64_t walk(uint64_t seed, int steps, const struct aivo_session_config *config)
{
    struct rig r;
    struct prng random = {seed};
    unsigned seen = 0;
    rig_init(&r, NULL, 0);
    r.config.ask_auth = config->ask_auth;
    r.config.auth = config->auth;
    r.config.protocol = config->protocol;
    r.config.silence_ms = config->silence_ms;
    r.config.recovery = config->recovery;
    r.config.reconnect.max_attempts = config->reconnect.max_attempts;
    rig_create(&r);
    for (int i = 0; i < steps; i++) {
        random_step(&r, &random);
        seen |= 1u << r.state;
        assert_true(r.most_actions <= 600); /* events held between an OPEN and its answer, at the very most */
    }
    assert_int_equal(seen | 1u << AIVO_STATE_FAILED | 1u << AIVO_STATE_CLOSING, 63); /* the walk went about */
    uint64_t connects = aivo_session_connects(r.s);
    end_walk(&r);
    rig_free(&r);
    return connects;
}

/* 100,000 random steps for each kind of session. */
static void test_random(void **state)
{
    (void)state;
    const struct aivo_session_config kinds[] = {
        {.ask_auth = true, .recovery = true},
        {.auth = "{\"token\":1}", .recovery = true},
        {.reconnect.max_attempts = 3},
        {.protocol = AIVO_PROTOCOL_WEBSOCKET, .silence_ms = 60000},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        assert_true(walk(1000 + i, 100000, &kinds[i]) > 1000);
}

/* Many short walks: each begins at the beginning. */
static void test_random_short(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        struct rig r;
        struct prng random = {i};
        rig_init(&r, NULL, 0);
        r.config.ask_auth = i % 2;
        r.config.recovery = true;
        r.config.reconnect.enabled = i % 3;
        rig_create(&r);
        for (int k = 0; k < 40; k++)
            random_step(&r, &random);
        end_walk(&r);
        rig_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
