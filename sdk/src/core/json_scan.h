/* Runs of plain bytes in JSON strings, eight bytes at a time. */
#ifndef AIVO_CORE_JSON_SCAN_H
#define AIVO_CORE_JSON_SCAN_H

#include <stdint.h>
#include <string.h>

/* Nonzero if one of the eight bytes is a quote, a backslash, a control character or not ASCII. The lowest bit that is
 * set belongs to the lowest such byte; higher ones may be carries. */
static inline uint64_t aivo_json_special(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    return ((x - ones * 0x20) | (quote - ones) | (slash - ones) | x) & high;
}

/* Behind the run of plain bytes that starts at p: at a special byte or at end. */
static inline const unsigned char *aivo_json_plain(const unsigned char *p, const unsigned char *end)
{
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        x = aivo_json_special(x);
        if (x) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return p + __builtin_ctzll(x) / 8;
#else
            break;
#endif
        }
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

#endif
