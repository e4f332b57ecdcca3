/*
 * What waits to be written to one connection: ready WebSocket frames, back to back, so that all that became ready in
 * one turn of the loop is one write. Frames that go to many connections are encoded once and shared. A polling session
 * has the same queue; its payload is made from the frames when a request is there to carry it.
 *
 * Bounds: the queue itself has none; its owner compares bytes with its own limit after adding. A small frame costs its
 * own bytes, a shared one beyond SRV_OUTQ_COPY_MAX a reference. Memory comes from a pool of three sizes that keeps at
 * most SRV_POOL_KEEP_BYTES for itself.
 */
#ifndef SRV_OUTQ_H
#define SRV_OUTQ_H

#include "buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_OUTQ_COPY_MAX   2048 /* a shared frame up to this size is copied: cheaper than a reference */
#define SRV_FRAME_HEADER    10   /* the longest header of an unmasked frame */
#define SRV_POOL_CLASSES    3
#define SRV_POOL_KEEP_BYTES (4u * 1024 * 1024) /* of free chunks */

struct srv_chunk;

struct srv_pool {
    struct srv_chunk *free[SRV_POOL_CLASSES];
    size_t kept_bytes;
};

/* A frame for many receivers. */
struct srv_frame {
    uint32_t references;
    uint32_t len;
    bool binary;
    unsigned char data[]; /* header and payload */
};

struct srv_outq {
    struct srv_chunk *head, *tail;
    size_t bytes; /* still to be written */
};

void srv_pool_init(struct srv_pool *pool);
void srv_pool_free(struct srv_pool *pool);

/* Writes an unmasked, unfragmented frame's header; returns its length. */
size_t srv_frame_header(unsigned char out[SRV_FRAME_HEADER], size_t len, bool binary);
/* NULL without memory. The caller has one reference. */
struct srv_frame *srv_frame_new(const void *payload, size_t len, bool binary);
void srv_frame_release(struct srv_frame *frame);

/* false: no memory; nothing was added. */
bool srv_outq_add(struct srv_outq *q, struct srv_pool *pool, const void *payload, size_t len, bool binary);
bool srv_outq_add_shared(struct srv_outq *q, struct srv_pool *pool, struct srv_frame *frame);
/* Moves up to max bytes of frames to out; returns how many. */
size_t srv_outq_take(struct srv_outq *q, struct srv_pool *pool, unsigned char *out, size_t max);
/* Moves everything into a polling payload (0x1e between packets, binary as 'b' and base64). Nothing may have been
 * taken from within the first frame. false: no memory (payload->failed). */
bool srv_outq_take_payload(struct srv_outq *q, struct srv_pool *pool, struct aivo_buf *payload);
/* Drops all but the rest of a frame whose beginning was taken: what is written next must not land inside it. */
void srv_outq_keep_begun(struct srv_outq *q, struct srv_pool *pool);
void srv_outq_clear(struct srv_outq *q, struct srv_pool *pool);

#endif
