/* The queue's store thread: alone it touches the file. It takes all that waits into one transaction, tells the senders
 * how it went, and keeps the few messages in memory filled up. */
#include "queue_internal.h"

#include "error_internal.h"
#include "io/clock.h"
#include "io/random.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_US        INT64_C(1000000)  /* after a failure that no sender waits for */
#define LONGEST_WAIT_US INT64_C(60000000) /* then the wall clock is looked at again */
#define SKEW_MS         1000              /* the queue's clock is saved when it is off the wall clock by so much more */
#define SAVE_EVERY_US   INT64_C(60000000)
#define GATHER_MOST_US  INT64_C(500)
#define FAILURES_MAX    8 /* single sends that failed in one batch: the others fail alike, unasked */

/* What one transaction changes in the queue's figures once it is committed. */
struct tally {
    int64_t added, added_bytes;
    int64_t left, left_bytes;    /* evicted and expired */
    int64_t first_ms;            /* created_ms of the first that was added */
    int64_t last_seq, first_seq; /* of those added */
    int64_t passed_seq;
    int64_t expiry_ms;
    uint32_t told; /* fates removed */
    bool saved_clock;
    bool none_left; /* more should be evicted than there is: the count was wrong */
    struct aivo_instant at;
    int64_t clock_ms;
    struct aivo_delivery_item *victims; /* taken out of the memory, kept for the case of a rollback */
    size_t victim_count, victim_cap;
};

static bool wants_load(const struct aivo_queue *q)
{
    if (q->cursor >= q->last_seq)
        return false;
    if (q->held_bytes >= AIVO_QUEUE_HELD_BYTES || (q->refused_at > 0 && q->held_bytes >= q->refused_at))
        return false;
    size_t room = aivo_delivery_room(q->delivery);
    size_t waiting = aivo_delivery_waiting(q->delivery);
    return room > 0 && (waiting == 0 || room >= waiting);
}

static bool wants_upkeep(const struct aivo_queue *q)
{
    if (q->departed >= AIVO_QUEUE_UPKEEP_MAX)
        return false;
    return q->pending > q->options.max_messages || q->expiry_ms <= aivo_queue_clock_ms(&q->clock);
}

static bool wants_departed(const struct aivo_queue *q)
{
    return q->departed > 0 && q->chunk_left == 0;
}

int64_t aivo_queue_store_due(const struct aivo_queue *q, int64_t now_us)
{
    if (q->jobs || q->closing)
        return 0;
    int64_t due_us = now_us + LONGEST_WAIT_US;
    if (q->backlog > 0 || wants_upkeep(q))
        due_us = q->write_after_us;
    if ((wants_departed(q) || wants_load(q)) && q->read_after_us < due_us)
        due_us = q->read_after_us;
    if (due_us <= now_us)
        return 0;
    if (q->expiry_ms != AIVO_NEVER && q->departed < AIVO_QUEUE_UPKEEP_MAX) {
        int64_t expiry_us = q->clock.now_us + q->expiry_ms * 1000 - q->clock.clock_us;
        due_us = expiry_us < due_us ? expiry_us : due_us;
    }
    return due_us > 0 ? due_us : 0;
}

/* Locked on entry and return. */
static void wait_for_work(struct aivo_queue *q)
{
    for (;;) {
        struct aivo_instant at = aivo_instant_now();
        aivo_queue_clock_advance(&q->clock, &at);
        int64_t due_us = aivo_queue_store_due(q, at.now_us);
        if (due_us <= at.now_us)
            return;
        struct timespec until = {.tv_sec = (time_t)(due_us / 1000000), .tv_nsec = (long)(due_us % 1000000) * 1000};
        pthread_cond_timedwait(&q->work, &q->lock, &until);
    }
}

/* The senders of the last batch are just being woken and most come back at once: waiting for them, a fraction of what a
 * commit takes, saves every second commit. One thread alone is never waited for. Locked on entry and return. */
