/* The server's clocks, read once at an event's entry. */
#ifndef SRV_CLOCK_H
#define SRV_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t srv_clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static inline uint64_t srv_mono_us(void)
{
    return srv_clock_us(CLOCK_MONOTONIC);
}

static inline uint64_t srv_unix_ms(void)
{
    return srv_clock_us(CLOCK_REALTIME) / 1000u;
}

#endif
