/*
 * Measures a connection: which probe to send when, and what the answers say. Pure: the time is an argument, monotonic
 * microseconds; the caller sends the probes, reads the kernel's counters and reports what comes back.
 *
 * A turn of the caller:
 *     connected() once; then, whenever the time of deadline() has come or something was reported:
 *     wants_path() -> path(); tick() -> what has changed; next_probe() -> send it, report probe_sent() or
 * handler_sent().
 */
#ifndef AIVO_CORE_QUALITY_H
#define AIVO_CORE_QUALITY_H

#include "layers.h"
#include "loss.h"
#include "pace.h"
#include "score.h"
#include "verdict.h"
#include "window.h"
#include <aivo/options.h>
#include <aivo/quality.h>

#define AIVO_QUALITY_RING          256 /* samples: percentiles */
#define AIVO_QUALITY_HANDLER_EVERY 3   /* every third probe is followed by a question to the handler */
#define AIVO_QUALITY_HANDLER_TRIES 2   /* unanswered in a row, and it is not asked again on this connection */
#define AIVO_QUALITY_NEVER         INT64_MAX

/* What aivo_quality_tick() reports, or-ed. */
enum aivo_quality_event {
    AIVO_QUALITY_LOST = 1,    /* a probe stayed unanswered */
    AIVO_QUALITY_LEVEL = 2,   /* the level is another */
    AIVO_QUALITY_SUSPECT = 4, /* the connection became suspect, or is it no more */
    AIVO_QUALITY_DEAD = 8,    /* the connection is dead: disconnect. Told once */
};

/* The server's own times of an answer (quality_pong), and ours when it came: Unix time in ms. */
struct aivo_quality_times {
    double received_at_ms, sent_at_ms, back_ms;
};

/* One call of this interface, as it is told to a tap: all that a replay needs. */
struct aivo_quality_call {
    char kind; /* which one: see quality.c */
    int64_t now_us, sent_us;
    uint64_t id;
    bool on;
    const struct aivo_path *path;           /* or NULL */
    const struct aivo_quality_times *times; /* or NULL */
};

struct aivo_quality_core {
    void (*tap)(void *user, const struct aivo_quality_call *call); /* NULL: none. Set after init() */
    void *tap_user;
    struct aivo_quality_options options;
    bool connected;
    uint64_t connections;
    uint64_t answered, local_stalls;

    double latest_ms;               /* NAN: none on this connection */
    struct aivo_window window;      /* of this connection */
    size_t lost_run;                /* samples called lost since the last usual one */
    double lost_run_ms;             /* the longest of them */
    size_t held_pending;            /* of the window's held samples: to be counted as lost or not */
    double ring[AIVO_QUALITY_RING]; /* of all connections */
    size_t ring_len, ring_next;
    struct aivo_loss loss;
    struct aivo_score score;
    struct aivo_layers layers;
    struct aivo_pace pace;

    /* idle -> queued (next_probe) -> sent (probe_sent) -> idle (pong, timeout, disconnected); idle -> sent as well */
    enum { AIVO_QUALITY_IDLE, AIVO_QUALITY_QUEUED, AIVO_QUALITY_SENT } probe;
    uint64_t probes;       /* begun so far; the number of the latest is its id */
    uint64_t probe_id;     /* of the one under way */
    int64_t probe_sent_us; /* when it was sent */
    int64_t probe_due_us;  /* when the next one is due */
    bool probe_late;       /* this process was late while it was under way: its time says nothing */
    bool sent_with_path;   /* there was a reading when it was sent: */
    struct aivo_path sent_path;
    bool hanging;          /* probes after the last answer are unanswered */
    uint64_t hang_id;      /* the first of them */
    int64_t hang_since_us; /* when that was sent, or became due while it could not be sent */

    bool path_known; /* there is a reading of this connection: */
    struct aivo_path path;
    int64_t wrote_us;       /* since then bytes of the program may be unanswered; AIVO_QUALITY_NEVER: none */
    int64_t watched_us;     /* the last look at what is late */
    int64_t promised_us;    /* what deadline() said last */
    unsigned late_in_a_row; /* samples thrown away */
    unsigned stops;         /* how often this process stood still while the probe was under way */
    bool stalled;           /* the last sample was */
    bool answers;           /* a probe was answered on this connection */
    bool suspect, dead;     /* the verdict; dead stays until disconnected() */

