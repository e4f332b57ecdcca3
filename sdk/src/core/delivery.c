#include "delivery.h"

#include "seqmap.h"
#include <stdlib.h>
#include <string.h>

#define PAUSE_FIRST_US    INT64_C(1000000)
#define PAUSE_CAP_US      INT64_C(60000000)
#define PAUSE_LEAST_MS    10            /* a server that says 0 is not asked in a busy loop */
#define PAUSE_GREATEST_MS (3600 * 1000) /* nor does one number hold the queue for ever */

#define SLOT_BITS 16

enum where { FREE, READY, LATER, FLYING };

struct slot {
    struct aivo_delivery_item item;
    enum where where;
    uint32_t heap_pos; /* READY, LATER: its place in that heap */
    int64_t due_us;    /* LATER */
    int64_t sent_us;   /* FLYING */
    int64_t wait_us;   /* after an end that it is suspected of: from the next connection on; 0: not */
    bool on_trial;     /* FLYING, alone */
    uint64_t ticket;   /* FLYING; 0 otherwise */
};

/* A ticket that was not answered in time. */
struct late {
    uint64_t ticket; /* 0: none */
    int64_t seq;
};
#define LATE_WINDOWS 4

/* A binary heap of slot numbers. */
struct heap {
    uint32_t *at;
    uint32_t count;
};

struct aivo_delivery {
    struct aivo_delivery_options options;
    struct slot *slots;
    uint32_t *free_slots;
    uint32_t free_count;
    struct heap ready; /* highest priority first, then lowest seq */
    struct heap later; /* earliest due_us first */
    struct aivo_seqmap slot_of;
    uint32_t flying;
    bool trying;      /* the one in flight is on trial */
    size_t elsewhere; /* in flight in other queues of the connection */
    bool alone_there;
    bool acknowledged; /* something, on this connection */
    struct late *late; /* a ring of tickets whose time is over; NULL: there were none */
    uint32_t late_next;
    uint64_t serial;
    bool poor;
    bool connected;
    /* Rate limit. allowance is the window while it recovers: 1 after a refusal, one more with each acknowledgement. */
    uint32_t allowance;
    int64_t pause_from_us;
    int64_t pause_until_us;
    int64_t pause_next_us;
    int64_t earliest_expiry_ms; /* of those waiting; a lower bound */
};

/* Whether slot a comes before slot b. */
static bool before(const struct aivo_delivery *d, const struct heap *h, uint32_t a, uint32_t b)
{
    const struct slot *x = &d->slots[a], *y = &d->slots[b];
    if (h == &d->later)
        return x->due_us < y->due_us;
    return x->item.priority != y->item.priority ? x->item.priority > y->item.priority : x->item.seq < y->item.seq;
}

static void heap_put(struct aivo_delivery *d, struct heap *h, uint32_t pos, uint32_t slot)
{
    h->at[pos] = slot;
    d->slots[slot].heap_pos = pos;
}

static void heap_up(struct aivo_delivery *d, struct heap *h, uint32_t pos, uint32_t slot)
{
    while (pos > 0 && before(d, h, slot, h->at[(pos - 1) / 2])) {
        heap_put(d, h, pos, h->at[(pos - 1) / 2]);
        pos = (pos - 1) / 2;
    }
    heap_put(d, h, pos, slot);
}

static void heap_down(struct aivo_delivery *d, struct heap *h, uint32_t pos, uint32_t slot)
{
    for (;;) {
        uint32_t child = 2 * pos + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(d, h, h->at[child + 1], h->at[child]))
            child++;
        if (!before(d, h, h->at[child], slot))
            break;
        heap_put(d, h, pos, h->at[child]);
        pos = child;
    }
    heap_put(d, h, pos, slot);
}

static void heap_push(struct aivo_delivery *d, struct heap *h, uint32_t slot)
{
    heap_up(d, h, h->count++, slot);
}

