/* The queue's callers and the loop's side. queue_store.c is the other half. */
#include "queue_internal.h"

#include "error_internal.h"
#include "io/clock.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define FULL_RETRY_US    20000  /* the send buffer is full: look again then, if no event comes before */
#define OFFLINE_RETRY_US 200000 /* the client said "not connected" before it said so to the queue */

void aivo_queue_list_add(struct message_list *list, struct queue_message *m)
{
    m->next = NULL;
    if (list->head)
        *list->tail = m;
    else
        list->head = m;
    list->tail = &m->next;
}

static struct queue_message *list_take(struct message_list *list)
{
    struct queue_message *head = list->head;
    *list = (struct message_list){0};
    return head;
}

void aivo_queue_notice(struct aivo_queue *q, const struct aivo_error *error)
{
    if (q->notice_count < AIVO_QUEUE_NOTICES_MAX)
        q->notices[q->notice_count++] = *error;
}

struct queue_message *aivo_queue_message_new(const struct aivo_store_row *row, int64_t skew_ms)
{
    struct queue_message *m = calloc(1, sizeof *m + row->event_len + row->args_len + 2);
    if (!m)
        return NULL;
    if (row->last_error && !(m->last_error = strdup(row->last_error))) {
        free(m);
        return NULL;
    }
    char *args = m->text + row->event_len + 1;
    memcpy(m->text, row->event, row->event_len);
    memcpy(args, row->args, row->args_len);
    m->seq = row->seq;
    m->bytes = row->event_len + row->args_len;
    m->shown.size = sizeof m->shown;
    aivo_uuid_format(row->id, m->shown.id.text);
    m->shown.event = m->text;
    m->shown.args = args;
    m->shown.created_ms = row->created_ms;
    m->shown.expires_ms = row->expires_ms > 0 ? row->expires_ms - skew_ms : 0;
    m->shown.attempts = row->attempts;
    m->shown.last_error = m->last_error;
    return m;
}

void aivo_queue_message_free(struct queue_message *m)
{
    if (!m)
        return;
    free(m->last_error);
    free(m->answer);
    free(m);
}

static void free_list(struct queue_message *m)
{
    while (m) {
        struct queue_message *next = m->next;
        aivo_queue_message_free(m);
        m = next;
    }
}

static void drop_held(void *user, void *message)
{
    (void)user;
    aivo_queue_message_free(message);
}

static void free_ops(struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++)
        free(ops->at[i].last_error);
    free(ops->at);
    *ops = (struct ops){0};
}

/* Without memory the change is forgotten: the message is sent once more after the next start, never lost. Locked. */
static void push_op(struct aivo_queue *q, struct op op)
{
    struct ops *ops = &q->ops;
    if (ops->count == ops->cap) {
        size_t cap = ops->cap ? ops->cap * 2 : 64;
        struct op *at = realloc(ops->at, cap * sizeof *at);
        if (!at) {
            free(op.last_error);
            return;
        }
        ops->at = at;
        ops->cap = cap;
    }
    ops->at[ops->count++] = op;
    q->backlog++;
}

static uint32_t within(uint32_t value, uint32_t least, uint32_t greatest)
{
    return value < least ? least : value > greatest ? greatest : value;
}

static struct aivo_delivery *make_delivery(const struct aivo_queue_options *o)
{
    uint32_t window = within(o->window, 1, 1024);
    struct aivo_delivery_options delivery = {
        .capacity = window + within(window, 64, 1024), /* and a prefetch, so that the window never waits for the disk */
        .window = window,
        .max_retries = o->max_retries,
        .retry = {.floor_ms = 0, .base_ms = o->retry_base_ms, .cap_ms = o->retry_cap_ms},
    };
    return aivo_delivery_create(&delivery);
}

static void init_sync(struct aivo_queue *q)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, &attr);
    pthread_cond_init(&q->done, &attr);
    pthread_cond_init(&q->space, &attr);
    pthread_condattr_destroy(&attr);
}

