#include "random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

void aivo_random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len > 256 ? 256 : len, 0);
        if (n < 0)
            continue; /* EINTR: the only error getrandom has for a valid buffer */
        p += n;
        len -= (size_t)n;
    }
}

/* splitmix64: every 64-bit value once in its period, and any seed will do. */
uint64_t aivo_random_u64(void)
{
    static _Thread_local uint64_t state;
    static _Thread_local bool seeded;
    if (!seeded) {
        aivo_random_bytes(&state, sizeof state);
        seeded = true;
    }
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
