/* The outside world as an argument: read once at an event's entry and handed to the pure code. */
#ifndef AIVO_CORE_INSTANT_H
#define AIVO_CORE_INSTANT_H

#include <stdint.h>

#define AIVO_NEVER INT64_MAX

struct aivo_instant {
    int64_t now_us;  /* monotonic clock, microseconds */
    int64_t unix_ms; /* wall clock, Unix time in ms */
    uint64_t random; /* 64 uniformly random bits, fresh for each instant */
};

#endif
