/*
 * One service thread: a network, the clients on it, and their deadlines. Everything here is for the loop's thread,
 * but for what says otherwise.
 */
#ifndef AIVO_LOOP_INTERNAL_H
#define AIVO_LOOP_INTERNAL_H

#include "instant.h"
#include "transport.h"
#include <aivo/loop.h>
#include <stdbool.h>

/* Something that takes turns on a loop; embedded in the client. */
struct aivo_task {
    struct aivo_loop *loop;
    void (*turn)(struct aivo_task *task); /* it was woken, or its deadline has come */
    bool queued;                          /* in the ready list; under the loop's lock */
    bool removed;                         /* takes no turn any more; under the loop's lock */
    struct aivo_task *next_ready;         /* under the loop's lock */
    int64_t deadline_us;                  /* AIVO_NEVER: none */
    size_t heap_index;                    /* 0: not in the heap */
    struct aivo_task *next_watching;      /* in the loop's list of those that watch the network */
    bool watching;
    bool network_changed; /* since the task last cleared it */
};

/* A loop over another transport than libwebsockets, for tests. */
enum aivo_status aivo_loop_create_over(const struct aivo_transport *transport, struct aivo_loop **out,
                                       struct aivo_error *err);

void aivo_loop_ref(struct aivo_loop *loop);        /* any thread */
void aivo_loop_unref(struct aivo_loop *loop);      /* any thread; the last one ends the thread */
bool aivo_loop_here(const struct aivo_loop *loop); /* any thread: is this the loop's thread? */
/* Is this a forked child of the process that made it? There it has no thread: nothing can be asked of it. */
bool aivo_loop_inherited(const struct aivo_loop *loop);

void aivo_task_init(struct aivo_task *task, struct aivo_loop *loop, void (*turn)(struct aivo_task *));
void aivo_task_wake(struct aivo_task *task); /* any thread: take a turn soon */
void aivo_task_set_deadline(struct aivo_task *task, int64_t us);
/* No turn is taken and nothing told any more, whoever still wakes it. */
void aivo_task_remove(struct aivo_task *task);

/* From now on the task takes a turn with network_changed set when the network has changed. The first call starts the
 * watching; where the system cannot tell, nobody is told. */
void aivo_loop_watch_network(struct aivo_loop *loop, struct aivo_task *task);
void aivo_loop_network_changed(void *loop); /* any thread: what the watch reports */

const struct aivo_transport *aivo_loop_transport(const struct aivo_loop *loop);
struct aivo_net *aivo_loop_net(const struct aivo_loop *loop);

#endif
