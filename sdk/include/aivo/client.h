/** @file client.h  Create, start, emit, on, stop, destroy. */
#ifndef AIVO_CLIENT_H
#define AIVO_CLIENT_H

#include <aivo/error.h>
#include <aivo/options.h>
#include <aivo/outbox.h>
#include <aivo/quality.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A connection to one namespace of one server, with its offline queue and its quality.
 * Every function may be called from every thread, inside callbacks as well, unless it says otherwise.
 *
 * NULL in place of a client (as of an aivo_outbox, aivo_history or aivo_diagnosis) is no crash: what returns a status
 * returns AIVO_E_INVALID, everything else does nothing, and returns or fills in what holds of a client that was never
 * started. To destroy or to close NULL is right.
 */
struct aivo_client;

/** Where the connection stands. */
enum aivo_state {
    AIVO_STATE_DISCONNECTED = 0, /**< not started, or stopped. Next: connecting */
    AIVO_STATE_CONNECTING = 1,   /**< the first attempt is under way. Next: connected, reconnecting, closing, failed */
    AIVO_STATE_CONNECTED = 2,    /**< events flow. Next: reconnecting, closing, failed */
    AIVO_STATE_RECONNECTING = 3, /**< waiting for, or making, a further attempt. Next: connected, closing, failed */
    AIVO_STATE_CLOSING = 4,      /**< stop was asked for. Next: disconnected */
    AIVO_STATE_FAILED = 5        /**< given up: see the reason. Next: connecting (by start), closing (by stop) */
};

/** "disconnected", "connecting", "connected", "reconnecting", "closing" or "failed"; static. */
AIVO_API const char *aivo_state_name(enum aivo_state state);

/** Binary data of an event: {"_placeholder":true,"num":N} in the arguments stands for attachment N. */
struct aivo_attachment {
    const void *data; /**< borrowed; may be NULL if len is 0 */
    size_t len;       /**< bytes */
};

/** A received event or acknowledgement. Borrowed for the length of the callback. */
struct aivo_message {
    const char *event; /**< UTF-8, NUL-terminated; NULL in an acknowledgement; plain WebSocket: "message" */
    const char *args;  /**< JSON array's text, NUL-terminated; plain WebSocket: the text as it came, NULL if binary */
    size_t args_len;   /**< bytes */
    const struct aivo_attachment *attachments; /**< the binary data, in the order of the placeholders */
    size_t attachment_count;                   /**< 0..10 */
    bool wants_ack;                            /**< answer with aivo_client_ack() */
    uint64_t ack_id;                           /**< for aivo_client_ack(), if wants_ack */
    bool recovered; /**< missed while disconnected and now delivered by connection state recovery */
};

/** The state changed. error is NULL or says why; borrowed for the length of the call. */
typedef void (*aivo_state_fn)(struct aivo_client *client, enum aivo_state from, enum aivo_state to,
                              const struct aivo_error *error, void *user);
/** An event came. */
typedef void (*aivo_event_fn)(struct aivo_client *client, const struct aivo_message *message, void *user);
/** An emit was answered (status AIVO_OK), or never will be: AIVO_E_TIMEOUT, AIVO_E_CLOSED, AIVO_E_CANCELLED; message is
 * then NULL. Called exactly once for every emit that returned AIVO_OK. */
typedef void (*aivo_ack_fn)(struct aivo_client *client, enum aivo_status status, const struct aivo_message *message,
                            void *user);
/** A new sample, or a level change. */
typedef void (*aivo_quality_fn)(struct aivo_client *client, const struct aivo_quality *quality, void *user);
/** Something went wrong that changes no state and concerns no call: a damaged queue file moved aside, a frame dropped.
 */
typedef void (*aivo_notice_fn)(struct aivo_client *client, const struct aivo_error *error, void *user);

/**
 * Make a client. It does nothing until aivo_client_start().
 * @param options  copied
 * @param out      receives the client; the caller owns it
 * @param err      may be NULL
 * @return AIVO_OK, AIVO_E_INVALID (an option makes no sense: err names it), AIVO_E_MEMORY, AIVO_E_SYSTEM,
 *         AIVO_E_TLS (a certificate or key cannot be read), AIVO_E_STORE, AIVO_E_LOCKED
 */
AIVO_API enum aivo_status aivo_client_create(const struct aivo_options *options, struct aivo_client **out,
                                             struct aivo_error *err);

