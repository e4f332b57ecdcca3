#include "engine.h"
#include "engine_internal.h"
#include "engineio.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_TABLE_SIZE 256

static void ping_due(void *context, struct srv_timer *timer, uint64_t now_ms);
static void pong_missing(void *context, struct srv_timer *timer, uint64_t now_ms);

bool srv_engine_init(struct srv_engine *e, const struct srv_engine_options *options, struct srv_metrics *metrics,
                     void (*random)(void *out, size_t len))
{
    memset(e, 0, sizeof *e);
    e->table = calloc(FIRST_TABLE_SIZE, sizeof *e->table);
    if (!e->table)
        return false;
    e->table_size = FIRST_TABLE_SIZE;
    e->options = *options;
    e->metrics = metrics;
    e->random = random;
    srv_pool_init(&e->pool);
    aivo_buf_init(&e->payload);
    aivo_buf_init(&e->scratch);
    e->sessions.prev = e->sessions.next = &e->sessions;
    e->ready_end = &e->ready;
    srv_timers_add(&e->timers, &e->ping_list, options->ping_interval_ms, ping_due, e);
    srv_timers_add(&e->timers, &e->pong_list, options->ping_timeout_ms, pong_missing, e);
    srv_polling_init(e);
    return true;
}

void srv_engine_free(struct srv_engine *e)
{
    for (size_t i = 0; i < e->table_size; i++)
        while (e->table[i]) /* those whose last words nobody fetched */
            srv_session_bury(e, e->table[i]);
    srv_engine_flush(e);
    free(e->table);
    aivo_buf_free(&e->payload);
    aivo_buf_free(&e->scratch);
    srv_pool_free(&e->pool);
    memset(e, 0, sizeof *e);
}

void srv_engine_new_id(struct srv_engine *e, char out[SRV_SID_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[SRV_SID_LEN];
    e->random(bytes, sizeof bytes);
    for (int i = 0; i < SRV_SID_LEN; i++)
        out[i] = alphabet[bytes[i] & 63];
    out[SRV_SID_LEN] = '\0';
}

/* --- the table --- */

static size_t hash(const char *sid, size_t size)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a; ids are random, so nobody can aim at a bucket */
    for (; *sid; sid++)
        h = (h ^ (unsigned char)*sid) * 1099511628211u;
    return (size_t)(h & (size - 1));
}

static void table_grow(struct srv_engine *e)
{
    size_t size = e->table_size * 2;
    struct srv_session **table = calloc(size, sizeof *table);
    if (!table)
        return; /* longer chains, no harm */
    for (size_t i = 0; i < e->table_size; i++)
        while (e->table[i]) {
            struct srv_session *s = e->table[i];
            e->table[i] = s->hash_next;
            size_t h = hash(s->sid, size);
            s->hash_next = table[h];
            table[h] = s;
        }
    free(e->table);
    e->table = table;
    e->table_size = size;
}

static void table_add(struct srv_engine *e, struct srv_session *s)
{
    if (++e->count > e->table_size)
        table_grow(e);
    size_t h = hash(s->sid, e->table_size);
    s->hash_next = e->table[h];
    e->table[h] = s;
}

static void table_remove(struct srv_engine *e, struct srv_session *s)
{
    struct srv_session **p = &e->table[hash(s->sid, e->table_size)];
    while (*p && *p != s)
        p = &(*p)->hash_next;
    if (*p) {
        *p = s->hash_next;
        e->count--;
    }
}

struct srv_session *srv_session_find(struct srv_engine *e, const char *sid)
{
    struct srv_session *s = e->table[hash(sid, e->table_size)];
    while (s && strcmp(s->sid, sid) != 0)
        s = s->hash_next;
    return s;
}

/* --- opening and closing --- */

static void queue_open_packet(struct srv_engine *e, struct srv_session *s)
{
    struct aivo_eio_handshake handshake = {.ping_interval_ms = e->options.ping_interval_ms,
                                           .ping_timeout_ms = e->options.ping_timeout_ms,
                                           .max_payload = e->options.max_payload_bytes,
                                           .can_upgrade = s->polling != NULL};
    memcpy(handshake.sid, s->sid, sizeof s->sid);
    aivo_buf_clear(&e->scratch);
    aivo_buf_char(&e->scratch, '0');
    aivo_eio_handshake_encode(&e->scratch, &handshake);
    srv_session_queue(e, s, e->scratch.data, e->scratch.len, false);
}

