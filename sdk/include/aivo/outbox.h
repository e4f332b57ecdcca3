/** @file outbox.h  The offline queue: durable messages, their fate, and a look into the file. */
#ifndef AIVO_OUTBOX_H
#define AIVO_OUTBOX_H

#include <aivo/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aivo_client;

/** A message's id: the same on every attempt and after every restart. A UUIDv7 as text, or the sender's own: see
 * aivo_queue_options.message_id_key. */
struct aivo_message_id {
    char text[37]; /**< at most 36 bytes and a NUL */
};

/** What a queue does when a message would exceed its bound by count or by bytes. */
enum aivo_overflow {
    AIVO_OVERFLOW_DROP_OLDEST = 0,   /**< the oldest leave (evicted); those in flight only when nothing else is left */
    AIVO_OVERFLOW_DROP_PRIORITY = 1, /**< the oldest of the lowest priority leave, those in flight only when nothing
                                        else is left; a new message whose own priority is below all others is refused
                                        with AIVO_E_FULL */
    AIVO_OVERFLOW_REJECT = 2         /**< the new message is refused with AIVO_E_FULL */
};

/** A further queue in the same file, with bounds, TTL and window of its own. Fill with aivo_queue_policy_init(). */
struct aivo_queue_policy {
    size_t size;                 /**< sizeof(struct aivo_queue_policy), set by aivo_queue_policy_init() */
    const char *name;            /**< UTF-8, 1..64 bytes */
    uint32_t max_messages;       /**< 100; 1..10,000,000 */
    uint64_t max_bytes;          /**< 0: no bound; of events and arguments */
    enum aivo_overflow overflow; /**< AIVO_OVERFLOW_DROP_OLDEST */
    uint32_t ttl_s;              /**< 86,400; 0: never */
    uint32_t max_retries;        /**< 3 */
    uint32_t window;             /**< 64; 1..1,024 */
};
/** As aivo_options_init_sized(). */
AIVO_API void aivo_queue_policy_init_sized(struct aivo_queue_policy *policy, size_t size);
/** Sets every field to its default. Thread-safe. */
static inline void aivo_queue_policy_init(struct aivo_queue_policy *policy)
{
    aivo_queue_policy_init_sized(policy, sizeof *policy);
}

#define AIVO_TTL_OF_QUEUE    UINT32_MAX /**< aivo_send.ttl_s: as the queue says */
#define AIVO_PRIORITY_MAX    9          /**< greatest priority; the least is -AIVO_PRIORITY_MAX */
#define AIVO_MESSAGE_KEY_MAX 128        /**< bytes of an order key or a collapse key */

/** What a durable message may be told. Fill with aivo_send_init(). Strings are copied. */
struct aivo_send {
    size_t size;              /**< sizeof(struct aivo_send), set by aivo_send_init() */
    const char *queue;        /**< a name of aivo_queue_options.queues; NULL: the default queue */
    uint32_t ttl_s;           /**< AIVO_TTL_OF_QUEUE; 0: never expires; else s */
    int32_t priority;         /**< 0; -AIVO_PRIORITY_MAX..AIVO_PRIORITY_MAX: the higher goes first */
    const char *order_key;    /**< messages with the same key (and queue) go strictly one after the other, in the order
                                   they were accepted: the next when this one has left the queue. They do not hold back
                                   any others. UTF-8, 1..AIVO_MESSAGE_KEY_MAX bytes; NULL: none */
    const char *collapse_key; /**< the message with the same key (and queue) that waits and is not in flight leaves as
                                   AIVO_FATE_REPLACED; this one goes at the end. As order_key; NULL: none */
};
/** As aivo_options_init_sized(). */
AIVO_API void aivo_send_init_sized(struct aivo_send *send, size_t size);
/** Sets every field to its default. Thread-safe. */
static inline void aivo_send_init(struct aivo_send *send)
{
    aivo_send_init_sized(send, sizeof *send);
}

/** An asynchronous send is on disk (status AIVO_OK), or is not and never will be. id: borrowed; error: NULL if it is.
 *  Called exactly once for every aivo_client_send_async() that returned AIVO_OK. */
