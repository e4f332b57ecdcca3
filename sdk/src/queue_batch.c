/* What goes into one transaction: the changes that the loop left, the sends with who has to make room for them, who is
 * too old. Nothing here is true before the commit. */
#include "queue_batch.h"

#include "error_internal.h"
#include <stdlib.h>
#include <string.h>

#define CHOSEN_MAX 1024 /* messages that leave in favour of one */

/* A message on disk that was chosen to leave. */
struct chosen {
    int64_t seq;
    uint64_t bytes;
    uint32_t lane;
    bool keyed;
    bool late; /* it may have been parked just now: it waits all the same */
    char order_key[AIVO_MESSAGE_KEY_MAX + 1];
};
struct choice {
    struct aivo_queue *q;
    struct tally *t;
    uint32_t lane;
    struct chosen *at;
    size_t count, cap;
    size_t most;
    uint64_t bytes;   /* of those chosen */
    int64_t last_seq; /* PURGE: looked at last */
    /* Enough when so many, and so many bytes, are chosen. */
    uint64_t want, want_bytes;
    int32_t spare_above; /* nothing of a higher priority */
    bool refused, no_memory;
    bool first;       /* nothing was seen yet */
    bool new_too;     /* also what this transaction adds */
    bool flying;      /* only what is in flight */
    int64_t until_ms; /* EXPIRED: those not later than this */
    int64_t next_ms;  /* EXPIRED: the first that is */
};

static enum aivo_status promote(struct aivo_queue *q, struct tally *t, uint32_t lane, const char *order_key,
                                struct aivo_error *err)
{
    bool changed = false;
    enum aivo_status status = order_key ? q->store->promote(q->db, lane, order_key, &changed, err) : AIVO_OK;
    t->lanes[lane].more |= changed;
    return status;
}

static enum aivo_status bury(struct aivo_queue *q, const struct op *op, struct tally *t, struct aivo_error *err)
{
    bool moved = false;
    enum aivo_status status = q->store->bury(q->db, op->seq, op->attempts, op->last_error, t->at.unix_ms, &moved, err);
    t->buried += moved;
    while (status == AIVO_OK && (int64_t)t->dead_before + t->buried > (int64_t)q->options.max_dead) {
        int64_t oldest = 0;
        status = q->store->dead(q->db, NULL, &oldest, NULL, NULL, err);
        if (status != AIVO_OK || oldest == 0)
            break;
        status = q->store->remove_dead(q->db, oldest, err);
        t->buried--;
    }
    return status;
}

/* What the file held already when it was opened is not in memory, and nobody knows how much it is. */
static void count_departed(const struct aivo_queue *q, struct tally *t, int64_t seq, uint64_t bytes)
{
    t->departed++;
    t->departed_bytes += seq > q->opened_seq ? (int64_t)bytes : 0;
}

/* One message of those in memory, just taken out of it, is kept until the transaction is committed. */
static bool keep_victim(struct tally *t, uint32_t lane, const struct aivo_delivery_item *item)
{
    if (t->victim_count == t->victim_cap) {
        size_t cap = t->victim_cap ? t->victim_cap * 2 : 16;
        struct aivo_delivery_item *victims = realloc(t->victims, cap * sizeof *victims);
        if (victims)
            t->victims = victims;
        uint32_t *lanes = victims ? realloc(t->victim_lanes, cap * sizeof *lanes) : NULL;
        if (!lanes)
            return false;
        t->victim_lanes = lanes;
        t->victim_cap = cap;
    }
    t->victims[t->victim_count] = *item;
    t->victim_lanes[t->victim_count++] = lane;
    return true;
}

enum taken { TAKEN, TAKEN_BY_THE_LOOP, TAKEN_NOT };

/* Takes a message that was chosen to leave out of the memory, if it is there. Since it was chosen the loop may have
 * sent it and heard its answer: then it has its fate already, and the room that was wanted is there. */
