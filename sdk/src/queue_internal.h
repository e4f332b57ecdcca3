/* The insides of a queue, shared by its halves: queue.c (the loop's thread), queue_send.c (callers) and queue_store.c
 * (whoever has the file: the store thread, or the one sender there is). */
#ifndef AIVO_QUEUE_INTERNAL_H
#define AIVO_QUEUE_INTERNAL_H

#include "core/delivery.h"
#include "core/msgid.h"
#include "core/seqmap.h"
#include "core/uuid.h"
#include "io/store.h"
#include "queue.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/types.h>

#define AIVO_QUEUE_JOBS_MAX        4096         /* sends waiting for the store thread; more wait for a place */
#define AIVO_QUEUE_BATCH_BYTES     (16u << 20)  /* of messages in one transaction, or one message */
#define AIVO_QUEUE_HELD_BYTES      (8u << 20)   /* of messages in memory, or one message */
#define AIVO_QUEUE_BACKLOG_MAX     4096         /* changes waiting for the disk: beyond it nothing is sent */
#define AIVO_QUEUE_DEPARTED_MAX    65536        /* fates on disk not yet told: beyond it nothing is accepted */
#define AIVO_QUEUE_DEPARTED_BYTES  (256u << 20) /* and of their messages, as far as this program let them leave */
#define AIVO_QUEUE_DEPARTED_MEMORY (16u << 20)  /* the same without a file */
#define AIVO_QUEUE_KEPT_MAX        4096         /* fates that the client has and did not tell yet: */
#define AIVO_QUEUE_KEPT_BYTES      (8u << 20)   /* beyond it nothing is sent */
#define AIVO_QUEUE_UPKEEP_MAX      1024         /* messages evicted or expired by one transaction of upkeep */
#define AIVO_QUEUE_CHUNK           128          /* fates read from disk at once */
#define AIVO_QUEUE_CHUNK_BYTES     (1u << 20)
#define AIVO_QUEUE_PARKED          1 /* in the map of those that are gone */
#define AIVO_QUEUE_NOTICES_MAX     16
#define AIVO_QUEUE_LANES_MAX       AIVO_STORE_LANES_MAX
#define AIVO_QUEUE_LANE_BITS       4           /* of a ticket */
#define AIVO_QUEUE_ASYNC_BYTES     (16u << 20) /* of messages sent asynchronously and not yet stored */
#define AIVO_QUEUE_ASYNC_MAX       65536
_Static_assert(AIVO_QUEUE_LANES_MAX == 1 << AIVO_QUEUE_LANE_BITS, "each lane has its number in a ticket");

/* A message in memory; one piece of memory but for last_error and answer. */
struct queue_message {
    struct aivo_queued shown;
    int64_t seq;
    uint64_t bytes;
    uint32_t lane;
    char *last_error;
    /* Once it has left: */
    struct queue_message *next;
    enum aivo_fate fate;
    char *answer;
    bool departed; /* its row is a fate on disk, or will be by what is left to the store thread */
    bool kept;     /* and it was in memory when it became one: its seq is gone until the row is removed */
    bool flown;    /* it was in flight: the loop's thread may be looking at it */
    char text[];   /* event, args and keys */
};

struct message_list {
    struct queue_message *head;
    struct queue_message **tail; /* NULL while the list is empty */
};

/* Something for the store thread; on its caller's stack, unless it is asynchronous. */
struct job {
    enum { JOB_SEND, JOB_RETRY, JOB_PURGE, JOB_PURGE_PENDING } kind;
    const char *event, *args;
    const char *order_key, *collapse_key; /* NULL: none */
    size_t event_len, args_len;
    uint32_t lane, ttl_s;
    int32_t priority;
    struct job *next;
    bool done;
    sem_t done_sem; /* not of an asynchronous one */
    bool settled;   /* status says what is true of this one, whatever becomes of its transaction */
    enum aivo_status status;
    struct aivo_error err;
    struct aivo_message_id id;
    struct aivo_queue_where where; /* RETRY, PURGE */
    uint64_t count;                /* of those that were retried or purged */
    /* Asynchronous: one piece of memory with its texts. */
    bool async;
    void (*fn)(void);
    void *fn_user;
};

