/*
 * What the kernel knows of one TCP connection, as plain numbers. It describes the path to the first TCP peer: where a
 * proxy or a TLS terminator stands between, that is the peer.
 */
#ifndef AIVO_CORE_PATH_H
#define AIVO_CORE_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct aivo_path {
    bool has_dsack;             /* dsack_dups is known (Linux 4.19) */
    uint32_t total_retrans;     /* segments sent again; wraps, as the next two */
    uint32_t dsack_dups;        /* of those the peer already had */
    uint32_t data_segs_out;     /* segments with data, those sent again included */
    uint32_t retransmits;       /* time-outs of the segment at hand; 0 once it is acknowledged */
    uint32_t unacked;           /* segments on their way */
    uint32_t notsent_bytes;     /* given to the kernel and never sent */
    uint32_t rtt_us;            /* smoothed; 0: none yet */
    uint32_t rttvar_us;         /* its mean deviation */
    uint32_t min_rtt_us;        /* least of the last minutes; 0 or UINT32_MAX: unknown */
    uint32_t last_data_recv_ms; /* since data came last */
    uint32_t last_ack_recv_ms;  /* since anything came last */
    uint32_t last_data_sent_ms; /* since data was sent last, also again */
};

#endif
