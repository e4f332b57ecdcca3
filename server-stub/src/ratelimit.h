/*
 * How many messages a connection may send in a sliding window, and how many quality_pings. Time is an argument
 * (monotonic milliseconds). A refused message does not count: after retry_after_ms the next one is accepted.
 *
 * Up to SRV_RATELIMIT_EXACT messages the window is exact to the millisecond. Beyond, the window is cut in
 * SRV_RATELIMIT_EXACT grains and a message leaves when its grain has wholly left: never more than the limit in any
 * window, and a place is free again at most a grain (window / 1,024) late.
 *
 * Memory: the struct (64 bytes at most), from the first message on a ring that grows to at most 8 bytes x
 * min(limit, SRV_RATELIMIT_EXACT + 2).
 */
#ifndef SRV_RATELIMIT_H
#define SRV_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define SRV_RATELIMIT_EXACT    1024
#define SRV_RATELIMIT_PINGS    5    /* quality_pings ... */
#define SRV_RATELIMIT_PINGS_MS 1000 /* ... in any such time */

/* Shared by all connections. max_messages 0 is no limit. */
struct srv_ratelimit_policy {
    uint32_t window_ms; /* 1..86,400,000 */
    uint32_t max_messages;
};

struct srv_ratelimit_run;

/* Zero is the initial state. */
struct srv_ratelimit {
    struct srv_ratelimit_run *runs; /* a ring; NULL until the first message */
    uint64_t last_ms;               /* when the newest run was added to */
    uint32_t cap, head, used;       /* of the ring, in runs */
    uint32_t count;                 /* messages in all runs */
    uint32_t pings[SRV_RATELIMIT_PINGS];
    uint8_t ping_count, ping_next;
};

/* May one more message pass? If not, *retry_after_ms (at least 1) says when the next will. Without memory for the ring
 * the answer is no, for a second. */
bool srv_ratelimit_allow(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy, uint64_t now_ms,
                         uint32_t *retry_after_ms);
/* The same for quality_ping. Allocates nothing. */
bool srv_ratelimit_allow_ping(struct srv_ratelimit *r, uint64_t now_ms, uint32_t *retry_after_ms);
/* Gives the ring back if nothing in it counts any more: for a housekeeping pass over quiet connections. */
void srv_ratelimit_trim(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy, uint64_t now_ms);
void srv_ratelimit_free(struct srv_ratelimit *r);

#endif
