/*
 * Packet loss and its direction, of the kernel's counters and of single probes. Pure.
 *
 * A segment that was sent k times and arrived a times was lost k - a times; the kernel counted k - 1 retransmits and
 * the peer reports a - 1 of them as duplicates (DSACK). So retransmits - DSACKs is the number of losses uplink; what
 * the round trips lost beyond it was lost downlink.
 */
#ifndef AIVO_CORE_LOSS_H
#define AIVO_CORE_LOSS_H

#include "path.h"
#include <stddef.h>

#define AIVO_LOSS_RECENT     200                      /* observations that the score looks at */
#define AIVO_LOSS_RECENT_US  ((int64_t)300 * 1000000) /* and none older than this */
#define AIVO_LOSS_RECENT_MIN 10                       /* fewer say nothing */

struct aivo_loss {
    uint64_t observations, lost; /* round trips since the reset */
    int64_t recent_us[AIVO_LOSS_RECENT];
    bool recent_lost[AIVO_LOSS_RECENT];
    size_t recent_len, recent_next;

    uint64_t retrans, dsacks, segments; /* of all connections since the reset */
    bool no_dsack;                      /* one of them did not count DSACKs: the direction is unknown */
    bool has_last;
    struct aivo_path last; /* the reading that the next one's differences are taken from */
};

/* In percent; NAN is unknown. The intervals are two-sided 95 %; downlink's is made of the ends of the other two. */
struct aivo_loss_figures {
    double rt, rt_low, rt_high;
    double up, up_low, up_high;
    double down, down_low, down_high;
};

/* Forgets everything. */
void aivo_loss_reset(struct aivo_loss *l);
/* The next reading is of another connection: its counters begin anew. */
void aivo_loss_connected(struct aivo_loss *l);
/* A reading of the kernel's counters. */
void aivo_loss_counters(struct aivo_loss *l, const struct aivo_path *path);
/* A round trip that lost a packet, or did not. */
void aivo_loss_observe(struct aivo_loss *l, int64_t now_us, bool lost);

/* The latest n (of at most AIVO_LOSS_RECENT) that were called lost were not. */
void aivo_loss_forgive(struct aivo_loss *l, size_t n);

void aivo_loss_figures(const struct aivo_loss *l, struct aivo_loss_figures *out);
/* Lower end, in percent, of the one-sided 90 % interval of the recent round trips; 0 while there are too few. */
double aivo_loss_bound(const struct aivo_loss *l, int64_t now_us);

#endif
