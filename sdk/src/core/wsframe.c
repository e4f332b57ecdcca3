#include "wsframe.h"

#include "json.h"
#include "utf8.h"
#include <string.h>

#define KEEP_BYTES 16384 /* memory that a reader keeps between messages */

static void mask_bytes(char *out, const char *in, size_t len, const uint8_t mask[4])
{
    uint64_t wide = 0, word;
    for (int i = 0; i < 8; i++)
        ((uint8_t *)&wide)[i] = mask[i & 3];
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, in + i, 8);
        word ^= wide;
        memcpy(out + i, &word, 8);
    }
    for (; i < len; i++)
        out[i] = (char)((uint8_t)in[i] ^ mask[i & 3]);
}

void aivo_ws_frame(struct aivo_buf *out, enum aivo_ws_opcode opcode, const char *data, size_t len,
                   const uint8_t mask[4])
{
    if (len > SIZE_MAX - AIVO_WS_FRAME_EXTRA || !aivo_buf_reserve(out, len + AIVO_WS_FRAME_EXTRA)) {
        out->failed = true;
        return;
    }
    uint8_t *p = (uint8_t *)out->data + out->len;
    size_t n = 2;
    p[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        p[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        p[1] = 0x80 | 126;
        p[n++] = (uint8_t)(len >> 8);
        p[n++] = (uint8_t)len;
    } else {
        p[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            p[n++] = (uint8_t)((uint64_t)len >> shift);
    }
    memcpy(p + n, mask, 4);
    mask_bytes((char *)p + n + 4, data, len, mask);
    out->len += n + 4 + len;
    out->data[out->len] = 0;
}

size_t aivo_ws_close_payload(char out[AIVO_WS_CONTROL_MAX], uint16_t code, const char *reason)
{
    if (code == 0)
        return 0;
    out[0] = (char)(code >> 8);
    out[1] = (char)code;
    size_t n = reason ? strlen(reason) : 0, room = AIVO_WS_CONTROL_MAX - 2;
    if (n > room)
        for (n = room; n > 0 && aivo_utf8_tail((unsigned char)reason[n]); n--)
            ;
    if (n > 0)
        memcpy(out + 2, reason, n);
    return n + 2;
}

void aivo_ws_reader_free(struct aivo_ws_reader *r)
{
    aivo_buf_free(&r->message);
}

static size_t fail(struct aivo_ws_reader *r, struct aivo_ws_event *out, uint16_t code, const char *error)
{
    r->broken = true;
    *out = (struct aivo_ws_event){.found = AIVO_WS_FOUND_ERROR, .code = code, .error = error};
    return 0;
}

/* What the first two bytes may be in this state; NULL if they are fine. */
static const char *head_error(const struct aivo_ws_reader *r, uint8_t first, uint8_t second)
{
    uint8_t opcode = first & 0x0f;
    if (first & 0x70)
        return "a frame has reserved bits set";
    if (second & 0x80)
        return "a frame from the server is masked";
    if (opcode >= AIVO_WS_CLOSE) {
        if (opcode > AIVO_WS_PONG)
            return "a control frame has an unknown opcode";
        if (!(first & 0x80))
            return "a control frame is fragmented";
        if ((second & 0x7f) > AIVO_WS_CONTROL_MAX)
            return "a control frame is longer than 125 bytes";
        return NULL;
    }
    if (opcode > AIVO_WS_BINARY)
        return "a frame has an unknown opcode";
    if (opcode == AIVO_WS_CONTINUATION && !r->in_message)
        return "a continuation frame continues nothing";
    if (opcode != AIVO_WS_CONTINUATION && r->in_message)
        return "a new message begins inside a fragmented one";
    return NULL;
}

/* The header is complete: take it apart. Returns an error's text or NULL; *too_large tells that error. */
static const char *head_done(struct aivo_ws_reader *r, bool *too_large)
{
    const uint8_t *h = r->head;
    unsigned kind = h[1] & 0x7f;
    uint64_t len = kind;
    if (kind >= 126) {
        len = 0;
        for (unsigned i = 2; i < r->head_len; i++)
            len = len << 8 | h[i];
        if (len >> 63)
            return "a frame's length has its highest bit set";
        if (len < (kind == 126 ? 126u : 65536u))
            return "a frame's length is not in its shortest form";
    }
    r->opcode = h[0] & 0x0f;
    r->fin = h[0] & 0x80;
    r->left = len;
    r->in_payload = true;
    r->head_len = 0;
    if (r->opcode >= AIVO_WS_CLOSE) {
        r->control_len = 0;
        return NULL;
    }
    if (r->opcode != AIVO_WS_CONTINUATION) {
        r->in_message = true;
        r->binary = r->opcode == AIVO_WS_BINARY;
    }
    if (len > r->max_message || r->message.len > r->max_message - len) {
        *too_large = true;
        return "a message is larger than the limit";
    }
    return NULL;
}

static size_t head_need(const struct aivo_ws_reader *r)
{
    if (r->head_len < 2)
        return 2;
    unsigned kind = r->head[1] & 0x7f;
    return kind == 127 ? 10 : kind == 126 ? 4 : 2;
}

/* Reads header bytes; true once the payload begins. On an error out is filled. */
static bool read_head(struct aivo_ws_reader *r, const char *data, size_t len, size_t *pos, struct aivo_ws_event *out)
{
    while (r->head_len < head_need(r)) {
        if (*pos == len)
            return false;
        r->head[r->head_len++] = (uint8_t)data[(*pos)++];
        if (r->head_len == 2) {
            const char *error = head_error(r, r->head[0], r->head[1]);
            if (error) {
                fail(r, out, 1002, error);
                return false;
            }
        }
    }
    bool too_large = false;
    const char *error = head_done(r, &too_large);
    if (error)
        fail(r, out, too_large ? 1009 : 1002, error);
    return !error;
}

static void message_done(struct aivo_ws_reader *r, const char *data, size_t len, struct aivo_ws_event *out)
{
    r->in_message = false;
    if (!r->binary && !aivo_utf8_valid(data, len)) {
        fail(r, out, 1007, "a text message is not UTF-8");
        return;
    }
    *out = (struct aivo_ws_event){.found = AIVO_WS_FOUND_MESSAGE, .data = data, .len = len, .binary = r->binary};
}

static bool close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void control_done(struct aivo_ws_reader *r, struct aivo_ws_event *out)
{
    const char *data = r->control;
    size_t len = r->control_len;
    if (r->opcode != AIVO_WS_CLOSE) {
        *out = (struct aivo_ws_event){
            .found = r->opcode == AIVO_WS_PING ? AIVO_WS_FOUND_PING : AIVO_WS_FOUND_PONG, .data = data, .len = len};
        return;
    }
    unsigned code = 1005;
    if (len == 1) {
        fail(r, out, 1002, "a close frame has half a code");
        return;
    }
    if (len >= 2) {
        code = (unsigned)(uint8_t)data[0] << 8 | (uint8_t)data[1];
        data += 2;
        len -= 2;
        if (!close_code_valid(code)) {
            fail(r, out, 1002, "a close frame has a code that must not be sent");
            return;
        }
        if (!aivo_utf8_valid(data, len)) {
            fail(r, out, 1007, "a close frame's reason is not UTF-8");
            return;
        }
    }
    r->broken = true; /* nothing may follow */
    *out = (struct aivo_ws_event){.found = AIVO_WS_FOUND_CLOSE, .code = (uint16_t)code, .data = data, .len = len};
}

static void forget_delivered(struct aivo_ws_reader *r)
{
    r->delivered = false;
    if (r->message.cap > KEEP_BYTES)
        aivo_buf_free(&r->message);
    else
        aivo_buf_clear(&r->message);
}

size_t aivo_ws_read(struct aivo_ws_reader *r, const char *data, size_t len, struct aivo_ws_event *out)
{
    *out = (struct aivo_ws_event){.found = AIVO_WS_FOUND_NOTHING};
    size_t pos = 0;
    if (r->delivered)
        forget_delivered(r);
    while (!r->broken) {
        if (!r->in_payload && !read_head(r, data, len, &pos, out))
            return pos;
        size_t n = len - pos < r->left ? len - pos : (size_t)r->left;
        const char *part = data + pos;
        pos += n;
        r->left -= n;
        if (r->opcode >= AIVO_WS_CLOSE) {
            memcpy(r->control + r->control_len, part, n);
            r->control_len = (uint8_t)(r->control_len + n);
        } else if (r->left > 0 || !r->fin || r->message.len > 0) {
            aivo_buf_add(&r->message, part, n);
            if (r->message.failed) {
                fail(r, out, 1011, "out of memory for a message");
                return pos;
            }
        }
        if (r->left > 0)
            return pos;
        r->in_payload = false;
        if (r->opcode >= AIVO_WS_CLOSE) {
            control_done(r, out);
            return pos;
        }
        if (r->fin) {
            bool joined = r->message.len > 0;
            r->delivered = joined;
            message_done(r, joined ? r->message.data : part, joined ? r->message.len : n, out);
            return pos;
        }
    }
    return len;
}
