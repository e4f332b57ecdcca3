/*
 * Who may send how much: the connection's sliding window, the user's bucket and the address' bucket, asked together. A
 * message that one of them refuses takes nothing from the others. Pure.
 */
#ifndef SRV_QUOTA_H
#define SRV_QUOTA_H

#include "bucket.h"
#include "config.h"
#include "ratelimit.h"

struct srv_limits {
    struct srv_ratelimit_policy window;
    struct srv_bucket_policy user_policy, address_policy;
    struct srv_buckets users, addresses;
    uint32_t max_connections; /* of an address; 0: no limit */
};

enum srv_limit {
    SRV_LIMIT_NONE, /* it may pass */
    SRV_LIMIT_CONNECTION,
    SRV_LIMIT_USER,
    SRV_LIMIT_ADDRESS,
};
const char *srv_limit_name(enum srv_limit limit); /* "connection", ... */

/* false: no memory. */
bool srv_limits_init(struct srv_limits *limits, const struct srv_config *config, uint64_t seed);
void srv_limits_free(struct srv_limits *limits);
/* Buckets that a connection of this user, or from this address, holds until it ends; NULL where there is no such limit
 * (or no room: then it is not limited). */
struct srv_bucket *srv_limits_user(struct srv_limits *limits, const char *user_id);
struct srv_bucket *srv_limits_address(struct srv_limits *limits, uint64_t key);

/* May this message pass? It then counts. If not, retry_after_ms (at least 1) says when. */
enum srv_limit srv_limits_allow(struct srv_limits *limits, struct srv_ratelimit *window, struct srv_bucket *user,
                                struct srv_bucket *address, uint64_t now_ms, uint32_t *retry_after_ms);
/* Housekeeping, now and then. */
void srv_limits_trim(struct srv_limits *limits, uint64_t now_ms);

#endif
