/** @file quality.h  A snapshot of how good the connection is. */
#ifndef AIVO_QUALITY_H
#define AIVO_QUALITY_H

#include <aivo/export.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** From worst to best, so that levels compare with < and >. */
enum aivo_level {
    AIVO_LEVEL_OFFLINE = 0,  /**< not connected */
    AIVO_LEVEL_POOR = 1,     /**< mean latency from 500 ms */
    AIVO_LEVEL_FAIR = 2,     /**< below 500 ms */
    AIVO_LEVEL_GOOD = 3,     /**< below 250 ms */
    AIVO_LEVEL_EXCELLENT = 4 /**< below 100 ms */
};

/** "Offline", "Poor", "Fair", "Good" or "Excellent"; static. Thread-safe. */
AIVO_API const char *aivo_level_name(enum aivo_level level);

/** The latency at which the next worse level begins, in ms. */
struct aivo_quality_thresholds {
    double excellent_ms; /**< 100 */
    double good_ms;      /**< 250 */
    double fair_ms;      /**< 500 */
};

/** How samples become a score and a level. */
enum aivo_quality_profile {
    AIVO_PROFILE_STANDARD = 0, /**< smoothed, with loss and jitter, without what retransmits did to a sample */
    AIVO_PROFILE_CLASSIC = 1   /**< the raw mean of the window against the thresholds, and nothing else */
};

/** Where the loss figures come from. */
enum aivo_loss_source {
    AIVO_LOSS_NONE = 0,   /**< nothing measured yet */
    AIVO_LOSS_PROBES = 1, /**< the system has no TCP_INFO: probes unanswered for 5 s. TCP hides the rest */
    AIVO_LOSS_TCP = 2     /**< the kernel's counters: packets, on the path to the first TCP peer (see below) */
};

/** What takes points off a score. */
enum aivo_cause {
    AIVO_CAUSE_NETWORK_LATENCY = 0,
    AIVO_CAUSE_UPLINK_LOSS = 1,
    AIVO_CAUSE_DOWNLINK_LOSS = 2,
    AIVO_CAUSE_LOSS = 3, /**< in which direction is not known */
    AIVO_CAUSE_JITTER = 4,
    AIVO_CAUSE_EDGE = 5,           /**< proxies after the first TCP peer and the server's event loop */
    AIVO_CAUSE_SERVER_HANDLER = 6, /**< the handler is slow; costs no points: a PING does not wait for it */
    AIVO_CAUSE_LOCAL_STALL = 7,    /**< this process was late; costs no points: such samples are thrown away */
    AIVO_CAUSE_DEAD = 8            /**< nothing comes through */
};

/** "network-latency", "uplink-loss", "downlink-loss", "loss", "jitter", "edge", "server-handler", "local-stall" or
 * "dead"; static. Thread-safe. */
AIVO_API const char *aivo_cause_name(enum aivo_cause cause);

/** A cause and what it cost. */
struct aivo_quality_cause {
    enum aivo_cause cause; /**< what it is */
    double points;         /**< 0..100; those of a snapshot add up to 100 - score */
};

#define AIVO_QUALITY_CAUSES 9 /**< as many as a snapshot can have */

/**
 * One snapshot. A figure that is not known is NAN (never 0); counts are exact.
 * Latencies are round-trip times of RFC 6455 PING frames in ms, over the last 10 samples (the option `window`) unless
 * said otherwise. Samples that a retransmit, a full send buffer, a suspend or a late process spoiled are in
 * latency_ms and the percentiles only.
 *
 * Loss, network_ms and edge_ms come from TCP_INFO where the system has it. That describes the path to the first TCP
 * peer: behind an HTTP proxy or in front of a TLS terminator it is the path to that, and what lies beyond is edge_ms.
 */
struct aivo_quality {
    size_t size;              /**< bytes of this struct that the library has filled */
    int64_t time_ms;          /**< when it was taken: Unix time, ms */
    enum aivo_level level;    /**< OFFLINE while not connected or without a sample */
    int score;                /**< 1..100; 0 is offline */
    double latency_ms;        /**< the latest sample */
    double avg_latency_ms;    /**< mean of the window */
    double min_latency_ms;    /**< least of the window */
    double p50_ms;            /**< median of the last 256 samples */
    double p95_ms;            /**< 95th percentile of the last 256 samples */
    double p99_ms;            /**< 99th percentile of the last 256 samples */
    double jitter_ms;         /**< standard deviation of the window */
    double loss_pct;          /**< round trips that lost a packet, in % of those observed since start; 0..100 */
    double loss_low_pct;      /**< its two-sided 95 % Wilson interval: lower end */
    double loss_high_pct;     /**< upper end */
    double uplink_loss_pct;   /**< NAN: not measured */
    double downlink_loss_pct; /**< NAN: not measured */
    bool stable_known;        /**< false below two samples */
    bool stable;              /**< stddev / mean < 0.3 over the window */
    double network_ms;        /**< share of the network; NAN: not measured */
    double edge_ms;           /**< share of the edge and the server's event loop; NAN: not measured */
    double handler_ms;        /**< what the server's handler adds to a PING: at least 0; median of the last answers */
    uint64_t samples;         /**< answered probes since start */
    uint64_t lost;            /**< round trips that lost a packet, and unanswered probes, since start */
    uint64_t reconnects;      /**< connections made after the first */
    uint64_t loss_samples;    /**< round trips that loss_pct is a share of */
    enum aivo_loss_source loss_source; /**< where the loss figures come from */
    double uplink_low_pct;             /**< two-sided 95 % interval of uplink_loss_pct */
    double uplink_high_pct;            /**< its upper end */
    double downlink_low_pct;  /**< of downlink_loss_pct, made of the ends of the other two: wider than needed */
    double downlink_high_pct; /**< its upper end */
    bool suspect;             /**< connected, and a probe is late or a retransmit pending */
    uint64_t local_stalls;    /**< since start: samples that were spoiled because this process was late */
    double clock_offset_ms;   /**< the server's wall clock minus ours, by quality_pong; NAN: not measured */
    double uplink_queue_ms;   /**< how much longer than the best of late the last quality_ping took to the server */
    double downlink_queue_ms; /**< and its answer back; NAN: not measured */
    size_t cause_count;       /**< of causes */
    struct aivo_quality_cause causes[AIVO_QUALITY_CAUSES]; /**< what took points off, most first */
    bool queue_known;         /**< the client has an offline queue (else the next three are 0). As of the call where
                                  aivo_client_quality() gives them, of the snapshot in a callback */
    uint64_t queue_pending;   /**< messages in the offline queue, those in flight included */
    uint64_t queue_in_flight; /**< of these: sent and not yet acknowledged */
    uint64_t queue_dead;      /**< dead letters kept */
};

#ifdef __cplusplus
}
#endif
#endif
