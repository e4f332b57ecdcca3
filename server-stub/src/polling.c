/* The polling transport of a session, and its upgrade to WebSocket. */
#include "engine_internal.h"
#include "engineio.h"
#include <stdlib.h>
#include <string.h>

struct srv_polling {
    struct srv_session *session;
    struct srv_link *get, *post, *probe; /* NULL: none */
    struct srv_timer upgrade, noop, closing;
    bool parted; /* closed while no GET was held: the next one fetches the last words */
    bool probed; /* "2probe" was answered: polls are freed so that the client can pause */
};

static void upgrade_expired(void *context, struct srv_timer *timer, uint64_t now_ms);
static void noop_due(void *context, struct srv_timer *timer, uint64_t now_ms);
static void closing_expired(void *context, struct srv_timer *timer, uint64_t now_ms);

void srv_polling_init(struct srv_engine *e)
{
    srv_timers_add(&e->timers, &e->upgrade_list, e->options.upgrade_timeout_ms, upgrade_expired, e);
    srv_timers_add(&e->timers, &e->noop_list, SRV_ENGINE_NOOP_MS, noop_due, e);
    srv_timers_add(&e->timers, &e->closing_list, SRV_ENGINE_CLOSING_MS, closing_expired, e);
}

bool srv_polling_new(struct srv_engine *e, struct srv_session *s)
{
    (void)e;
    s->polling = calloc(1, sizeof *s->polling);
    if (s->polling)
        s->polling->session = s;
    return s->polling != NULL;
}

static void end_probe(struct srv_polling *p)
{
    srv_timer_stop(&p->upgrade);
    srv_timer_stop(&p->noop);
    p->probed = false;
    p->probe = NULL;
}

static void drop_probe(struct srv_polling *p)
{
    struct srv_link *probe = p->probe;
    end_probe(p);
    if (probe) {
        probe->session = NULL;
        probe->ops->close(probe, SRV_WS_NORMAL);
    }
}

static void answer(struct srv_polling *p, const char *payload, size_t len)
{
    struct srv_link *get = p->get;
    p->get = NULL;
    get->session = NULL;
    get->ops->answer(get, payload, len);
}

void srv_polling_free(struct srv_engine *e, struct srv_session *s)
{
    (void)e;
    struct srv_polling *p = s->polling;
    if (!p)
        return;
    s->polling = NULL;
    drop_probe(p);
    srv_timer_stop(&p->closing);
    if (p->get)
        answer(p, "1", 1);
    if (p->post)
        p->post->session = NULL; /* answers 400 once its body is here */
    free(p);
}

/* Answers the waiting GET with all there is, if there is anything. */
void srv_polling_flush(struct srv_engine *e, struct srv_session *s)
{
    struct srv_polling *p = s->polling;
    bool last = s->state == SRV_SESSION_CLOSING;
    if (!p || !p->get || (!s->out.bytes && !last))
        return;
    aivo_buf_clear(&e->payload);
    srv_outq_take_payload(&s->out, &e->pool, &e->payload);
    if (last && !e->payload.len && p->parted)
        aivo_buf_char(&e->payload, '6'); /* as Node */
    if (last && e->payload.len)
        aivo_buf_char(&e->payload, AIVO_EIO_SEPARATOR);
    if (last)
        aivo_buf_char(&e->payload, '1');
    if (e->payload.failed)
        answer(p, "1", 1); /* without memory the messages are lost: so is the session, for the client too */
    else
        answer(p, e->payload.data, e->payload.len);
    if (e->payload.cap > 65536)
        aivo_buf_free(&e->payload);
    if (last)
        srv_session_bury(e, s);
}

void srv_polling_close(struct srv_engine *e, struct srv_session *s)
{
    struct srv_polling *p = s->polling;
    drop_probe(p);
    if (p->get) {
        srv_polling_flush(e, s);
        return;
    }
    p->parted = true;
    srv_timer_start(&e->closing_list, &p->closing, e->now_ms);
}

static void closing_expired(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    srv_session_bury(context, SRV_TIMER_OWNER(timer, struct srv_polling, closing)->session);
}

void srv_polling_link_lost(struct srv_engine *e, struct srv_session *s, struct srv_link *link, enum srv_reason reason)
{
    (void)reason;
    struct srv_polling *p = s->polling;
    if (!p)
        return;
    if (link == p->probe) {
        end_probe(p);
        return;
    }
    if (link == p->get)
        p->get = NULL;
    else if (link == p->post)
        p->post = NULL;
    else
        return;
    /* A request that broke off: the client has lost what was sent, or we have. */
    srv_session_fail(e, s, SRV_REASON_TRANSPORT_ERROR);
}

/* --- requests --- */

