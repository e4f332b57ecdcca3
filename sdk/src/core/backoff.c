/* Delays between attempts. */
#include "backoff.h"

/* Maps 64 random bits onto 0..range evenly: the high half of a 128-bit product, without the bias of a remainder. */
static uint64_t spread(uint64_t random, uint64_t range)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)random * ((wide)range + 1)) >> 64);
}

int64_t aivo_backoff_us(const struct aivo_backoff *b, uint32_t attempt, uint64_t random)
{
    uint64_t floor_ms = b->floor_ms;
    uint64_t cap_ms = b->cap_ms > floor_ms ? b->cap_ms : floor_ms;
    /* From 2^32 on every base of at least 1 ms is beyond every cap; the shift below stays within 64 bits. */
    uint64_t upper_ms = (uint64_t)b->base_ms << (attempt < 32 ? attempt : 32);

    if (upper_ms <= floor_ms) /* a base below the floor must not make all clients wait exactly the floor */
        upper_ms = 2 * floor_ms;
    if (upper_ms > cap_ms)
        upper_ms = cap_ms;
    return (int64_t)(floor_ms * 1000 + spread(random, (upper_ms - floor_ms) * 1000));
}
