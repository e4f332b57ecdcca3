/* Sessions, sockets and everything a packet can do to them, without a socket: the input is a script of what peers do to
 * four connections, and of time that passes. What the server says must be packets that its own codecs take, and in the
 * end nothing may be left. */
#include "engineio.h"
#include "fuzz.h"
#include "hub.h"
#include "socketio.h"
#include <string.h>

#define SLOTS 4

struct link {
    struct srv_link link; /* first */
    bool websocket, choked;
    unsigned left; /* attachments that must follow */
};

struct slot {
    struct link ws, get, post, probe;
    char sid[SRV_SID_LEN + 1]; /* of its polling session */
};

static struct srv_engine engine;
static struct srv_hub hub;
static struct srv_metrics metrics;
static struct srv_limits limits;
static struct srv_audit audit;
static struct slot slots[SLOTS];

struct input {
    const uint8_t *p, *end;
};

static unsigned byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

/* The next bytes, so many as the first two say; the rest if there are fewer. */
static const char *run_of(struct input *in, size_t *len)
{
    size_t n = byte(in);
    n |= (size_t)(byte(in) & 15) << 8;
    if (n > (size_t)(in->end - in->p))
        n = (size_t)(in->end - in->p);
    const char *at = (const char *)in->p;
    in->p += n;
    *len = n;
    return at;
}

static void some_random(void *out, size_t len)
{
    static uint64_t counter;
    uint64_t value = ++counter * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < len; i++, value = value * 6364136223846793005u + 1442695040888963407u)
        ((unsigned char *)out)[i] = (unsigned char)(value >> 56);
}

/* --- what the server says --- */

static void check_packet(unsigned *left, const char *data, size_t len, bool binary)
{
    if (binary) {
        CHECK(*left > 0);
        --*left;
        return;
    }
    CHECK(len > 0);
    if (data[0] != '4')
        return;
    struct aivo_sio_packet packet;
    CHECK(*left == 0);
    if (data[1] == '4') /* a refused namespace may have any name that came in */
        return;
    CHECK(aivo_sio_decode(data + 1, len - 1, &packet) == AIVO_SIO_OK);
    *left = packet.attachments;
}

static void said(struct srv_link *link, struct srv_outq *q)
{
    static unsigned char out[1 << 20];
    struct link *l = (struct link *)(void *)link;
    CHECK(link->session != NULL);
    if (l->choked)
        return;
    size_t n = srv_outq_take(q, &engine.pool, out, sizeof out), at = 0;
    while (at + 2 <= n) {
        size_t len = out[at + 1], head = 2;
        bool binary = out[at] == 0x82;
        if (len == 126) {
            len = (size_t)out[at + 2] << 8 | out[at + 3];
            head = 4;
        } else if (len == 127) {
            len = (size_t)out[at + 7] << 16 | (size_t)out[at + 8] << 8 | out[at + 9];
            head = 10;
        }
        CHECK(at + head + len <= n);
        if (link->session->hooks == &srv_hub_hooks)
            check_packet(&l->left, (const char *)out + at + head, len, binary);
        at += head + len;
    }
}

static void say_now(struct srv_link *link, const char *payload, size_t len)
{
    (void)link;
    CHECK(len == 6 && memcmp(payload, "3probe", 6) == 0);
}

static void hang_up(struct srv_link *link, unsigned status)
{
    CHECK(status >= 1000 && status < 5000);
    CHECK(link->session == NULL || ((struct link *)(void *)link)->websocket);
}

static void answer(struct srv_link *link, const char *payload, size_t len)
{
    struct aivo_buf bytes;
    aivo_buf_init(&bytes);
    struct aivo_eio_packet packet;
    enum aivo_eio_error error = AIVO_EIO_OK;
    size_t pos = 0;
    unsigned packets = 0;
    CHECK(link->session == NULL);
    while (aivo_eio_payload_next(payload, len, &pos, &bytes, &packet, &error))
        packets++;
    CHECK(error == AIVO_EIO_OK && packets > 0);
    aivo_buf_free(&bytes);
}

static const struct srv_link_ops ops = {said, said, say_now, hang_up, answer};

static struct srv_link *fresh(struct link *l, bool websocket)
{
    memset(l, 0, sizeof *l);
    l->link.ops = &ops;
    l->websocket = websocket;
    return &l->link;
}

/* --- what peers do --- */

static void open_one(struct slot *s, unsigned how, uint64_t now_ms)
{
    const struct srv_session_hooks *hooks = how & 1 ? &srv_echo_hooks : &srv_hub_hooks;
    if (how & 2) {
        struct srv_session *session = srv_session_open(&engine, hooks, NULL, now_ms);
        if (session)
            memcpy(s->sid, session->sid, sizeof s->sid);
    } else if (!s->ws.link.session) {
        srv_session_open(&engine, hooks, fresh(&s->ws, true), now_ms);
    }
}

