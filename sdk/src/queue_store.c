/* Whoever has the queue's file: it takes all that waits into one transaction, tells the senders how it went, and keeps
 * the few messages in memory filled up. That is the store thread, or a sender that is the only one: handing its message
 * over to another thread and back would cost it two switches. Exactly one has the file (taken_up). */
#include "queue_batch.h"

#include "error_internal.h"
#include "io/clock.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_US        INT64_C(1000000)  /* after a failure that no sender waits for */
#define LONGEST_WAIT_US INT64_C(60000000) /* then the wall clock is looked at again */
#define SKEW_MS         1000              /* the queue's clock is saved when it is off the wall clock by so much more */
#define SAVE_EVERY_US   INT64_C(60000000)
#define GATHER_MOST_US  INT64_C(500)
#define FAILING_US      INT64_C(1000000) /* what trying the sends of a failed batch apart may take */

static bool wants_upkeep(const struct aivo_queue *q)
{
    if (q->departed >= AIVO_QUEUE_UPKEEP_MAX)
        return false;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        const struct lane *lane = &q->lanes[i];
        if (lane->overflow != AIVO_OVERFLOW_REJECT &&
            (lane->pending > lane->max_messages || (lane->max_bytes > 0 && lane->bytes > lane->max_bytes)))
            return true;
        if (lane->expiry_ms <= aivo_queue_clock_ms(&q->clock))
            return true;
    }
    return false;
}

static int64_t on_the_monotonic(const struct aivo_queue *q, int64_t clock_ms)
{
    return q->clock.now_us + clock_ms * 1000 - q->clock.clock_us;
}

int64_t aivo_queue_store_due(const struct aivo_queue *q, int64_t now_us)
{
    if ((q->jobs && !q->first_waits) || q->closing || q->untidy || q->damaged)
        return 0;
    int64_t due_us = now_us + LONGEST_WAIT_US;
    if (q->backlog > 0 || wants_upkeep(q))
        due_us = q->write_after_us;
    bool reading = aivo_queue_wants_departed(q);
    for (uint32_t i = 0; i < q->lane_count; i++)
        reading |= aivo_queue_wants_load(q, &q->lanes[i]) || aivo_queue_wants_later(q, &q->lanes[i]);
    if (reading && q->read_after_us < due_us)
        due_us = q->read_after_us;
    if (due_us <= now_us)
        return 0;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        const struct lane *lane = &q->lanes[i];
        int64_t clock_ms = q->departed < AIVO_QUEUE_UPKEEP_MAX ? lane->expiry_ms : AIVO_NEVER;
        if (lane->due_ms < clock_ms && aivo_delivery_room(lane->delivery) > 0 &&
            lane->due_ms > aivo_queue_clock_ms(&q->clock))
            clock_ms = lane->due_ms;
        if (clock_ms != AIVO_NEVER && on_the_monotonic(q, clock_ms) < due_us)
            due_us = on_the_monotonic(q, clock_ms);
    }
    return due_us > 0 ? due_us : 0;
}

/* Until there is something to do and nobody has the file. Locked on entry and return. */
static void wait_for_work(struct aivo_queue *q)
{
    for (;;) {
        struct aivo_instant at = aivo_instant_now();
        aivo_queue_clock_advance(&q->clock, &at);
        int64_t due_us = q->taken_up ? AIVO_NEVER : aivo_queue_store_due(q, at.now_us);
        if (due_us <= at.now_us)
            return;
        q->asleep_until_us = due_us;
        if (due_us == AIVO_NEVER) {
            pthread_cond_wait(&q->work, &q->lock);
        } else {
            struct timespec until = {.tv_sec = (time_t)(due_us / 1000000), .tv_nsec = (long)(due_us % 1000000) * 1000};
            pthread_cond_timedwait(&q->work, &q->lock, &until);
        }
        q->asleep_until_us = 0;
    }
}

int64_t aivo_queue_patience(const struct aivo_queue *q)
{
    return q->commit_us / 2 < GATHER_MOST_US ? q->commit_us / 2 : GATHER_MOST_US;
}