typedef void (*aivo_stored_fn)(struct aivo_client *client, enum aivo_status status, const struct aivo_message_id *id,
                               const struct aivo_error *error, void *user);

/** What became of a durable message. */
enum aivo_fate {
    AIVO_FATE_ACKNOWLEDGED = 0, /**< the server has it */
    AIVO_FATE_EXPIRED = 1,      /**< older than its TTL */
    AIVO_FATE_EVICTED = 2,      /**< the queue was full, and its policy chose this one */
    AIVO_FATE_DEAD = 3,         /**< max_retries attempts failed; kept as a dead letter */
    AIVO_FATE_UNREADABLE = 4,   /**< its row in the file is damaged */
    AIVO_FATE_REPLACED = 5      /**< a newer message with the same collapse key took its place */
};

/** "acknowledged", "expired", "evicted", "dead", "unreadable" or "replaced"; static. Thread-safe. */
AIVO_API const char *aivo_fate_name(enum aivo_fate fate);

/** Where a durable message stands. */
enum aivo_queued_state {
    AIVO_QUEUED_WAITING = 0, /**< to be sent, or in flight */
    AIVO_QUEUED_LATER = 1,   /**< an attempt failed: to be sent again at not_before_ms */
    AIVO_QUEUED_BEHIND = 2,  /**< behind an earlier message with the same order key */
    AIVO_QUEUED_DEAD = 3,    /**< a dead letter */
    AIVO_QUEUED_LEFT = 4     /**< it has left the queue, and the program has not been told yet */
};

/** "waiting", "later", "behind", "dead" or "left"; static. Thread-safe. */
AIVO_API const char *aivo_queued_state_name(enum aivo_queued_state state);

/** A durable message as a callback or a listing shows it. Borrowed for the length of the call. */
struct aivo_queued {
    size_t size;                  /**< of this struct, as the library knows it */
    struct aivo_message_id id;    /**< the same at every attempt */
    const char *event;            /**< UTF-8 */
    const char *args;             /**< a JSON array's text */
    int64_t created_ms;           /**< Unix time, ms */
    int64_t expires_ms;           /**< Unix time, ms; 0: never */
    uint32_t attempts;            /**< that failed */
    const char *last_error;       /**< why the last attempt failed; NULL: none did */
    const char *queue;            /**< its queue's name; "": the default one */
    int32_t priority;             /**< the higher goes first */
    const char *order_key;        /**< NULL: none */
    const char *collapse_key;     /**< NULL: none */
    enum aivo_queued_state state; /**< where it stands */
    int64_t not_before_ms;        /**< AIVO_QUEUED_LATER: Unix time of the next attempt, ms; else 0 */
    int64_t died_ms;              /**< AIVO_QUEUED_DEAD: Unix time, ms; else 0 */
};

/** Told of every message that leaves the queue, at least once: one whose callback had not returned when the program
 * ended is told by the next client that opens the file. answer: the acknowledgement's arguments, a JSON array's text,
 * or NULL (none, or of a former program's message). */
typedef void (*aivo_fate_fn)(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                             const char *answer, void *user);

/** What is in a queue, and what became of what was. A member that says "since" counts from when the client was made,
 *  and is 0 when read from a file. */
struct aivo_queue_stats {
    size_t size;             /**< bytes of this struct that the library has filled */
    uint64_t pending;        /**< messages in the queue, those in flight included */
    uint64_t in_flight;      /**< sent and not yet acknowledged; 0 when read from a file */
    uint64_t dead;           /**< kept dead letters */
    uint64_t bytes;          /**< of the events and arguments of the pending messages */
    int64_t oldest_ms;       /**< Unix time of the oldest pending message, ms; 0: none */
    uint64_t later;          /**< of the pending: waiting for a further attempt; only when read from a file */
    uint64_t behind;         /**< of the pending: behind another of their order key; only when read from a file */
    uint64_t untold;         /**< have left the queue, and the program has not been told yet */
    uint64_t queued;         /**< accepted, since */
    uint64_t sent;           /**< attempts, since */
    uint64_t acknowledged;   /**< since */
    uint64_t expired;        /**< since */
    uint64_t evicted;        /**< since */
    uint64_t died;           /**< since */
    uint64_t replaced;       /**< since */
    int64_t paused_until_ms; /**< the server's rate limit holds until then, Unix time in ms; 0: it does not, or the
                                  figures were read from a file */
};

