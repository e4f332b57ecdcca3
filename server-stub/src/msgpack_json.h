/*
 * MessagePack as slices, and both ways between it and JSON text with attachments, as socket.io's own encoder
 * (notepack) has it. Pure; reading allocates nothing and builds no tree, so a length that lies costs nothing.
 *
 * Bounds: nesting SRV_MP_MAX_DEPTH; SRV_MP_MAX_ATTACHMENTS binaries in a value. JSON is at most about six times as long
 * as what it was made from.
 */
#ifndef SRV_MSGPACK_JSON_H
#define SRV_MSGPACK_JSON_H

#include "socketio.h"
#include <msgpack/pack.h>

#define SRV_MP_MAX_DEPTH       AIVO_JSON_MAX_DEPTH
#define SRV_MP_MAX_ATTACHMENTS 64

enum srv_mp_type {
    SRV_MP_NONE, /* no value here: the end, or malformed */
    SRV_MP_NIL,
    SRV_MP_FALSE,
    SRV_MP_TRUE,
    SRV_MP_UINT,
    SRV_MP_INT, /* negative */
    SRV_MP_DOUBLE,
    SRV_MP_STR,
    SRV_MP_BIN,
    SRV_MP_ARRAY,
    SRV_MP_MAP,
    SRV_MP_EXT,
};

/* One value; body and everything behind it is borrowed. */
struct srv_mp {
    enum srv_mp_type type;
    int ext;      /* EXT: its type */
    size_t count; /* ARRAY, MAP: members */
    union {
        uint64_t u;
        int64_t i;
        double d;
    } number;
    const unsigned char *body; /* STR, BIN, EXT: the bytes; ARRAY, MAP: the first member */
    size_t len;                /* of body, as long as the whole value goes */
};

/* The whole of data as one value. type is SRV_MP_NONE if malformed, too deep, or something is left over. All other
 * functions expect a value that came from here. */
struct srv_mp srv_mp_parse(const void *data, size_t len);
/* Walks an array's members or a map's keys and values in turn: start with *pos = 0; SRV_MP_NONE at the end. */
struct srv_mp srv_mp_next(const struct srv_mp *container, size_t *pos);
struct srv_mp srv_mp_at(const struct srv_mp *array, size_t index);
/* The member's value, or type SRV_MP_NONE. The last of duplicate keys wins. */
struct srv_mp srv_mp_get(const struct srv_mp *map, const char *key);
bool srv_mp_is(const struct srv_mp *value, const char *text);
/* What JavaScript's decoder makes undefined of. */
bool srv_mp_undefined(const struct srv_mp *value);

struct srv_mp_binaries {
    struct aivo_bytes list[SRV_MP_MAX_ATTACHMENTS]; /* borrowed from the value */
    unsigned count;
};

/* Appends the value as JSON, binaries as placeholders. false: too many of them, or a key that is none. */
bool srv_mp_to_json(const struct srv_mp *value, struct aivo_buf *out, struct srv_mp_binaries *binaries);

void srv_mp_packer(msgpack_packer *p, struct aivo_buf *out);
void srv_mp_pack_text(msgpack_packer *p, const char *text, size_t len);
/* Appends JSON (valid; type NONE is nil) with its attachments in place of the placeholders. scratch is overwritten.
 * false: a placeholder without its attachment. */
bool srv_mp_pack_json(msgpack_packer *p, const struct aivo_json *value, const struct aivo_bytes *attachments,
                      unsigned attachment_count, struct aivo_buf *scratch);

#endif
