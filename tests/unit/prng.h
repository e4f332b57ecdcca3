/* Seeded random numbers and exact copies, for property tests. */
#ifndef AIVO_TEST_PRNG_H
#define AIVO_TEST_PRNG_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct prng {
    uint64_t state;
};

/* splitmix64: any seed is good. */
static inline uint64_t prng_next(struct prng *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* 0..n-1; n > 0. */
static inline size_t prng_below(struct prng *r, size_t n)
{
    return (size_t)(prng_next(r) % n);
}

/* A copy in a heap block of exactly this size, so that a sanitizer sees any read behind it. */
static inline char *exact_copy(const void *data, size_t len)
{
    char *copy = malloc(len);
    if (len && !copy)
        abort();
    if (len)
        memcpy(copy, data, len);
    return copy;
}

#endif
