#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "prng.h"
#include <cmocka.h>
#include <stdio.h>

/* Thousands of appends of every kind give the same bytes as a plain array does, always followed by a NUL. */
static void test_appends(void **state)
{
    (void)state;
    struct prng r = {1};
    struct aivo_buf b;
    static char expected[200000];
    size_t len = 0;
    aivo_buf_init(&b);
    for (int i = 0; i < 5000; i++) {
        unsigned long long number = prng_next(&r) >> prng_below(&r, 64);
        char piece[32];
        size_t n = prng_below(&r, sizeof(piece));
        for (size_t j = 0; j < n; j++)
            piece[j] = (char)prng_next(&r);
        switch (prng_below(&r, 4)) {
        case 0:
            aivo_buf_add(&b, piece, n);
            break;
        case 1:
            n = (size_t)snprintf(piece, sizeof(piece), "%llu", number);
            aivo_buf_u64(&b, number);
            break;
        case 2:
            n = (size_t)snprintf(piece, sizeof(piece), "text %u", (unsigned)(number & 0xffff));
            aivo_buf_str(&b, piece);
            break;
        default:
            n = 1;
            piece[0] = (char)number;
            aivo_buf_char(&b, piece[0]);
        }
        memcpy(expected + len, piece, n);
        len += n;
        assert_int_equal(b.len, len);
        assert_true(b.cap > b.len);
        assert_int_equal(b.data[b.len], 0);
    }
    assert_memory_equal(b.data, expected, len);
    assert_false(b.failed);
    aivo_buf_free(&b);
    assert_null(b.data);
    assert_int_equal(b.len + b.cap, 0);
}

/* The least and the greatest number. */
static void test_numbers(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    aivo_buf_u64(&b, 0);
    aivo_buf_char(&b, ' ');
    aivo_buf_u64(&b, UINT64_MAX);
    assert_string_equal(b.data, "0 18446744073709551615");
    aivo_buf_free(&b);
}

/* An append that can never fit fails, later ones do nothing, and clear makes the buffer usable again. */
static void test_failure(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    aivo_buf_str(&b, "kept");
    assert_false(aivo_buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    aivo_buf_str(&b, " lost");
    aivo_buf_char(&b, '!');
    aivo_buf_u64(&b, 7);
    assert_false(aivo_buf_reserve(&b, 1));
    assert_string_equal(b.data, "kept");
    assert_int_equal(b.len, 4);
    aivo_buf_clear(&b);
    assert_false(b.failed);
    aivo_buf_str(&b, "again");
    assert_string_equal(b.data, "again");
    aivo_buf_free(&b);
}

/* Clearing keeps the memory; what was reserved is there without moving. */
static void test_reserve_and_clear(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    aivo_buf_clear(&b);
    assert_null(b.data);
    assert_true(aivo_buf_reserve(&b, 1000));
    const char *data = b.data;
    for (int i = 0; i < 1000; i++)
        aivo_buf_char(&b, 'x');
    assert_ptr_equal(b.data, data);
    size_t cap = b.cap;
    aivo_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    assert_string_equal(b.data, "");
    aivo_buf_free(&b);
}

/* Nothing appended is text as well: data is no NULL any more. */
static void test_empty(void **state)
{
    (void)state;
    struct aivo_buf b;
    aivo_buf_init(&b);
    assert_null(b.data);
    aivo_buf_add(&b, NULL, 0);
    assert_non_null(b.data);
    assert_string_equal(b.data, "");
    aivo_buf_free(&b);
    aivo_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),           cmocka_unit_test(test_numbers), cmocka_unit_test(test_failure),
        cmocka_unit_test(test_reserve_and_clear), cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
