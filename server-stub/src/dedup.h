/*
 * Messages that carry a messageId are handled once per user within SRV_DEDUP_TTL_MS: a repeat gets the stored ack, and
 * a repeat that comes while the first is being handled waits for its ack. Pure.
 *
 * Bounds: SRV_DEDUP_MAX_ENTRIES and SRV_DEDUP_MAX_BYTES for all users together; the oldest is forgotten first, so a
 * very late repeat may be handled twice. An id is at most SRV_DEDUP_MAX_ID bytes (a longer one is not remembered), an
 * ack at most SRV_DEDUP_MAX_ACK, and at most SRV_DEDUP_MAX_WAITERS wait for one ack.
 */
#ifndef SRV_DEDUP_H
#define SRV_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_DEDUP_TTL_MS      (10 * 60 * 1000)
#define SRV_DEDUP_MAX_ENTRIES 65536
#define SRV_DEDUP_MAX_BYTES   ((size_t)64 * 1024 * 1024)
#define SRV_DEDUP_MAX_ID      128
#define SRV_DEDUP_MAX_ACK     65536
#define SRV_DEDUP_MAX_WAITERS 16

struct srv_dedup_entry;

struct srv_dedup {
    struct srv_dedup_entry **table;
    size_t table_size, count, bytes;
    struct srv_dedup_entry *oldest, *newest;
    uint64_t seed;
};

enum srv_dedup_verdict {
    SRV_DEDUP_NEW,     /* handle it, then tell srv_dedup_done() or srv_dedup_forget() */
    SRV_DEDUP_REPEAT,  /* *ack is the answer */
    SRV_DEDUP_PENDING, /* the first is still being handled: srv_dedup_wait() */
    SRV_DEDUP_UNKNOWN, /* cannot be remembered (too long, no memory): handle it */
};

void srv_dedup_init(struct srv_dedup *d, uint64_t seed);
void srv_dedup_free(struct srv_dedup *d);
size_t srv_dedup_size(const struct srv_dedup *d);

/* *entry is filled for NEW and PENDING; ack (borrowed until the next call) for REPEAT. */
enum srv_dedup_verdict srv_dedup_begin(struct srv_dedup *d, const char *user, const char *id, size_t id_len,
                                       uint64_t now_ms, struct srv_dedup_entry **entry, const char **ack,
                                       size_t *ack_len);
/* false: too many wait already. */
bool srv_dedup_wait(struct srv_dedup_entry *entry, void *waiter, uint64_t ack_id);
/* A waiter that no longer exists. */
void srv_dedup_unwait(struct srv_dedup_entry *entry, const void *waiter);
/* Calls tell for each waiter, in order, and keeps the ack. */
void srv_dedup_done(struct srv_dedup *d, struct srv_dedup_entry *entry, const char *ack, size_t len,
                    void (*tell)(void *context, void *waiter, uint64_t ack_id), void *context);
/* Whose message it is, and which. */
void srv_dedup_key(const struct srv_dedup_entry *entry, const char **user, const char **id, size_t *id_len);
/* Is it claimed for this instance where all instances see it? False at first. */
void srv_dedup_set_shared(struct srv_dedup_entry *entry);
bool srv_dedup_is_shared(const struct srv_dedup_entry *entry);
/* The message was not handled after all: the next one counts as the first. Waiters are told as by done. */
void srv_dedup_forget(struct srv_dedup *d, struct srv_dedup_entry *entry,
                      void (*tell)(void *context, void *waiter, uint64_t ack_id), void *context);

#endif
