#include "quality_trace.h"

#include "error_internal.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION  1
#define HOUR_MS  3600000
#define TIME_MAX INT64_C(10000000000000000) /* us: three centuries; sums cannot overflow */

size_t aivo_trace_begin(const struct aivo_quality_options *o, char out[AIVO_TRACE_LINE_MAX])
{
    /* %a: a double's exact value */
    return (size_t)snprintf(out, AIVO_TRACE_LINE_MAX, "I %d %d %" PRIu32 " %" PRIu32 " %d %a %a %a %d %" PRIu32 "\n",
                            VERSION, o->enabled, o->interval_ms, o->timeout_ms, o->quality_ping,
                            o->thresholds.excellent_ms, o->thresholds.good_ms, o->thresholds.fair_ms, (int)o->profile,
                            o->window);
}

size_t aivo_trace_call(const struct aivo_quality_call *c, char out[AIVO_TRACE_LINE_MAX])
{
    int n = snprintf(out, AIVO_TRACE_LINE_MAX, "%c %" PRId64 " %" PRId64 " %" PRIu64 " %d", c->kind, c->now_us,
                     c->sent_us, c->id, c->on);
    size_t used = (size_t)n;
    const struct aivo_path *p = c->path;
    if (p)
        used += (size_t)snprintf(out + used, AIVO_TRACE_LINE_MAX - used, " p %d %u %u %u %u %u %u %u %u %u %u %u %u",
                                 p->has_dsack, p->total_retrans, p->dsack_dups, p->data_segs_out, p->retransmits,
                                 p->unacked, p->notsent_bytes, p->rtt_us, p->rttvar_us, p->min_rtt_us,
                                 p->last_data_recv_ms, p->last_ack_recv_ms, p->last_data_sent_ms);
    if (c->times)
        used += (size_t)snprintf(out + used, AIVO_TRACE_LINE_MAX - used, " t %a %a %a", c->times->received_at_ms,
                                 c->times->sent_at_ms, c->times->back_ms);
    out[used++] = '\n';
    out[used] = '\0';
    return used;
}

/* FNV-1a over every field; the struct's padding has no say. */
static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

#define MIX(field) hash = mix(hash, &q->field, sizeof(q->field))

static uint64_t hash_of(const struct aivo_quality *q)
{
    uint64_t hash = 0xcbf29ce484222325u;
    MIX(time_ms), MIX(level), MIX(score), MIX(latency_ms), MIX(avg_latency_ms), MIX(min_latency_ms);
    MIX(p50_ms), MIX(p95_ms), MIX(p99_ms), MIX(jitter_ms), MIX(loss_pct), MIX(loss_low_pct), MIX(loss_high_pct);
    MIX(uplink_loss_pct), MIX(downlink_loss_pct), MIX(stable_known), MIX(stable), MIX(network_ms), MIX(edge_ms);
    MIX(handler_ms), MIX(samples), MIX(lost), MIX(reconnects), MIX(loss_samples), MIX(loss_source);
    MIX(uplink_low_pct), MIX(uplink_high_pct), MIX(downlink_low_pct), MIX(downlink_high_pct), MIX(suspect);
    MIX(local_stalls), MIX(clock_offset_ms), MIX(uplink_queue_ms), MIX(downlink_queue_ms), MIX(cause_count);
    for (size_t i = 0; i < q->cause_count; i++) {
        MIX(causes[i].cause);
        MIX(causes[i].points);
    }
    return hash;
}

size_t aivo_trace_told(const struct aivo_quality *told, int64_t now_us, char out[AIVO_TRACE_LINE_MAX])
{
    return (size_t)snprintf(out, AIVO_TRACE_LINE_MAX, "Q %" PRId64 " %" PRId64 " %" PRIx64 "\n", now_us, told->time_ms,
                            hash_of(told));
}

