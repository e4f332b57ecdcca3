/* aivo emit, from inside: where the events come from, and the two ways in which they leave. */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "conn.h"
#include "input.h"
#include "jobs.h"

#define CLI_EMIT_WINDOW    64                 /* with --ack: unanswered events */
#define CLI_EMIT_BYTES_MAX (8u * 1024 * 1024) /* sent and not confirmed; one event may be larger */
#define CLI_EMIT_LINES_MAX 16384              /* the same, without --ack */

struct emit_flags {
    bool ack, spread;
    const char *durable;
    int64_t max_messages, ttl_s; /* -1: not given */
};

struct emit {
    struct cli_conn conn;
    struct emit_flags flags;
    const char *event;
    bool from_input; /* a line an event, else the one argument */
    struct cli_input input;
    bool source_ended;
    char *held; /* the next event's arguments, a JSON array's text; NULL: none at hand */
    uint64_t held_line;
    struct cli_jobs jobs; /* with --ack */

    uint64_t accepted;   /* emitted, or on disk */
    uint64_t delivered;  /* answered or confirmed */
    uint64_t in_error;   /* answered with an error; durable: died, expired or evicted */
    uint64_t bad_lines;  /* of the input */
    uint64_t unanswered; /* will never be known to have arrived */
    uint64_t not_stored; /* durable: could not be put on disk; after the first one nothing more is taken */

    /* emitted at once */
    uint64_t open_lines, open_bytes; /* not confirmed */
    bool ending;                     /* answers that still come do not count */
    uint64_t confirm_at;             /* without --ack: this many answered probes confirm all that was sent */
    /* durable */
    uint64_t waiting; /* in the queue's file, as far as the fates told so far say */
};

/* Makes sure that the next event's arguments are held, if there is one to be had without waiting. true: they are. */
bool emit_next(struct emit *emit);
/* Does it take input to go on? Then the descriptor to wait for, else -1. */
int emit_input_fd(const struct emit *emit, bool wanted);
/* Ends a job with what it has to print (taken over; NULL is null) and prints what can be printed. */
void emit_finish_job(struct emit *emit, struct cli_job *job, char *output);
/* One line on standard error about one event; line 0 is none of the input's. */
void emit_complain(const struct emit *emit, uint64_t line, const char *what, const char *why);
/* The held event cannot leave: says so, and with --ack prints null in its place: a line out for each line in. The
 * caller counts it and lets go of it. */
void emit_refuse_held(struct emit *emit, const char *what, const char *why);

/* Until everything has left, the time-out passed or a signal came. Return the exit code. */
int emit_now(struct emit *emit);
int emit_durable(struct emit *emit);

#endif