static void heap_remove(struct aivo_delivery *d, struct heap *h, uint32_t slot)
{
    uint32_t pos = d->slots[slot].heap_pos;
    uint32_t last = h->at[--h->count];
    if (last == slot)
        return;
    if (pos > 0 && before(d, h, last, h->at[(pos - 1) / 2]))
        heap_up(d, h, pos, last);
    else
        heap_down(d, h, pos, last);
}

struct aivo_delivery *aivo_delivery_create(const struct aivo_delivery_options *options)
{
    struct aivo_delivery *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->options = *options;
    d->slots = calloc(options->capacity, sizeof *d->slots);
    d->free_slots = calloc(options->capacity, sizeof *d->free_slots);
    d->ready.at = calloc(options->capacity, sizeof *d->ready.at);
    d->later.at = calloc(options->capacity, sizeof *d->later.at);
    if (!d->slots || !d->free_slots || !d->ready.at || !d->later.at) {
        aivo_delivery_destroy(d, NULL, NULL);
        return NULL;
    }
    for (uint32_t i = 0; i < options->capacity; i++)
        d->free_slots[d->free_count++] = options->capacity - 1 - i;
    d->allowance = options->window;
    d->pause_next_us = PAUSE_FIRST_US;
    d->earliest_expiry_ms = AIVO_NEVER;
    return d;
}

void aivo_delivery_destroy(struct aivo_delivery *d, void (*drop)(void *user, void *message), void *user)
{
    if (!d)
        return;
    for (uint32_t i = 0; drop && i < d->options.capacity; i++) {
        if (d->slots[i].where != FREE)
            drop(user, d->slots[i].item.message);
    }
    aivo_seqmap_free(&d->slot_of);
    free(d->late);
    free(d->slots);
    free(d->free_slots);
    free(d->ready.at);
    free(d->later.at);
    free(d);
}

size_t aivo_delivery_room(const struct aivo_delivery *d)
{
    return d->free_count;
}

size_t aivo_delivery_waiting(const struct aivo_delivery *d)
{
    return d->ready.count + d->later.count;
}

size_t aivo_delivery_ready(const struct aivo_delivery *d)
{
    return d->ready.count;
}

size_t aivo_delivery_in_flight(const struct aivo_delivery *d)
{
    return d->flying;
}

bool aivo_delivery_oldest(const struct aivo_delivery *d, struct aivo_delivery_item *out)
{
    const struct slot *best = NULL;
    for (uint32_t i = 0; i < d->options.capacity; i++) {
        if (d->slots[i].where != FREE && (!best || d->slots[i].item.seq < best->item.seq))
            best = &d->slots[i];
    }
    if (best)
        *out = best->item;
    return best != NULL;
}

/* Where it waits from now on. */
static void put_waiting(struct aivo_delivery *d, uint32_t slot, int64_t due_us)
{
    struct slot *s = &d->slots[slot];
    s->where = due_us > 0 ? LATER : READY;
    s->due_us = due_us;
    s->ticket = 0;
    heap_push(d, due_us > 0 ? &d->later : &d->ready, slot);
    if (s->item.expires_ms > 0 && s->item.expires_ms < d->earliest_expiry_ms)
        d->earliest_expiry_ms = s->item.expires_ms;
}

/* Out of wherever it is. */
static void detach(struct aivo_delivery *d, uint32_t slot)
{
    struct slot *s = &d->slots[slot];
    if (s->where == READY)
        heap_remove(d, &d->ready, slot);
    else if (s->where == LATER)
        heap_remove(d, &d->later, slot);
    else if (s->where == FLYING)
        d->flying--;
    if (s->on_trial)
        s->on_trial = d->trying = false;
}

static void take_out(struct aivo_delivery *d, uint32_t slot, struct aivo_delivery_item *item)
{
    detach(d, slot);
    *item = d->slots[slot].item;
    aivo_seqmap_remove(&d->slot_of, item->seq);
    d->slots[slot] = (struct slot){.where = FREE};
    d->free_slots[d->free_count++] = slot;
}

