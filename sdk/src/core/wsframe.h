/* WebSocket frames of a client (RFC 6455, version 13, no extensions). Pure. */
#ifndef AIVO_CORE_WSFRAME_H
#define AIVO_CORE_WSFRAME_H

#include "buf.h"
#include <stdint.h>

enum aivo_ws_opcode {
    AIVO_WS_CONTINUATION = 0,
    AIVO_WS_TEXT = 1,
    AIVO_WS_BINARY = 2,
    AIVO_WS_CLOSE = 8,
    AIVO_WS_PING = 9,
    AIVO_WS_PONG = 10
};

#define AIVO_WS_FRAME_EXTRA 14  /* a header with its mask is at most this long */
#define AIVO_WS_CONTROL_MAX 125 /* payload of a control frame */

/* Appends one whole masked frame. mask: 4 unpredictable bytes. Look at out->failed. */
void aivo_ws_frame(struct aivo_buf *out, enum aivo_ws_opcode opcode, const char *data, size_t len,
                   const uint8_t mask[4]);
/* A close frame's payload: code and as much of reason (may be NULL) as fits, cut at a character's edge.
 * Returns its length. Code 0 gives an empty payload. */
size_t aivo_ws_close_payload(char out[AIVO_WS_CONTROL_MAX], uint16_t code, const char *reason);

enum aivo_ws_found {
    AIVO_WS_FOUND_NOTHING, /* everything given is consumed; more bytes are needed */
    AIVO_WS_FOUND_MESSAGE, /* a whole message: data, len, binary */
    AIVO_WS_FOUND_PING,    /* data, len */
    AIVO_WS_FOUND_PONG,    /* data, len */
    AIVO_WS_FOUND_CLOSE,   /* code (1005: none was given), data and len: the reason */
    AIVO_WS_FOUND_ERROR /* the peer broke the protocol: code to close with, error says how; nothing more can be read */
};

struct aivo_ws_event {
    enum aivo_ws_found found;
    const char *data; /* valid until the next call, or as long as the input */
    size_t len;
    bool binary;
    uint16_t code;
    const char *error; /* static */
};

/* Reads what a server sends. All zero but max_message is the start. Bounds: max_message for a message, joined from its
 * fragments; a message that lies whole in the input is handed out without a copy. */
struct aivo_ws_reader {
    uint64_t max_message;
    struct aivo_buf message; /* the message that has begun */
    uint64_t left;           /* payload bytes of this frame still to come */
    uint8_t head[10];
    uint8_t head_len;
    uint8_t opcode;
    bool fin;
    bool in_payload;
    bool in_message; /* a first fragment has come and the last one has not */
    bool binary;
    bool delivered; /* message was handed out whole: clear it at the next call */
    bool broken;
    uint8_t control_len;
    char control[AIVO_WS_CONTROL_MAX];
};

void aivo_ws_reader_free(struct aivo_ws_reader *r);
/* Consumes up to one event from data and returns how many bytes that took. */
size_t aivo_ws_read(struct aivo_ws_reader *r, const char *data, size_t len, struct aivo_ws_event *out);

#endif
