#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "wsframe.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* The masked "Hello" of RFC 6455, section 5.7, byte by byte. */
static void test_rfc_example(void **state)
{
    (void)state;
    struct aivo_buf out = {0};
    aivo_ws_frame(&out, AIVO_WS_TEXT, "Hello", 5, mask);
    assert_int_equal(out.len, 11);
    assert_memory_equal(out.data, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
    aivo_buf_free(&out);
}

/* Each length form at its edges: the header is the shortest, and unmasking gives the payload back. */
static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 125, 126, 127, 65535, 65536, 70001};
    char *data = malloc(70001);
    assert_non_null(data);
    for (size_t i = 0; i < 70001; i++)
        data[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct aivo_buf out = {0};
        aivo_buf_str(&out, "before");
        aivo_ws_frame(&out, AIVO_WS_BINARY, data, lengths[i], mask);
        const uint8_t *p = (const uint8_t *)out.data + 6;
        size_t n = 2 + (lengths[i] < 126 ? 0 : lengths[i] < 65536 ? 2 : 8);
        assert_int_equal(out.len, 6 + n + 4 + lengths[i]);
        assert_int_equal(p[0], 0x82);
        assert_int_equal(p[1], 0x80 | (lengths[i] < 126 ? lengths[i] : lengths[i] < 65536 ? 126 : 127));
        uint64_t len = 0;
        for (size_t k = 2; k < n; k++)
            len = len << 8 | p[k];
        assert_true(n == 2 || len == lengths[i]);
        assert_memory_equal(p + n, mask, 4);
        for (size_t k = 0; k < lengths[i]; k++)
            assert_int_equal((char)(p[n + 4 + k] ^ mask[k & 3]), data[k]);
        aivo_buf_free(&out);
    }
    free(data);
}

/* Close payloads: code and reason; a reason too long is cut between characters; code 0 is none. */
static void test_close_payload(void **state)
{
    (void)state;
    char out[AIVO_WS_CONTROL_MAX], reason[200];
    assert_int_equal(aivo_ws_close_payload(out, 1001, "bye"), 5);
    assert_memory_equal(out,
                        "\x03\xe9"
                        "bye",
                        5);
    assert_int_equal(aivo_ws_close_payload(out, 1000, NULL), 2);
    assert_int_equal(aivo_ws_close_payload(out, 0, "bye"), 0);
    for (int i = 0; i < 198; i += 3)
        memcpy(reason + i, "\xe2\x82\xac", 4);
    assert_int_equal(aivo_ws_close_payload(out, 1000, reason), 2 + 123);
    reason[0] = 'x', reason[1] = 'y';
    memmove(reason + 2, reason + 3, 190);
    assert_int_equal(aivo_ws_close_payload(out, 1000, reason), 2 + 2 + 120);
}

/* Reads text in pieces of `step` bytes; writes what is found to log as "T:text ", "B:", "P:", "O:", "C1000:", "E1002".
 */
static void run(const char *data, size_t len, size_t step, uint64_t max_message, struct aivo_buf *log)
{
    struct aivo_ws_reader r = {.max_message = max_message};
    struct aivo_ws_event e;
    for (size_t from = 0; from < len; from += step) {
        size_t end = from + step < len ? from + step : len;
        /* A copy of its own, so that a read beyond the piece is seen by the sanitizer. */
        char *piece = malloc(end - from);
        assert_non_null(piece);
        memcpy(piece, data + from, end - from);
        for (size_t pos = 0; pos < end - from;) {
            pos += aivo_ws_read(&r, piece + pos, end - from - pos, &e);
            if (e.found == AIVO_WS_FOUND_NOTHING) {
                assert_int_equal(pos, end - from);
                break;
            }
            aivo_buf_char(log, e.found == AIVO_WS_FOUND_MESSAGE ? e.binary ? 'B' : 'T'
                               : e.found == AIVO_WS_FOUND_PING  ? 'P'
                               : e.found == AIVO_WS_FOUND_PONG  ? 'O'
                               : e.found == AIVO_WS_FOUND_CLOSE ? 'C'
                                                                : 'E');
            if (e.code)
                aivo_buf_u64(log, e.code);
            if (e.found == AIVO_WS_FOUND_ERROR) {
                assert_non_null(e.error);
                pos = end - from;
            } else {
                aivo_buf_char(log, ':');
                aivo_buf_add(log, e.data, e.len);
            }
            aivo_buf_char(log, ' ');
        }
        free(piece);
    }
    aivo_ws_reader_free(&r);
}

static void expect(const char *data, size_t len, uint64_t max_message, const char *wanted)
{
    for (size_t step = 1; step <= len; step++) {
        struct aivo_buf log = {0};
        aivo_buf_str(&log, "");
        run(data, len, step, max_message, &log);
        if (strcmp(log.data, wanted) != 0)
            fail_msg("in steps of %zu: \"%s\", not \"%s\"", step, log.data, wanted);
        aivo_buf_free(&log);
    }
}

#define EXPECT(bytes, wanted) expect(bytes, sizeof bytes - 1, 100, wanted)

/* Whole messages, empty ones, fragments with control frames in between: the same however the bytes are cut. */
static void test_messages(void **state)
{
    (void)state;
    EXPECT("\x81\x02hi\x82\x01x", "T:hi B:x ");
    EXPECT("\x81\x00\x82\x00\x81\x01z", "T: B: T:z ");
    EXPECT("\x01\x01"
           "a\x00\x01"
           "b\x80\x01"
           "c\x81\x01"
           "d",
           "T:abc T:d ");
    EXPECT("\x01\x01"
           "a\x89\x01p\x8a\x02qr\x80\x01"
           "b",
           "P:p O:qr T:ab ");
    EXPECT("\x01\x00\x00\x00\x80\x00\x81\x01x", "T: T:x ");
    EXPECT("\x01\x00\x80\x02ok", "T:ok ");
    EXPECT("\x01\x01\xc3\x80\x01\xa4", "T:\xc3\xa4 "); /* a character cut by fragments */
    EXPECT("\x89\x00\x8a\x00", "P: O: ");
    EXPECT("\x88\x02\x03\xe8\x81\x01x", "C1000: ");
    EXPECT("\x88\x06\x03\xf4"
           "soon",
           "C1012:soon ");
    EXPECT("\x88\x00", "C1005: ");
}

