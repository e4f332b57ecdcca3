#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "engineio.h"
#include "jsongen.h"
#include <cmocka.h>

/* Well-formed frames: type and data as they stand behind the type byte. */
static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        enum aivo_eio_type type;
        const char *data;
    } cases[] = {
        {"0{\"sid\":\"x\"}", AIVO_EIO_OPEN, "{\"sid\":\"x\"}"},
        {"1", AIVO_EIO_CLOSE, ""},
        {"2", AIVO_EIO_PING, ""},
        {"2probe", AIVO_EIO_PING, "probe"},
        {"3probe", AIVO_EIO_PONG, "probe"},
        {"4", AIVO_EIO_MESSAGE, ""},
        {"42[\"h\xc3\xa9llo\"]", AIVO_EIO_MESSAGE, "2[\"h\xc3\xa9llo\"]"},
        {"4a\x1e"
         "b",
         AIVO_EIO_MESSAGE,
         "a\x1e"
         "b"}, /* the separator is none in a frame */
        {"5", AIVO_EIO_UPGRADE, ""},
        {"6", AIVO_EIO_NOOP, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_eio_packet p;
        size_t len = strlen(cases[i].frame);
        char *frame = exact_copy(cases[i].frame, len);
        struct aivo_buf out;
        aivo_buf_init(&out);
        assert_int_equal(aivo_eio_decode(frame, len, &p), AIVO_EIO_OK);
        assert_int_equal(p.type, cases[i].type);
        assert_false(p.binary);
        assert_int_equal(p.len, strlen(cases[i].data));
        assert_memory_equal(p.data, cases[i].data, p.len);
        aivo_eio_encode(&out, p.type, p.data, p.len);
        assert_string_equal(out.data, cases[i].frame);
        aivo_buf_free(&out);
        free(frame);
    }
}

/* Malformed frames, each with its own error; the output stays as it was. */
static void test_decode_errors(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        enum aivo_eio_error error;
    } cases[] = {
        {"", AIVO_EIO_E_EMPTY},
        {"7", AIVO_EIO_E_TYPE},
        {"/", AIVO_EIO_E_TYPE},
        {"x", AIVO_EIO_E_TYPE},
        {"bAAAA", AIVO_EIO_E_TYPE},
        {" 4", AIVO_EIO_E_TYPE},
        {"\x04", AIVO_EIO_E_TYPE},
        {"\xb4", AIVO_EIO_E_TYPE},
        {"4\xff", AIVO_EIO_E_UTF8},
        {"4\xe2\x82", AIVO_EIO_E_UTF8},
        {"412345678\xc3", AIVO_EIO_E_UTF8},
        {"4\xed\xa0\x80", AIVO_EIO_E_UTF8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_eio_packet p = {.type = AIVO_EIO_NOOP, .len = 4711};
        size_t len = strlen(cases[i].frame);
        char *frame = exact_copy(cases[i].frame, len);
        if (aivo_eio_decode(frame, len, &p) != cases[i].error)
            fail_msg("case %zu: not %s", i, aivo_eio_strerror(cases[i].error));
        assert_int_equal(p.len, 4711);
        free(frame);
    }
}

/* Every error has its own text. */
static void test_error_texts(void **state)
{
    (void)state;
    for (int i = 0; i <= AIVO_EIO_E_MEMORY; i++) {
        assert_string_not_equal(aivo_eio_strerror((enum aivo_eio_error)i), "unknown error");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(aivo_eio_strerror((enum aivo_eio_error)i),
                                    aivo_eio_strerror((enum aivo_eio_error)j));
    }
    assert_string_equal(aivo_eio_strerror((enum aivo_eio_error)(AIVO_EIO_E_MEMORY + 1)), "unknown error");
}