static enum taken take_chosen(struct aivo_queue *q, struct tally *t, uint32_t lane, const struct chosen *c)
{
    struct aivo_delivery_item item;
    enum taken taken = TAKEN;
    const int64_t seq = c->seq;
    uint32_t how;
    pthread_mutex_lock(&q->lock);
    if (aivo_delivery_take(q->lanes[lane].delivery, seq, &item)) {
        if (!keep_victim(t, lane, &item)) {
            aivo_delivery_add(q->lanes[lane].delivery, &item);
            taken = TAKEN_NOT;
        }
    } else if (aivo_seqmap_get(&q->gone, seq, &how) && !(c->late && how == AIVO_QUEUE_PARKED)) {
        taken = TAKEN_BY_THE_LOOP;
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

/* A message leaves in this transaction, wherever it is. */
static enum aivo_status leave(struct aivo_queue *q, struct tally *t, uint32_t lane, const struct chosen *c,
                              enum aivo_fate fate, struct aivo_error *err)
{
    enum taken taken = take_chosen(q, t, lane, c);
    if (taken == TAKEN_BY_THE_LOOP)
        return AIVO_OK;
    if (taken == TAKEN_NOT)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    t->lanes[lane].left++;
    t->lanes[lane].left_bytes += (int64_t)c->bytes;
    t->fates[fate]++;
    count_departed(q, t, c->seq, c->bytes);
    enum aivo_status status = q->store->depart(q->db, c->seq, fate, err);
    return status == AIVO_OK ? promote(q, t, lane, c->keyed ? c->order_key : NULL, err) : status;
}

/* A message goes without a word, because somebody asked for that. It is counted if it had not left meanwhile. */
static enum aivo_status purge_one(struct aivo_queue *q, struct tally *t, const struct chosen *c, uint64_t *count,
                                  struct aivo_error *err)
{
    enum taken taken = take_chosen(q, t, c->lane, c);
    if (taken == TAKEN_BY_THE_LOOP)
        return AIVO_OK;
    if (taken == TAKEN_NOT)
        return aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    ++*count;
    t->lanes[c->lane].left++;
    t->lanes[c->lane].left_bytes += (int64_t)c->bytes;
    enum aivo_status status = q->store->remove(q->db, c->seq, err);
    return status == AIVO_OK ? promote(q, t, c->lane, c->keyed ? c->order_key : NULL, err) : status;
}

static bool choose(struct choice *c, const struct aivo_store_ref *ref)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 4 : 8;
        struct chosen *at = realloc(c->at, cap * sizeof *at);
        c->no_memory = at == NULL;
        if (!at)
            return false;
        c->at = at;
        c->cap = cap;
    }
    struct chosen *one = &c->at[c->count++];
    *one = (struct chosen){.seq = ref->seq, .bytes = ref->bytes, .lane = ref->lane};
    size_t len = ref->order_key ? strnlen(ref->order_key, sizeof one->order_key - 1) : 0;
    one->keyed = len > 0;
    memcpy(one->order_key, ref->order_key ? ref->order_key : "", len);
    c->bytes += ref->bytes;
    return true;
}

static enum aivo_store_choice pick_this(void *user, const struct aivo_store_ref *ref)
{
    struct choice *c = user;
    if (ref->seq == c->last_seq)
        choose(c, ref);
    return AIVO_STORE_STOP;
}

/* Its acknowledgement came after its time, when it waited on disk for its next attempt. By now it may be in memory
 * again, or gone. */
static enum aivo_status acknowledge_late(struct aivo_queue *q, const struct op *op, struct tally *t,
                                         struct aivo_error *err)
{
    struct choice c = {.q = q, .t = t, .lane = op->lane, .last_seq = op->seq};
    enum aivo_status status = q->store->in_order(q->db, op->lane, op->seq - 1, pick_this, &c, err);
    if (status == AIVO_OK && c.no_memory)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    if (status == AIVO_OK && c.count > 0) {
        c.at[0].late = true;
        status = leave(q, t, op->lane, &c.at[0], AIVO_FATE_ACKNOWLEDGED, err);
    }
    free(c.at);
    return status;
}