struct srv_session *srv_session_open(struct srv_engine *e, const struct srv_session_hooks *hooks, struct srv_link *link,
                                     uint64_t now_ms)
{
    struct srv_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (!link && !srv_polling_new(e, s)) {
        free(s);
        return NULL;
    }
    e->now_ms = now_ms;
    s->hooks = hooks;
    s->state = SRV_SESSION_OPEN;
    srv_engine_new_id(e, s->sid);
    s->link = link;
    if (link)
        link->session = s;
    s->prev = e->sessions.prev;
    s->next = &e->sessions;
    s->prev->next = s;
    e->sessions.prev = s;
    table_add(e, s);
    queue_open_packet(e, s);
    srv_timer_start(&e->ping_list, &s->heartbeat, now_ms);
    hooks->open(e, s, now_ms);
    return s;
}

bool srv_session_is_polling(const struct srv_session *s)
{
    return s->link == NULL;
}

void srv_session_bury(struct srv_engine *e, struct srv_session *s)
{
    s->state = SRV_SESSION_CLOSED;
    table_remove(e, s);
    srv_polling_free(e, s);
    if (s->link) {
        s->link->session = NULL;
        s->link = NULL;
    }
    srv_outq_clear(&s->out, &e->pool);
    s->next = e->dead; /* off the ring already */
    e->dead = s;
}

/* Ends it for its owner. What follows differs by how it is closed. */
static void leave(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    s->state = SRV_SESSION_CLOSING;
    s->prev->next = s->next;
    s->next->prev = s->prev;
    srv_timer_stop(&s->heartbeat);
    s->hooks->close(e, s, reason);
    if (e->watch.left)
        e->watch.left(e->watch.context, s);
}

void srv_engine_fault(struct srv_engine *e, struct srv_session *s, enum srv_error_type type)
{
    srv_metrics_error(e->metrics, type);
    if (e->watch.fault)
        e->watch.fault(e->watch.context, s, type);
}

void srv_session_fail(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    if (s->state == SRV_SESSION_OPEN)
        leave(e, s, reason);
    if (s->state != SRV_SESSION_CLOSED)
        srv_session_bury(e, s);
}

void srv_session_close(struct srv_engine *e, struct srv_session *s, enum srv_reason reason, unsigned ws_status)
{
    if (s->state != SRV_SESSION_OPEN)
        return;
    leave(e, s, reason);
    if (!s->link) {
        srv_polling_close(e, s);
        return;
    }
    struct srv_link *link = s->link;
    link->ops->flush(link, &s->out);
    srv_outq_keep_begun(&s->out, &e->pool);
    if (s->out.bytes && link->ops->finish)
        link->ops->finish(link, &s->out);
    link->farewell = s->farewell;
    srv_session_bury(e, s);
    link->ops->close(link, ws_status);
}

/* --- sending --- */

void srv_session_mark(struct srv_engine *e, struct srv_session *s)
{
    if (s->ready)
        return;
    s->ready = true;
    s->ready_next = NULL;
    *e->ready_end = s;
    e->ready_end = &s->ready_next;
}

static void queued(struct srv_engine *e, struct srv_session *s, bool added)
{
    if (!added || s->out.bytes > e->options.max_queue_bytes)
        s->overflowed = true;
    srv_session_mark(e, s);
}

void srv_session_queue(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary)
{
    if (!s->overflowed)
        queued(e, s, srv_outq_add(&s->out, &e->pool, data, len, binary));
}

void srv_session_send(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary)
{
    if (s->state == SRV_SESSION_OPEN)
        srv_session_queue(e, s, data, len, binary);
}

void srv_session_send_shared(struct srv_engine *e, struct srv_session *s, struct srv_frame *frame)
{
    if (s->state == SRV_SESSION_OPEN && !s->overflowed)
        queued(e, s, srv_outq_add_shared(&s->out, &e->pool, frame));
}

static void flush_one(struct srv_engine *e, struct srv_session *s)
{
    if (s->state == SRV_SESSION_CLOSED)
        return;
    if (s->overflowed && s->state == SRV_SESSION_OPEN) {
        srv_engine_fault(e, s, SRV_ERROR_SLOW_CONSUMER);
        srv_outq_keep_begun(&s->out, &e->pool); /* it would not read the others */
        s->farewell = "slow consumer";
        srv_session_close(e, s, SRV_REASON_FORCED_CLOSE, SRV_WS_POLICY);
    } else if (s->link) {
        s->link->ops->flush(s->link, &s->out);
    } else {
        srv_polling_flush(e, s);
    }
}

void srv_engine_flush(struct srv_engine *e)
{
    e->turn++;
    while (e->ready) {
        struct srv_session *s = e->ready;
        e->ready = s->ready_next;
        if (!e->ready)
            e->ready_end = &e->ready;
        s->ready = false;
        flush_one(e, s);
    }
    while (e->dead) {
        struct srv_session *s = e->dead;
        e->dead = s->next;
        free(s);
    }
}

