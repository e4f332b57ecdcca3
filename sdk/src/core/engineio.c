#include "engineio.h"

#include "json.h"
#include <string.h>

#define DAY_MS 86400000u

const char *aivo_eio_strerror(enum aivo_eio_error error)
{
    switch (error) {
    case AIVO_EIO_OK:
        return "success";
    case AIVO_EIO_E_EMPTY:
        return "empty packet";
    case AIVO_EIO_E_TYPE:
        return "unknown packet type";
    case AIVO_EIO_E_BASE64:
        return "binary packet that is not base64";
    case AIVO_EIO_E_UTF8:
        return "text that is not UTF-8";
    case AIVO_EIO_E_JSON:
        return "handshake that is not a JSON object";
    case AIVO_EIO_E_SID:
        return "handshake without a usable sid";
    case AIVO_EIO_E_INTERVAL:
        return "handshake without a usable pingInterval and pingTimeout";
    case AIVO_EIO_E_PAYLOAD:
        return "handshake with an unusable maxPayload";
    case AIVO_EIO_E_TOO_MANY:
        return "too many packets in a payload";
    case AIVO_EIO_E_MEMORY:
        return "out of memory";
    }
    return "unknown error";
}

enum aivo_eio_error aivo_eio_decode(const char *frame, size_t len, struct aivo_eio_packet *out)
{
    if (!len)
        return AIVO_EIO_E_EMPTY;
    if (frame[0] < '0' || frame[0] > '6')
        return AIVO_EIO_E_TYPE;
    if (!aivo_utf8_valid(frame + 1, len - 1))
        return AIVO_EIO_E_UTF8;
    *out = (struct aivo_eio_packet){(enum aivo_eio_type)(frame[0] - '0'), false, frame + 1, len - 1};
    return AIVO_EIO_OK;
}

void aivo_eio_encode(struct aivo_buf *out, enum aivo_eio_type type, const char *data, size_t len)
{
    if (!aivo_buf_reserve(out, len + 1))
        return;
    aivo_buf_char(out, (char)('0' + (int)type));
    aivo_buf_add(out, data, len);
}

/* Looks once, at the payload's start, so that a payload is refused before any of it has had an effect. */
static bool too_many(const char *payload, size_t len)
{
    size_t packets = 1;
    const char *p = payload, *end = payload + len;
    while (p < end && (p = memchr(p, AIVO_EIO_SEPARATOR, (size_t)(end - p)))) {
        if (++packets > AIVO_EIO_MAX_PACKETS)
            return true;
        p++;
    }
    return false;
}

static enum aivo_eio_error decode_binary(const char *text, size_t len, struct aivo_buf *scratch,
                                         struct aivo_eio_packet *out)
{
    aivo_buf_clear(scratch);
    if (!aivo_base64_decode(scratch, text, len))
        return scratch->failed ? AIVO_EIO_E_MEMORY : AIVO_EIO_E_BASE64;
    *out = (struct aivo_eio_packet){AIVO_EIO_MESSAGE, true, scratch->data, scratch->len};
    return AIVO_EIO_OK;
}

/* *pos is where the next packet begins; len + 1 once the last has been taken (len is the empty packet behind a
 * separator at the end, or an empty payload). An error leaves *pos, so that asking again gives it again. */
bool aivo_eio_payload_next(const char *payload, size_t len, size_t *pos, struct aivo_buf *scratch,
                           struct aivo_eio_packet *out, enum aivo_eio_error *error)
{
    *error = AIVO_EIO_OK;
    if (*pos > len)
        return false;
    if (*pos == 0 && too_many(payload, len)) {
        *error = AIVO_EIO_E_TOO_MANY;
        return false;
    }
    const char *start = len ? payload + *pos : payload;
    size_t left = len - *pos;
    const char *stop = left ? memchr(start, AIVO_EIO_SEPARATOR, left) : NULL;
    size_t size = stop ? (size_t)(stop - start) : left;
    if (size && *start == 'b')
        *error = decode_binary(start + 1, size - 1, scratch, out);
    else
        *error = aivo_eio_decode(start, size, out);
    if (*error != AIVO_EIO_OK)
        return false;
    *pos += size + 1;
    return true;
}

void aivo_eio_payload_add(struct aivo_buf *payload, const struct aivo_eio_packet *packet)
{
    if (payload->len)
        aivo_buf_char(payload, AIVO_EIO_SEPARATOR);
    if (packet->binary) {
        aivo_buf_char(payload, 'b');
        aivo_base64_encode(payload, packet->data, packet->len);
    } else {
        aivo_eio_encode(payload, packet->type, packet->data, packet->len);
    }
}

static bool interval(const struct aivo_json *object, const char *key, uint32_t *out)
{
    struct aivo_json value = aivo_json_get(object, key);
    uint64_t ms;
    if (!aivo_json_u64(&value, &ms) || ms == 0 || ms > DAY_MS)
        return false;
    *out = (uint32_t)ms;
    return true;
}

enum aivo_eio_error aivo_eio_handshake_decode(const char *json, size_t len, struct aivo_eio_handshake *out)
{
    struct aivo_json object = aivo_json_parse(json, len, NULL);
    if (object.type != AIVO_JSON_OBJECT)
        return AIVO_EIO_E_JSON;
    struct aivo_eio_handshake h = {.can_upgrade = false};
    struct aivo_json sid = aivo_json_get(&object, "sid");
    if (!aivo_json_string_copy(&sid, h.sid, sizeof(h.sid)) || !h.sid[0])
        return AIVO_EIO_E_SID;
    if (!interval(&object, "pingInterval", &h.ping_interval_ms) ||
        !interval(&object, "pingTimeout", &h.ping_timeout_ms))
        return AIVO_EIO_E_INTERVAL;
    struct aivo_json max = aivo_json_get(&object, "maxPayload");
    if (max.type != AIVO_JSON_NONE && (!aivo_json_u64(&max, &h.max_payload) || !h.max_payload))
        return AIVO_EIO_E_PAYLOAD;
    struct aivo_json upgrades = aivo_json_get(&object, "upgrades"), upgrade;
    for (size_t pos = 0; (upgrade = aivo_json_next(&upgrades, &pos)).type != AIVO_JSON_NONE;)
        if (aivo_json_string_is(&upgrade, "websocket"))
            h.can_upgrade = true;
    *out = h;
    return AIVO_EIO_OK;
}

void aivo_eio_handshake_encode(struct aivo_buf *out, const struct aivo_eio_handshake *handshake)
{
    aivo_buf_str(out, "{\"sid\":");
    aivo_json_write_string(out, handshake->sid, strnlen(handshake->sid, sizeof(handshake->sid)));
    aivo_buf_str(out, handshake->can_upgrade ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]");
    aivo_buf_str(out, ",\"pingInterval\":");
    aivo_buf_u64(out, handshake->ping_interval_ms);
    aivo_buf_str(out, ",\"pingTimeout\":");
    aivo_buf_u64(out, handshake->ping_timeout_ms);
    if (handshake->max_payload) {
        aivo_buf_str(out, ",\"maxPayload\":");
        aivo_buf_u64(out, handshake->max_payload);
    }
    aivo_buf_char(out, '}');
}