static enum aivo_status write_op(struct aivo_queue *q, const struct op *op, struct tally *t, struct aivo_error *err)
{
    struct lane_tally *lane = &t->lanes[op->lane];
    enum aivo_status status = AIVO_OK;
    switch (op->kind) {
    case OP_REMOVE:
        status = q->store->remove(q->db, op->seq, err);
        break;
    case OP_FAILED:
        status = q->store->failed(q->db, op->seq, op->attempts, op->last_error, op->due_ms, err);
        if (op->due_ms > 0 && op->due_ms < lane->due_ms)
            lane->due_ms = op->due_ms;
        if (op->due_ms > 0 && op->expires_ms > 0 && op->expires_ms < lane->expiry_ms)
            lane->expiry_ms = op->expires_ms;
        return status;
    case OP_DEPART:
        status = q->store->depart(q->db, op->seq, op->fate, err);
        count_departed(q, t, op->seq, op->bytes);
        t->kept_rows += op->kept;
        return status == AIVO_OK ? promote(q, t, op->lane, op->order_key, err) : status;
    case OP_BURY:
        status = bury(q, op, t, err);
        break;
    case OP_LATE:
        return acknowledge_late(q, op, t, err);
    }
    if (op->departed) {
        t->told++;
        t->told_kept += op->kept;
        t->kept_rows -= op->kept;
        t->departed_bytes -= op->seq > q->opened_seq ? (int64_t)op->bytes : 0;
    }
    return status == AIVO_OK ? promote(q, t, op->lane, op->order_key, err) : status;
}

enum aivo_status aivo_queue_write_ops(struct aivo_queue *q, struct tally *t, struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    for (size_t i = 0; status == AIVO_OK && i < q->taken.count; i++)
        status = write_op(q, &q->taken.at[i], t, err);
    return status;
}

static bool already(const struct choice *c, int64_t seq)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->at[i].seq == seq)
            return true;
    }
    return false;
}

/* Where it is, for the store thread. */
enum whereabouts { ON_DISK, HELD, FLYING, GONE };
static enum whereabouts where_is(struct aivo_queue *q, uint32_t lane, int64_t seq)
{
    pthread_mutex_lock(&q->lock);
    enum aivo_delivery_place place = aivo_delivery_find(q->lanes[lane].delivery, seq);
    bool gone = aivo_seqmap_get(&q->gone, seq, NULL);
    pthread_mutex_unlock(&q->lock);
    return gone ? GONE : place == AIVO_DELIVERY_IN_FLIGHT ? FLYING : place == AIVO_DELIVERY_WAITING ? HELD : ON_DISK;
}

static bool enough(const struct choice *c)
{
    return c->count >= c->most || (c->count >= c->want && c->bytes >= c->want_bytes);
}

/* Who is to leave so that there is room. */
static enum aivo_store_choice pick(void *user, const struct aivo_store_ref *ref)
{
    struct choice *c = user;
    struct lane_tally *lane = &c->t->lanes[c->lane];
    if (enough(c))
        return AIVO_STORE_STOP;
    if (c->first && ref->seq - 1 > lane->passed_seq)
        lane->passed_seq = ref->seq - 1;
    c->first = false;
    bool is_new = ref->seq >= c->t->first_seq;
    if (is_new != c->new_too)
        return is_new && c->spare_above == INT32_MAX ? AIVO_STORE_STOP : AIVO_STORE_SKIP;
    enum whereabouts where = where_is(c->q, c->lane, ref->seq);
    if ((where == FLYING) != c->flying || where == GONE || already(c, ref->seq))
        return AIVO_STORE_SKIP;
    if (ref->priority > c->spare_above)
        return AIVO_STORE_STOP;
    return choose(c, ref) ? AIVO_STORE_SKIP : AIVO_STORE_STOP;
}