    bool handler_due; /* to be asked now */
    bool handler_waiting;
    uint64_t handler_id;
    int64_t handler_sent_us;
    unsigned handler_unanswered; /* in a row */

    enum aivo_level level; /* as last reported */
    unsigned events;       /* not yet reported */
};

/* Calls what a tap was told of; false: there is no such kind. */
bool aivo_quality_apply(struct aivo_quality_core *q, const struct aivo_quality_call *call);

/* Copies the options; an interval or time-out of 0 becomes the default. */
void aivo_quality_init(struct aivo_quality_core *q, const struct aivo_quality_options *options);
/* Monitoring by hand. Switched on, the history begins anew and a probe is due; off, nothing is sent or judged. */
void aivo_quality_enable(struct aivo_quality_core *q, int64_t now_us, bool on);

/* The first probe is due at once. Window and handler begin anew; counts and percentiles go on. */
void aivo_quality_connected(struct aivo_quality_core *q, int64_t now_us);
/* A probe under way is forgotten: neither answered nor lost. */
void aivo_quality_disconnected(struct aivo_quality_core *q, int64_t now_us);
/* The machine slept, or the program did not read for a while: what is under way says nothing. A probe is due. */
void aivo_quality_resumed(struct aivo_quality_core *q, int64_t now_us);

/* Something to send now, as soon as the connection can be written to. */
struct aivo_quality_probe {
    uint64_t id;      /* to put in the PING frame's payload or into quality_ping's pingId; from 1 */
    bool ask_handler; /* an acknowledged quality_ping, then call aivo_quality_handler_sent(); else a PING frame, then
                         aivo_quality_probe_sent(). Until then no other PING is due */
};
bool aivo_quality_next_probe(struct aivo_quality_core *q, int64_t now_us, struct aivo_quality_probe *out);
/* The PING frame was written; path was read just before. NULL: it cannot be read. */
void aivo_quality_probe_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id, const struct aivo_path *path);
/* A PONG with this id arrived; true if it was waited for. */
bool aivo_quality_pong(struct aivo_quality_core *q, int64_t now_us, uint64_t id, const struct aivo_path *path);

/* The quality_ping of this probe was written; its acknowledgement came. times may be NULL. */
void aivo_quality_handler_sent(struct aivo_quality_core *q, int64_t now_us, uint64_t id);
bool aivo_quality_handler_answer(struct aivo_quality_core *q, int64_t now_us, uint64_t id,
                                 const struct aivo_quality_times *times);
/* The program's own: bytes were written, an emit was acknowledged, anything came. */
void aivo_quality_wrote(struct aivo_quality_core *q, int64_t now_us);
void aivo_quality_app_ack(struct aivo_quality_core *q, int64_t now_us, int64_t sent_us);
void aivo_quality_heard(struct aivo_quality_core *q, int64_t now_us);

/* Whether the kernel should be asked now (something is late: every 100 ms), and what it says. */
bool aivo_quality_wants_path(const struct aivo_quality_core *q, int64_t now_us);
void aivo_quality_path(struct aivo_quality_core *q, int64_t now_us, const struct aivo_path *path);

/* Time passes: what has happened since the last call, as a set of enum aivo_quality_event. */
unsigned aivo_quality_tick(struct aivo_quality_core *q, int64_t now_us);
/* When tick() and next_probe() next have something to do, if nothing is reported before; now_us or earlier: at once.
 * AIVO_QUALITY_NEVER: nothing until then. Who then comes much later was kept from it: a local stall. */
int64_t aivo_quality_deadline(struct aivo_quality_core *q, int64_t now_us);

/* Fills every field but time_ms, which is the wall clock's and is left as it was. */
void aivo_quality_snapshot(const struct aivo_quality_core *q, int64_t now_us, struct aivo_quality *out);
/* The level alone: what the snapshot would say. */
enum aivo_level aivo_quality_level(const struct aivo_quality_core *q, int64_t now_us);

#endif