bool aivo_delivery_add(struct aivo_delivery *d, const struct aivo_delivery_item *item)
{
    if (d->free_count == 0 || !aivo_seqmap_put(&d->slot_of, item->seq, d->free_slots[d->free_count - 1]))
        return false;
    uint32_t slot = d->free_slots[--d->free_count];
    d->slots[slot].item = *item;
    put_waiting(d, slot, 0);
    return true;
}

enum aivo_delivery_place aivo_delivery_find(const struct aivo_delivery *d, int64_t seq)
{
    uint32_t slot;
    if (!aivo_seqmap_get(&d->slot_of, seq, &slot))
        return AIVO_DELIVERY_ABSENT;
    return d->slots[slot].where == FLYING ? AIVO_DELIVERY_IN_FLIGHT : AIVO_DELIVERY_WAITING;
}

bool aivo_delivery_take(struct aivo_delivery *d, int64_t seq, struct aivo_delivery_item *item)
{
    uint32_t slot;
    if (!aivo_seqmap_get(&d->slot_of, seq, &slot))
        return false;
    take_out(d, slot, item);
    return true;
}

/* The ready slot that would be sent last, or UINT32_MAX. */
static uint32_t last_ready(const struct aivo_delivery *d)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < d->ready.count; i++) {
        if (last == UINT32_MAX || before(d, &d->ready, last, d->ready.at[i]))
            last = d->ready.at[i];
    }
    return last;
}

bool aivo_delivery_below(const struct aivo_delivery *d, int32_t priority)
{
    uint32_t last = last_ready(d);
    return last != UINT32_MAX && d->slots[last].item.priority < priority;
}

bool aivo_delivery_displace(struct aivo_delivery *d, int32_t priority, struct aivo_delivery_item *item)
{
    uint32_t last = last_ready(d);
    if (last == UINT32_MAX || d->slots[last].item.priority >= priority)
        return false;
    take_out(d, last, item);
    return true;
}

/* It may be the reason why connections end. */
static bool suspect(const struct slot *s)
{
    return s->item.ends_alone > 0 || s->item.ends >= AIVO_DELIVERY_ENDS_SUSPECT;
}

bool aivo_delivery_park(struct aivo_delivery *d, size_t most, struct aivo_delivery_item *item, int64_t *due_us)
{
    if (d->later.count <= most)
        return false;
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < d->later.count; i++) {
        const struct slot *s = &d->slots[d->later.at[i]];
        if (!suspect(s) && (last == UINT32_MAX || s->due_us > d->slots[last].due_us))
            last = d->later.at[i];
    }
    if (last == UINT32_MAX)
        return false;
    *due_us = d->slots[last].due_us;
    take_out(d, last, item);
    return true;
}

/* How many may be in flight at most, whatever the acknowledgements say. */
static uint32_t ceiling(const struct aivo_delivery *d)
{
    return d->poor ? (d->options.window + 7) / 8 : d->options.window;
}

void aivo_delivery_poor(struct aivo_delivery *d, bool poor)
{
    d->poor = poor;
    if (d->allowance > ceiling(d))
        d->allowance = ceiling(d);
}

int64_t aivo_delivery_paused_until(const struct aivo_delivery *d)
{
    return d->pause_until_us;
}

void aivo_delivery_pause(struct aivo_delivery *d, int64_t until_us)
{
    if (until_us <= d->pause_until_us)
        return;
    d->pause_until_us = until_us;
    d->allowance = 1;
}

void aivo_delivery_connected(struct aivo_delivery *d, int64_t now_us)
{
    d->connected = true;
    d->acknowledged = false;
    for (uint32_t i = 0; i < d->options.capacity; i++) {
        struct slot *s = &d->slots[i];
        if (s->wait_us == 0 || (s->where != READY && s->where != LATER))
            continue;
        int64_t due_us = now_us + s->wait_us;
        s->wait_us = 0;
        detach(d, i);
        put_waiting(d, i, due_us > 0 ? due_us : 1);
    }
}

