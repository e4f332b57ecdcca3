/* How long to wait before attempt N: exponential with full jitter that survives the cap. */
#ifndef AIVO_CORE_BACKOFF_H
#define AIVO_CORE_BACKOFF_H

#include <stdint.h>

struct aivo_backoff {
    uint32_t floor_ms; /* never less, <= cap_ms */
    uint32_t base_ms;  /* the first range's upper end */
    uint32_t cap_ms;   /* never more */
};

/* attempt counts from 0. Uniform over [floor, min(cap, base * 2^attempt)]; where the range has reached the cap the
 * whole range up to the cap stays in use, so that clients never fall into step. Result in microseconds, for fine
 * spread. */
int64_t aivo_backoff_us(const struct aivo_backoff *b, uint32_t attempt, uint64_t random);

#endif
