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

/**
 * One snapshot. A figure that is not known is NAN (never 0); counts are exact.
 * Latencies are round-trip times of RFC 6455 PING frames in ms, over the last 10 samples unless said otherwise.
 */
struct aivo_quality {
    size_t size;              /**< of this struct, as the library knows it */
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
    double loss_pct;          /**< probes unanswered for 5 s, in % of all since start; 0..100 */
    double loss_low_pct;      /**< its two-sided 95 % Wilson interval: lower end */
    double loss_high_pct;     /**< upper end */
    double uplink_loss_pct;   /**< NAN: not measured */
    double downlink_loss_pct; /**< NAN: not measured */
    bool stable_known;        /**< false below two samples */
    bool stable;              /**< stddev / mean < 0.3 over the window */
    double network_ms;        /**< share of the network; NAN: not measured */
    double edge_ms;           /**< share of the edge and the server's event loop; NAN: not measured */
    double handler_ms;        /**< what the server's handler adds to a PING: quality_ping minus PING, at least 0 */
    uint64_t samples;         /**< answered probes since start */
    uint64_t lost;            /**< unanswered probes since start */
    uint64_t reconnects;      /**< connections made after the first */
};

#ifdef __cplusplus
}
#endif
#endif
