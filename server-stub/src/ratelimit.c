#include "ratelimit.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Messages of one grain of time. Times are the low 32 bits of the clock: what is older than a window is dropped
 * before it could be mistaken, because last_ms is kept whole. */
struct srv_ratelimit_run {
    uint32_t start;
    uint32_t count;
};

static_assert(sizeof(struct srv_ratelimit) <= 64, "an idle connection pays 64 bytes for its limits");

static uint32_t grain_ms(const struct srv_ratelimit_policy *policy)
{
    return policy->max_messages <= SRV_RATELIMIT_EXACT ? 1 : policy->window_ms / SRV_RATELIMIT_EXACT + 1;
}

static struct srv_ratelimit_run *run_at(const struct srv_ratelimit *r, uint32_t i)
{
    uint32_t at = r->head + i;
    return &r->runs[at < r->cap ? at : at - r->cap];
}

/* Forgets what has left the window. A run counts as if all its messages came at the end of its grain. */
static void expire(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy, uint64_t now_ms, uint32_t grain)
{
    if (r->used > 0 && now_ms - r->last_ms >= (uint64_t)policy->window_ms + grain) {
        r->used = r->head = r->count = 0;
        return;
    }
    while (r->used > 0) {
        struct srv_ratelimit_run *oldest = run_at(r, 0);
        if ((uint32_t)now_ms - oldest->start < policy->window_ms + (grain - 1))
            break;
        r->count -= oldest->count;
        r->used--;
        r->head = r->head + 1 == r->cap ? 0 : r->head + 1;
    }
}

/* Room for one more run. The ring doubles up to what the policy can ever need. */
static bool grow(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy)
{
    uint32_t most = policy->max_messages <= SRV_RATELIMIT_EXACT ? policy->max_messages : SRV_RATELIMIT_EXACT + 2;
    uint32_t cap = r->cap == 0 ? 8 : r->cap * 2;
    if (cap > most)
        cap = most;
    if (cap <= r->cap)
        return false;
    struct srv_ratelimit_run *runs = malloc(cap * sizeof *runs);
    if (runs == NULL)
        return false;
    for (uint32_t i = 0; i < r->used; i++)
        runs[i] = *run_at(r, i);
    free(r->runs);
    r->runs = runs;
    r->cap = cap;
    r->head = 0;
    return true;
}

bool srv_ratelimit_allow(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy, uint64_t now_ms,
                         uint32_t *retry_after_ms)
{
    if (policy->max_messages == 0)
        return true;
    if (now_ms < r->last_ms)
        now_ms = r->last_ms; /* a clock that steps back must neither free places nor lock them */
    uint32_t grain = grain_ms(policy);
    expire(r, policy, now_ms, grain);
    if (r->count >= policy->max_messages) {
        uint32_t age = (uint32_t)now_ms - run_at(r, 0)->start;
        *retry_after_ms = policy->window_ms + (grain - 1) - age;
        return false;
    }
    struct srv_ratelimit_run *newest = r->used > 0 ? run_at(r, r->used - 1) : NULL;
    if (newest == NULL || (uint32_t)now_ms - newest->start >= grain) {
        if (r->used == r->cap && !grow(r, policy)) {
            *retry_after_ms = 1000;
            return false;
        }
        r->used++;
        newest = run_at(r, r->used - 1);
        *newest = (struct srv_ratelimit_run){.start = (uint32_t)now_ms};
    }
    newest->count++;
    r->count++;
    r->last_ms = now_ms;
    return true;
}

bool srv_ratelimit_allow_ping(struct srv_ratelimit *r, uint64_t now_ms, uint32_t *retry_after_ms)
{
    uint32_t now = (uint32_t)now_ms;
    if (r->ping_count == SRV_RATELIMIT_PINGS) {
        /* The slot that is written next holds the oldest of the last five. */
        uint32_t age = now - r->pings[r->ping_next];
        if (age < SRV_RATELIMIT_PINGS_MS) {
            *retry_after_ms = SRV_RATELIMIT_PINGS_MS - age;
            return false;
        }
    } else {
        r->ping_count++;
    }
    r->pings[r->ping_next] = now;
    r->ping_next = (uint8_t)((r->ping_next + 1) % SRV_RATELIMIT_PINGS);
    return true;
}

void srv_ratelimit_trim(struct srv_ratelimit *r, const struct srv_ratelimit_policy *policy, uint64_t now_ms)
{
    if (r->runs == NULL || now_ms < r->last_ms)
        return;
    expire(r, policy, now_ms, grain_ms(policy));
    if (r->used == 0)
        srv_ratelimit_free(r);
}

void srv_ratelimit_free(struct srv_ratelimit *r)
{
    free(r->runs);
    r->runs = NULL;
    r->cap = r->head = r->used = r->count = 0;
}
