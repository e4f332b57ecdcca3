/* Structs that grow at the end, passed between a program and a library that may not be of the same age. Each says its
 * size; what the other side does not know of it is left alone, or has its default. */
#ifndef AIVO_SIZED_H
#define AIVO_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The size of a struct whose last field is `field`: how large it was in the first version that is still taken. */
#define AIVO_SIZE_THROUGH(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

/* To the program: as much as it knows. What it knows beyond us is zero. in begins with its size. NULL: to nobody. */
static inline void aivo_sized_out(void *out, size_t out_size, const void *in, size_t in_size)
{
    if (!out)
        return;
    size_t known = out_size < in_size ? out_size : in_size;
    memcpy(out, in, known);
    if (out_size > known)
        memset((char *)out + known, 0, out_size - known);
    if (out_size >= sizeof known)
        memcpy(out, &known, sizeof known);
}

/* From the program: over full, which holds the defaults. false: no size that this struct ever had. */
static inline bool aivo_sized_in(void *full, size_t full_size, const void *given, size_t given_size, size_t least)
{
    if (given_size < least || given_size > full_size)
        return false;
    memcpy(full, given, given_size);
    memcpy(full, &full_size, sizeof full_size);
    return true;
}

#endif