/**
 * Disconnect and free. Safe inside the client's own callbacks: it is freed after the callback returns. Outside, no
 * callback of this client runs any more once this returns. Pending acks end with AIVO_E_CANCELLED before that, and
 * asynchronous sends are stored and told (with AIVO_CALLBACKS_DISPATCH: inside this call). What those callbacks send
 * durably is stored as well; a program that answers each end with one more message is refused (AIVO_E_STATE) after
 * eight. Messages in the queue's file stay there, and so do fates that were not told: the next client that opens the
 * file tells them. In a forked child it does nothing: the client is its parent's. NULL is allowed.
 */
AIVO_API void aivo_client_destroy(struct aivo_client *client);

/** Connect, and stay connected. Returns at once; the state callback tells what comes of it. AIVO_OK also if already
 *  started; AIVO_E_MEMORY. */
AIVO_API enum aivo_status aivo_client_start(struct aivo_client *client);
/**
 * Disconnect, and stay so. Returns at once; the state callback tells when it is done. What was emitted before is
 * written first, within 2 s; aivo_client_destroy() without it drops what the kernel does not have yet. AIVO_OK,
 * AIVO_E_MEMORY.
 */
AIVO_API enum aivo_status aivo_client_stop(struct aivo_client *client);
/** Now is a good time to try again: a waiting reconnect is made at once. */
AIVO_API void aivo_client_retry_now(struct aivo_client *client);
/** Where the connection stands now. */
AIVO_API enum aivo_state aivo_client_state(struct aivo_client *client);
/** ms until the next attempt to connect is made by itself; 0: it is due. -1: none waits. */
AIVO_API int64_t aivo_client_retry_in(struct aivo_client *client);
/** Why the connection was last lost or refused; status AIVO_OK if never. */
AIVO_API void aivo_client_last_error(struct aivo_client *client, struct aivo_error *out);
/** The server's id of this connection, empty while not connected. Copies at most size - 1 bytes. */
AIVO_API void aivo_client_sid(struct aivo_client *client, char *out, size_t size);

/**
 * Answer to an aivo_auth_fn; or, without one, what is used in place of the option auth from the next attempt on.
 * @param payload  a JSON object's text, copied; NULL: there is none to be had, the client fails with AIVO_E_AUTH. While
 *                 nobody asks, NULL has no effect
 * @return AIVO_OK, AIVO_E_INVALID (no JSON object), AIVO_E_STATE (NULL, and there is no aivo_auth_fn that could ask)
 */
AIVO_API enum aivo_status aivo_client_auth(struct aivo_client *client, const char *payload);

/** @name Callbacks
 * Set them before aivo_client_start() or later; the latest holds. NULL removes one. @{ */
/** Told of every change of state. */
AIVO_API void aivo_client_on_state(struct aivo_client *client, aivo_state_fn fn, void *user);
/** on_sample: told of every sample; on_level: of every change of the level. */
AIVO_API void aivo_client_on_quality(struct aivo_client *client, aivo_quality_fn on_sample, aivo_quality_fn on_level,
                                     void *user);
/** Told of every durable message that leaves the queue. */
AIVO_API void aivo_client_on_fate(struct aivo_client *client, aivo_fate_fn fn, void *user);
/** Told of what goes wrong without concerning a call or the state. */
AIVO_API void aivo_client_on_notice(struct aivo_client *client, aivo_notice_fn fn, void *user);
/** How much is said in the log. */
enum aivo_log_level {
    AIVO_LOG_ERROR = 0, /**< the client has given up */
    AIVO_LOG_WARN = 1,  /**< a connection lost, an attempt that failed, a notice */
    AIVO_LOG_INFO = 2,  /**< changes of state, attempts and when the next one is due */
    AIVO_LOG_DEBUG = 3  /**< every packet: its kind, event and size, never its arguments */
};
/** "error", "warn", "info" or "debug"; static. Thread-safe. */
AIVO_API const char *aivo_log_level_name(enum aivo_log_level level);
/** What the client does, a line without a newline (at most 511 bytes, without credentials and arguments), borrowed for
 *  the length of the call. Always on the service thread: return soon, and do not destroy the client in it. */
typedef void (*aivo_log_fn)(struct aivo_client *client, enum aivo_log_level level, const char *line, void *user);
/** Lines of the level most and of graver ones. fn NULL (as at first): none. A line under way may still come after. */
AIVO_API void aivo_client_on_log(struct aivo_client *client, enum aivo_log_level most, aivo_log_fn fn, void *user);
/**
 * Listen to an event. One callback an event: the latest holds; NULL as fn removes it. NULL as event: every event that
 * has no callback of its own and also those that have (it is called first).
 * @return AIVO_OK, AIVO_E_INVALID, AIVO_E_MEMORY, AIVO_E_FULL (beyond 1,024 events)
 */
