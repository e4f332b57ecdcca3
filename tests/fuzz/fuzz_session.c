/*
 * The session: the first byte says what kind, then each line is a step (its first byte, and what follows as the
 * argument): S start, X stop, R retry now, A auth, N no auth, O opened, T text frame, B binary frame, H heard,
 * C closed, D dead, K tick, W wait until the deadline, P pass that many ms. The rig checks with every step what must
 * always hold; in the end the session is stopped and must come to rest.
 */
#include "fuzz.h"

#define RIG_CHECK CHECK
#include "session_rig.h"

#define MAX_STEPS 2000

static void step(struct rig *r, char what, char *argument, size_t len)
{
    switch (what) {
    case 'S':
        rig_start(r);
        break;
    case 'X':
        rig_stop(r);
        break;
    case 'R':
        rig_retry(r);
        break;
    case 'A':
        rig_auth(r, argument);
        break;
    case 'N':
        rig_auth(r, NULL);
        break;
    case 'O':
        rig_opened(r);
        break;
    case 'T':
    case 'B':
        rig_frame(r, argument, len, what == 'B');
        break;
    case 'H':
        rig_heard(r);
        break;
    case 'C':
        rig_closed(r, AIVO_E_CLOSED);
        break;
    case 'D':
        rig_dead(r, AIVO_E_HEARTBEAT);
        break;
    case 'K':
        rig_tick(r);
        break;
    case 'W':
        if (aivo_session_deadline(r->s) != AIVO_NEVER)
            rig_due(r);
        break;
    case 'P':
        rig_pass(r, (int64_t)(strtoul(argument, NULL, 10) % 1000000) * 1000);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct rig r;
    unsigned kind = data[0];
    rig_init(&r, NULL, 0);
    r.config.ask_auth = kind & 1;
    r.config.auth = kind & 2 ? "{\"token\":1}" : NULL;
    r.config.protocol = kind & 4 ? AIVO_PROTOCOL_WEBSOCKET : AIVO_PROTOCOL_SOCKETIO;
    r.config.recovery = !(kind & 8);
    r.config.reconnect.enabled = !(kind & 16);
    r.config.nsp = kind & 32 ? "/nsp?q=1" : NULL;
    r.config.max_payload_bytes = 1000;
    r.config.silence_ms = 30000;
    rig_create(&r);

    size_t at = 1;
    for (int steps = 0; at < size && steps < MAX_STEPS; steps++) {
        const uint8_t *newline = memchr(data + at, '\n', size - at);
        size_t len = newline ? (size_t)(newline - (data + at)) : size - at;
        if (len > 0) {
            char *argument = malloc(len);
            CHECK(argument != NULL);
            memcpy(argument, data + at + 1, len - 1);
            argument[len - 1] = '\0';
            step(&r, (char)data[at], argument, len - 1);
            free(argument);
        }
        at += len + 1;
    }
    rig_stop(&r);
    if (r.state != AIVO_STATE_DISCONNECTED)
        rig_due(&r);
    CHECK(r.state == AIVO_STATE_DISCONNECTED);
    rig_free(&r);
    return 0;
}
