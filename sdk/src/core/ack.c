/*
 * A pool of nodes, each in three orders at once: a hash chain by id, a list by age, a binary heap by deadline.
 * Nodes are named by their index, so that the pool may move when it grows.
 */
#include "ack.h"

#include <stdlib.h>

#define NONE  UINT32_MAX
#define FIRST 16u /* nodes in a table's first pool; doubled up to AIVO_ACK_MAX */

struct node {
    struct aivo_ack entry;
    uint32_t chain;        /* next with the same hash; next free node, if this one is free */
    uint32_t older, newer; /* list by age */
    uint32_t place;        /* in the heap; NONE: no deadline */
};

struct aivo_acks {
    struct node *nodes;
    uint32_t *buckets; /* as many as nodes, a power of two */
    uint32_t *heap;
    uint32_t cap, count, heap_len;
    uint32_t free, oldest, newest;
    uint64_t next_id;
};

static uint32_t bucket_of(const struct aivo_acks *acks, uint64_t id)
{
    return (uint32_t)id & (acks->cap - 1); /* ids are consecutive: nothing spreads better */
}

/* Earlier deadline first, then the older one. */
static bool before(const struct aivo_acks *acks, uint32_t a, uint32_t b)
{
    const struct aivo_ack *x = &acks->nodes[a].entry, *y = &acks->nodes[b].entry;
    return x->deadline_us < y->deadline_us || (x->deadline_us == y->deadline_us && x->id < y->id);
}

static void put(struct aivo_acks *acks, uint32_t place, uint32_t index)
{
    acks->heap[place] = index;
    acks->nodes[index].place = place;
}

static void sift_up(struct aivo_acks *acks, uint32_t place)
{
    uint32_t index = acks->heap[place];
    for (; place > 0; place = (place - 1) / 2) {
        uint32_t parent = acks->heap[(place - 1) / 2];
        if (!before(acks, index, parent))
            break;
        put(acks, place, parent);
    }
    put(acks, place, index);
}

static void sift_down(struct aivo_acks *acks, uint32_t place)
{
    uint32_t index = acks->heap[place];
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= acks->heap_len)
            break;
        if (child + 1 < acks->heap_len && before(acks, acks->heap[child + 1], acks->heap[child]))
            child++;
        if (!before(acks, acks->heap[child], index))
            break;
        put(acks, place, acks->heap[child]);
        place = child;
    }
    put(acks, place, index);
}

static void heap_remove(struct aivo_acks *acks, uint32_t index)
{
    uint32_t place = acks->nodes[index].place;
    if (place == NONE)
        return;
    uint32_t last = acks->heap[--acks->heap_len];
    if (last == index)
        return;
    put(acks, place, last);
    sift_up(acks, place);
    sift_down(acks, acks->nodes[last].place);
}

static void link_chains(struct aivo_acks *acks)
{
    for (uint32_t i = 0; i < acks->cap; i++)
        acks->buckets[i] = NONE;
    for (uint32_t i = acks->oldest; i != NONE; i = acks->nodes[i].newer) {
        uint32_t bucket = bucket_of(acks, acks->nodes[i].entry.id);
        acks->nodes[i].chain = acks->buckets[bucket];
        acks->buckets[bucket] = i;
    }
}

static bool grow(struct aivo_acks *acks)
{
    uint32_t cap = acks->cap ? acks->cap * 2 : FIRST;
    if (cap > AIVO_ACK_MAX)
        return false;
    /* One that succeeds before another fails is merely larger than needed. */
    struct node *nodes = realloc(acks->nodes, cap * sizeof(*nodes));
    if (nodes)
        acks->nodes = nodes;
    uint32_t *buckets = realloc(acks->buckets, cap * sizeof(*buckets));
    if (buckets)
        acks->buckets = buckets;
    uint32_t *heap = realloc(acks->heap, cap * sizeof(*heap));
    if (heap)
        acks->heap = heap;
    if (!nodes || !buckets || !heap)
        return false;
    for (uint32_t i = acks->cap; i < cap; i++) {
        acks->nodes[i].chain = acks->free;
        acks->free = i;
    }
    acks->cap = cap;
    link_chains(acks);
    return true;
}

