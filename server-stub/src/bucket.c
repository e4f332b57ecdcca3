#include "bucket.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

bool srv_buckets_init(struct srv_buckets *b, uint64_t seed, size_t max)
{
    memset(b, 0, sizeof *b);
    b->table = calloc(FIRST_SIZE, sizeof(struct srv_bucket *));
    b->table_size = b->table ? FIRST_SIZE : 0;
    b->max = max;
    b->seed = seed;
    b->idle.prev = b->idle.next = &b->idle;
    return b->table != NULL;
}

void srv_buckets_free(struct srv_buckets *b)
{
    for (size_t i = 0; i < b->table_size; i++)
        while (b->table[i]) {
            struct srv_bucket *bucket = b->table[i];
            b->table[i] = bucket->hash_next;
            free(bucket);
        }
    free(b->table);
    memset(b, 0, sizeof *b);
}

/* The finalizer of MurmurHash3: every bit of the key moves every bit of the place. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

uint64_t srv_buckets_key(const struct srv_buckets *b, const char *text)
{
    uint64_t h = 14695981039346656037u ^ b->seed;
    for (; *text; text++)
        h = mixed(h ^ (unsigned char)*text) + b->seed;
    return h;
}

static struct srv_bucket **place(const struct srv_buckets *b, uint64_t key)
{
    return &b->table[mixed(key ^ b->seed) & (b->table_size - 1)];
}

static void grow(struct srv_buckets *b)
{
    struct srv_buckets bigger = *b;
    bigger.table_size = b->table_size * 2;
    bigger.table = calloc(bigger.table_size, sizeof(struct srv_bucket *));
    if (!bigger.table)
        return; /* longer chains, no harm */
    for (size_t i = 0; i < b->table_size; i++)
        while (b->table[i]) {
            struct srv_bucket *bucket = b->table[i];
            b->table[i] = bucket->hash_next;
            struct srv_bucket **at = place(&bigger, bucket->key);
            bucket->hash_next = *at;
            *at = bucket;
        }
    free(b->table);
    b->table = bigger.table;
    b->table_size = bigger.table_size;
}

static void unlink_idle(struct srv_bucket *bucket)
{
    bucket->prev->next = bucket->next;
    bucket->next->prev = bucket->prev;
}

static void drop(struct srv_buckets *b, struct srv_bucket *bucket)
{
    struct srv_bucket **p = place(b, bucket->key);
    while (*p != bucket)
        p = &(*p)->hash_next;
    *p = bucket->hash_next;
    unlink_idle(bucket);
    b->count--;
    free(bucket);
}

struct srv_bucket *srv_buckets_hold(struct srv_buckets *b, uint64_t key)
{
    struct srv_bucket *bucket = *place(b, key);
    while (bucket && bucket->key != key)
        bucket = bucket->hash_next;
    if (bucket) {
        if (bucket->holders++ == 0)
            unlink_idle(bucket);
        return bucket;
    }
    if (b->count >= b->max && b->idle.next == &b->idle)
        return NULL;
    if (b->count >= b->max)
        drop(b, b->idle.next);
    bucket = calloc(1, sizeof *bucket);
    if (!bucket)
        return NULL;
    if (++b->count > b->table_size)
        grow(b);
    bucket->key = key;
    bucket->holders = 1;
    struct srv_bucket **at = place(b, key);
    bucket->hash_next = *at;
    *at = bucket;
    return bucket;
}

void srv_buckets_release(struct srv_buckets *b, struct srv_bucket *bucket)
{
    if (!bucket || --bucket->holders)
        return;
    bucket->prev = b->idle.prev;
    bucket->next = &b->idle;
    bucket->prev->next = bucket;
    b->idle.prev = bucket;
    if (!bucket->full_us)
        drop(b, bucket); /* never took anything: there is nothing to remember */
}

void srv_buckets_trim(struct srv_buckets *b, uint64_t now_ms)
{
    struct srv_bucket *next, *bucket = b->idle.next;
    for (unsigned i = 0; i < SRV_BUCKETS_TRIM_MAX && bucket != &b->idle; i++, bucket = next) {
        next = bucket->next;
        if (bucket->full_us <= now_ms * 1000) {
            drop(b, bucket);
            continue;
        }
        unlink_idle(bucket); /* to the end, so that the next pass looks at others */
        bucket->prev = b->idle.prev;
        bucket->next = &b->idle;
        bucket->prev->next = bucket;
        b->idle.prev = bucket;
    }
}

static uint64_t spacing_us(const struct srv_bucket_policy *policy)
{
    return 60000000u / policy->per_minute;
}

static uint64_t depth_us(const struct srv_bucket_policy *policy)
{
    return spacing_us(policy) * (policy->burst ? policy->burst : policy->per_minute);
}

bool srv_bucket_allows(const struct srv_bucket *bucket, const struct srv_bucket_policy *policy, uint64_t now_ms,
                       uint32_t *retry_after_ms)
{
    if (!bucket || !policy->per_minute)
        return true;
    uint64_t now_us = now_ms * 1000, full_us = bucket->full_us > now_us ? bucket->full_us : now_us;
    uint64_t after_us = full_us + spacing_us(policy), most_us = now_us + depth_us(policy);
    if (after_us <= most_us)
        return true;
    *retry_after_ms = (uint32_t)((after_us - most_us + 999) / 1000);
    return false;
}

void srv_bucket_take(struct srv_bucket *bucket, const struct srv_bucket_policy *policy, uint64_t now_ms)
{
    if (!bucket || !policy->per_minute)
        return;
    uint64_t now_us = now_ms * 1000;
    bucket->full_us = (bucket->full_us > now_us ? bucket->full_us : now_us) + spacing_us(policy);
}
