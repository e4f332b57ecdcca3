#include "dedup.h"
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 16384 /* buckets; chains are four long at the bound */

struct waiter {
    void *who;
    uint64_t ack_id;
};

struct srv_dedup_entry {
    struct srv_dedup_entry *chain;         /* same bucket */
    struct srv_dedup_entry *older, *newer; /* by age */
    uint64_t hash, born_ms;
    char *ack; /* NULL while it is being handled */
    size_t ack_len;
    struct waiter *waiters; /* SRV_DEDUP_MAX_WAITERS of them; NULL until the first */
    unsigned waiter_count;
    bool shared;
    bool forgotten; /* pushed out while in work: freed by done */
    uint32_t key_len;
    char key[]; /* user NUL id */
};

void srv_dedup_init(struct srv_dedup *d, uint64_t seed)
{
    memset(d, 0, sizeof *d);
    d->seed = seed;
}

size_t srv_dedup_size(const struct srv_dedup *d)
{
    return d->count;
}

static size_t cost(const struct srv_dedup_entry *e)
{
    return sizeof *e + e->key_len + e->ack_len + 64; /* with what malloc adds */
}

static struct srv_dedup_entry **bucket(struct srv_dedup *d, uint64_t hash)
{
    return &d->table[hash & (TABLE_SIZE - 1)];
}

static void entry_free(struct srv_dedup_entry *e)
{
    free(e->ack);
    free(e->waiters);
    free(e);
}

static void unlink_entry(struct srv_dedup *d, struct srv_dedup_entry *e)
{
    struct srv_dedup_entry **p = bucket(d, e->hash);
    while (*p != e)
        p = &(*p)->chain;
    *p = e->chain;
    if (e->older)
        e->older->newer = e->newer;
    else
        d->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        d->newest = e->older;
    d->count--;
    d->bytes -= cost(e);
}

/* One that is in work stays alive for its handler. */
static void push_out(struct srv_dedup *d, struct srv_dedup_entry *e)
{
    unlink_entry(d, e);
    if (e->ack)
        entry_free(e);
    else
        e->forgotten = true;
}

void srv_dedup_free(struct srv_dedup *d)
{
    while (d->oldest) {
        struct srv_dedup_entry *e = d->oldest;
        unlink_entry(d, e);
        entry_free(e);
    }
    free(d->table);
    d->table = NULL;
}

static uint64_t mix(uint64_t h, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u;
}

static void expire(struct srv_dedup *d, uint64_t now_ms)
{
    while (d->oldest && now_ms - d->oldest->born_ms >= SRV_DEDUP_TTL_MS)
        push_out(d, d->oldest);
}

static void make_room(struct srv_dedup *d, size_t more)
{
    while (d->oldest && (d->count >= SRV_DEDUP_MAX_ENTRIES || d->bytes + more > SRV_DEDUP_MAX_BYTES))
        push_out(d, d->oldest);
}

static struct srv_dedup_entry *add(struct srv_dedup *d, uint64_t hash, const char *user, size_t user_len,
                                   const char *id, size_t id_len, uint64_t now_ms)
{
    size_t key_len = user_len + 1 + id_len;
    struct srv_dedup_entry *e = calloc(1, sizeof *e + key_len);
    if (!e)
        return NULL;
    e->key_len = (uint32_t)key_len;
    memcpy(e->key, user, user_len + 1);
    memcpy(e->key + user_len + 1, id, id_len);
    e->hash = hash;
    e->born_ms = now_ms;
    make_room(d, cost(e));
    e->chain = *bucket(d, hash);
    *bucket(d, hash) = e;
    e->older = d->newest;
    if (d->newest)
        d->newest->newer = e;
    else
        d->oldest = e;
    d->newest = e;
    d->count++;
    d->bytes += cost(e);
    return e;
}