/* The senders of the last batch are just being woken and most come back at once: waiting for them, a fraction of what a
 * commit takes, saves every second commit. One thread alone is never waited for. Locked on entry and return. */
static void gather(struct aivo_queue *q)
{
    if (q->expected <= 1 || q->job_count == 0 || q->job_count >= q->expected)
        return;
    int64_t until_us = aivo_clock_us() + aivo_queue_patience(q);
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
    q->awaited = q->expected;
    while (q->job_count < q->expected && !q->closing) {
        if (pthread_cond_timedwait(&q->work, &q->lock, &until) != 0)
            break;
    }
    q->awaited = 0;
}

/* Takes what waits, but no more bytes than one transaction should carry. Locked. */
static struct job *take_jobs(struct aivo_queue *q, size_t *count)
{
    struct job *first = q->jobs;
    struct job **end = &q->jobs;
    size_t bytes = 0;
    *count = 0;
    q->first_waits = false;
    while (*end && (*count == 0 || bytes + (*end)->args_len <= AIVO_QUEUE_BATCH_BYTES)) {
        bytes += (*end)->args_len;
        ++*count;
        end = &(*end)->next;
    }
    if (*count == 0)
        return NULL;
    q->jobs = *end;
    *end = NULL;
    if (!q->jobs)
        q->jobs_tail = &q->jobs;
    bool was_full = q->job_count >= AIVO_QUEUE_JOBS_MAX;
    for (const struct job *job = first; job; job = job->next)
        q->job_count -= !job->async;
    if (was_full)
        pthread_cond_broadcast(&q->space);
    return first;
}

/* Locked. */
static void take_ops(struct aivo_queue *q)
{
    if (q->taken.count == 0) {
        struct ops empty = q->taken;
        q->taken = q->ops;
        q->ops = empty;
        return;
    }
    size_t count = q->taken.count + q->ops.count;
    if (count > q->taken.cap) {
        struct op *at = realloc(q->taken.at, count * sizeof *at);
        if (!at)
            return; /* they stay where they are until there is memory */
        q->taken.at = at;
        q->taken.cap = count;
    }
    if (q->ops.count > 0)
        memcpy(q->taken.at + q->taken.count, q->ops.at, q->ops.count * sizeof *q->ops.at);
    q->taken.count = count;
    q->ops.count = 0;
}

/* While the queue's clock is off the wall clock (or was when it was last saved) a restart must know. */
static enum aivo_status save_clock(struct aivo_queue *q, struct tally *t, bool last, struct aivo_error *err)
{
    int64_t skew_ms = t->clock_ms - t->at.unix_ms;
    int64_t change = skew_ms - q->saved_skew_ms;
    bool off = skew_ms > SKEW_MS && (last || t->at.now_us - q->saved_at_us > SAVE_EVERY_US);
    if (!off && change <= SKEW_MS && change >= -SKEW_MS)
        return AIVO_OK;
    t->saved_clock = true;
    return q->store->save_clock(q->db, t->clock_ms, t->at.unix_ms, err);
}

/* Locked. */
static void publish_lane(struct lane *lane, const struct lane_tally *lt, const struct tally *t)
{
    if (lane->pending == 0 && lt->added > 0)
        lane->head_ms = t->at.unix_ms;
    const int64_t pending = (int64_t)lane->pending + lt->added - lt->left;
    lane->pending = pending > 0 ? (uint64_t)pending : 0;
    if (lt->none_left && lane->pending > lane->max_messages)
        lane->pending = lane->max_messages;
    int64_t bytes = (int64_t)lane->bytes + lt->added_bytes - lt->left_bytes;
    lane->bytes = bytes > 0 ? (uint64_t)bytes : 0;
    lane->expiry_ms = lt->expiry_ms;
    lane->due_ms = lt->due_ms;
    lane->passed_seq = lt->passed_seq;
    lane->stored |= lt->named;
    lane->more |= lt->more;
    lane->urgent |= lt->more && lt->added > 0 && aivo_delivery_below(lane->delivery, lt->most_important);
}