AIVO_API enum aivo_status aivo_client_on(struct aivo_client *client, const char *event, aivo_event_fn fn, void *user);
/** @} */

/** What an emit may be told. Fill with aivo_emit_init(). */
struct aivo_emit {
    size_t size;                               /**< sizeof(struct aivo_emit), set by aivo_emit_init() */
    const struct aivo_attachment *attachments; /**< copied; each has its placeholder in the arguments */
    size_t attachment_count;                   /**< 0..10 */
    bool is_volatile;                          /**< dropped if it cannot be written at once */
    aivo_ack_fn ack;                           /**< asks for an answer; NULL: none */
    void *user;                                /**< passed to ack */
    uint32_t ack_timeout_ms;                   /**< 10,000; 0: no limit while connected */
};
/** As aivo_options_init_sized(). */
AIVO_API void aivo_emit_init_sized(struct aivo_emit *emit, size_t size);
/** Sets every field to its default. Thread-safe. */
static inline void aivo_emit_init(struct aivo_emit *emit)
{
    aivo_emit_init_sized(emit, sizeof *emit);
}

/**
 * Send an event now. Never waits for the network. At most once: what is under way when the connection is lost is lost
 * (aivo_client_send() keeps it). On the service thread the result is final; from another thread the event passes
 * through an inbox, and what hinders it there is told by its ack callback or else by the notice callback.
 * @param event  UTF-8, 1..256 bytes, not reserved
 * @param args   a JSON array's text; NULL means []
 * @param how    may be NULL
 * @return AIVO_OK, AIVO_E_NOT_CONNECTED, AIVO_E_INVALID, AIVO_E_FULL (send buffer), AIVO_E_TOO_LARGE (beyond the
 *         server's maxPayload), AIVO_E_MEMORY
 */
AIVO_API enum aivo_status aivo_client_emit(struct aivo_client *client, const char *event, const char *args,
                                           const struct aivo_emit *how);

/**
 * Acknowledge a received event.
 * @param ack_id  of the aivo_message
 * @param args    a JSON array's text; NULL means []
 * @return as aivo_client_emit(); AIVO_E_NOT_CONNECTED also if the connection it came over is gone
 */
AIVO_API enum aivo_status aivo_client_ack(struct aivo_client *client, uint64_t ack_id, const char *args,
                                          const struct aivo_attachment *attachments, size_t attachment_count);

/**
 * Plain WebSocket: send a message.
 * @return as aivo_client_emit(); AIVO_E_STATE over Socket.IO
 */
AIVO_API enum aivo_status aivo_client_send_raw(struct aivo_client *client, const void *data, size_t len, bool binary);

/**
 * Queue an event for durable delivery. Returns once the row is on disk.
 * Never waits for the network. Sent in order once connected, again until the server acknowledges it; what becomes of it
 * is told by the fate callback.
 * @param event   UTF-8, 1..256 bytes, not reserved
 * @param args    a JSON array's text, nested at most 128 deep; NULL means []
 * @param out_id  receives the message id; may be NULL; untouched on failure
 * @param err     may be NULL
 * @return AIVO_OK, AIVO_E_FULL (by the queue's bounds, or too many fates wait to be told), AIVO_E_STORE (e.g. disk
 * full; nothing was queued), AIVO_E_INVALID, AIVO_E_TOO_LARGE (with its id and header it does not fit into
 *         max_send_buffer_bytes, is beyond 64 MiB, or alone beyond the queue's max_bytes; what is larger than the
 *         server's maxPayload is accepted, since that is known only while connected, and dies when it is to be sent),
 *         AIVO_E_STATE (no queue configured, the client is being destroyed, or it is the parent process')
 */
AIVO_API enum aivo_status aivo_client_send(struct aivo_client *client, const char *event, const char *args,
                                           struct aivo_message_id *out_id, struct aivo_error *err);

/**
 * As aivo_client_send(), with more to say about the message.
 * @param how  may be NULL
 * @return as aivo_client_send(); AIVO_E_INVALID also for a queue that is not among the options
 */
AIVO_API enum aivo_status aivo_client_send_ex(struct aivo_client *client, const char *event, const char *args,
                                              const struct aivo_send *how, struct aivo_message_id *out_id,
                                              struct aivo_error *err);