/* Everything a server must not send, each refused with the code that belongs to it; nothing after it is read. */
static void test_refused(void **state)
{
    (void)state;
    EXPECT("\x81\x81\x01\x02\x03\x04x\x81\x01y", "E1002 "); /* masked */
    EXPECT("\xc1\x01x", "E1002 ");                          /* RSV1: compression was not asked for */
    EXPECT("\xa1\x01x", "E1002 ");
    EXPECT("\x91\x01x", "E1002 ");
    for (int opcode = 3; opcode < 16; opcode++) {
        char frame[3] = {(char)(0x80 | opcode), 0};
        if (opcode < 8 || opcode > 10)
            expect(frame, 2, 100, "E1002 ");
    }
    EXPECT("\x80\x01x", "E1002 ");              /* continues nothing */
    EXPECT("\x81\x01x\x80\x01y", "T:x E1002 "); /* nor this */
    EXPECT("\x01\x01x\x81\x01y", "E1002 ");     /* new message inside one */
    EXPECT("\x01\x01x\x02\x01y", "E1002 ");
    EXPECT("\x09\x01x", "E1002 ");             /* fragmented ping */
    EXPECT("\x89\x7e\x00\x7e", "E1002 ");      /* ping of 126 bytes */
    EXPECT("\x81\x7e\x00\x05hello", "E1002 "); /* not the shortest length */
    EXPECT("\x81\x7f\0\0\0\0\0\0\xff\xff", "E1002 ");
    EXPECT("\x81\x7f\x80\0\0\0\0\0\0\0", "E1002 "); /* 63rd bit */
    EXPECT("\x81\x01\xff", "E1007 ");
    EXPECT("\x01\x01\xc3\x80\x01x", "E1007 ");
    EXPECT("\x88\x01\x03", "E1002 ");
    EXPECT("\x88\x02\x03\xed", "E1002 "); /* 1005 */
    EXPECT("\x88\x02\x03\xee", "E1002 "); /* 1006 */
    EXPECT("\x88\x02\x03\xe7", "E1002 "); /* 999 */
    EXPECT("\x88\x02\x0b\xb7", "E1002 "); /* 2999 */
    EXPECT("\x88\x02\x13\x88", "E1002 "); /* 5000 */
    EXPECT("\x88\x03\x03\xe8\xff", "E1007 ");
}

/* The limit: a message of exactly that size is taken, in one piece or in fragments; one byte more is refused at its
 * header, before a byte of it has come; a lying length allocates nothing. */
static void test_limit(void **state)
{
    (void)state;
    expect("\x81\x05hello", 7, 5, "T:hello ");
    expect("\x81\x06", 2, 5, "E1009 ");
    expect("\x01\x03hel\x80\x02lo", 9, 5, "T:hello ");
    expect("\x01\x03hel\x80\x03", 7, 5, "E1009 ");
    expect("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, 1000000, "E1009 ");
    struct aivo_ws_reader r = {.max_message = UINT64_MAX};
    struct aivo_ws_event e;
    aivo_ws_read(&r, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffxyz", 13, &e);
    assert_int_equal(e.found, AIVO_WS_FOUND_NOTHING);
    assert_true(r.message.cap < 4096);
    aivo_ws_reader_free(&r);
}

/* A message that lies whole in the input is not copied; a huge one's memory is given back after it. */
static void test_memory(void **state)
{
    (void)state;
    struct aivo_ws_reader r = {.max_message = 1 << 20};
    struct aivo_ws_event e;
    const char input[] = "\x81\x05hello";
    aivo_ws_read(&r, input, 7, &e);
    assert_ptr_equal(e.data, input + 2);
    assert_null(r.message.data);
    char *big = calloc(1, 500000);
    assert_non_null(big);
    memcpy(big, "\x82\x7f\0\0\0\0\0\x07\xa1\x16", 10); /* 500,000 - 10 */
    assert_int_equal(aivo_ws_read(&r, big, 1000, &e), 1000);
    assert_int_equal(aivo_ws_read(&r, big + 1000, 499000, &e), 499000);
    assert_int_equal(e.found, AIVO_WS_FOUND_MESSAGE);
    assert_int_equal(e.len, 499990);
    aivo_ws_read(&r, input, 7, &e);
    assert_null(r.message.data);
    free(big);
    aivo_ws_reader_free(&r);
}

/* Random bytes, 20,000 times, in random pieces: the reader ends in an error or waits, and never reads too far. */
static void test_random(void **state)
{
    (void)state;
    struct prng seed = {11};
    for (int round = 0; round < 20000; round++) {
        char data[64];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (char)prng_next(&seed);
        if (round & 1) /* likelier to get past the first header */
            data[0] = (char)((uint8_t)data[0] & 0x8b), data[1] = (char)((uint8_t)data[1] & 0x0f);
        struct aivo_buf log = {0};
        run(data, sizeof data, 1 + prng_next(&seed) % 64, 50, &log);
        aivo_buf_free(&log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_example), cmocka_unit_test(test_lengths), cmocka_unit_test(test_close_payload),
        cmocka_unit_test(test_messages),    cmocka_unit_test(test_refused), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
