#include "outq.h"
#include "engineio.h"
#include <stdlib.h>
#include <string.h>

struct srv_chunk {
    struct srv_chunk *next;
    struct srv_frame *shared; /* the bytes are this frame's; then there are no own ones */
    uint32_t start, end, cap; /* of the bytes that wait */
    uint8_t size_class;       /* SRV_POOL_CLASSES: not from the pool */
    unsigned char data[];
};

static const uint32_t class_bytes[SRV_POOL_CLASSES] = {512, 4096, 16384}; /* of a chunk with its head */

void srv_pool_init(struct srv_pool *pool)
{
    memset(pool, 0, sizeof *pool);
}

void srv_pool_free(struct srv_pool *pool)
{
    for (int i = 0; i < SRV_POOL_CLASSES; i++)
        while (pool->free[i]) {
            struct srv_chunk *chunk = pool->free[i];
            pool->free[i] = chunk->next;
            free(chunk);
        }
    pool->kept_bytes = 0;
}

/* A chunk with room for need bytes, of class wanted if that is large enough. */
static struct srv_chunk *chunk_new(struct srv_pool *pool, size_t need, unsigned wanted)
{
    unsigned c = wanted;
    while (c < SRV_POOL_CLASSES && class_bytes[c] - sizeof(struct srv_chunk) < need)
        c++;
    struct srv_chunk *chunk;
    if (c < SRV_POOL_CLASSES && pool->free[c]) {
        chunk = pool->free[c];
        pool->free[c] = chunk->next;
        pool->kept_bytes -= class_bytes[c];
    } else {
        size_t size = c < SRV_POOL_CLASSES ? class_bytes[c] : sizeof *chunk + need;
        if (size - sizeof *chunk > UINT32_MAX)
            return NULL;
        chunk = malloc(size);
        if (!chunk)
            return NULL;
        chunk->cap = (uint32_t)(size - sizeof *chunk);
        chunk->size_class = (uint8_t)c;
    }
    chunk->next = NULL;
    chunk->shared = NULL;
    chunk->start = chunk->end = 0;
    return chunk;
}

static void chunk_free(struct srv_pool *pool, struct srv_chunk *chunk)
{
    if (chunk->shared)
        srv_frame_release(chunk->shared);
    unsigned c = chunk->size_class;
    if (c >= SRV_POOL_CLASSES || pool->kept_bytes + class_bytes[c] > SRV_POOL_KEEP_BYTES) {
        free(chunk);
        return;
    }
    chunk->next = pool->free[c];
    pool->free[c] = chunk;
    pool->kept_bytes += class_bytes[c];
}

