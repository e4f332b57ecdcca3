#include "loop.h"

#include "clock.h"
#include "error_internal.h"
#include "netwatch.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A binary heap of tasks by deadline, counted from 1 so that heap_index 0 means "not in it". */
struct heap {
    struct aivo_task **items;
    size_t count, cap;
};

struct aivo_loop {
    const struct aivo_transport *transport;
    struct aivo_net *net;
    pthread_t thread;
    pid_t pid;          /* of the process that has the thread: a forked child has only the memory */
    atomic_size_t refs; /* the owner's handle and one for each client */

    pthread_mutex_t lock; /* guards the fields up to the next blank line */
    struct aivo_task *ready_first, **ready_last;
    size_t ready_count;
    bool quit, free_itself;

    struct heap heap; /* the loop's thread only, as all below */
    struct aivo_netwatch *netwatch;
    bool netwatch_tried;
    struct aivo_task *watching;

    atomic_bool network_changed; /* set by the watching thread */
};

static _Thread_local const struct aivo_loop *loop_of_this_thread;

static void heap_put(struct heap *h, size_t i, struct aivo_task *task)
{
    h->items[i] = task;
    task->heap_index = i;
}

static void heap_up(struct heap *h, size_t i)
{
    struct aivo_task *task = h->items[i];
    for (; i > 1 && h->items[i / 2]->deadline_us > task->deadline_us; i /= 2)
        heap_put(h, i, h->items[i / 2]);
    heap_put(h, i, task);
}

static void heap_down(struct heap *h, size_t i)
{
    struct aivo_task *task = h->items[i];
    for (;;) {
        size_t child = 2 * i;
        if (child > h->count)
            break;
        if (child < h->count && h->items[child + 1]->deadline_us < h->items[child]->deadline_us)
            child++;
        if (h->items[child]->deadline_us >= task->deadline_us)
            break;
        heap_put(h, i, h->items[child]);
        i = child;
    }
    heap_put(h, i, task);
}

static void heap_remove(struct heap *h, struct aivo_task *task)
{
    size_t i = task->heap_index;
    if (i == 0)
        return;
    task->heap_index = 0;
    struct aivo_task *last = h->items[h->count--];
    if (last == task)
        return;
    heap_put(h, i, last);
    heap_up(h, i);
    heap_down(h, last->heap_index);
}

static bool heap_add(struct heap *h, struct aivo_task *task)
{
    if (h->count + 2 > h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 16;
        struct aivo_task **items = realloc(h->items, cap * sizeof *items);
        if (!items)
            return false;
        h->items = items;
        h->cap = cap;
    }
    heap_put(h, ++h->count, task);
    heap_up(h, h->count);
    return true;
}

static struct aivo_task *pop_ready(struct aivo_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct aivo_task *task = loop->ready_first;
    if (task) {
        loop->ready_first = task->next_ready;
        if (!loop->ready_first)
            loop->ready_last = &loop->ready_first;
        loop->ready_count--;
        task->queued = false;
    }
    pthread_mutex_unlock(&loop->lock);
    return task;
}

/* Each task that is due or ready at the start gets one turn: what a turn wakes or makes due anew waits until the
 * network has had its turn, so that nobody starves it. */
static void run_tasks(struct aivo_loop *loop)
{
    int64_t now = aivo_clock_us();
    for (size_t budget = loop->heap.count; budget > 0 && loop->heap.count; budget--) {
        struct aivo_task *task = loop->heap.items[1];
        if (task->deadline_us > now)
            break;
        heap_remove(&loop->heap, task);
        task->deadline_us = AIVO_NEVER;
        task->turn(task);
    }
    pthread_mutex_lock(&loop->lock);
    size_t budget = loop->ready_count;
    pthread_mutex_unlock(&loop->lock);
    struct aivo_task *task;
    while (budget-- > 0 && (task = pop_ready(loop)))
        task->turn(task);
}

static void tell_network_changed(struct aivo_loop *loop)
{
    if (!atomic_exchange(&loop->network_changed, false))
        return;
    for (struct aivo_task *task = loop->watching; task; task = task->next_watching) {
        task->network_changed = true;
        aivo_task_wake(task);
    }
}

static void destroy_parts(struct aivo_loop *loop)
{
    aivo_netwatch_close(loop->netwatch);
    if (loop->net)
        loop->transport->destroy(loop->net);
    pthread_mutex_destroy(&loop->lock);
    free(loop->heap.items);
    free(loop);
}

static void *run(void *arg)
{
    struct aivo_loop *loop = arg;
    loop_of_this_thread = loop;
    for (;;) {
        tell_network_changed(loop);
        run_tasks(loop);
        pthread_mutex_lock(&loop->lock);
        bool quit = loop->quit, busy = loop->ready_first;
        pthread_mutex_unlock(&loop->lock);
        if (quit)
            break;
        int64_t deadline = busy ? 0 : loop->heap.count ? loop->heap.items[1]->deadline_us : AIVO_NEVER;
        loop->transport->turn(loop->net, deadline);
    }
    loop_of_this_thread = NULL;
    if (loop->free_itself)
        destroy_parts(loop);
    return NULL;
}

