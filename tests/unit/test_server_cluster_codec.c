#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster_codec.h"
#include "prng.h"
#include <dirent.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Messages that real Node servers published (tests/data/redis/capture.mjs): the channel, a line feed, the message. */
struct golden {
    char name[64];
    char *data, *message;
    size_t len, message_len;
    char channel[128];
};

static struct golden goldens[64];
static size_t golden_count;
static struct srv_cluster_in in;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct golden *)a)->name, ((const struct golden *)b)->name);
}

static void load(struct golden *g, const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(g->name, sizeof g->name, "%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    g->data = malloc(200000);
    g->len = fread(g->data, 1, 200000, file);
    fclose(file);
    char *end = memchr(g->data, '\n', g->len);
    assert_non_null(end);
    snprintf(g->channel, sizeof g->channel, "%.*s", (int)(end - g->data), g->data);
    g->message_len = g->len - (size_t)(end + 1 - g->data);
    g->message = exact_copy(end + 1, g->message_len);
}

static int load_all(void **state)
{
    (void)state;
    const char *folder = AIVO_TEST_DATA "/data/redis";
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (strstr(entry->d_name, ".msg"))
            load(&goldens[golden_count++], folder, entry->d_name);
    closedir(dir);
    qsort(goldens, golden_count, sizeof *goldens, by_name);
    srv_cluster_in_init(&in);
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        free(goldens[i].data);
        free(goldens[i].message);
    }
    srv_cluster_in_free(&in);
    return 0;
}

static const struct golden *golden(const char *name)
{
    for (size_t i = 0; i < golden_count; i++)
        if (strncmp(goldens[i].name, name, strlen(name)) == 0)
            return &goldens[i];
    fail_msg("no golden %s", name);
    return NULL;
}

static bool is_request(const struct golden *g)
{
    return strncmp(g->channel, "socket.io-request#", 18) == 0;
}

static bool is_response(const struct golden *g)
{
    return strncmp(g->channel, "socket.io-response#", 19) == 0;
}

static bool read_any(const struct golden *g, const char *data, size_t len)
{
    return is_request(g)    ? srv_cluster_read_request(&in, data, len)
           : is_response(g) ? srv_cluster_read_response(&in, data, len)
                            : srv_cluster_read_broadcast(&in, data, len);
}

static struct srv_cluster_packet packet_of(struct srv_target *target)
{
    *target = (struct srv_target){in.rooms.list, in.except.list, in.rooms.count, in.except.count};
    return (struct srv_cluster_packet){.nsp = "/",
                                       .data = in.data.text,
                                       .data_len = in.data.len,
                                       .attachments = in.binaries.list,
                                       .attachment_count = in.binaries.count,
                                       .target = target,
                                       .flags = {in.is_volatile, in.timeout_ms}};
}

static void same_bytes(const struct aivo_buf *out, const struct golden *g)
{
    if (out->len != g->message_len || memcmp(out->data, g->message, out->len) != 0)
        fail_msg("%s: written otherwise than Node does (%zu bytes, not %zu)", g->name, out->len, g->message_len);
}

/* Every message that a Node server or the standalone emitter published is read. */
static void test_all_are_read(void **state)
{
    (void)state;
    assert_true(golden_count >= 30);
    for (size_t i = 0; i < golden_count; i++)
        if (!read_any(&goldens[i], goldens[i].message, goldens[i].message_len))
            fail_msg("%s is not read", goldens[i].name);
}

/* Broadcasts, read and written again, are the same to the last byte: rooms, exceptions, binaries, every size of
 * number and text. */
static void test_broadcasts(void **state)
{
    (void)state;
    static const char *const names[] = {"01-emit", "02-emit-room",  "03-emit-rooms-except", "05-emit-binary",
                                        "06-emit", "08-emit-texts", "09-emit-long"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct golden *g = golden(names[i]);
        struct aivo_buf out, scratch;
        struct srv_target target;
        aivo_buf_init(&out);
        aivo_buf_init(&scratch);
        assert_true(srv_cluster_read_broadcast(&in, g->message, g->message_len));
        const struct srv_cluster_packet packet = packet_of(&target);
        assert_true(srv_cluster_write_broadcast(&out, in.uid, &packet, &scratch));
        same_bytes(&out, g);
        aivo_buf_free(&out);
        aivo_buf_free(&scratch);
    }
}