static void destroy(struct aivo_queue *q)
{
    if (q->db)
        q->store->close(q->db);
    free_list(list_take(&q->untold));
    free_list(list_take(&q->trash));
    aivo_delivery_destroy(q->delivery, drop_held, NULL);
    free_ops(&q->ops);
    free_ops(&q->taken);
    pthread_cond_destroy(&q->space);
    pthread_cond_destroy(&q->done);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* The application's signals are not for this thread. */
static int start_thread(struct aivo_queue *q)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&q->thread, NULL, aivo_queue_store_main, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum aivo_status aivo_queue_open(const struct aivo_queue_options *options, const struct aivo_store *store,
                                 void (*wake)(void *user), void *user, struct aivo_queue **out, struct aivo_error *err)
{
    struct aivo_queue *q = calloc(1, sizeof *q);
    if (!q)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    init_sync(q);
    q->options = *options;
    q->options.path = NULL; /* borrowed for this call */
    q->options.max_messages = within(options->max_messages, 1, 10000000);
    q->store = store ? store : &aivo_store_sqlite;
    q->wake = wake;
    q->user = user;
    q->jobs_tail = &q->jobs;
    struct aivo_instant at = aivo_instant_now();
    struct aivo_store_info info = {0};
    struct aivo_error notice = {.status = AIVO_OK};
    enum aivo_status status = AIVO_OK;
    q->delivery = make_delivery(options);
    if (!q->delivery)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    else
        status = q->store->open(options->path, at.unix_ms, &q->db, &info, &notice, err);
    if (status == AIVO_OK) {
        if (notice.status != AIVO_OK)
            aivo_queue_notice(q, &notice);
        q->pending = info.pending;
        q->bytes = info.bytes;
        q->departed = info.departed;
        q->last_seq = info.last_seq;
        aivo_queue_clock_start(&q->clock, &at, info.newest_ms, info.saved_ms, info.saved_unix_ms);
        int error = start_thread(q);
        if (error != 0)
            status = aivo_error_set(err, AIVO_E_SYSTEM, error, "cannot start the queue's thread: %s", strerror(error));
    }
    if (status != AIVO_OK) {
        destroy(q);
        return status;
    }
    *out = q;
    return AIVO_OK;
}

void aivo_queue_close(struct aivo_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    /* A fate that was not told any more is kept on disk and told after the next start. */
    for (struct queue_message *m = q->untold.head; m; m = m->next) {
        if (!m->departed)
            push_op(q, (struct op){.kind = OP_DEPART, .seq = m->seq, .fate = m->fate});
    }
    q->closing = true;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    destroy(q);
}

enum aivo_status aivo_queue_send(struct aivo_queue *q, const char *event, const char *args,
                                 struct aivo_message_id *out_id, struct aivo_error *err)
{
    struct job job = {.event = event, .args = args ? args : "[]"};
    job.event_len = strlen(job.event);
    job.args_len = strlen(job.args);
    if (job.args_len > AIVO_STORE_ARGS_MAX)
        return aivo_error_set(err, AIVO_E_TOO_LARGE, 0, "the message's arguments are longer than %u bytes",
                              AIVO_STORE_ARGS_MAX);
    pthread_mutex_lock(&q->lock);
    if (q->departed >= AIVO_QUEUE_DEPARTED_MAX) {
        pthread_mutex_unlock(&q->lock);
        return aivo_error_set(err, AIVO_E_FULL, 0, "the fates of %u messages wait to be told: the client is not served",
                              AIVO_QUEUE_DEPARTED_MAX);
    }
    while (q->job_count >= AIVO_QUEUE_JOBS_MAX)
        pthread_cond_wait(&q->space, &q->lock);
    *q->jobs_tail = &job;
    q->jobs_tail = &job.next;
    if (++q->job_count == 1 || q->job_count == q->awaited)
        pthread_cond_signal(&q->work);
    while (!job.done)
        pthread_cond_wait(&q->done, &q->lock);
    pthread_mutex_unlock(&q->lock);
    if (job.status ==
        AIVO_E_CORRUPT) /* found out only now: to the sender it is one more reason why it cannot be stored */
        job.status = job.err.status = AIVO_E_STORE;
    if (job.status != AIVO_OK) {
        if (err)
            *err = job.err;
    } else if (out_id) {
        aivo_uuid_format(job.id, out_id->text);
    }
    return job.status;
}

void aivo_queue_stats(struct aivo_queue *q, struct aivo_queue_stats *out)
{
    struct aivo_delivery_item oldest;
    pthread_mutex_lock(&q->lock);
    *out = (struct aivo_queue_stats){
        .size = sizeof *out,
        .pending = q->pending,
        .in_flight = aivo_delivery_in_flight(q->delivery),
        .bytes = q->bytes,
    };
    if (aivo_delivery_oldest(q->delivery, &oldest))
        out->oldest_ms = ((struct queue_message *)oldest.message)->shown.created_ms;
    else if (q->pending > 0)
        out->oldest_ms = q->head_ms;
    pthread_mutex_unlock(&q->lock);
}

void aivo_queue_connected(struct aivo_queue *q, const struct aivo_instant *at)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    aivo_delivery_connected(q->delivery);
    q->blocked_until_us = 0;
    pthread_mutex_unlock(&q->lock);
}

