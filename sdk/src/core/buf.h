/* A growable run of bytes. Pure: memory is all it touches. */
#ifndef AIVO_CORE_BUF_H
#define AIVO_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct aivo_buf {
    char *data; /* NULL until the first append; NUL-terminated from then on (the NUL is not counted) */
    size_t len;
    size_t cap;
    bool failed; /* an append ran out of memory: contents are incomplete, later appends do nothing */
};

void aivo_buf_init(struct aivo_buf *b);
void aivo_buf_free(struct aivo_buf *b);  /* also resets it */
void aivo_buf_clear(struct aivo_buf *b); /* keeps the memory, forgets a failure */
bool aivo_buf_reserve(struct aivo_buf *b, size_t more);
void aivo_buf_add(struct aivo_buf *b, const void *data, size_t len);
void aivo_buf_str(struct aivo_buf *b, const char *text);
void aivo_buf_char(struct aivo_buf *b, char c);
void aivo_buf_u64(struct aivo_buf *b, unsigned long long value); /* decimal */

#endif
