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

/** A message's id: a UUIDv7 as text, the same on every attempt and after every restart. */
struct aivo_message_id {
    char text[37]; /**< 36 characters and a NUL */
};

/** What became of a durable message. */
enum aivo_fate {
    AIVO_FATE_ACKNOWLEDGED = 0, /**< the server has it */
    AIVO_FATE_EXPIRED = 1,      /**< older than its TTL */
    AIVO_FATE_EVICTED = 2,      /**< the queue was full and it was the oldest */
    AIVO_FATE_DEAD = 3,         /**< max_retries attempts failed */
    AIVO_FATE_UNREADABLE = 4    /**< its row in the file is damaged */
};

/** "acknowledged", "expired", "evicted", "dead" or "unreadable"; static. Thread-safe. */
AIVO_API const char *aivo_fate_name(enum aivo_fate fate);

/** A durable message as a callback or a listing shows it. Borrowed for the length of the call. */
struct aivo_queued {
    size_t size; /**< of this struct, as the library knows it */
    struct aivo_message_id id;
    const char *event;      /**< UTF-8 */
    const char *args;       /**< a JSON array's text */
    int64_t created_ms;     /**< Unix time, ms */
    int64_t expires_ms;     /**< Unix time, ms; 0: never */
    uint32_t attempts;      /**< that failed */
    const char *last_error; /**< why the last attempt failed; NULL: none did */
};

/** Told of every message that leaves the queue. answer: the acknowledgement's arguments, a JSON array's text, or NULL.
 */
typedef void (*aivo_fate_fn)(struct aivo_client *client, const struct aivo_queued *message, enum aivo_fate fate,
                             const char *answer, void *user);

struct aivo_queue_stats {
    size_t size;        /**< of this struct, as the library knows it */
    uint64_t pending;   /**< messages in the queue, those in flight included */
    uint64_t in_flight; /**< sent and not yet acknowledged; 0 when read from a file */
    uint64_t dead;      /**< kept dead letters */
    uint64_t bytes;     /**< of the events and arguments of the pending messages */
    int64_t oldest_ms;  /**< Unix time of the oldest pending message, ms; 0: none */
};

#ifdef __cplusplus
}
#endif
#endif