/** Told of a durable message. answer: the acknowledgement's arguments (acknowledged, and dead where the server
 *  answered), else NULL. */
typedef void (*aivo_queued_fn)(struct aivo_client *client, const struct aivo_queued *message, const char *answer,
                               void *user);

/** What becomes of durable messages, one callback each; NULL: not asked for. Fill with aivo_queue_callbacks_init(). */
struct aivo_queue_callbacks {
    size_t size;                 /**< sizeof(struct aivo_queue_callbacks), set by aivo_queue_callbacks_init() */
    aivo_queued_fn queued;       /**< it is on disk */
    aivo_queued_fn sent;         /**< an attempt was handed to the connection */
    aivo_queued_fn acknowledged; /**< the server has it */
    aivo_queued_fn expired;      /**< older than its TTL */
    aivo_queued_fn evicted;      /**< the queue was full */
    aivo_queued_fn replaced;     /**< by a newer one with its collapse key */
    aivo_queued_fn dead;         /**< max_retries attempts failed */
    void *user;                  /**< passed to each */
};
/** As aivo_options_init_sized(). */
AIVO_API void aivo_queue_callbacks_init_sized(struct aivo_queue_callbacks *callbacks, size_t size);
/** Sets every callback to NULL. Thread-safe. */
static inline void aivo_queue_callbacks_init(struct aivo_queue_callbacks *callbacks)
{
    aivo_queue_callbacks_init_sized(callbacks, sizeof *callbacks);
}

/** @name A queue's file
 * For tools and for programs that are not connected. Reading works beside a running client; retrying and purging need
 * the file for themselves (AIVO_E_LOCKED while a client has it: use aivo_client_queue_retry() and _purge() there).
 * One thread at a time may use an aivo_outbox. @{ */
struct aivo_outbox;

/**
 * Open an existing queue file.
 * @param writable  true: for aivo_outbox_retry() and aivo_outbox_purge() as well; takes the writer's lock
 * @return AIVO_OK, AIVO_E_NOT_FOUND (no such file), AIVO_E_LOCKED, AIVO_E_CORRUPT (damaged, or no queue), AIVO_E_STORE,
 *         AIVO_E_MEMORY
 */
AIVO_API enum aivo_status aivo_outbox_open(const char *path, bool writable, struct aivo_outbox **out,
                                           struct aivo_error *err);
/** NULL is allowed. */
AIVO_API void aivo_outbox_close(struct aivo_outbox *outbox);

/** As aivo_outbox_stats(), of which the caller knows the first size bytes; the rest stays untouched. */
AIVO_API enum aivo_status aivo_outbox_stats_sized(struct aivo_outbox *outbox, const char *queue,
                                                  struct aivo_queue_stats *out, size_t size, struct aivo_error *err);
/** Figures. queue: a name, "" the default one, NULL all together. AIVO_E_NOT_FOUND: no such queue in the file. */
static inline enum aivo_status aivo_outbox_stats(struct aivo_outbox *outbox, const char *queue,
                                                 struct aivo_queue_stats *out, struct aivo_error *err)
{
    return aivo_outbox_stats_sized(outbox, queue, out, sizeof *out, err);
}

/** The names of the file's queues, "" first. fn false: stop. */
AIVO_API enum aivo_status aivo_outbox_queues(struct aivo_outbox *outbox, bool (*fn)(void *user, const char *name),
                                             void *user, struct aivo_error *err);

/** Which messages are meant. */
enum aivo_outbox_kind {
    AIVO_OUTBOX_PENDING = 0, /**< waiting, later or behind */
    AIVO_OUTBOX_DEAD = 1     /**< dead letters */
};

/** A message; borrowed for the length of the call. false: stop. */
typedef bool (*aivo_outbox_fn)(void *user, const struct aivo_queued *message);

