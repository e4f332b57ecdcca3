#include "cluster_codec.h"
#include <stdlib.h>
#include <string.h>

/* --- lists of names --- */

void srv_names_free(struct srv_names *names)
{
    free(names->list);
    aivo_buf_free(&names->text);
    memset(names, 0, sizeof *names);
}

static bool names_grow(struct srv_names *names)
{
    if (names->count < names->size)
        return true;
    size_t size = names->size ? names->size * 2 : 16;
    struct aivo_bytes *list = realloc(names->list, size * sizeof *list);
    if (!list)
        return false;
    names->list = list;
    names->size = size;
    return true;
}

static bool name_text(struct srv_names *names, const struct aivo_json *value)
{
    if (value->type == AIVO_JSON_STRING)
        return aivo_json_string(value, &names->text);
    if (value->type != AIVO_JSON_NUMBER)
        return false;
    aivo_buf_add(&names->text, value->text, value->len);
    return true;
}

bool srv_names_read(struct srv_names *names, const struct aivo_json *array)
{
    size_t pos = 0;
    names->count = 0;
    aivo_buf_clear(&names->text);
    if (array->type != AIVO_JSON_ARRAY)
        return array->type == AIVO_JSON_NONE || array->type == AIVO_JSON_NULL;
    for (struct aivo_json value = aivo_json_next(array, &pos); value.type != AIVO_JSON_NONE;
         value = aivo_json_next(array, &pos)) {
        size_t before = names->text.len;
        if (names->count == SRV_CLUSTER_MAX_NAMES || !names_grow(names) || !name_text(names, &value))
            return false;
        names->list[names->count++].len = names->text.len - before;
    }
    /* Only now does the text stay where it is. */
    const char *at = names->text.data ? names->text.data : "";
    for (size_t i = 0; i < names->count; i++) {
        names->list[i].data = at;
        at += names->list[i].len;
    }
    return !names->text.failed;
}

/* --- reading --- */

void srv_cluster_in_init(struct srv_cluster_in *in)
{
    memset(in, 0, sizeof *in);
    aivo_buf_init(&in->json);
}

void srv_cluster_in_free(struct srv_cluster_in *in)
{
    aivo_buf_free(&in->json);
    srv_names_free(&in->rooms);
    srv_names_free(&in->except);
    srv_names_free(&in->names);
}

static void start_over(struct srv_cluster_in *in)
{
    if (in->json.cap > 1024 * 1024) /* a large message is rare: its memory is not kept */
        aivo_buf_free(&in->json);
    aivo_buf_clear(&in->json);
    in->binaries.count = 0;
    in->root = in->packet_type = in->packet_nsp = in->data = (struct aivo_json){0};
    in->rooms.count = in->except.count = in->names.count = 0;
    in->uid[0] = in->request_id[0] = '\0';
    in->has_request_id = in->has_opts = in->is_volatile = in->close = false;
    in->type = -1;
    in->timeout_ms = SRV_CLUSTER_NO_TIMEOUT;
}

static bool read_root(struct srv_cluster_in *in, const void *data, size_t len)
{
    start_over(in);
    if (len && *(const char *)data == '{') {
        in->root = aivo_json_parse(data, len, NULL);
        return in->root.type != AIVO_JSON_NONE;
    }
    struct srv_mp value = srv_mp_parse(data, len);
    if (value.type != SRV_MP_ARRAY && value.type != SRV_MP_MAP)
        return false;
    if (!srv_mp_to_json(&value, &in->json, &in->binaries) || in->json.failed)
        return false;
    in->root = (struct aivo_json){value.type == SRV_MP_ARRAY ? AIVO_JSON_ARRAY : AIVO_JSON_OBJECT, in->json.data,
                                  in->json.len};
    return true;
}

static bool read_opts(struct srv_cluster_in *in, const struct aivo_json *opts)
{
    if (opts->type != AIVO_JSON_OBJECT)
        return opts->type == AIVO_JSON_NONE;
    in->has_opts = true;
    struct aivo_json rooms = aivo_json_get(opts, "rooms"), except = aivo_json_get(opts, "except"),
                     flags = aivo_json_get(opts, "flags");
    if (flags.type == AIVO_JSON_OBJECT) {
        struct aivo_json is_volatile = aivo_json_get(&flags, "volatile"), timeout = aivo_json_get(&flags, "timeout");
        in->is_volatile = aivo_json_is_true(&is_volatile);
        if (!aivo_json_u64(&timeout, &in->timeout_ms))
            in->timeout_ms = SRV_CLUSTER_NO_TIMEOUT;
    }
    return srv_names_read(&in->rooms, &rooms) && srv_names_read(&in->except, &except);
}

