/*
 * An emulated link: packets between two TUN devices, with delay, jitter, loss, reordering, a rate with a bounded
 * buffer, bursts of loss and a black hole, each way on its own. Every packet and every drop is counted.
 *
 * The address of the far side tells which conditions hold: 10.77.C.F belongs to conditions C and is flow F.
 */
#ifndef AIVO_NETLAB_LINK_H
#define AIVO_NETLAB_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_CONDITIONS 32
#define LINK_FLOWS      64
#define LINK_PACKETS    65536 /* on their way at once; beyond it they are dropped and counted */

/* One way. All zero is a perfect link. */
struct link_way {
    double delay_ms;
    double jitter_ms;    /* uniform, up to this much more or less; the order within a flow is kept */
    double loss;         /* 0..1 */
    double reorder;      /* 0..1: share of packets that overtake: half the delay, order not kept */
    double rate_bps;     /* bits a second; 0: no limit */
    double buffer_bytes; /* that wait for the rate; more are dropped */
    double burst_begin;  /* Gilbert-Elliott, chance a packet: from good to bad */
    double burst_end;    /* from bad to good */
    double burst_loss;   /* 0..1 while bad; loss holds while good */
};

struct link_count {
    uint64_t packets, dropped;     /* all; dropped ones are among the packets */
    uint64_t data, data_dropped;   /* with TCP payload */
    uint64_t first, first_dropped; /* of those, sent for the first time */
};

struct link;

/* near and far are file descriptors of TUN devices without packet information; they are the link's from now on.
 * NULL: no memory or no thread. */
struct link *link_create(int near, int far, uint64_t seed);
void link_destroy(struct link *link); /* ends the thread, closes the devices */

void link_set(struct link *link, int conditions, const struct link_way *up, const struct link_way *down);
/* Drops everything of a flow from now on, or no more. */
void link_hole(struct link *link, int conditions, int flow, bool on);
/* When the first byte was sent that the hole left unanswered, monotonic us; 0: none yet. */
int64_t link_hole_us(struct link *link, int conditions, int flow);
void link_count(struct link *link, int conditions, int flow, struct link_count *up, struct link_count *down);
/* Packets that did not fit into LINK_PACKETS: the lab itself was too slow. */
uint64_t link_overflow(struct link *link);

#endif
