/*
 * Socket.IO v5 packets: <type>[<attachments>-][<namespace>,][<ack id>][JSON], then the binary frames.
 * Decoding borrows: every pointer points into the decoded text. What a Node server would close the connection for
 * is an error here, each with its own code.
 */
#ifndef AIVO_CORE_SOCKETIO_H
#define AIVO_CORE_SOCKETIO_H

#include "json.h"

enum aivo_sio_type {
    AIVO_SIO_CONNECT = 0,
    AIVO_SIO_DISCONNECT = 1,
    AIVO_SIO_EVENT = 2,
    AIVO_SIO_ACK = 3,
    AIVO_SIO_CONNECT_ERROR = 4,
    AIVO_SIO_BINARY_EVENT = 5,
    AIVO_SIO_BINARY_ACK = 6,
};

enum aivo_sio_error {
    AIVO_SIO_OK = 0,
    AIVO_SIO_E_EMPTY,       /* nothing at all */
    AIVO_SIO_E_TYPE,        /* the first byte is no packet type */
    AIVO_SIO_E_ATTACHMENTS, /* a binary packet without a count, with 0, or with more than AIVO_SIO_MAX_ATTACHMENTS */
    AIVO_SIO_E_NAMESPACE,   /* a namespace over AIVO_SIO_MAX_NAMESPACE bytes or not UTF-8 */
    AIVO_SIO_E_ACK_ID,      /* an ACK without id, or an id beyond 2^53 */
    AIVO_SIO_E_JSON,        /* the rest is not valid JSON */
    AIVO_SIO_E_PAYLOAD,     /* valid JSON of the wrong shape for this type */
    AIVO_SIO_E_EVENT_NAME,  /* an event without a name, or a name that is neither string nor number */
    AIVO_SIO_E_RESERVED,    /* a reserved event name: connect, connect_error, disconnect, disconnecting, ... */
    AIVO_SIO_E_PLACEHOLDER, /* placeholders that do not match the attachments one to one */
    AIVO_SIO_E_UNEXPECTED,  /* binary frame without a packet that waits for it, or text where binary is due */
    AIVO_SIO_E_TOO_LARGE,   /* attachments beyond the assembler's bound */
    AIVO_SIO_E_MEMORY,
};
const char *aivo_sio_strerror(enum aivo_sio_error error);

#define AIVO_SIO_MAX_ATTACHMENTS 10
#define AIVO_SIO_MAX_NAMESPACE   512

struct aivo_sio_packet {
    enum aivo_sio_type type;
    unsigned attachments; /* 0 but for the binary types */
    const char *nsp;      /* without query; "/" if none is given */
    size_t nsp_len;
    bool has_id;
    uint64_t id;
    struct aivo_json data; /* type AIVO_JSON_NONE if absent; EVENT: the array with the name first */
};

enum aivo_sio_error aivo_sio_decode(const char *text, size_t len, struct aivo_sio_packet *out);

/* Appends the header, i.e. everything before the JSON. nsp "/" or NULL is left out. */
void aivo_sio_encode_header(struct aivo_buf *out, enum aivo_sio_type type, unsigned attachments, const char *nsp,
                            size_t nsp_len, const uint64_t *id);
/* Appends a whole packet; packet->data may be absent. Binary frames follow separately, as they are. */
void aivo_sio_encode(struct aivo_buf *out, const struct aivo_sio_packet *packet);
/* Appends ["event",<args without their brackets>]. args is a JSON array's text or NULL. Expects valid args. */
void aivo_sio_encode_event_data(struct aivo_buf *out, const char *event, size_t event_len, const char *args,
                                size_t args_len);

/* Event names that Socket.IO keeps for itself. */
bool aivo_sio_event_reserved(const char *name, size_t len);
/* Counts {"_placeholder":true,"num":N} anywhere in the value; -1 if one is malformed, out of range or given twice. */
int aivo_sio_count_placeholders(const struct aivo_json *value);

/* Collects the binary frames of a packet. The head's text is copied, so that frames may come later. */
struct aivo_bytes {
    const void *data;
    size_t len;
};
struct aivo_sio_assembler {
    struct aivo_buf head;  /* the packet's text */
    struct aivo_buf bytes; /* the frames, one after the other */
    size_t ends[AIVO_SIO_MAX_ATTACHMENTS];
    unsigned expected, received;
    size_t max_bytes; /* bound on head and frames together */
};
void aivo_sio_assembler_init(struct aivo_sio_assembler *a, size_t max_bytes);
void aivo_sio_assembler_free(struct aivo_sio_assembler *a);
void aivo_sio_assembler_reset(struct aivo_sio_assembler *a);
bool aivo_sio_assembler_busy(const struct aivo_sio_assembler *a);

/* A packet that is whole: the borrowed packet with its attachments. Valid until the next call on the assembler. */
struct aivo_sio_message {
    struct aivo_sio_packet packet;
    struct aivo_bytes attachments[AIVO_SIO_MAX_ATTACHMENTS];
};
/* Feeds one Engine.IO message. *complete says whether out was filled. A packet without attachments is not copied:
 * it borrows from text. */
enum aivo_sio_error aivo_sio_assemble_text(struct aivo_sio_assembler *a, const char *text, size_t len,
                                           struct aivo_sio_message *out, bool *complete);
enum aivo_sio_error aivo_sio_assemble_binary(struct aivo_sio_assembler *a, const void *data, size_t len,
                                             struct aivo_sio_message *out, bool *complete);

#endif