static void poll_one(struct slot *s, unsigned how, struct input *in, uint64_t now_ms)
{
    struct srv_session *session = srv_session_find(&engine, s->sid);
    size_t len;
    if (how & 1) { /* a POST, in two steps as transports do */
        const char *body = run_of(in, &len);
        if (session && !s->post.link.session && srv_session_post_begin(&engine, session, fresh(&s->post, false)) &&
            !(how & 2))
            srv_session_post(&engine, &s->post.link, body, len, now_ms);
    } else if (session && !s->get.link.session) {
        srv_session_poll(&engine, session, fresh(&s->get, false), now_ms);
    } else if (session) { /* a second one at once */
        static struct link other;
        if (!other.link.session)
            srv_session_poll(&engine, session, fresh(&other, false), now_ms);
        srv_link_lost(&engine, &other.link, SRV_REASON_TRANSPORT_CLOSE);
    }
}

static void upgrade_one(struct slot *s, unsigned how, uint64_t now_ms)
{
    struct srv_session *session = srv_session_find(&engine, s->sid);
    if (!s->probe.link.session) {
        if (session && srv_session_is_polling(session))
            srv_session_probe(&engine, session, fresh(&s->probe, true), now_ms);
        return;
    }
    const char *const texts[] = {"2probe", "5", "5", "x"};
    const char *text = texts[how & 3];
    srv_link_received(&engine, &s->probe.link, text, strlen(text), false, now_ms);
}

static void lose_one(struct slot *s, unsigned how)
{
    struct link *const links[] = {&s->ws, &s->get, &s->post, &s->probe};
    struct link *l = links[how & 3];
    if (how & 4)
        l->choked = !l->choked;
    else if (l->link.session)
        srv_link_lost(&engine, &l->link, how & 8 ? SRV_REASON_TRANSPORT_ERROR : SRV_REASON_TRANSPORT_CLOSE);
    if (how & 4 && !l->choked)
        srv_link_writable(&engine, &l->link);
}

static void step(struct input *in, uint64_t *now_ms)
{
    unsigned op = byte(in), how = op >> 4;
    struct slot *s = &slots[op >> 3 & 1 ? how & 3 : 0];
    size_t len;
    switch (op & 7) {
    case 0:
        open_one(s, how, *now_ms);
        break;
    case 1:
    case 2:
    case 3: {
        const char *data = run_of(in, &len);
        struct link *l = how & 8 ? &s->probe : &s->ws; /* the probe is the connection after an upgrade */
        if (l->link.session)
            srv_link_received(&engine, &l->link, data, len, (op & 7) == 3, *now_ms);
        break;
    }
    case 4:
        poll_one(s, how, in, *now_ms);
        break;
    case 5:
        upgrade_one(s, how, *now_ms);
        break;
    case 6:
        *now_ms += (uint64_t)byte(in) * (how & 1 ? 100 : 1);
        engine.now_ms = *now_ms;
        srv_timers_run(&engine.timers, *now_ms);
        break;
    default:
        lose_one(s, how);
    }
    srv_engine_flush(&engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_config config = {.conformance = true,
                                .bench_events = true,
                                .rate_limit_window_ms = 1000,
                                .rate_limit_max_messages = size & 1 ? 20 : 0,
                                .ping_interval_ms = 1000,
                                .ping_timeout_ms = 500,
                                .connect_timeout_ms = 700,
                                .max_payload_bytes = 4096,
                                .session_idle_ms = 900,
                                .recovery_ms = size & 2 ? 5000 : 0,
                                .recovery_max_events = 20,
                                .recovery_max_bytes = 65536,
                                .test_handler_delay_ms = size & 4 ? 30 : 0};
    const struct srv_engine_options options = {.ping_interval_ms = config.ping_interval_ms,
                                               .ping_timeout_ms = config.ping_timeout_ms,
                                               .upgrade_timeout_ms = 800,
                                               .max_payload_bytes = config.max_payload_bytes,
                                               .max_queue_bytes = 20000};
    struct srv_log log;
    struct input in = {data, data + size};
    uint64_t now_ms = 1000;
    srv_log_init(&log, SRV_LOG_ERROR, false);
    log.fd = -1;
    srv_metrics_init(&metrics);
    memset(slots, 0, sizeof slots);
    audit = (struct srv_audit){.log = &log};
    if (!srv_limits_init(&limits, &config, 1) || !srv_engine_init(&engine, &options, &metrics, some_random) ||
        !srv_hub_init(&hub, &engine, &config, &metrics, &log, NULL, &limits, &audit))
        abort();
    while (in.p < in.end)
        step(&in, &now_ms);
    srv_hub_drain(&hub, true, SIZE_MAX);
    srv_engine_flush(&engine);
    CHECK(metrics.connections_active == 0);
    CHECK(metrics.active_sessions == 0);
    srv_hub_free(&hub);
    srv_engine_free(&engine);
    srv_limits_free(&limits);
    return 0;
}
