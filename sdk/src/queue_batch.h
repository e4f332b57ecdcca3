/* What one transaction of the store thread changes: queue_batch.c puts it together, queue_store.c commits it. */
#ifndef AIVO_QUEUE_BATCH_H
#define AIVO_QUEUE_BATCH_H

#include "queue_internal.h"

/* What one transaction changes in a lane once it is committed. */
struct lane_tally {
    int64_t added, added_bytes;
    int64_t left, left_bytes; /* evicted, expired, replaced */
    int64_t passed_seq;
    int64_t expiry_ms, due_ms;
    int32_t most_important; /* of those that may be loaded now */
    bool more, named;
    bool none_left; /* more should be evicted than there is: the count was wrong */
};
struct tally {
    struct lane_tally lanes[AIVO_QUEUE_LANES_MAX];
    int64_t last_seq, first_seq; /* of those added */
    int64_t departed, told;
    int64_t departed_bytes; /* more, or fewer */
    int64_t kept_rows, told_kept;
    int64_t buried;
    uint64_t fates[AIVO_FATE_REPLACED + 1];
    uint64_t accepted;
    bool saved_clock, watch;
    struct aivo_instant at;
    int64_t clock_ms;
    uint64_t departed_before, dead_before;
    uint64_t pending[AIVO_QUEUE_LANES_MAX], bytes[AIVO_QUEUE_LANES_MAX]; /* before */
    struct aivo_delivery_item *victims; /* taken out of the memory, kept for the case of a rollback */
    uint32_t *victim_lanes;
    size_t victim_count, victim_cap;
    struct message_list queued;
};

/* Inside a transaction. */
enum aivo_status aivo_queue_write_ops(struct aivo_queue *q, struct tally *t, struct aivo_error *err);
/* job->settled: it was refused, or is done in part, and its status says so. */
enum aivo_status aivo_queue_write_job(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err);
/* What is only on disk and too old leaves. */
enum aivo_status aivo_queue_expire(struct aivo_queue *q, uint32_t lane, struct tally *t, struct aivo_error *err);
/* The bounds may have been lowered since the messages were accepted. */
enum aivo_status aivo_queue_evict(struct aivo_queue *q, uint32_t lane, struct tally *t, struct aivo_error *err);

#endif
