#include "socketio.h"

#include "placeholder.h"
#include <string.h>

#define TWO_53 9007199254740992u

const char *aivo_sio_strerror(enum aivo_sio_error error)
{
    switch (error) {
    case AIVO_SIO_OK:
        return "success";
    case AIVO_SIO_E_EMPTY:
        return "empty packet";
    case AIVO_SIO_E_TYPE:
        return "unknown packet type";
    case AIVO_SIO_E_ATTACHMENTS:
        return "binary packet without a usable number of attachments";
    case AIVO_SIO_E_NAMESPACE:
        return "namespace that is too long or not UTF-8";
    case AIVO_SIO_E_ACK_ID:
        return "missing or unusable acknowledgement id";
    case AIVO_SIO_E_JSON:
        return "payload that is not JSON";
    case AIVO_SIO_E_PAYLOAD:
        return "payload of the wrong shape for its packet type";
    case AIVO_SIO_E_EVENT_NAME:
        return "event without a usable name";
    case AIVO_SIO_E_RESERVED:
        return "reserved event name";
    case AIVO_SIO_E_PLACEHOLDER:
        return "placeholders that do not match the attachments";
    case AIVO_SIO_E_UNEXPECTED:
        return "text where binary is due, or binary that no packet waits for";
    case AIVO_SIO_E_TOO_LARGE:
        return "attachments too large";
    case AIVO_SIO_E_MEMORY:
        return "out of memory";
    }
    return "unknown error";
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_binary(enum aivo_sio_type type)
{
    return type == AIVO_SIO_BINARY_EVENT || type == AIVO_SIO_BINARY_ACK;
}

/* Digits at *p, none of them is fine; false if they exceed max. max <= 2^53. */
static bool take_number(const char **p, const char *end, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (; *p < end && is_digit(**p); ++*p) {
        value = value * 10 + (uint64_t)(**p - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return true;
}

static bool take_attachments(const char **p, const char *end, struct aivo_sio_packet *out)
{
    uint64_t count;
    if (!take_number(p, end, AIVO_SIO_MAX_ATTACHMENTS, &count) || !count || *p == end || **p != '-')
        return false;
    ++*p;
    out->attachments = (unsigned)count;
    return true;
}

/* p is at the slash. The name ends at the comma or the text's end; a query in it is dropped. */
static bool take_namespace(const char **p, const char *end, struct aivo_sio_packet *out)
{
    const char *start = *p, *comma = memchr(start, ',', (size_t)(end - start));
    const char *stop = comma ? comma : end;
    const char *query = memchr(start, '?', (size_t)(stop - start));
    *p = comma ? comma + 1 : end;
    out->nsp = start;
    out->nsp_len = (size_t)((query ? query : stop) - start);
    return out->nsp_len <= AIVO_SIO_MAX_NAMESPACE && aivo_utf8_valid(start, (size_t)(stop - start));
}

bool aivo_sio_event_reserved(const char *name, size_t len)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (strlen(reserved[i]) == len && memcmp(reserved[i], name, len) == 0)
            return true;
    return false;
}

/* The same for a JSON string, which may be escaped. */
static bool name_reserved(const struct aivo_json *name)
{
    char plain[16]; /* the longest reserved name has 14 bytes */
    if (!memchr(name->text, '\\', name->len))
        return aivo_sio_event_reserved(name->text + 1, name->len - 2);
    return aivo_json_string_copy(name, plain, sizeof(plain)) && aivo_sio_event_reserved(plain, strlen(plain));
}

static enum aivo_sio_error check_event(const struct aivo_json *data)
{
    size_t pos = 0;
    if (data->type == AIVO_JSON_NONE)
        return AIVO_SIO_E_EVENT_NAME;
    if (data->type != AIVO_JSON_ARRAY)
        return AIVO_SIO_E_PAYLOAD;
    struct aivo_json name = aivo_json_next(data, &pos);
    if (name.type == AIVO_JSON_NUMBER)
        return AIVO_SIO_OK;
    if (name.type != AIVO_JSON_STRING)
        return AIVO_SIO_E_EVENT_NAME;
    return name_reserved(&name) ? AIVO_SIO_E_RESERVED : AIVO_SIO_OK;
}

/* An acknowledgement without arguments may come without brackets; it is given some, so that data is an array. */
static enum aivo_sio_error check_ack(struct aivo_sio_packet *packet)
{
    if (!packet->has_id)
        return AIVO_SIO_E_ACK_ID;
    if (packet->data.type == AIVO_JSON_NONE)
        packet->data = (struct aivo_json){AIVO_JSON_ARRAY, "[]", 2};
    return packet->data.type == AIVO_JSON_ARRAY ? AIVO_SIO_OK : AIVO_SIO_E_PAYLOAD;
}

static enum aivo_sio_error check_shape(struct aivo_sio_packet *packet)
{
    enum aivo_json_type data = packet->data.type;
    switch (packet->type) {
    case AIVO_SIO_CONNECT:
        return data == AIVO_JSON_NONE || data == AIVO_JSON_OBJECT ? AIVO_SIO_OK : AIVO_SIO_E_PAYLOAD;
    case AIVO_SIO_DISCONNECT:
        return data == AIVO_JSON_NONE ? AIVO_SIO_OK : AIVO_SIO_E_PAYLOAD;
    case AIVO_SIO_CONNECT_ERROR:
        return data == AIVO_JSON_NONE || data == AIVO_JSON_OBJECT || data == AIVO_JSON_STRING ? AIVO_SIO_OK
                                                                                              : AIVO_SIO_E_PAYLOAD;
    case AIVO_SIO_EVENT:
    case AIVO_SIO_BINARY_EVENT:
        return check_event(&packet->data);
    case AIVO_SIO_ACK:
    case AIVO_SIO_BINARY_ACK:
        return check_ack(packet);
    }
    return AIVO_SIO_E_TYPE;
}

static enum aivo_sio_error check_placeholders(const struct aivo_sio_packet *packet)
{
    unsigned seen = 0;
    if (!packet->attachments)
        return AIVO_SIO_OK;
    if (!aivo_sio_find_placeholders(&packet->data, &seen) || seen != (1u << packet->attachments) - 1)
        return AIVO_SIO_E_PLACEHOLDER;
    return AIVO_SIO_OK;
}

static enum aivo_sio_error take_id(const char **p, const char *end, struct aivo_sio_packet *out)
{
    out->has_id = *p < end && is_digit(**p);
    if (out->has_id && !take_number(p, end, TWO_53, &out->id))
        return AIVO_SIO_E_ACK_ID;
    return AIVO_SIO_OK;
}

enum aivo_sio_error aivo_sio_decode(const char *text, size_t len, struct aivo_sio_packet *out)
{
    const char *p = text, *end = text + len;
    enum aivo_sio_error error;
    if (!len)
        return AIVO_SIO_E_EMPTY;
    if (*p < '0' || *p > '6')
        return AIVO_SIO_E_TYPE;
    struct aivo_sio_packet packet = {.type = (enum aivo_sio_type)(*p++ - '0'), .nsp = "/", .nsp_len = 1};
    if (is_binary(packet.type) && !take_attachments(&p, end, &packet))
        return AIVO_SIO_E_ATTACHMENTS;
    if (p < end && *p == '/' && !take_namespace(&p, end, &packet))
        return AIVO_SIO_E_NAMESPACE;
    error = take_id(&p, end, &packet);
    if (error != AIVO_SIO_OK)
        return error;
    if (p < end) {
        packet.data = aivo_json_parse(p, (size_t)(end - p), NULL);
        if (packet.data.type == AIVO_JSON_NONE)
            return AIVO_SIO_E_JSON;
    }
    error = check_shape(&packet);
    if (error == AIVO_SIO_OK)
        error = check_placeholders(&packet);
    if (error == AIVO_SIO_OK)
        *out = packet;
    return error;
}

void aivo_sio_encode_header(struct aivo_buf *out, enum aivo_sio_type type, unsigned attachments, const char *nsp,
                            size_t nsp_len, const uint64_t *id)
{
    aivo_buf_char(out, (char)('0' + (int)type));
    if (is_binary(type)) {
        aivo_buf_u64(out, attachments);
        aivo_buf_char(out, '-');
    }
    if (nsp && nsp_len && !(nsp_len == 1 && nsp[0] == '/')) {
        aivo_buf_add(out, nsp, nsp_len);
        aivo_buf_char(out, ',');
    }
    if (id)
        aivo_buf_u64(out, *id);
}

void aivo_sio_encode(struct aivo_buf *out, const struct aivo_sio_packet *packet)
{
    aivo_sio_encode_header(out, packet->type, packet->attachments, packet->nsp, packet->nsp_len,
                           packet->has_id ? &packet->id : NULL);
    if (packet->data.type != AIVO_JSON_NONE)
        aivo_buf_add(out, packet->data.text, packet->data.len);
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void aivo_sio_encode_event_data(struct aivo_buf *out, const char *event, size_t event_len, const char *args,
                                size_t args_len)
{
    const char *p = args, *end = args ? args + args_len : args;
    while (p < end && is_space(*p))
        p++;
    while (p < end && is_space(end[-1]))
        end--;
    if (end - p >= 2) { /* the brackets */
        p++;
        end--;
    }
    while (p < end && is_space(*p))
        p++;
    aivo_buf_char(out, '[');
    aivo_json_write_string(out, event, event_len);
    if (p < end) {
        aivo_buf_char(out, ',');
        aivo_buf_add(out, p, (size_t)(end - p));
    }
    aivo_buf_char(out, ']');
}