/* What one payload gives, packet by packet, as "type:data" or "b:data", each followed by a bar; then the error. */
static enum aivo_eio_error list_payload(const char *payload, size_t len, struct aivo_buf *list)
{
    struct aivo_buf scratch;
    struct aivo_eio_packet p;
    enum aivo_eio_error error;
    size_t pos = 0;
    aivo_buf_init(&scratch);
    while (aivo_eio_payload_next(payload, len, &pos, &scratch, &p, &error)) {
        aivo_buf_char(list, p.binary ? 'b' : (char)('0' + (int)p.type));
        aivo_buf_char(list, ':');
        aivo_buf_add(list, p.data, p.len);
        aivo_buf_char(list, '|');
    }
    enum aivo_eio_error again = error;
    if (error != AIVO_EIO_OK) /* asking again after an error gives it again */
        assert_false(aivo_eio_payload_next(payload, len, &pos, &scratch, &p, &again));
    assert_int_equal(again, error);
    aivo_buf_free(&scratch);
    return error;
}

/* Payloads of a long poll, whole and malformed. */
static void test_payloads(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *list;
        enum aivo_eio_error error;
    } cases[] = {
        {"4a", "4:a|", AIVO_EIO_OK},
        {"4a\x1e"
         "2\x1e"
         "4b",
         "4:a|2:|4:b|", AIVO_EIO_OK},
        {"6", "6:|", AIVO_EIO_OK},
        {"bAQID", "b:\x01\x02\x03|", AIVO_EIO_OK},
        {"451-[1]\x1e"
         "bAQIDBA==\x1e"
         "b\x1e"
         "bAQI",
         "4:51-[1]|b:\x01\x02\x03\x04|b:|b:\x01\x02|", AIVO_EIO_OK},
        {"", "", AIVO_EIO_E_EMPTY},
        {"\x1e"
         "4a",
         "", AIVO_EIO_E_EMPTY},
        {"4a\x1e", "4:a|", AIVO_EIO_E_EMPTY},
        {"4a\x1e\x1e"
         "4b",
         "4:a|", AIVO_EIO_E_EMPTY},
        {"4a\x1e"
         "7",
         "4:a|", AIVO_EIO_E_TYPE},
        {"4a\x1e"
         "b*",
         "4:a|", AIVO_EIO_E_BASE64},
        {"bA", "", AIVO_EIO_E_BASE64},
        {"bAB==", "", AIVO_EIO_E_BASE64},
        {"4\xc3\x1e\xa9", "", AIVO_EIO_E_UTF8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_buf list;
        size_t len = strlen(cases[i].payload);
        char *payload = exact_copy(cases[i].payload, len);
        aivo_buf_init(&list);
        aivo_buf_add(&list, "", 0);
        enum aivo_eio_error error = list_payload(payload, len, &list);
        if (error != cases[i].error)
            fail_msg("case %zu: %s", i, aivo_eio_strerror(error));
        assert_string_equal(list.data, cases[i].list);
        aivo_buf_free(&list);
        free(payload);
    }
}

/* The greatest number of packets passes, one more is refused before the first is given out. */
static void test_too_many(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct aivo_buf payload, list;
        struct aivo_eio_packet noop = {AIVO_EIO_NOOP, false, "", 0};
        aivo_buf_init(&payload);
        aivo_buf_init(&list);
        for (size_t i = 0; i < AIVO_EIO_MAX_PACKETS + extra; i++)
            aivo_eio_payload_add(&payload, &noop);
        enum aivo_eio_error error = list_payload(payload.data, payload.len, &list);
        assert_int_equal(error, extra ? AIVO_EIO_E_TOO_MANY : AIVO_EIO_OK);
        assert_int_equal(list.len, extra ? 0 : 3 * AIVO_EIO_MAX_PACKETS);
        aivo_buf_free(&payload);
        aivo_buf_free(&list);
    }
}

#define MAX_RANDOM 12

/* Random packets, binary ones among them, come out of a payload as they went in; every truncation of the payload is
 * read without a look behind its end. */
