#include "verdict.h"

#define SUSPECT_LEAST_US  1000000
#define SUSPECT_MARGIN_US 200000 /* Linux' least retransmission time-out */
#define DEAD_TRIES        4
#define DEAD_RETRANSMITS  3
#define DEAD_SILENCE_US   3000000
#define PROGRESS_MS       3000

/* How often the segment at hand was sent and could have been answered by now: the latest time perhaps not yet. */
static uint32_t tries_of(const struct aivo_verdict_input *in)
{
    const struct aivo_path *p = in->path;
    uint32_t again = in->resent > p->retransmits ? in->resent : p->retransmits;
    return 1 + again - (again && (int64_t)p->last_data_sent_ms * 1000 < (int64_t)p->rtt_us + p->rtt_us / 4);
}

/* Time-outs of the segment at hand, and not a byte from the peer for as long. */
static bool is_cut(const struct aivo_verdict_input *in)
{
    const struct aivo_path *p = in->path;
    return p && p->retransmits >= DEAD_RETRANSMITS && tries_of(in) >= DEAD_TRIES && in->waiting_us >= DEAD_SILENCE_US &&
           p->last_data_recv_ms >= DEAD_SILENCE_US / 1000 && p->last_ack_recv_ms >= DEAD_SILENCE_US / 1000;
}

/* The probe may stand in a long queue: while bytes move, nothing is dead. */
static bool is_moving(const struct aivo_path *p)
{
    return p && (p->last_data_recv_ms < PROGRESS_MS ||
                 ((p->unacked || p->notsent_bytes) && p->last_ack_recv_ms < PROGRESS_MS));
}

enum aivo_verdict aivo_verdict_of(const struct aivo_verdict_input *in)
{
    if (is_cut(in) || (in->probe_us >= in->timeout_us && in->answers && !is_moving(in->path)))
        return AIVO_VERDICT_DEAD;
    int64_t late_us = SUSPECT_LEAST_US;
    if (in->path) {
        int64_t expected_us = (int64_t)in->path->rtt_us + 4 * (int64_t)in->path->rttvar_us + SUSPECT_MARGIN_US;
        if (expected_us > late_us)
            late_us = expected_us;
        if (in->waiting_us >= 0 && in->path->retransmits > 0)
            return AIVO_VERDICT_SUSPECT;
    }
    return in->probe_us > late_us ? AIVO_VERDICT_SUSPECT : AIVO_VERDICT_FINE;
}
