/* A log-linear histogram of latencies: 128 steps for each power of two, so within 1 %. */
#include "sioload.h"

#include <string.h>

#define HB 7
static uint64_t hist[(64 - HB + 1) << HB];
uint64_t hist_n, hist_max;
long double hist_sum;

void hist_add(uint64_t v)
{
    unsigned i;
    if (v < (1u << HB))
        i = (unsigned)v;
    else {
        int e = 63 - __builtin_clzll(v);
        i = ((unsigned)(e - HB + 1) << HB) + ((unsigned)(v >> (e - HB)) & ((1u << HB) - 1));
    }
    hist[i]++;
    hist_n++;
    hist_sum += v;
    if (v > hist_max)
        hist_max = v;
}

double hist_us(double q) /* upper edge of the bucket, in us */
{
    uint64_t want = (uint64_t)(q * (double)hist_n + 0.999999), seen = 0;
    for (size_t i = 0; i < sizeof hist / sizeof *hist; i++) {
        seen += hist[i];
        if (hist[i] && seen >= want) {
            unsigned octave = (unsigned)(i >> HB), s = (unsigned)(i & ((1u << HB) - 1));
            uint64_t hi = octave ? (((1ull << HB) + s + 1) << (octave - 1)) - 1 : s;
            return (double)(hi < hist_max ? hi : hist_max) / 1e3;
        }
    }
    return 0;
}

void hist_reset(void)
{
    memset(hist, 0, sizeof hist);
    hist_n = hist_max = 0;
    hist_sum = 0;
}
