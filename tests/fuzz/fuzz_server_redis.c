/* What Redis may deliver: the first byte says as what the rest is read (a broadcast, a request, a response, replies in
 * pieces, one value). What is read is valid JSON within its bounds, and a value that was written again reads the same.
 */
#include "cluster_codec.h"
#include "fuzz.h"
#include "resp.h"
#include <string.h>

static void check_names(const struct srv_names *names)
{
    size_t sum = 0;
    CHECK(names->count <= SRV_CLUSTER_MAX_NAMES);
    for (size_t i = 0; i < names->count; i++)
        sum += names->list[i].len;
    CHECK(names->count == 0 || sum == names->text.len);
}

static void message(uint8_t kind, const uint8_t *data, size_t size)
{
    struct srv_cluster_in in;
    struct aivo_buf out, scratch;
    srv_cluster_in_init(&in);
    aivo_buf_init(&out);
    aivo_buf_init(&scratch);
    bool good = kind == 0   ? srv_cluster_read_broadcast(&in, data, size)
                : kind == 1 ? srv_cluster_read_request(&in, data, size)
                            : srv_cluster_read_response(&in, data, size);
    CHECK(memchr(in.uid, '\0', sizeof in.uid) && memchr(in.request_id, '\0', sizeof in.request_id));
    CHECK(in.binaries.count <= SRV_MP_MAX_ATTACHMENTS);
    if (good) {
        check_names(&in.rooms);
        check_names(&in.except);
        check_names(&in.names);
        if (in.json.len)
            CHECK(aivo_json_parse(in.json.data, in.json.len, NULL).type != AIVO_JSON_NONE);
    }
    if (good && in.data.type == AIVO_JSON_ARRAY) {
        struct aivo_bytes rest = srv_cluster_rest(&in.data);
        CHECK(rest.len < in.data.len);
        const struct srv_target target = {in.rooms.list, in.except.list, in.rooms.count, in.except.count};
        const struct srv_cluster_packet packet = {"/",
                                                  in.data.text,
                                                  in.data.len,
                                                  in.binaries.list,
                                                  in.binaries.count,
                                                  &target,
                                                  {in.is_volatile, in.timeout_ms}};
        srv_cluster_write_broadcast(&out, in.uid, &packet, &scratch);
    }
    srv_cluster_in_free(&in);
    aivo_buf_free(&out);
    aivo_buf_free(&scratch);
}

static void replies(const uint8_t *data, size_t size)
{
    struct srv_resp_reader *r = srv_resp_reader_new(65536);
    const struct srv_resp_reply *reply;
    enum srv_resp_status status = SRV_RESP_MORE;
    if (!r)
        return;
    size_t piece = size ? 1 + data[0] % 64u : 1;
    for (size_t at = 0; at < size && status == SRV_RESP_MORE; at += piece) {
        if (!srv_resp_feed(r, data + at, size - at < piece ? size - at : piece))
            break;
        while ((status = srv_resp_next(r, &reply)) == SRV_RESP_REPLY) {
            CHECK(reply->count <= SRV_RESP_MAX_ITEMS);
            for (unsigned i = 0; i < reply->count; i++)
                if (reply->items[i].text)
                    CHECK(reply->items[i].text[reply->items[i].len] == '\0');
        }
    }
    srv_resp_reader_destroy(r);
}

/* JSON made of a value, packed and made JSON of again, is the same: but for numbers, which may lose digits once. */
static void value(const uint8_t *data, size_t size)
{
    struct srv_mp v = srv_mp_parse(data, size);
    struct srv_mp_binaries binaries[3] = {{.count = 0}, {.count = 0}, {.count = 0}};
    struct aivo_buf json[3], packed[2], scratch;
    aivo_buf_init(&scratch);
    for (int i = 0; i < 3; i++)
        aivo_buf_init(&json[i]);
    for (int i = 0; i < 2; i++)
        aivo_buf_init(&packed[i]);
    bool good = v.type != SRV_MP_NONE && srv_mp_to_json(&v, &json[0], &binaries[0]);
    for (int i = 0; good && i < 2; i++) {
        struct aivo_json tree = aivo_json_parse(json[i].data, json[i].len, NULL);
        good = tree.type != AIVO_JSON_NONE; /* one level deeper than allowed, by a placeholder */
        msgpack_packer p;
        srv_mp_packer(&p, &packed[i]);
        good = good && srv_mp_pack_json(&p, &tree, binaries[i].list, binaries[i].count, &scratch);
        if (!good)
            break;
        v = srv_mp_parse(packed[i].data, packed[i].len);
        good = v.type != SRV_MP_NONE && srv_mp_to_json(&v, &json[i + 1], &binaries[i + 1]);
        CHECK(good || binaries[i + 1].count == SRV_MP_MAX_ATTACHMENTS);
    }
    if (good)
        CHECK(json[1].len == json[2].len && memcmp(json[1].data, json[2].data, json[1].len) == 0);
    for (int i = 0; i < 3; i++)
        aivo_buf_free(&json[i]);
    for (int i = 0; i < 2; i++)
        aivo_buf_free(&packed[i]);
    aivo_buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    uint8_t kind = data[0] % 5;
    if (kind < 3)
        message(kind, data + 1, size - 1);
    else if (kind == 3)
        replies(data + 1, size - 1);
    else
        value(data + 1, size - 1);
    return 0;
}
