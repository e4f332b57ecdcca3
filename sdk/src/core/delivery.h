/*
 * The offline queue's policy: what to send, resend or expire next, how many at once, how long to pause, and what an
 * answer means. Pure: it holds the few messages that are in memory (never the queue's file), and time is an argument.
 *
 * A message held here is
 *   waiting    ready to be sent, the highest priority first and then in order of its sequence number, or waiting for
 *              its next attempt
 *   in flight  sent and not answered; it has a ticket
 * and leaves by aivo_delivery_next() (expired), aivo_delivery_answered() (acknowledged or dead) or
 * aivo_delivery_evict(). A message that waits for its next attempt takes no place in the window.
 */
#ifndef AIVO_CORE_DELIVERY_H
#define AIVO_CORE_DELIVERY_H

#include "backoff.h"
#include "instant.h"
#include "json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AIVO_DELIVERY_CAPACITY_MAX 4096
#define AIVO_DELIVERY_REASON_MAX   240 /* bytes of a failed attempt's reason, with the NUL */
#define AIVO_DELIVERY_ENDS_SUSPECT 4   /* connections the peer ended with a message in flight: then it is sent alone */
#define AIVO_DELIVERY_ENDS_FREE    4   /* those it ended with the message alone in flight that cost no attempt */

struct aivo_delivery_options {
    uint32_t capacity;    /* messages held at most, 1..AIVO_DELIVERY_CAPACITY_MAX */
    uint32_t window;      /* in flight at most, 1..capacity */
    uint32_t max_retries; /* failed attempts after which a message is dead; 0 is as 1 */
    struct aivo_backoff retry;
};

struct aivo_delivery_item {
    int64_t seq;         /* unique; the order of sending */
    int64_t expires_ms;  /* on the queue's clock; 0: never */
    uint32_t attempts;   /* that failed */
    int32_t priority;    /* the higher goes first */
    uint32_t ends;       /* connections that the peer ended while it was in flight, since its last answer */
    uint32_t ends_alone; /* those at which nothing else was */
    void *message;       /* the owner's; never looked at */
};

struct aivo_delivery;

struct aivo_delivery *aivo_delivery_create(const struct aivo_delivery_options *options); /* NULL: no memory */
/* Hands what is still held to drop (may be NULL) and frees the rest. */
void aivo_delivery_destroy(struct aivo_delivery *d, void (*drop)(void *user, void *message), void *user);

/* Holds a message, waiting. false: no room. */
bool aivo_delivery_add(struct aivo_delivery *d, const struct aivo_delivery_item *item);
size_t aivo_delivery_room(const struct aivo_delivery *d);
size_t aivo_delivery_waiting(const struct aivo_delivery *d);
size_t aivo_delivery_ready(const struct aivo_delivery *d); /* of those waiting: not for a further attempt */
size_t aivo_delivery_in_flight(const struct aivo_delivery *d);
/* The held message with the lowest sequence number, in flight or not; false: none. */
bool aivo_delivery_oldest(const struct aivo_delivery *d, struct aivo_delivery_item *out);

enum aivo_delivery_place { AIVO_DELIVERY_ABSENT, AIVO_DELIVERY_WAITING, AIVO_DELIVERY_IN_FLIGHT };
enum aivo_delivery_place aivo_delivery_find(const struct aivo_delivery *d, int64_t seq);
/* Takes out what is held, wherever it is. false: it is not held. */
bool aivo_delivery_take(struct aivo_delivery *d, int64_t seq, struct aivo_delivery_item *item);
/* Makes room for a more important one: takes out the ready message with the lowest priority, the last of those, if that
 * priority is below the given one. */
bool aivo_delivery_displace(struct aivo_delivery *d, int32_t priority, struct aivo_delivery_item *item);
/* Whether the ready messages include one with a priority below the given one. */
bool aivo_delivery_below(const struct aivo_delivery *d, int32_t priority);
/* Where more than most messages wait for a further attempt: takes out the one that waits longest, but none that is
 * suspect, which would be forgotten; *due_us is when it would have been sent. */
bool aivo_delivery_park(struct aivo_delivery *d, size_t most, struct aivo_delivery_item *item, int64_t *due_us);

/* While the connection is poor an eighth of the window is used; afterwards it opens with each acknowledgement. */
void aivo_delivery_poor(struct aivo_delivery *d, bool poor);
/* The server's rate limit, met elsewhere on the same connection, holds here too. */
int64_t aivo_delivery_paused_until(const struct aivo_delivery *d);
void aivo_delivery_pause(struct aivo_delivery *d, int64_t until_us);

enum aivo_delivery_result {
    AIVO_DELIVERY_UNKNOWN, /* no such ticket in flight: late, or of a lost connection */
    AIVO_DELIVERY_GONE,    /* acknowledged: it has left */
    AIVO_DELIVERY_RETRY,   /* failed: it waits for its next attempt; item->attempts is the new count */
    AIVO_DELIVERY_DEAD,    /* failed for the last time: it has left */
    AIVO_DELIVERY_KEPT,    /* rate limit: it waits, and all others too */
    AIVO_DELIVERY_LATE,    /* acknowledged after its time, and not held any more: only item->seq is set */
};

