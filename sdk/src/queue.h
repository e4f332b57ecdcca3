/*
 * The offline queue as the client uses it: a store thread, and the pure delivery policy.
 * aivo_queue_send() and the reading calls are for any thread; the steps are for the loop's thread, and never wait for
 * the disk.
 */
#ifndef AIVO_QUEUE_H
#define AIVO_QUEUE_H

#include "instant.h"
#include "json.h"
#include <aivo/options.h>
#include <aivo/outbox.h>

struct aivo_store;
struct queue_message;

struct aivo_queue;

/* The end of an asynchronous send. fn and fn_user are the sender's; the queue does not look at them. */
struct aivo_queue_stored {
    void (*fn)(void);
    void *fn_user;
    enum aivo_status status;
    const struct aivo_message_id *id;
    const struct aivo_error *error; /* NULL: none */
};

/* What the queue asks of its client, on the loop's thread, from inside a step (or settle, finish) only. */
struct aivo_queue_sink {
    /* Send this now and call aivo_queue_answered() with the ticket when the answer is there or is overdue.
     * AIVO_OK: under way. AIVO_E_FULL: try later (the step stops here). AIVO_E_NOT_CONNECTED: likewise.
     * Any other: this message can never be sent (e.g. AIVO_E_TOO_LARGE): it dies with that reason. */
    enum aivo_status (*send)(void *user, uint64_t ticket, const struct aivo_queued *message, uint32_t ack_timeout_ms);
    /* true: it was told, and its row may go. With keeps: it will be told, then aivo_queue_told() is called with the
     * receipt; message and answer stay until then. false: it was not and will not be told by this client; it is kept on
     * disk for the next one. */
    bool (*fate)(void *user, const struct aivo_queued *message, enum aivo_fate fate, const char *answer,
                 struct queue_message *receipt);
    bool keeps;
    void (*notice)(void *user, const struct aivo_error *error); /* file moved aside, disk full while removing, ... */
    /* An asynchronous send is on disk, or never will be. NULL: nobody sends so. */
    void (*stored)(void *user, const struct aivo_queue_stored *stored);
    /* A message was put on disk (only while aivo_queue_watch() asks for it). NULL: nobody asks. */
    void (*queued)(void *user, const struct aivo_queued *message);
};

/* Opens or makes the file. A damaged one is moved aside (FILE.corrupt-<time>) and reported by notice.
 * wake is called from the store thread or a sender when aivo_queue_step() has something to do; it must only wake the
 * loop. wake NULL: nobody. store NULL: SQLite. AIVO_E_LOCKED: another writer has it. */
enum aivo_status aivo_queue_open(const struct aivo_queue_options *options, const struct aivo_store *store,
                                 void (*wake)(void *user), void *user, struct aivo_queue **out, struct aivo_error *err);
/* Waits for what is on its way to the disk and tells the ends of asynchronous sends. false: there were none. */
bool aivo_queue_settle(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user);
/* Refuses senders from now on (AIVO_E_STATE), does the same once more, and joins the store thread. Closing must follow.
 */
void aivo_queue_finish(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user);
/* Finishes what is under way and joins the store thread. Nothing may be in aivo_queue_send() any more. */
void aivo_queue_close(struct aivo_queue *q);

/* Any thread: returns when the message is on disk. The caller has validated event and args. */
enum aivo_status aivo_queue_send(struct aivo_queue *q, const char *event, const char *args,
                                 struct aivo_message_id *out_id, struct aivo_error *err);
/* how may be NULL; the caller has validated it but for the queue's name. AIVO_E_INVALID: no such queue. */
enum aivo_status aivo_queue_send_ex(struct aivo_queue *q, const char *event, const char *args,
                                    const struct aivo_send *how, struct aivo_message_id *out_id,
                                    struct aivo_error *err);
enum aivo_status aivo_queue_send_async(struct aivo_queue *q, const char *event, const char *args,
                                       const struct aivo_send *how, void (*fn)(void), void *fn_user,
                                       struct aivo_message_id *out_id, struct aivo_error *err);
void aivo_queue_stats(struct aivo_queue *q, struct aivo_queue_stats *out);
/* Any thread; return when it is on disk. id NULL: all dead letters. */
enum aivo_status aivo_queue_retry(struct aivo_queue *q, const char *id, uint64_t *count, struct aivo_error *err);
enum aivo_status aivo_queue_purge(struct aivo_queue *q, const char *id, uint64_t *count, struct aivo_error *err);
/* lane -1: all. pending: waiting messages, those in flight excepted; else dead letters. */
enum aivo_status aivo_queue_purge_lane(struct aivo_queue *q, bool pending, int lane, const char *id, uint64_t *count,
                                       struct aivo_error *err);
/* Which messages are meant: zero means all but for lane, which is then -1. */
struct aivo_queue_where {
    const char *id; /* one message; the other fields but lane do not count then */
    int lane;       /* -1: all */
    const char *event;
    int64_t not_after_ms; /* created; Unix time; 0: any */
    uint64_t limit;       /* the oldest; 0: all */
};
/* In one transaction. */
enum aivo_status aivo_queue_retry_where(struct aivo_queue *q, const struct aivo_queue_where *where, uint64_t *count,
                                        struct aivo_error *err);
enum aivo_status aivo_queue_purge_where(struct aivo_queue *q, bool pending, const struct aivo_queue_where *where,
                                        uint64_t *count, struct aivo_error *err);
/* By how much a message id makes arguments longer. */
size_t aivo_queue_id_bytes(const struct aivo_queue *q);
/* The number of the queue that is named so; -1: there is none. */
int aivo_queue_lane(const struct aivo_queue *q, const char *name);
/* What a caller's filter (NULL: all) means; its queue, by name (NULL: all), is for the caller to find. AIVO_E_INVALID.
 */
enum aivo_status aivo_outbox_take_filter(const struct aivo_outbox_filter *filter, struct aivo_queue_where *where,
                                         const char **queue, struct aivo_error *err);
/* Whether sink.queued is to be called. */
void aivo_queue_watch(struct aivo_queue *q, bool queued);

/* Loop's thread. */
void aivo_queue_connected(struct aivo_queue *q, const struct aivo_instant *at);
/* The connection's quality: a poor one has fewer messages in flight. */
void aivo_queue_quality(struct aivo_queue *q, enum aivo_level level);
/* What is in flight waits anew. by_peer: it was not this side that ended the connection, or found it dead. */
void aivo_queue_disconnected(struct aivo_queue *q, const struct aivo_instant *at, bool by_peer);
/* An answer (status AIVO_OK, answer is the ack's array as validated JSON) or AIVO_E_TIMEOUT, after which an answer may
 * still follow. A ticket that is not known any more is ignored. */
void aivo_queue_answered(struct aivo_queue *q, const struct aivo_instant *at, uint64_t ticket, enum aivo_status status,
                         const struct aivo_json *answer);
void aivo_queue_step(struct aivo_queue *q, const struct aivo_instant *at, const struct aivo_queue_sink *sink,
                     void *user);
/* Any thread: a fate that sink.fate kept has been told. */
void aivo_queue_told(struct aivo_queue *q, struct queue_message *receipt);
/* Only the ends of asynchronous sends; a step does it too. */
void aivo_queue_tell_stored(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user);
int64_t aivo_queue_deadline(const struct aivo_queue *q); /* AIVO_NEVER: none */

#endif