/* Takes those in flight, the oldest first, when nothing else is left. */
static void pick_flying(struct choice *c)
{
    struct aivo_delivery_item item;
    struct aivo_delivery *d = c->q->lanes[c->lane].delivery;
    while (!enough(c) && !c->no_memory) {
        pthread_mutex_lock(&c->q->lock);
        bool found = aivo_delivery_evict(d, true, &item);
        bool kept = found && keep_victim(c->t, c->lane, &item);
        if (found && !kept)
            aivo_delivery_add(d, &item);
        pthread_mutex_unlock(&c->q->lock);
        if (!found)
            return;
        const struct queue_message *m = item.message;
        struct aivo_store_ref ref = {.seq = item.seq, .bytes = m->bytes, .order_key = m->shown.order_key};
        if (!kept || !choose(c, &ref))
            c->no_memory = true;
    }
}

/* Chooses who leaves in favour of a new one (priority), by the lane's policy: the waiting ones, those in flight, and in
 * the end those that the same transaction has added. */
static enum aivo_status choose_victims(struct choice *c, struct aivo_error *err)
{
    struct aivo_queue *q = c->q;
    bool by_priority = q->lanes[c->lane].overflow == AIVO_OVERFLOW_DROP_PRIORITY;
    enum aivo_status status = AIVO_OK;
    enum { WAITING, IN_FLIGHT, ADDED, PASSES };
    for (int pass = WAITING; pass < PASSES && status == AIVO_OK && !enough(c) && !c->no_memory; pass++) {
        c->flying = pass == IN_FLIGHT;
        c->new_too = pass == ADDED;
        if (by_priority)
            status = q->store->by_priority(q->db, c->lane, pick, c, err);
        else if (pass == IN_FLIGHT)
            pick_flying(c);
        else
            status = q->store->in_order(q->db, c->lane, c->t->lanes[c->lane].passed_seq, pick, c, err);
        c->first = false;
    }
    c->refused = by_priority && c->spare_above != INT32_MAX && !enough(c);
    if (status == AIVO_OK && c->no_memory)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    return status;
}

static enum aivo_status leave_all(struct choice *c, enum aivo_fate fate, struct aivo_error *err)
{
    enum aivo_status status = AIVO_OK;
    for (size_t i = 0; status == AIVO_OK && i < c->count; i++)
        status = leave(c->q, c->t, c->lane, &c->at[i], fate, err);
    return status;
}

/* By how much a lane would be beyond its bounds with so much more. */
static void excess(const struct aivo_queue *q, const struct tally *t, uint32_t lane, int64_t more, int64_t more_bytes,
                   int64_t *count, int64_t *bytes)
{
    const struct lane_tally *lt = &t->lanes[lane];
    *count = (int64_t)t->pending[lane] + lt->added - lt->left + more - (int64_t)q->lanes[lane].max_messages;
    *bytes = 0;
    if (q->lanes[lane].max_bytes > 0)
        *bytes =
            (int64_t)t->bytes[lane] + lt->added_bytes - lt->left_bytes + more_bytes - (int64_t)q->lanes[lane].max_bytes;
    *count = *count > 0 ? *count : 0;
    *bytes = *bytes > 0 ? *bytes : 0;
}

static enum aivo_store_choice pick_collapsed(void *user, const struct aivo_store_ref *ref)
{
    struct choice *c = user;
    enum whereabouts where = where_is(c->q, c->lane, ref->seq);
    if (where == FLYING || where == GONE)
        return AIVO_STORE_SKIP;
    return choose(c, ref) ? AIVO_STORE_SKIP : AIVO_STORE_STOP;
}

static void refuse(struct job *job, enum aivo_status status, const char *text)
{
    job->settled = true;
    job->status = aivo_error_set(&job->err, status, 0, "%s", text);
}