static int start_thread(struct aivo_loop *loop)
{
    /* The program's signals stay on the program's threads. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

enum aivo_status aivo_loop_create_over(const struct aivo_transport *transport, struct aivo_loop **out,
                                       struct aivo_error *err)
{
    struct aivo_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a loop");
    loop->transport = transport;
    loop->pid = getpid();
    loop->ready_last = &loop->ready_first;
    atomic_init(&loop->refs, 1);
    pthread_mutex_init(&loop->lock, NULL);
    enum aivo_status status = transport->create(&loop->net, err);
    if (status != AIVO_OK) {
        loop->net = NULL;
        destroy_parts(loop);
        return status;
    }
    int failed = start_thread(loop);
    if (failed) {
        destroy_parts(loop);
        return aivo_error_set(err, AIVO_E_SYSTEM, failed, "the service thread cannot be started: %s", strerror(failed));
    }
    *out = loop;
    return AIVO_OK;
}

enum aivo_status aivo_loop_create(struct aivo_loop **out, struct aivo_error *err)
{
    if (!out)
        return aivo_error_set(err, AIVO_E_INVALID, 0, "out is NULL");
    return aivo_loop_create_over(&aivo_transport_lws, out, err);
}

void aivo_loop_ref(struct aivo_loop *loop)
{
    atomic_fetch_add(&loop->refs, 1);
}

void aivo_loop_unref(struct aivo_loop *loop)
{
    if (atomic_fetch_sub(&loop->refs, 1) != 1)
        return;
    bool here = aivo_loop_here(loop);
    if (here)
        pthread_detach(pthread_self());
    pthread_mutex_lock(&loop->lock);
    loop->quit = true;
    loop->free_itself = here;
    pthread_mutex_unlock(&loop->lock);
    if (here)
        return; /* run() sees quit after the turn that called us */
    loop->transport->wake(loop->net);
    pthread_join(loop->thread, NULL);
    destroy_parts(loop);
}

bool aivo_loop_inherited(const struct aivo_loop *loop)
{
    return loop->pid != getpid();
}

void aivo_loop_destroy(struct aivo_loop *loop)
{
    if (loop && !aivo_loop_inherited(loop))
        aivo_loop_unref(loop);
}

bool aivo_loop_here(const struct aivo_loop *loop)
{
    return loop_of_this_thread == loop;
}

void aivo_task_init(struct aivo_task *task, struct aivo_loop *loop, void (*turn)(struct aivo_task *))
{
    *task = (struct aivo_task){.loop = loop, .turn = turn, .deadline_us = AIVO_NEVER};
}

void aivo_task_wake(struct aivo_task *task)
{
    struct aivo_loop *loop = task->loop;
    pthread_mutex_lock(&loop->lock);
    bool first = !task->queued && !task->removed;
    if (first) {
        task->queued = true;
        task->next_ready = NULL;
        *loop->ready_last = task;
        loop->ready_last = &task->next_ready;
        loop->ready_count++;
    }
    pthread_mutex_unlock(&loop->lock);
    if (first && !aivo_loop_here(loop))
        loop->transport->wake(loop->net);
}

void aivo_task_set_deadline(struct aivo_task *task, int64_t us)
{
    struct heap *h = &task->loop->heap;
    if (task->deadline_us == us)
        return;
    heap_remove(h, task);
    task->deadline_us = us;
    if (us != AIVO_NEVER && !heap_add(h, task)) {
        /* Out of memory: better a turn too many than a deadline missed. */
        task->deadline_us = AIVO_NEVER;
        aivo_task_wake(task);
    }
}

void aivo_loop_network_changed(void *user)
{
    struct aivo_loop *loop = user;
    atomic_store(&loop->network_changed, true);
    loop->transport->wake(loop->net);
}

void aivo_loop_watch_network(struct aivo_loop *loop, struct aivo_task *task)
{
    if (!loop->netwatch_tried) {
        loop->netwatch_tried = true;
        if (aivo_netwatch_open(aivo_loop_network_changed, loop, &loop->netwatch, NULL) != AIVO_OK)
            loop->netwatch = NULL;
    }
    if (task->watching)
        return;
    task->watching = true;
    task->next_watching = loop->watching;
    loop->watching = task;
}

static void leave_network(struct aivo_loop *loop, struct aivo_task *task)
{
    if (!task->watching)
        return;
    struct aivo_task **p = &loop->watching;
    while (*p != task)
        p = &(*p)->next_watching;
    *p = task->next_watching;
    task->watching = false;
}

void aivo_task_remove(struct aivo_task *task)
{
    struct aivo_loop *loop = task->loop;
    leave_network(loop, task);
    heap_remove(&loop->heap, task);
    task->deadline_us = AIVO_NEVER;
    pthread_mutex_lock(&loop->lock);
    task->removed = true; /* the queue's thread may wake it until the queue is closed, which comes later */
    if (task->queued) {
        struct aivo_task **p = &loop->ready_first;
        while (*p != task)
            p = &(*p)->next_ready;
        *p = task->next_ready;
        if (!*p)
            loop->ready_last = p;
        loop->ready_count--;
        task->queued = false;
    }
    pthread_mutex_unlock(&loop->lock);
}

const struct aivo_transport *aivo_loop_transport(const struct aivo_loop *loop)
{
    return loop->transport;
}

struct aivo_net *aivo_loop_net(const struct aivo_loop *loop)
{
    return loop->net;
}
