/* The one place that reads clocks. */
#ifndef AIVO_IO_CLOCK_H
#define AIVO_IO_CLOCK_H

#include "instant.h"

int64_t aivo_clock_us(void);                /* monotonic, microseconds */
int64_t aivo_clock_unix_ms(void);           /* wall clock */
int64_t aivo_clock_suspended_us(void);      /* how long the machine has slept since it was started */
struct aivo_instant aivo_instant_now(void); /* both, and fresh random bits */

#endif
