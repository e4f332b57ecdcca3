/* A map from sequence numbers (> 0) to small values: open addressing, grows as needed. Pure. */
#ifndef AIVO_CORE_SEQMAP_H
#define AIVO_CORE_SEQMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aivo_seqmap_entry {
    int64_t seq; /* 0: free */
    uint32_t value;
};
/* All zero is an empty map. */
struct aivo_seqmap {
    struct aivo_seqmap_entry *at;
    size_t cap; /* a power of two, or 0 */
    size_t count;
};

void aivo_seqmap_free(struct aivo_seqmap *m);
bool aivo_seqmap_put(struct aivo_seqmap *m, int64_t seq, uint32_t value); /* false: no memory */
bool aivo_seqmap_get(const struct aivo_seqmap *m, int64_t seq, uint32_t *value);
void aivo_seqmap_remove(struct aivo_seqmap *m, int64_t seq);

#endif