/* From half of a range that doubles to all of it: never so short that nobody passes. */
static int64_t suspects_wait(const struct aivo_delivery *d, uint32_t ends, uint64_t random)
{
    struct aivo_backoff b = d->options.retry;
    uint64_t range = (uint64_t)b.base_ms << (ends - 1 < 20 ? ends - 1 : 20);
    b.floor_ms = (uint32_t)((range < b.cap_ms ? range : b.cap_ms) / 2);
    int64_t wait_us = aivo_backoff_us(&b, ends - 1, random);
    return wait_us > 0 ? wait_us : 1;
}

/* The peer ended the connection while nothing but this one was in flight. */
static enum aivo_delivery_result blame(struct aivo_delivery *d, const struct aivo_instant *at, uint32_t slot,
                                       struct aivo_delivery_item *item)
{
    struct slot *s = &d->slots[slot];
    s->item.ends_alone++;
    bool counts = s->item.ends_alone > AIVO_DELIVERY_ENDS_FREE;
    s->item.attempts += counts;
    if (counts && s->item.attempts >= d->options.max_retries) {
        take_out(d, slot, item);
        return AIVO_DELIVERY_DEAD;
    }
    *item = s->item;
    s->wait_us = suspects_wait(d, s->item.ends_alone, at->random);
    detach(d, slot);
    put_waiting(d, slot, at->now_us + s->wait_us > 0 ? at->now_us + s->wait_us : 1);
    return counts ? AIVO_DELIVERY_RETRY : AIVO_DELIVERY_UNKNOWN;
}

enum aivo_delivery_result aivo_delivery_disconnected(struct aivo_delivery *d, const struct aivo_instant *at,
                                                     bool by_peer, struct aivo_delivery_item *item)
{
    enum aivo_delivery_result result = AIVO_DELIVERY_UNKNOWN;
    bool alone = d->flying == 1 && d->elsewhere == 0;
    d->connected = false;
    if (by_peer && d->flying > 0 && !d->acknowledged)
        d->allowance = 1;
    for (uint32_t i = 0; d->flying > 0 && i < d->options.capacity; i++) {
        if (d->slots[i].where != FLYING)
            continue;
        d->slots[i].item.ends += by_peer;
        if (by_peer && alone) {
            result = blame(d, at, i, item);
            break;
        }
        detach(d, i);
        put_waiting(d, i, 0);
    }
    free(d->late); /* no answer to those tickets will come any more */
    d->late = NULL;
    return result;
}

void aivo_delivery_elsewhere(struct aivo_delivery *d, size_t in_flight, bool alone)
{
    d->elsewhere = in_flight;
    d->alone_there = alone;
}

bool aivo_delivery_alone(const struct aivo_delivery *d)
{
    return d->trying || (d->ready.count > 0 && suspect(&d->slots[d->ready.at[0]]));
}

/* Whether the first of those that are ready has to wait for others to be answered. */
static bool first_waits(const struct aivo_delivery *d)
{
    return suspect(&d->slots[d->ready.at[0]]) ? d->flying + d->elsewhere > 0 : d->alone_there;
}

/* One waiting message whose time is over; else the bound is made exact again. */
static bool expire_one(struct aivo_delivery *d, int64_t clock_ms, struct aivo_delivery_item *item)
{
    int64_t earliest = AIVO_NEVER;
    for (uint32_t i = 0; i < d->options.capacity; i++) {
        const struct slot *s = &d->slots[i];
        if ((s->where != READY && s->where != LATER) || s->item.expires_ms <= 0)
            continue;
        if (s->item.expires_ms <= clock_ms) {
            take_out(d, i, item);
            return true;
        }
        if (s->item.expires_ms < earliest)
            earliest = s->item.expires_ms;
    }
    d->earliest_expiry_ms = earliest;
    return false;
}

static bool may_send(const struct aivo_delivery *d)
{
    return d->connected && d->flying < d->allowance && !d->trying;
}