/* The changes that the loop's thread left are on disk. Locked. */
static void publish_ops(struct aivo_queue *q, const struct tally *t)
{
    uint64_t told = (uint64_t)t->told, chunk = (uint64_t)(t->told - t->told_kept);
    q->departed -= q->departed < told ? q->departed : told;
    q->chunk_left -= q->chunk_left < chunk ? q->chunk_left : (uint32_t)chunk;
    int64_t kept_rows = (int64_t)q->kept_rows + t->kept_rows;
    q->kept_rows = kept_rows > 0 ? (uint64_t)kept_rows : 0;
    q->backlog -= q->taken.count;
    for (size_t i = 0; i < q->taken.count; i++) {
        if (q->taken.at[i].releases)
            aivo_seqmap_remove(&q->gone, q->taken.at[i].seq);
    }
}

/* The transaction was committed. */
static void publish(struct aivo_queue *q, struct tally *t, bool with_ops)
{
    pthread_mutex_lock(&q->lock);
    for (uint32_t i = 0; i < q->lane_count; i++)
        publish_lane(&q->lanes[i], &t->lanes[i], t);
    for (int i = 0; i <= AIVO_FATE_REPLACED; i++)
        q->fates[i] += t->fates[i];
    q->accepted += t->accepted;
    q->dead = (uint64_t)((int64_t)q->dead + t->buried);
    q->departed += (uint64_t)t->departed;
    int64_t departed_bytes = (int64_t)q->departed_bytes + t->departed_bytes;
    q->departed_bytes = departed_bytes > 0 ? (uint64_t)departed_bytes : 0;
    q->last_seq = t->last_seq;
    for (size_t i = 0; i < t->victim_count; i++) {
        struct queue_message *m = t->victims[i].message;
        q->held_bytes -= m->bytes;
        q->lanes[m->lane].held_bytes -= m->bytes;
        if (m->flown)
            aivo_queue_list_add(&q->trash, m);
        else
            aivo_queue_message_free(m);
    }
    while (t->queued.head) {
        struct queue_message *m = t->queued.head;
        t->queued.head = m->next;
        aivo_queue_list_add(&q->queued, m);
    }
    if (with_ops)
        publish_ops(q, t);
    pthread_mutex_unlock(&q->lock);
    if (t->saved_clock) {
        q->saved_skew_ms = t->clock_ms - t->at.unix_ms;
        q->saved_at_us = t->at.now_us;
    }
    for (size_t i = 0; with_ops && i < q->taken.count; i++) {
        free(q->taken.at[i].last_error);
        free(q->taken.at[i].order_key);
    }
    if (with_ops)
        q->taken.count = 0;
}

static void take_back(struct aivo_queue *q, struct tally *t, const struct aivo_error *why)
{
    q->store->rollback(q->db);
    pthread_mutex_lock(&q->lock);
    aivo_queue_damaged(q, why);
    for (size_t i = 0; i < t->victim_count; i++)
        aivo_delivery_add(q->lanes[t->victim_lanes[i]].delivery, &t->victims[i]); /* only this thread adds: its place is
                                                                                     still there */
    pthread_mutex_unlock(&q->lock);
    while (t->queued.head) {
        struct queue_message *m = t->queued.head;
        t->queued.head = m->next;
        aivo_queue_message_free(m);
    }
}

/* Where things stand before a transaction. */
static void begin_tally(struct aivo_queue *q, struct tally *t)
{
    *t = (struct tally){.at = aivo_instant_now()};
    pthread_mutex_lock(&q->lock);
    t->clock_ms = aivo_queue_clock_advance(&q->clock, &t->at);
    t->last_seq = q->last_seq;
    t->first_seq = t->last_seq + 1;
    t->watch = q->watch_queued;
    t->departed_before = q->departed;
    t->dead_before = q->dead;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        t->lanes[i].expiry_ms = q->lanes[i].expiry_ms;
        t->lanes[i].due_ms = q->lanes[i].due_ms;
        t->lanes[i].passed_seq = q->lanes[i].passed_seq;
        t->pending[i] = q->lanes[i].pending;
        t->bytes[i] = q->lanes[i].bytes;
    }
    pthread_mutex_unlock(&q->lock);
}

