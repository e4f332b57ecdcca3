/* Engine.IO v4 packets: one a WebSocket frame, or several joined with 0x1e in a polling payload. */
#ifndef AIVO_CORE_ENGINEIO_H
#define AIVO_CORE_ENGINEIO_H

#include "buf.h"
#include <stdint.h>

enum aivo_eio_type {
    AIVO_EIO_OPEN = 0,
    AIVO_EIO_CLOSE = 1,
    AIVO_EIO_PING = 2,
    AIVO_EIO_PONG = 3,
    AIVO_EIO_MESSAGE = 4,
    AIVO_EIO_UPGRADE = 5,
    AIVO_EIO_NOOP = 6,
};

enum aivo_eio_error {
    AIVO_EIO_OK = 0,
    AIVO_EIO_E_EMPTY,    /* no type byte */
    AIVO_EIO_E_TYPE,     /* the first byte is no packet type */
    AIVO_EIO_E_BASE64,   /* a 'b' packet whose rest is no base64 */
    AIVO_EIO_E_UTF8,     /* text that is not UTF-8 */
    AIVO_EIO_E_JSON,     /* the handshake is no JSON object */
    AIVO_EIO_E_SID,      /* the handshake has no sid, an empty one or one over 63 bytes */
    AIVO_EIO_E_INTERVAL, /* pingInterval or pingTimeout missing, zero or beyond a day */
    AIVO_EIO_E_PAYLOAD,  /* maxPayload present but no positive whole number */
    AIVO_EIO_E_TOO_MANY, /* a payload with more than AIVO_EIO_MAX_PACKETS packets */
    AIVO_EIO_E_MEMORY,
};
const char *aivo_eio_strerror(enum aivo_eio_error error);

#define AIVO_EIO_MAX_PACKETS 4096
#define AIVO_EIO_SEPARATOR   '\x1e'

/* data is borrowed: it points into the text that was decoded. */
struct aivo_eio_packet {
    enum aivo_eio_type type;
    bool binary; /* a message of bytes rather than text */
    const char *data;
    size_t len;
};

/* A WebSocket text frame. (A binary frame needs no decoding: it is a binary MESSAGE as it stands.) */
enum aivo_eio_error aivo_eio_decode(const char *frame, size_t len, struct aivo_eio_packet *out);
/* Appends the packet as a WebSocket text frame's payload (binary packets are sent as they are, without this). */
void aivo_eio_encode(struct aivo_buf *out, enum aivo_eio_type type, const char *data, size_t len);

/* A polling payload, packet by packet: start with *pos = 0; returns false at the end or on *error.
 * Binary packets are decoded from base64 into scratch, which out->data then points into until the next call. */
bool aivo_eio_payload_next(const char *payload, size_t len, size_t *pos, struct aivo_buf *scratch,
                           struct aivo_eio_packet *out, enum aivo_eio_error *error);
/* Appends one packet to a payload, with the separator if it is not the first. */
void aivo_eio_payload_add(struct aivo_buf *payload, const struct aivo_eio_packet *packet);

struct aivo_eio_handshake {
    char sid[64];
    uint32_t ping_interval_ms; /* 1..86,400,000 */
    uint32_t ping_timeout_ms;  /* 1..86,400,000 */
    uint64_t max_payload;      /* bytes; 0 if the server did not say */
    bool can_upgrade;          /* "websocket" is among the upgrades */
};
enum aivo_eio_error aivo_eio_handshake_decode(const char *json, size_t len, struct aivo_eio_handshake *out);
void aivo_eio_handshake_encode(struct aivo_buf *out, const struct aivo_eio_handshake *handshake);

/* RFC 4648 base64 with padding; decoding takes unpadded text too, and refuses anything else. */
void aivo_base64_encode(struct aivo_buf *out, const void *data, size_t len);
bool aivo_base64_decode(struct aivo_buf *out, const char *text, size_t len);
/* The alphabet with - and _, as JSON Web Tokens have it: padding is refused as well. */
bool aivo_base64url_decode(struct aivo_buf *out, const char *text, size_t len);

#endif
