/* The queue's store thread, reading: keeps the few messages in memory filled up from the file. */
#include "queue_internal.h"

#include "error_internal.h"
#include "io/clock.h"
#include <string.h>

bool aivo_queue_wants_load(const struct aivo_queue *q, const struct lane *lane)
{
    (void)q;
    if (!lane->more)
        return false;
    if (lane->urgent)
        return true;
    if (lane->held_bytes >= AIVO_QUEUE_HELD_BYTES || (lane->refused_at > 0 && lane->held_bytes >= lane->refused_at))
        return false;
    size_t room = aivo_delivery_room(lane->delivery);
    size_t ready = aivo_delivery_ready(lane->delivery);
    return room > 0 && (ready == 0 || room >= ready);
}

bool aivo_queue_wants_later(const struct aivo_queue *q, const struct lane *lane)
{
    return lane->due_ms <= aivo_queue_clock_ms(&q->clock) && aivo_delivery_room(lane->delivery) > 0 &&
           lane->held_bytes < AIVO_QUEUE_HELD_BYTES;
}

bool aivo_queue_wants_departed(const struct aivo_queue *q)
{
    return q->departed > q->kept_rows && q->chunk_left == 0;
}

struct reading {
    struct aivo_queue *q;
    struct lane *lane;
    uint64_t bytes;
    uint32_t count;
    int64_t skew_ms, clock_ms;
    int64_t due_ms; /* of the first that is still LATER */
    bool stopped;   /* before the last row */
    bool displaced; /* something went back to the disk */
    bool no_memory;
    struct unreadable {
        int64_t seq;
        uint64_t bytes;
        bool keyed;
        char order_key[AIVO_MESSAGE_KEY_MAX + 1];
    } bad[16];
    uint32_t bad_count;
};

static bool readable(const struct aivo_store_row *row)
{
    return !row->unreadable && row->event_len > 0 &&
           aivo_json_parse(row->args, row->args_len, NULL).type == AIVO_JSON_ARRAY;
}

static bool note_bad(struct reading *r, const struct aivo_store_row *row)
{
    struct unreadable *bad = &r->bad[r->bad_count++];
    bad->seq = row->seq;
    bad->bytes = row->event_len + row->args_len;
    bad->keyed = row->order_key != NULL;
    size_t len = row->order_key ? strnlen(row->order_key, sizeof bad->order_key - 1) : 0;
    memcpy(bad->order_key, row->order_key ? row->order_key : "", len);
    bad->order_key[len] = '\0';
    r->stopped = r->bad_count == sizeof r->bad / sizeof *r->bad;
    return !r->stopped;
}

/* Whether a message on disk is to be read now. */
static enum aivo_store_choice choose(void *user, const struct aivo_store_ref *ref)
{
    struct reading *r = user;
    struct aivo_queue *q = r->q;
    struct aivo_delivery_item item;
    enum aivo_store_choice choice = AIVO_STORE_TAKE;
    pthread_mutex_lock(&q->lock);
    if (aivo_delivery_find(r->lane->delivery, ref->seq) != AIVO_DELIVERY_ABSENT ||
        aivo_seqmap_get(&q->gone, ref->seq, NULL)) {
        choice = AIVO_STORE_SKIP;
    } else if (aivo_delivery_room(r->lane->delivery) == 0) {
        if (aivo_delivery_displace(r->lane->delivery, ref->priority, &item)) {
            struct queue_message *m = item.message;
            r->displaced = true;
            r->lane->held_bytes -= m->bytes;
            q->held_bytes -= m->bytes;
            if (item.expires_ms > 0 && item.expires_ms < r->lane->expiry_ms)
                r->lane->expiry_ms = item.expires_ms;
            if (m->flown) /* it was in flight once: only the loop's thread may free it */
                aivo_queue_list_add(&q->trash, m);
            else
                aivo_queue_message_free(m);
        } else {
            choice = AIVO_STORE_STOP;
        }
    }
    pthread_mutex_unlock(&q->lock);
    r->stopped = choice == AIVO_STORE_STOP;
    return choice;
}

static enum aivo_store_choice choose_later(void *user, const struct aivo_store_ref *ref)
{
    struct reading *r = user;
    if (ref->due_ms > r->clock_ms) {
        r->due_ms = ref->due_ms;
        return AIVO_STORE_STOP;
    }
    enum aivo_store_choice choice = choose(user, ref);
    if (choice == AIVO_STORE_STOP)
        r->due_ms = ref->due_ms;
    return choice;
}

static bool hold_row(void *user, const struct aivo_store_row *row)
{
    struct reading *r = user;
    struct aivo_queue *q = r->q;
    if (!readable(row))
        return note_bad(r, row);
    struct queue_message *m = aivo_queue_message_new(q, row, r->skew_ms);
    r->no_memory = m == NULL;
    if (!m)
        return false;
    struct aivo_delivery_item item = {.seq = row->seq,
                                      .expires_ms = row->expires_ms,
                                      .attempts = row->attempts,
                                      .priority = row->priority,
                                      .message = m};
    pthread_mutex_lock(&q->lock);
    struct lane *lane = r->lane;
    bool much = lane->held_bytes > 0 && lane->held_bytes + m->bytes > AIVO_QUEUE_HELD_BYTES;
    r->stopped = much || !aivo_delivery_add(lane->delivery, &item);
    if (!r->stopped) {
        lane->held_bytes += m->bytes;
        q->held_bytes += m->bytes;
    }
    lane->refused_at = much ? lane->held_bytes : 0;
    if (r->stopped && row->due_ms > 0)
        r->due_ms = row->due_ms;
    pthread_mutex_unlock(&q->lock);
    if (r->stopped) {
        aivo_queue_message_free(m);
        return false;
    }
    r->count++;
    return true;
}

