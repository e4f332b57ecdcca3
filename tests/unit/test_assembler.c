#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "prng.h"
#include "socketio.h"
#include <cmocka.h>

#define SLOT(n) "{\"_placeholder\":true,\"num\":" #n "}"
#define TWO     "52-7[\"e\"," SLOT(1) "," SLOT(0) "]"

static enum aivo_sio_error feed_text(struct aivo_sio_assembler *a, const char *text, struct aivo_sio_message *out,
                                     bool *complete)
{
    size_t len = strlen(text);
    char *exact = exact_copy(text, len);
    enum aivo_sio_error error = aivo_sio_assemble_text(a, exact, len, out, complete);
    free(exact); /* a packet that waits for frames must not lean on it */
    return error;
}

static enum aivo_sio_error feed_bytes(struct aivo_sio_assembler *a, const void *data, size_t len,
                                      struct aivo_sio_message *out, bool *complete)
{
    char *exact = exact_copy(data, len);
    enum aivo_sio_error error = aivo_sio_assemble_binary(a, exact, len, out, complete);
    free(exact);
    return error;
}

/* Text alone is complete at once; a packet with two frames is complete with the second, an empty one among them. */
static void test_assemble(void **state)
{
    (void)state;
    struct aivo_sio_assembler a;
    struct aivo_sio_message m;
    bool complete;
    aivo_sio_assembler_init(&a, 1000);
    assert_int_equal(aivo_sio_assemble_text(&a, "2[\"x\"]", 6, &m, &complete), AIVO_SIO_OK);
    assert_true(complete);
    assert_int_equal(m.packet.type, AIVO_SIO_EVENT);
    for (int round = 0; round < 3; round++) { /* an assembler is used again and again */
        assert_false(aivo_sio_assembler_busy(&a));
        assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
        assert_false(complete);
        assert_true(aivo_sio_assembler_busy(&a));
        assert_int_equal(feed_bytes(&a, "first", 5, &m, &complete), AIVO_SIO_OK);
        assert_false(complete);
        assert_true(aivo_sio_assembler_busy(&a));
        assert_int_equal(feed_bytes(&a, "", 0, &m, &complete), AIVO_SIO_OK);
        assert_true(complete);
        assert_false(aivo_sio_assembler_busy(&a));
        assert_int_equal(m.packet.type, AIVO_SIO_BINARY_EVENT);
        assert_int_equal(m.packet.attachments, 2);
        assert_int_equal(m.packet.id, 7);
        assert_int_equal(m.packet.data.len, strlen(TWO) - 4);
        assert_memory_equal(m.packet.data.text, TWO + 4, m.packet.data.len);
        assert_int_equal(m.attachments[0].len, 5);
        assert_memory_equal(m.attachments[0].data, "first", 5);
        assert_int_equal(m.attachments[1].len, 0);
        assert_non_null(m.attachments[1].data);
    }
    aivo_sio_assembler_free(&a);
}

/* Bytes that nothing waits for, text where bytes are due, and a malformed packet; the next packet is fine again. */
static void test_order(void **state)
{
    (void)state;
    struct aivo_sio_assembler a;
    struct aivo_sio_message m;
    bool complete = true;
    aivo_sio_assembler_init(&a, 1000);
    assert_int_equal(feed_bytes(&a, "x", 1, &m, &complete), AIVO_SIO_E_UNEXPECTED);
    assert_false(complete);
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_text(&a, "2[\"x\"]", &m, &complete), AIVO_SIO_E_UNEXPECTED);
    assert_false(complete);
    assert_false(aivo_sio_assembler_busy(&a));
    assert_int_equal(feed_bytes(&a, "x", 1, &m, &complete), AIVO_SIO_E_UNEXPECTED);
    assert_int_equal(feed_text(&a, "50-[\"x\"]", &m, &complete), AIVO_SIO_E_ATTACHMENTS);
    assert_false(aivo_sio_assembler_busy(&a));
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
    aivo_sio_assembler_reset(&a);
    assert_false(aivo_sio_assembler_busy(&a));
    assert_int_equal(feed_text(&a, "61-4[" SLOT(0) "]", &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "z", 1, &m, &complete), AIVO_SIO_OK);
    assert_true(complete);
    assert_int_equal(feed_bytes(&a, "one too many", 12, &m, &complete), AIVO_SIO_E_UNEXPECTED);
    aivo_sio_assembler_free(&a);
}

