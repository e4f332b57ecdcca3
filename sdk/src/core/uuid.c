#include "uuid.h"

#define MAX_MS 0xffffffffffffu     /* 48 bits */
#define MAX_A  0xfffu              /* 12 bits */
#define MAX_B  (~UINT64_C(0) >> 2) /* 62 bits */

/* The random part as one number of 74 bits, grown by 1..2^32; where it overflows, the time borrows a millisecond. */
static void step(struct aivo_uuid_source *s, uint64_t random)
{
    s->last_b += 1 + (random & 0xffffffffu);
    if (s->last_b <= MAX_B)
        return;
    s->last_b &= MAX_B;
    if (++s->last_a <= MAX_A)
        return;
    s->last_a = 0;
    s->last_ms++;
}

void aivo_uuid_next(struct aivo_uuid_source *source, int64_t unix_ms, const uint64_t random[2],
                    uint8_t out[AIVO_UUID_BYTES])
{
    uint64_t ms = unix_ms < 0 ? 0 : (uint64_t)unix_ms;
    if (ms > MAX_MS)
        ms = MAX_MS;
    if (ms > source->last_ms) {
        source->last_ms = ms;
        source->last_a = (uint16_t)(random[0] & MAX_A);
        source->last_b = random[1] & MAX_B;
    } else {
        step(source, random[0]);
    }
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(source->last_ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | (source->last_a >> 8));
    out[7] = (uint8_t)source->last_a;
    for (int i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)(source->last_b >> (56 - 8 * i));
    out[8] |= 0x80; /* the variant; the two bits above 62 are free */
}

void aivo_uuid_format(const uint8_t uuid[AIVO_UUID_BYTES], char out[AIVO_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < AIVO_UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool aivo_uuid_parse(const char *text, uint8_t out[AIVO_UUID_BYTES])
{
    uint8_t bytes[AIVO_UUID_BYTES];
    const char *p = text;
    for (int i = 0; i < AIVO_UUID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = digit(p[0]);
        int low = high < 0 ? -1 : digit(p[1]);
        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high * 16 + low);
        p += 2;
    }
    if (*p != '\0')
        return false;
    for (int i = 0; i < AIVO_UUID_BYTES; i++)
        out[i] = bytes[i];
    return true;
}