static void test_payload_identity(void **state)
{
    (void)state;
    struct prng r = {3};
    for (int round = 0; round < 3000; round++) {
        struct aivo_eio_packet in[MAX_RANDOM], out;
        struct aivo_buf data[MAX_RANDOM], payload, scratch, list;
        size_t n = 1 + prng_below(&r, MAX_RANDOM), pos = 0;
        enum aivo_eio_error error;
        aivo_buf_init(&payload);
        aivo_buf_init(&scratch);
        aivo_buf_init(&list);
        for (size_t i = 0; i < n; i++) {
            bool binary = prng_below(&r, 3) == 0;
            aivo_buf_init(&data[i]);
            aivo_buf_add(&data[i], "", 0);
            for (size_t k = prng_below(&r, 20); k; k--) {
                uint32_t c = gen_code_point(&r);
                if (binary)
                    aivo_buf_char(&data[i], (char)c);
                else if (c != AIVO_EIO_SEPARATOR)
                    gen_utf8(c, &data[i]);
            }
            enum aivo_eio_type type = binary ? AIVO_EIO_MESSAGE : (enum aivo_eio_type)prng_below(&r, 7);
            in[i] = (struct aivo_eio_packet){type, binary, data[i].data, data[i].len};
            aivo_eio_payload_add(&payload, &in[i]);
        }
        char *exact = exact_copy(payload.data, payload.len);
        for (size_t i = 0; i < n; i++) {
            assert_true(aivo_eio_payload_next(exact, payload.len, &pos, &scratch, &out, &error));
            assert_int_equal(out.type, in[i].type);
            assert_int_equal(out.binary, in[i].binary);
            assert_int_equal(out.len, in[i].len);
            assert_memory_equal(out.data, in[i].data, out.len);
        }
        assert_false(aivo_eio_payload_next(exact, payload.len, &pos, &scratch, &out, &error));
        assert_int_equal(error, AIVO_EIO_OK);
        free(exact);
        for (size_t len = 0; round % 10 == 0 && len < payload.len; len++) {
            exact = exact_copy(payload.data, len);
            list_payload(exact, len, &list);
            free(exact);
        }
        for (size_t i = 0; i < n; i++)
            aivo_buf_free(&data[i]);
        aivo_buf_free(&payload);
        aivo_buf_free(&scratch);
        aivo_buf_free(&list);
    }
}

/* Handshakes as servers send them, white space, unknown members and escapes included. */
static void test_handshake(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct aivo_eio_handshake expected;
    } cases[] = {
        {"{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,"
         "\"maxPayload\":1000000}",
         {"lv_VI97HAXpY6yYWAAAC", 25000, 20000, 1000000, true}},
        {" { \"pingTimeout\" : 1 , \"pingInterval\":86400000,\"sid\":\"\\u0061b\" } ", {"ab", 86400000, 1, 0, false}},
        {"{\"sid\":\"x\",\"pingInterval\":1e3,\"pingTimeout\":2,\"upgrades\":[\"webtransport\",\"websocket\"],\"n\":[{}"
         "]}",
         {"x", 1000, 2, 0, true}},
        {"{\"sid\":\"x\",\"pingInterval\":1,\"pingTimeout\":2,\"upgrades\":\"websocket\"}", {"x", 1, 2, 0, false}},
        {"{\"sid\":\"123456789012345678901234567890123456789012345678901234567890123\",\"pingInterval\":1,"
         "\"pingTimeout\":2,\"maxPayload\":9007199254740992}",
         {"123456789012345678901234567890123456789012345678901234567890123", 1, 2, 9007199254740992, false}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_eio_handshake h;
        size_t len = strlen(cases[i].json);
        char *json = exact_copy(cases[i].json, len);
        assert_int_equal(aivo_eio_handshake_decode(json, len, &h), AIVO_EIO_OK);
        assert_string_equal(h.sid, cases[i].expected.sid);
        assert_int_equal(h.ping_interval_ms, cases[i].expected.ping_interval_ms);
        assert_int_equal(h.ping_timeout_ms, cases[i].expected.ping_timeout_ms);
        assert_int_equal(h.max_payload, cases[i].expected.max_payload);
        assert_int_equal(h.can_upgrade, cases[i].expected.can_upgrade);
        free(json);
    }
}