/* A change that the loop's thread leaves to the store thread. */
struct op {
    enum { OP_REMOVE, OP_FAILED, OP_DEPART, OP_BURY, OP_LATE } kind; /* LATE: acknowledged, if it still waits on disk */
    bool departed;                                                   /* OP_REMOVE, OP_BURY of what was a fate on disk */
    bool kept;     /* of such a fate: it is in memory all the while, so that it is not read */
    bool releases; /* the message has left the memory: once this is on disk its seq is not gone any more */
    int64_t seq;
    uint32_t attempts;
    enum aivo_fate fate;
    uint32_t lane;
    uint64_t bytes;     /* OP_DEPART; OP_REMOVE, OP_BURY with departed */
    int64_t due_ms;     /* OP_FAILED: 0, or it waits on disk until then */
    int64_t expires_ms; /* OP_FAILED with due_ms */
    char *last_error;   /* owned */
    char *order_key;    /* owned; NULL: none */
};
struct ops {
    struct op *at;
    size_t count, cap;
};

/* A named queue: its policy, and what of it is in memory. The first is the default one. */
struct lane {
    char name[AIVO_STORE_NAME_MAX + 1];
    bool stored; /* the file knows its name (store thread) */
    uint32_t max_messages, ttl_s, window;
    uint64_t max_bytes;
    enum aivo_overflow overflow;
    struct aivo_delivery *delivery;
    uint64_t pending, bytes;
    uint64_t held_bytes;
    uint64_t refused_at; /* held_bytes when the next message on disk was too long to be held as well; 0: it was not */
    int64_t head_ms;     /* when the oldest was accepted, while none is in memory */
    int64_t expiry_ms;   /* of what is only on disk: not before this, on the queue's clock */
    int64_t due_ms;      /* LATER messages on disk: not before this */
    bool more;           /* READY messages may be on disk that are not in memory */
    bool urgent;         /* and are more important than some that are */
    int64_t passed_seq;  /* the lane has nothing at or before this (store thread) */
};

struct aivo_queue {
    /* Never changed after open. */
    struct aivo_queue_options options;
    char id_member[2 + AIVO_MSGID_KEY_MAX * 6 + 4]; /* "\"messageId\":\""; empty: off */
    char id_key[AIVO_MSGID_KEY_MAX + 1];
    const struct aivo_store *store;
    void (*wake)(void *user);
    void *user;
    pthread_t thread;
    pid_t pid; /* of the process that opened it */
    uint32_t lane_count;

    pthread_mutex_t lock; /* guards everything down to the next comment; never held during a call of store or sink */
    pthread_cond_t work;  /* the store thread waits for something to do, or for the file */
    pthread_cond_t space; /* senders wait for a place among the jobs */
    struct lane lanes[AIVO_QUEUE_LANES_MAX];
    struct job *jobs, **jobs_tail;
    uint32_t job_count; /* of those that somebody waits for */
    uint32_t async_count;
    uint64_t async_bytes;
    struct job *stored, **stored_tail; /* asynchronous ones to be told */
    uint32_t awaited;                  /* jobs that the store thread waits for a moment; 0: it does not */
    bool taken_up;                     /* somebody has the file: the store thread, or a sender (leads) */
    bool leads;
    bool first_waits;        /* a sender does what there is if the others do not come in a moment */
    uint32_t expected;       /* senders that waited for the last transaction, or behind it: most come back */
    int64_t commit_us;       /* what it took */
    bool untidy;             /* the store thread should look after the file: no sender takes it before */
    bool damaged;            /* the store thread should salvage the file: likewise */
    int64_t asleep_until_us; /* the store thread; 0: it is awake */
    struct aivo_queue_clock clock;
    struct aivo_uuid_source uuids;
    struct ops ops;
    size_t backlog;          /* ops, those that the store thread has taken included */
    struct aivo_seqmap gone; /* have left the memory, and the file does not say so yet; AIVO_QUEUE_PARKED: they wait */
    struct message_list untold;
    struct message_list kept; /* the client has them until aivo_queue_told() */
    uint32_t kept_count;
    uint64_t kept_bytes;
    uint64_t kept_rows;         /* of the fates on disk: those that are kept, or were told and are not removed yet */
    struct message_list queued; /* put on disk, to be told */
    struct message_list trash;  /* evicted, but only the loop's thread may free them: see flown */
    struct aivo_error notices[AIVO_QUEUE_NOTICES_MAX];
    uint32_t notice_count;
    uint64_t held_bytes;
    uint64_t departed;       /* fates on disk */
    uint64_t departed_bytes; /* of those with a seq beyond opened_seq */
    uint64_t departed_bytes_max;
    int64_t opened_seq;  /* the last one when the file was opened */
    uint64_t dead;       /* dead letters */
    uint32_t chunk_left; /* of the fates read from disk and not yet removed */
    int64_t last_seq;
    uint64_t accepted, attempts, fates[AIVO_FATE_REPLACED + 1];
    bool watch_queued;
    bool refusing; /* senders: the client ends */
    bool closing;

