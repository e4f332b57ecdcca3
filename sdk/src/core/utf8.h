/* One UTF-8 sequence at a time, as RFC 3629 and table 3-7 of the Unicode standard have it. */
#ifndef AIVO_CORE_UTF8_H
#define AIVO_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

static inline int aivo_utf8_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the sequence that starts at p (p < end): 1..4, or 0 if it is malformed or cut off. */
static inline size_t aivo_utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    unsigned char c = p[0];
    size_t left = (size_t)(end - p);
    if (c < 0x80)
        return 1;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return left >= 2 && aivo_utf8_tail(p[1]) ? 2 : 0;
    if (c < 0xf0) {
        unsigned char low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
        return left >= 3 && p[1] >= low && p[1] <= high && aivo_utf8_tail(p[2]) ? 3 : 0;
    }
    if (c < 0xf5) {
        unsigned char low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
        return left >= 4 && p[1] >= low && p[1] <= high && aivo_utf8_tail(p[2]) && aivo_utf8_tail(p[3]) ? 4 : 0;
    }
    return 0;
}

/* Writes a scalar value's sequence to out (room for 4); returns its length. */
static inline size_t aivo_utf8_put(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

#endif
