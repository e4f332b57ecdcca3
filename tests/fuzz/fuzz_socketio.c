/* Socket.IO: the input is a sequence of messages, separated by 0xff (which no UTF-8 text holds); the first byte of
 * each says text ('T') or binary. All are fed to one assembler. A packet that comes out is the same after encoding
 * and decoding again, and its event can be written anew. */
#include "fuzz.h"
#include "socketio.h"
#include <string.h>

#define MAX_BYTES 4096

static bool same(const void *a, const void *b, size_t len)
{
    return !len || memcmp(a, b, len) == 0;
}

static void check_bounds(const struct aivo_sio_packet *p)
{
    bool binary = p->type == AIVO_SIO_BINARY_EVENT || p->type == AIVO_SIO_BINARY_ACK;
    bool event = p->type == AIVO_SIO_EVENT || p->type == AIVO_SIO_BINARY_EVENT;
    bool ack = p->type == AIVO_SIO_ACK || p->type == AIVO_SIO_BINARY_ACK;
    CHECK(binary == (p->attachments > 0) && p->attachments <= AIVO_SIO_MAX_ATTACHMENTS);
    CHECK(p->nsp_len >= 1 && p->nsp_len <= AIVO_SIO_MAX_NAMESPACE && p->nsp[0] == '/');
    CHECK(!p->has_id || p->id <= 9007199254740992u);
    CHECK(!ack || p->has_id);
    CHECK((!event && !ack) || p->data.type == AIVO_JSON_ARRAY);
    CHECK(!binary || aivo_sio_count_placeholders(&p->data) == (int)p->attachments);
}

static void check_again(const struct aivo_sio_packet *p)
{
    struct aivo_sio_packet q;
    struct aivo_buf first, second;
    aivo_buf_init(&first);
    aivo_buf_init(&second);
    aivo_sio_encode(&first, p);
    CHECK(aivo_sio_decode(first.data, first.len, &q) == AIVO_SIO_OK);
    CHECK(q.type == p->type && q.attachments == p->attachments && q.has_id == p->has_id && q.id == p->id);
    CHECK(q.nsp_len == p->nsp_len && same(q.nsp, p->nsp, p->nsp_len));
    CHECK(q.data.type == p->data.type && q.data.len == p->data.len && same(q.data.text, p->data.text, p->data.len));
    aivo_sio_encode(&second, &q);
    CHECK(first.len == second.len && same(first.data, second.data, first.len));
    aivo_buf_free(&first);
    aivo_buf_free(&second);
}

/* Writes an event whose arguments are the packet's array. */
static void check_event_data(const struct aivo_sio_packet *p, const char *name, size_t name_len)
{
    struct aivo_buf out, plain;
    size_t pos = 0;
    if (p->data.type != AIVO_JSON_ARRAY)
        return;
    aivo_buf_init(&out);
    aivo_buf_init(&plain);
    aivo_sio_encode_event_data(&out, name, name_len, p->data.text, p->data.len);
    struct aivo_json value = aivo_json_parse(out.data, out.len, NULL);
    CHECK(value.type == AIVO_JSON_ARRAY && aivo_json_count(&value) == aivo_json_count(&p->data) + 1);
    struct aivo_json event = aivo_json_next(&value, &pos);
    CHECK(aivo_json_string(&event, &plain));
    if (aivo_utf8_valid(name, name_len))
        CHECK(plain.len == name_len && same(plain.data, name, name_len));
    aivo_buf_free(&out);
    aivo_buf_free(&plain);
}

static void check_message(const struct aivo_sio_message *m)
{
    size_t total = 0;
    check_bounds(&m->packet);
    check_again(&m->packet);
    check_event_data(&m->packet, m->packet.nsp, m->packet.nsp_len);
    for (unsigned i = 0; i < m->packet.attachments; i++) {
        CHECK(m->attachments[i].data);
        total += m->attachments[i].len;
    }
    CHECK(total <= MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aivo_sio_assembler a;
    const uint8_t *p = data, *end = data + size;
    aivo_sio_assembler_init(&a, MAX_BYTES);
    while (p < end) {
        struct aivo_sio_message m;
        bool complete, busy = aivo_sio_assembler_busy(&a);
        const uint8_t *stop = memchr(p, 0xff, (size_t)(end - p));
        size_t len = (size_t)((stop ? stop : end) - p);
        if (len) {
            /* an exact block of its own: what is read behind it is seen, and what is kept of it is too */
            char *message = malloc(len);
            CHECK(message);
            memcpy(message, p, len);
            enum aivo_sio_error error = message[0] == 'T'
                                            ? aivo_sio_assemble_text(&a, message + 1, len - 1, &m, &complete)
                                            : aivo_sio_assemble_binary(&a, message + 1, len - 1, &m, &complete);
            CHECK(error == AIVO_SIO_OK || !complete);
            CHECK(error == AIVO_SIO_OK || !aivo_sio_assembler_busy(&a));
            CHECK(!busy || message[0] != 'T' || error == AIVO_SIO_E_UNEXPECTED);
            if (complete)
                check_message(&m);
            free(message);
        }
        p = stop ? stop + 1 : end;
    }
    aivo_sio_assembler_free(&a);
    return 0;
}