    /* The loop's thread only. */
    int64_t blocked_until_us;
    uint32_t turn; /* whose lane's */
    bool finished;

    /* Only who has the file (taken_up), which the lock hands over. */
    struct aivo_store_db *db;
    struct ops taken;
    int64_t write_after_us; /* the next try of what failed and no sender waits for */
    int64_t read_after_us;
    int64_t saved_skew_ms;
    int64_t saved_at_us;
    bool in_trouble; /* reported */
    int64_t recover_after_us;
};

void *aivo_queue_store_main(void *queue);
/* A caller whose job is appended does the store thread's work itself, if nobody has the file and all are there that are
 * expected (late: whether or not). true: it did, and the job is done; false: done_sem says when. Locked on entry and
 * return. */
bool aivo_queue_lead(struct aivo_queue *q, const struct job *own, bool late);
/* Jobs are done: their callers go on, each after it has done the same with the job->next that it finds. Not locked. */
void aivo_queue_release(struct job *jobs);
/* How long the first of a batch waits for the others, us. Locked. */
int64_t aivo_queue_patience(const struct aivo_queue *q);
/* Whether the store thread has something to do: 0 is now, else when (monotonic us). Locked. */
int64_t aivo_queue_store_due(const struct aivo_queue *q, int64_t now_us);
/* Fills the memory up from the file (queue_load.c). true: the loop should look. */
bool aivo_queue_load(struct aivo_queue *q);
bool aivo_queue_wants_load(const struct aivo_queue *q, const struct lane *lane);
bool aivo_queue_wants_later(const struct aivo_queue *q, const struct lane *lane);
bool aivo_queue_wants_departed(const struct aivo_queue *q);
/* Nothing may be sent: too much waits for the disk, or to be told. Locked. */
bool aivo_queue_holds(const struct aivo_queue *q);
bool aivo_queue_keeps_enough(const struct aivo_queue *q);
/* Not locked. */
void aivo_queue_tell(struct aivo_queue *q, struct queue_message *m, const struct aivo_queue_sink *sink, void *user);
void aivo_queue_tell_all(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user);
/* Ends the store thread; nothing is written to the file afterwards. */
void aivo_queue_stop(struct aivo_queue *q);
/* A call of the store failed: true if that is why the store thread will salvage the file (queue_recover.c). Locked. */
bool aivo_queue_damaged(struct aivo_queue *q, const struct aivo_error *err);
/* Does so. By who has the file; locked on entry and return. */
void aivo_queue_recover(struct aivo_queue *q);
/* What nobody waits for could not be done: said once, tried again later. */
void aivo_queue_trouble(struct aivo_queue *q, int64_t *after_us, const struct aivo_error *err);

/* A forked child has neither its threads nor SQLite's locks. */
bool aivo_queue_is_ours(const struct aivo_queue *q);

/* Locked. */
void aivo_queue_list_add(struct message_list *list, struct queue_message *m);
struct queue_message *aivo_queue_list_take(struct message_list *list);
void aivo_queue_free_list(struct queue_message *m);
struct op aivo_queue_op_of(const struct queue_message *m); /* but for its kind */
void aivo_queue_push_op(struct aivo_queue *q, struct op op);
/* Its row becomes a fate. */
void aivo_queue_push_depart(struct aivo_queue *q, const struct queue_message *m, bool kept);
void aivo_queue_notice(struct aivo_queue *q, const struct aivo_error *error);

struct queue_message *aivo_queue_message_new(const struct aivo_queue *q, const struct aivo_store_row *row,
                                             int64_t skew_ms);
void aivo_queue_message_free(struct queue_message *m);

#endif
