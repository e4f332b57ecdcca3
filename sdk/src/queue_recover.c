/* The file turns out to be damaged while it is in use: the store thread salvages it then and there, as opening would.
 * Numbers and named queues stay what they are, so that what is in memory, in flight, or on its way to the disk goes on.
 */
#include "queue_batch.h"

#include "error_internal.h"
#include "io/clock.h"

#define AGAIN_US INT64_C(60000000) /* reading a large file through takes a while */

static bool may_recover(const struct aivo_queue *q)
{
    return q->store->recover && aivo_clock_us() >= q->recover_after_us;
}

bool aivo_queue_damaged(struct aivo_queue *q, const struct aivo_error *err)
{
    if (err->status != AIVO_E_CORRUPT || !may_recover(q))
        return false;
    q->damaged = true;
    return true;
}

static void subtract(uint64_t *from, uint64_t what)
{
    *from -= *from < what ? *from : what;
}

static void subtract_ops(struct aivo_queue *q, const struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->at[i];
        if (op->kind == OP_FAILED || op->kind == OP_LATE || op->departed)
            continue;
        subtract(&q->lanes[op->lane].pending, 1);
        subtract(&q->lanes[op->lane].bytes, op->bytes);
    }
}

/* What the new file holds, less what has left the memory and is still to leave the file. Locked. */
static void count_anew(struct aivo_queue *q, const struct aivo_store_info *info)
{
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct lane *lane = &q->lanes[i];
        const bool known = i < info->lane_count;
        lane->pending = known ? info->lanes[i].pending : 0;
        lane->bytes = known ? info->lanes[i].bytes : 0;
        lane->stored = i == 0 || (known && *info->lanes[i].name);
        lane->more = true;
        lane->urgent = false;
        lane->refused_at = 0;
        lane->expiry_ms = 0;
        lane->due_ms = 0;
        lane->passed_seq = 0;
    }
    subtract_ops(q, &q->ops);
    subtract_ops(q, &q->taken);
    for (const struct queue_message *m = q->untold.head; m; m = m->next) {
        if (m->departed)
            continue;
        subtract(&q->lanes[m->lane].pending, 1);
        subtract(&q->lanes[m->lane].bytes, m->bytes);
    }
    q->departed = info->departed;
    q->dead = info->dead;
    q->last_seq = info->last_seq > q->last_seq ? info->last_seq : q->last_seq;
    q->opened_seq = q->last_seq; /* how much the fates in the new file are nobody knows */
    q->departed_bytes = 0;
    q->read_after_us = q->write_after_us = 0;
}

void aivo_queue_recover(struct aivo_queue *q)
{
    struct aivo_store_info info = {0};
    struct aivo_error notice = {.status = AIVO_OK}, err = {.status = AIVO_OK}, told;
    pthread_mutex_unlock(&q->lock);
    enum aivo_status status = q->store->recover(q->db, aivo_clock_unix_ms(), &info, &notice, &err);
    pthread_mutex_lock(&q->lock);
    q->damaged = false;
    q->recover_after_us = aivo_clock_us() + AGAIN_US;
    if (notice.status != AIVO_OK)
        aivo_queue_notice(q, &notice);
    if (status == AIVO_OK) {
        count_anew(q, &info);
        q->in_trouble = false;
    } else {
        aivo_error_set(&told, err.status, err.code, "the queue has stopped until its file can be salvaged: %s",
                       err.message);
        aivo_queue_notice(q, &told);
        q->in_trouble = true;
    }
    if (q->wake) {
        pthread_mutex_unlock(&q->lock);
        q->wake(q->user);
        pthread_mutex_lock(&q->lock);
    }
}