bool srv_session_poll(struct srv_engine *e, struct srv_session *s, struct srv_link *link, uint64_t now_ms)
{
    e->now_ms = now_ms;
    struct srv_polling *p = s->polling;
    if (!p)
        return false;
    if (p->get) {
        srv_engine_fault(e, s, SRV_ERROR_BAD_PACKET);
        srv_session_fail(e, s, SRV_REASON_TRANSPORT_ERROR);
        return false;
    }
    p->get = link;
    link->session = s;
    if (s->out.bytes || s->state == SRV_SESSION_CLOSING)
        srv_session_mark(e, s);
    return true;
}

bool srv_session_post_begin(struct srv_engine *e, struct srv_session *s, struct srv_link *link)
{
    struct srv_polling *p = s->polling;
    if (!p)
        return false;
    if (p->post) {
        srv_engine_fault(e, s, SRV_ERROR_BAD_PACKET);
        srv_session_fail(e, s, SRV_REASON_TRANSPORT_ERROR);
        return false;
    }
    p->post = link;
    link->session = s;
    return true;
}

/* The client says goodbye by POST; a GET that waits ends with a noop. */
static void client_close(struct srv_engine *e, struct srv_session *s)
{
    if (s->polling->get)
        answer(s->polling, "6", 1);
    srv_session_fail(e, s, SRV_REASON_TRANSPORT_CLOSE);
}

static void post_packet(struct srv_engine *e, struct srv_session *s, const struct aivo_eio_packet *packet,
                        uint64_t now_ms)
{
    if (packet->binary)
        srv_session_packet(e, s, packet->data, packet->len, true, now_ms);
    else if (packet->type == AIVO_EIO_CLOSE)
        client_close(e, s);
    else /* data points behind the type byte, into the body */
        srv_session_packet(e, s, packet->data - 1, packet->len + 1, false, now_ms);
}

bool srv_session_post(struct srv_engine *e, struct srv_link *link, const char *body, size_t len, uint64_t now_ms)
{
    e->now_ms = now_ms;
    struct srv_session *s = link->session;
    if (!s)
        return false;
    if (s->polling)
        s->polling->post = NULL;
    link->session = NULL;
    if (s->state != SRV_SESSION_OPEN)
        return false;

    struct aivo_buf bytes;
    aivo_buf_init(&bytes);
    struct aivo_eio_packet packet;
    enum aivo_eio_error error = AIVO_EIO_OK;
    size_t pos = 0;
    while (s->state == SRV_SESSION_OPEN && aivo_eio_payload_next(body, len, &pos, &bytes, &packet, &error))
        post_packet(e, s, &packet, now_ms);
    aivo_buf_free(&bytes);
    if (error != AIVO_EIO_OK) {
        srv_engine_fault(e, s, SRV_ERROR_BAD_PACKET);
        srv_session_fail(e, s, SRV_REASON_PARSE_ERROR);
    }
    return true; /* a Node server says ok to a body that ends the session, too */
}

/* --- the upgrade --- */

bool srv_session_probe(struct srv_engine *e, struct srv_session *s, struct srv_link *link, uint64_t now_ms)
{
    struct srv_polling *p = s->polling;
    if (!p || p->probe || s->state != SRV_SESSION_OPEN)
        return false;
    p->probe = link;
    link->session = s;
    srv_timer_start(&e->upgrade_list, &p->upgrade, now_ms);
    return true;
}

static void upgrade_expired(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    (void)context, (void)now_ms;
    drop_probe(SRV_TIMER_OWNER(timer, struct srv_polling, upgrade));
}

static void noop_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_engine *e = context;
    struct srv_polling *p = SRV_TIMER_OWNER(timer, struct srv_polling, noop);
    if (p->get)
        answer(p, "6", 1);
    srv_timer_start(&e->noop_list, &p->noop, now_ms);
}

/* "5": from now on the WebSocket is the session's transport. */
static void upgraded(struct srv_engine *e, struct srv_session *s, struct srv_link *link)
{
    struct srv_polling *p = s->polling;
    end_probe(p);
    if (p->get)
        answer(p, "6", 1);
    if (p->post)
        p->post->session = NULL;
    srv_timer_stop(&p->closing);
    free(p);
    s->polling = NULL;
    s->link = link;
    srv_session_mark(e, s);
}

void srv_probe_received(struct srv_engine *e, struct srv_session *s, struct srv_link *link, const char *data,
                        size_t len, bool binary, uint64_t now_ms)
{
    struct srv_polling *p = s->polling;
    if (!p || p->probe != link)
        return;
    if (!binary && len == 6 && memcmp(data, "2probe", 6) == 0) {
        link->ops->send(link, "3probe", 6);
        p->probed = true;
        srv_timer_start(&e->noop_list, &p->noop, now_ms);
    } else if (!binary && len == 1 && data[0] == '5' && s->state == SRV_SESSION_OPEN) {
        upgraded(e, s, link);
    } else {
        drop_probe(p);
    }
}
