/* Offsets as the three servers make them, written from their sources' description and not from our reader. */
#ifndef AIVO_TEST_OFFSET_MAKER_H
#define AIVO_TEST_OFFSET_MAKER_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* In-memory adapter: the time in ms in base 64; where an id of the same ms came before, "." and a count. */
static inline const char *make_yeast(char out[48], int64_t ms, int64_t seq)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    char digits[16];
    size_t n = 0, len = 0;
    for (; ms > 0; ms /= 64)
        digits[n++] = alphabet[ms % 64];
    while (n > 0)
        out[len++] = digits[--n];
    if (seq >= 0) {
        out[len++] = '.';
        do {
            digits[n++] = alphabet[seq % 64];
            seq /= 64;
        } while (seq > 0);
        while (n > 0)
            out[len++] = digits[--n];
    }
    out[len] = '\0';
    return out;
}

/* Redis streams adapter: the stream entry's id. */
static inline const char *make_stream_id(char out[48], int64_t ms, unsigned long long seq)
{
    snprintf(out, 48, "%lld-%llu", (long long)ms, seq);
    return out;
}

/* MongoDB adapter: an ObjectId, of seconds, a random part and a count. */
static inline const char *make_object_id(char out[48], int64_t ms, unsigned count)
{
    snprintf(out, 48, "%08llxa1b2c3d4e5%06x", (unsigned long long)(ms / 1000) & 0xffffffff, count & 0xffffff);
    return out;
}

#endif
