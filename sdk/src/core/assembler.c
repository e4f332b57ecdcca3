/* Collects a binary packet's frames. */
#include "socketio.h"

#include <string.h>

void aivo_sio_assembler_init(struct aivo_sio_assembler *a, size_t max_bytes)
{
    memset(a, 0, sizeof(*a));
    aivo_buf_init(&a->head);
    aivo_buf_init(&a->bytes);
    a->max_bytes = max_bytes;
}

void aivo_sio_assembler_free(struct aivo_sio_assembler *a)
{
    aivo_buf_free(&a->head);
    aivo_buf_free(&a->bytes);
    a->expected = a->received = 0;
}

/* One large message must not hold its memory for the rest of the connection. */
#define KEEP_BYTES 65536

static void empty(struct aivo_buf *b)
{
    if (b->cap > KEEP_BYTES)
        aivo_buf_free(b);
    else
        aivo_buf_clear(b);
}

void aivo_sio_assembler_reset(struct aivo_sio_assembler *a)
{
    empty(&a->head);
    empty(&a->bytes);
    a->expected = a->received = 0;
}

bool aivo_sio_assembler_busy(const struct aivo_sio_assembler *a)
{
    return a->received < a->expected;
}

static enum aivo_sio_error refuse(struct aivo_sio_assembler *a, enum aivo_sio_error error)
{
    aivo_sio_assembler_reset(a);
    return error;
}

enum aivo_sio_error aivo_sio_assemble_text(struct aivo_sio_assembler *a, const char *text, size_t len,
                                           struct aivo_sio_message *out, bool *complete)
{
    *complete = false;
    if (aivo_sio_assembler_busy(a))
        return refuse(a, AIVO_SIO_E_UNEXPECTED);
    enum aivo_sio_error error = aivo_sio_decode(text, len, &out->packet);
    if (error != AIVO_SIO_OK)
        return error;
    if (!out->packet.attachments) {
        *complete = true;
        return AIVO_SIO_OK;
    }
    aivo_sio_assembler_reset(a);
    if (len > a->max_bytes)
        return AIVO_SIO_E_TOO_LARGE;
    aivo_buf_add(&a->head, text, len);
    if (a->head.failed)
        return refuse(a, AIVO_SIO_E_MEMORY);
    a->expected = out->packet.attachments;
    return AIVO_SIO_OK;
}

enum aivo_sio_error aivo_sio_assemble_binary(struct aivo_sio_assembler *a, const void *data, size_t len,
                                             struct aivo_sio_message *out, bool *complete)
{
    *complete = false;
    if (!aivo_sio_assembler_busy(a))
        return AIVO_SIO_E_UNEXPECTED;
    if (len > a->max_bytes - a->head.len - a->bytes.len) /* never negative: what is held is within the bound */
        return refuse(a, AIVO_SIO_E_TOO_LARGE);
    aivo_buf_add(&a->bytes, data, len);
    if (a->bytes.failed)
        return refuse(a, AIVO_SIO_E_MEMORY);
    a->ends[a->received++] = a->bytes.len;
    if (a->received < a->expected)
        return AIVO_SIO_OK;
    enum aivo_sio_error error = aivo_sio_decode(a->head.data, a->head.len, &out->packet);
    if (error != AIVO_SIO_OK) /* it was decoded when it came, so this cannot be */
        return refuse(a, error);
    size_t start = 0;
    for (unsigned i = 0; i < a->received; i++) {
        out->attachments[i] = (struct aivo_bytes){a->bytes.data + start, a->ends[i] - start};
        start = a->ends[i];
    }
    *complete = true;
    return AIVO_SIO_OK;
}