/* One transaction: all of it is on disk, or nothing. */
static enum aivo_status transact(struct aivo_queue *q, struct job *jobs, size_t count, bool with_ops, bool last,
                                 struct aivo_error *err)
{
    struct tally t;
    begin_tally(q, &t);
    enum aivo_status status = q->store->begin(q->db, err);
    if (status == AIVO_OK && with_ops)
        status = aivo_queue_write_ops(q, &t, err);
    for (struct job *job = jobs; status == AIVO_OK && count > 0; count--, job = job->next)
        status = aivo_queue_write_job(q, job, &t, err);
    for (uint32_t i = 0; status == AIVO_OK && i < q->lane_count; i++) {
        status = aivo_queue_expire(q, i, &t, err);
        if (status == AIVO_OK)
            status = aivo_queue_evict(q, i, &t, err);
    }
    if (status == AIVO_OK)
        status = save_clock(q, &t, last, err);
    if (status == AIVO_OK)
        status = q->store->commit(q->db, err);
    if (status == AIVO_OK)
        publish(q, &t, with_ops);
    else
        take_back(q, &t, err);
    free(t.victims);
    free(t.victim_lanes);
    return status;
}

static void settle(struct job *job, size_t count, enum aivo_status status, const struct aivo_error *err)
{
    for (; count > 0; count--, job = job->next) {
        if (status == AIVO_OK && job->settled)
            continue;
        job->status = status;
        if (status != AIVO_OK)
            job->err = *err;
    }
}

/* The sends of a batch that failed as a whole: by halves, so that each that can be stored is. A disk that lets each of
 * them wait is not asked for all of them. */
static void send_by_halves(struct aivo_queue *q, struct job *jobs, size_t count, bool known_bad, int64_t until_us,
                           struct aivo_error *last)
{
    if (count == 0)
        return;
    if (last->status != AIVO_OK && aivo_clock_us() > until_us) {
        settle(jobs, count, last->status, last);
        return;
    }
    if (!known_bad && transact(q, jobs, count, false, false, last) == AIVO_OK) {
        settle(jobs, count, AIVO_OK, NULL);
        return;
    }
    if (count == 1) {
        settle(jobs, 1, last->status, last);
        return;
    }
    size_t half = count / 2;
    struct job *second = jobs;
    for (size_t i = 0; i < half; i++)
        second = second->next;
    send_by_halves(q, jobs, half, false, until_us, last);
    send_by_halves(q, second, count - half, false, until_us, last);
}

void aivo_queue_trouble(struct aivo_queue *q, int64_t *after_us, const struct aivo_error *err)
{
    pthread_mutex_lock(&q->lock);
    *after_us = aivo_clock_us() + RETRY_US;
    const bool salvaged = aivo_queue_damaged(q, err); /* soon: that has its own notice */
    if (!q->in_trouble && !salvaged)
        aivo_queue_notice(q, err);
    pthread_mutex_unlock(&q->lock);
    q->in_trouble |= !salvaged;
}

static void write_all(struct aivo_queue *q, struct job *jobs, size_t count, bool last)
{
    struct aivo_error err = {.status = AIVO_OK};
    bool ops = q->taken.count > 0;
    if (transact(q, jobs, count, true, last, &err) == AIVO_OK) {
        settle(jobs, count, AIVO_OK, NULL);
        q->in_trouble = false;
        return;
    }
    bool jobs_bad = !ops;
    if (count == 0 || (ops && transact(q, NULL, 0, true, last, &err) != AIVO_OK)) {
        bool again = q->store->relieve(q->db, &err) && transact(q, NULL, 0, true, last, &err) == AIVO_OK;
        if (!again)
            aivo_queue_trouble(q, &q->write_after_us, &err);
    }
    send_by_halves(q, jobs, count, jobs_bad, aivo_clock_us() + FAILING_US, &err);
}