static bool begin(struct aivo_tracer *t, const char *line)
{
    struct aivo_quality_options o = {.enabled = true};
    int version, enabled, ping, profile;
    if (sscanf(line, "I %d %d %" SCNu32 " %" SCNu32 " %d %la %la %la %d %" SCNu32, &version, &enabled, &o.interval_ms,
               &o.timeout_ms, &ping, &o.thresholds.excellent_ms, &o.thresholds.good_ms, &o.thresholds.fair_ms, &profile,
               &o.window) != 10 ||
        version != VERSION || !o.interval_ms || o.interval_ms > HOUR_MS || !o.timeout_ms || o.timeout_ms > HOUR_MS ||
        !(o.thresholds.excellent_ms > 0 && o.thresholds.excellent_ms < o.thresholds.good_ms &&
          o.thresholds.good_ms < o.thresholds.fair_ms) ||
        (profile != AIVO_PROFILE_STANDARD && profile != AIVO_PROFILE_CLASSIC))
        return false;
    o.enabled = enabled;
    o.quality_ping = ping;
    o.profile = (enum aivo_quality_profile)profile;
    aivo_quality_init(&t->core, &o);
    t->begun = true;
    return true;
}

static bool read_path(const char *text, struct aivo_path *p)
{
    int has_dsack;
    bool ok = sscanf(text, " p %d %u %u %u %u %u %u %u %u %u %u %u %u", &has_dsack, &p->total_retrans, &p->dsack_dups,
                     &p->data_segs_out, &p->retransmits, &p->unacked, &p->notsent_bytes, &p->rtt_us, &p->rttvar_us,
                     &p->min_rtt_us, &p->last_data_recv_ms, &p->last_ack_recv_ms, &p->last_data_sent_ms) == 13;
    p->has_dsack = ok && has_dsack;
    return ok;
}

static bool call(struct aivo_tracer *t, const char *line)
{
    struct aivo_quality_call c = {.kind = line[0]};
    struct aivo_path path;
    struct aivo_quality_times times;
    int on, used = 0;
    if (!t->begun ||
        sscanf(line + 1, " %" SCNd64 " %" SCNd64 " %" SCNu64 " %d%n", &c.now_us, &c.sent_us, &c.id, &on, &used) != 4)
        return false;
    if (c.now_us < 0 || c.now_us > TIME_MAX || c.sent_us < 0 || c.sent_us > TIME_MAX)
        return false;
    c.on = on;
    const char *rest = line + 1 + used;
    if (strncmp(rest, " p ", 3) == 0) {
        if (!read_path(rest, &path))
            return false;
        c.path = &path;
    } else if (strncmp(rest, " t ", 3) == 0) {
        if (sscanf(rest, " t %la %la %la", &times.received_at_ms, &times.sent_at_ms, &times.back_ms) != 3)
            return false;
        c.times = &times;
    }
    return aivo_quality_apply(&t->core, &c);
}

static enum aivo_status told(struct aivo_tracer *t, const char *line, struct aivo_error *err)
{
    int64_t now_us, time_ms;
    uint64_t hash;
    if (!t->begun || sscanf(line, "Q %" SCNd64 " %" SCNd64 " %" SCNx64, &now_us, &time_ms, &hash) != 3 || now_us < 0 ||
        now_us > TIME_MAX)
        return aivo_error_set(err, AIVO_E_CORRUPT, 0, "line %" PRIu64 " of the trace is damaged", t->line);
    struct aivo_quality q = {.time_ms = time_ms};
    aivo_quality_snapshot(&t->core, now_us, &q);
    if (t->fn)
        t->fn(t->user, &q);
    if (hash_of(&q) != hash)
        return aivo_error_set(err, AIVO_E_CORRUPT, 0,
                              "line %" PRIu64
                              " of the trace: another result than when it was recorded (was that another "
                              "version?)",
                              t->line);
    return AIVO_OK;
}

enum aivo_status aivo_tracer_feed(struct aivo_tracer *t, const char *line, struct aivo_error *err)
{
    t->line++;
    if (line[0] == 'Q')
        return told(t, line, err);
    if (line[0] && (line[0] == 'I' ? begin(t, line) : call(t, line)))
        return AIVO_OK;
    return aivo_error_set(err, AIVO_E_CORRUPT, 0, "line %" PRIu64 " of the trace is damaged", t->line);
}