static void gather(struct aivo_queue *q)
{
    if (q->last_batch <= 1 || !q->jobs || q->job_count >= q->last_batch)
        return;
    int64_t patience_us = q->commit_us / 4 < GATHER_MOST_US ? q->commit_us / 4 : GATHER_MOST_US;
    int64_t until_us = aivo_clock_us() + patience_us;
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
    q->awaited = q->last_batch;
    while (q->job_count < q->last_batch && !q->closing) {
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
    q->job_count -= (uint32_t)*count;
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

static enum aivo_status write_ops(struct aivo_queue *q, struct tally *t, struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    for (size_t i = 0; status == AIVO_OK && i < q->taken.count; i++) {
        const struct op *op = &q->taken.at[i];
        if (op->kind == OP_REMOVE)
            status = q->store->remove(q->db, op->seq, err);
        else if (op->kind == OP_FAILED)
            status = q->store->failed(q->db, op->seq, op->attempts, op->last_error, err);
        else
            status = q->store->depart(q->db, op->seq, op->fate, err);
        t->told += op->departed;
    }
    return status;
}

static enum aivo_status write_job(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    struct aivo_store_row row = {
        .seq = t->last_seq + 1,
        .event = job->event,
        .event_len = job->event_len,
        .args = job->args,
        .args_len = job->args_len,
        .created_ms = t->at.unix_ms,
        .clock_ms = t->clock_ms,
        .expires_ms = q->options.ttl_s > 0 ? t->clock_ms + (int64_t)q->options.ttl_s * 1000 : 0,
        .fate = -1,
    };
    uint64_t random[2];
    aivo_random_bytes(random, sizeof random);
    aivo_uuid_next(&q->uuids, t->at.unix_ms, random, row.id);
    enum aivo_status status = q->store->insert(q->db, &row, err);
    if (status != AIVO_OK)
        return status;
    memcpy(job->id, row.id, sizeof job->id);
    t->last_seq = row.seq;
    t->added++;
    t->added_bytes += (int64_t)(row.event_len + row.args_len);
    if (row.expires_ms > 0 && row.expires_ms < t->expiry_ms)
        t->expiry_ms = row.expires_ms;
    return AIVO_OK;
}

/* One message of those in memory leaves it. */
static bool take_victim(struct aivo_queue *q, struct tally *t, bool in_flight_too, struct aivo_delivery_item *item)
{
    if (t->victim_count == t->victim_cap) {
        size_t cap = t->victim_cap ? t->victim_cap * 2 : 16;
        struct aivo_delivery_item *victims = realloc(t->victims, cap * sizeof *victims);
        if (!victims)
            return false;
        t->victims = victims;
        t->victim_cap = cap;
    }
    pthread_mutex_lock(&q->lock);
    bool found = aivo_delivery_evict(q->delivery, in_flight_too, item);
    pthread_mutex_unlock(&q->lock);
    return found;
}

/* The oldest leaves: of those that are not in flight first, then of those in flight, then of those that are just being
 * added. *seq is 0 if there is none. */
static enum aivo_status pick_victim(struct aivo_queue *q, struct tally *t, int64_t *seq, uint64_t *bytes,
                                    struct aivo_error *err)
{
    struct aivo_delivery_item item;
    bool found = take_victim(q, t, false, &item);
    if (!found) {
        enum aivo_status status = q->store->first(q->db, t->passed_seq, seq, bytes, err);
        if (status != AIVO_OK)
            return status;
        if (*seq == 0 || *seq >= t->first_seq)
            found = take_victim(q, t, true, &item);
    }
    if (!found) {
        if (*seq > 0)
            t->passed_seq = *seq;
        return AIVO_OK;
    }
    struct queue_message *m = item.message;
    t->victims[t->victim_count++] = item;
    *seq = m->seq;
    *bytes = m->bytes;
    return AIVO_OK;
}

static enum aivo_status leave(struct aivo_queue *q, struct tally *t, int64_t seq, uint64_t bytes, enum aivo_fate fate,
                              struct aivo_error *err)
{
    t->left++;
    t->left_bytes += (int64_t)bytes;
    return q->store->depart(q->db, seq, fate, err);
}

static enum aivo_status evict(struct aivo_queue *q, struct tally *t, uint64_t pending, uint64_t departed,
                              struct aivo_error *err)
{
    int64_t excess = (int64_t)pending + t->added - t->left - (int64_t)q->options.max_messages;
    /* One for each that is added; more (the bound was lowered) only as fast as their fates are told. */
    int64_t most = t->added + (departed < AIVO_QUEUE_UPKEEP_MAX ? AIVO_QUEUE_UPKEEP_MAX : 0);
    enum aivo_status status = AIVO_OK;
    for (int64_t n = excess < most ? excess : most; status == AIVO_OK && n > 0; n--) {
        int64_t seq = 0;
        uint64_t bytes = 0;
        status = pick_victim(q, t, &seq, &bytes, err);
        t->none_left = seq == 0;
        if (status != AIVO_OK || t->none_left)
            break;
        status = leave(q, t, seq, bytes, AIVO_FATE_EVICTED, err);
    }
    return status;
}

static enum aivo_status expire(struct aivo_queue *q, struct tally *t, struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    for (int n = 0; status == AIVO_OK && n < AIVO_QUEUE_UPKEEP_MAX; n++) {
        int64_t seq, expires_ms;
        uint64_t bytes;
        status = q->store->next_expiry(q->db, q->cursor, &seq, &bytes, &expires_ms, err);
        if (status != AIVO_OK)
            break;
        t->expiry_ms = seq == 0 ? AIVO_NEVER : expires_ms;
        if (t->expiry_ms > t->clock_ms)
            break;
        status = leave(q, t, seq, bytes, AIVO_FATE_EXPIRED, err);
    }
    return status;
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

/* The transaction was committed. */
static void publish(struct aivo_queue *q, struct tally *t, bool with_ops)
{
    pthread_mutex_lock(&q->lock);
    if (q->pending == 0 && t->added > 0)
        q->head_ms = t->at.unix_ms;
    q->pending = (uint64_t)((int64_t)q->pending + t->added - t->left);
    if (t->none_left && q->pending > q->options.max_messages)
        q->pending = q->options.max_messages;
    int64_t bytes = (int64_t)q->bytes + t->added_bytes - t->left_bytes;
    q->bytes = bytes > 0 ? (uint64_t)bytes : 0;
    q->departed += (uint64_t)t->left;
    q->last_seq = t->last_seq;
    q->expiry_ms = t->expiry_ms;
    for (size_t i = 0; i < t->victim_count; i++) {
        struct queue_message *m = t->victims[i].message;
        q->held_bytes -= m->bytes;
        if (m->flown)
            aivo_queue_list_add(&q->trash, m);
        else
            aivo_queue_message_free(m);
    }
    if (with_ops) {
        q->departed -= q->departed < t->told ? q->departed : t->told;
        q->chunk_left -= q->chunk_left < t->told ? q->chunk_left : t->told;
        q->backlog -= q->taken.count;
    }
    pthread_mutex_unlock(&q->lock);
    q->passed_seq = t->passed_seq;
    if (t->saved_clock) {
        q->saved_skew_ms = t->clock_ms - t->at.unix_ms;
        q->saved_at_us = t->at.now_us;
    }
    for (size_t i = 0; with_ops && i < q->taken.count; i++)
        free(q->taken.at[i].last_error);
    if (with_ops)
        q->taken.count = 0;
}

static void take_back(struct aivo_queue *q, struct tally *t)
{
    q->store->rollback(q->db);
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < t->victim_count; i++) {
        aivo_delivery_add(q->delivery, &t->victims[i]); /* only this thread adds: its place is still there */
    }
    pthread_mutex_unlock(&q->lock);
}

/* One transaction: all of it is on disk, or nothing. */
static enum aivo_status transact(struct aivo_queue *q, struct job *jobs, size_t count, bool with_ops, bool last,
                                 struct aivo_error *err)
{
    struct tally t = {.at = aivo_instant_now(), .passed_seq = q->passed_seq};
    pthread_mutex_lock(&q->lock);
    t.clock_ms = aivo_queue_clock_advance(&q->clock, &t.at);
    t.expiry_ms = q->expiry_ms;
    t.last_seq = q->last_seq;
    if (t.passed_seq < q->cursor)
        t.passed_seq = q->cursor;
    uint64_t pending = q->pending;
    uint64_t departed = q->departed;
    pthread_mutex_unlock(&q->lock);
    t.first_seq = t.last_seq + 1;
    enum aivo_status status = q->store->begin(q->db, err);
    if (status == AIVO_OK && with_ops)
        status = write_ops(q, &t, err);
    for (struct job *job = jobs; status == AIVO_OK && count > 0; count--, job = job->next)
        status = write_job(q, job, &t, err);
    if (status == AIVO_OK && t.expiry_ms <= t.clock_ms && departed < AIVO_QUEUE_UPKEEP_MAX)
        status = expire(q, &t, err);
    if (status == AIVO_OK)
        status = evict(q, &t, pending, departed, err);
    if (status == AIVO_OK)
        status = save_clock(q, &t, last, err);
    if (status == AIVO_OK)
        status = q->store->commit(q->db, err);
    if (status == AIVO_OK)
        publish(q, &t, with_ops);
    else
        take_back(q, &t);
    free(t.victims);
    return status;
}

static void settle(struct job *job, size_t count, enum aivo_status status, const struct aivo_error *err)
{
    for (; count > 0; count--, job = job->next) {
        job->status = status;
        if (status != AIVO_OK)
            job->err = *err;
    }
}

/* The sends of a batch that failed as a whole: by halves, so that each that can be stored is. */
static void send_by_halves(struct aivo_queue *q, struct job *jobs, size_t count, bool known_bad, int *failures,
                           struct aivo_error *last)
{
    if (count == 0)
        return;
    if (*failures >= FAILURES_MAX) {
        settle(jobs, count, last->status, last);
        return;
    }
    if (!known_bad && transact(q, jobs, count, false, false, last) == AIVO_OK) {
        settle(jobs, count, AIVO_OK, NULL);
        return;
    }
    if (count == 1) {
        ++*failures;
        settle(jobs, 1, last->status, last);
        return;
    }
    size_t half = count / 2;
    struct job *second = jobs;
    for (size_t i = 0; i < half; i++)
        second = second->next;
    send_by_halves(q, jobs, half, false, failures, last);
    send_by_halves(q, second, count - half, false, failures, last);
}

/* What nobody waits for could not be done: said once, tried again later. */
static void trouble(struct aivo_queue *q, int64_t *after_us, const struct aivo_error *err)
{
    pthread_mutex_lock(&q->lock);
    *after_us = aivo_clock_us() + RETRY_US;
    if (!q->in_trouble)
        aivo_queue_notice(q, err);
    pthread_mutex_unlock(&q->lock);
    q->in_trouble = true;
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
    if (count == 0)
        trouble(q, &q->write_after_us, &err);
    else if (ops && transact(q, NULL, 0, true, last, &err) != AIVO_OK)
        trouble(q, &q->write_after_us, &err);
    int failures = 0;
    send_by_halves(q, jobs, count, jobs_bad, &failures, &err);
}

static void finish(struct aivo_queue *q, struct job *jobs, size_t count)
{
    if (count == 0)
        return;
    pthread_mutex_lock(&q->lock);
    for (struct job *job = jobs; count > 0; count--) {
        struct job *next = job->next;
        job->done = true; /* from here on its caller may return */
        job = next;
    }
    pthread_mutex_unlock(&q->lock);
    /* After the unlock, so that who wakes finds it free. The queue is still there: closing it joins this thread. */
    pthread_cond_broadcast(&q->done);
}

struct reading {
    struct aivo_queue *q;
    uint64_t bytes;
    uint32_t count;
    int64_t skew_ms;
    int64_t last_seq;
    bool stopped; /* before the last row */
    bool no_memory;
    int64_t bad[16]; /* unreadable */
    uint32_t bad_count;
};

static bool readable(const struct aivo_store_row *row)
{
    return !row->unreadable && row->event_len > 0 &&
           aivo_json_parse(row->args, row->args_len, NULL).type == AIVO_JSON_ARRAY;
}

static bool hold_row(void *user, const struct aivo_store_row *row)
{
    struct reading *r = user;
    struct aivo_queue *q = r->q;
    if (!readable(row)) {
        if ((r->stopped = r->bad_count == sizeof r->bad / sizeof *r->bad))
            return false;
        r->bad[r->bad_count++] = row->seq;
        r->bytes += row->event_len + row->args_len;
        r->last_seq = row->seq;
        return true;
    }
    struct queue_message *m = aivo_queue_message_new(row, r->skew_ms);
    r->no_memory = m == NULL;
    if (!m)
        return false;
    struct aivo_delivery_item item = {
        .seq = row->seq, .expires_ms = row->expires_ms, .attempts = row->attempts, .message = m};
    pthread_mutex_lock(&q->lock);
    bool much = q->held_bytes > 0 && q->held_bytes + m->bytes > AIVO_QUEUE_HELD_BYTES;
    r->stopped = much || !aivo_delivery_add(q->delivery, &item);
    if (!r->stopped) {
        q->held_bytes += m->bytes;
        q->cursor = row->seq;
    }
    q->refused_at = much ? q->held_bytes : 0;
    pthread_mutex_unlock(&q->lock);
    if (r->stopped) {
        aivo_queue_message_free(m);
        return false;
    }
    r->count++;
    r->last_seq = row->seq;
    return true;
}

static enum aivo_status mark_unreadable(struct aivo_queue *q, const struct reading *r, struct aivo_error *err)
{
    enum aivo_status status = q->store->begin(q->db, err);
    for (uint32_t i = 0; status == AIVO_OK && i < r->bad_count; i++)
        status = q->store->depart(q->db, r->bad[i], AIVO_FATE_UNREADABLE, err);
    if (status == AIVO_OK)
        status = q->store->commit(q->db, err);
    if (status != AIVO_OK) {
        q->store->rollback(q->db);
        return status;
    }
    pthread_mutex_lock(&q->lock);
    q->departed += r->bad_count;
    q->pending -= q->pending < r->bad_count ? q->pending : r->bad_count;
    q->bytes -= q->bytes < r->bytes ? q->bytes : r->bytes;
    pthread_mutex_unlock(&q->lock);
    return AIVO_OK;
}

/* Fills the memory up from the file. true: the loop should look. */
static bool load(struct aivo_queue *q)
{
    struct reading r = {.q = q};
    pthread_mutex_lock(&q->lock);
    bool wanted = wants_load(q) && q->read_after_us <= q->clock.now_us;
    uint32_t room = (uint32_t)aivo_delivery_room(q->delivery);
    int64_t after = q->cursor > q->passed_seq ? q->cursor : q->passed_seq;
    int64_t end = q->last_seq;
    r.skew_ms = aivo_queue_clock_ms(&q->clock) - aivo_clock_unix_ms();
    pthread_mutex_unlock(&q->lock);
    if (!wanted)
        return false;
    struct aivo_error err;
    enum aivo_status status = q->store->load(q->db, after, room, hold_row, &r, &err);
    if (r.no_memory)
        status = aivo_error_set(&err, AIVO_E_MEMORY, 0, "no memory for a queued message");
    if (status == AIVO_OK && r.bad_count > 0)
        status = mark_unreadable(q, &r, &err);
    pthread_mutex_lock(&q->lock);
    if (status == AIVO_OK && !r.stopped && r.count + r.bad_count < room)
        q->cursor = end;
    else if (status == AIVO_OK && r.last_seq > q->cursor)
        q->cursor = r.last_seq;
    pthread_mutex_unlock(&q->lock);
    if (status != AIVO_OK)
        trouble(q, &q->read_after_us, &err);
    return r.count > 0;
}

static bool hold_departed(void *user, const struct aivo_store_row *row)
{
    struct reading *r = user;
    struct aivo_queue *q = r->q;
    if (r->count > 0 && r->bytes + row->args_len > AIVO_QUEUE_CHUNK_BYTES)
        return false;
    struct queue_message *m = aivo_queue_message_new(row, r->skew_ms);
    r->no_memory = m == NULL;
    if (!m)
        return false;
    m->fate = row->fate >= 0 && row->fate <= AIVO_FATE_UNREADABLE ? (enum aivo_fate)row->fate : AIVO_FATE_UNREADABLE;
    m->departed = true;
    r->bytes += row->args_len;
    r->count++;
    pthread_mutex_lock(&q->lock);
    aivo_queue_list_add(&q->untold, m);
    q->chunk_left++;
    pthread_mutex_unlock(&q->lock);
    return true;
}

/* Reads fates to be told; the next ones when these are told and removed. true: the loop should look. */
static bool load_departed(struct aivo_queue *q)
{
    struct reading r = {.q = q};
    pthread_mutex_lock(&q->lock);
    bool wanted = wants_departed(q) && q->read_after_us <= q->clock.now_us;
    r.skew_ms = aivo_queue_clock_ms(&q->clock) - aivo_clock_unix_ms();
    pthread_mutex_unlock(&q->lock);
    if (!wanted)
        return false;
    struct aivo_error err;
    enum aivo_status status = q->store->departed(q->db, AIVO_QUEUE_CHUNK, hold_departed, &r, &err);
    if (r.no_memory && r.count == 0)
        status = aivo_error_set(&err, AIVO_E_MEMORY, 0, "no memory for a queued message");
    if (status != AIVO_OK) {
        trouble(q, &q->read_after_us, &err);
    } else if (r.count == 0) {
        pthread_mutex_lock(&q->lock);
        q->departed = 0; /* the count was wrong; the file is right */
        pthread_mutex_unlock(&q->lock);
    }
    return r.count > 0;
}

void *aivo_queue_store_main(void *queue)
{
    struct aivo_queue *q = queue;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        wait_for_work(q);
        gather(q);
        bool last = q->closing && !q->jobs;
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
        q->commit_us = aivo_clock_us() - begun_us;
        q->last_batch = (uint32_t)count;
        finish(q, jobs, count);
        if (last)
            return NULL;
        bool look = load(q);
        look |= load_departed(q);
        q->store->tidy(q->db, count == 0);
        pthread_mutex_lock(&q->lock);
        look |= q->notice_count > notices || (held_back && q->backlog < AIVO_QUEUE_BACKLOG_MAX);
        if (look && q->wake) {
            pthread_mutex_unlock(&q->lock);
            q->wake(q->user);
            pthread_mutex_lock(&q->lock);
        }
    }
}