/**
 * As aivo_client_send_ex(), but returns at once; stored is called when the message is on disk, or cannot be put there.
 * Many of them share one transaction. At most 16 MiB and 65,536 messages may be on their way to the disk.
 * @param stored  may be NULL: nobody asks
 * @return AIVO_OK (it is on its way), AIVO_E_FULL (too much is), AIVO_E_INVALID, AIVO_E_TOO_LARGE, AIVO_E_STATE,
 *         AIVO_E_MEMORY
 */
AIVO_API enum aivo_status aivo_client_send_async(struct aivo_client *client, const char *event, const char *args,
                                                 const struct aivo_send *how, aivo_stored_fn stored, void *user,
                                                 struct aivo_message_id *out_id, struct aivo_error *err);

/** As aivo_client_queue_stats(), of which the caller knows the first size bytes. For bindings of other languages. */
AIVO_API enum aivo_status aivo_client_queue_stats_sized(struct aivo_client *client, struct aivo_queue_stats *out,
                                                        size_t size);
/** The queue's figures, all named queues together. AIVO_E_STATE without a queue. */
static inline enum aivo_status aivo_client_queue_stats(struct aivo_client *client, struct aivo_queue_stats *out)
{
    return aivo_client_queue_stats_sized(client, out, sizeof *out);
}
/** Callbacks of the queue, besides the fate callback; the latest hold. NULL removes all. AIVO_E_INVALID: size. */
AIVO_API enum aivo_status aivo_client_on_queue(struct aivo_client *client,
                                               const struct aivo_queue_callbacks *callbacks);
/** As aivo_outbox_retry(), of a client that has the file. Waits for the disk. AIVO_E_STATE without a queue. */
AIVO_API enum aivo_status aivo_client_queue_retry(struct aivo_client *client, const char *id, uint64_t *count,
                                                  struct aivo_error *err);
/** Deletes a dead letter (id NULL: all) of a client that has the file. Waits for the disk. AIVO_E_NOT_FOUND,
 *  AIVO_E_STATE without a queue. */
AIVO_API enum aivo_status aivo_client_queue_purge(struct aivo_client *client, const char *id, uint64_t *count,
                                                  struct aivo_error *err);

/** As aivo_outbox_retry_where(), of a client that has the file. Waits for the disk. AIVO_E_NOT_FOUND: the filter names
 * a queue that is not among the options. AIVO_E_STATE without a queue. */
AIVO_API enum aivo_status aivo_client_queue_retry_where(struct aivo_client *client,
                                                        const struct aivo_outbox_filter *filter, uint64_t *count,
                                                        struct aivo_error *err);
/** As aivo_outbox_purge_where(), of a client that has the file: of the waiting messages those in flight are left, and
 *  no callback tells of the deleted ones. Otherwise as aivo_client_queue_retry_where(). */
AIVO_API enum aivo_status aivo_client_queue_purge_where(struct aivo_client *client, enum aivo_outbox_kind kind,
                                                        const struct aivo_outbox_filter *filter, uint64_t *count,
                                                        struct aivo_error *err);

/** As aivo_client_quality(), of which the caller knows the first size bytes. For bindings of other languages. */
AIVO_API void aivo_client_quality_sized(struct aivo_client *client, struct aivo_quality *out, size_t size);
/** A snapshot. */
static inline void aivo_client_quality(struct aivo_client *client, struct aivo_quality *out)
{
    aivo_client_quality_sized(client, out, sizeof *out);
}
/**
 * Begin or end measuring by hand; the option quality.enabled says how it is at first. Begun again, loss, percentiles
 * and counts are of then on. Without measuring the level is OFFLINE, and only the server's heartbeat finds a dead
 * connection (over a plain WebSocket nothing does). AIVO_OK also if it is so already; AIVO_E_MEMORY.
 */
AIVO_API enum aivo_status aivo_client_quality_start(struct aivo_client *client);
/** As aivo_client_quality_start(). */
AIVO_API enum aivo_status aivo_client_quality_stop(struct aivo_client *client);

/** @name Callbacks on the caller's thread (AIVO_CALLBACKS_DISPATCH)
 * Poll aivo_client_fd() for reading; when it is readable, call aivo_client_dispatch(). While more than 1,024 events
 * wait, the client stops reading from the network. @{ */
/** The file descriptor; -1 with AIVO_CALLBACKS_SERVICE. Owned by the client. */
AIVO_API int aivo_client_fd(struct aivo_client *client);
/** Runs the callbacks that wait. Returns how many ran. One thread at a time. */
AIVO_API int aivo_client_dispatch(struct aivo_client *client);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
