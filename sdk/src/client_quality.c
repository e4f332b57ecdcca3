/* The client's measuring: sends the probes that the quality core asks for, reads the kernel's counters for it, tells of
 * its samples, and ends a connection that it calls dead. On the loop's thread. */
#include "client_internal.h"

#include "clock.h"
#include "error_internal.h"
#include "history.h"
#include "tcpinfo.h"
#include <stdio.h>
#include <string.h>

#define PROBE_PREFIX "aivo:" /* of the pingIds that are ours: their quality_pong is not the program's */
#define SUSPENDED_US 1000000 /* asleep for less is not noticed by anybody */

static const struct aivo_transport *transport_of(const struct aivo_client *c)
{
    return aivo_loop_transport(c->task.loop);
}

static const struct aivo_path *read_path(struct aivo_client *c, struct aivo_path *out)
{
    return c->conn && aivo_tcpinfo_read(transport_of(c)->fd(c->conn), out) ? out : NULL;
}

bool aivo_client_is_probe(const struct aivo_json *args)
{
    struct aivo_json first = aivo_json_at(args, 1);
    if (first.type != AIVO_JSON_OBJECT)
        return false;
    struct aivo_json id = aivo_json_get(&first, "pingId");
    size_t n = sizeof PROBE_PREFIX - 1;
    return id.type == AIVO_JSON_STRING && id.len > n + 1 && memcmp(id.text + 1, PROBE_PREFIX, n) == 0;
}

void aivo_client_add_queue(struct aivo_client *c, struct aivo_quality *q)
{
    struct aivo_queue_stats stats;
    if (!c->queue)
        return;
    aivo_queue_stats(c->queue, &stats);
    q->queue_known = true;
    q->queue_pending = stats.pending;
    q->queue_in_flight = stats.in_flight;
    q->queue_dead = stats.dead;
}

/* Keeps the snapshot that other threads read, and tells of it where something is new. */
static void publish(struct aivo_client *c, const struct aivo_instant *at, bool sampled, bool level_changed)
{
    struct aivo_quality q = {.time_ms = at->unix_ms};
    aivo_quality_snapshot(&c->quality, at->now_us, &q);
    aivo_client_add_queue(c, &q);
    pthread_mutex_lock(&c->lock);
    c->snapshot = q;
    pthread_mutex_unlock(&c->lock);
    if (c->queue)
        aivo_queue_quality(c->queue, q.level);
    if (c->history)
        aivo_history_told(c->history, &q, at->now_us, sampled);
    if (sampled || level_changed)
        aivo_tell_quality(c, &q, level_changed, sampled);
}

void aivo_client_tick_quality(struct aivo_client *c, const struct aivo_instant *at, bool sampled)
{
    unsigned events = aivo_quality_tick(&c->quality, at->now_us);
    if (sampled || events)
        publish(c, at, sampled || (events & AIVO_QUALITY_LOST), events & (AIVO_QUALITY_LEVEL | AIVO_QUALITY_SUSPECT));
    if (events & AIVO_QUALITY_DEAD) {
        c->found_dead = true; /* carried out by the turn: here a step of the session may be under way */
        aivo_task_wake(&c->task);
    }
}

bool aivo_client_take_dead(struct aivo_client *c, struct aivo_error *why)
{
    bool dead = c->found_dead && c->conn;
    c->found_dead = false;
    if (dead)
        aivo_error_set(why, AIVO_E_HEARTBEAT, 0,
                       "the connection is dead: nothing came back, and what was sent is not acknowledged");
    return dead;
}

/* The machine slept: what was under way says nothing. The difference of the two clocks grows by nothing else. */
static void notice_suspend(struct aivo_client *c, const struct aivo_instant *at)
{
    int64_t suspended_us = aivo_clock_suspended_us();
    if (suspended_us - c->suspended_us > SUSPENDED_US)
        aivo_quality_resumed(&c->quality, at->now_us);
    c->suspended_us = suspended_us;
}

void aivo_client_probe_answered(struct aivo_client *c, const struct aivo_instant *at, uint64_t id)
{
    struct aivo_path path;
    notice_suspend(c, at);
    if (aivo_quality_pong(&c->quality, at->now_us, id, read_path(c, &path)))
        aivo_client_tick_quality(c, at, true);
}

static bool read_ms(const struct aivo_json *object, const char *key, double *out)
{
    struct aivo_json value = aivo_json_get(object, key);
    return value.type == AIVO_JSON_NUMBER && aivo_json_double(&value, out);
}

void aivo_client_handler_answered(struct aivo_client *c, const struct aivo_instant *at, uint64_t id,
                                  const struct aivo_json *answer)
{
    struct aivo_quality_times times = {.back_ms = (double)at->unix_ms};
    struct aivo_json first = aivo_json_at(answer, 0);
    bool known = first.type == AIVO_JSON_OBJECT && read_ms(&first, "receivedAt", &times.received_at_ms) &&
                 read_ms(&first, "sentAt", &times.sent_at_ms);
    aivo_quality_handler_answer(&c->quality, at->now_us, id, known ? &times : NULL);
}

static void send_ping(struct aivo_client *c, const struct aivo_instant *at, uint64_t id)
{
    struct aivo_path path;
    char text[32];
    int n = snprintf(text, sizeof text, "p%llu", (unsigned long long)id);
    const struct aivo_path *before = read_path(c, &path);
    transport_of(c)->ping(c->conn, text, (size_t)n); /* a failure shows as closed() */
    aivo_quality_probe_sent(&c->quality, at->now_us, id, before);
}

static void ask_handler(struct aivo_client *c, const struct aivo_instant *at, uint64_t id)
{
    if (c->settings.options.protocol != AIVO_PROTOCOL_SOCKETIO)
        return;
    struct aivo_ack entry = {.kind = AIVO_ACK_PROBE,
                             .cookie = id,
                             .sent_us = at->now_us,
                             .deadline_us = at->now_us + (int64_t)c->settings.options.quality.timeout_ms * 1000};
    if (!aivo_acks_add(c->acks, &entry))
        return;
    char args[64];
    int n = snprintf(args, sizeof args, "[{\"pingId\":\"" PROBE_PREFIX "%llu\"}]", (unsigned long long)id);
    struct aivo_outgoing packet = {
        .event = "quality_ping", .event_len = 12, .args = args, .args_len = (size_t)n, .ack_id = &entry.id};
    if (aivo_client_write(c, &packet) == AIVO_OK)
        aivo_quality_handler_sent(&c->quality, at->now_us, id);
    else
        aivo_acks_take(c->acks, entry.id, &entry);
}

void aivo_client_measure(struct aivo_client *c, const struct aivo_instant *at)
{
    struct aivo_path path;
    struct aivo_quality_probe probe;
    notice_suspend(c, at);
    if (aivo_quality_wants_path(&c->quality, at->now_us) && read_path(c, &path))
        aivo_quality_path(&c->quality, at->now_us, &path);
    aivo_client_tick_quality(c, at, false);
    while (c->conn && aivo_quality_next_probe(&c->quality, at->now_us, &probe)) {
        if (probe.ask_handler)
            ask_handler(c, at, probe.id);
        else
            send_ping(c, at, probe.id);
    }
}