/* What is asynchronous is told by the loop; the others are left in the list. true: the loop should look. */
static bool finish(struct aivo_queue *q, struct job **jobs, size_t count)
{
    bool look = false;
    uint32_t waited = 0;
    for (struct job **at = jobs; count > 0; count--) {
        struct job *job = *at;
        if (!job->async) {
            job->done = true;
            at = &job->next;
            waited++;
            continue;
        }
        *at = job->next;
        q->async_count--;
        q->async_bytes -= job->event_len + job->args_len;
        if (job->status == AIVO_E_CORRUPT)
            job->status = job->err.status = AIVO_E_STORE;
        job->next = NULL;
        *q->stored_tail = job;
        q->stored_tail = &job->next;
        look = true;
    }
    if (look && q->async_count == 0)
        pthread_cond_broadcast(&q->space); /* somebody may wait for that */
    q->expected = waited + q->job_count;
    return look || q->queued.head;
}

/* Each that is woken wakes half of the rest: that takes all processors there are. */
void aivo_queue_release(struct job *jobs)
{
    while (jobs) {
        struct job *half = jobs, *end = jobs->next;
        for (; end && end->next; end = end->next->next)
            half = half->next;
        struct job *other = half->next;
        half->next = NULL;
        struct job *rest = jobs->next;
        jobs->next = other;
        sem_post(&jobs->done_sem); /* from here on its caller may return */
        jobs = rest;
    }
}

/* One turn of who has the file. Returns the jobs that somebody waits for, to be released. Locked on entry and return.
 * last: the queue ends with it. */
static struct job *take_turn(struct aivo_queue *q, bool last)
{
    size_t count;
    struct job *jobs = take_jobs(q, &count);
    bool held_back = q->backlog >= AIVO_QUEUE_BACKLOG_MAX;
    uint32_t notices = q->notice_count;
    bool quiet = !last && count == 0 && q->write_after_us > q->clock.now_us;
    bool write = last || count > 0 || q->backlog > 0 || wants_upkeep(q);
    take_ops(q);
    pthread_mutex_unlock(&q->lock);
    int64_t begun_us = aivo_clock_us();
    if (write && !quiet)
        write_all(q, jobs, count, last);
    int64_t took_us = aivo_clock_us() - begun_us;
    bool look = !last && aivo_queue_load(q);
    pthread_mutex_lock(&q->lock);
    q->commit_us = took_us;
    look |= finish(q, &jobs, count);
    look |= q->notice_count > notices || (held_back && q->backlog < AIVO_QUEUE_BACKLOG_MAX);
    if (look && q->wake && !last) {
        pthread_mutex_unlock(&q->lock);
        q->wake(q->user);
        pthread_mutex_lock(&q->lock);
    }
    return jobs;
}

bool aivo_queue_lead(struct aivo_queue *q, const struct job *own, bool late)
{
    bool all = late || q->job_count >= q->expected;
    if (q->taken_up || own->done || !all || q->untidy || q->damaged || q->closing || q->async_count > 0)
        return false;
    int cancelable;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable); /* who has the file must give it back */
    q->taken_up = q->leads = true;
    struct job *done = NULL, **end = &done;
    while (!own->done) {
        struct aivo_instant at = aivo_instant_now();
        aivo_queue_clock_advance(&q->clock, &at);
        *end = take_turn(q, false);
        while (*end) {
            if (*end == own)
                *end = own->next;
            else
                end = &(*end)->next;
        }
    }
    q->untidy = q->store->untidy(q->db);
    q->taken_up = q->leads = false;
    if (aivo_queue_store_due(q, q->clock.now_us) < q->asleep_until_us)
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    aivo_queue_release(done); /* only now, so that those who come back find the file free */
    pthread_setcancelstate(cancelable, NULL);
    pthread_mutex_lock(&q->lock);
    return true;
}

void *aivo_queue_store_main(void *queue)
{
    struct aivo_queue *q = queue;
    pthread_mutex_lock(&q->lock);
    for (bool last = false; !last;) {
        wait_for_work(q);
        q->taken_up = true;
        gather(q);
        if (q->damaged && !q->closing)
            aivo_queue_recover(q);
        bool idle = q->jobs == NULL;
        last = q->closing && idle;
        struct job *done = take_turn(q, last);
        pthread_mutex_unlock(&q->lock);
        aivo_queue_release(done);
        if (!last)
            q->store->tidy(q->db, idle);
        pthread_mutex_lock(&q->lock);
        q->untidy = false;
        q->taken_up = false;
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}
