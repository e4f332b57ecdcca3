/*
 * Connection state recovery: what was sent of late, and who may still ask for what was missed. Each event that may be
 * replayed has an offset as one more argument; who comes back with its pid and the last offset it saw gets the rest.
 * Pure: time is an argument, what was sent are frames, a socket is a pointer nobody follows here.
 *
 * An offset is made of the Unix time like that of a Node server's adapter in memory: base 64, "." and a count where
 * two fall into one millisecond. It never repeats; a clock set back by more than SRV_RECOVERY_BACK_MS forgets all.
 *
 * Bounds: options.max_events events and options.max_bytes of them, none older than options.keep_ms; those who left are
 * kept for options.resume_ms, SRV_RECOVERY_MAX_PARKED of them with SRV_RECOVERY_PARKED_BYTES together, the oldest is
 * forgotten first. What is missing is never passed over in silence: then nothing is resumed.
 */
#ifndef SRV_RECOVERY_H
#define SRV_RECOVERY_H

#include "agents.h"
#include "engine.h"
#include "rooms.h"

#define SRV_RECOVERY_OFFSET       32 /* bytes of an offset, with its NUL */
#define SRV_RECOVERY_BACK_MS      1000
#define SRV_RECOVERY_MAX_PARKED   10000
#define SRV_RECOVERY_PARKED_BYTES ((size_t)16 * 1024 * 1024)

struct srv_recovery_options {
    uint32_t resume_ms; /* 0: off */
    uint32_t max_events;
    size_t max_bytes;
    uint64_t keep_ms; /* of an event: longer than resume_ms by what it takes to notice that somebody is gone */
};

/* When an event was sent; ordered. */
struct srv_stamp {
    uint64_t ms;
    uint32_t count; /* 0: the first of its millisecond */
};

struct srv_parked; /* what is remembered of one who left */

/* Whoever may come back: one for each socket, and for those who left. */
struct srv_resumable {
    struct srv_resumable *hash_next;
    void *socket; /* NULL: it left */
    const void *nsp;
    struct srv_parked *parked; /* NULL: it is here */
    struct srv_timer expiry;   /* runs while it is away */
    uint64_t first_seq;        /* nothing before was for it */
    struct srv_stamp last;     /* of what was sent to it; 0: nothing yet */
    char pid[SRV_SID_LEN + 1];
};

struct srv_parked {
    struct srv_resumable *owner;
    struct srv_parked *prev, *next; /* a ring, the oldest first */
    uint64_t seq;                   /* what was sent from here on, it missed */
    size_t bytes;
    char sid[SRV_SID_LEN + 1];
    struct srv_agent_session agent; /* without its ids */
    const char *user, *learner;
    bool left_own; /* it is not in the room of its own id */
    struct aivo_bytes *rooms;
    size_t room_count; /* all of it in one piece of memory */
};

struct srv_kept; /* an event */

struct srv_recovery {
    struct srv_recovery_options options;
    struct srv_kept **ring;
    size_t ring_size, head, used; /* ring_size is a power of two */
    size_t bytes;
    uint64_t next_seq; /* of the next event; those kept are the used ones before */
    struct srv_stamp last;
    struct srv_resumable **table;
    size_t count; /* all resumables */
    struct srv_parked parked;
    size_t parked_count, parked_bytes;
    struct srv_timer_list expiries, sweeps;
    struct srv_timer sweep;
};

static inline bool srv_recovery_on(const struct srv_recovery *r)
{
    return r->options.resume_ms != 0;
}
/* false: no memory. With resume_ms 0 it needs none. */
bool srv_recovery_init(struct srv_recovery *r, const struct srv_recovery_options *options, struct srv_timers *timers);
void srv_recovery_free(struct srv_recovery *r);

/* --- events --- */

/* The stamp of the next event, and its offset. */
struct srv_stamp srv_recovery_stamp(struct srv_recovery *r, uint64_t unix_ms, char out[SRV_RECOVERY_OFFSET]);
/* Remembers an event with the stamp made last; takes references on its frames. receivers: of those who are here. */
void srv_recovery_keep(struct srv_recovery *r, const void *nsp, const struct srv_target *target, struct srv_stamp stamp,
                       struct srv_frame *const *frames, unsigned frame_count, size_t receivers, uint64_t now_ms);

/* --- who may come back --- */

/* pid: unguessable. NULL: no memory. */
struct srv_resumable *srv_recovery_open(struct srv_recovery *r, const char *pid, const void *nsp, void *socket);
/* For good. NULL is fine. */
void srv_recovery_close(struct srv_recovery *r, struct srv_resumable *who);
/* Its connection is lost. false: no memory, it was closed instead. */
bool srv_recovery_park(struct srv_recovery *r, struct srv_resumable *who, const struct srv_member *member,
                       const struct srv_agent_session *agent, uint64_t now_ms);
struct srv_resumable *srv_recovery_find(const struct srv_recovery *r, const char *pid, size_t len);

/* May who, parked, go on behind this offset (len 0: it has none)? *from is where what it missed begins, *bytes how much
 * that is. */
bool srv_recovery_plan(const struct srv_recovery *r, const struct srv_resumable *who, const char *offset, size_t len,
                       uint64_t *from, size_t *bytes);
/* Each event it missed, in order. */
void srv_recovery_missed(const struct srv_recovery *r, const struct srv_resumable *who, uint64_t from,
                         void (*each)(void *context, struct srv_frame *const *frames, unsigned count,
                                      struct srv_stamp stamp),
                         void *context);
/* It is back: what was remembered of its leaving is freed. */
void srv_recovery_unpark(struct srv_recovery *r, struct srv_resumable *who, void *socket);

/* The time and count in an offset of ours. */
bool srv_recovery_read(const char *offset, size_t len, struct srv_stamp *out);

#endif