/* Makes room for a message by the lane's policy. job->settled: it is refused, and nothing was changed. */
static enum aivo_status make_room(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    const struct lane *lane = &q->lanes[job->lane];
    const int64_t size = (int64_t)(job->event_len + job->args_len);
    struct choice same = {.q = q, .t = t, .lane = job->lane, .most = CHOSEN_MAX};
    struct choice victims = {.q = q,
                             .t = t,
                             .lane = job->lane,
                             .most = CHOSEN_MAX,
                             .first = true,
                             .spare_above = lane->overflow == AIVO_OVERFLOW_DROP_PRIORITY ? job->priority : INT32_MAX};
    enum aivo_status status = AIVO_OK;
    if (lane->max_bytes > 0 && (uint64_t)size > lane->max_bytes) {
        refuse(job, AIVO_E_TOO_LARGE, "the message alone is larger than its queue may be");
        return AIVO_OK;
    }
    if (job->collapse_key)
        status = q->store->collapsing(q->db, job->lane, job->collapse_key, pick_collapsed, &same, err);
    int64_t count, bytes;
    excess(q, t, job->lane, 1 - (int64_t)same.count, size - (int64_t)same.bytes, &count, &bytes);
    if (status == AIVO_OK && (count > 0 || bytes > 0)) {
        if (lane->overflow == AIVO_OVERFLOW_REJECT) {
            refuse(job, AIVO_E_FULL, "the queue is full");
        } else {
            size_t replaced = same.count;
            victims.at = same.at; /* those that are replaced are not chosen again */
            victims.count = same.count;
            victims.cap = same.cap;
            victims.most += replaced;
            victims.want = (uint64_t)count + replaced;
            victims.want_bytes = (uint64_t)bytes;
            status = choose_victims(&victims, err);
            same.at = victims.at;
            if (status == AIVO_OK && victims.refused)
                refuse(job, AIVO_E_FULL, "the queue is full of more important messages");
            for (size_t i = replaced; status == AIVO_OK && !job->settled && i < victims.count; i++)
                status = leave(q, t, job->lane, &victims.at[i], AIVO_FATE_EVICTED, err);
        }
    }
    if (status == AIVO_OK && !job->settled)
        status = leave_all(&same, AIVO_FATE_REPLACED, err);
    free(same.at);
    return status;
}

static enum aivo_status insert(struct aivo_queue *q, struct aivo_store_row *row, struct tally *t,
                               struct aivo_error *err)
{
    struct lane *lane = &q->lanes[row->lane];
    struct lane_tally *lt = &t->lanes[row->lane];
    enum aivo_status status = AIVO_OK;
    bool behind = false;
    row->seq = t->last_seq + 1;
    row->created_ms = row->created_ms ? row->created_ms : t->at.unix_ms;
    row->clock_ms = t->clock_ms;
    row->fate = -1;
    if (!lane->stored && !lt->named)
        status = q->store->name_lane(q->db, row->lane, lane->name, err);
    if (status == AIVO_OK && row->order_key)
        status = q->store->key_waits(q->db, row->lane, row->order_key, &behind, err);
    row->gate = behind ? AIVO_STORE_BEHIND : AIVO_STORE_READY;
    if (status == AIVO_OK)
        status = q->store->insert(q->db, row, err);
    if (status != AIVO_OK)
        return status;
    lt->named = true;
    t->last_seq = row->seq;
    lt->most_important = lt->more && lt->most_important > row->priority ? lt->most_important : row->priority;
    lt->more |= !behind;
    lt->added++;
    lt->added_bytes += (int64_t)(row->event_len + row->args_len);
    if (row->expires_ms > 0 && row->expires_ms < lt->expiry_ms)
        lt->expiry_ms = row->expires_ms;
    return AIVO_OK;
}

static enum aivo_status write_send(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    uint32_t ttl_s = job->ttl_s == AIVO_TTL_OF_QUEUE ? q->lanes[job->lane].ttl_s : job->ttl_s;
    struct aivo_store_row row = {
        .event = job->event,
        .event_len = job->event_len,
        .args = job->args,
        .args_len = job->args_len,
        .order_key = job->order_key,
        .collapse_key = job->collapse_key,
        .lane = job->lane,
        .priority = job->priority,
        .expires_ms = ttl_s > 0 ? t->clock_ms + (int64_t)ttl_s * 1000 : 0,
    };
    memcpy(row.id, job->id.text, sizeof row.id);
    enum aivo_status status = make_room(q, job, t, err);
    if (status != AIVO_OK || job->settled)
        return status;
    status = insert(q, &row, t, err);
    if (status != AIVO_OK)
        return status;
    t->accepted++;
    struct queue_message *m = t->watch ? aivo_queue_message_new(q, &row, t->clock_ms - t->at.unix_ms) : NULL;
    if (m)
        aivo_queue_list_add(&t->queued, m);
    return AIVO_OK;
}