size_t srv_frame_header(unsigned char out[SRV_FRAME_HEADER], size_t len, bool binary)
{
    out[0] = binary ? 0x82 : 0x81;
    if (len < 126) {
        out[1] = (unsigned char)len;
        return 2;
    }
    if (len < 65536) {
        out[1] = 126;
        out[2] = (unsigned char)(len >> 8);
        out[3] = (unsigned char)len;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    return 10;
}

struct srv_frame *srv_frame_new(const void *payload, size_t len, bool binary)
{
    if (len > UINT32_MAX - SRV_FRAME_HEADER)
        return NULL;
    struct srv_frame *frame = malloc(sizeof *frame + SRV_FRAME_HEADER + len);
    if (!frame)
        return NULL;
    size_t header = srv_frame_header(frame->data, len, binary);
    if (len)
        memcpy(frame->data + header, payload, len);
    frame->references = 1;
    frame->len = (uint32_t)(header + len);
    frame->binary = binary;
    return frame;
}

void srv_frame_release(struct srv_frame *frame)
{
    if (frame && --frame->references == 0)
        free(frame);
}

static void append(struct srv_outq *q, struct srv_chunk *chunk)
{
    if (q->tail)
        q->tail->next = chunk;
    else
        q->head = chunk;
    q->tail = chunk;
}

/* Room for a whole frame at the end of the queue: a frame never lies across two chunks. */
static unsigned char *reserve(struct srv_outq *q, struct srv_pool *pool, size_t need)
{
    struct srv_chunk *tail = q->tail;
    if (!tail || tail->shared || tail->cap - tail->end < need) {
        unsigned wanted = tail ? tail->size_class + 1u : 0; /* the more waits, the larger the next chunk */
        if (wanted >= SRV_POOL_CLASSES)
            wanted = SRV_POOL_CLASSES - 1;
        tail = chunk_new(pool, need, wanted);
        if (!tail)
            return NULL;
        append(q, tail);
    }
    return tail->data + tail->end;
}

bool srv_outq_add(struct srv_outq *q, struct srv_pool *pool, const void *payload, size_t len, bool binary)
{
    unsigned char header[SRV_FRAME_HEADER];
    size_t header_len = srv_frame_header(header, len, binary);
    unsigned char *p = reserve(q, pool, header_len + len);
    if (!p)
        return false;
    memcpy(p, header, header_len);
    if (len)
        memcpy(p + header_len, payload, len);
    q->tail->end += (uint32_t)(header_len + len);
    q->bytes += header_len + len;
    return true;
}

bool srv_outq_add_shared(struct srv_outq *q, struct srv_pool *pool, struct srv_frame *frame)
{
    if (frame->len <= SRV_OUTQ_COPY_MAX) {
        unsigned char *p = reserve(q, pool, frame->len);
        if (!p)
            return false;
        memcpy(p, frame->data, frame->len);
        q->tail->end += frame->len;
    } else {
        struct srv_chunk *chunk = chunk_new(pool, 0, 0);
        if (!chunk)
            return false;
        chunk->shared = frame;
        chunk->end = frame->len;
        frame->references++;
        append(q, chunk);
    }
    q->bytes += frame->len;
    return true;
}

static const unsigned char *bytes_of(const struct srv_chunk *chunk)
{
    return (chunk->shared ? chunk->shared->data : chunk->data) + chunk->start;
}

static void drop_head(struct srv_outq *q, struct srv_pool *pool)
{
    struct srv_chunk *chunk = q->head;
    q->head = chunk->next;
    if (!q->head)
        q->tail = NULL;
    chunk_free(pool, chunk);
}

size_t srv_outq_take(struct srv_outq *q, struct srv_pool *pool, unsigned char *out, size_t max)
{
    size_t taken = 0;
    while (q->head && taken < max) {
        struct srv_chunk *chunk = q->head;
        size_t n = chunk->end - chunk->start;
        if (n > max - taken)
            n = max - taken;
        memcpy(out + taken, bytes_of(chunk), n);
        taken += n;
        chunk->start += (uint32_t)n;
        if (chunk->start < chunk->end)
            break;
        drop_head(q, pool);
    }
    q->bytes -= taken;
    return taken;
}

/* The lengths of the frame at p. Frames are our own: they need no checks. */
static size_t frame_header(const unsigned char *p, size_t *payload_len)
{
    size_t len = p[1], header = 2;
    if (len == 126) {
        header = 4;
        len = (size_t)p[2] << 8 | p[3];
    } else if (len == 127) {
        header = 10;
        len = 0;
        for (int i = 2; i < 10; i++)
            len = len << 8 | p[i];
    }
    *payload_len = len;
    return header;
}

/* Appends the frame at p to the payload; returns its length. */
static size_t frame_to_packet(const unsigned char *p, struct aivo_buf *payload)
{
    size_t len, header = frame_header(p, &len);
    if (payload->len)
        aivo_buf_char(payload, AIVO_EIO_SEPARATOR);
    if (p[0] == 0x82) {
        aivo_buf_char(payload, 'b');
        aivo_base64_encode(payload, p + header, len);
    } else {
        aivo_buf_add(payload, p + header, len);
    }
    return header + len;
}

bool srv_outq_take_payload(struct srv_outq *q, struct srv_pool *pool, struct aivo_buf *payload)
{
    while (q->head) {
        const unsigned char *p = bytes_of(q->head);
        size_t left = q->head->end - q->head->start;
        while (left) {
            size_t n = frame_to_packet(p, payload);
            p += n;
            left -= n;
        }
        drop_head(q, pool);
    }
    q->bytes = 0;
    return !payload->failed;
}

void srv_outq_keep_begun(struct srv_outq *q, struct srv_pool *pool)
{
    struct srv_chunk *head = q->head;
    if (!head)
        return;
    /* A chunk begins with a frame, and holds whole ones. */
    const unsigned char *first = head->shared ? head->shared->data : head->data;
    size_t at = 0, len;
    while (at < head->start) {
        at += frame_header(first + at, &len);
        at += len;
    }
    if (at == head->start) {
        srv_outq_clear(q, pool);
        return;
    }
    while (head->next) {
        struct srv_chunk *next = head->next;
        head->next = next->next;
        chunk_free(pool, next);
    }
    q->tail = head;
    head->end = (uint32_t)at;
    q->bytes = head->end - head->start;
}

void srv_outq_clear(struct srv_outq *q, struct srv_pool *pool)
{
    while (q->head)
        drop_head(q, pool);
    q->bytes = 0;
}