/**
 * List messages, oldest first, from where *cursor stands.
 * @param queue   as for aivo_outbox_stats()
 * @param cursor  0 to begin with; afterwards where to go on. May be NULL
 * @param limit   messages at most
 * @return AIVO_OK (also at the end: fewer than limit came), AIVO_E_NOT_FOUND (no such queue), AIVO_E_STORE,
 *         AIVO_E_CORRUPT
 */
AIVO_API enum aivo_status aivo_outbox_list(struct aivo_outbox *outbox, enum aivo_outbox_kind kind, const char *queue,
                                           int64_t *cursor, uint32_t limit, aivo_outbox_fn fn, void *user,
                                           struct aivo_error *err);
/** One message or dead letter by its id. AIVO_E_NOT_FOUND: there is none. */
AIVO_API enum aivo_status aivo_outbox_show(struct aivo_outbox *outbox, const char *id, aivo_outbox_fn fn, void *user,
                                           struct aivo_error *err);
/** Puts a dead letter (id NULL: all) back into its queue, at the end, with no failed attempts; its time to live begins
 *  anew. *count (may be NULL) says how many. AIVO_E_NOT_FOUND: no dead letter has this id. */
AIVO_API enum aivo_status aivo_outbox_retry(struct aivo_outbox *outbox, const char *id, uint64_t *count,
                                            struct aivo_error *err);
/** Deletes a message or dead letter for ever (id NULL: all of them in queue, as for aivo_outbox_stats()). */
AIVO_API enum aivo_status aivo_outbox_purge(struct aivo_outbox *outbox, enum aivo_outbox_kind kind, const char *queue,
                                            const char *id, uint64_t *count, struct aivo_error *err);
/** Which messages are meant, all of what is given holding. Fill with aivo_outbox_filter_init(), which means all. */
struct aivo_outbox_filter {
    size_t size;       /**< sizeof(struct aivo_outbox_filter), set by aivo_outbox_filter_init() */
    const char *queue; /**< as for aivo_outbox_stats() */
    const char *event; /**< only with this event; NULL: any */
    int64_t not_after; /**< only those queued then or before, Unix time in ms; 0: any */
    uint64_t limit;    /**< so many at most, the oldest of all queues first; 0: no limit */
};
/** As aivo_outbox_filter_init(), of a struct of which the caller knows the first size bytes. For bindings of other
 *  languages. */
AIVO_API void aivo_outbox_filter_init_sized(struct aivo_outbox_filter *filter, size_t size);
/** Fills a filter that means all messages. */
static inline void aivo_outbox_filter_init(struct aivo_outbox_filter *filter)
{
    aivo_outbox_filter_init_sized(filter, sizeof *filter);
}
/** As aivo_outbox_retry(), of the dead letters that the filter means (NULL: all): in one transaction, and in one pass
 *  over the file. AIVO_E_NOT_FOUND: no such queue. None that is meant is no error. */
AIVO_API enum aivo_status aivo_outbox_retry_where(struct aivo_outbox *outbox, const struct aivo_outbox_filter *filter,
                                                  uint64_t *count, struct aivo_error *err);
/** As aivo_outbox_purge(), of the messages that the filter means (NULL: all): in one transaction, and in one pass over
 *  the file. AIVO_E_NOT_FOUND: no such queue. None that is meant is no error. */
AIVO_API enum aivo_status aivo_outbox_purge_where(struct aivo_outbox *outbox, enum aivo_outbox_kind kind,
                                                  const struct aivo_outbox_filter *filter, uint64_t *count,
                                                  struct aivo_error *err);
/** Writes all messages, pending ones and then dead letters, as lines of JSON ({"id","queue","state","event","args",
 *  "priority","order_key","collapse_key","created","expires","attempts","last_error"}; times in RFC 3339). write gets a
 *  line with its newline; false: stop, the call then gives AIVO_E_CANCELLED. */
AIVO_API enum aivo_status aivo_outbox_export(struct aivo_outbox *outbox,
                                             bool (*write)(void *user, const char *line, size_t len), void *user,
                                             struct aivo_error *err);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