static enum aivo_status mark_unreadable(struct aivo_queue *q, const struct reading *r, struct aivo_error *err)
{
    uint32_t index = (uint32_t)(r->lane - q->lanes);
    uint64_t bytes = 0;
    bool changed;
    enum aivo_status status = q->store->begin(q->db, err);
    for (uint32_t i = 0; status == AIVO_OK && i < r->bad_count; i++) {
        bytes += r->bad[i].bytes;
        status = q->store->depart(q->db, r->bad[i].seq, AIVO_FATE_UNREADABLE, err);
        if (status == AIVO_OK && r->bad[i].keyed)
            status = q->store->promote(q->db, index, r->bad[i].order_key, &changed, err);
    }
    if (status == AIVO_OK)
        status = q->store->commit(q->db, err);
    if (status != AIVO_OK) {
        q->store->rollback(q->db);
        return status;
    }
    pthread_mutex_lock(&q->lock);
    q->departed += r->bad_count;
    r->lane->pending -= r->lane->pending < r->bad_count ? r->lane->pending : r->bad_count;
    r->lane->bytes -= r->lane->bytes < bytes ? r->lane->bytes : bytes;
    r->lane->more = true;
    pthread_mutex_unlock(&q->lock);
    return AIVO_OK;
}

static bool ended(struct aivo_queue *q, struct reading *r, enum aivo_status status, struct aivo_error *err)
{
    if (r->no_memory)
        status = aivo_error_set(err, AIVO_E_MEMORY, 0, "no memory for a queued message");
    if (status == AIVO_OK && r->bad_count > 0)
        status = mark_unreadable(q, r, err);
    if (status != AIVO_OK)
        aivo_queue_trouble(q, &q->read_after_us, err);
    return status == AIVO_OK;
}

static bool load_later(struct aivo_queue *q, struct lane *lane, struct reading *r)
{
    struct aivo_error err;
    r->due_ms = AIVO_NEVER;
    enum aivo_status status = q->store->load_later(q->db, (uint32_t)(lane - q->lanes), choose_later, hold_row, r, &err);
    if (!ended(q, r, status, &err))
        return false;
    pthread_mutex_lock(&q->lock);
    lane->due_ms = r->due_ms;
    pthread_mutex_unlock(&q->lock);
    return r->count > 0;
}

static bool load(struct aivo_queue *q, struct lane *lane, struct reading *r)
{
    struct aivo_error err;
    enum aivo_status status = q->store->load(q->db, (uint32_t)(lane - q->lanes), choose, hold_row, r, &err);
    pthread_mutex_lock(&q->lock);
    lane->urgent = false;
    if (status == AIVO_OK && !r->no_memory)
        lane->more = r->stopped || r->displaced;
    pthread_mutex_unlock(&q->lock);
    return ended(q, r, status, &err) && r->count > 0;
}

static bool hold_departed(void *user, const struct aivo_store_row *row)
{
    struct reading *r = user;
    struct aivo_queue *q = r->q;
    pthread_mutex_lock(&q->lock);
    bool in_memory = aivo_seqmap_get(&q->gone, row->seq, NULL);
    pthread_mutex_unlock(&q->lock);
    if (in_memory)
        return true;
    if (r->count == AIVO_QUEUE_CHUNK || (r->count > 0 && r->bytes + row->args_len > AIVO_QUEUE_CHUNK_BYTES))
        return false;
    struct queue_message *m = aivo_queue_message_new(q, row, r->skew_ms);
    r->no_memory = m == NULL;
    if (!m)
        return false;
    m->fate = row->fate >= 0 && row->fate <= AIVO_FATE_REPLACED ? (enum aivo_fate)row->fate : AIVO_FATE_UNREADABLE;
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
    uint32_t limit = AIVO_QUEUE_CHUNK + (uint32_t)q->gone.count;
    bool wanted = aivo_queue_wants_departed(q) && q->read_after_us <= q->clock.now_us;
    r.skew_ms = aivo_queue_clock_ms(&q->clock) - aivo_clock_unix_ms();
    pthread_mutex_unlock(&q->lock);
    if (!wanted)
        return false;
    struct aivo_error err;
    enum aivo_status status = q->store->departed(q->db, limit, hold_departed, &r, &err);
    if (r.no_memory && r.count == 0)
        status = aivo_error_set(&err, AIVO_E_MEMORY, 0, "no memory for a queued message");
    if (status != AIVO_OK) {
        aivo_queue_trouble(q, &q->read_after_us, &err);
    } else if (r.count == 0) {
        pthread_mutex_lock(&q->lock);
        q->departed = q->kept_rows; /* the count was wrong; the file is right */
        pthread_mutex_unlock(&q->lock);
    }
    return r.count > 0;
}

bool aivo_queue_load(struct aivo_queue *q)
{
    bool look = false;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        struct lane *lane = &q->lanes[i];
        struct reading r = {.q = q, .lane = lane};
        pthread_mutex_lock(&q->lock);
        r.clock_ms = aivo_queue_clock_ms(&q->clock);
        r.skew_ms = r.clock_ms - aivo_clock_unix_ms();
        bool readable_now = q->read_after_us <= q->clock.now_us;
        bool later = readable_now && aivo_queue_wants_later(q, lane);
        pthread_mutex_unlock(&q->lock);
        struct reading again = r;
        look |= later && load_later(q, lane, &again);
        pthread_mutex_lock(&q->lock);
        bool more = readable_now && aivo_queue_wants_load(q, lane);
        pthread_mutex_unlock(&q->lock);
        look |= more && load(q, lane, &r);
    }
    return look | load_departed(q);
}
