/** @file history.h  What a connection's quality was: samples, minutes and hours in a file of bounded size. */
#ifndef AIVO_HISTORY_H
#define AIVO_HISTORY_H

#include <aivo/client.h>
#include <aivo/error.h>
#include <aivo/quality.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A recorder and its SQLite file. Kept are the samples of 24 hours (at most 100,000), the minutes of 30 days, the hours
 * of 5 years, and a trace of everything that was measured (at most 64 MiB, then no more is traced) for aivo_replay();
 * aivo_history_prune() keeps less. What is recorded is written within two seconds, by a thread of its own; the client
 * never waits for the disk, and a disk that is too slow loses records, not measurements. All calls are thread-safe.
 */
struct aivo_history;

/** Opens or makes the file. AIVO_OK, AIVO_E_INVALID, AIVO_E_STORE (not usable: err says why), AIVO_E_MEMORY,
 *  AIVO_E_SYSTEM. */
AIVO_API enum aivo_status aivo_history_open(const char *path, struct aivo_history **out, struct aivo_error *err);
/** Opens a file that exists, for aivo_history_read() alone, also beside a program that records to it: nothing is added,
 *  rolled up or thrown away, however old it is. AIVO_OK, AIVO_E_INVALID, AIVO_E_STORE (there is none, or it is no
 *  history), AIVO_E_MEMORY. */
AIVO_API enum aivo_status aivo_history_open_reader(const char *path, struct aivo_history **out, struct aivo_error *err);
/** Writes what waits, and frees. No client may record to it any more. NULL is allowed. AIVO_OK, or AIVO_E_STORE if
 *  anything could not be written since it was opened. */
AIVO_API enum aivo_status aivo_history_close(struct aivo_history *history);

/** Adds a sample; clients that record do it by themselves. A reader ignores it. */
AIVO_API void aivo_history_add(struct aivo_history *history, const struct aivo_quality *quality);

/** From now on the client records what it measures; history must live longer than it. Before aivo_client_start(), once.
 *  AIVO_OK, AIVO_E_STATE, AIVO_E_INVALID (a reader, or NULL). */
AIVO_API enum aivo_status aivo_client_record(struct aivo_client *client, struct aivo_history *history);

/** How long a row is. */
enum aivo_history_span {
    AIVO_HISTORY_SAMPLES = 0, /**< single ones: min, p50, p95 and max are the same */
    AIVO_HISTORY_MINUTES = 1, /**< complete ones only */
    AIVO_HISTORY_HOURS = 2
};

/** A row. Latencies in ms, NAN where no sample had one. */
struct aivo_history_row {
    int64_t time_ms;       /**< its begin: Unix time, ms */
    uint32_t samples;      /**< that it is made of */
    double min_ms;         /**< least latency */
    double p50_ms;         /**< median */
    double p95_ms;         /**< 95th percentile */
    double max_ms;         /**< greatest */
    uint64_t lost;         /**< round trips that lost a packet */
    uint64_t loss_samples; /**< of how many */
    enum aivo_level worst; /**< the worst level of its time */
    uint32_t events;       /**< changes of the level */
};

/** The rows of from_ms <= time < to_ms in order, until fn returns false. AIVO_OK, AIVO_E_STORE. */
AIVO_API enum aivo_status aivo_history_read(struct aivo_history *history, enum aivo_history_span span, int64_t from_ms,
                                            int64_t to_ms, bool (*fn)(void *user, const struct aivo_history_row *row),
                                            void *user, struct aivo_error *err);

/**
 * Deletes what is older than before_ms (Unix time, ms): samples taken before it, minutes and hours that were over by
 * then, and of the trace every run that ended before it. A minute or an hour that reaches past before_ms stays whole;
 * so does a run of which the end is newer, and the one that is being recorded: half a run cannot be replayed.
 * INT64_MAX deletes all but that.
 *
 * What waits to be written is written first. Deleted is in steps, each of which happens as a whole or not at all, and
 * between which others read and write: a client that records never waits, and neither do readers, in this program or
 * another. The caller waits for the disk, for half a second or so where there are years to delete. A program that ends
 * meanwhile leaves some of what is too old; the next call deletes it. A file made by this version gets smaller; in one
 * that an earlier version made, the space is used again.
 * @param count  NULL, or where the number of deleted rows goes, also upon an error
 * @return AIVO_OK, AIVO_E_INVALID (a reader), AIVO_E_STORE (the disk, a damaged file, or another program that did not
 *         let go of the file for two seconds)
 */
AIVO_API enum aivo_status aivo_history_prune(struct aivo_history *history, int64_t before_ms, uint64_t *count,
                                             struct aivo_error *err);

/**
 * Runs the recorded trace of a file through the scorer again. fn gets every snapshot that the client told of.
 * @return AIVO_OK: every one was bit for bit what was recorded; AIVO_E_CORRUPT: one was not, or the trace is damaged;
 *         AIVO_E_NOT_FOUND (nothing was traced), AIVO_E_STORE, AIVO_E_MEMORY
 */
AIVO_API enum aivo_status aivo_replay(const char *path, void (*fn)(void *user, const struct aivo_quality *quality),
                                      void *user, struct aivo_error *err);

#ifdef __cplusplus
}
#endif
#endif