/* Head and frames together may be exactly as large as the bound, not a byte more, wherever the byte comes. */
static void test_bound(void **state)
{
    (void)state;
    struct aivo_sio_assembler a;
    struct aivo_sio_message m;
    bool complete;
    size_t head = strlen(TWO);
    aivo_sio_assembler_init(&a, head + 10);
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "123456", 6, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "7890", 4, &m, &complete), AIVO_SIO_OK);
    assert_true(complete);
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "12345678901", 11, &m, &complete), AIVO_SIO_E_TOO_LARGE);
    assert_false(aivo_sio_assembler_busy(&a));
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "1234567", 7, &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, "8901", 4, &m, &complete), AIVO_SIO_E_TOO_LARGE);
    assert_false(complete);
    assert_false(aivo_sio_assembler_busy(&a));
    aivo_sio_assembler_free(&a);
    aivo_sio_assembler_init(&a, head - 1);
    assert_int_equal(feed_text(&a, TWO, &m, &complete), AIVO_SIO_E_TOO_LARGE);
    assert_false(aivo_sio_assembler_busy(&a));
    aivo_sio_assembler_free(&a);
}

/* After a large message the memory is given back before the next one is collected. */
static void test_memory_is_given_back(void **state)
{
    (void)state;
    struct aivo_sio_assembler a;
    struct aivo_sio_message m;
    bool complete;
    size_t large = 1000000;
    char *bytes = calloc(1, large);
    aivo_sio_assembler_init(&a, 2 * large);
    assert_int_equal(feed_text(&a, "51-[\"x\"," SLOT(0) "]", &m, &complete), AIVO_SIO_OK);
    assert_int_equal(feed_bytes(&a, bytes, large, &m, &complete), AIVO_SIO_OK);
    assert_true(complete && a.bytes.cap >= large);
    aivo_sio_assembler_reset(&a);
    assert_true(a.bytes.cap < 100000);
    free(bytes);
    aivo_sio_assembler_free(&a);
}

/* Random attachments come out as they went in, whatever their number and sizes. */
static void test_identity(void **state)
{
    (void)state;
    struct prng r = {31};
    struct aivo_sio_assembler a;
    aivo_sio_assembler_init(&a, 100000);
    for (int i = 0; i < 3000; i++) {
        struct aivo_sio_message m;
        struct aivo_buf text;
        unsigned n = 1 + (unsigned)prng_below(&r, AIVO_SIO_MAX_ATTACHMENTS);
        size_t lens[AIVO_SIO_MAX_ATTACHMENTS];
        char bytes[AIVO_SIO_MAX_ATTACHMENTS][200];
        bool complete = false;
        aivo_buf_init(&text);
        aivo_sio_encode_header(&text, AIVO_SIO_BINARY_EVENT, n, "/n", 2, NULL);
        aivo_buf_str(&text, "[\"e\"");
        for (unsigned k = 0; k < n; k++) {
            aivo_buf_str(&text, ",{\"_placeholder\":true,\"num\":");
            aivo_buf_u64(&text, k);
            aivo_buf_char(&text, '}');
            lens[k] = prng_below(&r, sizeof(bytes[k]));
            for (size_t j = 0; j < lens[k]; j++)
                bytes[k][j] = (char)prng_next(&r);
        }
        aivo_buf_char(&text, ']');
        assert_int_equal(feed_text(&a, text.data, &m, &complete), AIVO_SIO_OK);
        for (unsigned k = 0; k < n; k++) {
            assert_false(complete);
            assert_int_equal(feed_bytes(&a, bytes[k], lens[k], &m, &complete), AIVO_SIO_OK);
        }
        assert_true(complete);
        assert_int_equal(m.packet.attachments, n);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(m.attachments[k].len, lens[k]);
            assert_memory_equal(m.attachments[k].data, bytes[k], lens[k]);
        }
        aivo_buf_free(&text);
    }
    aivo_sio_assembler_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assemble), cmocka_unit_test(test_order),
        cmocka_unit_test(test_bound),    cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
