/* Measures the round trip on the open WebSocket, by the same core as the client does. */
#include "run.h"

#include "clock.h"
#include "judge.h"
#include "quality.h"
#include "stats.h"
#include "tcpinfo.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEDIAN_SHARE 0.1 /* a median is certain if its interval is at most so wide, of itself */
#define MEDIAN_MS    1.0 /* or so wide */

struct probing {
    struct aivo_diagnosis *d;
    struct aivo_quality_core core;
    struct diag_probes facts;
    uint64_t wanted; /* answers, and unanswered ones, after which it is enough */
    uint64_t unanswered;
    int64_t until_us;                 /* the end, whatever has come */
    uint64_t handler_ack, handler_id; /* the question under way; handler_id 0: none */
};

static const struct aivo_path *read_path(const struct probing *p, struct aivo_path *out)
{
    return aivo_tcpinfo_read(p->d->stream.fd, out) ? out : NULL;
}

/* The 95 % interval of the median by its ranks. */
static bool median_certain(const struct aivo_quality_core *q)
{
    double sorted[AIVO_QUALITY_RING];
    size_t n = q->ring_len;
    double half = 0.98 * aivo_stats_sqrt((double)n), low = (double)n / 2 - half, high = (double)n / 2 + half;
    if (low < 0 || high > (double)(n - 1))
        return false;
    memcpy(sorted, q->ring, n * sizeof *sorted);
    aivo_stats_sort(sorted, n);
    double width = sorted[(size_t)ceil(high)] - sorted[(size_t)low];
    return width <= MEDIAN_MS || width <= MEDIAN_SHARE * aivo_stats_quantile(sorted, n, 0.5);
}

static void snapshot(struct probing *p)
{
    p->facts.quality.time_ms = aivo_clock_unix_ms();
    aivo_quality_snapshot(&p->core, aivo_clock_us(), &p->facts.quality);
}

static void sampled(struct probing *p)
{
    const struct aivo_diagnose_options *o = &p->d->options;
    snapshot(p);
    const struct aivo_quality *q = &p->facts.quality;
    p->facts.confident = q->loss_high_pct - q->loss_low_pct <= o->confidence_pct && median_certain(&p->core);
    if (o->on_sample)
        o->on_sample(q, q->samples + p->unanswered, p->wanted, o->user);
}

static bool enough(const struct probing *p)
{
    if (p->core.answered + p->unanswered < p->wanted)
        return false;
    return !p->facts.until_confident || p->facts.confident;
}

static enum diag_how send_probe(struct probing *p, int64_t now_us, const struct aivo_quality_probe *probe)
{
    struct aivo_path path;
    char text[64];
    enum diag_how how;
    p->d->stream.deadline_us = p->until_us;
    if (!probe->ask_handler) {
        int n = snprintf(text, sizeof text, "p%llu", (unsigned long long)probe->id);
        const struct aivo_path *before = read_path(p, &path);
        how = diag_socket_send(p->d, AIVO_WS_PING, text, (size_t)n);
        aivo_quality_probe_sent(&p->core, now_us, probe->id, before);
        p->facts.sent++;
    } else {
        snprintf(text, sizeof text, "[{\"pingId\":\"aivo:%llu\"}]", (unsigned long long)probe->id);
        how = diag_socket_emit(p->d, "quality_ping", text, &p->handler_ack);
        aivo_quality_handler_sent(&p->core, now_us, probe->id);
        p->handler_id = probe->id;
    }
    return how;
}

static bool read_ms(const struct aivo_json *object, const char *key, double *out)
{
    struct aivo_json value = aivo_json_get(object, key);
    return value.type == AIVO_JSON_NUMBER && aivo_json_double(&value, out);
}

static void handler_answered(struct probing *p, int64_t now_us, const struct aivo_sio_packet *packet)
{
    struct aivo_quality_times times = {.back_ms = (double)aivo_clock_unix_ms()};
    struct aivo_json first = aivo_json_at(&packet->data, 0);
    bool known = first.type == AIVO_JSON_OBJECT && read_ms(&first, "receivedAt", &times.received_at_ms) &&
                 read_ms(&first, "sentAt", &times.sent_at_ms);
    aivo_quality_handler_answer(&p->core, now_us, p->handler_id, known ? &times : NULL);
    p->handler_id = 0;
}