struct revival {
    struct aivo_queue *q;
    struct tally *t;
    enum aivo_status status;
    struct aivo_error *err;
    const struct aivo_queue_where *where;
    bool revives; /* else it is only asked whether it is meant */
    bool meant;
    struct job room; /* for make_room() */
};

static bool is_meant(const struct aivo_queue_where *where, const struct aivo_store_row *row)
{
    return (where->lane < 0 || (int)row->lane == where->lane) &&
           (where->id || ((!where->event || strcmp(row->event, where->event) == 0) &&
                          (where->not_after_ms == 0 || row->created_ms <= where->not_after_ms)));
}

/* A dead letter becomes a message again, or is to be deleted: if it is meant. */
static bool revive(void *user, const struct aivo_store_row *dead)
{
    struct revival *r = user;
    struct aivo_store_row row = *dead;
    r->meant = is_meant(r->where, dead);
    if (!r->meant || !r->revives)
        return false;
    row.attempts = 0;
    row.due_ms = 0;
    row.last_error = NULL;
    row.expires_ms = dead->expires_ms > 0 ? r->t->clock_ms + (dead->expires_ms - dead->clock_ms) : 0;
    row.lane = dead->lane < r->q->lane_count ? dead->lane : 0;
    r->room =
        (struct job){.event_len = row.event_len, .args_len = row.args_len, .lane = row.lane, .priority = row.priority};
    r->status = make_room(r->q, &r->room, r->t, r->err);
    if (r->status == AIVO_OK && !r->room.settled)
        r->status = insert(r->q, &row, r->t, r->err);
    return false;
}

static enum aivo_status write_dead(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    const struct aivo_queue_where *where = &job->where;
    struct revival r = {.q = q, .t = t, .err = err, .where = where, .revives = job->kind == JOB_RETRY};
    int64_t seq = 0;
    job->count = 0;
    while (where->limit == 0 || job->count < where->limit) {
        enum aivo_status status = q->store->dead(q->db, where->id, &seq, revive, &r, err);
        if (status != AIVO_OK || seq == 0 || (status = r.status) != AIVO_OK)
            return status;
        if (r.room.settled) { /* no room for more: what was retried so far stays so */
            job->settled = true;
            job->status = job->count > 0 ? AIVO_OK : r.room.status;
            job->err = r.room.err;
            return AIVO_OK;
        }
        if (!r.meant)
            continue;
        status = q->store->remove_dead(q->db, seq, err);
        if (status != AIVO_OK)
            return status;
        job->count++;
        t->buried--;
    }
    return AIVO_OK;
}

static enum aivo_store_choice pick_purged(void *user, const struct aivo_store_ref *ref)
{
    struct choice *c = user;
    c->last_seq = ref->seq;
    if (ref->lane >= c->q->lane_count)
        return AIVO_STORE_SKIP;
    enum whereabouts where = where_is(c->q, ref->lane, ref->seq);
    if (where == FLYING || where == GONE)
        return AIVO_STORE_SKIP;
    return choose(c, ref) && c->count < c->most ? AIVO_STORE_SKIP : AIVO_STORE_STOP;
}