enum aivo_delivery_action aivo_delivery_next(struct aivo_delivery *d, int64_t now_us, int64_t clock_ms, bool hold,
                                             struct aivo_delivery_item *item, uint64_t *ticket)
{
    if (d->earliest_expiry_ms <= clock_ms && expire_one(d, clock_ms, item))
        return AIVO_DELIVERY_EXPIRE;
    while (d->later.count > 0 && d->slots[d->later.at[0]].due_us <= now_us) {
        uint32_t slot = d->later.at[0];
        heap_remove(d, &d->later, slot);
        put_waiting(d, slot, 0);
    }
    if (hold || !may_send(d) || now_us < d->pause_until_us || d->ready.count == 0 || first_waits(d))
        return AIVO_DELIVERY_NOTHING;
    uint32_t slot = d->ready.at[0];
    struct slot *s = &d->slots[slot];
    detach(d, slot);
    s->where = FLYING;
    s->on_trial = d->trying = suspect(s);
    s->wait_us = 0;
    s->sent_us = now_us;
    s->ticket = ++d->serial << SLOT_BITS | slot;
    d->flying++;
    *item = s->item;
    *ticket = s->ticket;
    return AIVO_DELIVERY_SEND;
}

/* The slot in flight under this ticket, or NULL. */
static struct slot *flying(struct aivo_delivery *d, uint64_t ticket, uint32_t *slot)
{
    *slot = (uint32_t)(ticket & ((1u << SLOT_BITS) - 1));
    if (*slot >= d->options.capacity || d->slots[*slot].where != FLYING || d->slots[*slot].ticket != ticket)
        return NULL;
    return &d->slots[*slot];
}

void aivo_delivery_unsent(struct aivo_delivery *d, uint64_t ticket)
{
    uint32_t slot;
    if (!flying(d, ticket, &slot))
        return;
    detach(d, slot);
    put_waiting(d, slot, 0);
}

bool aivo_delivery_refused(struct aivo_delivery *d, uint64_t ticket, struct aivo_delivery_item *item)
{
    uint32_t slot;
    if (!flying(d, ticket, &slot))
        return false;
    take_out(d, slot, item);
    return true;
}

/* A whole window may be refused at once: only what was sent after the last pause began makes the next one longer. */
static void hold_back(struct aivo_delivery *d, const struct aivo_instant *at, int64_t sent_us, int64_t retry_after_ms)
{
    bool anew = sent_us >= d->pause_from_us || d->pause_from_us == 0;
    int64_t wait_us = d->pause_next_us;
    if (retry_after_ms >= 0) {
        int64_t ms = retry_after_ms < PAUSE_LEAST_MS ? PAUSE_LEAST_MS : retry_after_ms;
        wait_us = (ms > PAUSE_GREATEST_MS ? PAUSE_GREATEST_MS : ms) * 1000;
    } else if (!anew) {
        return;
    } else {
        d->pause_next_us = d->pause_next_us * 2 > PAUSE_CAP_US ? PAUSE_CAP_US : d->pause_next_us * 2;
    }
    if (at->now_us + wait_us > d->pause_until_us)
        d->pause_until_us = at->now_us + wait_us;
    if (anew)
        d->pause_from_us = at->now_us + 1;
    d->allowance = 1;
}

static enum aivo_delivery_result fail(struct aivo_delivery *d, const struct aivo_instant *at, uint32_t slot,
                                      struct aivo_delivery_item *item)
{
    struct slot *s = &d->slots[slot];
    s->item.ends = s->item.ends_alone = 0;
    s->item.attempts++;
    if (s->item.attempts >= d->options.max_retries) {
        take_out(d, slot, item);
        return AIVO_DELIVERY_DEAD;
    }
    int64_t due_us = at->now_us + aivo_backoff_us(&d->options.retry, s->item.attempts - 1, at->random);
    *item = s->item;
    detach(d, slot);
    put_waiting(d, slot, due_us > 0 ? due_us : 1);
    return AIVO_DELIVERY_RETRY;
}

static uint32_t late_most(const struct aivo_delivery *d)
{
    return LATE_WINDOWS * d->options.window;
}

/* Without memory its late answer is not known, and it is sent once more. */
static void keep_late(struct aivo_delivery *d, uint64_t ticket, int64_t seq)
{
    if (!d->late && !(d->late = calloc(late_most(d), sizeof *d->late)))
        return;
    d->late[d->late_next++ % late_most(d)] = (struct late){.ticket = ticket, .seq = seq};
}

