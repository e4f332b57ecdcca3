/* Engine.IO: the first byte chooses between frame, payload, handshake and base64; the rest is the input. What is
 * decoded is the same after encoding and decoding again. */
#include "engineio.h"
#include "fuzz.h"
#include <string.h>

static void check_frame(const char *text, size_t len)
{
    struct aivo_eio_packet p;
    struct aivo_buf out;
    if (aivo_eio_decode(text, len, &p) != AIVO_EIO_OK)
        return;
    aivo_buf_init(&out);
    aivo_eio_encode(&out, p.type, p.data, p.len);
    CHECK(out.len == len && memcmp(out.data, text, len) == 0);
    aivo_buf_free(&out);
}

/* Writes a payload's packets as a payload again; how many there were, and whether it ended well. */
static size_t rewrite(const char *text, size_t len, struct aivo_buf *out, enum aivo_eio_error *error)
{
    struct aivo_eio_packet p;
    struct aivo_buf scratch;
    size_t pos = 0, count = 0;
    aivo_buf_init(&scratch);
    while (aivo_eio_payload_next(text, len, &pos, &scratch, &p, error)) {
        CHECK(!p.binary || p.type == AIVO_EIO_MESSAGE);
        aivo_eio_payload_add(out, &p);
        count++;
    }
    aivo_buf_free(&scratch);
    return count;
}

static void check_payload(const char *text, size_t len)
{
    struct aivo_buf first, second;
    enum aivo_eio_error error;
    aivo_buf_init(&first);
    aivo_buf_init(&second);
    size_t count = rewrite(text, len, &first, &error);
    CHECK(count <= AIVO_EIO_MAX_PACKETS);
    if (error == AIVO_EIO_OK)
        CHECK(count > 0);
    if (count) {
        CHECK(rewrite(first.data, first.len, &second, &error) == count && error == AIVO_EIO_OK);
        CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    }
    aivo_buf_free(&first);
    aivo_buf_free(&second);
}

static void check_handshake(const char *text, size_t len)
{
    struct aivo_eio_handshake a, b;
    struct aivo_buf out;
    if (aivo_eio_handshake_decode(text, len, &a) != AIVO_EIO_OK)
        return;
    aivo_buf_init(&out);
    aivo_eio_handshake_encode(&out, &a);
    CHECK(aivo_eio_handshake_decode(out.data, out.len, &b) == AIVO_EIO_OK);
    CHECK(strcmp(a.sid, b.sid) == 0 && a.can_upgrade == b.can_upgrade && a.max_payload == b.max_payload);
    CHECK(a.ping_interval_ms == b.ping_interval_ms && a.ping_timeout_ms == b.ping_timeout_ms);
    aivo_buf_free(&out);
}

static void check_base64(const char *text, size_t len)
{
    struct aivo_buf bytes, out;
    aivo_buf_init(&bytes);
    aivo_buf_init(&out);
    if (aivo_base64_decode(&bytes, text, len)) {
        aivo_base64_encode(&out, bytes.data, bytes.len);
        CHECK(out.len >= len && out.len - len <= 2 && (!len || memcmp(out.data, text, len) == 0));
    }
    aivo_buf_clear(&bytes);
    aivo_buf_clear(&out);
    aivo_base64_encode(&out, text, len);
    CHECK(aivo_base64_decode(&bytes, out.data, out.len));
    CHECK(bytes.len == len && (!len || memcmp(bytes.data, text, len) == 0));
    aivo_buf_free(&bytes);
    aivo_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0]) {
    case 'F':
        check_frame(text, size - 1);
        break;
    case 'P':
        check_payload(text, size - 1);
        break;
    case 'H':
        check_handshake(text, size - 1);
        break;
    case 'B':
        check_base64(text, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