/* Some of those that are meant. *seq: of the last that was looked at; 0: that was all. */
static enum aivo_status purge_some(struct aivo_queue *q, struct job *job, struct tally *t, int64_t *seq,
                                   struct aivo_error *err)
{
    const struct aivo_queue_where *where = &job->where;
    struct choice c = {.q = q, .t = t, .most = CHOSEN_MAX};
    if (where->limit > 0 && where->limit - job->count < c.most)
        c.most = (size_t)(where->limit - job->count);
    const struct aivo_store_match match = {
        .lane = where->lane, .after = *seq, .event = where->event, .not_after_ms = where->not_after_ms};
    enum aivo_status status = where->id ? q->store->with_id(q->db, where->id, pick_purged, &c, err)
                                        : q->store->matching(q->db, &match, pick_purged, &c, err);
    if (status == AIVO_OK && c.no_memory)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    for (size_t i = 0; status == AIVO_OK && i < c.count; i++)
        status = purge_one(q, t, &c.at[i], &job->count, err);
    bool done = where->id || c.count < c.most || (where->limit > 0 && job->count >= where->limit);
    *seq = done ? 0 : c.last_seq;
    free(c.at);
    return status;
}

static enum aivo_status purge_pending(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    int64_t seq = 0;
    job->count = 0;
    enum aivo_status status = purge_some(q, job, t, &seq, err);
    while (status == AIVO_OK && seq > 0)
        status = purge_some(q, job, t, &seq, err);
    return status;
}

enum aivo_status aivo_queue_write_job(struct aivo_queue *q, struct job *job, struct tally *t, struct aivo_error *err)
{
    job->settled = false;
    if (job->kind == JOB_SEND)
        return write_send(q, job, t, err);
    return job->kind == JOB_PURGE_PENDING ? purge_pending(q, job, t, err) : write_dead(q, job, t, err);
}

enum aivo_status aivo_queue_evict(struct aivo_queue *q, uint32_t lane, struct tally *t, struct aivo_error *err)
{
    int64_t count, bytes;
    excess(q, t, lane, 0, 0, &count, &bytes);
    if ((count == 0 && bytes == 0) || q->lanes[lane].overflow == AIVO_OVERFLOW_REJECT ||
        t->departed_before >= AIVO_QUEUE_UPKEEP_MAX)
        return AIVO_OK;
    struct choice c = {.q = q,
                       .t = t,
                       .lane = lane,
                       .most = AIVO_QUEUE_UPKEEP_MAX,
                       .first = true,
                       .want = (uint64_t)count,
                       .want_bytes = (uint64_t)bytes,
                       .spare_above = INT32_MAX};
    enum aivo_status status = choose_victims(&c, err);
    t->lanes[lane].none_left = status == AIVO_OK && c.count == 0;
    if (status == AIVO_OK)
        status = leave_all(&c, AIVO_FATE_EVICTED, err);
    free(c.at);
    return status;
}

/* Those in memory are the policy's to expire. */
static enum aivo_store_choice pick_expired(void *user, const struct aivo_store_ref *ref)
{
    struct choice *c = user;
    if (where_is(c->q, c->lane, ref->seq) != ON_DISK)
        return AIVO_STORE_SKIP;
    c->next_ms = ref->expires_ms;
    if (ref->expires_ms > c->until_ms || c->count >= c->most)
        return AIVO_STORE_STOP;
    c->next_ms = AIVO_NEVER;
    return choose(c, ref) ? AIVO_STORE_SKIP : AIVO_STORE_STOP;
}

enum aivo_status aivo_queue_expire(struct aivo_queue *q, uint32_t lane, struct tally *t, struct aivo_error *err)
{
    if (t->lanes[lane].expiry_ms > t->clock_ms || t->departed_before >= AIVO_QUEUE_UPKEEP_MAX)
        return AIVO_OK;
    struct choice c = {
        .q = q, .t = t, .lane = lane, .most = AIVO_QUEUE_UPKEEP_MAX, .until_ms = t->clock_ms, .next_ms = AIVO_NEVER};
    enum aivo_status status = q->store->expiring(q->db, lane, pick_expired, &c, err);
    if (status == AIVO_OK && c.no_memory)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for the queue");
    t->lanes[lane].expiry_ms = c.next_ms;
    if (status == AIVO_OK)
        status = leave_all(&c, AIVO_FATE_EXPIRED, err);
    free(c.at);
    return status;
}
