/* Acknowledgement ids and their deadlines. One table a connection; ids are never reused within a client's life. */
#ifndef AIVO_CORE_ACK_H
#define AIVO_CORE_ACK_H

#include "instant.h"
#include <stdbool.h>
#include <stddef.h>

#define AIVO_ACK_MAX 65536 /* waiting at once */

/* What waits for an answer; the owner says what the fields mean. */
struct aivo_ack {
    uint64_t id;
    int64_t deadline_us; /* AIVO_NEVER: none */
    int64_t sent_us;
    void (*fn)(void); /* the caller's callback, cast back by the owner */
    void *user;
    uint64_t cookie; /* e.g. a queue row */
    int kind;
};

struct aivo_acks;
struct aivo_acks *aivo_acks_create(void); /* NULL: no memory */
void aivo_acks_destroy(struct aivo_acks *acks);
/* Assigns the next id, copies the entry. false: the table is full or memory is out. O(1) amortized. */
bool aivo_acks_add(struct aivo_acks *acks, struct aivo_ack *entry);
/* Gives back what was taken out, under its own id. false: as above. */
bool aivo_acks_restore(struct aivo_acks *acks, const struct aivo_ack *entry);
/* Takes an entry out by its id. false: unknown (late, duplicate or forged). O(1). */
bool aivo_acks_take(struct aivo_acks *acks, uint64_t id, struct aivo_ack *out);
/* Takes out one entry whose deadline has passed, in order of deadline; false: none (left). */
bool aivo_acks_expire(struct aivo_acks *acks, int64_t now_us, struct aivo_ack *out);
/* Takes out any one entry, oldest first; false: empty. For a lost connection. */
bool aivo_acks_drain(struct aivo_acks *acks, struct aivo_ack *out);
int64_t aivo_acks_deadline(const struct aivo_acks *acks); /* AIVO_NEVER: none. O(log n) or better */
size_t aivo_acks_count(const struct aivo_acks *acks);

#endif
