/* The one place that makes random numbers. */
#ifndef AIVO_IO_RANDOM_H
#define AIVO_IO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void aivo_random_bytes(void *out, size_t len); /* from the kernel; thread-safe */
/* Fast, seeded from the kernel per thread: for jitter, not for secrets. */
uint64_t aivo_random_u64(void);

#endif
