/*
 * What the instances of a cluster tell each other, byte for byte as @socket.io/redis-adapter 8.3 has it. Pure.
 *
 * Every message, JSON or MessagePack, is read as JSON with binaries beside it. Bounds: SRV_CLUSTER_MAX_NAMES names in a
 * list; what the codecs beneath have; the size of a message is the caller's.
 */
#ifndef SRV_CLUSTER_CODEC_H
#define SRV_CLUSTER_CODEC_H

#include "msgpack_json.h"
#include "rooms.h"

#define SRV_CLUSTER_ID_LEN     6
#define SRV_CLUSTER_MAX_NAMES  4096
#define SRV_CLUSTER_NO_TIMEOUT UINT64_MAX

enum srv_cluster_type {
    SRV_CLUSTER_SOCKETS = 0, /* legacy: ids of sockets */
    SRV_CLUSTER_ALL_ROOMS = 1,
    SRV_CLUSTER_JOIN = 2,
    SRV_CLUSTER_LEAVE = 3,
    SRV_CLUSTER_DISCONNECT = 4,
    SRV_CLUSTER_FETCH = 5,
    SRV_CLUSTER_SERVER_SIDE_EMIT = 6,
    SRV_CLUSTER_BROADCAST = 7, /* with ack */
    SRV_CLUSTER_CLIENT_COUNT = 8,
    SRV_CLUSTER_ACK = 9,
};

/* A list of names, unescaped. */
struct srv_names {
    struct aivo_bytes *list;
    size_t count, size;
    struct aivo_buf text;
};

/* A message that came in. Reused from one to the next; everything is valid until then, and as long as the bytes are. */
struct srv_cluster_in {
    struct aivo_buf json; /* what was MessagePack */
    struct srv_mp_binaries binaries;
    struct aivo_json root;
    struct srv_names rooms, except; /* opts */
    struct srv_names names;         /* the rooms to join or leave */
    char uid[64], request_id[64];   /* "" if there is none, or one that is too long to be one of ours */
    bool has_request_id;
    int type; /* -1: none */
    bool has_opts, is_volatile, close;
    uint64_t timeout_ms;                            /* SRV_CLUSTER_NO_TIMEOUT: none given */
    struct aivo_json packet_type, packet_nsp, data; /* of a packet: data is an array, the event's name first */
};

void srv_cluster_in_init(struct srv_cluster_in *in);
void srv_cluster_in_free(struct srv_cluster_in *in);
/* false: not a message of that kind, or over a bound. */
bool srv_cluster_read_broadcast(struct srv_cluster_in *in, const void *data, size_t len);
bool srv_cluster_read_request(struct srv_cluster_in *in, const void *data, size_t len);
bool srv_cluster_read_response(struct srv_cluster_in *in, const void *data, size_t len);
/* A response's member; type NONE if absent. */
struct aivo_json srv_cluster_member(const struct srv_cluster_in *in, const char *key);
/* What stands behind the first member of an array. */
struct aivo_bytes srv_cluster_rest(const struct aivo_json *array);

/* A JSON array of names (numbers count as their text) into list. false: not one, or too many. */
bool srv_names_read(struct srv_names *names, const struct aivo_json *array);
void srv_names_free(struct srv_names *names);

/* --- writing; scratch is overwritten --- */

struct srv_cluster_flags {
    bool is_volatile;
    uint64_t timeout_ms; /* SRV_CLUSTER_NO_TIMEOUT: none */
};

struct srv_cluster_packet {
    const char *nsp;
    const char *data; /* a JSON array, the event's name first */
    size_t data_len;
    const struct aivo_bytes *attachments;
    unsigned attachment_count;
    const struct srv_target *target;
    struct srv_cluster_flags flags;
};
/* false: a placeholder without its attachment, or no memory. */
bool srv_cluster_write_broadcast(struct aivo_buf *out, const char *uid, const struct srv_cluster_packet *packet,
                                 struct aivo_buf *scratch);
bool srv_cluster_write_ack_request(struct aivo_buf *out, const char *uid, const char *request_id,
                                   const struct srv_cluster_packet *packet, struct aivo_buf *scratch);
/* first: the ack's first argument, NULL if it has none. */
bool srv_cluster_write_ack(struct aivo_buf *out, const char *request_id, const struct aivo_json *first,
                           const struct aivo_bytes *attachments, unsigned attachment_count, struct aivo_buf *scratch);

/* JSON. request_id NULL: none; target NULL: none; key and value: a further member with its JSON, NULL: none. */
void srv_cluster_write_request(struct aivo_buf *out, const char *uid, const char *request_id,
                               enum srv_cluster_type type, const struct srv_target *target, const char *key,
                               const struct aivo_bytes *value);
void srv_cluster_write_names(struct aivo_buf *out, const struct aivo_bytes *names, size_t count);

#endif