void aivo_queue_disconnected(struct aivo_queue *q, const struct aivo_instant *at)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    aivo_delivery_disconnected(q->delivery);
    pthread_mutex_unlock(&q->lock);
}

/* It is in memory and leaves the queue now; its row follows once its fate is told. Locked. */
static void leaves(struct aivo_queue *q, struct queue_message *m, enum aivo_fate fate)
{
    q->pending -= q->pending > 0;
    q->bytes -= q->bytes < m->bytes ? q->bytes : m->bytes;
    q->held_bytes -= m->bytes;
    m->fate = fate;
}

static void set_last_error(struct queue_message *m, uint32_t attempts, const char *reason)
{
    free(m->last_error);
    m->last_error = strdup(reason);
    m->shown.last_error = m->last_error;
    m->shown.attempts = attempts;
}

void aivo_queue_answered(struct aivo_queue *q, const struct aivo_instant *at, uint64_t ticket, enum aivo_status status,
                         const struct aivo_json *answer)
{
    struct aivo_judgement judgement = {.verdict = AIVO_VERDICT_FAILED, .reason = "no acknowledgement in time"};
    struct aivo_delivery_item item;
    if (status == AIVO_OK)
        aivo_delivery_judge(answer, &judgement);
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    if (status != AIVO_OK && status != AIVO_E_TIMEOUT) {
        /* The connection ended: no attempt is lost. */
        aivo_delivery_unsent(q->delivery, ticket);
        pthread_mutex_unlock(&q->lock);
        return;
    }
    enum aivo_delivery_result result = aivo_delivery_answered(q->delivery, at, ticket, &judgement, &item);
    struct queue_message *m = result == AIVO_DELIVERY_UNKNOWN ? NULL : item.message;
    if (result == AIVO_DELIVERY_RETRY || result == AIVO_DELIVERY_DEAD)
        set_last_error(m, item.attempts, judgement.reason);
    if (result == AIVO_DELIVERY_RETRY)
        push_op(q, (struct op){.kind = OP_FAILED,
                               .seq = m->seq,
                               .attempts = item.attempts,
                               .last_error = m->last_error ? strdup(m->last_error) : NULL});
    if (result == AIVO_DELIVERY_GONE || result == AIVO_DELIVERY_DEAD) {
        leaves(q, m, result == AIVO_DELIVERY_GONE ? AIVO_FATE_ACKNOWLEDGED : AIVO_FATE_DEAD);
        if (answer && answer->type == AIVO_JSON_ARRAY)
            m->answer = strndup(answer->text, answer->len);
        aivo_queue_list_add(&q->untold, m);
    }
    pthread_mutex_unlock(&q->lock);
}

/* Tells a fate; then the row may go. Not locked. */
static void tell(struct aivo_queue *q, struct queue_message *m, const struct aivo_queue_sink *sink, void *user)
{
    sink->fate(user, &m->shown, m->fate, m->answer);
    pthread_mutex_lock(&q->lock);
    push_op(q, (struct op){.kind = OP_REMOVE, .seq = m->seq, .departed = m->departed});
    pthread_mutex_unlock(&q->lock);
    aivo_queue_message_free(m);
}