static bool data_is(const char *json)
{
    return in.data.len == strlen(json) && memcmp(in.data.text, json, in.data.len) == 0;
}

/* What the fields of some of them are; dates as JavaScript writes them in JSON. */
static void test_fields(void **state)
{
    (void)state;
    const struct golden *g = golden("03-emit-rooms-except");
    assert_true(read_any(g, g->message, g->message_len));
    assert_int_equal(in.rooms.count, 2);
    assert_memory_equal(in.rooms.list[0].data, "a", 1);
    assert_int_equal(in.except.count, 2);
    assert_int_equal(in.except.list[1].len, 20);
    assert_int_equal(strlen(in.uid), 6);
    assert_true(data_is("[\"hello\",{\"deep\":[true,false,null]}]"));

    g = golden("04-emit-volatile");
    assert_true(read_any(g, g->message, g->message_len) && in.is_volatile);
    g = golden("05-emit-binary");
    assert_true(read_any(g, g->message, g->message_len));
    assert_int_equal(in.binaries.count, 2);
    assert_int_equal(in.binaries.list[1].len, 300);
    assert_true(data_is("[\"file\",{\"_placeholder\":true,\"num\":0},{\"more\":{\"_placeholder\":true,\"num\":1}}]"));
    g = golden("07-emit-dates");
    assert_true(read_any(g, g->message, g->message_len));
    assert_true(data_is("[\"dates\",\"2023-11-14T22:13:20.000Z\",\"2023-11-14T22:13:20.123Z\","
                        "\"1969-12-31T23:59:58.500Z\"]"));
    g = golden("20-broadcast-ack");
    assert_true(read_any(g, g->message, g->message_len));
    assert_int_equal(in.type, SRV_CLUSTER_BROADCAST);
    assert_int_equal(in.timeout_ms, 1000);
    g = golden("29-emitter-emit");
    assert_true(read_any(g, g->message, g->message_len) && in.is_volatile);
    assert_string_equal(in.uid, "emitter");
    g = golden("30-emitter-join");
    assert_true(read_any(g, g->message, g->message_len));
    assert_string_equal(in.uid, "");
    assert_int_equal(in.names.count, 1);
}

/* Requests that our servers send are those of Node's servers, to the last byte. */
static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key;
        bool opts;
    } cases[] = {
        {"10-all-rooms", NULL, false},         {"12-join", "rooms", true},    {"13-leave", "rooms", true},
        {"14-disconnect", "close", true},      {"15-fetch", NULL, true},      {"17-server-side", "data", false},
        {"18-server-side-ack", "data", false}, {"26-sockets", "rooms", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct golden *g = golden(cases[i].name);
        struct aivo_buf out;
        aivo_buf_init(&out);
        assert_true(srv_cluster_read_request(&in, g->message, g->message_len));
        const struct srv_target target = {in.rooms.list, in.except.list, in.rooms.count, in.except.count};
        struct aivo_json value = {0};
        if (cases[i].key)
            value = srv_cluster_member(&in, cases[i].key);
        const struct aivo_bytes text = {value.text, value.len};
        srv_cluster_write_request(&out, in.uid, in.has_request_id ? in.request_id : NULL,
                                  (enum srv_cluster_type)in.type, cases[i].opts ? &target : NULL, cases[i].key, &text);
        same_bytes(&out, g);
        aivo_buf_free(&out);
    }
}