static bool read_packet(struct srv_cluster_in *in, const struct aivo_json *packet)
{
    if (packet->type != AIVO_JSON_OBJECT)
        return false;
    in->packet_type = aivo_json_get(packet, "type");
    in->packet_nsp = aivo_json_get(packet, "nsp");
    in->data = aivo_json_get(packet, "data");
    uint64_t type;
    if (!aivo_json_u64(&in->packet_type, &type) || (type != AIVO_SIO_EVENT && type != AIVO_SIO_BINARY_EVENT))
        return false;
    if (in->packet_nsp.type != AIVO_JSON_NONE && in->packet_nsp.type != AIVO_JSON_STRING)
        return false;
    if (in->data.type != AIVO_JSON_ARRAY)
        return false;
    struct aivo_json name = aivo_json_at(&in->data, 0);
    return name.type == AIVO_JSON_STRING || name.type == AIVO_JSON_NUMBER;
}

bool srv_cluster_read_broadcast(struct srv_cluster_in *in, const void *data, size_t len)
{
    if (!read_root(in, data, len) || in->root.type != AIVO_JSON_ARRAY)
        return false;
    struct aivo_json uid = aivo_json_at(&in->root, 0), packet = aivo_json_at(&in->root, 1),
                     opts = aivo_json_at(&in->root, 2);
    if (!aivo_json_string_copy(&uid, in->uid, sizeof in->uid))
        in->uid[0] = '\0';
    return opts.type == AIVO_JSON_OBJECT && read_packet(in, &packet) && read_opts(in, &opts);
}

static bool read_head(struct srv_cluster_in *in, const void *data, size_t len)
{
    if (!read_root(in, data, len) || in->root.type != AIVO_JSON_OBJECT)
        return false;
    struct aivo_json uid = aivo_json_get(&in->root, "uid"), id = aivo_json_get(&in->root, "requestId"),
                     type = aivo_json_get(&in->root, "type");
    uint64_t number;
    if (!aivo_json_string_copy(&uid, in->uid, sizeof in->uid))
        in->uid[0] = '\0';
    in->has_request_id = id.type == AIVO_JSON_STRING;
    if (!aivo_json_string_copy(&id, in->request_id, sizeof in->request_id))
        in->request_id[0] = '\0';
    if (aivo_json_u64(&type, &number) && number <= SRV_CLUSTER_ACK)
        in->type = (int)number;
    return true;
}

bool srv_cluster_read_request(struct srv_cluster_in *in, const void *data, size_t len)
{
    if (!read_head(in, data, len) || in->type < 0)
        return false;
    struct aivo_json opts = aivo_json_get(&in->root, "opts"), rooms = aivo_json_get(&in->root, "rooms"),
                     close = aivo_json_get(&in->root, "close"), packet = aivo_json_get(&in->root, "packet");
    in->close = aivo_json_is_true(&close);
    if (!read_opts(in, &opts) || !srv_names_read(&in->names, &rooms))
        return false;
    switch (in->type) {
    case SRV_CLUSTER_SERVER_SIDE_EMIT:
        in->data = aivo_json_get(&in->root, "data");
        return in->data.type == AIVO_JSON_ARRAY;
    case SRV_CLUSTER_BROADCAST:
        return in->has_opts && in->request_id[0] != '\0' && read_packet(in, &packet);
    case SRV_CLUSTER_FETCH:
        return in->has_opts && in->has_request_id;
    case SRV_CLUSTER_SOCKETS:
    case SRV_CLUSTER_ALL_ROOMS:
        return in->has_request_id;
    case SRV_CLUSTER_JOIN:
    case SRV_CLUSTER_LEAVE:
    case SRV_CLUSTER_DISCONNECT:
        return true;
    default:
        return false; /* responses */
    }
}

bool srv_cluster_read_response(struct srv_cluster_in *in, const void *data, size_t len)
{
    return read_head(in, data, len) && in->request_id[0] != '\0';
}

struct aivo_json srv_cluster_member(const struct srv_cluster_in *in, const char *key)
{
    return aivo_json_get(&in->root, key);
}

struct aivo_bytes srv_cluster_rest(const struct aivo_json *array)
{
    size_t pos = 0;
    struct aivo_json first = aivo_json_next(array, &pos), second = aivo_json_next(array, &pos);
    if (first.type == AIVO_JSON_NONE || second.type == AIVO_JSON_NONE)
        return (struct aivo_bytes){"", 0};
    return (struct aivo_bytes){second.text, (size_t)(array->text + array->len - 1 - second.text)};
}

/* --- writing MessagePack --- */

static void pack_key(msgpack_packer *p, const char *key)
{
    srv_mp_pack_text(p, key, strlen(key));
}

static void pack_names(msgpack_packer *p, const char *key, const struct aivo_bytes *names, size_t count)
{
    pack_key(p, key);
    msgpack_pack_array(p, count);
    for (size_t i = 0; i < count; i++)
        srv_mp_pack_text(p, names[i].data, names[i].len);
}