struct aivo_acks *aivo_acks_create(void)
{
    struct aivo_acks *acks = calloc(1, sizeof(*acks));
    if (!acks)
        return NULL;
    acks->free = acks->oldest = acks->newest = NONE;
    if (!grow(acks)) {
        aivo_acks_destroy(acks);
        return NULL;
    }
    return acks;
}

void aivo_acks_destroy(struct aivo_acks *acks)
{
    if (!acks)
        return;
    free(acks->nodes);
    free(acks->buckets);
    free(acks->heap);
    free(acks);
}

bool aivo_acks_restore(struct aivo_acks *acks, const struct aivo_ack *entry)
{
    if (acks->free == NONE && !grow(acks))
        return false;
    uint32_t index = acks->free;
    struct node *node = &acks->nodes[index];
    acks->free = node->chain;

    node->entry = *entry;
    uint32_t bucket = bucket_of(acks, entry->id);
    node->chain = acks->buckets[bucket];
    acks->buckets[bucket] = index;
    node->older = acks->newest;
    node->newer = NONE;
    if (acks->newest != NONE)
        acks->nodes[acks->newest].newer = index;
    else
        acks->oldest = index;
    acks->newest = index;
    node->place = NONE;
    if (entry->deadline_us != AIVO_NEVER) {
        put(acks, acks->heap_len++, index);
        sift_up(acks, node->place);
    }
    acks->count++;
    return true;
}

bool aivo_acks_add(struct aivo_acks *acks, struct aivo_ack *entry)
{
    entry->id = acks->next_id;
    if (!aivo_acks_restore(acks, entry))
        return false;
    acks->next_id++;
    return true;
}

/* Takes the node out of all three orders and frees it. */
static void take(struct aivo_acks *acks, uint32_t index, struct aivo_ack *out)
{
    struct node *node = &acks->nodes[index];
    *out = node->entry;
    heap_remove(acks, index);
    for (uint32_t *link = &acks->buckets[bucket_of(acks, node->entry.id)];; link = &acks->nodes[*link].chain) {
        if (*link == index) {
            *link = node->chain;
            break;
        }
    }
    if (node->older != NONE)
        acks->nodes[node->older].newer = node->newer;
    else
        acks->oldest = node->newer;
    if (node->newer != NONE)
        acks->nodes[node->newer].older = node->older;
    else
        acks->newest = node->older;
    node->chain = acks->free;
    acks->free = index;
    acks->count--;
}

bool aivo_acks_take(struct aivo_acks *acks, uint64_t id, struct aivo_ack *out)
{
    for (uint32_t i = acks->buckets[bucket_of(acks, id)]; i != NONE; i = acks->nodes[i].chain) {
        if (acks->nodes[i].entry.id == id) {
            take(acks, i, out);
            return true;
        }
    }
    return false;
}

bool aivo_acks_expire(struct aivo_acks *acks, int64_t now_us, struct aivo_ack *out)
{
    if (aivo_acks_deadline(acks) > now_us || acks->heap_len == 0)
        return false;
    take(acks, acks->heap[0], out);
    return true;
}

bool aivo_acks_drain(struct aivo_acks *acks, struct aivo_ack *out)
{
    if (acks->oldest == NONE)
        return false;
    take(acks, acks->oldest, out);
    return true;
}

int64_t aivo_acks_deadline(const struct aivo_acks *acks)
{
    return acks->heap_len ? acks->nodes[acks->heap[0]].entry.deadline_us : AIVO_NEVER;
}

size_t aivo_acks_count(const struct aivo_acks *acks)
{
    return acks->count;
}
