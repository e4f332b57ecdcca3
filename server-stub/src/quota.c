#include "quota.h"
#include <string.h>

const char *srv_limit_name(enum srv_limit limit)
{
    static const char *const names[] = {"none", "connection", "user", "address"};
    return names[limit];
}

bool srv_limits_init(struct srv_limits *limits, const struct srv_config *config, uint64_t seed)
{
    memset(limits, 0, sizeof *limits);
    limits->window = (struct srv_ratelimit_policy){config->rate_limit_window_ms, config->rate_limit_max_messages};
    limits->user_policy = (struct srv_bucket_policy){config->user_per_minute, config->user_burst};
    limits->address_policy = (struct srv_bucket_policy){config->address_per_minute, config->address_burst};
    limits->max_connections = config->max_connections_per_address;
    return srv_buckets_init(&limits->users, seed, SRV_BUCKETS_MAX) &&
           srv_buckets_init(&limits->addresses, seed, SRV_BUCKETS_MAX);
}

void srv_limits_free(struct srv_limits *limits)
{
    srv_buckets_free(&limits->users);
    srv_buckets_free(&limits->addresses);
}

struct srv_bucket *srv_limits_user(struct srv_limits *limits, const char *user_id)
{
    if (!limits->user_policy.per_minute || !user_id[0])
        return NULL;
    return srv_buckets_hold(&limits->users, srv_buckets_key(&limits->users, user_id));
}

struct srv_bucket *srv_limits_address(struct srv_limits *limits, uint64_t key)
{
    if (!limits->address_policy.per_minute && !limits->max_connections)
        return NULL;
    return srv_buckets_hold(&limits->addresses, key);
}

enum srv_limit srv_limits_allow(struct srv_limits *limits, struct srv_ratelimit *window, struct srv_bucket *user,
                                struct srv_bucket *address, uint64_t now_ms, uint32_t *retry_after_ms)
{
    if (!srv_bucket_allows(address, &limits->address_policy, now_ms, retry_after_ms))
        return SRV_LIMIT_ADDRESS;
    if (!srv_bucket_allows(user, &limits->user_policy, now_ms, retry_after_ms))
        return SRV_LIMIT_USER;
    if (!srv_ratelimit_allow(window, &limits->window, now_ms, retry_after_ms))
        return SRV_LIMIT_CONNECTION;
    srv_bucket_take(address, &limits->address_policy, now_ms);
    srv_bucket_take(user, &limits->user_policy, now_ms);
    return SRV_LIMIT_NONE;
}

void srv_limits_trim(struct srv_limits *limits, uint64_t now_ms)
{
    srv_buckets_trim(&limits->users, now_ms);
    srv_buckets_trim(&limits->addresses, now_ms);
}