enum srv_dedup_verdict srv_dedup_begin(struct srv_dedup *d, const char *user, const char *id, size_t id_len,
                                       uint64_t now_ms, struct srv_dedup_entry **entry, const char **ack,
                                       size_t *ack_len)
{
    size_t user_len = strlen(user);
    if (id_len == 0 || id_len > SRV_DEDUP_MAX_ID)
        return SRV_DEDUP_UNKNOWN;
    if (!d->table && !(d->table = calloc(TABLE_SIZE, sizeof *d->table)))
        return SRV_DEDUP_UNKNOWN;
    expire(d, now_ms);
    uint64_t hash = mix(mix(14695981039346656037u ^ d->seed, user, user_len), id, id_len);
    hash ^= hash >> 32;
    for (struct srv_dedup_entry *e = *bucket(d, hash); e; e = e->chain) {
        if (e->hash != hash || e->key_len != user_len + 1 + id_len || memcmp(e->key, user, user_len + 1) != 0 ||
            memcmp(e->key + user_len + 1, id, id_len) != 0)
            continue;
        *entry = e;
        if (!e->ack)
            return SRV_DEDUP_PENDING;
        *ack = e->ack;
        *ack_len = e->ack_len;
        return SRV_DEDUP_REPEAT;
    }
    *entry = add(d, hash, user, user_len, id, id_len, now_ms);
    return *entry ? SRV_DEDUP_NEW : SRV_DEDUP_UNKNOWN;
}

void srv_dedup_key(const struct srv_dedup_entry *e, const char **user, const char **id, size_t *id_len)
{
    size_t user_len = strlen(e->key);
    *user = e->key;
    *id = e->key + user_len + 1;
    *id_len = e->key_len - user_len - 1;
}

void srv_dedup_set_shared(struct srv_dedup_entry *e)
{
    e->shared = true;
}

bool srv_dedup_is_shared(const struct srv_dedup_entry *e)
{
    return e->shared;
}

bool srv_dedup_wait(struct srv_dedup_entry *e, void *waiter, uint64_t ack_id)
{
    if (!e->waiters && !(e->waiters = calloc(SRV_DEDUP_MAX_WAITERS, sizeof *e->waiters)))
        return false;
    if (e->waiter_count == SRV_DEDUP_MAX_WAITERS)
        return false;
    e->waiters[e->waiter_count++] = (struct waiter){waiter, ack_id};
    return true;
}

void srv_dedup_unwait(struct srv_dedup_entry *e, const void *waiter)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < e->waiter_count; i++)
        if (e->waiters[i].who != waiter)
            e->waiters[kept++] = e->waiters[i];
    e->waiter_count = kept;
}

static void tell_all(struct srv_dedup_entry *e, void (*tell)(void *context, void *waiter, uint64_t ack_id),
                     void *context)
{
    for (unsigned i = 0; i < e->waiter_count; i++)
        tell(context, e->waiters[i].who, e->waiters[i].ack_id);
    e->waiter_count = 0;
    free(e->waiters);
    e->waiters = NULL;
}

void srv_dedup_forget(struct srv_dedup *d, struct srv_dedup_entry *e,
                      void (*tell)(void *context, void *waiter, uint64_t ack_id), void *context)
{
    tell_all(e, tell, context);
    if (!e->forgotten)
        unlink_entry(d, e);
    entry_free(e);
}

void srv_dedup_done(struct srv_dedup *d, struct srv_dedup_entry *e, const char *ack, size_t len,
                    void (*tell)(void *context, void *waiter, uint64_t ack_id), void *context)
{
    char *copy = len <= SRV_DEDUP_MAX_ACK && !e->forgotten ? malloc(len + 1) : NULL;
    if (!copy) {
        srv_dedup_forget(d, e, tell, context);
        return;
    }
    memcpy(copy, ack, len);
    copy[len] = '\0';
    e->ack = copy;
    e->ack_len = len;
    d->bytes += len;
    tell_all(e, tell, context);
}