static void tell_all(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user)
{
    struct aivo_error notices[AIVO_QUEUE_NOTICES_MAX];
    pthread_mutex_lock(&q->lock);
    uint32_t count = q->notice_count;
    memcpy(notices, q->notices, count * sizeof *notices);
    q->notice_count = 0;
    struct queue_message *m = list_take(&q->untold);
    struct queue_message *trash = list_take(&q->trash);
    pthread_mutex_unlock(&q->lock);
    free_list(trash);
    for (uint32_t i = 0; i < count; i++)
        sink->notice(user, &notices[i]);
    while (m) {
        struct queue_message *next = m->next;
        tell(q, m, sink, user);
        m = next;
    }
}

/* Hands one message to the client. false: no more for now. Not locked: the message stays as it is while it is in flight
 * (if it is evicted meanwhile, it goes to the trash, which only this thread empties). */
static bool send_one(struct aivo_queue *q, const struct aivo_instant *at, uint64_t ticket, struct queue_message *m,
                     const struct aivo_queue_sink *sink, void *user)
{
    enum aivo_status status = sink->send(user, ticket, &m->shown, q->options.ack_timeout_ms);
    if (status == AIVO_OK)
        return true;
    struct aivo_delivery_item item;
    pthread_mutex_lock(&q->lock);
    if (status == AIVO_E_FULL || status == AIVO_E_NOT_CONNECTED) {
        aivo_delivery_unsent(q->delivery, ticket);
        q->blocked_until_us = at->now_us + (status == AIVO_E_FULL ? FULL_RETRY_US : OFFLINE_RETRY_US);
        pthread_mutex_unlock(&q->lock);
        return false;
    }
    bool dead = aivo_delivery_refused(q->delivery, ticket, &item);
    if (dead) {
        set_last_error(m, item.attempts, aivo_strerror(status));
        leaves(q, m, AIVO_FATE_DEAD);
    }
    pthread_mutex_unlock(&q->lock);
    if (dead)
        tell(q, m, sink, user);
    return true;
}

static void deliver(struct aivo_queue *q, const struct aivo_instant *at, const struct aivo_queue_sink *sink, void *user)
{
    for (bool more = true; more;) {
        struct aivo_delivery_item item;
        uint64_t ticket;
        pthread_mutex_lock(&q->lock);
        bool hold = q->backlog >= AIVO_QUEUE_BACKLOG_MAX || at->now_us < q->blocked_until_us;
        enum aivo_delivery_action action =
            aivo_delivery_next(q->delivery, at->now_us, aivo_queue_clock_ms(&q->clock), hold, &item, &ticket);
        if (action == AIVO_DELIVERY_EXPIRE)
            leaves(q, item.message, AIVO_FATE_EXPIRED);
        else if (action == AIVO_DELIVERY_SEND)
            ((struct queue_message *)item.message)->flown = true;
        pthread_mutex_unlock(&q->lock);
        if (action == AIVO_DELIVERY_NOTHING)
            return;
        if (action == AIVO_DELIVERY_EXPIRE)
            tell(q, item.message, sink, user);
        else
            more = send_one(q, at, ticket, item.message, sink, user);
    }
}

void aivo_queue_step(struct aivo_queue *q, const struct aivo_instant *at, const struct aivo_queue_sink *sink,
                     void *user)
{
    pthread_mutex_lock(&q->lock);
    aivo_queue_clock_advance(&q->clock, at);
    pthread_mutex_unlock(&q->lock);
    tell_all(q, sink, user);
    deliver(q, at, sink, user);
    pthread_mutex_lock(&q->lock);
    if (aivo_queue_store_due(q, at->now_us) == 0)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

int64_t aivo_queue_deadline(const struct aivo_queue *queue)
{
    struct aivo_queue *q = (struct aivo_queue *)queue; /* for its lock only */
    pthread_mutex_lock(&q->lock);
    int64_t due_us = AIVO_NEVER;
    if (q->untold.head || q->notice_count > 0 || q->trash.head) {
        due_us = 0;
    } else {
        if (q->backlog < AIVO_QUEUE_BACKLOG_MAX)
            due_us = aivo_delivery_deadline(q->delivery);
        if (due_us < q->blocked_until_us)
            due_us = q->blocked_until_us;
        int64_t expiry_ms = aivo_delivery_expiry(q->delivery);
        if (expiry_ms != AIVO_NEVER) {
            int64_t expiry_us = q->clock.now_us + expiry_ms * 1000 - q->clock.clock_us;
            due_us = expiry_us < due_us ? expiry_us : due_us;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return due_us;
}