/* The request for acknowledgements and an acknowledgement, with a binary and without an argument. */
static void test_acks(void **state)
{
    (void)state;
    struct aivo_buf out, scratch;
    struct srv_target target;
    aivo_buf_init(&out);
    aivo_buf_init(&scratch);
    const struct golden *g = golden("20-broadcast-ack");
    assert_true(srv_cluster_read_request(&in, g->message, g->message_len));
    const struct srv_cluster_packet packet = packet_of(&target);
    assert_true(srv_cluster_write_ack_request(&out, in.uid, in.request_id, &packet, &scratch));
    same_bytes(&out, g);

    for (int i = 0; i < 2; i++) {
        g = golden(i ? "25-broadcast-ack-nothing" : "22-broadcast-ack");
        if (*g->message == '{') /* the count may come after the acknowledgement */
            g = golden(i ? "24-broadcast-ack-nothing" : "21-broadcast-ack");
        assert_true(srv_cluster_read_response(&in, g->message, g->message_len));
        assert_int_equal(in.type, SRV_CLUSTER_ACK);
        struct aivo_json first = srv_cluster_member(&in, "packet");
        aivo_buf_clear(&out);
        assert_true(srv_cluster_write_ack(&out, in.request_id, first.type == AIVO_JSON_NONE ? NULL : &first,
                                          in.binaries.list, in.binaries.count, &scratch));
        same_bytes(&out, g);
    }
    aivo_buf_free(&out);
    aivo_buf_free(&scratch);
}

/* Every message cut short at every byte is refused; with any one byte changed it is read or refused, no more. */
static void test_truncated_and_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        const struct golden *g = &goldens[i];
        for (size_t len = 0; len<g->message_len; len += g->message_len> 5000 && len > 600 ? 997 : 1) {
            char *cut = exact_copy(g->message, len);
            assert_false(read_any(g, cut, len));
            free(cut);
        }
        char *changed = exact_copy(g->message, g->message_len);
        for (size_t at = 0; at < g->message_len && at < 400; at++)
            for (int bit = 0; bit < 8; bit++) {
                changed[at] = (char)(changed[at] ^ 1 << bit);
                if (read_any(g, changed, g->message_len) && in.json.len)
                    assert_int_not_equal(aivo_json_parse(in.json.data, in.json.len, NULL).type, AIVO_JSON_NONE);
                changed[at] = (char)(changed[at] ^ 1 << bit);
            }
        free(changed);
    }
}

static bool to_json(const void *data, size_t len, const char *expected)
{
    struct aivo_buf out;
    struct srv_mp_binaries binaries = {.count = 0};
    aivo_buf_init(&out);
    struct srv_mp value = srv_mp_parse(data, len);
    bool good = value.type != SRV_MP_NONE && srv_mp_to_json(&value, &out, &binaries) && out.len == strlen(expected) &&
                memcmp(out.data, expected, out.len) == 0;
    if (!good)
        print_message("%s, not %s\n", out.data ? out.data : "(nothing)", expected);
    aivo_buf_free(&out);
    return good;
}

#define JSON_OF(bytes, expected) assert_true(to_json(bytes, sizeof(bytes) - 1, expected))