static bool pack_packet(msgpack_packer *p, const struct srv_cluster_packet *packet, struct aivo_buf *scratch)
{
    const struct aivo_json data = {AIVO_JSON_ARRAY, packet->data, packet->data_len};
    msgpack_pack_map(p, 3);
    pack_key(p, "type");
    msgpack_pack_uint64(p, AIVO_SIO_EVENT); /* also with binaries: whoever sends it to a client promotes it */
    pack_key(p, "data");
    if (!srv_mp_pack_json(p, &data, packet->attachments, packet->attachment_count, scratch))
        return false;
    pack_key(p, "nsp");
    pack_key(p, packet->nsp);
    return true;
}

static void pack_opts(msgpack_packer *p, const struct srv_cluster_packet *packet)
{
    const struct srv_cluster_flags *flags = &packet->flags;
    bool timed = flags->timeout_ms != SRV_CLUSTER_NO_TIMEOUT;
    msgpack_pack_map(p, 3);
    pack_names(p, "rooms", packet->target->rooms, packet->target->room_count);
    pack_names(p, "except", packet->target->except, packet->target->except_count);
    pack_key(p, "flags");
    msgpack_pack_map(p, (size_t)flags->is_volatile + timed);
    if (flags->is_volatile) {
        pack_key(p, "volatile");
        msgpack_pack_true(p);
    }
    if (timed) {
        pack_key(p, "timeout");
        msgpack_pack_uint64(p, flags->timeout_ms);
    }
}

bool srv_cluster_write_broadcast(struct aivo_buf *out, const char *uid, const struct srv_cluster_packet *packet,
                                 struct aivo_buf *scratch)
{
    msgpack_packer p;
    srv_mp_packer(&p, out);
    msgpack_pack_array(&p, 3);
    pack_key(&p, uid);
    if (!pack_packet(&p, packet, scratch))
        return false;
    pack_opts(&p, packet);
    return !out->failed && !scratch->failed;
}

bool srv_cluster_write_ack_request(struct aivo_buf *out, const char *uid, const char *request_id,
                                   const struct srv_cluster_packet *packet, struct aivo_buf *scratch)
{
    msgpack_packer p;
    srv_mp_packer(&p, out);
    msgpack_pack_map(&p, 5);
    pack_key(&p, "uid");
    pack_key(&p, uid);
    pack_key(&p, "requestId");
    pack_key(&p, request_id);
    pack_key(&p, "type");
    msgpack_pack_uint64(&p, SRV_CLUSTER_BROADCAST);
    pack_key(&p, "packet");
    if (!pack_packet(&p, packet, scratch))
        return false;
    pack_key(&p, "opts");
    pack_opts(&p, packet);
    return !out->failed && !scratch->failed;
}

bool srv_cluster_write_ack(struct aivo_buf *out, const char *request_id, const struct aivo_json *first,
                           const struct aivo_bytes *attachments, unsigned attachment_count, struct aivo_buf *scratch)
{
    msgpack_packer p;
    srv_mp_packer(&p, out);
    msgpack_pack_map(&p, first ? 3 : 2);
    pack_key(&p, "type");
    msgpack_pack_uint64(&p, SRV_CLUSTER_ACK);
    pack_key(&p, "requestId");
    pack_key(&p, request_id);
    if (!first)
        return !out->failed;
    pack_key(&p, "packet");
    return srv_mp_pack_json(&p, first, attachments, attachment_count, scratch) && !out->failed && !scratch->failed;
}

/* --- writing JSON --- */

void srv_cluster_write_names(struct aivo_buf *out, const struct aivo_bytes *names, size_t count)
{
    aivo_buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            aivo_buf_char(out, ',');
        aivo_json_write_string(out, names[i].data, names[i].len);
    }
    aivo_buf_char(out, ']');
}

void srv_cluster_write_request(struct aivo_buf *out, const char *uid, const char *request_id,
                               enum srv_cluster_type type, const struct srv_target *target, const char *key,
                               const struct aivo_bytes *value)
{
    aivo_buf_str(out, "{\"uid\":");
    aivo_json_write_string(out, uid, strlen(uid));
    if (request_id) {
        aivo_buf_str(out, ",\"requestId\":");
        aivo_json_write_string(out, request_id, strlen(request_id));
    }
    aivo_buf_str(out, ",\"type\":");
    aivo_buf_u64(out, type);
    if (target) {
        aivo_buf_str(out, ",\"opts\":{\"rooms\":");
        srv_cluster_write_names(out, target->rooms, target->room_count);
        aivo_buf_str(out, ",\"except\":");
        srv_cluster_write_names(out, target->except, target->except_count);
        aivo_buf_char(out, '}');
    }
    if (key) {
        aivo_buf_str(out, ",\"");
        aivo_buf_str(out, key);
        aivo_buf_str(out, "\":");
        aivo_buf_add(out, value->data, value->len);
    }
    aivo_buf_char(out, '}');
}
