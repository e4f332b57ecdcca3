/*
 * Who sends how much: a bounded table of users or of addresses, each with a token bucket and a count of its
 * connections. Time is an argument (monotonic milliseconds).
 *
 * The bucket is kept as one time (GCRA): when it would be full again. A refused message takes nothing, so
 * retry_after_ms is exact while nobody else takes from the same bucket.
 *
 * Bounds: SRV_BUCKETS_MAX entries. One that is held (srv_buckets_hold) stays; of the others those whose bucket is full
 * again are dropped by srv_buckets_trim(), and the one released first when there is no room. A key is a hash that
 * callers seed (or an address): two users of the same 64 bits would share a bucket.
 */
#ifndef SRV_BUCKET_H
#define SRV_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_BUCKETS_MAX      131072
#define SRV_BUCKETS_TRIM_MAX 256 /* entries that one pass looks at */

/* per_minute 0: no limit. burst 0: a minute's. */
struct srv_bucket_policy {
    uint32_t per_minute, burst;
};

struct srv_bucket {
    uint64_t key;
    uint64_t full_us;     /* when the bucket is full again */
    uint32_t holders;     /* who points here */
    uint32_t connections; /* the owner's own count, for a limit of its own */
    struct srv_bucket *hash_next;
    struct srv_bucket *prev, *next; /* of those that nobody holds, the one released first first */
};

struct srv_buckets {
    struct srv_bucket **table;
    size_t table_size, count, max;
    struct srv_bucket idle; /* a ring */
    uint64_t seed;
};

/* max: entries, SRV_BUCKETS_MAX usually. false: no memory. */
bool srv_buckets_init(struct srv_buckets *b, uint64_t seed, size_t max);
void srv_buckets_free(struct srv_buckets *b);
/* The hash of a text, as a key. */
uint64_t srv_buckets_key(const struct srv_buckets *b, const char *text);

/* Finds or makes the entry and counts a holder. NULL: no memory, or the table is full of entries that are held. */
struct srv_bucket *srv_buckets_hold(struct srv_buckets *b, uint64_t key);
/* NULL is fine. */
void srv_buckets_release(struct srv_buckets *b, struct srv_bucket *bucket);
/* Drops some that say nothing any more. */
void srv_buckets_trim(struct srv_buckets *b, uint64_t now_ms);

/* May one more message pass? Takes nothing. bucket NULL: yes. */
bool srv_bucket_allows(const struct srv_bucket *bucket, const struct srv_bucket_policy *policy, uint64_t now_ms,
                       uint32_t *retry_after_ms);
void srv_bucket_take(struct srv_bucket *bucket, const struct srv_bucket_policy *policy, uint64_t now_ms);

#endif