/* Values that Node's encoder does not write but others do, and older ones did: what its decoder makes of them. */
static void test_other_encoders(void **state)
{
    (void)state;
    JSON_OF("\xca\x3f\xc0\x00\x00", "1.5");
    JSON_OF("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null");
    JSON_OF("\xcb\x80\x00\x00\x00\x00\x00\x00\x00", "0");
    JSON_OF("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
    JSON_OF("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
    JSON_OF("\xd0\x80", "-128");
    JSON_OF("\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x00", "\"2023-11-14T22:13:20.000Z\"");
    JSON_OF("\xd6\xff\x65\x53\xf1\x00", "\"2023-11-14T22:13:20.000Z\"");
    JSON_OF("\xc7\x0c\xff\x00\x00\x00\x00\x00\x00\x00\x3f\xff\xff\xff\xff", "\"+010680-07-14T06:09:03.000Z\"");
    JSON_OF("\x93\xd4\x00\x00\x01\xc0", "[null,1,null]");
    JSON_OF("\x82\xa1\x61\xd4\x00\x00\xa1\x62\x01", "{\"b\":1}");
    JSON_OF("\x82\x07\x01\xff\x02", "{\"7\":1,\"-1\":2}");
    JSON_OF("\xc7\x03\x00\x01\x02\x03", "{\"_placeholder\":true,\"num\":0}");
    JSON_OF("\xd5\x05\x01\x02", "[5,{\"_placeholder\":true,\"num\":0}]");
    JSON_OF("\xa2\xc3\x28", "\"\xef\xbf\xbd(\"");
}

/* Lengths that lie cost nothing, nesting is bounded, nothing may be left over. */
static void test_hostile(void **state)
{
    (void)state;
    unsigned char deep[SRV_MP_MAX_DEPTH + 3];
    memset(deep, 0x91, sizeof deep);
    deep[SRV_MP_MAX_DEPTH] = 0xc0;
    assert_int_not_equal(srv_mp_parse(deep, SRV_MP_MAX_DEPTH + 1).type, SRV_MP_NONE);
    deep[SRV_MP_MAX_DEPTH] = 0x91;
    deep[sizeof deep - 1] = 0xc0;
    assert_int_equal(srv_mp_parse(deep, sizeof deep).type, SRV_MP_NONE);
    assert_int_equal(srv_mp_parse("\xdd\xff\xff\xff\xff\x01", 6).type, SRV_MP_NONE);
    assert_int_equal(srv_mp_parse("\xdf\xff\xff\xff\xff\x01\x01", 7).type, SRV_MP_NONE);
    assert_int_equal(srv_mp_parse("\xdb\xff\xff\xff\xffx", 6).type, SRV_MP_NONE);
    assert_int_equal(srv_mp_parse("\x01\x01", 2).type, SRV_MP_NONE);
    assert_int_equal(srv_mp_parse("\xc1", 1).type, SRV_MP_NONE);
    struct aivo_buf many, out;
    struct srv_mp_binaries binaries = {.count = 0};
    aivo_buf_init(&many);
    aivo_buf_init(&out);
    aivo_buf_add(&many, "\xdc\x00\x41", 3); /* 65 empty binaries */
    for (int i = 0; i < 65; i++)
        aivo_buf_add(&many, "\xc4\x00", 2);
    struct srv_mp value = srv_mp_parse(many.data, many.len);
    assert_int_equal(value.type, SRV_MP_ARRAY);
    assert_false(srv_mp_to_json(&value, &out, &binaries));
    aivo_buf_free(&many);
    aivo_buf_free(&out);
}

/* What we write, msgpack-c reads, and prints as the JSON it was made of. */
static void test_against_msgpack_c(void **state)
{
    (void)state;
    static const char json[] = "[null,true,false,0,127,128,65536,4294967296,-1,-33,-129,-32769,-2147483649,\"text\","
                               "[[],[1,[2]]],{\"a\":{\"b\":[1]}},9007199254740992]";
    struct aivo_buf out, scratch;
    msgpack_packer packer;
    msgpack_unpacked unpacked;
    char text[512];
    aivo_buf_init(&out);
    aivo_buf_init(&scratch);
    srv_mp_packer(&packer, &out);
    struct aivo_json value = aivo_json_parse(json, sizeof json - 1, NULL);
    assert_true(srv_mp_pack_json(&packer, &value, NULL, 0, &scratch));
    msgpack_unpacked_init(&unpacked);
    size_t off = 0;
    assert_int_equal(msgpack_unpack_next(&unpacked, out.data, out.len, &off), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(off, out.len);
    text[msgpack_object_print_buffer(text, sizeof text, unpacked.data)] = '\0';
    char *to = text; /* it writes ", ", "=>" and "nil" */
    for (const char *from = text; *from; from++)
        if (*from == '=')
            *to++ = ':';
        else if (*from != ' ' && *from != '>')
            *to++ = *from;
    *to = '\0';
    assert_memory_equal(text, "[nil", 4);
    assert_string_equal(text + 4, json + 5);
    msgpack_unpacked_destroy(&unpacked);
    aivo_buf_free(&out);
    aivo_buf_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_read),
        cmocka_unit_test(test_broadcasts),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_truncated_and_changed),
        cmocka_unit_test(test_other_encoders),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_against_msgpack_c),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}
