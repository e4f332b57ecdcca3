/* Conversations with the session in simulated time: the fixture of test_session*.c. */
#ifndef AIVO_TEST_SESSION_TALK_H
#define AIVO_TEST_SESSION_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define RIG_CHECK assert_true
#include "session_rig.h"

#define HANDSHAKE                                                                                                      \
    "0{\"sid\":\"e1\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"
#define CONNECTED "40{\"sid\":\"s1\"}"

static char trace[1 << 20];

static __attribute__((unused)) void expect_at(struct rig *r, const char *words, int line)
{
    if (strcmp(trace, words) != 0)
        fail_msg("line %d: expected \"%s\", got \"%s\"", line, words, trace);
    rig_forget(r);
}
#define expect(r, words) expect_at(r, words, __LINE__)

static __attribute__((unused)) void setup(struct rig *r)
{
    trace[0] = '\0';
    rig_init(r, trace, sizeof(trace));
}

/* From wherever an OPEN was told to connected. */
static __attribute__((unused)) void get_up(struct rig *r)
{
    rig_opened(r);
    rig_text(r, HANDSHAKE);
    rig_text(r, CONNECTED);
    assert_int_equal(r->state, AIVO_STATE_CONNECTED);
    rig_forget(r);
}

static __attribute__((unused)) void setup_up(struct rig *r)
{
    setup(r);
    rig_create(r);
    rig_start(r);
    get_up(r);
}

/* Credentials, or whatever was offered, are refused. */
static __attribute__((unused)) void refuse(struct rig *r, const char *payload)
{
    rig_opened(r);
    rig_text(r, HANDSHAKE);
    rig_text(r, payload);
}

#endif
