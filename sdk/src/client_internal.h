/*
 * The client's insides, shared by the client_*.c files. Unless a field says otherwise, only the loop's thread touches
 * it. From other threads a call puts a command into the inbox and wakes the loop.
 */
#ifndef AIVO_CLIENT_INTERNAL_H
#define AIVO_CLIENT_INTERNAL_H

#include "ack.h"
#include "dispatch.h"
#include "loop.h"
#include "quality.h"
#include "queue.h"
#include "session.h"
#include "settings.h"
#include <aivo/client.h>
#include <pthread.h>
#include <stdatomic.h>

#define AIVO_EVENT_NAME_MAX 256
#define AIVO_HANDLERS_MAX   1024

enum aivo_ack_kind {
    AIVO_ACK_USER,  /* an emit of the program: fn, user */
    AIVO_ACK_QUEUE, /* a durable message: cookie is the queue's ticket */
    AIVO_ACK_LATE,  /* a durable message whose time is over: its answer still counts */
    AIVO_ACK_PROBE, /* a quality_ping: cookie is the probe's number */
};

struct aivo_client {
    struct aivo_task task;
    struct aivo_settings settings; /* never changes after create: any thread */
    struct aivo_session *session;
    struct aivo_queue *queue; /* NULL: none. Its own calls say which thread */
    struct aivo_quality_core quality;
    struct aivo_history *history; /* NULL: nothing is recorded. Set before the start */
    struct aivo_acks *acks;
    uint32_t late;          /* of those: AIVO_ACK_LATE */
    struct aivo_conn *conn; /* NULL: none */

    bool open_failed; /* connect() failed at once: to be told to the session after its actions are carried out */
    struct aivo_error open_error;
    bool started;         /* once: callbacks are set by then, so what the queue has to tell is told from then on */
    bool found_dead;      /* the measuring's verdict: to be told to the session by the turn */
    int64_t suspended_us; /* how long the machine had slept when last looked at */
    /* Plain WebSocket: durable messages are acknowledged by the PONG of a PING behind them; one PING is out at a time.
     */
    uint64_t raw_written; /* 1 + the ack id of the last message written on this connection; 0: none */
    uint64_t raw_pinged;  /* the same of the last one before the PING that is out; 0: no PING is out */
    uint64_t raw_acked;   /* the same of the last one acknowledged */
    bool queue_blocked;   /* the send buffer had no room for the next durable message */
    bool paused;          /* reading is stopped: the program does not dispatch */
    struct aivo_buf out;  /* scratch for a packet to send */
    struct aivo_buf in;   /* scratch for a received message's arguments */
    struct aivo_buf name; /* and its event's name */

    struct aivo_inbox inbox;       /* any thread */
    struct aivo_dispatch dispatch; /* any thread */

    atomic_int state;                 /* enum aivo_state; any thread reads */
    atomic_bool created;              /* before that the loop's thread keeps off, whatever wakes it */
    _Atomic uint16_t generation;      /* of the connection, in the ids that events are answered by; any thread reads */
    atomic_int log_most;              /* enum aivo_log_level, or AIVO_LOG_NOTHING; any thread */
    atomic_int_fast64_t retry_at_us;  /* the next attempt; AIVO_NEVER: none waits; any thread reads */
    atomic_uint_fast64_t max_payload; /* the server's, 0: unknown; any thread reads */
    pthread_mutex_t lock;             /* guards the fields up to the next blank line: any thread */
    struct aivo_error last_error;
    char sid[64];
    struct aivo_quality snapshot;
    struct aivo_callbacks_set callbacks;
    aivo_log_fn log_fn;
    void *log_user;

    bool tearing_down;  /* no callback but cancelled acks any more */
    int callback_depth; /* callbacks of this client on the loop's stack */
    bool destroy_asked; /* from inside a callback: to be done when the stack is back at 0 */
};

/* A thread in aivo_client_destroy() waits for the loop. */
struct aivo_teardown {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool finished;
};

/* client.c: the end of a client whose destroy was asked for on the loop's thread. */
void aivo_client_finish(struct aivo_client *c);

/* client_turn.c: the loop's side. */
void aivo_client_turn(struct aivo_task *task);
void aivo_client_teardown(struct aivo_client *c); /* stops everything; frees nothing */
/* Tells the ends that are left and closes the queue: part of the teardown, or with callbacks that are dispatched on the
 * thread that destroys, after it. */
void aivo_client_last_words(struct aivo_client *c);

/* client_log.c: on the loop's thread. */
#define AIVO_LOG_NOTHING (-1)
bool aivo_client_logs(struct aivo_client *c, enum aivo_log_level level);
void aivo_client_log(struct aivo_client *c, enum aivo_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void aivo_client_log_frame(struct aivo_client *c, const char *direction, const char *frame, size_t len, bool binary);
void aivo_client_log_state(struct aivo_client *c, const struct aivo_action *action);

/* client_quality.c: what is measured. */
void aivo_client_measure(struct aivo_client *c, const struct aivo_instant *at); /* what is due */
void aivo_client_add_queue(struct aivo_client *c,
                           struct aivo_quality *q); /* any thread: the queue's figures, as of now */
void aivo_client_tick_quality(struct aivo_client *c, const struct aivo_instant *at, bool sampled);
void aivo_client_probe_answered(struct aivo_client *c, const struct aivo_instant *at, uint64_t id);
void aivo_client_handler_answered(struct aivo_client *c, const struct aivo_instant *at, uint64_t id,
                                  const struct aivo_json *answer);
bool aivo_client_is_probe(const struct aivo_json *args); /* of a quality_pong: the answer to one of ours */
/* Once after a verdict of dead: true, and why. */
bool aivo_client_take_dead(struct aivo_client *c, struct aivo_error *why);

/* client_send.c: what goes out. On the loop's thread, connected. */
struct aivo_outgoing {
    const char *event;
    size_t event_len;
    const char *args; /* JSON array's text */
    size_t args_len;
    const struct aivo_attachment *attachments;
    size_t attachment_count;
    const uint64_t *ack_id; /* ask for (EVENT), or answer to (ACK); NULL: none */
    bool is_ack;
};
enum aivo_status aivo_client_write(struct aivo_client *c, const struct aivo_outgoing *packet);
enum aivo_status aivo_client_write_durable(void *client, uint64_t ticket, const struct aivo_queued *message,
                                           uint32_t ack_timeout_ms);
bool aivo_client_event_usable(const char *event); /* any thread */
/* Any thread: how long the arguments of a durable message may be so that it fits into the send buffer. */
size_t aivo_client_durable_most(const struct aivo_client *c, const char *event);
void aivo_client_ping_durable(struct aivo_client *c); /* plain WebSocket: a PING behind what was written */
void aivo_client_execute(struct aivo_client *c, struct aivo_command *command); /* a command of the inbox */

#endif
