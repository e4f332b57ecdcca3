#include "seqmap.h"

#include <stdlib.h>

static size_t home(const struct aivo_seqmap *m, int64_t seq)
{
    return (size_t)(((uint64_t)seq * 0x9e3779b97f4a7c15u) >> 20) & (m->cap - 1);
}

/* Where seq stands, or would. */
static size_t find(const struct aivo_seqmap *m, int64_t seq)
{
    size_t i = home(m, seq);
    while (m->at[i].seq != 0 && m->at[i].seq != seq)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void aivo_seqmap_free(struct aivo_seqmap *m)
{
    free(m->at);
    *m = (struct aivo_seqmap){0};
}

static bool grow(struct aivo_seqmap *m)
{
    struct aivo_seqmap larger = {.cap = m->cap ? m->cap * 2 : 64, .count = m->count};
    larger.at = calloc(larger.cap, sizeof *larger.at);
    if (!larger.at)
        return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->at[i].seq != 0)
            larger.at[find(&larger, m->at[i].seq)] = m->at[i];
    }
    free(m->at);
    *m = larger;
    return true;
}

bool aivo_seqmap_put(struct aivo_seqmap *m, int64_t seq, uint32_t value)
{
    if (2 * m->count >= m->cap && !grow(m))
        return false;
    struct aivo_seqmap_entry *e = &m->at[find(m, seq)];
    m->count += e->seq == 0;
    *e = (struct aivo_seqmap_entry){.seq = seq, .value = value};
    return true;
}

bool aivo_seqmap_get(const struct aivo_seqmap *m, int64_t seq, uint32_t *value)
{
    if (m->count == 0)
        return false;
    const struct aivo_seqmap_entry *e = &m->at[find(m, seq)];
    if (e->seq == 0)
        return false;
    if (value)
        *value = e->value;
    return true;
}

void aivo_seqmap_remove(struct aivo_seqmap *m, int64_t seq)
{
    if (m->count == 0)
        return;
    size_t hole = find(m, seq);
    if (m->at[hole].seq == 0)
        return;
    m->count--;
    /* What stands behind the hole and could not stand nearer to its home moves into it. */
    for (size_t i = (hole + 1) & (m->cap - 1); m->at[i].seq != 0; i = (i + 1) & (m->cap - 1)) {
        size_t distance = (i - home(m, m->at[i].seq)) & (m->cap - 1);
        if (distance >= ((i - hole) & (m->cap - 1))) {
            m->at[hole] = m->at[i];
            hole = i;
        }
    }
    m->at[hole].seq = 0;
}
