/* What the queue tells its client: fates, ends of asynchronous sends, notices. A message's row goes only when its fate
 * was told; until then it is a fate on disk, which the next program tells if this one does not come to it. */
#include "queue_internal.h"

#include <stdlib.h>
#include <string.h>

bool aivo_queue_keeps_enough(const struct aivo_queue *q)
{
    return q->kept_count >= AIVO_QUEUE_KEPT_MAX || q->kept_bytes >= AIVO_QUEUE_KEPT_BYTES;
}

bool aivo_queue_holds(const struct aivo_queue *q)
{
    return q->backlog >= AIVO_QUEUE_BACKLOG_MAX || aivo_queue_keeps_enough(q);
}

void aivo_queue_push_depart(struct aivo_queue *q, const struct queue_message *m, bool kept)
{
    if (m->fate == AIVO_FATE_DEAD && m->last_error) /* its last failure is not in its row yet */
        aivo_queue_push_op(q, (struct op){.kind = OP_FAILED,
                                          .seq = m->seq,
                                          .lane = m->lane,
                                          .attempts = m->shown.attempts,
                                          .last_error = strdup(m->last_error)});
    struct op op = aivo_queue_op_of(m);
    op.kind = OP_DEPART;
    op.kept = kept;
    op.releases = !kept;
    aivo_queue_push_op(q, op);
}

/* Its fate was told: the row may go, or becomes a dead letter. Locked. */
static void remove_row(struct aivo_queue *q, const struct queue_message *m)
{
    struct op op = aivo_queue_op_of(m);
    op.kind = OP_REMOVE;
    if (m->fate == AIVO_FATE_DEAD && q->options.max_dead > 0) {
        op.kind = OP_BURY;
        op.last_error = m->last_error ? strdup(m->last_error) : NULL;
    }
    aivo_queue_push_op(q, op);
}

/* Takes it out of those that the client keeps. Locked. */
static void take_kept(struct aivo_queue *q, struct queue_message *m)
{
    struct queue_message **at = &q->kept.head, *before = NULL;
    while (*at && *at != m) {
        before = *at;
        at = &before->next;
    }
    if (!*at)
        return;
    *at = m->next;
    if (!m->next)
        q->kept.tail = before ? &before->next : NULL;
    q->kept_count--;
    q->kept_bytes -= m->bytes;
}

/* To a client that tells it later. Its row is a fate from now on: what comes behind it in its order goes on, and if the
 * program ends before it was told it is told by the next one. */
static void hand_over(struct aivo_queue *q, struct queue_message *m, const struct aivo_queue_sink *sink, void *user)
{
    pthread_mutex_lock(&q->lock);
    /* An answer is nowhere but here. Of others there is no need to have more in memory: they are read again. */
    bool kept = m->departed || m->answer || !aivo_queue_keeps_enough(q);
    if (!m->departed)
        aivo_queue_push_depart(q, m, kept);
    if (kept) {
        m->kept = !m->departed;
        m->departed = true;
        aivo_queue_list_add(&q->kept, m);
        q->kept_count++;
        q->kept_bytes += m->bytes;
    }
    pthread_mutex_unlock(&q->lock);
    if (kept && sink->fate(user, &m->shown, m->fate, m->answer, m))
        return; /* from here on it is aivo_queue_told()'s */
    if (kept) {
        pthread_mutex_lock(&q->lock);
        take_kept(q, m);
        pthread_mutex_unlock(&q->lock);
    }
    aivo_queue_message_free(m);
}

void aivo_queue_told(struct aivo_queue *q, struct queue_message *m)
{
    pthread_mutex_lock(&q->lock);
    bool held = aivo_queue_keeps_enough(q);
    take_kept(q, m);
    remove_row(q, m);
    bool goes_on = held && !aivo_queue_keeps_enough(q);
    if (!q->leads && aivo_queue_store_due(q, q->clock.now_us) == 0)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_message_free(m);
    if (goes_on && q->wake)
        q->wake(q->user);
}

void aivo_queue_tell(struct aivo_queue *q, struct queue_message *m, const struct aivo_queue_sink *sink, void *user)
{
    if (sink->keeps) {
        hand_over(q, m, sink, user);
        return;
    }
    bool told = sink->fate(user, &m->shown, m->fate, m->answer, NULL);
    pthread_mutex_lock(&q->lock);
    if (told)
        remove_row(q, m);
    else if (!m->departed)
        aivo_queue_push_depart(q, m, false);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_message_free(m);
}

void aivo_queue_tell_all(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user)
{
    struct aivo_error notices[AIVO_QUEUE_NOTICES_MAX];
    pthread_mutex_lock(&q->lock);
    uint32_t count = q->notice_count;
    memcpy(notices, q->notices, count * sizeof *notices);
    q->notice_count = 0;
    struct queue_message *queued = aivo_queue_list_take(&q->queued);
    struct queue_message *m = aivo_queue_list_take(&q->untold);
    struct queue_message *trash = aivo_queue_list_take(&q->trash);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_free_list(trash);
    for (uint32_t i = 0; i < count; i++)
        sink->notice(user, &notices[i]);
    aivo_queue_tell_stored(q, sink, user);
    for (const struct queue_message *each = queued; each; each = each->next) {
        if (sink->queued)
            sink->queued(user, &each->shown);
    }
    aivo_queue_free_list(queued);
    while (m) {
        struct queue_message *next = m->next;
        aivo_queue_tell(q, m, sink, user);
        m = next;
    }
}

void aivo_queue_tell_stored(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user)
{
    pthread_mutex_lock(&q->lock);
    struct job *job = q->stored;
    q->stored = NULL;
    q->stored_tail = &q->stored;
    pthread_mutex_unlock(&q->lock);
    while (job) {
        struct job *next = job->next;
        if (sink->stored && job->fn)
            sink->stored(user, &(struct aivo_queue_stored){.fn = job->fn,
                                                           .fn_user = job->fn_user,
                                                           .status = job->status,
                                                           .id = &job->id,
                                                           .error = job->status == AIVO_OK ? NULL : &job->err});
        free(job);
        job = next;
    }
}

bool aivo_queue_settle(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user)
{
    pthread_mutex_lock(&q->lock);
    while (q->async_count > 0)
        pthread_cond_wait(&q->space, &q->lock);
    bool any = q->stored != NULL;
    pthread_mutex_unlock(&q->lock);
    aivo_queue_tell_stored(q, sink, user);
    return any;
}

void aivo_queue_finish(struct aivo_queue *q, const struct aivo_queue_sink *sink, void *user)
{
    pthread_mutex_lock(&q->lock);
    q->refusing = true;
    pthread_cond_broadcast(&q->space);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_settle(q, sink, user);
    aivo_queue_stop(q);
}