/* Handshakes that cannot be used, each with its own error; the output stays as it was. */
static void test_handshake_errors(void **state)
{
    (void)state;
#define REST ",\"pingInterval\":1,\"pingTimeout\":1}"
    static const struct {
        const char *json;
        enum aivo_eio_error error;
    } cases[] = {
        {"", AIVO_EIO_E_JSON},
        {"[]", AIVO_EIO_E_JSON},
        {"{\"sid\":\"a\"", AIVO_EIO_E_JSON},
        {"{\"sid\":\"a\"" REST "x", AIVO_EIO_E_JSON},
        {"{}", AIVO_EIO_E_SID},
        {"{\"sid\":\"\"" REST, AIVO_EIO_E_SID},
        {"{\"sid\":null" REST, AIVO_EIO_E_SID},
        {"{\"sid\":7" REST, AIVO_EIO_E_SID},
        {"{\"sid\":\"a\\u0000b\"" REST, AIVO_EIO_E_SID},
        {"{\"sid\":\"1234567890123456789012345678901234567890123456789012345678901234\"" REST, AIVO_EIO_E_SID},
        {"{\"sid\":\"a\",\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":0,\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":1,\"pingTimeout\":0}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":86400001,\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":1,\"pingTimeout\":86400001}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":-5,\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":1.5,\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"pingInterval\":\"25000\",\"pingTimeout\":1}", AIVO_EIO_E_INTERVAL},
        {"{\"sid\":\"a\",\"maxPayload\":0" REST, AIVO_EIO_E_PAYLOAD},
        {"{\"sid\":\"a\",\"maxPayload\":null" REST, AIVO_EIO_E_PAYLOAD},
        {"{\"sid\":\"a\",\"maxPayload\":-1" REST, AIVO_EIO_E_PAYLOAD},
        {"{\"sid\":\"a\",\"maxPayload\":0.5" REST, AIVO_EIO_E_PAYLOAD},
        {"{\"sid\":\"a\",\"maxPayload\":\"x\"" REST, AIVO_EIO_E_PAYLOAD},
    };
#undef REST
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_eio_handshake h = {.sid = "kept", .max_payload = 4711};
        size_t len = strlen(cases[i].json);
        char *json = exact_copy(cases[i].json, len);
        enum aivo_eio_error error = aivo_eio_handshake_decode(json, len, &h);
        if (error != cases[i].error)
            fail_msg("%s: %s", cases[i].json, aivo_eio_strerror(error));
        assert_string_equal(h.sid, "kept");
        assert_int_equal(h.max_payload, 4711);
        free(json);
    }
}

/* A random handshake is the same after encoding and decoding; each of its truncations is no JSON. */
static void test_handshake_identity(void **state)
{
    (void)state;
    struct prng r = {8};
    for (int i = 0; i < 3000; i++) {
        struct aivo_eio_handshake in = {.can_upgrade = prng_below(&r, 2) != 0}, out;
        struct aivo_buf b;
        size_t n = 1 + prng_below(&r, sizeof(in.sid) - 1);
        for (size_t k = 0; k < n; k++)
            in.sid[k] = (char)(1 + prng_below(&r, 127));
        in.ping_interval_ms = 1 + (uint32_t)prng_below(&r, 86400000);
        in.ping_timeout_ms = 1 + (uint32_t)prng_below(&r, 86400000);
        in.max_payload = prng_next(&r) >> (11 + prng_below(&r, 53));
        aivo_buf_init(&b);
        aivo_eio_handshake_encode(&b, &in);
        assert_int_equal(aivo_eio_handshake_decode(b.data, b.len, &out), AIVO_EIO_OK);
        assert_string_equal(in.sid, out.sid);
        assert_int_equal(in.ping_interval_ms, out.ping_interval_ms);
        assert_int_equal(in.ping_timeout_ms, out.ping_timeout_ms);
        assert_int_equal(in.max_payload, out.max_payload);
        assert_int_equal(in.can_upgrade, out.can_upgrade);
        for (size_t len = 0; i % 20 == 0 && len < b.len; len++) {
            char *exact = exact_copy(b.data, len);
            assert_int_equal(aivo_eio_handshake_decode(exact, len, &out), AIVO_EIO_E_JSON);
            free(exact);
        }
        aivo_buf_free(&b);
    }
}

