/* The insides of a queue, shared by its two halves: queue.c (callers and the loop's thread) and queue_store.c (the
 * store thread). */
#ifndef AIVO_QUEUE_INTERNAL_H
#define AIVO_QUEUE_INTERNAL_H

#include "core/delivery.h"
#include "core/uuid.h"
#include "io/store.h"
#include "queue.h"
#include <pthread.h>

#define AIVO_QUEUE_JOBS_MAX     4096        /* sends waiting for the store thread; more wait for a place */
#define AIVO_QUEUE_BATCH_BYTES  (16u << 20) /* of messages in one transaction, or one message */
#define AIVO_QUEUE_HELD_BYTES   (8u << 20)  /* of messages in memory, or one message */
#define AIVO_QUEUE_BACKLOG_MAX  4096        /* changes waiting for the disk: beyond it nothing is sent */
#define AIVO_QUEUE_DEPARTED_MAX 65536       /* fates on disk not yet told: beyond it nothing is accepted */
#define AIVO_QUEUE_UPKEEP_MAX   1024        /* messages evicted or expired by one transaction of upkeep */
#define AIVO_QUEUE_CHUNK        128         /* fates read from disk at once */
#define AIVO_QUEUE_CHUNK_BYTES  (1u << 20)
#define AIVO_QUEUE_NOTICES_MAX  16

/* A message in memory; one piece of memory but for last_error and answer. */
struct queue_message {
    struct aivo_queued shown;
    int64_t seq;
    uint64_t bytes;
    char *last_error;
    /* Once it has left: */
    struct queue_message *next;
    enum aivo_fate fate;
    char *answer;
    bool departed; /* it was read from the fates on disk */
    bool flown;    /* it was in flight: the loop's thread may be looking at it */
    char text[];   /* event and args */
};

struct message_list {
    struct queue_message *head;
    struct queue_message **tail; /* NULL while the list is empty */
};

/* A send that waits; on its caller's stack. */
struct job {
    const char *event, *args;
    size_t event_len, args_len;
    struct job *next;
    bool done;
    enum aivo_status status;
    struct aivo_error err;
    uint8_t id[16];
};

/* A change that the loop's thread leaves to the store thread. */
struct op {
    enum { OP_REMOVE, OP_FAILED, OP_DEPART } kind;
    bool departed; /* OP_REMOVE of a fate that was told */
    int64_t seq;
    uint32_t attempts;
    enum aivo_fate fate;
    char *last_error; /* owned */
};
struct ops {
    struct op *at;
    size_t count, cap;
};

struct aivo_queue {
    /* Never changed after open. */
    struct aivo_queue_options options;
    const struct aivo_store *store;
    void (*wake)(void *user);
    void *user;
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything down to the next comment; never held during a call of store or sink */
    pthread_cond_t work;  /* the store thread waits for something to do */
    pthread_cond_t done;  /* senders wait for their result */
    pthread_cond_t space; /* senders wait for a place among the jobs */
    struct job *jobs, **jobs_tail;
    uint32_t job_count;
    uint32_t awaited; /* jobs that the store thread waits for a moment; 0: it does not */
    struct aivo_delivery *delivery;
    struct aivo_queue_clock clock;
    struct ops ops;
    size_t backlog; /* ops, those that the store thread has taken included */
    struct message_list untold;
    struct message_list trash; /* evicted, but only the loop's thread may free them: see flown */
    struct aivo_error notices[AIVO_QUEUE_NOTICES_MAX];
    uint32_t notice_count;
    uint64_t pending, bytes;
    uint64_t held_bytes;
    uint64_t refused_at; /* held_bytes when the next message on disk was too long to be held as well; 0: it was not */
    uint64_t departed;   /* fates on disk */
    uint32_t chunk_left; /* of those read from disk and not yet removed */
    int64_t head_ms;     /* when the oldest was accepted, while none is in memory */
    int64_t expiry_ms;   /* of what is only on disk: not before this, on the queue's clock */
    int64_t last_seq, cursor;
    bool closing;

    int64_t blocked_until_us; /* the loop's thread only */

    /* The store thread only. */
    struct aivo_store_db *db;
    struct ops taken;
    uint32_t last_batch; /* jobs in the last transaction */
    int64_t commit_us;   /* what it took */
    struct aivo_uuid_source uuids;
    int64_t passed_seq;     /* what is only on disk and not after this has left */
    int64_t write_after_us; /* the next try of what failed and no sender waits for */
    int64_t read_after_us;
    int64_t saved_skew_ms;
    int64_t saved_at_us;
    bool in_trouble; /* reported */
};

void *aivo_queue_store_main(void *queue);
/* Whether the store thread has something to do: 0 is now, else when (monotonic us). Locked. */
int64_t aivo_queue_store_due(const struct aivo_queue *q, int64_t now_us);

/* Locked. */
void aivo_queue_list_add(struct message_list *list, struct queue_message *m);
void aivo_queue_notice(struct aivo_queue *q, const struct aivo_error *error);

struct queue_message *aivo_queue_message_new(const struct aivo_store_row *row, int64_t skew_ms);
void aivo_queue_message_free(struct queue_message *m);

#endif
