#include "clock.h"

#include "random.h"
#include <time.h>

int64_t aivo_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t aivo_clock_unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t aivo_clock_suspended_us(void)
{
#ifdef CLOCK_BOOTTIME
    struct timespec awake, all;
    clock_gettime(CLOCK_MONOTONIC, &awake);
    clock_gettime(CLOCK_BOOTTIME, &all);
    return (int64_t)(all.tv_sec - awake.tv_sec) * 1000000 + (all.tv_nsec - awake.tv_nsec) / 1000;
#else
    return 0;
#endif
}

struct aivo_instant aivo_instant_now(void)
{
    return (struct aivo_instant){aivo_clock_us(), aivo_clock_unix_ms(), aivo_random_u64()};
}