static enum aivo_delivery_result late_answer(struct aivo_delivery *d, uint64_t ticket, struct aivo_delivery_item *item)
{
    uint32_t i = 0, slot;
    while (d->late && i < late_most(d) && d->late[i].ticket != ticket)
        i++;
    if (!d->late || i == late_most(d))
        return AIVO_DELIVERY_UNKNOWN;
    *item = (struct aivo_delivery_item){.seq = d->late[i].seq};
    d->late[i].ticket = 0;
    d->acknowledged = true;
    if (!aivo_seqmap_get(&d->slot_of, item->seq, &slot))
        return AIVO_DELIVERY_LATE;
    take_out(d, slot, item);
    return AIVO_DELIVERY_GONE;
}

enum aivo_delivery_result aivo_delivery_answered(struct aivo_delivery *d, const struct aivo_instant *at,
                                                 uint64_t ticket, const struct aivo_judgement *judgement,
                                                 struct aivo_delivery_item *item)
{
    uint32_t slot;
    struct slot *s = flying(d, ticket, &slot);
    if (!s)
        return judgement->verdict == AIVO_VERDICT_ACKNOWLEDGED ? late_answer(d, ticket, item) : AIVO_DELIVERY_UNKNOWN;
    if (judgement->verdict == AIVO_VERDICT_SILENT)
        keep_late(d, ticket, s->item.seq);
    if (judgement->verdict == AIVO_VERDICT_FAILED || judgement->verdict == AIVO_VERDICT_SILENT)
        return fail(d, at, slot, item);
    if (judgement->verdict == AIVO_VERDICT_LIMITED) {
        hold_back(d, at, s->sent_us, judgement->retry_after_ms);
        s->item.ends = s->item.ends_alone = 0;
        *item = s->item;
        detach(d, slot);
        put_waiting(d, slot, 0);
        return AIVO_DELIVERY_KEPT;
    }
    d->acknowledged = true;
    if (s->sent_us >= d->pause_from_us)
        d->pause_next_us = PAUSE_FIRST_US;
    if (d->allowance < ceiling(d))
        d->allowance++;
    take_out(d, slot, item);
    return AIVO_DELIVERY_GONE;
}

bool aivo_delivery_evict(struct aivo_delivery *d, bool in_flight_too, struct aivo_delivery_item *item)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < d->ready.count; i++) {
        if (best == UINT32_MAX || d->slots[d->ready.at[i]].item.seq < d->slots[best].item.seq)
            best = d->ready.at[i];
    }
    for (uint32_t i = 0; i < d->later.count; i++) {
        if (best == UINT32_MAX || d->slots[d->later.at[i]].item.seq < d->slots[best].item.seq)
            best = d->later.at[i];
    }
    for (uint32_t i = 0; best == UINT32_MAX && in_flight_too && d->flying > 0 && i < d->options.capacity; i++) {
        if (d->slots[i].where == FLYING)
            best = i;
    }
    if (best == UINT32_MAX)
        return false;
    if (d->slots[best].where == FLYING) {
        for (uint32_t i = best + 1; i < d->options.capacity; i++) {
            if (d->slots[i].where == FLYING && d->slots[i].item.seq < d->slots[best].item.seq)
                best = i;
        }
    }
    take_out(d, best, item);
    return true;
}

int64_t aivo_delivery_deadline(const struct aivo_delivery *d)
{
    if (!may_send(d))
        return AIVO_NEVER;
    int64_t due_us = AIVO_NEVER;
    if (d->ready.count > 0 && first_waits(d))
        return AIVO_NEVER; /* until one of those is answered */
    if (d->ready.count > 0)
        due_us = 0;
    else if (d->later.count > 0)
        due_us = d->slots[d->later.at[0]].due_us;
    if (due_us < d->pause_until_us)
        due_us = d->pause_until_us;
    return due_us;
}

int64_t aivo_delivery_expiry(const struct aivo_delivery *d)
{
    return d->earliest_expiry_ms;
}