static void received(struct probing *p, const struct aivo_ws_event *event)
{
    struct aivo_path path;
    struct aivo_sio_packet packet;
    int64_t now_us = aivo_clock_us();
    char text[24] = "";
    if (event->found == AIVO_WS_FOUND_PONG) {
        if (event->len < 2 || event->len >= sizeof text || event->data[0] != 'p')
            return;
        memcpy(text, event->data, event->len);
        uint64_t id = strtoull(text + 1, NULL, 10);
        if (aivo_quality_pong(&p->core, now_us, id, read_path(p, &path)))
            sampled(p);
        return;
    }
    aivo_quality_heard(&p->core, now_us);
    if (p->handler_id && diag_socket_packet(event, &packet) && packet.type == AIVO_SIO_ACK &&
        packet.id == p->handler_ack)
        handler_answered(p, now_us, &packet);
}

/* What is due; then waits for what comes. */
static enum diag_how turn(struct probing *p)
{
    struct aivo_path path;
    struct aivo_quality_probe probe;
    struct aivo_ws_event event;
    int64_t now_us = aivo_clock_us();
    if (aivo_quality_wants_path(&p->core, now_us) && read_path(p, &path))
        aivo_quality_path(&p->core, now_us, &path);
    unsigned events = aivo_quality_tick(&p->core, now_us);
    if (events & AIVO_QUALITY_LOST) {
        p->unanswered++;
        sampled(p);
    }
    p->facts.dead |= (events & AIVO_QUALITY_DEAD) != 0;
    if (p->facts.dead || now_us >= p->until_us)
        return DIAG_TIMEOUT;
    while (!enough(p) && aivo_quality_next_probe(&p->core, now_us, &probe)) {
        if (probe.ask_handler && !p->d->target.socketio)
            continue;
        enum diag_how how = send_probe(p, now_us, &probe);
        if (how != DIAG_DONE)
            return how;
    }
    if (enough(p))
        return DIAG_DONE;
    int64_t wake_us = aivo_quality_deadline(&p->core, now_us);
    enum diag_how how = diag_socket_next(p->d, wake_us < p->until_us ? wake_us : p->until_us, &event);
    if (how == DIAG_DONE)
        received(p, &event);
    return how == DIAG_TIMEOUT ? DIAG_DONE : how;
}

static void begin(struct probing *p)
{
    const struct aivo_diagnose_options *o = &p->d->options;
    struct aivo_quality_options options = p->d->settings.options.quality;
    int64_t now_us = aivo_clock_us(), patience_us = (int64_t)o->stage_timeout_ms * 1000;
    options.enabled = true;
    options.interval_ms = o->interval_ms;
    options.quality_ping = p->d->target.socketio;
    if (options.timeout_ms == 0 || options.timeout_ms > o->stage_timeout_ms)
        options.timeout_ms = o->stage_timeout_ms;
    aivo_quality_init(&p->core, &options);
    p->wanted = p->facts.wanted = o->count;
    p->facts.until_confident = o->until_confident;
    p->until_us = now_us + (int64_t)o->count * o->interval_ms * 1250 + 2 * patience_us;
    if (o->until_confident) {
        int64_t confident_us = now_us + (int64_t)o->confident_ms * 1000;
        p->until_us = confident_us;
    }
    aivo_quality_connected(&p->core, now_us);
}

enum diag_next diag_run_probes(struct aivo_diagnosis *d)
{
    struct probing *p = calloc(1, sizeof *p);
    if (!p) {
        diag_warn(&d->report, "no-memory", "End other programs.", "there is no memory to measure with");
        return DIAG_STOP;
    }
    p->d = d;
    begin(p);
    while (!enough(p) && (p->facts.how = turn(p)) == DIAG_DONE)
        ;
    snapshot(p);
    snprintf(p->facts.error, sizeof p->facts.error, "%s", p->facts.how == DIAG_ERROR ? d->stream.error.message : "");
    p->facts.close_code = d->socket.close_code;
    diag_judge_probes(&d->report, &d->target, &p->facts);
    d->report.out.quality = p->facts.quality;
    d->report.out.has_quality = p->facts.quality.samples > 0;
    enum diag_how how = p->facts.how;
    free(p);
    if (how == DIAG_CANCELLED)
        return d->report.out.has_quality ? DIAG_CUT_SHORT : DIAG_INTERRUPT;
    return diag_stage_failed(&d->report, AIVO_DIAGNOSE_PROBES) ? DIAG_STOP : DIAG_GO_ON;
}