/* The examples of RFC 4648, padded and not. */
static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *text;
    } cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_buf out;
        size_t unpadded = strcspn(cases[i].text, "=");
        aivo_buf_init(&out);
        aivo_base64_encode(&out, cases[i].plain, strlen(cases[i].plain));
        assert_string_equal(out.data, cases[i].text);
        aivo_buf_clear(&out);
        assert_true(aivo_base64_decode(&out, cases[i].text, strlen(cases[i].text)));
        assert_string_equal(out.data, cases[i].plain);
        aivo_buf_clear(&out);
        char *exact = exact_copy(cases[i].text, unpadded);
        assert_true(aivo_base64_decode(&out, exact, unpadded));
        assert_string_equal(out.data, cases[i].plain);
        free(exact);
        aivo_buf_free(&out);
    }
}

/* What no encoder writes is refused, and the buffer keeps what it had. */
static void test_base64_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"A",    "AAAAA", "=",        "==",       "===",   "====",      "A=",
                                      "A===", "AA=",   "AA===",    "AAA==",    "AAAA=", "AAAA====",  "A=AA",
                                      "AA=A", "=AAA",  "AAAA=AAA", "AA==AAAA", "AB==",  "AAB=",      "AB",
                                      "AAB",  "AA A",  "AA\nAA",   "AA-_",     "AA*A",  "AA\xc3\xa9"};
    struct aivo_buf out;
    aivo_buf_init(&out);
    aivo_buf_str(&out, "kept");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *exact = exact_copy(bad[i], strlen(bad[i]));
        if (aivo_base64_decode(&out, exact, strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(out.len, 4);
        assert_memory_equal(out.data, "kept", 4);
        free(exact);
    }
    aivo_buf_free(&out);
}

/* The other alphabet: its own two characters, and neither the first one's nor padding. */
static void test_base64url(void **state)
{
    (void)state;
    static const char *const bad[] = {"+//+", "-_/-", "-_+-", "Zg==", "Zm8=", "A", "AB", "AA A"};
    struct aivo_buf out;
    aivo_buf_init(&out);
    char *exact = exact_copy("-__-Zg", 6);
    assert_true(aivo_base64url_decode(&out, exact, 6));
    assert_string_equal(out.data, "\xfb\xff\xfe"
                                  "f");
    free(exact);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        exact = exact_copy(bad[i], strlen(bad[i]));
        if (aivo_base64url_decode(&out, exact, strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(out.len, 4);
        free(exact);
    }
    aivo_buf_free(&out);
}

/* Random bytes of every length survive, appended to what is there. */
static void test_base64_identity(void **state)
{
    (void)state;
    struct prng r = {4};
    for (size_t i = 0; i < 4000; i++) {
        unsigned char bytes[300];
        size_t len = i % sizeof(bytes);
        struct aivo_buf text, back;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (unsigned char)prng_next(&r);
        char *exact = exact_copy(bytes, len);
        aivo_buf_init(&text);
        aivo_buf_init(&back);
        aivo_buf_str(&text, "in front");
        aivo_buf_str(&back, "before");
        aivo_base64_encode(&text, exact, len);
        assert_int_equal(text.len, 8 + (len + 2) / 3 * 4);
        assert_true(aivo_base64_decode(&back, text.data + 8, text.len - 8));
        assert_int_equal(back.len, 6 + len);
        assert_memory_equal(back.data, "before", 6);
        assert_memory_equal(back.data + 6, bytes, len);
        aivo_buf_free(&text);
        aivo_buf_free(&back);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_errors),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_payload_identity),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_handshake_errors),
        cmocka_unit_test(test_handshake_identity),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_errors),
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_base64_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
