#include "buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void aivo_buf_init(struct aivo_buf *b)
{
    *b = (struct aivo_buf){0};
}

void aivo_buf_free(struct aivo_buf *b)
{
    free(b->data);
    aivo_buf_init(b);
}

void aivo_buf_clear(struct aivo_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for more bytes and the NUL. Doubling keeps appends linear; a failure is kept, so that a caller may append
 * many times and look once. */
static bool grow(struct aivo_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > SIZE_MAX / 2 - b->len - 1) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more + 1;
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    if (!b->data)
        data[0] = '\0';
    b->data = data;
    b->cap = cap;
    return true;
}

/* Invariant: cap is 0, or greater than len. So cap - len >= 1 wherever there is memory. */
static inline bool room(struct aivo_buf *b, size_t more)
{
    if (more < b->cap - b->len && !b->failed)
        return true;
    return grow(b, more);
}

bool aivo_buf_reserve(struct aivo_buf *b, size_t more)
{
    return room(b, more);
}

void aivo_buf_add(struct aivo_buf *b, const void *data, size_t len)
{
    if (!room(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void aivo_buf_str(struct aivo_buf *b, const char *text)
{
    aivo_buf_add(b, text, strlen(text));
}

void aivo_buf_char(struct aivo_buf *b, char c)
{
    if (!room(b, 1))
        return;
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void aivo_buf_u64(struct aivo_buf *b, unsigned long long value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    aivo_buf_add(b, digits + at, sizeof(digits) - at);
}