/* --- the heartbeat --- */

static void ping_due(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_engine *e = context;
    struct srv_session *s = SRV_TIMER_OWNER(timer, struct srv_session, heartbeat);
    s->awaits_pong = true;
    s->pong_extended = false;
    srv_session_queue(e, s, "2", 1, false);
    if (s->hooks->beat)
        s->hooks->beat(e, s, now_ms);
    /* From when the ping was due, so that a late timer does not add up; but after a long stall the peer gets its time.
     */
    bool late = now_ms - timer->at_ms > SRV_ENGINE_LATE_MS;
    srv_timer_start(&e->pong_list, timer, late ? now_ms : timer->at_ms);
}

/* Closes for a fault of the peer's: what waits for a later poll is not worth keeping. */
static void fault(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    if (s->link)
        srv_session_close(e, s, reason, SRV_WS_NORMAL);
    else
        srv_session_fail(e, s, reason);
}

static void pong_missing(void *context, struct srv_timer *timer, uint64_t now_ms)
{
    struct srv_engine *e = context;
    e->now_ms = now_ms;
    fault(e, SRV_TIMER_OWNER(timer, struct srv_session, heartbeat), SRV_REASON_PING_TIMEOUT);
}

static void pong_received(struct srv_engine *e, struct srv_session *s, uint64_t now_ms)
{
    s->awaits_pong = false;
    srv_timer_start(&e->ping_list, &s->heartbeat, now_ms);
}

/* --- receiving --- */

static void bad_packet(struct srv_engine *e, struct srv_session *s, enum srv_reason reason)
{
    srv_engine_fault(e, s, SRV_ERROR_BAD_PACKET);
    fault(e, s, reason);
}

void srv_session_packet(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, bool binary,
                        uint64_t now_ms)
{
    if (s->state != SRV_SESSION_OPEN)
        return;
    if (s->awaits_pong && !s->pong_extended && (binary || !len || data[0] != '3')) {
        s->pong_extended = true; /* as Node: it lives, so it gets as long again, once */
        srv_timer_start(&e->pong_list, &s->heartbeat, now_ms);
    }
    if (binary) {
        s->hooks->message(e, s, data, len, true, now_ms);
        return;
    }
    switch (len ? data[0] : '\0') {
    case '4':
        s->hooks->message(e, s, data + 1, len - 1, false, now_ms);
        break;
    case '3':
        pong_received(e, s, now_ms);
        break;
    case '1':
        srv_session_close(e, s, SRV_REASON_TRANSPORT_CLOSE, SRV_WS_NORMAL);
        break;
    case '2': /* only servers ping */
        bad_packet(e, s, SRV_REASON_TRANSPORT_ERROR);
        break;
    case '0':
    case '5':
    case '6': /* meaningless here; a Node server ignores them */
        break;
    default:
        bad_packet(e, s, SRV_REASON_PARSE_ERROR);
    }
}

/* A message in base64 on a text frame: nobody sends it, but Node takes it. */
static void base64_packet(struct srv_engine *e, struct srv_session *s, const char *data, size_t len, uint64_t now_ms)
{
    struct aivo_buf bytes;
    aivo_buf_init(&bytes);
    if (aivo_base64_decode(&bytes, data, len))
        srv_session_packet(e, s, bytes.data ? bytes.data : "", bytes.len, true, now_ms);
    else
        bad_packet(e, s, SRV_REASON_PARSE_ERROR);
    aivo_buf_free(&bytes);
}

void srv_link_received(struct srv_engine *e, struct srv_link *link, const char *data, size_t len, bool binary,
                       uint64_t now_ms)
{
    struct srv_session *s = link->session;
    if (!s)
        return;
    e->now_ms = now_ms;
    if (link != s->link)
        srv_probe_received(e, s, link, data, len, binary, now_ms);
    else if (!binary && len && data[0] == 'b')
        base64_packet(e, s, data + 1, len - 1, now_ms);
    else
        srv_session_packet(e, s, data, len, binary, now_ms);
}

void srv_link_writable(struct srv_engine *e, struct srv_link *link)
{
    if (link->session && link->session->link == link)
        srv_session_mark(e, link->session);
}

void srv_link_lost(struct srv_engine *e, struct srv_link *link, enum srv_reason reason)
{
    struct srv_session *s = link->session;
    if (!s)
        return;
    link->session = NULL;
    if (link != s->link) {
        srv_polling_link_lost(e, s, link, reason);
        return;
    }
    s->link = NULL;
    if (s->state == SRV_SESSION_OPEN)
        leave(e, s, reason);
    srv_session_bury(e, s);
}
