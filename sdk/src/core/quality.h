/*
 * Measures a connection: which probe to send when, and what the answers say. Pure: the time is an argument, monotonic
 * microseconds; the caller sends the probes and reports what comes back.
 *
 * A turn of the caller:
 *     connected() once; then, whenever the time of deadline() has come or something was reported:
 *     tick() -> what has changed; next_probe() -> send a PING frame (and perhaps quality_ping), report probe_sent().
 */
#ifndef AIVO_CORE_QUALITY_H
#define AIVO_CORE_QUALITY_H

#include <aivo/options.h>
#include <aivo/quality.h>

#define AIVO_QUALITY_WINDOW        10  /* samples: latency, score, level */
#define AIVO_QUALITY_RING          256 /* samples: percentiles */
#define AIVO_QUALITY_HANDLER       8   /* answers of the handler of which the least counts */
#define AIVO_QUALITY_HANDLER_EVERY 3   /* every third probe asks the handler as well */
#define AIVO_QUALITY_HANDLER_TRIES 2   /* unanswered in a row, and it is not asked again on this connection */
#define AIVO_QUALITY_NEVER         INT64_MAX

/* What aivo_quality_tick() reports, or-ed. */
enum aivo_quality_event {
    AIVO_QUALITY_LOST = 1,  /* a probe stayed unanswered */
    AIVO_QUALITY_LEVEL = 2, /* the level is another */
};

struct aivo_quality_core {
    struct aivo_quality_options options;
    bool connected;
    uint64_t connections;
    uint64_t answered, lost;

    double latest_ms;                   /* NAN: none on this connection */
    double window[AIVO_QUALITY_WINDOW]; /* of this connection */
    size_t window_len, window_next;
    double ring[AIVO_QUALITY_RING]; /* of all connections */
    size_t ring_len, ring_next;

    /* idle -> queued (next_probe) -> sent (probe_sent) -> idle (pong, timeout, disconnected); idle -> sent as well */
    enum { AIVO_QUALITY_IDLE, AIVO_QUALITY_QUEUED, AIVO_QUALITY_SENT } probe;
    uint64_t probes;       /* begun so far; the number of the latest is its id */
    uint64_t probe_id;     /* of the one under way */
    int64_t probe_sent_us; /* when it was sent */
    int64_t probe_due_us;  /* when the next one is due */
    bool hanging;          /* probes after the last answer are unanswered */
    uint64_t hang_id;      /* the first of them */
    int64_t hang_since_us; /* when that was sent, or became due while it could not be sent */

    bool handler_waiting;
    uint64_t handler_id;
    int64_t handler_sent_us;
    unsigned handler_unanswered; /* in a row */
    uint64_t pong_id;            /* the latest answered probe */
    double pong_ms;
    uint64_t early_id; /* a handler's answer that came before the PONG of the same id */
    double early_ms;
    double handler_extra[AIVO_QUALITY_HANDLER];
    size_t handler_len, handler_next;

    enum aivo_level level; /* as last reported */
    unsigned events;       /* not yet reported */
};

/* Copies the options; an interval or time-out of 0 becomes the default. */
void aivo_quality_init(struct aivo_quality_core *q, const struct aivo_quality_options *options);

/* The first probe is due at once. Window and handler begin anew; counts and percentiles go on. */
void aivo_quality_connected(struct aivo_quality_core *q, int64_t now_us);
/* A probe under way is forgotten: neither answered nor lost. */
void aivo_quality_disconnected(struct aivo_quality_core *q, int64_t now_us);

/* A probe to send now. */
struct aivo_quality_probe {
    uint64_t id;      /* to put in the PING frame's payload and into quality_ping's pingId; from 1 */
    bool ask_handler; /* also send an acknowledged quality_ping, then call aivo_quality_handler_sent() */
};
/* true if a probe is due. It is then the caller's to send as soon as the connection can be written to; until
 * aivo_quality_probe_sent() no other is due. */
bool aivo_quality_next_probe(struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_probe *out);
/* The PING frame was written. */
void aivo_quality_probe_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id);
/* A PONG with this id arrived; true if it is a sample, false if nothing (any more) waits for it. */
bool aivo_quality_pong(struct aivo_quality_core *q, int64_t now_us, uint64_t id);
/* The quality_ping of this probe was written; its answer (the acknowledgement or quality_pong, whichever is first). */
void aivo_quality_handler_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id);
bool aivo_quality_handler_answer(struct aivo_quality_core *q, int64_t now_us, uint64_t id);

/* Time passes: what has happened since the last call, as a set of enum aivo_quality_event. */
unsigned aivo_quality_tick(struct aivo_quality_core *q, int64_t now_us);
/* When tick() and next_probe() next have something to do, if nothing is reported before; now_us or earlier: at once.
 * AIVO_QUALITY_NEVER: nothing until then. */
int64_t aivo_quality_deadline(const struct aivo_quality_core *q, int64_t now_us);

/* Fills every field but time_ms, which is the wall clock's and is left as it was. */
void aivo_quality_snapshot(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality *out);
/* The level alone: what the snapshot would say. */
enum aivo_level aivo_quality_level(const struct aivo_quality_core *q, int64_t now_us);

#endif
