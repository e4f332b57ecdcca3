/* When the next probe is due. Pure: the jitter is of a generator that is seeded with the time. */
#ifndef AIVO_CORE_PACE_H
#define AIVO_CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct aivo_pace {
    int64_t interval_us; /* as configured */
    int64_t eager_until_us;
    uint64_t random;
};

/* A connection begins. */
void aivo_pace_begin(struct aivo_pace *p, int64_t now_us, int64_t interval_us);
/* How long after a probe the next one is due, +-10 %. */
int64_t aivo_pace_next(struct aivo_pace *p, int64_t now_us, bool doubtful);

#endif