void aivo_delivery_connected(struct aivo_delivery *d, int64_t now_us);
/*
 * What is in flight waits anew, at no cost; its tickets are void. Where the peer ended the connection one of them may
 * be the reason, and would end the next ones too. So after a connection at which nothing was acknowledged the window
 * opens from one, and what was in flight at several ends, or alone at one, is suspect: it is sent only when nothing
 * else is in flight, and nothing else until it is answered. One that was alone waits, longer each time, counted from
 * the next connection, so that others pass; after AIVO_DELIVERY_ENDS_FREE such ends each further one is a failed
 * attempt. Returns RETRY or DEAD with that message, as for an answer; UNKNOWN: no attempt was counted.
 */
enum aivo_delivery_result aivo_delivery_disconnected(struct aivo_delivery *d, const struct aivo_instant *at,
                                                     bool by_peer, struct aivo_delivery_item *item);
/* What the other queues of the same connection do: so many are in flight, and one of them is sent alone, or is to be.
 */
void aivo_delivery_elsewhere(struct aivo_delivery *d, size_t in_flight, bool alone);
/* Whether this one sends a suspect alone now, or wants to. */
bool aivo_delivery_alone(const struct aivo_delivery *d);

enum aivo_delivery_action {
    AIVO_DELIVERY_NOTHING, /* until aivo_delivery_deadline(), or another event */
    AIVO_DELIVERY_SEND,    /* item is now in flight under *ticket */
    AIVO_DELIVERY_EXPIRE,  /* item has left */
};
/* What to do now. Call until it says nothing. hold: send nothing, only expire. */
enum aivo_delivery_action aivo_delivery_next(struct aivo_delivery *d, int64_t now_us, int64_t clock_ms, bool hold,
                                             struct aivo_delivery_item *item, uint64_t *ticket);
/* It could not be sent after all: it waits anew, at no cost. */
void aivo_delivery_unsent(struct aivo_delivery *d, uint64_t ticket);
/* It can never be sent: it leaves. false: not in flight. */
bool aivo_delivery_refused(struct aivo_delivery *d, uint64_t ticket, struct aivo_delivery_item *item);

/* What an answer says. */
enum aivo_verdict {
    AIVO_VERDICT_ACKNOWLEDGED,
    AIVO_VERDICT_FAILED,  /* a failed attempt; reason says why */
    AIVO_VERDICT_LIMITED, /* rate limit: kept, everything pauses, no attempt lost */
    AIVO_VERDICT_SILENT,  /* none in time: a failed attempt, whose answer may still come */
};
struct aivo_judgement {
    enum aivo_verdict verdict;
    int64_t retry_after_ms; /* LIMITED: what the server asked for; -1: it did not say */
    char reason[AIVO_DELIVERY_REASON_MAX];
};
/* answer: the acknowledgement's arguments, a validated JSON array. */
void aivo_delivery_judge(const struct aivo_json *answer, struct aivo_judgement *out);

/* After a SILENT one the acknowledgement of the same ticket still counts, until the connection ends and as long as no
 * more than four windows of them came after it: wherever the message waits, or is in flight again, it is GONE. */
enum aivo_delivery_result aivo_delivery_answered(struct aivo_delivery *d, const struct aivo_instant *at,
                                                 uint64_t ticket, const struct aivo_judgement *judgement,
                                                 struct aivo_delivery_item *item);

/* Takes out the waiting message with the lowest sequence number; where none waits and in_flight_too, the one of those
 * in flight. false: none. It may be given back with aivo_delivery_add(). */
bool aivo_delivery_evict(struct aivo_delivery *d, bool in_flight_too, struct aivo_delivery_item *item);

/* When aivo_delivery_next() should be called again to send: monotonic us, 0 is at once, AIVO_NEVER. */
int64_t aivo_delivery_deadline(const struct aivo_delivery *d);
/* When it should be called again to expire, on the queue's clock, ms; AIVO_NEVER. Never too late, perhaps too early. */
int64_t aivo_delivery_expiry(const struct aivo_delivery *d);

/*
 * The queue's clock, in which ages are counted: Unix time as long as nothing is wrong. It never goes back, and while
 * the wall clock lies behind it (set back, or lost at a boot) it runs with the monotonic one: nothing expires early
 * when the wall clock is put right again, and nothing is kept for ever that was accepted while it was ahead.
 */
struct aivo_queue_clock {
    int64_t clock_us;
    int64_t now_us; /* monotonic, when clock_us was true */
    bool running;
};
/* newest_ms: of the newest stored message (0: none). saved_ms, saved_unix_ms: this clock and the wall clock as they
 * were stored together last (0: never). */
void aivo_queue_clock_start(struct aivo_queue_clock *c, const struct aivo_instant *at, int64_t newest_ms,
                            int64_t saved_ms, int64_t saved_unix_ms);
/* Advances it and returns ms. An instant older than the last one is allowed. */
int64_t aivo_queue_clock_advance(struct aivo_queue_clock *c, const struct aivo_instant *at);
int64_t aivo_queue_clock_ms(const struct aivo_queue_clock *c);

#endif
