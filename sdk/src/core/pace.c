#include "pace.h"

#define EAGER_US        ((int64_t)20 * 1000000) /* a new connection is looked at more often for so long */
#define EAGER_EVERY_US  2000000
#define DOUBT_EVERY_US  1000000
#define JITTER_PERMILLE 100 /* so that many clients do not probe in step */

void aivo_pace_begin(struct aivo_pace *p, int64_t now_us, int64_t interval_us)
{
    p->interval_us = interval_us;
    p->eager_until_us = now_us + EAGER_US;
    p->random = (p->random ^ (uint64_t)now_us) | 1;
}

int64_t aivo_pace_next(struct aivo_pace *p, int64_t now_us, bool doubtful)
{
    int64_t every = p->interval_us;
    if (now_us < p->eager_until_us && every > EAGER_EVERY_US)
        every = EAGER_EVERY_US;
    if (doubtful && every > DOUBT_EVERY_US)
        every = DOUBT_EVERY_US;
    p->random ^= p->random << 13; /* xorshift: never 0 once it is not */
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    int64_t off = (int64_t)(p->random % (2 * JITTER_PERMILLE + 1)) - JITTER_PERMILLE;
    return every + every / 1000 * off;
}
